/* hold.c - the holder's loop: the agent's output to ring, screen and people; people's keys and the daemon's texts to the agent; its end. */
#include "broker/hold/hold.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Milliseconds. */
enum {
    READY_QUIET = 200,   /* after the first output that shows */
    READY_SILENT = 1000, /* a program that shows nothing, and is at rest */
    REST_INTERVAL = 300, /* ... between two looks */
    READY_DRAWN = 1000,  /* one that takes pastes and draws without end */
    READY_PLAIN = 10000, /* one that should ask for pastes, and does not */
    HUNG_UP_MAX = 500,   /* everybody closed the terminal: the agent, if it has not exited by then, can be reached no more and is ended */
    TURN_MAX = 1000,
    HOME_INTERVAL = 1000, /* between two looks whether there is a home */
    WINDOW = 100
};
/* Reading is bounded, so a program that prints without end waits for its terminal instead of taking a core of ours: in each window so many bytes, and so much
 * processor time, since three bytes that scroll the mirror can cost as much as a screenful. What is read at once is over them at most once. */
enum { READ_BYTES = 64 * 1024, WINDOW_BYTES = 400 * 1024, WINDOW_CPU_US = 30000, KEYS_BYTES_MAX = 1024 * 1024 };
enum { FD_SIGNALS, FD_AGENT, FD_TERMINAL, FD_COUNT = FD_TERMINAL + 1 + CCCC_TERMINAL_CLIENTS_MAX };

int64_t hold_clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Processor time of this thread. */
static int64_t used_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

bool hold_agent_is_gone(const struct hold *self)
{
    return self->child.pid == 0 && self->child.terminal < 0;
}

/* ---- the agent prints ---- */

static void answer_questions(struct hold *self)
{
    bool writing;
    cccc_str_t answers = screen_answers(self->screen);
    terminal_attached(&self->terminal, &writing);
    /* A person's terminal answers itself. */
    if (answers.len > 0 && !writing && self->keys.size + answers.len <= KEYS_BYTES_MAX)
        cccc_buf_put(&self->keys, answers.ptr, answers.len);
}

/* True when there may be more at once. */
static bool read_output(struct hold *self)
{
    char bytes[READ_BYTES];
    ssize_t n = read(self->child.terminal, bytes, sizeof bytes);
    if (n == 0 || (n < 0 && errno == EIO))
        self->hung_up_ms = self->now_ms;
    if (n <= 0)
        return false;
    self->read_in_window += (size_t)n;
    self->output_ms = self->now_ms;
    ring_put(&self->ring, bytes, (size_t)n);
    scrollback_put(&self->scrollback, &self->ring, bytes, (size_t)n);
    screen_feed(self->screen, bytes, (size_t)n);
    if (keys_line_is_open(&self->person))
        prompt_look(&self->prompt, self->screen, self->child.terminal, &self->person, self->now_ms);
    answer_questions(self);
    return true;
}

static bool may_read(struct hold *self)
{
    if (self->now_ms - self->read_window_ms >= WINDOW) {
        self->read_window_ms = self->now_ms;
        self->read_in_window = 0;
        self->read_window_cpu_us = used_us();
    }
    return self->read_in_window < WINDOW_BYTES && used_us() - self->read_window_cpu_us < WINDOW_CPU_US;
}

/* A program that shows nothing: it may be one that only reads, or one that is still starting. */
static bool reads_in_silence(struct hold *self)
{
    if (self->now_ms - self->started_ms < READY_SILENT || self->now_ms - self->rest_ms < REST_INTERVAL)
        return false;
    self->rest_ms = self->now_ms;
    return child_is_at_rest(&self->child);
}

/* An agent, which draws a screen and asks for pastes, and throws away what comes before: some ask long before they draw. */
static bool has_drawn(struct hold *self, bool quiet)
{
    bool drawn = screen_wants_brackets(self->screen) && !screen_is_blank(self->screen);
    if (!drawn)
        self->drawn_ms = 0;
    else if (!self->drawn_ms)
        self->drawn_ms = self->now_ms;
    if (drawn)
        return quiet || self->now_ms - self->drawn_ms >= READY_DRAWN;
    return quiet && self->now_ms - self->started_ms >= READY_PLAIN && !screen_is_blank(self->screen);
}

