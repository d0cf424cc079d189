/* sockets.c - see sockets.h. */
#include "broker/bus/sockets.h"

#include "proto/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>

enum { HANDSHAKE_MS = 3000, BACKLOG = 1024, ROUTER_LINGER_MS = 400, SUBSCRIPTION_FRAME_BYTES_MAX = 64 * 1024, SOCKETS_MAX = 128 };

void cccc_zmq_start(void)
{
    zsys_handler_set(NULL);
    zsys_set_io_threads(1);
    zsys_set_max_sockets(SOCKETS_MAX);
    zsys_init();
    /* libzmq draws the routing ids of its peers from random(), which CZMQ seeds with the clock. */
    unsigned seed = 0;
    if (getrandom(&seed, sizeof seed, 0) == sizeof seed)
        srandom(seed);
}

void cccc_zmq_end(void)
{
    zsys_shutdown();
}

static void configure_both(zsock_t *sock)
{
    zsock_set_handshake_ivl(sock, HANDSHAKE_MS);
    zsock_set_backlog(sock, BACKLOG);
    zsock_set_sndtimeo(sock, 0);
}

static zsock_t *make_router(void)
{
    zsock_t *sock = zsock_new(ZMQ_ROUTER);
    if (!sock)
        return NULL;
    configure_both(sock);
    zsock_set_router_mandatory(sock, 1);
    zsock_set_router_handover(sock, 0);
    zsock_set_maxmsgsize(sock, CCCC_FRAME_BYTES_MAX);
    zsock_set_rcvhwm(sock, CCCC_ROUTER_RECEIVE_HWM);
    zsock_set_sndhwm(sock, CCCC_ROUTER_SEND_HWM);
    zsock_set_linger(sock, ROUTER_LINGER_MS);
    return sock;
}

static zsock_t *make_xpub(void)
{
    zsock_t *sock = zsock_new(ZMQ_XPUB);
    if (!sock)
        return NULL;
    configure_both(sock);
    zsock_set_maxmsgsize(sock, SUBSCRIPTION_FRAME_BYTES_MAX);
    zsock_set_sndhwm(sock, CCCC_XPUB_SEND_HWM);
    zsock_set_linger(sock, 0);
    return sock;
}

/* Bind `sock` to the file `name` of the socket directory and make it ours alone. */
static cccc_err_t bind_file(zsock_t *sock, const struct cccc_home *home, const char *name, char endpoint[128], uint64_t *inode,
                            struct cccc_errmsg *m)
{
    char path[CCCC_SOCKET_PATH_BYTES_MAX + 1];
    if (snprintf(path, sizeof path, "%s/%s", home->sock_dir, name) >= (int)sizeof path)
        return cccc_fail(m, CCCC_E_STORAGE, "%s/%s is longer than a socket's path may be (%d bytes); use a shorter home", home->sock_dir,
                         name, CCCC_SOCKET_PATH_BYTES_MAX);
    snprintf(endpoint, 128, "ipc://%s", path);
    if (zsock_bind(sock, "%s", endpoint) < 0)
        return cccc_fail(m, CCCC_E_STORAGE, "bind %s: %s", endpoint, zmq_strerror(errno));
    struct stat st;
    if (chmod(path, 0600) < 0 || stat(path, &st) < 0 || (st.st_mode & 0777) != 0600 || st.st_uid != getuid())
        return cccc_fail(m, CCCC_E_STORAGE, "%s cannot be made private (mode 0600); use a home on a local file system", path);
    *inode = st.st_ino;
    return CCCC_OK;
}

/* CCCC 0.4.0 and a checkout leave daemon/ open to readers: a folder of ours is closed, another's is refused. */
static cccc_err_t close_directory(const char *dir, struct cccc_errmsg *m)
{
    struct stat st;
    if (stat(dir, &st) < 0)
        return cccc_fail(m, CCCC_E_STORAGE, "%s: %s", dir, strerror(errno));
    if (st.st_uid != getuid())
        return cccc_fail(m, CCCC_E_PERMISSION_DENIED, "%s must be yours alone, and belongs to uid %u", dir, st.st_uid);
    if ((st.st_mode & 077) != 0 && chmod(dir, 0700) < 0)
        return cccc_fail(m, CCCC_E_PERMISSION_DENIED, "%s must be yours alone (%s); run: chmod 700 %s", dir, strerror(errno), dir);
    return CCCC_OK;
}

cccc_err_t cccc_sockets_open(struct cccc_sockets *self, const struct cccc_home *home, struct cccc_errmsg *m)
{
    *self = (struct cccc_sockets){0};
    cccc_err_t err = close_directory(home->sock_dir, m);
    if (err != CCCC_OK)
        return err;
    self->router_sock = make_router();
    self->xpub_sock = make_xpub();
    if (!self->router_sock || !self->xpub_sock) {
        err = cccc_fail(m, CCCC_E_STORAGE, "make sockets: %s", zmq_strerror(errno));
        goto fail;
    }
    err = bind_file(self->xpub_sock, home, "ccccd.events", self->events, &self->events_inode, m);
    if (err == CCCC_OK)
        err = bind_file(self->router_sock, home, "ccccd.bus", self->bus, &self->bus_inode, m);
    if (err == CCCC_OK && zsock_bind(self->xpub_sock, CCCC_EVENTS_INSIDE) < 0)
        err = cccc_fail(m, CCCC_E_STORAGE, "bind " CCCC_EVENTS_INSIDE ": %s", zmq_strerror(errno));
    if (err != CCCC_OK)
        goto fail;
    self->router = zsock_resolve(self->router_sock);
    self->xpub = zsock_resolve(self->xpub_sock);
    return CCCC_OK;
fail:
    cccc_sockets_close(self);
    return err;
}

static bool is_in_place(const char *endpoint, uint64_t inode)
{
    struct stat st;
    return stat(endpoint + strlen("ipc://"), &st) == 0 && st.st_ino == inode;
}

bool cccc_sockets_are_in_place(const struct cccc_sockets *self)
{
    return is_in_place(self->bus, self->bus_inode) && is_in_place(self->events, self->events_inode);
}

/* libzmq 4.3.4 leaves the file of a bound ipc socket behind. */
static void remove_file(const char *endpoint, uint64_t inode)
{
    if (inode != 0 && is_in_place(endpoint, inode))
        unlink(endpoint + strlen("ipc://"));
}

void cccc_sockets_close(struct cccc_sockets *self)
{
    remove_file(self->bus, self->bus_inode);
    remove_file(self->events, self->events_inode);
    zsock_destroy(&self->router_sock);
    zsock_destroy(&self->xpub_sock);
    *self = (struct cccc_sockets){0};
}
