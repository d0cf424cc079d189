/* history.c - see history.h.
 *
 * A history is a few lives of a daemon. In each, clients ask and threads work under a fault that may strike at any call to the disk; it ends in an
 * orderly stop, kill -9, or a power cut; while the daemon is down somebody may edit group.yaml or a bit may flip. Then, perhaps after starts that fail, a daemon
 * starts on a sound disk, and everything is audited. */
#include "tests/sim/history.h"

#include "tests/sim/agents.h"
#include "tests/sim/clients.h"
#include "tests/sim/deliveries.h"
#include "tests/support/ledger_bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LIVES_MAX = 3, STEPS_MAX = 70, HEAL_S = 400, PEACE_S = 30 };

struct history {
    struct sim sim;
    oracle_t *oracle;
    clients_t *clients;
    agents_t *agents;
    broker_t *broker;
    struct history_counts *counts;
    unsigned edits;
};

/* Everybody talks to this daemon from now on; NULL: to none. */
static void meet(struct history *h, broker_t *broker)
{
    clients_meet(h->clients, broker);
    agents_meet(h->agents, broker);
}

static void hear_reply(void *arg, uint64_t conn, const char *bytes, size_t len)
{
    struct history *h = arg;
    struct broker_ears clients = clients_ears(h->clients);
    if (!agents_hear(h->agents, conn, bytes, len))
        clients.reply(clients.arg, conn, bytes, len);
}

static void hear_publication(void *arg, const char *topic, size_t topic_len, const char *bytes, size_t len)
{
    struct history *h = arg;
    struct broker_ears clients = clients_ears(h->clients);
    clients.publication(clients.arg, topic, topic_len, bytes, len);
}

/* ---- faults ---- */

static void arm(struct history *h, uint64_t within)
{
    static const int errors[] = {EIO, EIO, ENOSPC, ENOSPC, EDQUOT, EROFS};
    struct simdisk_fault fault = {
        .kind = (enum simdisk_fault_kind)sim_roll(&h->sim, 4),
        .at = 1 + sim_roll(&h->sim, within),
        .error = errors[sim_roll(&h->sim, 6)],
        .for_ever = sim_once_in(&h->sim, 6),
    };
    static const char *const words[] = {
        [SIMDISK_FAIL] = "fail", [SIMDISK_SHORT] = "transfer a part", [SIMDISK_CRASH] = "crash", [SIMDISK_FILL] = "be full"};
    if (fault.kind == SIMDISK_FILL)
        fault.error = sim_once_in(&h->sim, 4) ? EDQUOT : ENOSPC;
    sim_tell(&h->sim, "the disk will %s at its call %llu%s (%s)", words[fault.kind], (unsigned long long)fault.at,
             fault.for_ever ? " and from then on" : "", strerror(fault.error));
    simdisk_arm(h->sim.disk, &fault);
}

static void disarm(struct history *h)
{
    h->counts->faults += simdisk_fired(h->sim.disk);
    simdisk_arm(h->sim.disk, NULL);
}

/* ---- dying ---- */

static void power_or_kill(struct history *h)
{
    static const enum simdisk_loss losses[] = {SIMDISK_LOSE_ALL, SIMDISK_KEEP_ALL, SIMDISK_DICE, SIMDISK_DICE, SIMDISK_DICE};
    uint64_t how = sim_roll(&h->sim, 7);
    disarm(h);
    h->counts->crashes++;
    if (how < 5) {
        sim_tell(&h->sim, "the power goes%s", losses[how] == SIMDISK_LOSE_ALL ? ", nothing unsynced stays" : "");
        simdisk_power_cut(h->sim.disk, losses[how]);
        agents_power_cut(h->agents);
    } else {
        sim_tell(&h->sim, "kill -9");
        simdisk_kill(h->sim.disk);
    }
}

static void die(struct history *h)
{
    meet(h, NULL);
    broker_kill(&h->broker);
    power_or_kill(h);
}

/* ---- while it is down ---- */

static bool group_file(const struct history *h, const struct known_group *group, const char *name, char path[96], const char **bytes,
                       size_t *len)
{
    snprintf(path, 96, "/home/groups/%s/%s", group->id, name);
    return simdisk_peek(h->sim.disk, path, bytes, len);
}

/* Does the ledger have changes that group.yaml has not (a crash came between)? Then the edit was made of an old state, and which of both counts is
 * not promised. An edit on top of an edit is: the file has both. */
