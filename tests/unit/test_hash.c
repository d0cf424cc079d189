/* The hash of tables and digests. */
#include "proto/hash.h"
#include "tests/unit/support.h"

/* Digests are in ledgers: the same bytes give the same number in every version and on every machine. */
static void hash_values_stay(void **state)
{
    (void)state;
    assert_int_equal(cccc_hash64(0, CCCC_STR("")), UINT64_C(0x009e08de56b26d9c));
    assert_int_equal(cccc_hash64(0, CCCC_STR("abc")), UINT64_C(0x4699967cc3490af0));
    assert_int_equal(cccc_hash64(1, CCCC_STR("a line of more than sixteen bytes")), UINT64_C(0xd122973db3162fba));
}

/* Strings that differ in one bit or in length, and pieces cut elsewhere, get different numbers. */
static void hash_tells_strings_apart(void **state)
{
    (void)state;
    char text[80] = {0};
    uint64_t seen[sizeof text * 9];
    size_t count = 0;
    for (size_t len = 0; len < sizeof text; len++) {
        seen[count++] = cccc_hash64(0, (cccc_str_t){text, len});
        for (size_t bit = 0; bit < 8 && len > 0; bit++) {
            text[(len * 7 + bit) % len] ^= (char)(1 << bit);
            seen[count++] = cccc_hash64(0, (cccc_str_t){text, len});
            text[(len * 7 + bit) % len] ^= (char)(1 << bit);
        }
    }
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            assert_true(seen[i] != seen[j]);
    uint64_t early = cccc_hash64(cccc_hash64(0, CCCC_STR("a")), CCCC_STR("bc"));
    uint64_t late = cccc_hash64(cccc_hash64(0, CCCC_STR("ab")), CCCC_STR("c"));
    assert_true(early != late);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_values_stay),
        cmocka_unit_test(hash_tells_strings_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
