/* bench_reads.c - the reads of the bench: what reader threads would find in its ledgers, when the test lets them; see bench_core.h. */
#include "tests/support/bench_private.h"

#include "proto/hash.h"
#include "proto/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- reads ---- */

static bool array_has(const cccc_value_t *array, cccc_str_t s)
{
    for (uint32_t i = 0; cccc_is_array(array) && i < array->via.array.size; i++) {
        cccc_str_t item;
        if (cccc_as_str(&array->via.array.ptr[i], &item) && cccc_str_eq(item, s))
            return true;
    }
    return false;
}

static bool query_wants(const struct cccc_read_query *query, const struct cccc_event *event)
{
    if (query->kinds && query->kinds->via.array.size && !array_has(query->kinds, event->kind))
        return false;
    if (query->by.len && !cccc_str_eq(query->by, event->by))
        return false;
    return query->recipient.len == 0 || array_has(cccc_get(&event->data, "audience"), query->recipient);
}

struct reading {
    cccc_buf_t events;
    uint64_t *seqs;
    uint32_t *ends;
    uint32_t count;
};

static void reading_add(struct reading *reading, const struct line *line, uint64_t seq)
{
    cccc_buf_put(&reading->events, line->bytes, line->len);
    reading->seqs[reading->count] = seq;
    reading->ends[reading->count++] = (uint32_t)reading->events.size;
}

/* Line `seq` into the reading if the query wants it; false when the reading is full. */
static bool reading_try(struct reading *reading, const struct ledger *ledger, const struct cccc_read_query *query, uint64_t seq)
{
    const struct line *line = &ledger->lines[seq - 1];
    cccc_arena_t *arena = cccc_arena_new(4096);
    struct cccc_event event;
    bench_line_event(line, arena, &event);
    bool wanted = query_wants(query, &event);
    cccc_arena_destroy(&arena);
    if (!wanted)
        return true;
    bool full =
        reading->count >= query->limit || (query->bytes_max && reading->count > 0 && reading->events.size + line->len > query->bytes_max);
    if (!full)
        reading_add(reading, line, seq);
    return !full;
}

static bool read_after(struct reading *reading, const struct ledger *ledger, const struct cccc_read_query *query, uint64_t *checked)
{
    if (*checked > ledger->durable)
        *checked = ledger->durable;
    for (uint64_t seq = query->seq + 1; seq <= ledger->durable; seq++) {
        if (!reading_try(reading, ledger, query, seq))
            return true;
        *checked = seq;
    }
    return false;
}

/* The last ones before: find where they start, then read forward. */
static bool read_before(struct reading *reading, const struct ledger *ledger, const struct cccc_read_query *query, uint64_t *checked)
{
    uint64_t end = query->seq ? query->seq : ledger->durable + 1ull;
    if (end > ledger->durable + 1ull)
        end = ledger->durable + 1ull;
    uint64_t start = end;
    struct reading probe = {.seqs = reading->seqs, .ends = reading->ends};
    cccc_buf_init(&probe.events);
    while (start > 1 && reading_try(&probe, ledger, query, start - 1))
        start--;
    cccc_buf_fini(&probe.events);
    for (uint64_t seq = start; seq < end; seq++)
        reading_try(reading, ledger, query, seq);
    *checked = start;
    return start > 1;
}

static bool read_seqs(struct reading *reading, const struct ledger *ledger, const struct cccc_read_query *query, uint64_t *checked)
{
    for (uint32_t i = 0; i < query->seq_count; i++) {
        uint64_t seq = query->seqs[i];
        if (seq == 0 || seq > ledger->durable)
            continue;
        if (query->bytes_max && reading->count && reading->events.size + ledger->lines[seq - 1].len > query->bytes_max)
            return true;
        reading_add(reading, &ledger->lines[seq - 1], seq);
        *checked = seq;
    }
    return false;
}

