/* load.h - a load on a bus as programs with libcccc make it: sender and follower processes, and what they saw.
 *
 * Closed loop: each sender keeps `window` requests open. Open loop (`rate`): requests are due at fixed times, whatever the answers do, and a latency
 * counts from the moment the request was due; so a stall shows in all that it held up. A message counts when its acknowledgement is there, which is
 * after it is on disk. Followers check that every event comes once and in order. */
#pragma once

#include "clients/lib/include/cccc.h"
#include "clients/load/workers.h"

#define LOAD_WINDOW_MAX 8192
#define LOAD_BATCH_MAX  1000

struct load {
    const char *home;
    const char *const *groups; /* written in turns; followed is the first */
    size_t group_count;
    const char *recipient;
    const char *text;
    /* Not 0: messages have so many bytes, from one after the other of so many places of `text`. */
    size_t text_bytes, text_places;
    unsigned window;            /* requests open per sender; open loop: at most */
    unsigned batch;             /* messages of a request: 1 = send, more = send_batch */
    double rate;                /* messages per second of all senders together; 0 = closed loop */
    unsigned senders;           /* must be what the plan says */
    unsigned follower_sleep_us; /* per event: a follower that is slow on purpose */
};

/* Roles of a worker_plan whose arg is a struct load. */
void load_sender(struct worker_board *board, struct worker_lane *lane, const void *arg);
void load_follower(struct worker_board *board, struct worker_lane *lane, const void *arg);

/* Send `count` messages as fast as the window allows. False: one failed, *err says why. */
bool load_send(const struct load *load, uint64_t count, struct cccc_error *err);

/* Make a group with one actor. group_id has 64 bytes. */
bool load_make_group(cccc_t *client, const char *title, const char *actor, char *group_id, struct cccc_error *err);
