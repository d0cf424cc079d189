/* support.h - what every test of proto/ needs: cmocka in the right order, an arena and a buffer per test, seeded chance. */
#pragma once

#include "proto/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Made anew for each test by a fixture. */
struct table {
    cccc_arena_t *arena;
    cccc_buf_t buf;
};

static inline int set_table(void **state)
{
    struct table *t = malloc(sizeof *t);
    t->arena = cccc_arena_new(4096);
    cccc_buf_init(&t->buf);
    *state = t;
    return 0;
}

static inline int clear_table(void **state)
{
    struct table *t = *state;
    cccc_arena_destroy(&t->arena);
    cccc_buf_fini(&t->buf);
    free(t);
    return 0;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_table, clear_table)

/* Fails with both texts unless they are equal. */
static inline void assert_text(cccc_str_t got, const char *expected)
{
    if (!cccc_str_is(got, expected))
        fail_msg("got \"%.*s\", expected \"%s\"", CCCC_STR_FMT(got), expected);
}

static inline cccc_str_t buf_text(const cccc_buf_t *b)
{
    return (cccc_str_t){b->data, b->size};
}

/* Chance from a printed seed: xorshift64*, Vigna 2016. */
static uint64_t chance_state;

static inline uint64_t chance(uint64_t below)
{
    chance_state ^= chance_state >> 12;
    chance_state ^= chance_state << 25;
    chance_state ^= chance_state >> 27;
    return (chance_state * UINT64_C(2685821657736338717) >> 11) % below;
}

/* From `--seed N`, or a fixed one: a test that fails must fail again. */
static inline void seed_chance(int argc, char **argv)
{
    chance_state = UINT64_C(0x9e3779b97f4a7c15);
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], "--seed") == 0)
            chance_state = strtoull(argv[i + 1], NULL, 0) | 1;
    printf("seed %llu (repeat with --seed)\n", (unsigned long long)chance_state);
}

/* A random tree. With `json_only` no binary and no integer beyond int64, which jansson cannot hold. */
static inline cccc_value_t random_value(cccc_arena_t *arena, unsigned depth, bool json_only);

static inline cccc_str_t random_text(cccc_arena_t *arena)
{
    static const char *const pieces[] = {"a",
                                         "text",
                                         "\"",
                                         "\\",
                                         "\n",
                                         "\x01",
                                         "\x1f",
                                         "\xc3\xa9",
                                         "\xe2\x82\xac",
                                         "\xf0\x9f\x98\x80",
                                         " ",
                                         "/",
                                         "\x7f",
                                         "plain words that are long enough for a block "};
    cccc_buf_t b;
    cccc_buf_init(&b);
    for (uint64_t n = chance(12); n > 0; n--)
        cccc_buf_str(&b, pieces[chance(sizeof pieces / sizeof *pieces)]);
    cccc_str_t s = cccc_arena_str(arena, buf_text(&b));
    cccc_buf_fini(&b);
    return s;
}

static inline cccc_value_t random_number(bool json_only)
{
    switch (chance(4)) {
    case 0:
        return cccc_int((int64_t)chance(1000) - 500);
    case 1:
        return cccc_int((int64_t)(chance(UINT64_C(1) << 52) << chance(11)) * (chance(2) ? 1 : -1));
    case 2:
        return json_only ? cccc_uint(chance(UINT64_C(1) << 53)) : cccc_uint(UINT64_MAX - chance(1000));
    default: {
        double d = ((double)chance(1u << 30) - (1 << 29)) / (double)(1 + chance(100000));
        return (cccc_value_t){.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = d};
    }
    }
}

static inline cccc_value_t random_container(cccc_arena_t *arena, unsigned depth, bool json_only)
{
    bool map = chance(2);
    uint64_t size = chance(20) == 0 ? 40 : chance(6);
    cccc_builder_t b = map ? cccc_map_builder(arena, (uint32_t)chance(4)) : cccc_array_builder(arena, (uint32_t)chance(4));
    for (uint64_t i = 0; i < size; i++) {
        cccc_value_t v = random_value(arena, depth - 1, json_only);
        cccc_str_t text = random_text(arena);
        if (map)
            cccc_map_add_key(&b, cccc_arena_printf(arena, "%llu%.*s", (unsigned long long)i, CCCC_STR_FMT(text)), v);
        else
            cccc_array_add(&b, v);
    }
    return b.value;
}

static inline cccc_value_t random_value(cccc_arena_t *arena, unsigned depth, bool json_only)
{
    switch (chance(depth > 0 ? 8 : 5)) {
    case 0:
        return cccc_nil();
    case 1:
        return cccc_bool(chance(2));
    case 2:
        return random_number(json_only);
    case 3:
    case 4: {
        cccc_str_t s = random_text(arena);
        if (json_only || chance(4) > 0)
            return cccc_string(s);
        return (cccc_value_t){.type = MSGPACK_OBJECT_BIN, .via.bin = {(uint32_t)s.len, s.ptr}};
    }
    default:
        return random_container(arena, depth, json_only);
    }
}
