/* test_ids.c - the client ids of sealed segments: every id that was sealed is found, whatever happened to the file beside the segment; the filter never denies one.
 *
 * usage: test_ledger_ids [--seed N] */
#include "broker/ledger/ids.h"
#include "broker/ledger/ledger_private.h"
#include "proto/hash.h"
#include "proto/json.h"
#include "proto/kinds.h"
#include "tests/ledger/world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STATE WORLD_GROUP "/state/ledger"

/* ---- a ledger whose events have client ids ---- */

static uint64_t hash_of(uint64_t number)
{
    char id[32];
    snprintf(id, sizeof id, "c%llu", (unsigned long long)number);
    return cccc_hash64_pair(CCCC_STR("user"), cccc_str(id));
}

static void append(struct world *w, uint64_t number)
{
    char id[33], text[40];
    uint64_t seq = cccc_ledger_head(w->ledger) + 1;
    cccc_arena_t *arena = cccc_arena_new(1024);
    cccc_builder_t data = cccc_map_builder(arena, 2);
    snprintf(id, sizeof id, "019b76daa800%010llx%010llx", (unsigned long long)seq, (unsigned long long)number);
    snprintf(text, sizeof text, "c%llu", (unsigned long long)number);
    cccc_map_add(&data, "text", cccc_text("a text that takes some room"));
    cccc_map_add(&data, "client_id", cccc_text(text));
    struct cccc_event event = {.id = cccc_str(id),
                               .ts = CCCC_STR("2026-01-01T00:00:00.000000Z"),
                               .seq = seq,
                               .kind = CCCC_STR("chat.message"),
                               .group_id = CCCC_STR("g_000000000001"),
                               .by = CCCC_STR("user"),
                               .attest = cccc_nil(),
                               .data = data.value};
    cccc_ledger_append(w->ledger, &event);
    cccc_arena_destroy(&arena);
}

static void commit(struct world *w)
{
    for (cccc_batch_t *batch; (batch = cccc_ledger_take(w->ledger));) {
        struct cccc_commit result;
        cccc_batch_commit(batch);
        cccc_ledger_done(w->ledger, &batch, &result);
        assert_int_equal(result.err, CCCC_OK);
    }
}

/* Seal all but the last ten lines; the filters of the new segments. */
static uint32_t seal(struct world *w, struct cccc_sealed_ids *rows, uint32_t max)
{
    bool over;
    struct cccc_seal_result result;
    cccc_sealing_t *sealing =
        cccc_ledger_take_seal(w->ledger, &(struct cccc_seal_options){.keep_lines = 10, .segment_bytes = 60000, .frame_bytes = 4000});
    assert_non_null(sealing);
    cccc_seal_prepare(sealing);
    assert_true(cccc_ledger_seal_begin_switch(w->ledger, sealing, &over));
    cccc_seal_switch(sealing);
    cccc_ledger_seal_done(w->ledger, sealing, &result);
    assert_int_equal(result.err, CCCC_OK);
    assert_true(result.segments <= max);
    memcpy(rows, result.ids, result.segments * sizeof *rows);
    cccc_seal_destroy(&sealing);
    return result.segments;
}

enum { EVENTS = 2500, ROWS_MAX = 32 };

struct sealed {
    struct world w;
    struct cccc_sealed_ids rows[ROWS_MAX];
    uint32_t count;
};

static void begin(struct sealed *s)
{
    world_init(&s->w, 1);
    assert_int_equal(world_open(&s->w), CCCC_OK);
    for (uint64_t i = 1; i <= EVENTS; i++)
        append(&s->w, i);
    commit(&s->w);
    s->count = seal(&s->w, s->rows, ROWS_MAX);
    assert_true(s->count >= 3);
}

static void end(struct sealed *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        free(s->rows[i].filter);
    world_close(&s->w);
    world_fini(&s->w);
}

static uint64_t last_sealed(const struct sealed *s)
{
    return s->rows[s->count - 1].last;
}

/* The seqs of the events with that number's id, by a read of all segments; how many ids were made anew. */
static uint32_t look(struct sealed *s, uint64_t number, bool behind, uint64_t *seqs, uint32_t *made)
{
    uint64_t firsts[ROWS_MAX];
    for (uint32_t i = 0; i < s->count; i++)
        firsts[i] = s->rows[i].first;
    struct cccc_read_query query = {.mode = CCCC_READ_ID,
                                    .hash = hash_of(number),
                                    .seqs = firsts,
                                    .seq_count = s->count,
                                    .behind = behind,
                                    .limit = 16,
                                    .bytes_max = 1000000};
    cccc_read_t *read = cccc_ledger_plan_read(s->w.ledger, &query);
    cccc_read_run(read);
    const struct cccc_read_result *result = cccc_read_result(read);
    assert_int_equal(result->err, CCCC_OK);
    assert_true(result->event_count <= 16);
    if (result->event_count > 0)
        memcpy(seqs, result->event_seqs, result->event_count * sizeof *seqs);
    uint32_t count = result->event_count;
    *made = 0;
    for (struct cccc_id_filter *filter; (filter = cccc_read_take_filter(read)); (*made)++)
        free(filter);
    cccc_read_destroy(&read);
    return count;
}

