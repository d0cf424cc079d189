/* workers.h - run worker processes against a server, count what they do, measure a stretch of it.
 *
 * Workers are processes, not threads, because that is what senders and followers of a bus are. Each has a lane of shared memory to itself. One worker
 * appends and syncs a small file all the while, so that every result stands beside what the disk itself took in the same seconds.
 * Nothing here knows what is sent: loads on cccc (load.h) and on its peers (bench/) are built on it. */
#pragma once

#include "clients/load/histogram.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define WORKERS_MAX 256

struct worker_lane {
    _Alignas(64) _Atomic uint64_t done; /* acknowledged messages, or events received */
    _Atomic uint64_t failed;
    _Atomic uint64_t missed, losses, repaired; /* of a follower: never delivered; times the stream had lost something; events read again */
    unsigned index;                            /* among those of its role */
    struct histogram latency;                  /* ns, of what was begun in the measured stretch */
};

/* Why a run is none; of many workers that fail at once, the first one's. */
struct worker_failure {
    char code[64]; /* of libcccc, or "storage_failed", "internal" */
    char text[512];
};

struct worker_board {
    _Atomic unsigned ready;
    _Atomic bool go, stop, give_up;
    _Atomic uint64_t from_ns;    /* when measuring begins, known from `go` on */
    _Atomic uint64_t sent_total; /* set when all senders have ended, one more than they sent: what a follower has to reach */
    _Atomic bool failing, told;  /* somebody failed; `failure` is whole */
    struct worker_failure failure;
    struct worker_lane lanes[WORKERS_MAX];
};

enum worker_role { WORKER_SERVER, WORKER_SENDER, WORKER_FOLLOWER, WORKER_DISK, WORKER_ROLES };

/* Call worker_ready, work until `stop`; what is open then may be taken in. A follower goes on until it has `sent_total` - 1, or `give_up`. */
typedef void (*worker_fn)(struct worker_board *board, struct worker_lane *lane, const void *arg);

struct worker_plan {
    worker_fn server; /* NULL: there is one already */
    pid_t server_pid; /* of that one, 0: unknown */
    worker_fn sender, follower;
    unsigned senders, followers;
    double warmup_s, seconds, drain_s; /* drain_s: how long followers may take after the last send */
    uint64_t message_bytes;            /* of text */
    uint64_t messages_max;             /* measuring ends early once so many were sent; 0: no bound */
    const char *disk_dir;              /* NULL: the disk is not measured */
    const void *arg;
    bool (*cancelled)(void); /* NULL: never */
};

/* Quantiles in microseconds. */
struct worker_times {
    uint64_t count;
    double p50, p99, p999, max;
};

struct worker_result {
    double seconds;              /* measured */
    double per_second;           /* acknowledged messages */
    double bytes_per_second;     /* of their text */
    double follower_per_second;  /* of all followers together */
    double delivered_per_second; /* messages that all followers have, from the first send to the last one received */
    uint64_t sent, failed, followed, missed, losses, repaired;
    struct worker_times ack, disk;
    /* processor time per acknowledged message, in microseconds: the server's threads in the measured stretch, the others over the whole run */
    double server_us, loop_us, io_us, commit_us, seal_us, senders_us, followers_us;
    uint64_t server_rss; /* bytes, at the end */
    struct worker_failure failure;
};

uint64_t worker_now_ns(void);
/* Sleep; a signal ends it early. */
void worker_nap(double seconds);
/* Ready: waits for `go`. */
void worker_ready(struct worker_board *board);
/* One answer to what was begun, or should have been, at `begun_ns`, for `messages` messages. */
void worker_answered(struct worker_board *board, struct worker_lane *lane, uint64_t begun_ns, uint64_t messages);
/* Something went wrong; the run will be no result. Work may go on. */
void worker_failed(struct worker_board *board, struct worker_lane *lane, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Forks the workers; returns when all have ended. False: one failed, which out->failure says why, or it was cancelled. Nothing of libzmq may be open in this process. */
bool workers_run(const struct worker_plan *plan, struct worker_result *out);
