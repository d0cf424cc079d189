/* test_value.c - arenas, makers, readers, builders, buffers, packing. */
#include "proto/json.h"
#include "proto/keys.h"
#include "proto/wire.h"
#include "tests/unit/support.h"

#include <math.h>

/* An arena gives aligned, separate memory and copies with a NUL behind them. */
static void an_arena_gives_aligned_memory_and_copies(void **state)
{
    struct table *t = *state;
    for (size_t n = 0; n < 200; n++)
        assert_int_equal((uintptr_t)cccc_arena_alloc(t->arena, n) % 8, 0);
    cccc_str_t s = cccc_arena_str(t->arena, CCCC_STR("copy"));
    assert_string_equal(s.ptr, "copy");
    assert_int_equal(cccc_arena_str(t->arena, (cccc_str_t){NULL, 0}).len, 0);
    assert_text(cccc_arena_printf(t->arena, "%s-%d", "claude", 1), "claude-1");
    assert_int_equal(cccc_arena_printf(t->arena, "%0600d", 1).len, 600);
    cccc_arena_t *none = NULL;
    cccc_arena_destroy(&none);
}

/* Kept arenas come back empty, as many as asked for and no more; unusual sizes are not kept. */
static void spare_arenas_are_empty_and_bounded(void **state)
{
    (void)state;
    enum { KEPT = 2, MADE = 4 };
    cccc_arena_t *made[MADE];
    cccc_arena_keep_spare(KEPT);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MADE; i++) {
            made[i] = cccc_arena_new(i == 0 ? 3 * CCCC_ARENA_SPARE_BYTES : 100);
            for (int n = 0; n < 50; n++)
                memset(cccc_arena_alloc(made[i], 1000), 0xff, 1000);
        }
        for (int i = 0; i < MADE; i++)
            cccc_arena_destroy(&made[i]);
        assert_null(made[0]);
    }
    cccc_arena_keep_spare(KEPT + 1);
    cccc_arena_keep_spare(1);
    made[0] = cccc_arena_new(1);
    assert_string_equal(cccc_arena_str(made[0], CCCC_STR("fresh")).ptr, "fresh");
    cccc_arena_destroy(&made[0]);
    cccc_arena_keep_spare(0);
    made[0] = cccc_arena_new(1);
    cccc_arena_destroy(&made[0]);
}

/* Readers take their own type only and leave the result alone otherwise. */
static void readers_take_their_own_type_only(void **state)
{
    (void)state;
    cccc_value_t big = cccc_uint(UINT64_MAX), neg = cccc_int(-5), text = cccc_text("x"), yes = cccc_bool(true), nil = cccc_nil();
    int64_t i = 1;
    uint64_t u = 1;
    bool b = false;
    cccc_str_t s = CCCC_STR("before");
    assert_true(cccc_as_uint(&big, &u) && u == UINT64_MAX);
    assert_false(cccc_as_int(&big, &i));
    assert_true(cccc_as_int(&neg, &i) && i == -5);
    assert_false(cccc_as_uint(&neg, &u));
    assert_true(cccc_as_bool(&yes, &b) && b);
    assert_false(cccc_as_bool(&text, &b));
    assert_false(cccc_as_str(&neg, &s));
    assert_text(s, "before");
    assert_true(cccc_as_str(&text, &s) && cccc_is_nil(&nil));
    assert_false(cccc_as_str(NULL, &s) || cccc_as_int(NULL, &i) || cccc_as_uint(NULL, &u) || cccc_as_bool(NULL, &b));
    assert_false(cccc_is_map(NULL) || cccc_is_array(NULL) || cccc_is_nil(NULL));
    assert_null(cccc_get(&text, "x"));
    assert_null(cccc_get(NULL, "x"));
}

/* A map member is read by name, with a default where it is missing or of another type. */
static void members_have_defaults(void **state)
{
    struct table *t = *state;
    cccc_builder_t b = cccc_map_builder(t->arena, 0);
    cccc_map_add(&b, "text", cccc_text("hello"));
    cccc_map_add(&b, "seq", cccc_uint(7));
    cccc_map_add(&b, "on", cccc_bool(true));
    assert_text(cccc_get_str(&b.value, "text"), "hello");
    assert_text(cccc_get_str(&b.value, "seq"), "");
    assert_int_equal(cccc_get_uint(&b.value, "seq", 1), 7);
    assert_int_equal(cccc_get_uint(&b.value, "none", 1), 1);
    assert_true(cccc_get_bool(&b.value, "on", false) && cccc_get_bool(&b.value, "off", true));
}