static void assert_all_found(struct sealed *s, uint32_t expect_made)
{
    uint64_t seqs[16];
    uint32_t made, in_all = 0;
    for (uint64_t number = 1; number <= last_sealed(s); number += 7) {
        assert_int_equal(look(s, number, false, seqs, &made), 1);
        assert_int_equal(seqs[0], number);
        in_all += made;
    }
    assert_int_equal(look(s, EVENTS + 1, false, seqs, &made), 0);
    assert_int_equal(in_all, expect_made);
}

/* ---- tests ---- */

/* Every sealed id is found by its hash, with the event behind it when that is asked for; ids that were never used are not. Filters of a seal and those read at a start are the
 * same. */
static void a_sealed_id_is_found(void **state)
{
    (void)state;
    struct sealed s;
    uint64_t seqs[16];
    uint32_t made;
    begin(&s);
    assert_all_found(&s, 0);
    assert_int_equal(look(&s, last_sealed(&s), true, seqs, &made), 2); /* the one behind it is not sealed */
    assert_true(seqs[0] == last_sealed(&s) && seqs[1] == seqs[0] + 1);
    struct cccc_sealed_ids *rows;
    assert_int_equal(cccc_ledger_sealed_ids(s.w.ledger, &rows), s.count);
    for (uint32_t i = 0; i < s.count; i++) {
        assert_true(rows[i].first == s.rows[i].first && rows[i].last == s.rows[i].last);
        assert_memory_equal(rows[i].filter, s.rows[i].filter, cccc_id_filter_bytes(rows[i].filter));
        free(rows[i].filter);
    }
    free(rows);
    end(&s);
}

/* The filter of a segment never denies an id of it, and seldom claims another. */
static void a_filter_never_denies(void **state)
{
    (void)state;
    struct sealed s;
    uint32_t claims = 0;
    begin(&s);
    for (uint32_t i = 0; i < s.count; i++) {
        for (uint64_t number = s.rows[i].first; number <= s.rows[i].last; number++)
            assert_true(cccc_id_filter_may_have(s.rows[i].filter, hash_of(number)));
        for (uint64_t number = 0; number < 20000; number++)
            claims += cccc_id_filter_may_have(s.rows[i].filter, hash_of(1000000 + number));
    }
    print_message("one in %u\n", claims ? 20000 * s.count / claims : 0);
    assert_true(claims <= 20000 * s.count / 500);
    end(&s);
}

static void path_of(const struct cccc_sealed_ids *row, char out[128])
{
    struct cccc_part part = {.first = row->first, .last = row->last};
    char name[CCCC_PART_NAME_ROOM];
    cccc_ids_name(&part, name);
    snprintf(out, 128, STATE "/%s", name);
}

/* A file that is gone, cut, or another segment's is made anew by the first who looks. */
static void lost_ids_are_made_anew(void **state)
{
    (void)state;
    struct sealed s;
    char path[128], other[128];
    const char *bytes;
    size_t len;
    begin(&s);
    const struct cccc_vfs *vfs = s.w.vfs;
    path_of(&s.rows[0], path);
    path_of(&s.rows[1], other);
    assert_int_equal(vfs->unlink(vfs->ctx, path), 0);
    assert_all_found(&s, 1);
    assert_true(simdisk_peek(s.w.disk, other, &bytes, &len));
    char *copy = malloc(len);
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    simdisk_poke(s.w.disk, path, copy, len);
    assert_all_found(&s, 1);
    simdisk_poke(s.w.disk, other, copy, len - 100);
    assert_all_found(&s, 1);
    free(copy);
    end(&s);
}

/* Whatever bit flips: every id is still found. */
static void a_flipped_bit_hides_no_id(void **state)
{
    (void)state;
    struct sealed s;
    char path[128];
    const char *bytes;
    size_t len;
    uint64_t seqs[16];
    uint32_t made, remade = 0;
    begin(&s);
    path_of(&s.rows[1], path);
    assert_true(simdisk_peek(s.w.disk, path, &bytes, &len));
    char *sound = malloc(len), *hurt = malloc(len);
    assert_true(sound && hurt);
    memcpy(sound, bytes, len);
    for (size_t at = 0; at < len; at += 3) {
        memcpy(hurt, sound, len);
        hurt[at] = (char)(hurt[at] ^ (1 << at % 8));
        simdisk_poke(s.w.disk, path, hurt, len);
        struct cccc_part part = s.w.ledger->archive->parts[1];
        struct cccc_id_filter *filter = cccc_ids_filter(s.w.vfs, STATE, &part);
        for (uint64_t number = s.rows[1].first; number <= s.rows[1].last; number += 50) {
            assert_true(!filter || cccc_id_filter_may_have(filter, hash_of(number)));
            assert_int_equal(look(&s, number, false, seqs, &made), 1);
            assert_int_equal(seqs[0], number);
            remade += made;
        }
        free(filter);
    }
    assert_true(remade > 0);
    free(sound);
    free(hurt);
    end(&s);
}

