/* bench.c - `cccc bench`: how fast the bus is here, measured with a scratch daemon in a scratch home, beside what the disk itself takes.
 *
 * The senders and the follower are processes that use libcccc (clients/load/). The daemon is stopped and the home removed whatever happens. With
 * --this-home the daemon that serves the home is measured instead, in a scratch group that is deleted again, from the trash, too.
 * Thread: the program's one. */
#include "clients/cli/offline.h"
#include "clients/load/load.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define RUNS_MAX      100
#define SECONDS_MAX   600
#define TEXT_MAX      32000
#define CLIENTS_MAX   64
#define FOLLOWERS_MAX 150
#define WARMUP_S      0.3
#define DRAIN_S       60
#define ACTOR         "bench"
#define SEND_LESS     "fewer --clients, or a smaller --window, --batch or --text"
/* What a message takes besides its text, at most: in memory until it is on disk, and in a request. */
#define EVENT_REST_BYTES 1024
#define ASKED_REST_BYTES 128

struct bench {
    struct cli *cli;
    struct load load;
    struct worker_plan plan;
    const char *group;
    const char *filesystem; /* that of the home */
    unsigned runs;
    struct worker_result results[RUNS_MAX];
};

/* ---- what was asked for ---- */

static const struct bound {
    const char *name;
    uint64_t otherwise, least, most;
} bounds[] = {
    {"clients", 8, 1, CLIENTS_MAX},
    {"window", 125, 1, LOAD_WINDOW_MAX},
    {"batch", 1, 1, LOAD_BATCH_MAX},
    {"followers", 1, 0, FOLLOWERS_MAX},
    {"text", 300, 1, TEXT_MAX},
    {"seconds", 2, 1, SECONDS_MAX},
    {"runs", 5, 1, RUNS_MAX},
    {"rate", 0, 0, 10000000},
    {"messages", 1000000, 1000, 100000000},
};

static uint64_t value_of(struct cli *cli, const char *name)
{
    size_t i = 0;
    while (strcmp(bounds[i].name, name) != 0)
        i++;
    return cli_number(cli, name, bounds[i].otherwise);
}

/* So many requests may each client have open, that the group takes them all: what is over that is refused as busy, and measures nothing. */
static uint64_t window_max(struct cli *cli)
{
    uint64_t messages = value_of(cli, "clients") * value_of(cli, "batch");
    uint64_t by_count = CCCC_PENDING_EVENTS_MAX / messages;
    uint64_t by_bytes = CCCC_PENDING_BYTES_MAX / (messages * (value_of(cli, "text") + EVENT_REST_BYTES));
    return by_count < by_bytes ? by_count : by_bytes;
}

/* As asked for, else what is usual, or what fits. */
static uint64_t window_of(struct cli *cli)
{
    uint64_t usual = value_of(cli, "window"), most = window_max(cli);
    return cli_option(cli, "window") || usual < most ? usual : most;
}

static int check_load(struct cli *cli)
{
    uint64_t batch = value_of(cli, "batch"), text = value_of(cli, "text"), most = window_max(cli);
    if (batch * (text + ASKED_REST_BYTES) > CCCC_REQUEST_BYTES_MAX)
        return cli_fail(cli, CCCC_E_USAGE, "a smaller --batch or --text",
                        "%" PRIu64 " messages of %" PRIu64 " bytes are more than a request may have (%d bytes)", batch, text,
                        CCCC_REQUEST_BYTES_MAX);
    if (window_of(cli) <= most && most > 0)
        return 0;
    return cli_fail(cli, CCCC_E_USAGE, most > 0 ? cli_printf(cli, "--window %" PRIu64 " at most, or fewer --clients", most) : SEND_LESS,
                    "that is more in flight than a group takes (%d messages, %d MiB): the rest would be refused as busy",
                    CCCC_PENDING_EVENTS_MAX, CCCC_PENDING_BYTES_MAX / 1024 / 1024);
}

static int check_bounds(struct cli *cli)
{
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        uint64_t value = value_of(cli, bounds[i].name);
        if (value < bounds[i].least || value > bounds[i].most)
            return cli_fail(cli, CCCC_E_USAGE, "`cccc bench --help`", "--%s is %" PRIu64 " to %" PRIu64, bounds[i].name, bounds[i].least,
                            bounds[i].most);
    }
    return check_load(cli);
}