static void note_readiness(struct hold *self)
{
    if (self->ready || self->child.terminal < 0 || self->now_ms - self->started_ms < self->launch.ready_ms)
        return;
    bool quiet = self->output_ms && self->now_ms - self->output_ms >= READY_QUIET;
    if (self->launch.draws)
        self->ready = has_drawn(self, quiet);
    else if (screen_wants_brackets(self->screen))
        self->ready = true;
    else if (screen_is_blank(self->screen))
        self->ready = reads_in_silence(self);
    else
        self->ready = quiet;
}

/* ---- people type ---- */

static void on_keys(void *arg, const char *bytes, size_t len)
{
    struct hold *self = arg;
    if (self->keys.size + len > KEYS_BYTES_MAX)
        return; /* the program reads nothing: what a person types is lost as it would be in any terminal */
    bool was_open = keys_line_is_open(&self->person);
    uint32_t letters = self->person.letters;
    cccc_buf_put(&self->keys, bytes, len);
    keys_take(&self->person, bytes, len, self->now_ms);
    self->prompt.wanted |= !was_open && keys_line_is_open(&self->person);
    self->prompt.back_ms = 0;
    if (self->person.letters > letters || self->person.last)
        self->prompt.changes = screen_changes(self->screen);
    if (hold_is_asked(self))
        keys_forget_line(&self->person); /* an answer */
}

void hold_resize(struct hold *self, uint16_t rows, uint16_t cols)
{
    if (rows == 0 || cols == 0 || self->child.terminal < 0)
        return;
    child_resize(&self->child, rows, cols);
    screen_resize(self->screen, rows, cols);
}

static void on_resize(void *arg, uint16_t rows, uint16_t cols)
{
    hold_resize(arg, rows, cols);
}

/* A person's keys wait while a text is being typed, so that the two do not mix. */
static bool wants_keys(const struct hold *self)
{
    return self->keys.size > 0 && !typing_wants_keys_to_wait(&self->typing);
}

static void pass_keys(struct hold *self)
{
    if (self->prompt.wanted)
        prompt_remember(&self->prompt, self->screen, self->child.terminal);
    ssize_t n = write(self->child.terminal, self->keys.data, self->keys.size);
    if (n <= 0)
        return;
    self->maybe_unread = true;
    self->keys.size -= (size_t)n;
    memmove(self->keys.data, self->keys.data + n, self->keys.size);
}

/* ---- the agent ends ---- */

void hold_stop(struct hold *self, int64_t grace_ms)
{
    if (self->stopping)
        return;
    self->stopping = true;
    self->stop_until_ms = self->now_ms + grace_ms;
    child_signal(&self->child, SIGHUP);
    child_signal(&self->child, SIGTERM);
    child_signal(&self->child, SIGCONT);
}

/* The agent has exited or is to be killed: everything below us goes with it, and what it printed last is kept. */
static void finish_agent(struct hold *self)
{
    self->limit = limits_reached(&self->limits);
    limits_close_door(&self->limits);
    if (!child_end_all(&self->child))
        fprintf(stderr, "cccc-hold: a process of %s/%s cannot be ended\n", self->launch.group_id, self->launch.actor_id);
    for (size_t left = CCCC_SCROLLBACK_BYTES / READ_BYTES; left > 0 && read_output(self); left--)
        continue;
    child_close_terminal(&self->child);
    typing_abandon(&self->typing, "the agent exited");
    hold_typing_done(self);
    screen_text(self->screen, 0, &self->last_screen);
    while (self->last_screen.size > 0 && self->last_screen.data[self->last_screen.size - 1] == '\n')
        self->last_screen.size--;
    if (self->last_screen.size > CCCC_EXIT_SCREEN_BYTES_MAX) {
        size_t cut = self->last_screen.size - CCCC_EXIT_SCREEN_BYTES_MAX;
        while (cut < self->last_screen.size && ((unsigned char)self->last_screen.data[cut] & 0xC0) == 0x80)
            cut++;
        self->last_screen.size -= cut;
        memmove(self->last_screen.data, self->last_screen.data + cut, self->last_screen.size);
    }
    self->ready = false;
}

