/* home.c - where the home is, and whether it may be used.
 *
 * Owns the folders of the home: itself, daemon/, groups/ and trash/, and the short runtime directory for sockets of a home with a long path.
 * Invariant: nothing is served from a folder that somebody else owns or may write to.
 * Thread: start-up's. */
#include "broker/store/files.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    HOME_BYTES_MAX = 3800,  /* leaves room for the longest path inside it */
    SOCKET_NAME_BYTES = 20, /* "/" and the longest socket name, NUL included; with the directory at most sizeof sockaddr_un.sun_path */
    SOCKET_DIR_BYTES_MAX = 108 - SOCKET_NAME_BYTES
};

/* ---- finding ---- */

static const char *user_directory(void)
{
    const char *home = getenv("HOME");
    if (home && home[0] == '/')
        return home;
    const struct passwd *entry = getpwuid(geteuid());
    return entry && entry->pw_dir ? entry->pw_dir : "/";
}

/* `given` with ~ expanded and made absolute, links and dots still in it. False when it is too long. */
static bool make_absolute(const char *given, char out[PATH_MAX])
{
    char here[PATH_MAX];
    int len;
    if (given[0] == '~' && (given[1] == '/' || given[1] == '\0'))
        len = snprintf(out, PATH_MAX, "%s%s", user_directory(), given + 1);
    else if (given[0] == '/')
        len = snprintf(out, PATH_MAX, "%s", given);
    else if (getcwd(here, sizeof here))
        len = snprintf(out, PATH_MAX, "%s/%s", here, given);
    else
        return false;
    return len > 0 && len <= HOME_BYTES_MAX;
}

/* Two names of one home must not get two daemons: links in the part that exists are resolved, the rest is kept as it is. NULL, or why not. */
static const char *resolve_links(char path[PATH_MAX])
{
    char real[PATH_MAX], missing[PATH_MAX];
    char *rest = missing + sizeof missing - 1; /* what does not exist, filled from its end; `path` never gets longer, so it fits */
    *rest = '\0';
    while (!realpath(path, real)) {
        char *slash = strrchr(path, '/');
        if (errno != ENOENT)
            return strerror(errno);
        if (strcmp(slash, "/..") == 0)
            return "\"..\" behind a folder that does not exist";
        if (slash[1] && strcmp(slash, "/.") != 0) {
            rest -= strlen(slash);
            memcpy(rest, slash, strlen(slash));
        }
        slash[slash == path] = '\0';
    }
    size_t real_len = real[1] || !*rest ? strlen(real) : 0;
    if (real_len + strlen(rest) > HOME_BYTES_MAX)
        return "the path is too long";
    memcpy(path, real, real_len);
    memcpy(path + real_len, rest, strlen(rest) + 1);
    return NULL;
}

static bool is_own_directory(const struct cccc_vfs *vfs, const char *path)
{
    struct cccc_stat st;
    return vfs->stat(vfs->ctx, path, &st) == 0 && st.is_dir && st.uid == geteuid();
}

/* daemon/ when a socket's path fits there, else a name below the user's runtime directory or /tmp that follows from the home's path. */
static void choose_socket_dir(const struct cccc_vfs *vfs, struct cccc_home *home)
{
    unsigned char hash[crypto_generichash_BYTES_MIN];
    char hex[2 * sizeof hash + 1], runtime[40];
    unsigned uid = geteuid();
    if (strlen(home->root) + strlen("/daemon") <= SOCKET_DIR_BYTES_MAX) {
        snprintf(home->sock_dir, sizeof home->sock_dir, "%.*s/daemon", SOCKET_DIR_BYTES_MAX, home->root);
        return;
    }
    crypto_generichash(hash, sizeof hash, (const unsigned char *)home->root, strlen(home->root), NULL, 0);
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    snprintf(runtime, sizeof runtime, "/run/user/%u", uid);
    if (is_own_directory(vfs, runtime))
        snprintf(home->sock_dir, sizeof home->sock_dir, "%s/cccc-%.16s", runtime, hex);
    else
        snprintf(home->sock_dir, sizeof home->sock_dir, "/tmp/cccc-%u-%.16s", uid, hex);
}

