/* connection.c - the client's link to the daemon: first connect, notice that it ended, find the daemon anew, and the turns in which all of
 * it happens.
 *
 * A lost daemon is looked for after 100 ms, then at growing distances of at most 10 s, each shortened by up to a quarter at random so that
 * many clients do not come at once. A link that is silent for a second while answers are due is compared with the descriptor: another epoch
 * there means another daemon, also when no end of the old one was ever seen. */
#include "clients/lib/internal.h"

#include <errno.h>
#include <sys/pidfd.h>
#include <unistd.h>

#define BACKOFF_FIRST_MS 100
#define BACKOFF_MOST_MS  10000
#define HANDSHAKE_MS     5000
#define SILENCE_MS       1000
/* For a daemon whose socket is closed to end. */
#define ENDING_MS 1000
/* Replies taken in one turn before other things get their chance. */
#define REPLIES_PER_TURN 1000

static void schedule_retry(cccc_t *self, int64_t now)
{
    link_close(&self->link);
    self->next_try_ms = now + self->backoff_ms - random_below(self->backoff_ms / 4);
    self->backoff_ms = self->backoff_ms * 2 < BACKOFF_MOST_MS ? self->backoff_ms * 2 : BACKOFF_MOST_MS;
}

/* Read the descriptor and begin to connect. */
static int begin(cccc_t *self, int64_t now, struct cccc_error *err)
{
    if (daemon_find(self->home, &self->daemon, err) != 0)
        return -1;
    if (!link_open(&self->link, self->zmq, ZMQ_DEALER, self->daemon.bus, CCCC_CLIENT_REQUESTS_MAX, NULL, 0))
        return client_fail(err, CCCC_E_UNREACHABLE, "not_stored", "cannot connect to %s: %s", self->daemon.bus, zmq_strerror(errno));
    self->connect_until_ms = now + HANDSHAKE_MS;
    return 0;
}

static void came_up(cccc_t *self, int64_t now)
{
    self->generation++;
    self->backoff_ms = BACKOFF_FIRST_MS;
    self->heard_ms = now;
    requests_flush(self);
}

/* What arrived before the end still counts; then the end is dealt with. Nobody is told before all of it is done. */
static void went_down(cccc_t *self, int64_t now)
{
    while (requests_take_reply(self))
        continue;
    requests_link_lost(self);
    schedule_retry(self, now);
}

/* True when the descriptor names another daemon than the one this link leads to. */
static bool was_replaced(cccc_t *self)
{
    struct daemon_address found;
    return daemon_find(self->home, &found, NULL) == 0 && (found.epoch != self->daemon.epoch || strcmp(found.bus, self->daemon.bus) != 0);
}

static bool answers_are_due(const cccc_t *self)
{
    return self->first && self->first->sent;
}

/* Take the link one step further, if time or its monitor say so. */
static void step(cccc_t *self, int64_t now)
{
    enum link_state before = self->link.state;
    if (before == LINK_DOWN) {
        if (now >= self->next_try_ms && begin(self, now, NULL) != 0)
            schedule_retry(self, now);
        return;
    }
    enum link_state state = link_watch(&self->link);
    if (state == LINK_CONNECTING && now >= self->connect_until_ms)
        schedule_retry(self, now);
    else if (state == LINK_UP && before == LINK_CONNECTING)
        came_up(self, now);
    else if (state == LINK_DOWN && before == LINK_CONNECTING)
        schedule_retry(self, now);
    else if (state == LINK_DOWN)
        went_down(self, now);
    else if (state == LINK_UP && answers_are_due(self) && now - self->heard_ms >= SILENCE_MS) {
        self->heard_ms = now;
        if (was_replaced(self))
            went_down(self, now);
    }
}

/* When `step` or `requests_expire` want to run at the latest. */
static int64_t next_due(const cccc_t *self)
{
    int64_t due = self->first ? self->first->deadline_ms : INT64_MAX;
    int64_t other = INT64_MAX;
    if (self->link.state == LINK_DOWN)
        other = self->next_try_ms;
    else if (self->link.state == LINK_CONNECTING)
        other = self->connect_until_ms;
    else if (answers_are_due(self))
        other = self->heard_ms + SILENCE_MS;
    return other < due ? other : due;
}