static bool is_outdated(const struct history *h, const struct known_group *group, const char *yaml)
{
    static const char *const changes[] = {"\"kind\":\"group.", "\"kind\":\"actor."};
    const char *bytes, *stamp = strstr(yaml, "\nledger_seq: ");
    size_t len;
    uint64_t seq = stamp ? strtoull(stamp + strlen("\nledger_seq: "), NULL, 10) : 0;
    bool in_trash;
    if (!oracle_ledger(h->oracle, group, &bytes, &len, &in_trash))
        return false;
    for (size_t at = 0, line = 0; at < len; line++) {
        const char *newline = memchr(bytes + at, '\n', len - at);
        size_t line_len = newline ? (size_t)(newline - (bytes + at)) : len - at;
        for (size_t i = 0; i < 2 && line >= seq; i++)
            if (memmem(bytes + at, line_len, changes[i], strlen(changes[i])) &&
                !memmem(bytes + at, line_len, "\"kind\":\"group.edit\"", strlen("\"kind\":\"group.edit\"")))
                return true;
        at += line_len + 1;
    }
    return false;
}

/* Somebody gives the group another title with an editor. */
static void edit_by_hand(struct history *h, struct known_group *group)
{
    char path[96], title[40];
    const char *bytes;
    size_t len;
    if (!group_file(h, group, "group.yaml", path, &bytes, &len))
        return;
    cccc_buf_t text;
    cccc_buf_init(&text);
    cccc_buf_put(&text, bytes, len);
    cccc_buf_put(&text, "", 1);
    char *at = strstr(text.data, "\ntitle: "), *end = at ? strchr(at + 1, '\n') : NULL;
    if (end) {
        snprintf(title, sizeof title, "by hand %u", ++h->edits);
        sim_tell(&h->sim, "somebody edits group.yaml of %s: title \"%s\"", group->id, title);
        cccc_buf_t edited;
        cccc_buf_init(&edited);
        cccc_buf_put(&edited, text.data, (size_t)(at - text.data) + strlen("\ntitle: "));
        cccc_buf_str(&edited, title);
        cccc_buf_str(&edited, end);
        simdisk_poke(h->sim.disk, path, edited.data, edited.size);
        cccc_buf_fini(&edited);
        snprintf(group->edited, sizeof group->edited, "%s", h->broker || is_outdated(h, group, text.data) ? "" : title);
    }
    cccc_buf_fini(&text);
}

/* Where the line of event `seq` begins, its length without the newline, and what it says of itself. Only a line that is whole has a seq. */
static bool find_line(const char *bytes, size_t len, uint64_t seq, size_t *start, size_t *line_len, struct cccc_seal *seal)
{
    for (size_t at = 0; at < len;) {
        const char *newline = memchr(bytes + at, '\n', len - at);
        uint64_t here = 0;
        if (!newline)
            return false;
        *start = at;
        *line_len = (size_t)(newline - (bytes + at));
        if (cccc_line_inspect(bytes + at, *line_len, &here, seal) == CCCC_LINE_SOUND && here == seq)
            return true;
        at += *line_len + 1;
    }
    return false;
}

/* A bit of a line that a later line vouches for changes: it must be named as a gap, and nothing else may suffer. */
static void flip_a_bit(struct history *h, struct known_group *group)
{
    char path[96];
    const char *bytes;
    size_t len, start, line_len;
    if (group->flip_count == FLIPS_MAX || group->head < 4 || !group_file(h, group, "ledger.jsonl", path, &bytes, &len))
        return;
    uint64_t sealed = ledger_first_seq(bytes, len) - 1; /* what was sealed is left alone */
    if (sealed >= group->head)
        return;
    uint64_t seq = sealed + 1 + sim_roll(&h->sim, (group->head - sealed + 1) / 2);
    struct cccc_seal last, itself;
    if (oracle_was_flipped(group, seq) || !find_line(bytes, len, group->head, &start, &line_len, &last) || last.dur < seq ||
        !find_line(bytes, len, seq, &start, &line_len, &itself) || !memmem(bytes + start, line_len, "\"kind\":\"chat.", 13))
        return;
    char *damaged = malloc(len);
    CCCC_ASSERT(damaged, "out of memory");
    memcpy(damaged, bytes, len);
    damaged[start + sim_roll(&h->sim, line_len)] ^= 1;
    sim_tell(&h->sim, "a bit of event %llu of %s flips", (unsigned long long)seq, group->id);
    simdisk_poke(h->sim.disk, path, damaged, len);
    free(damaged);
    group->flips[group->flip_count++] = seq;
    group->settled_len = 0;
    group->settled_crc = 0;
}

