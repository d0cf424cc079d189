/* discover.c - the home and the descriptor in it, which says where its daemon listens.
 *
 * Starts nothing and writes nothing. The descriptor must be the caller's own file: whoever can write it decides whom a client talks to. */
#include "clients/lib/internal.h"
#include "proto/descriptor.h"
#include "proto/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The descriptor has a handful of members; more than this is not one. */
#define DESCRIPTOR_BYTES_MAX 16384

/* "~", "~/x" -> the user's own directory; other paths unchanged. */
static int expand_tilde(const char *path, char *out, size_t size, struct cccc_error *err)
{
    const char *rest = path;
    const char *base = "";
    if (path[0] == '~' && (path[1] == '/' || path[1] == '\0')) {
        base = getenv("HOME");
        if (!base || !*base)
            return client_fail(err, CCCC_E_USAGE, "",
                               "the home directory is unknown because HOME is not set; set CCCC_HOME to the folder to use");
        rest = path + 1;
    }
    if ((size_t)snprintf(out, size, "%s%s", base, rest) >= size)
        return client_fail(err, CCCC_E_TOO_LARGE, "", "the path of the home is over %zu bytes; use a shorter CCCC_HOME", size - 1);
    return 0;
}

int home_find(const char *override, char *out, size_t size, struct cccc_error *err)
{
    const char *path = override;
    if (!path || !*path)
        path = getenv("CCCC_HOME");
    if (!path || !*path)
        path = "~/.cccc";
    char expanded[4096] = "";
    if (expand_tilde(path, expanded, sizeof expanded, err) != 0)
        return -1;
    char here[4096] = "";
    const char *join = "";
    if (expanded[0] != '/') {
        if (!getcwd(here, sizeof here))
            return client_fail(err, CCCC_E_USAGE, "",
                               "the home %s is relative and the current directory cannot be read; use an absolute CCCC_HOME", expanded);
        join = "/";
    }
    if ((size_t)snprintf(out, size, "%s%s%s", here, join, expanded) >= size)
        return client_fail(err, CCCC_E_TOO_LARGE, "", "the path of the home is over %zu bytes; use a shorter CCCC_HOME", size - 1);
    size_t len = strlen(out);
    while (len > 1 && out[len - 1] == '/')
        out[--len] = '\0';
    return 0;
}

/* Read at most `size` bytes of a file that must be ours. Returns the length, or -1 with *err. */
static ssize_t read_own_file(const char *path, char *out, size_t size, const char *home, struct cccc_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return client_fail(err, CCCC_E_NOT_RUNNING, "not_stored", "no daemon serves %s; run `cccc daemon start`", home);
    if (fd < 0)
        return client_fail(err, CCCC_E_UNREACHABLE, "not_stored", "%s cannot be read: %s", path, strerror(errno));
    struct stat st;
    ssize_t got = -1;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        client_fail(err, CCCC_E_UNREACHABLE, "not_stored", "%s is not a plain file; `cccc doctor` tells more", path);
    else if (st.st_uid != geteuid())
        client_fail(err, CCCC_E_UNREACHABLE, "not_stored",
                    "%s belongs to uid %u, not to you (uid %u); each user has a home of their own: set CCCC_HOME", path,
                    (unsigned)st.st_uid, (unsigned)geteuid());
    else if ((got = read(fd, out, size)) < 0)
        client_fail(err, CCCC_E_UNREACHABLE, "not_stored", "%s cannot be read: %s", path, strerror(errno));
    close(fd);
    return got;
}

static bool take_endpoint(const cccc_value_t *map, const char *key, char *out, size_t size)
{
    cccc_str_t s = cccc_get_str(map, key);
    if (s.len == 0 || s.len >= size || memchr(s.ptr, '\0', s.len))
        return false;
    memcpy(out, s.ptr, s.len);
    out[s.len] = '\0';
    return true;
}

int daemon_find(const char *home, struct daemon_address *out, struct cccc_error *err)
{
    char path[4096 + 64];
    snprintf(path, sizeof path, "%s/daemon/ccccd.addr.json", home);
    char text[DESCRIPTOR_BYTES_MAX];
    ssize_t len = read_own_file(path, text, sizeof text, home, err);
    if (len < 0)
        return -1;
    cccc_arena_t *arena = cccc_arena_new(1024);
    cccc_value_t map;
    struct daemon_address found = {0};
    struct cccc_errmsg why = {.text = "it names no bus and events endpoints"};
    bool good = cccc_json_read(text, (size_t)len, arena, &map, &why) == CCCC_OK &&
                take_endpoint(&map, "bus", found.bus, sizeof found.bus) && take_endpoint(&map, "events", found.events, sizeof found.events);
    bool copied = good && !cccc_descriptor_is_of(&map, home);
    if (good && !copied) {
        found.epoch = cccc_get_uint(&map, "epoch", 0);
        found.pid = (int64_t)cccc_get_uint(&map, "pid", 0);
        found.pid_started = cccc_get_uint(&map, "pid_started", 0);
        *out = found;
    }
    cccc_arena_destroy(&arena);
    if (!good)
        return client_fail(err, CCCC_E_UNREACHABLE, "not_stored",
                           "%s cannot be used: %s; is another program's daemon running? `cccc daemon restart` writes it anew", path,
                           why.text);
    if (copied)
        return client_fail(
            err, CCCC_E_NOT_RUNNING, "not_stored",
            "no daemon serves %s: it is a copy, and %s names the daemon of the home it was copied from; run `cccc daemon start`", home,
            path);
    return 0;
}

bool daemon_lives(const struct daemon_address *address)
{
    return cccc_is_daemon(address->pid, address->pid_started);
}