/* Builders grow from nothing and keep the order. */
static void builders_grow_and_keep_order(void **state)
{
    struct table *t = *state;
    cccc_builder_t map = cccc_map_builder(t->arena, 0), array = cccc_array_builder(t->arena, 2);
    for (unsigned i = 0; i < 100; i++) {
        cccc_map_add_key(&map, cccc_arena_printf(t->arena, "k%u", i), cccc_uint(i));
        cccc_array_add(&array, cccc_uint(i));
    }
    assert_int_equal(map.value.via.map.size, 100);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(map.value.via.map.ptr[i].val.via.u64, i);
        assert_int_equal(array.value.via.array.ptr[i].via.u64, i);
    }
}

/* Setting and removing a key makes a new map and leaves the old one as it was. */
static void changing_a_map_makes_a_new_one(void **state)
{
    struct table *t = *state;
    cccc_builder_t b = cccc_map_builder(t->arena, 3);
    cccc_map_add(&b, "a", cccc_uint(1));
    cccc_map_add(&b, "b", cccc_uint(2));
    cccc_value_t set = cccc_map_with(t->arena, &b.value, CCCC_STR("a"), cccc_uint(9));
    cccc_value_t added = cccc_map_with(t->arena, &set, CCCC_STR("c"), cccc_uint(3));
    cccc_value_t removed = cccc_map_without(t->arena, &added, CCCC_STR("b"));
    assert_int_equal(cccc_get_uint(&b.value, "a", 0), 1);
    assert_int_equal(cccc_get_uint(&set, "a", 0), 9);
    assert_int_equal(set.via.map.size, 2);
    assert_int_equal(added.via.map.size, 3);
    assert_null(cccc_get(&removed, "b"));
    assert_int_equal(removed.via.map.size, 2);
    cccc_value_t nil = cccc_nil(), from_nil = cccc_map_with(t->arena, &nil, CCCC_STR("k"), cccc_bool(true));
    assert_true(cccc_get_bool(&from_nil, "k", false));
    assert_int_equal(cccc_map_without(t->arena, &nil, CCCC_STR("k")).via.map.size, 0);
}

/* A deep copy equals its source and needs nothing of it. */
static void a_copy_borrows_nothing(void **state)
{
    struct table *t = *state;
    for (int i = 0; i < 200; i++) {
        cccc_arena_t *gone = cccc_arena_new(512);
        cccc_value_t v = random_value(gone, 4, false);
        cccc_value_t copy = cccc_value_copy(t->arena, &v);
        assert_true(cccc_value_eq(&v, &copy));
        t->buf.size = 0;
        cccc_pack_value(&t->buf, &v);
        cccc_arena_destroy(&gone);
        cccc_value_t again;
        assert_int_equal(cccc_msgpack_read(t->buf.data, t->buf.size, 1u << 22, t->arena, &again, NULL), CCCC_OK);
        assert_true(cccc_value_eq(&again, &copy));
    }
}

/* Values that differ in type, size or content anywhere are not equal. */
static void unlike_values_are_not_equal(void **state)
{
    struct table *t = *state;
    cccc_builder_t a = cccc_array_builder(t->arena, 2), m = cccc_map_builder(t->arena, 2), n = cccc_map_builder(t->arena, 2);
    cccc_array_add(&a, cccc_text("x"));
    cccc_map_add(&m, "x", cccc_nil());
    cccc_map_add(&n, "y", cccc_nil());
    cccc_value_t unlike[] = {cccc_nil(),
                             cccc_bool(true),
                             cccc_bool(false),
                             cccc_uint(1),
                             cccc_int(-1),
                             cccc_text("1"),
                             cccc_text("12"),
                             cccc_array_builder(t->arena, 0).value,
                             a.value,
                             cccc_map_builder(t->arena, 0).value,
                             m.value,
                             n.value,
                             {.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = 1},
                             {.type = MSGPACK_OBJECT_BIN, .via.bin = {1, "1"}}};
    for (size_t i = 0; i < sizeof unlike / sizeof *unlike; i++)
        for (size_t j = 0; j < sizeof unlike / sizeof *unlike; j++)
            assert_int_equal(cccc_value_eq(&unlike[i], &unlike[j]), i == j);
    cccc_value_t strange = {.type = MSGPACK_OBJECT_EXT};
    assert_false(cccc_value_eq(&strange, &strange));
}

