/* talk.c - the holder as a bus client: open, register, then always one hold_wait on its way.
 *
 * A request that fails means: register again. Reports count as heard only when the request that carried them was answered. */
#include "broker/hold/hold.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <utlist.h>

/* Milliseconds. A wait is answered after HOLD_WAIT_MS at the latest. */
enum { REQUEST_TIMEOUT = 3 * CCCC_HOLD_WAIT_MS, BACKOFF_FIRST = 100, BACKOFF_MAX = 2000, WAITS_OUT_MAX = 4 };

/* What comes back with an answer. */
struct asked {
    struct hold *hold;
    uint64_t serial;
    bool told_exit;
    struct asked *prev, *next; /* of those without an answer yet: utlist's */
};

static void retry_later(struct talk *talk, int64_t now_ms)
{
    talk->state = talk->client ? TALK_OPENED : TALK_ABSENT;
    talk->retry_ms = now_ms + talk->backoff_ms;
    talk->backoff_ms = talk->backoff_ms * 2 < BACKOFF_MAX ? talk->backoff_ms * 2 : BACKOFF_MAX;
}

/* ---- saying ---- */

static void add(cccc_args_t *args, const char *key, const cccc_value_t *value)
{
    cccc_args_value(args, key, value);
}

static cccc_value_t exit_map(const struct hold *self, cccc_arena_t *arena)
{
    cccc_builder_t map = cccc_map_builder(arena, 6);
    int status = self->child.status;
    if (WIFSIGNALED(status))
        cccc_map_add(&map, "signal", cccc_int(WTERMSIG(status)));
    else
        cccc_map_add(&map, "code", cccc_int(WEXITSTATUS(status)));
    cccc_map_add(&map, "asked", cccc_bool(self->stop_asked));
    if (self->terminal_closed)
        cccc_map_add(&map, "terminal_closed", cccc_bool(true));
    if (self->limit[0])
        cccc_map_add(&map, "limit", cccc_text(self->limit));
    cccc_map_add(&map, "screen", cccc_string((cccc_str_t){self->last_screen.data, self->last_screen.size}));
    return map.value;
}

static cccc_value_t facts_map(struct hold *self, cccc_arena_t *arena)
{
    bool writing;
    int rows, cols;
    cccc_builder_t map = cccc_map_builder(arena, 10);
    screen_size(self->screen, &rows, &cols);
    cccc_map_add(&map, "ready", cccc_bool(self->ready));
    cccc_map_add(&map, "idle_ms", cccc_int(self->now_ms - (self->output_ms ? self->output_ms : self->started_ms)));
    cccc_map_add(&map, "bracketed_paste", cccc_bool(screen_wants_brackets(self->screen)));
    cccc_map_add(&map, "typing", cccc_bool(typing_is_busy(&self->typing)));
    cccc_map_add(&map, "stopped", cccc_bool(self->stopped));
    cccc_map_add(&map, "obstacle", cccc_text(self->obstacle));
    cccc_map_add(&map, "typed", cccc_uint(self->typed));
    cccc_map_add(&map, "rows", cccc_int(rows));
    cccc_map_add(&map, "cols", cccc_int(cols));
    cccc_map_add(&map, "attached", cccc_uint(terminal_attached(&self->terminal, &writing)));
    return map.value;
}

static cccc_args_t *who(const struct hold *self)
{
    cccc_args_t *args = cccc_args_new();
    cccc_args_str(args, "group_id", self->launch.group_id);
    cccc_args_str(args, "actor_id", self->launch.actor_id);
    cccc_args_uint(args, "generation", self->launch.generation);
    return args;
}

/* ---- hearing ---- */

static bool is_final(const struct cccc_error *err)
{
    return strcmp(err->code, "superseded") == 0 || strcmp(err->code, "group_not_found") == 0;
}

static void on_failure(struct hold *self, const struct asked *asked, const struct cccc_error *err)
{
    reports_heard(&self->reports, asked->serial, false);
    if (asked->told_exit)
        self->talk.exit_sent = false;
    self->talk.superseded |= is_final(err);
    bool of_this_registration = asked->serial >= self->talk.hello_serial;
    if (of_this_registration && self->talk.state != TALK_OPENED)
        retry_later(&self->talk, self->now_ms);
}

static void on_success(struct hold *self, const struct asked *asked)
{
    self->talk.backoff_ms = BACKOFF_FIRST;
    reports_heard(&self->reports, asked->serial, true);
    self->talk.exit_heard |= asked->told_exit;
}

static void forget(struct asked *asked)
{
    DL_DELETE(asked->hold->talk.asked, asked);
    free(asked);
}

static void registered(void *arg, const cccc_reply_t *reply, const struct cccc_error *err)
{
    struct asked *asked = arg;
    struct hold *self = asked->hold;
    if (reply) {
        self->talk.state = TALK_REGISTERED;
        self->talk.told_ready = self->talk.told_stopped = false;
        self->talk.told_obstacle = "";
        on_success(self, asked);
    } else {
        on_failure(self, asked, err);
    }
    forget(asked);
}

