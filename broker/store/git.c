/* git.c - which repository a directory belongs to, as git(1) says.
 *
 * Owns no file. Starts git without a shell, without GIT_* in its environment, with a limit on output and time; git's failure is an answer
 * ("no repository"), never an error.
 * Thread: the store thread; blocks for at most the two calls' time-outs. */
#include "broker/store/files.h"
#include "proto/json.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { OUTPUT_BYTES_MAX = 8192, ENVIRONMENT_MAX = 4096, TIMEOUT_MS = 5000, REAP_POLL_NS = 1000000 };

/* ---- running git ---- */

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The environment without GIT_*: another repository's variables (we may run below a git hook) would answer for the wrong one. */
static char **clean_environment(cccc_arena_t *arena)
{
    size_t count = 0;
    while (environ[count])
        count++;
    char **clean = cccc_arena_alloc(arena, (count + 1) * sizeof *clean);
    count = 0;
    for (char **e = environ; *e; e++)
        if (strncmp(*e, "GIT_", 4) != 0)
            clean[count++] = *e;
    clean[count] = NULL;
    return clean;
}

/* Starts argv with stdout into `write_end`, in a process group of its own and with default signals. The pid, or -1. */
static pid_t start(char *const argv[], int write_end, char **environment)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    pid_t pid;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, write_end, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    int rc = posix_spawnp(&pid, argv[0], &files, &attributes, argv, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return rc == 0 ? pid : -1;
}

/* Reads to the end of the output. False when it does not end in time or does not fit. */
static bool read_output(int fd, char out[OUTPUT_BYTES_MAX], size_t *len, int64_t deadline)
{
    for (*len = 0; *len < OUTPUT_BYTES_MAX;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        int64_t left = deadline - now_ms();
        int rc = poll(&ready, 1, left > 0 ? (int)left : 0);
        if (rc == 0 || (rc < 0 && errno != EINTR))
            return false;
        if (rc < 0)
            continue;
        ssize_t n = read(fd, out + *len, OUTPUT_BYTES_MAX - *len);
        if (n == 0)
            return true;
        if (n < 0 && errno != EINTR)
            return false;
        *len += n > 0 ? (size_t)n : 0;
    }
    return false;
}

/* Waits until `deadline`, then ends the whole group. True when the process exited with 0 by itself. */
static bool reap(pid_t pid, int64_t deadline)
{
    int status = 0;
    pid_t done;
    while ((done = waitpid(pid, &status, WNOHANG)) == 0 && now_ms() < deadline)
        nanosleep(&(struct timespec){.tv_nsec = REAP_POLL_NS}, NULL);
    if (done == 0) {
        kill(-pid, SIGKILL);
        waitpid(pid, &status, 0);
        return false;
    }
    return done == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* What argv prints, without its last newline, in the arena. False when it failed, took too long, or printed too much or no UTF-8. */
static bool run(char *const argv[], int timeout_ms, cccc_arena_t *arena, cccc_str_t *out)
{
    char text[OUTPUT_BYTES_MAX];
    size_t len = 0;
    int ends[2];
    int64_t deadline = now_ms() + timeout_ms;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return false;
    pid_t pid = start(argv, ends[1], clean_environment(arena));
    close(ends[1]);
    bool whole = pid > 0 && read_output(ends[0], text, &len, deadline);
    close(ends[0]);
    bool exited = pid > 0 && reap(pid, whole ? deadline : 0);
    if (!whole || !exited)
        return false;
    len -= len && text[len - 1] == '\n';
    *out = cccc_arena_str(arena, (cccc_str_t){text, len});
    return len > 0 && !memchr(text, '\0', len) && cccc_utf8_valid(*out);
}

/* scheme://user:password@host/path without what stands before the host: it may be a secret. */
static cccc_str_t without_credentials(cccc_arena_t *arena, cccc_str_t url)
{
    const char *scheme = memmem(url.ptr, url.len, "://", 3);
    if (!scheme)
        return url;
    const char *host = scheme + 3, *end = url.ptr + url.len;
    const char *slash = memchr(host, '/', (size_t)(end - host));
    const char *at = memrchr(host, '@', (size_t)((slash ? slash : end) - host));
    if (!at)
        return url;
    return cccc_arena_printf(arena, "%.*s%.*s", (int)(host - url.ptr), url.ptr, (int)(end - at - 1), at + 1);
}

/* ---- the effect ---- */

void cccc_git_detect(const char *path, int timeout_ms, cccc_arena_t *arena, cccc_str_t *root, cccc_str_t *remote)
{
    char *top[] = {"git", "-C", (char *)(uintptr_t)path, "rev-parse", "--show-toplevel", NULL};
    char *origin[] = {"git", "-C", (char *)(uintptr_t)path, "config", "--get", "remote.origin.url", NULL};
    cccc_str_t url;
    *remote = CCCC_STR("");
    if (!run(top, timeout_ms, arena, root) || root->ptr[0] != '/') {
        *root = cccc_str(path);
        return;
    }
    if (run(origin, timeout_ms, arena, &url))
        *remote = without_credentials(arena, url);
}

/* `path` without empty parts, "." and ".." (by name: the path need not exist), NUL-terminated in the arena. */
static const char *normalise_path(cccc_arena_t *arena, cccc_str_t path)
{
    char *out = cccc_arena_alloc(arena, path.len + 2);
    size_t len = 0;
    for (size_t i = 0; i < path.len;) {
        const char *slash = memchr(path.ptr + i, '/', path.len - i);
        size_t end = slash ? (size_t)(slash - path.ptr) : path.len;
        cccc_str_t part = {path.ptr + i, end - i};
        i = end + 1;
        if (part.len == 0 || cccc_str_is(part, "."))
            continue;
        if (cccc_str_is(part, "..")) {
            while (len && out[--len] != '/')
                continue;
            continue;
        }
        out[len++] = '/';
        memcpy(out + len, part.ptr, part.len);
        len += part.len;
    }
    if (len == 0)
        out[len++] = '/';
    out[len] = '\0';
    return out;
}

cccc_err_t cccc_store_git(const struct cccc_store_call *call)
{
    cccc_str_t path = call->store->name, root, remote;
    if (path.len == 0 || path.ptr[0] != '/' || memchr(path.ptr, '\0', path.len))
        return cccc_fail(call->m, CCCC_E_INVALID_PATH, "not an absolute path: \"%.*s\"", CCCC_STR_FMT(path));
    if (path.len > CCCC_PATH_BYTES_MAX)
        return cccc_fail(call->m, CCCC_E_TOO_LARGE, "a path of %zu bytes; at most %d (PATH_BYTES_MAX)", path.len, CCCC_PATH_BYTES_MAX);
    cccc_git_detect(normalise_path(call->arena, path), TIMEOUT_MS, call->arena, &root, &remote);
    struct stat st;
    bool directory = stat(cccc_arena_str(call->arena, path).ptr, &st) == 0 && S_ISDIR(st.st_mode);
    cccc_builder_t map = cccc_map_builder(call->arena, 3);
    cccc_map_add(&map, "directory", cccc_bool(directory));
    cccc_map_add(&map, "root", cccc_string(root));
    cccc_map_add(&map, "git_remote", cccc_string(remote));
    *call->value = map.value;
    return CCCC_OK;
}