cccc_err_t cccc_home_find(const char *override, struct cccc_home *out, struct cccc_errmsg *m)
{
    struct cccc_home home = {0};
    char path[PATH_MAX];
    const char *given = override && *override ? override : getenv("CCCC_HOME");
    if (!given || !*given)
        given = "~/.cccc";
    if (given[0] == '~' && given[1] && given[1] != '/')
        return cccc_fail(m, CCCC_E_INVALID_PATH, "home %s: only ~ and ~/... are understood; write the path out", given);
    if (!make_absolute(given, path))
        return cccc_fail(m, CCCC_E_INVALID_PATH, "home %.200s: the path is longer than %d bytes; set CCCC_HOME to a shorter one", given,
                         HOME_BYTES_MAX);
    const char *why = resolve_links(path);
    if (why)
        return cccc_fail(m, CCCC_E_INVALID_PATH, "home %.200s: %s; set CCCC_HOME to a folder of yours", given, why);
    snprintf(home.root, sizeof home.root, "%s", path);
    choose_socket_dir(&cccc_vfs_posix, &home);
    *out = home;
    return CCCC_OK;
}

/* ---- preparing ---- */

/* `closed`: a folder above it lets nobody else in, so its own mode does not matter. */
static cccc_err_t check_directory(const struct cccc_vfs *vfs, const char *path, bool closed, struct cccc_stat *st, struct cccc_errmsg *m)
{
    int rc = vfs->stat(vfs->ctx, path, st);
    if (rc < 0)
        return cccc_file_fail(m, rc, "open", path);
    if (!st->is_dir)
        return cccc_fail(m, CCCC_E_PERMISSION_DENIED, "%s is not a directory; move it away", path);
    if (st->uid != geteuid())
        return cccc_fail(m, CCCC_E_PERMISSION_DENIED,
                         "%s belongs to uid %u, and this is uid %u; run as its owner, or choose another CCCC_HOME", path, st->uid,
                         geteuid());
    if (!closed && (st->mode & 022))
        return cccc_fail(m, CCCC_E_PERMISSION_DENIED, "%s can be written by others (mode %03o); run: chmod 700 '%s'", path, st->mode & 0777,
                         path);
    return CCCC_OK;
}

static cccc_err_t make_checked(const struct cccc_vfs *vfs, const char *path, bool closed, struct cccc_stat *st, struct cccc_errmsg *m)
{
    int rc = vfs->stat(vfs->ctx, path, st) == 0 ? 0 : cccc_vfs_make_dirs(vfs, path);
    return rc < 0 ? cccc_file_fail(m, rc, "create", path) : check_directory(vfs, path, closed, st, m);
}

static bool has_sockets_inside(const struct cccc_home *home)
{
    struct cccc_path daemon = cccc_path(home, "/daemon");
    return strcmp(home->sock_dir, daemon.z) == 0;
}

/* The socket directory outside the home lies where others may create names: nothing but a folder of ours with mode 0700 will do. */
static cccc_err_t prepare_socket_dir(const struct cccc_vfs *vfs, struct cccc_home *home, struct cccc_errmsg *m)
{
    struct cccc_stat st;
    int rc = vfs->mkdir(vfs->ctx, home->sock_dir);
    if (rc < 0 && rc != -EEXIST)
        return cccc_file_fail(m, rc, "create", home->sock_dir);
    cccc_err_t err = check_directory(vfs, home->sock_dir, false, &st, m);
    if (!err && (st.mode & 077))
        err = cccc_fail(m, CCCC_E_PERMISSION_DENIED, "%s is open to others (mode %03o); run: chmod 700 '%s'", home->sock_dir,
                        st.mode & 0777, home->sock_dir);
    return err;
}

cccc_err_t cccc_home_prepare(const struct cccc_vfs *vfs, struct cccc_home *home, struct cccc_errmsg *m)
{
    static const char *const folders[] = {"/daemon", "/groups", "/trash"};
    struct cccc_stat root, st;
    cccc_err_t err = make_checked(vfs, home->root, false, &root, m);
    for (size_t i = 0; !err && i < sizeof folders / sizeof *folders; i++)
        err = make_checked(vfs, cccc_path(home, "%s", folders[i]).z, (root.mode & 077) == 0, &st, m);
    if (err)
        return err;
    choose_socket_dir(vfs, home);
    return has_sockets_inside(home) ? CCCC_OK : prepare_socket_dir(vfs, home, m);
}

void cccc_home_leave(const struct cccc_home *home)
{
    if (!has_sockets_inside(home))
        rmdir(home->sock_dir);
}