static char *filler(struct cli *cli, size_t len)
{
    char *text = cccc_arena_alloc(cli->arena, len + 1);
    for (size_t i = 0; i < len; i++)
        text[i] = i % 6 == 5 ? ' ' : 'x';
    text[len] = '\0';
    return text;
}

static bool interrupted(void)
{
    return cli_signal() != 0;
}

static void make_plan(struct bench *self)
{
    struct cli *cli = self->cli;
    self->runs = (unsigned)value_of(cli, "runs");
    self->load = (struct load){.home = cli->home.root,
                               .groups = &self->group,
                               .group_count = 1,
                               .recipient = ACTOR,
                               .text = filler(cli, value_of(cli, "text")),
                               .window = (unsigned)window_of(cli),
                               .batch = (unsigned)value_of(cli, "batch"),
                               .rate = (double)value_of(cli, "rate"),
                               .senders = (unsigned)value_of(cli, "clients")};
    self->plan = (struct worker_plan){.sender = load_sender,
                                      .follower = load_follower,
                                      .senders = self->load.senders,
                                      .followers = (unsigned)value_of(cli, "followers"),
                                      .warmup_s = WARMUP_S,
                                      .seconds = (double)value_of(cli, "seconds"),
                                      .drain_s = DRAIN_S,
                                      .message_bytes = strlen(self->load.text),
                                      .messages_max = value_of(cli, "messages"),
                                      .disk_dir = cli->home.root,
                                      .arg = &self->load,
                                      .cancelled = interrupted};
}

/* ---- the daemon and the group ---- */

/* --this-home: the daemon that serves it, and none that would be left behind. */
static int make_group(struct bench *self, enum cli_reach reach)
{
    struct cli *cli = self->cli;
    struct cccc_error error;
    char *group = cccc_arena_alloc(cli->arena, 64);
    int32_t pid;
    cccc_str_t version;
    int status = cli_connect(cli, reach);
    if (status)
        return status;
    if (!load_make_group(cli->client, "cccc bench", ACTOR, group, &error))
        return cli_fail_with(cli, &error);
    self->group = group;
    if (cli_daemon(cli, &pid, &version))
        self->plan.server_pid = pid;
    /* Workers are forked from this process, and must not meet a socket of ours. */
    cccc_close(&cli->client);
    return 0;
}

static void stop_daemon(struct cli *cli)
{
    int32_t pid;
    cccc_str_t version;
    if (!cli_daemon(cli, &pid, &version))
        return;
    kill(pid, SIGTERM);
    if (!cli_wait_gone(pid, 10000))
        kill(pid, SIGKILL);
}