/* A segment that cannot be read when its ids have to be made anew is an error, not "no such id". */
static void a_segment_that_cannot_be_read_is_an_error(void **state)
{
    (void)state;
    struct sealed s;
    char path[128];
    uint64_t seqs[1];
    uint32_t count = 0;
    struct cccc_id_filter *made;
    begin(&s);
    struct cccc_part part = s.w.ledger->archive->parts[0];
    path_of(&s.rows[0], path);
    s.w.vfs->unlink(s.w.vfs->ctx, path);
    simdisk_arm(s.w.disk, &(struct simdisk_fault){.kind = SIMDISK_FAIL, .at = 1, .error = EIO, .for_ever = true});
    assert_int_equal(cccc_ids_find(s.w.vfs, STATE, &part, hash_of(3), seqs, &count, 1, &made), -EIO);
    assert_true(count == 0 && !made);
    simdisk_arm(s.w.disk, NULL);
    assert_int_equal(cccc_ids_find(s.w.vfs, STATE, &part, hash_of(3), seqs, &count, 1, &made), 0);
    assert_true(count == 1 && seqs[0] == 3 && made);
    free(made);
    end(&s);
}

/* ---- one line ---- */

/* How many ids a line yields, and whether the one of (by, id) is among them. */
static uint32_t ids_of(const char *kind, const char *by, const char *data, const char *id, bool *found)
{
    cccc_arena_t *arena = cccc_arena_new(4096);
    cccc_buf_t line;
    cccc_buf_init(&line);
    struct cccc_event event = {.id = CCCC_STR("019b76daa80000000000010000000001"),
                               .ts = CCCC_STR("2026-01-01T00:00:00.000000Z"),
                               .seq = 1,
                               .kind = cccc_str(kind),
                               .group_id = CCCC_STR("g_000000000001"),
                               .by = cccc_str(by),
                               .attest = cccc_nil()};
    assert_int_equal(cccc_json_read(data, strlen(data), arena, &event.data, NULL), CCCC_OK);
    struct cccc_seal seal = {.epoch = 1};
    cccc_line_write(&event, &seal, &line);
    struct cccc_ids ids = {0};
    cccc_ids_take(&ids, line.data, line.size - 1, false, 1, arena);
    uint64_t hash = cccc_hash64_pair(cccc_str(by), cccc_str(id));
    *found = false;
    for (uint32_t i = 0; i < ids.count; i++) {
        uint64_t have = 0;
        for (int byte = 0; byte < 7; byte++)
            have |= (uint64_t)ids.entries[12 * i + (uint32_t)byte] << (56 - 8 * byte);
        *found |= have == (hash & ~UINT64_C(0xff));
    }
    uint32_t count = ids.count;
    cccc_ids_fini(&ids);
    cccc_buf_fini(&line);
    cccc_arena_destroy(&arena);
    return count;
}

/* Whatever a sender put around it, the id of a message is taken, and nothing where there is none: no text can look like a member. */
static void an_id_is_taken_from_any_line(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *by, *data, *id;
        uint32_t count;
    } rows[] = {
        {"chat.message", "user", "{\"text\":\"x\",\"client_id\":\"c1\"}", "c1", 1},
        {"chat.message", "user", "{\"text\":\"x\"}", "", 0},
        {"chat.message", "user", "{\"text\":\"x\",\"client_id\":\"\"}", "", 0},
        {"chat.message", "user", "{\"text\":\"\\\"client_id\\\":\\\"no\\\"\",\"client_id\":\"c1\"}", "c1", 1},
        {"chat.message", "user", "{\"refs\":[{\"client_id\":\"other\"}],\"client_id\":\"c1\"}", "c1", 1},
        {"chat.message", "user", "{\"client_id\":\"a \\\"quoted\\\" one\"}", "a \"quoted\" one", 1},
        {"chat.message", "svc:a\"b", "{\"client_id\":\"c1\"}", "c1", 1},
        {"chat.message", "user", "{\"kind\":\"chat.read\",\"by\":\"ann\",\"client_id\":\"c1\"}", "c1", 1},
        {"chat.read", "user", "{\"kind\":\"chat.message\",\"client_id\":\"c1\"}", "c1", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool found;
        assert_int_equal(ids_of(rows[i].kind, rows[i].by, rows[i].data, rows[i].id, &found), rows[i].count);
        assert_int_equal(found, rows[i].count > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_taken_from_any_line), cmocka_unit_test(a_sealed_id_is_found),
        cmocka_unit_test(a_filter_never_denies),        cmocka_unit_test(lost_ids_are_made_anew),
        cmocka_unit_test(a_flipped_bit_hides_no_id),    cmocka_unit_test(a_segment_that_cannot_be_read_is_an_error),
    };
    return cmocka_run_group_tests_name("ledger ids", tests, NULL, NULL);
}