static bool take_replies(cccc_t *self, int64_t now)
{
    int taken = 0;
    while (self->link.socket && taken < REPLIES_PER_TURN && requests_take_reply(self)) {
        requests_dispatch(self);
        taken++;
    }
    if (taken)
        self->heard_ms = now;
    return taken > 0;
}

/* How long poll(2) may take, -1 for ever. */
static int poll_ms(const cccc_t *self, int64_t until_ms, bool at_once)
{
    int64_t due = next_due(self);
    int64_t until = until_ms < due ? until_ms : due;
    if (at_once)
        return 0;
    if (until == INT64_MAX)
        return -1;
    int64_t wait = until - now_ms();
    return wait < 0 ? 0 : wait < INT32_MAX ? (int)wait : INT32_MAX;
}

/* Wait for the link and for what else is to be waited for. Nothing may be done with a link's socket between its last EAGAIN and here. False when a
 * signal came. */
static bool wait_for_anything(cccc_t *self, int64_t until_ms, const struct also *also)
{
    struct pollfd fds[4 + CCCC_POLL_FDS_MAX];
    struct link none = {0};
    struct link *other = also->link ? also->link : &none;
    link_poll(&self->link, true, fds);
    link_poll(other, also->link_wanted, fds + 2);
    if (also->count > 0)
        memcpy(fds + 4, also->fds, also->count * sizeof *fds);
    int ready = poll(fds, 4 + also->count, poll_ms(self, until_ms, self->link.monitor_ready || other->monitor_ready));
    if (ready < 0)
        return errno != EINTR;
    link_polled(&self->link, fds);
    link_polled(other, fds + 2);
    if (also->count > 0)
        memcpy(also->fds, fds + 4, also->count * sizeof *fds);
    return true;
}

bool connection_turn(cccc_t *self, int64_t until_ms, const struct also *also)
{
    static const struct also nothing = {0};
    int64_t now = now_ms();
    bool undisturbed = true;
    if (!take_replies(self, now)) {
        undisturbed = wait_for_anything(self, until_ms, also ? also : &nothing);
        now = now_ms();
        take_replies(self, now);
    }
    step(self, now);
    requests_expire(self, now);
    requests_dispatch(self);
    return undisturbed;
}

/* A daemon that was killed listens no more a moment before it is gone, and nobody can start another until then. True: it lives on after that. */
static bool outlives_its_socket(const struct daemon_address *daemon)
{
    struct pollfd gone = {.fd = daemon_lives(daemon) ? pidfd_open((pid_t)daemon->pid, 0) : -1, .events = POLLIN};
    if (gone.fd < 0)
        return false;
    bool ended = poll(&gone, 1, ENDING_MS) > 0;
    close(gone.fd);
    return !ended;
}

int connection_open(cccc_t *self, struct cccc_error *err)
{
    int64_t now = now_ms();
    self->backoff_ms = BACKOFF_FIRST_MS;
    if (begin(self, now, err) != 0)
        return -1;
    int64_t until = now + (self->timeout_ms < HANDSHAKE_MS ? self->timeout_ms : HANDSHAKE_MS);
    while (link_watch(&self->link) == LINK_CONNECTING && (now = now_ms()) < until) {
        struct pollfd fds[2];
        link_poll(&self->link, false, fds);
        if (poll(fds, 2, (int)(until - now)) > 0)
            link_polled(&self->link, fds);
    }
    if (self->link.state == LINK_UP) {
        came_up(self, now);
        return 0;
    }
    if (self->link.state == LINK_DOWN && outlives_its_socket(&self->daemon))
        return client_fail(
            err, CCCC_E_UNREACHABLE, "not_stored",
            "the daemon of %s (pid %lld) lives, but nothing listens at %s: its socket was removed; `cccc daemon restart` makes it "
            "anew",
            self->home, (long long)self->daemon.pid, self->daemon.bus);
    if (self->link.state == LINK_DOWN)
        return client_fail(err, CCCC_E_NOT_RUNNING, "not_stored",
                           "no daemon serves %s: the descriptor names pid %lld, but nothing listens at %s; run `cccc daemon start`",
                           self->home, (long long)self->daemon.pid, self->daemon.bus);
    return client_fail(err, CCCC_E_UNREACHABLE, "not_stored",
                       "the daemon of %s (pid %lld) does not answer at %s; see `cccc daemon logs`, or `cccc daemon restart`", self->home,
                       (long long)self->daemon.pid, self->daemon.bus);
}
