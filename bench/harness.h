/* harness.h - run worker processes, count what they do, measure a stretch of it.
 *
 * Workers are processes, not threads, because that is what senders and followers of a bus are. Each has a lane of shared memory to itself. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_WORKERS_MAX 64

struct bench_lane {
    _Alignas(64) _Atomic uint64_t done; /* acknowledged sends, or events received */
    _Atomic uint64_t failed;
    _Atomic uint64_t losses, repaired; /* of a follower */
};

struct bench_shared {
    _Atomic int ready;
    _Atomic bool go, stop;
    _Atomic uint64_t sent_total; /* set when all senders have ended: what a follower has to reach */
    struct bench_lane lanes[BENCH_WORKERS_MAX];
};

enum bench_role { BENCH_BROKER, BENCH_SENDER, BENCH_FOLLOWER };

/* Set lane->ready through bench_ready, wait for go, work until stop. A follower goes on until it has `sent_total` of the senders' events. */
typedef void (*bench_worker_fn)(struct bench_shared *shared, struct bench_lane *lane, const void *arg);

struct bench_plan {
    bench_worker_fn broker; /* may be NULL */
    bench_worker_fn sender;
    bench_worker_fn follower;
    int senders;
    double warmup_s, seconds;
    const void *arg;
};

struct bench_result {
    double per_second;          /* acknowledged sends */
    double follower_per_second; /* in the same stretch */
    uint64_t sent, failed, followed, losses, repaired;
    double catch_up_s;                                  /* what the follower needed after the last send */
    double cpu_broker_s, cpu_senders_s, cpu_follower_s; /* of the whole run */
};

/* Ready: waits for go. */
void bench_ready(struct bench_shared *shared);
/* Forks the workers; returns when all have ended. False when one failed. Call before anything of libzmq in this process. */
bool bench_run(const struct bench_plan *plan, struct bench_result *out);
/* One line of JSON. */
void bench_print(const char *name, const struct bench_result *result);
