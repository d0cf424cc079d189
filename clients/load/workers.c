/* workers.c - run worker processes against a server, count what they do, measure a stretch of it. */
#include "clients/load/workers.h"

#include "clients/load/disk.h"
#include "clients/load/usage.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READY_S 60.0
#define LOOK_S  0.02 /* how often the parent looks whether to go on */

struct workers {
    const struct worker_plan *plan;
    struct worker_board *board;
    pid_t pids[WORKERS_MAX]; /* 0: has ended */
    enum worker_role roles[WORKERS_MAX];
    unsigned count, of_role[WORKER_ROLES];
    double cpu_s[WORKER_ROLES];
    bool failed;
};

uint64_t worker_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void worker_nap(double seconds)
{
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
}

void worker_ready(struct worker_board *board)
{
    board->ready++;
    while (!board->go)
        worker_nap(0.001);
}

void worker_answered(struct worker_board *board, struct worker_lane *lane, uint64_t begun_ns, uint64_t messages)
{
    lane->done += messages;
    if (begun_ns >= board->from_ns)
        histogram_add(&lane->latency, worker_now_ns() - begun_ns);
}

/* The first one speaks: what fails behind it mostly fails of the same. */
__attribute__((format(printf, 3, 0))) static void give_reason(struct worker_board *board, const char *code, const char *fmt, va_list args)
{
    if (atomic_exchange(&board->failing, true))
        return;
    snprintf(board->failure.code, sizeof board->failure.code, "%s", code);
    vsnprintf(board->failure.text, sizeof board->failure.text, fmt, args);
    board->told = true;
}

void worker_failed(struct worker_board *board, struct worker_lane *lane, const char *code, const char *fmt, ...)
{
    va_list args;
    lane->failed++;
    va_start(args, fmt);
    give_reason(board, code, fmt, args);
    va_end(args);
}

/* ---- processes ---- */

/* What goes wrong where no worker can say so. */
static void run_failed(struct workers *self, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void run_failed(struct workers *self, const char *fmt, ...)
{
    va_list args;
    self->failed = true;
    va_start(args, fmt);
    give_reason(self->board, "internal", fmt, args);
    va_end(args);
}

static bool cancelled(const struct workers *self)
{
    return self->plan->cancelled && self->plan->cancelled();
}

static void start(struct workers *self, enum worker_role role, worker_fn run, const void *arg)
{
    unsigned i = self->count;
    if (i == WORKERS_MAX)
        run_failed(self, "at most %d processes make a load", WORKERS_MAX);
    if (self->failed)
        return;
    struct worker_lane *lane = &self->board->lanes[i];
    lane->index = self->of_role[role]++;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        run(self->board, lane, arg);
        _exit(lane->failed > 0);
    }
    if (pid < 0) {
        run_failed(self, "cannot start process %u of the load: %s", i + 1, strerror(errno));
        return;
    }
    self->roles[i] = role;
    self->pids[i] = pid;
    self->count++;
}

