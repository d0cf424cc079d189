/* process.c - see process.h. */
#include "broker/gateway/process.h"

#include "broker/store/processes.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <unistd.h>

enum { UNUSED_MAX = 256 };

static bool lives(const struct process *p)
{
    struct pollfd end = {.fd = p->pidfd, .events = POLLIN};
    return p->pidfd >= 0 && poll(&end, 1, 0) == 0;
}

/* First hold it, then read: what is read is its own, if it lives afterwards. */
static void look_at(struct process *p)
{
    p->pidfd = p->pid > 0 ? pidfd_open(p->pid, 0) : -1;
    if (p->pidfd < 0 || !cccc_process_started(p->pid, &p->started) || !lives(p))
        p->started = 0;
}

static void forget(struct cccc_processes *self, struct process *p)
{
    if (p->unused.in_list)
        self->unused_count--;
    cccc_list_remove(&self->unused, &p->unused);
    HASH_DELETE(hh, self->by_pid, p); /* NOLINT(clang-analyzer-core.NullDereference): it is in the table */
    if (p->pidfd >= 0)
        close(p->pidfd);
    free(p);
}

static struct process *find(struct cccc_processes *self, int32_t pid)
{
    struct process *p = NULL;
    HASH_FIND(hh, self->by_pid, &pid, sizeof pid, p);
    return p;
}

static struct process *add(struct cccc_processes *self, int32_t pid)
{
    struct process *p = calloc(1, sizeof *p);
    CCCC_ASSERT(p, "out of memory");
    p->pid = pid;
    look_at(p);
    HASH_ADD(hh, self->by_pid, pid, sizeof p->pid, p);
    return p;
}

struct process *process_keep(struct cccc_processes *self, int32_t pid)
{
    struct process *p = find(self, pid);
    if (p && p->connections == 0 && !lives(p)) {
        forget(self, p);
        p = NULL;
    }
    if (!p)
        p = add(self, pid);
    /* Its connections outlive it: another process has its pid by now, and is looked at anew. They go on being counted together. */
    if (p->connections > 0 && p->pid > 0 && !lives(p)) {
        if (p->pidfd >= 0)
            close(p->pidfd);
        look_at(p);
    }
    if (p->unused.in_list)
        self->unused_count--;
    cccc_list_remove(&self->unused, &p->unused);
    p->connections++;
    return p;
}

void process_release(struct cccc_processes *self, struct process *p)
{
    if (--p->connections > 0)
        return;
    cccc_list_append(&self->unused, &p->unused);
    if (++self->unused_count > UNUSED_MAX)
        forget(self, CCCC_FIRST(&self->unused, struct process, unused));
}

void processes_sweep(struct cccc_processes *self)
{
    for (struct cccc_link *link = self->unused.first, *next; link; link = next) {
        struct process *p = CCCC_MEMBER(link, struct process, unused);
        next = link->next;
        if (!lives(p))
            forget(self, p);
    }
}

void processes_fini(struct cccc_processes *self)
{
    struct process *p = self->by_pid;
    HASH_CLEAR(hh, self->by_pid);
    for (struct process *next; p; p = next) {
        next = p->hh.next;
        if (p->pidfd >= 0)
            close(p->pidfd);
        free(p);
    }
    *self = (struct cccc_processes){0};
}
