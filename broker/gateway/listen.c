/* listen.c - see listen.h. */
#include "broker/gateway/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static cccc_err_t fail(struct cccc_listener *self, const char *what, struct cccc_errmsg *m)
{
    cccc_err_t err = cccc_fail(m, CCCC_E_STORAGE, "%s: %s", what, strerror(errno));
    cccc_listener_close(self);
    return err;
}

cccc_err_t cccc_listen_unix(struct cccc_listener *self, const char *path, struct cccc_errmsg *m)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat st;
    *self = (struct cccc_listener){.fd = -1};
    if (strlen(path) >= sizeof address.sun_path)
        return cccc_fail(m, CCCC_E_STORAGE, "%s is too long for a socket; use a shorter home", path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    self->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (self->fd < 0)
        return fail(self, "socket", m);
    unlink(path);
    if (bind(self->fd, (struct sockaddr *)&address, sizeof address) < 0)
        return fail(self, "bind the socket of the gateway", m);
    snprintf(self->path, sizeof self->path, "%s", path);
    if (chmod(path, 0600) < 0 || stat(path, &st) < 0)
        return fail(self, "make the socket of the gateway private", m);
    self->inode = st.st_ino;
    return listen(self->fd, SOMAXCONN) < 0 ? fail(self, "listen", m) : CCCC_OK;
}

cccc_err_t cccc_listen_tcp(struct cccc_listener *self, uint16_t port, struct cccc_errmsg *m)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int on = 1;
    *self = (struct cccc_listener){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (self->fd < 0)
        return fail(self, "socket", m);
    setsockopt(self->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(self->fd, (struct sockaddr *)&address, len) < 0 || getsockname(self->fd, (struct sockaddr *)&address, &len) < 0)
        return fail(self, "bind 127.0.0.1 for the gateway; choose another port", m);
    self->port = ntohs(address.sin_port);
    return listen(self->fd, SOMAXCONN) < 0 ? fail(self, "listen", m) : CCCC_OK;
}

bool cccc_listener_is_in_place(const struct cccc_listener *self)
{
    struct stat st;
    return self->path[0] == '\0' || (stat(self->path, &st) == 0 && st.st_ino == self->inode);
}

void cccc_listener_close(struct cccc_listener *self)
{
    if (self->path[0] != '\0' && self->inode != 0 && cccc_listener_is_in_place(self))
        unlink(self->path);
    if (self->fd >= 0)
        close(self->fd);
    *self = (struct cccc_listener){.fd = -1};
}
