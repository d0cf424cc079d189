/* harness.c - run worker processes, count what they do, measure a stretch of it. */
#include "bench/harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct workers {
    struct bench_shared *shared;
    pid_t pids[BENCH_WORKERS_MAX];
    enum bench_role roles[BENCH_WORKERS_MAX];
    int count;
    bool failed;
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void nap(double seconds)
{
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
}

void bench_ready(struct bench_shared *shared)
{
    shared->ready++;
    while (!shared->go)
        nap(0.001);
}

static void start(struct workers *self, enum bench_role role, bench_worker_fn run, const void *arg)
{
    int i = self->count++;
    self->roles[i] = role;
    self->pids[i] = fork();
    if (self->pids[i] < 0) {
        perror("fork");
        exit(1);
    }
    if (self->pids[i] == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        run(self->shared, &self->shared->lanes[i], arg);
        _exit(0);
    }
}

static uint64_t sum(const struct workers *self, enum bench_role role)
{
    uint64_t done = 0;
    for (int i = 0; i < self->count; i++)
        if (self->roles[i] == role)
            done += self->shared->lanes[i].done;
    return done;
}

static double *cpu_of(struct bench_result *out, enum bench_role role)
{
    if (role == BENCH_BROKER)
        return &out->cpu_broker_s;
    return role == BENCH_SENDER ? &out->cpu_senders_s : &out->cpu_follower_s;
}

/* Wait for all workers of a role, and add up what they used. */
static void finish(struct workers *self, enum bench_role role, struct bench_result *out)
{
    for (int i = 0; i < self->count; i++) {
        struct rusage used;
        int status = 0;
        if (self->roles[i] != role)
            continue;
        if (wait4(self->pids[i], &status, 0, &used) != self->pids[i] || status != 0)
            self->failed = true;
        *cpu_of(out, role) += (double)used.ru_utime.tv_sec + (double)used.ru_utime.tv_usec / 1e6 + (double)used.ru_stime.tv_sec +
                              (double)used.ru_stime.tv_usec / 1e6;
        out->failed += self->shared->lanes[i].failed;
        out->losses += self->shared->lanes[i].losses;
        out->repaired += self->shared->lanes[i].repaired;
    }
}

static void wait_until_ready(struct workers *self, int count)
{
    while (self->shared->ready < count) {
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0) {
            fprintf(stderr, "a worker ended before it was ready\n");
            exit(1);
        }
        nap(0.001);
    }
}

bool bench_run(const struct bench_plan *plan, struct bench_result *out)
{
    struct workers workers = {0};
    workers.shared = mmap(NULL, sizeof *workers.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (workers.shared == MAP_FAILED)
        return false;
    if (plan->broker) {
        start(&workers, BENCH_BROKER, plan->broker, plan->arg);
        wait_until_ready(&workers, 1);
    }
    start(&workers, BENCH_FOLLOWER, plan->follower, plan->arg);
    for (int i = 0; i < plan->senders; i++)
        start(&workers, BENCH_SENDER, plan->sender, plan->arg);
    wait_until_ready(&workers, workers.count);
    workers.shared->go = true;
    nap(plan->warmup_s);
    double began = now_s();
    uint64_t sent = sum(&workers, BENCH_SENDER), followed = sum(&workers, BENCH_FOLLOWER);
    nap(plan->seconds);
    double took = now_s() - began;
    out->per_second = (double)(sum(&workers, BENCH_SENDER) - sent) / took;
    out->follower_per_second = (double)(sum(&workers, BENCH_FOLLOWER) - followed) / took;
    workers.shared->stop = true;
    finish(&workers, BENCH_SENDER, out);
    double last_send = now_s();
    out->sent = sum(&workers, BENCH_SENDER);
    workers.shared->sent_total = out->sent + 1; /* 0 = not known yet */
    finish(&workers, BENCH_FOLLOWER, out);
    out->catch_up_s = now_s() - last_send;
    out->followed = sum(&workers, BENCH_FOLLOWER);
    if (plan->broker)
        finish(&workers, BENCH_BROKER, out);
    munmap(workers.shared, sizeof *workers.shared);
    return !workers.failed && out->failed == 0;
}

void bench_print(const char *name, const struct bench_result *r)
{
    printf(
        "{\"name\":\"%s\",\"per_second\":%.0f,\"follower_per_second\":%.0f,\"sent\":%llu,\"failed\":%llu,\"followed\":%llu,\"losses\":%llu,"
        "\"repaired\":%llu,\"catch_up_s\":%.3f,\"cpu_broker_s\":%.2f,\"cpu_senders_s\":%.2f,\"cpu_follower_s\":%.2f}\n",
        name, r->per_second, r->follower_per_second, (unsigned long long)r->sent, (unsigned long long)r->failed,
        (unsigned long long)r->followed, (unsigned long long)r->losses, (unsigned long long)r->repaired, r->catch_up_s, r->cpu_broker_s,
        r->cpu_senders_s, r->cpu_follower_s);
}
