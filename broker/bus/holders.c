/* holders.c - see holders.h. */
#include "broker/bus/holders.h"

#include "broker/bus/bus.h"
#include "broker/store/processes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* More parents than this has nobody; a walk that long is not believed. */
enum { ANCESTORS_MAX = 64 };

bool cccc_holders_init(struct cccc_holders *self)
{
    *self = (struct cccc_holders){.epoll = epoll_create1(EPOLL_CLOEXEC)};
    return self->epoll >= 0;
}

static struct cccc_holder *take(struct cccc_holders *self, uint32_t i)
{
    struct cccc_holder *holder = self->all[i];
    if (holder->pidfd >= 0)
        close(holder->pidfd);
    self->all[i] = self->all[--self->count];
    return holder;
}

void cccc_holders_fini(struct cccc_holders *self)
{
    while (self->count > 0)
        free(take(self, 0));
    free(self->all);
    if (self->epoll >= 0)
        close(self->epoll);
    *self = (struct cccc_holders){.epoll = -1};
}

static const struct cccc_holder *holder_at(const struct cccc_holders *self, pid_t pid, uint64_t started)
{
    for (uint32_t i = 0; i < self->count; i++)
        if (self->all[i]->pid == pid && self->all[i]->started == started)
            return self->all[i];
    return NULL;
}

void cccc_holders_add(struct cccc_holders *self, cccc_slot_t slot, cccc_str_t group_id, cccc_str_t actor_id, uint64_t generation,
                      int32_t pid, uint64_t started)
{
    if (holder_at(self, pid, started)) /* known since its group could not be read */
        return;
    struct cccc_holder *holder = calloc(1, sizeof *holder);
    uint64_t now_started;
    CCCC_ASSERT(holder, "(out of memory)");
    *holder = (struct cccc_holder){.slot = slot, .generation = generation, .pid = pid, .started = started, .pidfd = pidfd_open(pid, 0)};
    if (self->count == self->capacity) {
        self->capacity = self->capacity ? self->capacity * 2 : 16;
        self->all = realloc(self->all, self->capacity * sizeof *self->all);
        CCCC_ASSERT(self->all, "(out of memory)");
    }
    snprintf(holder->group_id, sizeof holder->group_id, "%.*s", CCCC_STR_FMT(group_id));
    snprintf(holder->actor_id, sizeof holder->actor_id, "%.*s", CCCC_STR_FMT(actor_id));
    /* Ended, or the pid is another's by now: an eventless place that take_ended finds. */
    if (holder->pidfd >= 0 && (!cccc_process_started(pid, &now_started) || now_started != started)) {
        close(holder->pidfd);
        holder->pidfd = -1;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = generation};
    if (holder->pidfd >= 0)
        epoll_ctl(self->epoll, EPOLL_CTL_ADD, holder->pidfd, &event);
    self->all[self->count++] = holder;
}

static bool has_ended(const struct cccc_holder *holder)
{
    if (holder->pidfd < 0)
        return true;
    uint64_t started;
    siginfo_t info = {0};
    if (waitid(P_PIDFD, (id_t)holder->pidfd, &info, WEXITED | WNOHANG) == 0 && info.si_pid == holder->pid)
        return true;
    return !cccc_process_started(holder->pid, &started) || started != holder->started;
}

struct cccc_holder *cccc_holders_take_ended(struct cccc_holders *self)
{
    for (uint32_t i = 0; i < self->count; i++)
        if (has_ended(self->all[i]))
            return take(self, i);
    return NULL;
}

/* ---- who is above a process ---- */

enum walk { WALK_OUTSIDE, WALK_FOUND, WALK_BROKEN };

/* From `pid` to its ancestors. Each step is read again after the next one was: a process that ended in between could have given its pid away. */
static enum walk walk_up(const struct cccc_holders *self, pid_t pid, const struct cccc_holder **found, bool *itself)
{
    uint64_t started, again, above;
    pid_t parent, parent_again, grandparent;
    *itself = true;
    if (!cccc_process_parent(pid, &started, &parent))
        return WALK_BROKEN;
    for (int i = 0; i < ANCESTORS_MAX; i++) {
        if ((*found = holder_at(self, pid, started)) != NULL)
            return WALK_FOUND;
        if (parent <= 1)
            return WALK_OUTSIDE;
        if (!cccc_process_parent(parent, &above, &grandparent) || above > started)
            return WALK_BROKEN;
        if (!cccc_process_parent(pid, &again, &parent_again) || again != started || parent_again != parent)
            return WALK_BROKEN;
        *itself = false;
        pid = parent;
        started = above;
        parent = grandparent;
    }
    return WALK_BROKEN;
}

void cccc_holders_place(const struct cccc_holders *self, const char *home, struct cccc_peer *peer)
{
    const struct cccc_holder *holder = NULL;
    bool itself;
    if (peer->standing != CCCC_PEER_OPERATOR)
        return;
    enum walk walk = walk_up(self, peer->pid, &holder, &itself);
    if (walk == WALK_FOUND) {
        peer->standing = itself ? CCCC_PEER_HOLDER : CCCC_PEER_ACTOR;
        peer->group_id = cccc_str(holder->group_id);
        peer->actor_id = cccc_str(holder->actor_id);
        peer->generation = holder->generation;
    } else if (walk == WALK_BROKEN || cccc_process_is_held(peer->pid, home, NULL)) {
        peer->standing = CCCC_PEER_UNKNOWN;
    }
}

void cccc_bus_watch_holder(struct cccc_bus *bus, cccc_slot_t slot, cccc_str_t group_id, cccc_str_t actor_id, uint64_t generation,
                           const cccc_value_t *record)
{
    cccc_gate_forget_identities(&bus->gate);
    cccc_holders_add(&bus->holders, slot, group_id, actor_id, generation, (int32_t)cccc_get_uint(record, "hold_pid", 0),
                     cccc_get_uint(record, "hold_started", 0));
}