/* The events with that client id in the segments that begin with query->seqs; of bench_seal's there is one, from event 1. */
static bool read_id(struct reading *reading, const struct ledger *ledger, const struct cccc_read_query *query, uint64_t *checked)
{
    for (uint64_t seq = 1; seq <= ledger->durable; seq++) {
        cccc_arena_t *arena = cccc_arena_new(4096);
        struct cccc_event event;
        bench_line_event(&ledger->lines[seq - 1], arena, &event);
        cccc_str_t client_id = cccc_get_str(&event.data, "client_id");
        bool hit = client_id.len > 0 && cccc_hash64_pair(event.by, client_id) == query->hash;
        if (hit)
            reading_add(reading, &ledger->lines[seq - 1], seq);
        if (hit && query->behind && seq < ledger->durable)
            reading_add(reading, &ledger->lines[seq], seq + 1);
        cccc_arena_destroy(&arena);
    }
    *checked = ledger->durable;
    return false;
}

void bench_seal(bench_t *self, const char *group_id, uint64_t through, struct cccc_id_filter *filter)
{
    cccc_core_sealed(self->core, bench_ledger_need(self, group_id)->slot, &(struct cccc_sealed_ids){1, through, filter}, 1);
}

void bench_keep(bench_t *self, cccc_err_t err, const char *value)
{
    cccc_value_t v = value ? bench_json(self, "%s", value) : cccc_nil();
    bench_narrate(self, "kept");
    cccc_core_store_done(self->core, bench_moment(self), self->kept, err, err ? "the disk refused" : NULL, &v);
    bench_take_effects(self);
}

static void end_read(bench_t *self, struct job *job, const struct cccc_read_result *result)
{
    cccc_core_read_done(self->core, bench_moment(self), job->effect.ticket, result);
    cccc_arena_destroy(&job->effect.read.arena);
    free(job);
    bench_take_effects(self);
}

bool bench_fail_read(bench_t *self, cccc_err_t err)
{
    struct job *job = bench_queue_take(&self->reads);
    if (!job)
        return false;
    struct cccc_read_result result = {.err = err};
    snprintf(result.message.text, sizeof result.message.text, "%s", cccc_err_meaning(err));
    bench_narrate(self, "read failed");
    end_read(self, job, &result);
    return true;
}

bool bench_lose_read(bench_t *self)
{
    struct job *job = bench_queue_take(&self->reads);
    if (!job)
        return false;
    const struct cccc_read_query *query = &job->effect.read.query;
    uint64_t seq = query->mode == CCCC_READ_SEQS ? query->seqs[0] : query->seq + 1;
    struct cccc_gap gap = {.from_seq = seq, .to_seq = seq, .reason = "damaged"};
    struct cccc_read_result result = {.events = "", .gaps = &gap, .gap_count = 1, .checked_seq = seq};
    bench_narrate(self, "read done: a gap");
    end_read(self, job, &result);
    return true;
}

uint32_t bench_open_reads(const bench_t *self)
{
    uint32_t count = 0;
    for (const struct job *job = self->reads.first; job; job = job->next)
        count++;
    return count;
}

bool bench_finish_read(bench_t *self)
{
    struct job *job = bench_queue_take(&self->reads);
    if (!job)
        return false;
    const struct cccc_read_query *query = &job->effect.read.query;
    struct ledger *ledger = NULL;
    for (uint32_t i = 0; i < self->ledger_count; i++) {
        if (self->ledgers[i]->has_slot && self->ledgers[i]->slot == job->effect.slot)
            ledger = self->ledgers[i];
    }
    assert_non_null(ledger);
    struct reading reading = {.seqs = calloc(ledger->count + 1, sizeof(uint64_t)), .ends = calloc(ledger->count + 1, sizeof(uint32_t))};
    assert_true(reading.seqs && reading.ends);
    cccc_buf_init(&reading.events);
    uint64_t checked = query->seq;
    bool more = query->mode == CCCC_READ_AFTER    ? read_after(&reading, ledger, query, &checked)
                : query->mode == CCCC_READ_BEFORE ? read_before(&reading, ledger, query, &checked)
                : query->mode == CCCC_READ_ID     ? read_id(&reading, ledger, query, &checked)
                                                  : read_seqs(&reading, ledger, query, &checked);
    struct cccc_read_result result = {.events = reading.events.data,
                                      .events_len = reading.events.size,
                                      .event_count = reading.count,
                                      .event_seqs = reading.seqs,
                                      .event_ends = reading.ends,
                                      .checked_seq = checked,
                                      .more = more};
    bench_narrate(self, "read done: %u events", result.event_count);
    end_read(self, job, &result);
    cccc_buf_fini(&reading.events);
    free(reading.seqs);
    free(reading.ends);
    return true;
}