/* ---- figures ---- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct spread {
    double median, least, most;
};

static struct spread spread_of(const struct bench *self, size_t offset)
{
    double values[RUNS_MAX];
    for (unsigned i = 0; i < self->runs; i++)
        memcpy(&values[i], (const char *)&self->results[i] + offset, sizeof *values);
    qsort(values, self->runs, sizeof *values, by_size);
    double middle = (values[(self->runs - 1) / 2] + values[self->runs / 2]) / 2;
    return (struct spread){middle, values[0], values[self->runs - 1]};
}

static const struct {
    const char *name, *unit, *words;
    size_t offset;
} figures[] = {
    {"messages_per_second", "/s", "acknowledged messages", offsetof(struct worker_result, per_second)},
    {"text_bytes_per_second", "B/s", "text of these", offsetof(struct worker_result, bytes_per_second)},
    {"ack_p50_us", "us", "acknowledged after, half of them", offsetof(struct worker_result, ack.p50)},
    {"ack_p99_us", "us", "acknowledged after, 99 %", offsetof(struct worker_result, ack.p99)},
    {"ack_p999_us", "us", "acknowledged after, 99.9 %", offsetof(struct worker_result, ack.p999)},
    {"ack_max_us", "us", "acknowledged after, the last one", offsetof(struct worker_result, ack.max)},
    {"disk_p50_us", "us", "the disk's own sync, half of them", offsetof(struct worker_result, disk.p50)},
    {"disk_p99_us", "us", "the disk's own sync, 99 %", offsetof(struct worker_result, disk.p99)},
    {"disk_p999_us", "us", "the disk's own sync, 99.9 %", offsetof(struct worker_result, disk.p999)},
    {"disk_max_us", "us", "the disk's own sync, the last one", offsetof(struct worker_result, disk.max)},
    {"followed_per_second", "/s", "events followed", offsetof(struct worker_result, follower_per_second)},
    {"broker_us_per_message", "us", "daemon's processor time per message", offsetof(struct worker_result, server_us)},
};
#define FIGURES (sizeof figures / sizeof *figures)

static uint64_t rss_most(const struct bench *self)
{
    uint64_t most = 0;
    for (unsigned i = 0; i < self->runs; i++)
        most = self->results[i].server_rss > most ? self->results[i].server_rss : most;
    return most;
}

static cccc_value_t load_asked_for(const struct bench *self)
{
    cccc_builder_t load = cccc_map_builder(self->cli->arena, sizeof bounds / sizeof *bounds + 2);
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++)
        cccc_map_add(&load, bounds[i].name,
                     cccc_uint(strcmp(bounds[i].name, "window") == 0 ? self->load.window : value_of(self->cli, bounds[i].name)));
    cccc_map_add(&load, "filesystem", cccc_text(self->filesystem));
    cccc_map_add(&load, "sync", cccc_text("fdatasync before each acknowledgement"));
    return load.value;
}

static cccc_value_t number(double value)
{
    return (cccc_value_t){.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = value};
}

static int answer_json(struct bench *self)
{
    cccc_arena_t *arena = self->cli->arena;
    cccc_builder_t result = cccc_map_builder(arena, FIGURES + 2);
    cccc_map_add(&result, "load", load_asked_for(self));
    for (size_t i = 0; i < FIGURES; i++) {
        struct spread spread = spread_of(self, figures[i].offset);
        cccc_builder_t figure = cccc_map_builder(arena, 3);
        cccc_map_add(&figure, "median", number(spread.median));
        cccc_map_add(&figure, "min", number(spread.least));
        cccc_map_add(&figure, "max", number(spread.most));
        cccc_map_add(&result, figures[i].name, figure.value);
    }
    cccc_map_add(&result, "daemon_rss_bytes", cccc_uint(rss_most(self)));
    return cli_result(self->cli, &result.value);
}

static const char *counted(struct cli *cli, uint64_t count, const char *what)
{
    return cli_printf(cli, "%" PRIu64 " %s%s", count, what, count == 1 ? "" : "s");
}

/* "8 clients with 125 requests of 10 messages in flight each", "..., 10000 messages due per second" */
static const char *load_said(struct bench *self)
{
    struct cli *cli = self->cli;
    const struct load *load = &self->load;
    bool alone = load->senders == 1;
    const char *clients = counted(cli, load->senders, "client"), *window = counted(cli, load->window, "request");
    const char *batch = load->batch > 1 ? cli_printf(cli, " of %u messages", load->batch) : "";
    if (load->rate > 0)
        return cli_printf(cli, "%s, %.0f messages due per second%s, at most %s%s in flight%s", clients, load->rate, alone ? "" : " in all",
                          window, batch, alone ? "" : " each");
    return cli_printf(cli, "%s with %s%s in flight%s", clients, window, batch, alone ? "" : " each");
}

static void print_table(struct bench *self)
{
    static const char *const headings[] = {"FIGURE", "MEDIAN", "MIN", "MAX", "UNIT"};
    struct cli *cli = self->cli;
    char size[32];
    cli_table_t *table = cli_table_new(cli, headings, 5);
    for (size_t i = 0; i < FIGURES; i++) {
        struct spread spread = spread_of(self, figures[i].offset);
        int digits = spread.median < 100 ? 1 : 0;
        cli_cell(table, cccc_str(figures[i].words), STYLE_NONE);
        cli_cell_fmt(table, STYLE_BOLD, "%.*f", digits, spread.median);
        cli_cell_fmt(table, STYLE_NONE, "%.*f", digits, spread.least);
        cli_cell_fmt(table, STYLE_NONE, "%.*f", digits, spread.most);
        cli_cell(table, cccc_str(figures[i].unit), STYLE_NONE);
    }
    cli_table_print(&table);
    cli_size(size, sizeof size, rss_most(self));
    cli_say(cli, "%s; %zu bytes of text, %s; synced to %s before each acknowledgement; the daemon used %s of memory", load_said(self),
            strlen(self->load.text), counted(cli, self->plan.followers, "follower"), self->filesystem, size);
}