static void waited(void *arg, const cccc_reply_t *reply, const struct cccc_error *err)
{
    struct asked *asked = arg;
    struct hold *self = asked->hold;
    self->talk.waits_out--;
    if (!reply) {
        on_failure(self, asked, err);
        forget(asked);
        return;
    }
    on_success(self, asked);
    self->now_ms = hold_clock_ms(); /* it came in the middle of a wait */
    const cccc_value_t *orders = cccc_field(cccc_reply_result(reply), "orders");
    for (uint32_t i = 0; cccc_is_array(orders) && i < orders->via.array.size; i++)
        hold_carry_out(self, &orders->via.array.ptr[i]);
    forget(asked);
}

/* ---- asking ---- */

static void ask(struct hold *self, const char *op, cccc_args_t *args, bool told_exit, cccc_done_fn done)
{
    struct asked *asked = malloc(sizeof *asked);
    struct cccc_error err;
    CCCC_ASSERT(asked, "(out of memory)");
    *asked = (struct asked){.hold = self, .serial = self->talk.serial, .told_exit = told_exit};
    DL_APPEND(self->talk.asked, asked);
    if (cccc_request_async(self->talk.client, op, &args, done, asked, &err) != 0)
        done(asked, NULL, &err);
}

/* Reports, and the exit, go with every request. */
static bool add_news(struct hold *self, cccc_args_t *args, cccc_arena_t *arena)
{
    cccc_value_t reports = reports_take(&self->reports, ++self->talk.serial, arena);
    if (reports.via.array.size > 0)
        add(args, "reports", &reports);
    bool exited = self->child.exited && hold_agent_is_gone(self);
    if (exited) {
        cccc_value_t map = exit_map(self, arena);
        add(args, "exited", &map);
        self->talk.exit_sent = true;
    }
    return exited;
}

static void say_hello(struct hold *self)
{
    cccc_arena_t *arena = cccc_arena_new(4096);
    cccc_args_t *args = who(self);
    if (self->start_failure[0])
        cccc_args_str(args, "failed", self->start_failure);
    cccc_args_int(args, "pid", self->child.pid);
    cccc_args_str(args, "socket", self->launch.socket);
    bool told_exit = add_news(self, args, arena);
    self->talk.state = TALK_REGISTERING;
    self->talk.hello_serial = self->talk.serial;
    ask(self, "hold_register", args, told_exit || self->start_failure[0], registered);
    cccc_arena_destroy(&arena);
}

static void say_wait(struct hold *self)
{
    cccc_arena_t *arena = cccc_arena_new(4096);
    cccc_args_t *args = who(self);
    cccc_value_t facts = facts_map(self, arena);
    add(args, "facts", &facts);
    bool told_exit = add_news(self, args, arena);
    self->talk.told_ready = self->ready;
    self->talk.told_stopped = self->stopped;
    self->talk.told_obstacle = self->obstacle;
    self->talk.waits_out++;
    ask(self, "hold_wait", args, told_exit, waited);
    cccc_arena_destroy(&arena);
}

static bool has_news(const struct hold *self)
{
    return reports_waiting(&self->reports) || self->ready != self->talk.told_ready || self->stopped != self->talk.told_stopped ||
           strcmp(self->obstacle, self->talk.told_obstacle) != 0 ||
           (self->child.exited && hold_agent_is_gone(self) && !self->talk.exit_sent);
}

static void open_client(struct hold *self)
{
    struct cccc_options options = {.home = self->launch.home, .timeout_ms = REQUEST_TIMEOUT};
    if (cccc_open(&self->talk.client, &options, NULL) == 0)
        self->talk.state = TALK_OPENED;
    else
        retry_later(&self->talk, self->now_ms);
}

void talk_step(struct hold *self)
{
    struct talk *talk = &self->talk;
    if (talk->superseded || talk->exit_heard)
        return;
    if (talk->state == TALK_ABSENT && self->now_ms >= talk->retry_ms)
        open_client(self);
    if (talk->state == TALK_OPENED && self->now_ms >= talk->retry_ms)
        say_hello(self);
    if (talk->state == TALK_REGISTERED && talk->waits_out < WAITS_OUT_MAX && (talk->waits_out == 0 || has_news(self)))
        say_wait(self);
}

int64_t talk_due(const struct hold *self)
{
    return self->talk.state == TALK_ABSENT || self->talk.state == TALK_OPENED ? self->talk.retry_ms : INT64_MAX;
}

void talk_end(struct hold *self)
{
    cccc_close(&self->talk.client);
    for (struct asked *asked = self->talk.asked, *next; asked; asked = next) { /* nobody answers any more */
        next = asked->next;
        free(asked);
    }
    self->talk.asked = NULL;
}
