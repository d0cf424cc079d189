/* followers.c - see followers.h. */
#include "broker/bus/followers.h"

#include "broker/bus/accept_guard.h"
#include "broker/bus/log.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum {
    LENT_EXTRA_BYTES = 512,                        /* what an event costs libzmq besides its bytes: topics, places in pipes */
    ENOUGH_BYTES = CCCC_PUBLICATION_BYTES_MAX / 2, /* from here on the connections are looked at; down to here events are withheld */
    LITTLE_BYTES = CCCC_PUBLICATION_BYTES_MAX / 16,
    LOOK_US = 20000,
    LOOKS_MIN = 4,
    FORGET_US = 3000000 /* looks this far apart say nothing about the time between */
};

/* A connection that would not take more when it was looked at. */
struct cccc_laggard {
    uint64_t inode; /* of its socket: descriptors are used again. 0: none */
    uint64_t since_us;
    uint32_t looks;
};

void cccc_followers_init(struct cccc_followers *self, const char *endpoint)
{
    *self = (struct cccc_followers){0};
    snprintf(self->path, sizeof self->path, "%s", endpoint + strlen("ipc://"));
}

void cccc_followers_fini(struct cccc_followers *self)
{
    free(self->laggards);
    *self = (struct cccc_followers){0};
}

uint64_t cccc_followers_lent(const struct cccc_followers *self)
{
    return atomic_load_explicit(&self->lent, memory_order_relaxed);
}

/* ---- lending ---- */

/* On libzmq's I/O thread or the loop's. */
static void give_back(void *data, void *hint)
{
    struct cccc_followers *self = hint;
    cccc_bytes_t *bytes = (cccc_bytes_t *)(void *)((char *)data - offsetof(cccc_bytes_t, data));
    atomic_fetch_sub_explicit(&self->lent, bytes->len + LENT_EXTRA_BYTES, memory_order_relaxed);
    cccc_bytes_release(bytes);
}

static void begin_withholding(struct cccc_followers *self, uint64_t lent)
{
    self->withholding = true;
    self->withheld_before = self->withheld_since_start;
    cccc_log(LOG_WARNING, "EVENTS-WITHHELD", "followers are behind: only heads are published until they have read bytes=%" PRIu64, lent);
}

bool cccc_followers_lend(struct cccc_followers *self, cccc_bytes_t *bytes, zmq_msg_t *msg)
{
    uint64_t lent = cccc_followers_lent(self) + bytes->len + LENT_EXTRA_BYTES;
    if (lent > CCCC_PUBLICATION_BYTES_MAX && !self->withholding)
        begin_withholding(self, lent);
    if (self->withholding)
        return false;
    atomic_fetch_add_explicit(&self->lent, bytes->len + LENT_EXTRA_BYTES, memory_order_relaxed);
    int rc = zmq_msg_init_data(msg, bytes->data, bytes->len, give_back, self);
    CCCC_ASSERT(rc == 0, "zmq_msg_init_data: %s", zmq_strerror(errno));
    cccc_bytes_keep(bytes);
    return true;
}

/* ---- who is behind ---- */

/* The inode of `fd` when it is a connection of the events socket whose reader is behind; 0 otherwise. Linux calls a stream socket of this
 * family writable while at most a quarter of its buffer is unread (net/unix/af_unix.c, unix_writable). */
static uint64_t laggard_inode(const struct cccc_followers *self, int fd)
{
    struct sockaddr_un address = {0};
    socklen_t len = sizeof address - 1;
    if (getsockname(fd, (struct sockaddr *)&address, &len) < 0 || address.sun_family != AF_UNIX ||
        strcmp(address.sun_path, self->path) != 0)
        return 0;
    int listens = 0;
    len = sizeof listens;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0 || listens)
        return 0;
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    struct stat st;
    if (poll(&ready, 1, 0) != 0 || fstat(fd, &st) < 0)
        return 0;
    return st.st_ino;
}

static void make_room_for(struct cccc_followers *self, int highest)
{
    if (highest < self->laggard_count)
        return;
    int count = highest + 64;
    self->laggards = realloc(self->laggards, (size_t)count * sizeof *self->laggards);
    CCCC_ASSERT(self->laggards, "out of memory");
    memset(self->laggards + self->laggard_count, 0, (size_t)(count - self->laggard_count) * sizeof *self->laggards);
    self->laggard_count = count;
}

static void look(struct cccc_followers *self, uint64_t now_us)
{
    int highest = cccc_accept_guard_highest();
    make_room_for(self, highest);
    if (now_us - self->looked_us > FORGET_US)
        memset(self->laggards, 0, (size_t)self->laggard_count * sizeof *self->laggards);
    self->looked_us = now_us;
    for (int fd = 0; fd <= highest; fd++) {
        struct cccc_laggard *laggard = &self->laggards[fd];
        uint64_t inode = laggard_inode(self, fd);
        if (inode != laggard->inode)
            *laggard = (struct cccc_laggard){.inode = inode, .since_us = now_us};
        laggard->looks++;
    }
}

/* libzmq 4.3.4 cannot disconnect a peer; shutting its descriptor down makes libzmq do so, and what it held for it comes back. Was the number given to
 * another since the look a moment ago, then that one connects again. */
static void drop(struct cccc_followers *self, int fd)
{
    struct ucred credentials = {0};
    socklen_t len = sizeof credentials;
    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &len);
    cccc_log(LOG_WARNING, "FOLLOWER-DROPPED",
             "a follower does not read and was disconnected; it repairs from the ledger when it is back pid=%d", credentials.pid);
    shutdown(fd, SHUT_RDWR);
    self->laggards[fd].inode = 0;
    self->dropped++;
}

static void drop_the_stuck(struct cccc_followers *self, uint64_t now_us)
{
    for (int fd = 0; fd < self->laggard_count; fd++) {
        const struct cccc_laggard *laggard = &self->laggards[fd];
        if (laggard->inode && laggard->looks >= LOOKS_MIN && now_us - laggard->since_us >= CCCC_FOLLOWER_STUCK_MS * 1000u)
            drop(self, fd);
    }
}

void cccc_followers_tend(struct cccc_followers *self, uint64_t now_us)
{
    if (cccc_followers_lent(self) <= ENOUGH_BYTES) {
        if (self->withholding)
            cccc_log(LOG_NOTICE, "EVENTS-PUBLISHED", "events are published again withheld=%" PRIu64,
                     self->withheld_since_start - self->withheld_before);
        self->withholding = false;
        return;
    }
    self->swollen = true;
    if (now_us - self->looked_us < LOOK_US)
        return;
    look(self, now_us);
    if (self->withholding)
        drop_the_stuck(self, now_us);
}

uint64_t cccc_followers_next_look_us(const struct cccc_followers *self)
{
    return self->withholding ? self->looked_us + LOOK_US : UINT64_MAX;
}

void cccc_followers_trim(struct cccc_followers *self)
{
    if (!self->swollen || cccc_followers_lent(self) > LITTLE_BYTES)
        return;
    self->swollen = false;
    malloc_trim(0);
}