/* A home in memory syncs in no time: its figures are not those of a disk. */
static void look_at_filesystem(struct bench *self)
{
    struct cli *cli = self->cli;
    self->filesystem = offline_filesystem(cli, cli->home.root);
    if (strcmp(self->filesystem, "tmpfs") == 0 || strcmp(self->filesystem, "ramfs") == 0)
        cli_warn(cli, "`cccc bench --dir DIR` measures the disk DIR is on", "%s is in memory (%s): nothing here reaches a disk",
                 cli->home.root, self->filesystem);
}

/* Why, in the words of the first that failed. */
static int run_failed(struct bench *self, unsigned run)
{
    const struct worker_failure *failure = &self->results[run].failure;
    cccc_err_t err = cccc_err_from_code(failure->code, strlen(failure->code));
    return cli_fail(self->cli, err, err == CCCC_E_BUSY ? SEND_LESS : NULL, "run %u of %u failed: %s", run + 1, self->runs, failure->text);
}

static int run_all(struct bench *self)
{
    struct cli *cli = self->cli;
    for (unsigned i = 0; i < self->runs; i++) {
        bool good = workers_run(&self->plan, &self->results[i]);
        if (cli_signal())
            return 128 + cli_signal();
        if (!good)
            return run_failed(self, i);
        if (self->results[i].followed < self->results[i].sent * self->plan.followers)
            return cli_fail(cli, CCCC_E_TIMEOUT, "fewer --followers, or fewer --clients",
                            "%" PRIu64 " messages were sent, but followers had only %" PRIu64 " after %d s more", self->results[i].sent,
                            self->results[i].followed, DRAIN_S);
    }
    return 0;
}

static int measure(struct bench *self, enum cli_reach reach)
{
    make_plan(self);
    look_at_filesystem(self);
    int status = make_group(self, reach);
    if (status == 0)
        status = run_all(self);
    return status;
}

static int answer(struct bench *self)
{
    if (self->cli->json)
        return answer_json(self);
    print_table(self);
    return 0;
}

/* ---- where ---- */

static int bench_this_home(struct bench *self)
{
    struct cccc_error error;
    int status = 0;
    if (!cli_home(self->cli, &status))
        return status;
    status = measure(self, CLI_ONLY_RUNNING);
    if (!self->group || cli_remove_group(self->cli, self->group, &error))
        return status;
    int left = cli_fail_with(self->cli, &error);
    return status ? status : left;
}

/* NULL: errno says why. */
static char *scratch_home(struct cli *cli)
{
    char resolved[PATH_MAX];
    const char *dir = cli_option(cli, "dir");
    if (!dir)
        return cli_scratch(cli, "cccc-bench");
    return realpath(dir, resolved) ? mkdtemp(cli_printf(cli, "%s/cccc-bench-XXXXXX", resolved)) : NULL;
}

static int bench_scratch_home(struct bench *self)
{
    struct cli *cli = self->cli;
    char *home = scratch_home(cli);
    if (!home)
        return cli_fail(cli, CCCC_E_STORAGE, "give --dir a folder that can be written", "cannot make a scratch home in %s: %s",
                        cli_option(cli, "dir") ? cli_option(cli, "dir") : cli_scratch_base(), strerror(errno));
    snprintf(cli->home.root, sizeof cli->home.root, "%s", home);
    cli->home_known = true;
    cli->scratch_hint = "give --dir a folder with more room, or ask for less: " SEND_LESS;
    int status = measure(self, CLI_START_IT);
    stop_daemon(cli);
    if (cli_remove_tree(home))
        return status;
    int failed = cli_fail(cli, CCCC_E_STORAGE, "remove it by hand", "the scratch home %s could not be removed: %s", home, strerror(errno));
    return status ? status : failed;
}

static int check_places(struct cli *cli)
{
    bool here = cli_flag(cli, "this-home");
    if (here && cli_option(cli, "dir"))
        return cli_fail(cli, CCCC_E_USAGE, "`cccc bench --help`", "--this-home and --dir name two places");
    if (!here && cli_option(cli, "home"))
        return cli_fail(cli, CCCC_E_USAGE, "add --this-home to measure the daemon of that home",
                        "a scratch home is measured; --home would be ignored");
    return 0;
}

int cmd_bench(struct cli *cli)
{
    int status = check_bounds(cli);
    if (status == 0)
        status = check_places(cli);
    if (status)
        return status;
    struct bench *self = cccc_arena_alloc(cli->arena, sizeof *self);
    *self = (struct bench){.cli = cli};
    cli_defer_signals();
    status = cli_flag(cli, "this-home") ? bench_this_home(self) : bench_scratch_home(self);
    return status ? status : answer(self);
}