/* Caches beside the ledger: some are removed, of others a bit flips. Nobody may notice. */
struct cache_hunt {
    struct history *h;
    char dir[96];
    char paths[32][160];
    unsigned count;
};

static void note_cache(void *arg, const char *name)
{
    struct cache_hunt *hunt = arg;
    size_t len = strlen(name);
    bool ids = len > 4 && strcmp(name + len - 4, ".ids") == 0;
    if ((ids || strcmp(name, "snapshot") == 0) && hunt->count < sizeof hunt->paths / sizeof *hunt->paths)
        snprintf(hunt->paths[hunt->count++], sizeof hunt->paths[0], "%s/%s", hunt->dir, name);
}

static void hurt_cache(struct history *h, const char *path)
{
    const struct cccc_vfs *vfs = simdisk_vfs(h->sim.disk);
    const char *bytes;
    size_t len;
    if (sim_once_in(&h->sim, 2)) {
        sim_tell(&h->sim, "somebody removes %s", path);
        vfs->unlink(vfs->ctx, path);
        return;
    }
    if (!simdisk_peek(h->sim.disk, path, &bytes, &len) || len == 0)
        return;
    char *hurt = malloc(len);
    CCCC_ASSERT(hurt, "out of memory");
    memcpy(hurt, bytes, len);
    hurt[sim_roll(&h->sim, len)] ^= (char)(1 << sim_roll(&h->sim, 8));
    sim_tell(&h->sim, "a bit of %s flips", path);
    simdisk_poke(h->sim.disk, path, hurt, len);
    free(hurt);
}

static void hurt_caches(struct history *h, const struct known_group *group)
{
    const struct cccc_vfs *vfs = simdisk_vfs(h->sim.disk);
    struct cache_hunt hunt = {.h = h};
    snprintf(hunt.dir, sizeof hunt.dir, "/home/groups/%s/state/ledger", group->id);
    vfs->list(vfs->ctx, hunt.dir, note_cache, &hunt);
    for (unsigned i = 0; i < hunt.count; i++)
        if (sim_once_in(&h->sim, 2))
            hurt_cache(h, hunt.paths[i]);
}

static void while_down(struct history *h)
{
    struct known_group *group = h->oracle->group_count ? &h->oracle->groups[sim_roll(&h->sim, h->oracle->group_count)] : NULL;
    if (group && sim_once_in(&h->sim, 4))
        edit_by_hand(h, group);
    if (group && sim_once_in(&h->sim, 8))
        flip_a_bit(h, group);
    if (group && sim_once_in(&h->sim, 4))
        hurt_caches(h, group);
    sim_pass(&h->sim, sim_roll(&h->sim, 10000000));
    if (sim_once_in(&h->sim, 8)) {
        sim_tell(&h->sim, "the wall clock jumps");
        h->sim.unix_us += (int64_t)sim_roll(&h->sim, 7200000000) - 3600000000;
    }
}

/* ---- living ---- */

static bool start(struct history *h)
{
    struct broker_ears ears = {h, hear_reply, hear_publication};
    h->broker = broker_start(&h->sim, &ears);
    if (!h->broker)
        return false;
    oracle_started(h->oracle, broker_epoch(h->broker));
    meet(h, h->broker);
    return true;
}

static void step(struct history *h)
{
    sim_pass(&h->sim, 1 + sim_roll(&h->sim, 20000));
    switch (sim_roll(&h->sim, 16)) {
    case 0:
        if (sim_once_in(&h->sim, 6))
            clients_leave(h->clients);
        break;
    case 1:
        if (sim_once_in(&h->sim, 3))
            broker_idle(h->broker, 1 + (unsigned)sim_roll(&h->sim, 12));
        break;
    case 2:
        if (sim_once_in(&h->sim, 10) && h->oracle->group_count > 0)
            edit_by_hand(h, &h->oracle->groups[sim_roll(&h->sim, h->oracle->group_count)]);
        break;
    case 3:
    case 4:
    case 5:
    case 6:
        broker_work(h->broker);
        break;
    case 7:
    case 8:
        broker_turn(h->broker);
        break;
    case 9:
    case 10:
        for (uint64_t n = 1 + sim_roll(&h->sim, 6); n > 0 && !simdisk_is_down(h->sim.disk); n--)
            agents_step(h->agents);
        break;
    default:
        for (uint64_t n = 1 + sim_roll(&h->sim, 4); n > 0; n--) {
            clients_ask(h->clients);
            h->counts->requests++;
        }
    }
}