static void watch_agent(struct hold *self)
{
    if (hold_agent_is_gone(self))
        return;
    if (self->child.exited || (self->stopping && self->now_ms >= self->stop_until_ms))
        finish_agent(self);
    else if (!self->stopping && self->hung_up_ms && self->now_ms - self->hung_up_ms >= HUNG_UP_MAX) {
        self->terminal_closed = true;
        hold_stop(self, CCCC_HOLD_STOP_GRACE_MS);
    }
}

static void on_signal(struct hold *self)
{
    struct signalfd_siginfo info;
    bool of_children = false;
    while (read(self->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        of_children |= info.ssi_signo == SIGCHLD;
        if (info.ssi_signo == SIGTERM) {
            self->stop_asked = true;
            hold_stop(self, CCCC_HOLD_STOP_GRACE_MS);
        }
    }
    child_collect(&self->child);
    if (of_children)
        self->stopped = child_is_stopped(&self->child);
}

/* ---- the loop ---- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* How long this turn may wait. */
static int turn_ms(struct hold *self)
{
    int64_t due = self->now_ms + TURN_MAX;
    due = earlier(due, typing_due(&self->typing));
    due = earlier(due, talk_due(self));
    due = earlier(due, hold_obstacle_due(self));
    if (self->stopping && !hold_agent_is_gone(self))
        due = earlier(due, self->stop_until_ms);
    if (!self->ready && self->child.terminal >= 0)
        due = earlier(due, self->now_ms + READY_QUIET);
    if (self->child.terminal >= 0 && !may_read(self))
        due = earlier(due, self->read_window_ms + WINDOW);
    return due > self->now_ms ? (int)(due - self->now_ms) : 1;
}

static void gather(struct hold *self, struct pollfd *fds)
{
    bool writes = wants_keys(self) || typing_wants_to_write(&self->typing);
    fds[FD_SIGNALS] = (struct pollfd){.fd = self->signals, .events = POLLIN};
    fds[FD_AGENT] = (struct pollfd){.fd = self->hung_up_ms ? -1 : self->child.terminal,
                                    .events = (short)((may_read(self) ? POLLIN : 0) | (writes ? POLLOUT : 0))};
    terminal_poll(&self->terminal, &self->ring, fds + FD_TERMINAL);
}

static void wait_for_anything(struct hold *self, struct pollfd *fds)
{
    int ms = turn_ms(self);
    if (self->talk.client)
        cccc_poll(self->talk.client, fds, FD_COUNT, ms, NULL);
    else
        poll(fds, FD_COUNT, ms);
    self->now_ms = hold_clock_ms();
}

static bool is_asked(void *arg)
{
    return hold_is_asked(arg);
}

struct typing_terminal hold_typing_terminal(struct hold *self)
{
    return (struct typing_terminal){.fd = self->child.terminal,
                                    .screen = self->screen,
                                    .now_ms = self->now_ms,
                                    .shows_text = self->launch.shows,
                                    .is_agent = self->launch.draws,
                                    .asks = is_asked,
                                    .arg = self};
}

static void agent_turn(struct hold *self, short events)
{
    if (self->child.terminal < 0)
        return;
    if (events & (POLLIN | POLLHUP))
        read_output(self);
    if (wants_keys(self) && (events & POLLOUT))
        pass_keys(self);
    struct typing_terminal terminal = hold_typing_terminal(self);
    typing_step(&self->typing, &terminal);
    hold_typing_done(self);
    note_readiness(self);
    hold_note_obstacle(self);
}

static void turn(struct hold *self)
{
    struct pollfd fds[FD_COUNT];
    talk_step(self);
    gather(self, fds);
    wait_for_anything(self, fds);
    on_signal(self);
    agent_turn(self, fds[FD_AGENT].revents);
    terminal_polled(&self->terminal, &self->ring, fds + FD_TERMINAL, self->now_ms);
    watch_agent(self);
}

/* The same folder as at our start: another one at its place, as a restore leaves it, is another home. */
static bool is_home_there(const struct hold *self)
{
    struct stat now, before;
    if (stat(self->launch.home, &now) != 0)
        return errno != ENOENT;
    return self->home < 0 || fstat(self->home, &before) != 0 || (now.st_ino == before.st_ino && now.st_dev == before.st_dev);
}

/* The home was removed under us, or replaced: nobody will ever ask for the agent again, and there is nobody to report to. Not when it is away for a moment, as while somebody exchanges it for another. */
static bool home_is_gone(struct hold *self)
{
    bool alone = hold_agent_is_gone(self);
    if (!alone && self->now_ms - self->home_looked_ms < HOME_INTERVAL)
        return false;
    self->home_looked_ms = self->now_ms;
    bool is_there = is_home_there(self);
    if (is_there)
        self->home_seen_ms = self->now_ms;
    return !is_there && (alone || self->now_ms - self->home_seen_ms >= CCCC_HOLD_HOME_GONE_MS);
}

/* ---- beginning and end ---- */

static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void start_agent(struct hold *self)
{
    struct cccc_errmsg m = {0};
    const struct launch *l = &self->launch;
    struct child_options options = {.argv = l->argv,
                                    .environment = l->environment,
                                    .directory = l->directory,
                                    .rows = l->rows,
                                    .cols = l->cols,
                                    .limits = &self->limits};
    struct terminal_wants wants = {on_keys, on_resize, self};
    limits_init(&self->limits, &limits_of_this_machine, l->processes_max, l->memory_bytes);
    cccc_err_t err = terminal_open(&self->terminal, l->socket, &wants, &m);
    if (err == CCCC_OK)
        err = child_start(&self->child, &options, &m);
    if (err != CCCC_OK)
        snprintf(self->start_failure, sizeof self->start_failure, "%s", m.text);
}

static void begin(struct hold *self, struct launch *launch)
{
    *self = (struct hold){.launch = *launch,
                          .child.terminal = -1,
                          .signals = open_signals(),
                          .talk.backoff_ms = 100,
                          .talk.told_obstacle = "",
                          .limit = "",
                          .obstacle = ""};
    *launch = (struct launch){0};
    ring_init(&self->ring, self->launch.scrollback_bytes);
    self->home = open(self->launch.home, O_PATH | O_DIRECTORY | O_CLOEXEC);
    self->scrollback.fd = self->launch.scrollback_fd;
    self->screen = screen_new(self->launch.rows, self->launch.cols);
    typing_init(&self->typing);
    reports_init(&self->reports);
    cccc_buf_init(&self->keys);
    prompt_init(&self->prompt);
    cccc_buf_init(&self->last_screen);
    self->now_ms = self->started_ms = self->home_seen_ms = self->home_looked_ms = hold_clock_ms();
    start_agent(self);
}

static void finish(struct hold *self)
{
    if (!hold_agent_is_gone(self))
        finish_agent(self);
    terminal_close(&self->terminal, &self->ring, "the agent has exited");
    talk_end(self);
    limits_fini(&self->limits);
    screen_destroy(&self->screen);
    ring_fini(&self->ring);
    scrollback_close(&self->scrollback);
    typing_fini(&self->typing);
    reports_fini(&self->reports);
    cccc_buf_fini(&self->keys);
    prompt_fini(&self->prompt);
    cccc_buf_fini(&self->last_screen);
    close(self->signals);
    if (self->home >= 0)
        close(self->home);
    launch_fini(&self->launch);
}

int hold_run(struct launch *launch)
{
    static struct hold self;
    begin(&self, launch);
    while (!self.talk.exit_heard) {
        turn(&self);
        bool unwanted = self.talk.superseded || home_is_gone(&self);
        if (unwanted && hold_agent_is_gone(&self))
            break;
        if (unwanted)
            hold_stop(&self, CCCC_HOLD_STOP_GRACE_MS);
    }
    int status = self.start_failure[0] ? 1 : 0;
    finish(&self);
    return status;
}
