/* zones.c - the time zones this daemon knows: read from the system when first asked for, and kept.
 *
 * What could not be read is asked for again after a while.
 * Thread: the core's. */
#include "broker/core/automation/automation.h"

#include <stdio.h>
#include <stdlib.h>

#define AGAIN_US 5000000

struct cccc_known_zone {
    char *name; /* key; heap */
    cccc_zone_t *zone;
    char why[200]; /* without a zone: why */
    uint64_t read_us;
    UT_hash_handle hh;
};

static struct cccc_known_zone *known_find(const struct cccc_core *core, cccc_str_t name)
{
    struct cccc_known_zone *known = NULL;
    HASH_FIND(hh, core->zones, name.ptr, name.len, known);
    return known;
}

const cccc_zone_t *zones_find(const struct cccc_core *core, cccc_str_t name, const char **why)
{
    *why = NULL;
    if (cccc_str_is(name, "UTC"))
        return zone_utc();
    const struct cccc_known_zone *known = known_find(core, name);
    if (!known)
        return NULL;
    if (!known->zone && core->now->mono_us < known->read_us + AGAIN_US)
        *why = known->why;
    return known->zone;
}

void zones_fini(struct cccc_core *core)
{
    struct cccc_known_zone *known = core->zones;
    HASH_CLEAR(hh, core->zones);
    while (known) {
        struct cccc_known_zone *next = known->hh.next;
        zone_destroy(&known->zone);
        free(known->name);
        free(known);
        known = next;
    }
}

static struct cccc_known_zone *known_make(struct cccc_core *core, cccc_str_t name)
{
    struct cccc_known_zone *known = known_find(core, name);
    if (known)
        return known;
    if (HASH_COUNT(core->zones) >= CCCC_TIME_ZONES_MAX)
        zones_fini(core);
    known = calloc(1, sizeof *known);
    char *text = known ? malloc(name.len + 1) : NULL;
    CCCC_ASSERT(text, "(out of memory)");
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    known->name = text;
    HASH_ADD_KEYPTR(hh, core->zones, known->name, name.len, known);
    return known;
}

struct wait {
    cccc_str_t name;
    call_next_fn next;
};

static void zone_came(call_t *call)
{
    const struct wait *wait = call->state;
    struct cccc_known_zone *known = known_make(call->core, wait->name);
    const cccc_value_t *data = call->stored.err == CCCC_OK ? cccc_get(call->stored.value, "data") : NULL;
    struct cccc_errmsg m;
    zone_destroy(&known->zone);
    known->read_us = call->core->now->mono_us;
    if (data && data->type == MSGPACK_OBJECT_BIN)
        known->zone = zone_new(data->via.bin.ptr, data->via.bin.size, &m);
    else
        cccc_fail(&m, CCCC_E_NOT_FOUND, "%s", call->stored.message);
    if (!known->zone)
        snprintf(known->why, sizeof known->why, "no time zone %s: %.120s", known->name, m.text);
    wait->next(call);
}

void zones_ask(call_t *call, cccc_str_t name, call_next_fn next)
{
    struct wait *wait = cccc_arena_alloc(call->arena, sizeof *wait);
    *wait = (struct wait){cccc_arena_str(call->arena, name), next};
    call->state = wait;
    struct cccc_store store = {.kind = CCCC_STORE_ZONE, .arena = cccc_arena_new(512)};
    store.name = cccc_arena_str(store.arena, name);
    call_store(call, &store, zone_came);
}