/* The lenient boolean is exactly the table of CCCC 0.4.0. */
static void the_lenient_boolean_is_the_table_of_0_4_0(void **state)
{
    struct table *t = *state;
    static const struct {
        const char *text;
        int means; /* -1: the default */
    } rows[] = {{"1", 1},     {"true", 1},
                {"YES", 1},   {" y ", 1},
                {"on", 1},    {"0", 0},
                {"False", 0}, {"no", 0},
                {"n\n", 0},   {"off", 0},
                {"2", 1},     {"-1", 1},
                {"+3", 1},    {"00", 0},
                {"-0", 0},    {"", -1},
                {"  ", -1},   {"ja", -1},
                {"1.5", -1},  {"-", -1},
                {"0x1", -1},  {"a text that is longer than any word of the table is", -1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cccc_value_t v = cccc_text(rows[i].text);
        for (int otherwise = 0; otherwise <= 1; otherwise++)
            if (cccc_coerce_bool(&v, otherwise) != (rows[i].means < 0 ? otherwise : rows[i].means))
                fail_msg("\"%s\" with default %d", rows[i].text, otherwise);
    }
    cccc_value_t zero = cccc_uint(0), two = cccc_int(-2), half = {.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = 0.5}, nil = cccc_nil();
    cccc_value_t none = {.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = NAN}, yes = cccc_bool(true), nul = cccc_string((cccc_str_t){"1\0", 2});
    cccc_builder_t list = cccc_array_builder(t->arena, 1), map = cccc_map_builder(t->arena, 1);
    assert_true(!cccc_coerce_bool(&zero, true) && cccc_coerce_bool(&two, false) && cccc_coerce_bool(&half, false) &&
                cccc_coerce_bool(&yes, false));
    assert_true(cccc_coerce_bool(&none, true) && !cccc_coerce_bool(&none, false) && cccc_coerce_bool(&nul, true));
    assert_true(cccc_coerce_bool(&nil, true) && cccc_coerce_bool(NULL, true) && !cccc_coerce_bool(NULL, false));
    assert_false(cccc_coerce_bool(&list.value, true) || cccc_coerce_bool(&map.value, true));
    cccc_array_add(&list, cccc_nil());
    cccc_map_add(&map, "k", cccc_nil());
    assert_true(cccc_coerce_bool(&list.value, false) && cccc_coerce_bool(&map.value, false));
}

/* Duplicate keys are found in small and in large maps, wherever they are. */
static void a_key_used_twice_is_found(void **state)
{
    struct table *t = *state;
    for (unsigned size = 2; size < 300; size = size * 3 / 2 + 1) {
        cccc_value_t map = {.type = MSGPACK_OBJECT_MAP, .via.map = {size, cccc_arena_alloc(t->arena, size * sizeof(msgpack_object_kv))}};
        for (unsigned i = 0; i < size; i++)
            map.via.map.ptr[i].key = cccc_string(cccc_arena_printf(t->arena, "%u", i * 7919u));
        assert_true(cccc_keys_unique(&map));
        for (int i = 0; i < 20; i++) {
            uint64_t a = chance(size), b = (a + 1 + chance(size - 1)) % size;
            cccc_value_t kept = map.via.map.ptr[a].key;
            map.via.map.ptr[a].key = map.via.map.ptr[b].key;
            assert_false(cccc_keys_unique(&map));
            map.via.map.ptr[a].key = kept;
        }
    }
}

/* Packing takes the shortest form of each value, at each border between forms. */
static void packing_is_canonical(void **state)
{
    struct table *t = *state;
    static const struct {
        uint64_t u;
        size_t bytes;
    } uints[] = {{0, 1},         {127, 1}, {128, 2}, {255, 2}, {256, 3}, {65535, 3}, {65536, 5}, {UINT32_MAX, 5}, {UINT64_C(1) << 32, 9},
                 {UINT64_MAX, 9}};
    static const struct {
        int64_t i;
        size_t bytes;
    } ints[] = {{-1, 1}, {-32, 1}, {-33, 2}, {-128, 2}, {-129, 3}, {-32768, 3}, {-32769, 5}, {INT32_MIN, 5}, {INT64_MIN, 9}};
    static const size_t lens[][2] = {{0, 1}, {31, 1}, {32, 2}, {255, 2}, {256, 3}, {65535, 3}, {65536, 5}};
    char *text = cccc_arena_alloc(t->arena, 65536);
    memset(text, 'x', 65536);
    for (size_t i = 0; i < sizeof uints / sizeof *uints; i++) {
        t->buf.size = 0;
        cccc_pack_uint(&t->buf, uints[i].u);
        assert_int_equal(t->buf.size, uints[i].bytes);
    }
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) {
        cccc_value_t v = cccc_int(ints[i].i);
        t->buf.size = 0;
        cccc_pack_value(&t->buf, &v);
        assert_int_equal(t->buf.size, ints[i].bytes);
    }
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        t->buf.size = 0;
        cccc_pack_str(&t->buf, (cccc_str_t){text, lens[i][0]});
        assert_int_equal(t->buf.size, lens[i][0] + lens[i][1]);
    }
}

