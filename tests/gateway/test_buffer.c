/* test_buffer.c - bytes that wait come out as they went in, the sum is what is allocated, and an empty buffer has nothing. */
#include "broker/gateway/buffer.h"

#include "tests/bus/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

static void a_buffer_gives_what_it_got_and_its_memory_back(void **state)
{
    (void)state;
    struct buffer a = {0}, b = {0};
    size_t sum = 0, in = 0, out = 0;
    srand(1);
    for (int i = 0; i < 20000; i++) {
        char piece[3000];
        size_t len = (size_t)rand() % sizeof piece, taken;
        for (size_t k = 0; k < len; k++)
            piece[k] = (char)(in + k);
        buffer_add(&a, &sum, piece, len);
        in += len;
        taken = (size_t)rand() % (buffer_size(&a) + 1);
        for (size_t k = 0; k < taken; k++)
            assert_int_equal(a.data[a.start + k], (char)(out + k));
        a.start += taken;
        out += taken;
        buffer_trim(&a, &sum);
        assert_int_equal(sum, a.capacity + b.capacity);
        assert_true(a.capacity <= 2 * buffer_size(&a) + 1024 + sizeof piece * 2);
        if (i % 100 == 0)
            buffer_add(&b, &sum, "x", 1);
    }
    buffer_clear(&a, &sum);
    buffer_clear(&b, &sum);
    assert_int_equal(sum, 0);
    assert_null(a.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_buffer_gives_what_it_got_and_its_memory_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