static void ended(struct workers *self, unsigned i, int status, const struct rusage *used)
{
    self->pids[i] = 0;
    if (status != 0)
        run_failed(self, "a process of the load ended with %s %d", WIFSIGNALED(status) ? "signal" : "status",
                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    self->cpu_s[self->roles[i]] += (double)used->ru_utime.tv_sec + (double)used->ru_utime.tv_usec / 1e6 + (double)used->ru_stime.tv_sec +
                                   (double)used->ru_stime.tv_usec / 1e6;
}

/* True once all of a role have ended; what ended is accounted for. */
static bool look_for_ended(struct workers *self, enum worker_role role)
{
    bool all = true;
    for (unsigned i = 0; i < self->count; i++) {
        struct rusage used;
        int status;
        if (self->roles[i] != role || self->pids[i] == 0)
            continue;
        if (wait4(self->pids[i], &status, WNOHANG, &used) == self->pids[i])
            ended(self, i, status, &used);
        else
            all = false;
    }
    return all;
}

/* Wait until all of a role have ended. False: patience is at an end first. */
static bool finish(struct workers *self, enum worker_role role, double patience_s)
{
    uint64_t until = worker_now_ns() + (uint64_t)(patience_s * 1e9);
    bool over;
    while (!(over = look_for_ended(self, role)) && !self->failed && !cancelled(self) && worker_now_ns() < until)
        worker_nap(0.001);
    return over;
}

static void end_all(struct workers *self)
{
    for (unsigned i = 0; i < self->count; i++) {
        int status;
        if (self->pids[i] == 0)
            continue;
        kill(self->pids[i], SIGKILL);
        while (waitpid(self->pids[i], &status, 0) < 0 && errno == EINTR)
            continue;
        self->failed |= self->roles[i] != WORKER_SERVER;
    }
}

static void wait_until_ready(struct workers *self)
{
    uint64_t until = worker_now_ns() + (uint64_t)(READY_S * 1e9);
    while (!self->failed && self->board->ready < self->count) {
        if (worker_now_ns() > until)
            run_failed(self, "%u of %u processes of the load were not ready after %.0f s", self->count - self->board->ready, self->count,
                       READY_S);
        for (enum worker_role role = WORKER_SERVER; role < WORKER_ROLES; role++)
            look_for_ended(self, role);
        self->failed |= cancelled(self);
        worker_nap(0.001);
    }
}

static void start_all(struct workers *self)
{
    const struct worker_plan *plan = self->plan;
    if (plan->server) {
        start(self, WORKER_SERVER, plan->server, plan->arg);
        wait_until_ready(self);
    }
    for (unsigned i = 0; i < plan->followers; i++)
        start(self, WORKER_FOLLOWER, plan->follower, plan->arg);
    for (unsigned i = 0; i < plan->senders; i++)
        start(self, WORKER_SENDER, plan->sender, plan->arg);
    if (plan->disk_dir)
        start(self, WORKER_DISK, disk_worker, plan->disk_dir);
    wait_until_ready(self);
}

/* ---- what they did ---- */

static uint64_t sum(const struct workers *self, enum worker_role role)
{
    uint64_t done = 0;
    for (unsigned i = 0; i < self->count; i++)
        if (self->roles[i] == role)
            done += self->board->lanes[i].done;
    return done;
}

static void merged_times(const struct workers *self, enum worker_role role, struct worker_times *out)
{
    struct histogram *all = calloc(1, sizeof *all);
    if (!all)
        return;
    for (unsigned i = 0; i < self->count; i++)
        if (self->roles[i] == role)
            histogram_merge(all, &self->board->lanes[i].latency);
    *out = (struct worker_times){.count = all->count,
                                 .p50 = (double)histogram_quantile(all, 0.5) / 1e3,
                                 .p99 = (double)histogram_quantile(all, 0.99) / 1e3,
                                 .p999 = (double)histogram_quantile(all, 0.999) / 1e3,
                                 .max = (double)all->max / 1e3};
    free(all);
}

static void add_lanes(const struct workers *self, struct worker_result *out)
{
    for (unsigned i = 0; i < self->count; i++) {
        const struct worker_lane *lane = &self->board->lanes[i];
        out->failed += lane->failed;
        out->missed += lane->missed;
        out->losses += lane->losses;
        out->repaired += lane->repaired;
    }
}

static pid_t server_pid(const struct workers *self)
{
    return self->plan->server ? self->pids[0] : self->plan->server_pid;
}

static double per_message_us(double seconds, double messages)
{
    return messages > 0 ? seconds / messages * 1e6 : 0;
}

/* Until the seconds are over, enough was sent, or it is no result any more. */
static void wait_through(const struct workers *self, uint64_t from_ns)
{
    const struct worker_plan *plan = self->plan;
    double left;
    while ((left = plan->seconds - (double)(worker_now_ns() - from_ns) / 1e9) > 0 && !cancelled(self) && !self->board->failing &&
           (plan->messages_max == 0 || sum(self, WORKER_SENDER) < plan->messages_max))
        worker_nap(left < LOOK_S ? left : LOOK_S);
}

/* The measured stretch. */
static void measure(struct workers *self, struct worker_result *out)
{
    struct usage before, after;
    uint64_t from = worker_now_ns();
    uint64_t sent = sum(self, WORKER_SENDER), followed = sum(self, WORKER_FOLLOWER);
    usage_of(server_pid(self), &before);
    wait_through(self, from);
    out->seconds = (double)(worker_now_ns() - from) / 1e9;
    double messages = (double)(sum(self, WORKER_SENDER) - sent);
    out->per_second = messages / out->seconds;
    out->bytes_per_second = out->per_second * (double)self->plan->message_bytes;
    out->follower_per_second = (double)(sum(self, WORKER_FOLLOWER) - followed) / out->seconds;
    usage_of(server_pid(self), &after);
    out->server_us = per_message_us(after.all_s - before.all_s, messages);
    out->loop_us = per_message_us(after.loop_s - before.loop_s, messages);
    out->io_us = per_message_us(after.io_s - before.io_s, messages);
    out->commit_us = per_message_us(after.commit_s - before.commit_s, messages);
    out->seal_us = per_message_us(after.seal_s - before.seal_s, messages);
    out->server_rss = after.rss;
}

/* Senders take in their answers, followers what is still to come. */
static void drain(struct workers *self, uint64_t began_ns, struct worker_result *out)
{
    struct worker_board *board = self->board;
    board->stop = true;
    bool over = finish(self, WORKER_SENDER, 60) && finish(self, WORKER_DISK, 60);
    out->sent = sum(self, WORKER_SENDER);
    board->sent_total = out->sent + 1;
    if (over && !finish(self, WORKER_FOLLOWER, self->plan->drain_s)) {
        board->give_up = true;
        finish(self, WORKER_FOLLOWER, 10);
    }
    out->followed = sum(self, WORKER_FOLLOWER);
    out->delivered_per_second = (double)out->sent / ((double)(worker_now_ns() - began_ns) / 1e9);
    if (self->plan->server)
        finish(self, WORKER_SERVER, 10);
}

bool workers_run(const struct worker_plan *plan, struct worker_result *out)
{
    struct workers self = {.plan = plan};
    *out = (struct worker_result){0};
    self.board = mmap(NULL, sizeof *self.board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (self.board == MAP_FAILED)
        return false;
    start_all(&self);
    if (!self.failed) {
        uint64_t began = worker_now_ns();
        self.board->from_ns = began + (uint64_t)(plan->warmup_s * 1e9);
        self.board->go = true;
        worker_nap(plan->warmup_s);
        measure(&self, out);
        drain(&self, began, out);
    }
    end_all(&self);
    merged_times(&self, WORKER_SENDER, &out->ack);
    merged_times(&self, WORKER_DISK, &out->disk);
    add_lanes(&self, out);
    out->senders_us = per_message_us(self.cpu_s[WORKER_SENDER], (double)out->sent);
    out->followers_us = per_message_us(self.cpu_s[WORKER_FOLLOWER], (double)out->sent);
    if (self.board->told)
        out->failure = self.board->failure;
    munmap(self.board, sizeof *self.board);
    return !self.failed && out->failed == 0 && !cancelled(&self);
}