/* What the single pack functions write is what packing the whole value writes. */
static void pieces_and_wholes_pack_alike(void **state)
{
    struct table *t = *state;
    cccc_buf_t pieces;
    cccc_buf_init(&pieces);
    cccc_pack_map(&pieces, 2);
    cccc_pack_text(&pieces, "list");
    cccc_pack_array(&pieces, 4);
    cccc_pack_bool(&pieces, true);
    cccc_pack_bool(&pieces, false);
    cccc_pack_nil(&pieces);
    cccc_pack_bin(&pieces, "\0\1", 2);
    cccc_pack_text(&pieces, "n");
    cccc_pack_uint(&pieces, 300);
    cccc_builder_t list = cccc_array_builder(t->arena, 4), map = cccc_map_builder(t->arena, 2);
    cccc_array_add(&list, cccc_bool(true));
    cccc_array_add(&list, cccc_bool(false));
    cccc_array_add(&list, cccc_nil());
    cccc_array_add(&list, (cccc_value_t){.type = MSGPACK_OBJECT_BIN, .via.bin = {2, "\0\1"}});
    cccc_map_add(&map, "list", list.value);
    cccc_map_add(&map, "n", cccc_uint(300));
    cccc_pack_value(&t->buf, &map.value);
    assert_int_equal(pieces.size, t->buf.size);
    assert_memory_equal(pieces.data, t->buf.data, pieces.size);
    cccc_buf_put(&pieces, "", 0);
    cccc_buf_str(&pieces, "tail");
    assert_memory_equal(pieces.data + pieces.size - 4, "tail", 4);
    cccc_buf_fini(&pieces);
    assert_null(pieces.data);
}

/* A map whose keys are those of keys.h has the same bytes in both forms as one whose keys are copies of them, wherever the buffer ends. */
static void dressed_keys_encode_as_any_others(void **state)
{
    struct table *t = *state;
    cccc_builder_t dressed = cccc_map_builder(t->arena, CCCC_KEY_COUNT), plain = cccc_map_builder(t->arena, CCCC_KEY_COUNT);
    for (int i = 0; i < CCCC_KEY_COUNT; i++) {
        cccc_str_t key = {cccc_keys[i].line + 1, strlen(cccc_keys[i].line) - 3};
        cccc_map_add_key(&dressed, key, cccc_uint((uint64_t)i));
        cccc_map_add_key(&plain, cccc_arena_str(t->arena, key), cccc_uint((uint64_t)i));
    }
    for (size_t before = 0; before < 600; before++) {
        cccc_buf_t a, b;
        cccc_buf_init(&a);
        cccc_buf_init(&b);
        for (size_t i = 0; i < before; i++) {
            cccc_buf_put(&a, "-", 1);
            cccc_buf_put(&b, "-", 1);
        }
        cccc_pack_value(&a, &dressed.value);
        cccc_json_write(&dressed.value, &a);
        cccc_pack_value(&b, &plain.value);
        cccc_json_write(&plain.value, &b);
        assert_int_equal(a.size, b.size);
        assert_memory_equal(a.data, b.data, a.size);
        cccc_buf_fini(&a);
        cccc_buf_fini(&b);
    }
}

int main(int argc, char **argv)
{
    seed_chance(argc, argv);
    const struct CMUnitTest tests[] = {
        TEST(an_arena_gives_aligned_memory_and_copies),
        TEST(spare_arenas_are_empty_and_bounded),
        TEST(readers_take_their_own_type_only),
        TEST(members_have_defaults),
        TEST(builders_grow_and_keep_order),
        TEST(changing_a_map_makes_a_new_one),
        TEST(a_copy_borrows_nothing),
        TEST(unlike_values_are_not_equal),
        TEST(the_lenient_boolean_is_the_table_of_0_4_0),
        TEST(a_key_used_twice_is_found),
        TEST(packing_is_canonical),
        TEST(dressed_keys_encode_as_any_others),
        TEST(pieces_and_wholes_pack_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