/* Everything comes to rest, and is compared. */
static void check(struct history *h, unsigned idle_s)
{
    broker_settle(h->broker);
    for (unsigned s = 0; s < idle_s; s += 10) {
        agents_work(h->agents);
        broker_idle(h->broker, idle_s - s < 10 ? idle_s - s : 10);
    }
    oracle_audit(h->oracle, broker_core(h->broker), idle_s >= PEACE_S);
    deliveries_audit(h->oracle, h->agents, idle_s >= PEACE_S);
    clients_read_all(h->clients);
}

static void live(struct history *h)
{
    unsigned steps = 10 + (unsigned)sim_roll(&h->sim, STEPS_MAX);
    if (!sim_once_in(&h->sim, 4))
        arm(h, 150);
    while (steps-- > 0 && !simdisk_is_down(h->sim.disk))
        step(h);
}

/* Without a crash: the disk is sound again, and in time so is everything. */
static void heal(struct history *h)
{
    sim_tell(&h->sim, "the disk is sound again");
    disarm(h);
    check(h, HEAL_S);
}

static void end_life(struct history *h)
{
    bool down = simdisk_is_down(h->sim.disk);
    if (!down && sim_once_in(&h->sim, 6))
        heal(h);
    if (!down && sim_once_in(&h->sim, 5)) {
        sim_tell(&h->sim, "an orderly stop");
        disarm(h);
        broker_stop(&h->broker);
        meet(h, NULL);
        if (!sim_once_in(&h->sim, 3))
            power_or_kill(h);
        else
            simdisk_kill(h->sim.disk);
    } else {
        die(h);
    }
}

/* Starts that meet faults themselves, then one on a sound disk. */
static void recover(struct history *h)
{
    while (sim_once_in(&h->sim, 3)) {
        arm(h, 80);
        if (start(h)) {
            for (unsigned steps = (unsigned)sim_roll(&h->sim, 8); steps > 0 && !simdisk_is_down(h->sim.disk); steps--)
                step(h);
            die(h);
        } else {
            power_or_kill(h);
        }
    }
    simdisk_arm(h->sim.disk, NULL);
    if (!start(h))
        sim_broken(&h->sim, "I6", "the daemon does not start on a sound disk");
    h->counts->recoveries++;
    check(h, 2);
}

static void make_home(struct history *h)
{
    static const char *const folders[] = {"/home", "/home/daemon", "/home/groups", "/home/trash"};
    const struct cccc_vfs *vfs = simdisk_vfs(h->sim.disk);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        cccc_vfs_make_dirs(vfs, folders[i]);
}

void history_run(uint64_t seed, bool traced, struct history_counts *counts)
{
    struct history h = {.sim = {.seed = seed, .traced = traced, .unix_us = 1767225600000000, .mono_us = 5000000}, .counts = counts};
    h.sim.disk = simdisk_new(seed);
    sim_own_the_clock(&h.sim);
    h.oracle = oracle_new(&h.sim);
    h.clients = clients_new(&h.sim, h.oracle);
    h.agents = agents_new(&h.sim, h.oracle);
    make_home(&h);
    if (!start(&h))
        sim_broken(&h.sim, "I6", "the daemon does not start on an empty home");
    clients_set_up(h.clients);
    for (uint64_t lives = 1 + sim_roll(&h.sim, LIVES_MAX); lives > 0; lives--) {
        live(&h);
        end_life(&h);
        while_down(&h);
        recover(&h);
    }
    check(&h, PEACE_S);
    broker_stop(&h.broker);
    if (simdisk_open_files(h.sim.disk) > 0)
        sim_broken(&h.sim, "I7", "%u descriptors are open after the end", simdisk_open_files(h.sim.disk));
    counts->events += h.oracle->events_audited;
    counts->retired += h.oracle->events_retired;
    counts->holds += h.oracle->holds_audited;
    counts->copies += h.oracle->copies_audited;
    agents_destroy(&h.agents);
    clients_destroy(&h.clients);
    oracle_destroy(&h.oracle);
    sim_own_the_clock(NULL);
    simdisk_destroy(&h.sim.disk);
}
