/* holder.c - start a holder so that there is never a program without a record, nor two of one actor; find those of before; end them (HOLD.md, Files, Start).
 *
 * Owns state/runners/pty/<actor>.json and .lock of each group. Whoever holds the lock is the holder; the record says which process that is.
 * Thread: the store's, and start-up's. */
#include "broker/store/files.h"

#include "broker/store/processes.h"
#include "proto/json.h"
#include "proto/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LAUNCH_FD = 3, LOCK_FD = 4, SCROLLBACK_FD = 5, HIGH_FD = 10, NO_SCROLLBACK = -4096 /* no errno */ };

/* An actor's id as a file name: what would leave the folder is no actor. */
static bool is_file_name(cccc_str_t id)
{
    return id.len > 0 && id.len < 200 && id.ptr[0] != '.' && !memchr(id.ptr, '/', id.len) && !memchr(id.ptr, '\0', id.len);
}

static struct cccc_path runner_path(const struct cccc_home *home, cccc_str_t group_id, cccc_str_t actor_id, const char *ending)
{
    return cccc_group_path(home, group_id, "/state/runners/pty/%.*s.%s", CCCC_STR_FMT(actor_id), ending);
}

/* ---- the lock ---- */

/* The lock's descriptor, or -errno; -EWOULDBLOCK: a holder lives. */
static int take_lock(const struct cccc_vfs *vfs, const char *path, int flags)
{
    int fd = vfs->open(vfs->ctx, path, flags);
    int rc = fd < 0 ? fd : vfs->lock(vfs->ctx, fd);
    if (fd >= 0 && rc < 0)
        vfs->close(vfs->ctx, fd);
    return rc < 0 ? rc : fd;
}

/* Does a holder of this actor live? Its record names a process, but only the lock says that this is a holder of this home: in a copy of the home the record still names the
 * original's, whose lock is another file. */
static bool is_locked(const struct cccc_vfs *vfs, const struct cccc_home *home, cccc_str_t group_id, cccc_str_t actor_id)
{
    int lock = take_lock(vfs, runner_path(home, group_id, actor_id, "lock").z, CCCC_O_READ);
    if (lock >= 0)
        vfs->close(vfs->ctx, lock);
    return lock == -EWOULDBLOCK;
}

static bool holder_lives(const struct cccc_store_call *call)
{
    return is_locked(call->vfs, call->home, call->store->group_id, call->store->name);
}

/* ---- the scrollback on disk ---- */

/* A fresh file for what the program will print, the last one beside it; above the descriptors that a holder gets. NO_SCROLLBACK: none is wanted; -errno. */
static int open_scrollback(const struct cccc_store_call *call)
{
    const struct cccc_store *store = call->store;
    struct cccc_path path = runner_path(call->home, store->group_id, store->name, "scrollback");
    struct cccc_path last = runner_path(call->home, store->group_id, store->name, "scrollback.1");
    if (!cccc_get_bool(&store->document, "scrollback_file", false))
        return NO_SCROLLBACK;
    int rc = call->vfs->rename(call->vfs->ctx, path.z, last.z);
    int fd = rc < 0 && rc != -ENOENT ? rc : call->vfs->open(call->vfs->ctx, path.z, CCCC_O_READ | CCCC_O_WRITE | CCCC_O_CREATE);
    if (fd < 0)
        return fd;
    int high = fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
    int error = errno;
    call->vfs->close(call->vfs->ctx, fd);
    return high < 0 ? -error : high;
}

/* What the folder of the daemon's sockets has of a holder. */
static cccc_str_t socket_path(cccc_arena_t *arena, const struct cccc_home *home, uint64_t generation)
{
    return cccc_arena_printf(arena, "%s/t%llx.sock", home->sock_dir, (unsigned long long)generation);
}

/* ---- the launch document ---- */

/* What tells about the terminal that the daemon was started in, if it was in one: the program's is another, and is like an xterm. */
static bool is_of_a_terminal(cccc_str_t name)
{
    static const char *const of_terminals[] = {
        "TERM",    "COLUMNS", "LINES", "TERMCAP", "TMUX", "TMUX_PANE", "STY", "WINDOW", "WINDOWID", "TERM_PROGRAM", "TERM_PROGRAM_VERSION",
        "SSH_TTY", "GPG_TTY"};
    for (size_t i = 0; i < sizeof of_terminals / sizeof *of_terminals; i++)
        if (cccc_str_is(name, of_terminals[i]))
            return true;
    return false;
}

static void add_environment(cccc_builder_t *b, const char *const *names)
{
    for (; *names; names++) {
        const char *equals = strchr(*names, '=');
        if (equals && strncmp(*names, "CCCC_", 5) != 0 && !is_of_a_terminal((cccc_str_t){*names, (size_t)(equals - *names)}))
            cccc_map_add_key(b, (cccc_str_t){*names, (size_t)(equals - *names)}, cccc_text(equals + 1));
    }
}

static void overlay(cccc_arena_t *arena, cccc_value_t *map, const cccc_value_t *more)
{
    cccc_str_t name;
    for (uint32_t i = 0; cccc_is_map(more) && i < more->via.map.size; i++)
        if (cccc_as_str(&more->via.map.ptr[i].key, &name))
            *map = cccc_map_with(arena, map, name, more->via.map.ptr[i].val);
}

/* Reference 1.11: the daemon's own, the terminal's, the actor's, its private one, ours. */
static cccc_value_t environment(const struct cccc_store_call *call)
{
    extern char **environ;
    const struct cccc_store *store = call->store;
    cccc_builder_t b = cccc_map_builder(call->arena, 64);
    add_environment(&b, (const char *const *)environ);
    cccc_value_t map = b.value;
    map = cccc_map_with(call->arena, &map, CCCC_STR("TERM"), cccc_text("xterm-256color"));
    overlay(call->arena, &map, cccc_get(&store->document, "env"));
    cccc_value_t secrets = cccc_secrets_read(call->vfs, call->home, store->group_id, store->name, call->arena);
    overlay(call->arena, &map, &secrets);
    cccc_str_t mark = cccc_arena_printf(call->arena, "%.*s/%.*s/%llu:%s", CCCC_STR_FMT(store->group_id), CCCC_STR_FMT(store->name),
                                        (unsigned long long)cccc_get_uint(&store->document, "generation", 0), call->home->root);
    map = cccc_map_with(call->arena, &map, CCCC_STR("CCCC_HOME"), cccc_text(call->home->root));
    map = cccc_map_with(call->arena, &map, CCCC_STR("CCCC_GROUP_ID"), cccc_string(store->group_id));
    map = cccc_map_with(call->arena, &map, CCCC_STR("CCCC_ACTOR_ID"), cccc_string(store->name));
    return cccc_map_with(call->arena, &map, CCCC_STR("CCCC_HOLD"), cccc_string(mark));
}

static cccc_value_t launch_document(const struct cccc_store_call *call, bool scrollback)
{
    cccc_arena_t *arena = call->arena;
    cccc_value_t map = cccc_map_without(arena, &call->store->document, CCCC_STR("env"));
    cccc_str_t socket = socket_path(arena, call->home, cccc_get_uint(&call->store->document, "generation", 0));
    map = cccc_map_with(arena, &map, CCCC_STR("home"), cccc_text(call->home->root));
    map = cccc_map_with(arena, &map, CCCC_STR("socket"), cccc_string(socket));
    map = cccc_map_with(arena, &map, CCCC_STR("scrollback_file"), cccc_bool(scrollback));
    return cccc_map_with(arena, &map, CCCC_STR("environment"), environment(call));
}

/* ---- the process ---- */

static int spawn_holder(const char *program, int launch, int lock, int scrollback, pid_t *pid)
{
    char *argv[] = {(char *)(uintptr_t) "cccc-hold", NULL}, *nothing[] = {(char *)(uintptr_t) "LC_ALL=C.UTF-8", NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&files, launch, LAUNCH_FD);
    posix_spawn_file_actions_adddup2(&files, lock, LOCK_FD);
    if (scrollback >= 0)
        posix_spawn_file_actions_adddup2(&files, scrollback, SCROLLBACK_FD);
    posix_spawn_file_actions_addclosefrom_np(&files, scrollback >= 0 ? SCROLLBACK_FD + 1 : SCROLLBACK_FD);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    int error = posix_spawn(pid, program, &files, &attributes, argv, nothing);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

static cccc_err_t write_record(const struct cccc_store_call *call, pid_t pid, uint64_t started)
{
    const struct cccc_store *store = call->store;
    struct cccc_path path = runner_path(call->home, store->group_id, store->name, "json");
    struct timespec now;
    char ts[28];
    cccc_buf_t text;
    clock_gettime(CLOCK_REALTIME, &now);
    cccc_ts_format(ts, (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    cccc_builder_t record = cccc_map_builder(call->arena, 8);
    cccc_map_add(&record, "v", cccc_uint(1));
    cccc_map_add(&record, "kind", cccc_text("pty"));
    cccc_map_add(&record, "group_id", cccc_string(store->group_id));
    cccc_map_add(&record, "actor_id", cccc_string(store->name));
    cccc_map_add(&record, "started_at", cccc_text(ts));
    cccc_map_add(&record, "generation", cccc_uint(cccc_get_uint(&store->document, "generation", 0)));
    cccc_map_add(&record, "hold_pid", cccc_int(pid));
    cccc_map_add(&record, "hold_started", cccc_uint(started));
    cccc_buf_init(&text);
    cccc_json_write_pretty(&record.value, &text);
    int rc = cccc_vfs_replace(call->vfs, path.z, text.data, text.size, false);
    cccc_buf_fini(&text);
    return rc == 0 ? CCCC_OK : cccc_file_fail(call->m, rc, "write", path.z);
}

cccc_err_t cccc_holder_launch(int fd, const cccc_value_t *document, struct cccc_errmsg *m)
{
    cccc_str_t bytes = {document->via.bin.ptr, document->via.bin.size};
    cccc_err_t err = CCCC_OK;
    /* A holder that died meanwhile: EPIPE; SIGPIPE is blocked in every thread. */
    for (size_t at = 0; err == CCCC_OK && at < bytes.len;) {
        ssize_t n = write(fd, bytes.ptr + at, bytes.len - at);
        if (n > 0)
            at += (size_t)n;
        else if (errno != EINTR)
            err = cccc_fail(m, CCCC_E_STORAGE, "the holder ended before it could be told what to run: %s", strerror(errno));
    }
    explicit_bzero((char *)(uintptr_t)bytes.ptr, bytes.len);
    close(fd);
    return err;
}

/* The launch document packed, in the call's arena. */
static cccc_err_t pack_document(const struct cccc_store_call *call, bool scrollback, cccc_value_t *out)
{
    cccc_value_t document = launch_document(call, scrollback);
    cccc_buf_t bytes;
    cccc_buf_init(&bytes);
    cccc_pack_value(&bytes, &document);
    cccc_err_t err = CCCC_OK;
    if (bytes.size > CCCC_FRAME_BYTES_MAX) {
        err = cccc_fail(call->m, CCCC_E_TOO_LARGE, "the actor's command and environment have %zu bytes; at most %d can be handed over",
                        bytes.size, CCCC_FRAME_BYTES_MAX);
    } else {
        char *copy = cccc_arena_alloc(call->arena, bytes.size);
        memcpy(copy, bytes.data, bytes.size);
        *out = (cccc_value_t){.type = MSGPACK_OBJECT_BIN, .via.bin = {(uint32_t)bytes.size, copy}};
    }
    explicit_bzero(bytes.data, bytes.size);
    cccc_buf_fini(&bytes);
    return err;
}

/* With the lock held and the pipe open. Whatever fails from here on, the holder reads an end of file and goes. */
static cccc_err_t start(const struct cccc_store_call *call, int lock, const int ends[2])
{
    pid_t pid;
    uint64_t started = 0;
    cccc_value_t document = cccc_nil();
    int scrollback = open_scrollback(call);
    cccc_err_t packed = pack_document(call, scrollback >= 0, &document);
    int error = packed == CCCC_OK ? spawn_holder(call->home->hold_program, ends[0], lock, scrollback, &pid) : 0;
    if (scrollback >= 0)
        close(scrollback);
    if (packed != CCCC_OK)
        return packed;
    if (error)
        return cccc_fail(call->m, CCCC_E_STORAGE, "cannot run %s: %s", call->home->hold_program, strerror(error));
    cccc_process_started(pid, &started);
    cccc_err_t err = write_record(call, pid, started);
    int fd = err == CCCC_OK ? fcntl(ends[1], F_DUPFD_CLOEXEC, HIGH_FD) : -1;
    if (err == CCCC_OK && fd < 0)
        err = cccc_fail(call->m, CCCC_E_STORAGE, "no descriptors for a holder: %s", strerror(errno));
    if (err != CCCC_OK)
        return err;
    cccc_builder_t result = cccc_map_builder(call->arena, 5);
    if (scrollback < 0 && scrollback != NO_SCROLLBACK)
        cccc_map_add(&result, "scrollback_lost", cccc_text(strerror(-scrollback)));
    cccc_map_add(&result, "hold_pid", cccc_int(pid));
    cccc_map_add(&result, "hold_started", cccc_uint(started));
    cccc_map_add(&result, "launch_fd", cccc_int(fd));
    cccc_map_add(&result, "launch", document);
    *call->value = result.value;
    return CCCC_OK;
}

/* Better known before there is a holder: it says so with a code. */
static cccc_err_t check_directory(const struct cccc_store_call *call)
{
    struct cccc_stat st;
    cccc_str_t directory = cccc_arena_str(call->arena, cccc_get_str(&call->store->document, "directory"));
    int rc = call->vfs->stat(call->vfs->ctx, directory.ptr, &st);
    if (rc != -ENOENT && rc != -ENOTDIR && !(rc == 0 && !st.is_dir))
        return CCCC_OK;
    return cccc_fail(call->m, CCCC_E_INVALID_PROJECT_ROOT, "%s is no directory; make it, or attach another: cccc attach PATH",
                     directory.ptr);
}

cccc_err_t cccc_store_holder_start(const struct cccc_store_call *call)
{
    const struct cccc_store *store = call->store;
    if (check_directory(call) != CCCC_OK)
        return CCCC_E_INVALID_PROJECT_ROOT;
    if (!is_file_name(store->name))
        return cccc_fail(call->m, CCCC_E_INVALID_ACTOR_ID, "an actor of that id cannot have files: %.*s", CCCC_STR_FMT(store->name));
    if (!call->home->hold_program[0])
        return cccc_fail(call->m, CCCC_E_NOT_FOUND, "the program cccc-hold was found neither beside ccccd nor where it is installed");
    struct cccc_path folder = cccc_group_path(call->home, store->group_id, "/state/runners/pty");
    struct cccc_path lock_path = runner_path(call->home, store->group_id, store->name, "lock");
    int rc = cccc_vfs_make_dirs(call->vfs, folder.z);
    if (rc < 0)
        return cccc_file_fail(call->m, rc, "create", folder.z);
    int lock = take_lock(call->vfs, lock_path.z, CCCC_O_READ | CCCC_O_WRITE | CCCC_O_CREATE);
    if (lock == -EWOULDBLOCK)
        return cccc_fail(call->m, CCCC_E_LOCKED, "a holder of this actor lives already, and has not said so; it is looked for: fuser %s",
                         lock_path.z);
    if (lock < 0)
        return cccc_file_fail(call->m, lock, "lock", lock_path.z);
    int ends[2], high_lock = fcntl(lock, F_DUPFD_CLOEXEC, HIGH_FD);
    cccc_err_t err = CCCC_OK;
    if (high_lock < 0 || pipe2(ends, O_CLOEXEC) < 0) {
        err = cccc_fail(call->m, CCCC_E_STORAGE, "no descriptors for a holder: %s", strerror(errno));
    } else {
        int high[2] = {fcntl(ends[0], F_DUPFD_CLOEXEC, HIGH_FD), ends[1]};
        close(ends[0]);
        err = high[0] < 0 ? cccc_fail(call->m, CCCC_E_STORAGE, "no descriptors for a holder: %s", strerror(errno))
                          : start(call, high_lock, high);
        if (high[0] >= 0)
            close(high[0]);
        close(ends[1]);
    }
    if (high_lock >= 0)
        close(high_lock);
    call->vfs->close(call->vfs->ctx, lock);
    return err;
}

/* ---- would it start? ---- */

/* As execvp(3) would find it in `directory`; a name with a slash is no matter of PATH. */
static bool is_program(cccc_str_t directory, cccc_str_t folder, cccc_str_t name)
{
    char path[4096];
    struct stat st;
    bool absolute = (folder.len > 0 ? folder.ptr : name.ptr)[0] == '/';
    int n = snprintf(path, sizeof path, "%.*s%s%.*s%s%.*s", absolute ? 0 : (int)directory.len, directory.ptr, absolute ? "" : "/",
                     CCCC_STR_FMT(folder), folder.len > 0 ? "/" : "", CCCC_STR_FMT(name));
    return n > 0 && (size_t)n < sizeof path && stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
           faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

static bool is_found(cccc_str_t directory, cccc_str_t path, cccc_str_t name)
{
    if (memchr(name.ptr, '/', name.len))
        return is_program(directory, CCCC_STR(""), name);
    bool found = false, more = true;
    while (!found && more) {
        const char *end = memchr(path.ptr, ':', path.len);
        cccc_str_t folder = {path.ptr, end ? (size_t)(end - path.ptr) : path.len};
        found = is_program(directory, folder.len > 0 ? folder : CCCC_STR("."), name);
        more = end != NULL;
        path = more ? (cccc_str_t){end + 1, path.len - folder.len - 1} : path;
    }
    return found;
}

static cccc_err_t check_program(const struct cccc_store_call *call)
{
    const cccc_value_t *command = cccc_get(&call->store->document, "command");
    cccc_value_t variables = environment(call);
    cccc_str_t name = {0}, path = CCCC_STR("/bin:/usr/bin"), directory = cccc_get_str(&call->store->document, "directory");
    cccc_as_str(cccc_get(&variables, "PATH"), &path);
    if (!cccc_is_array(command) || command->via.array.size == 0 || !cccc_as_str(&command->via.array.ptr[0], &name) || name.len == 0)
        return cccc_fail(call->m, CCCC_E_MISSING_COMMAND, "it has no command");
    if (is_found(directory, path, name))
        return CCCC_OK;
    if (memchr(name.ptr, '/', name.len))
        return cccc_fail(call->m, CCCC_E_NOT_FOUND, "there is no program %.*s, or it may not be run", CCCC_STR_FMT(name));
    return cccc_fail(call->m, CCCC_E_NOT_FOUND, "there is no program %.*s in the actor's PATH", CCCC_STR_FMT(name));
}

cccc_err_t cccc_store_holder_check(const struct cccc_store_call *call)
{
    cccc_str_t directory = cccc_arena_str(call->arena, cccc_get_str(&call->store->document, "directory"));
    if (check_directory(call) != CCCC_OK)
        return CCCC_E_INVALID_PROJECT_ROOT;
    if (faccessat(AT_FDCWD, directory.ptr, X_OK, AT_EACCESS) != 0)
        return cccc_fail(call->m, CCCC_E_INVALID_PROJECT_ROOT, "its directory %s cannot be entered: %s", directory.ptr, strerror(errno));
    if (faccessat(AT_FDCWD, call->home->hold_program, X_OK, AT_EACCESS) != 0)
        return cccc_fail(call->m, CCCC_E_NOT_FOUND, "the program cccc-hold is not there any more: %s", call->home->hold_program);
    return check_program(call);
}

/* ---- the end ---- */

/* A holder that has reported its end lives, and holds its lock, a moment longer; a start behind this is not to find it locked. */
static void await_end(const cccc_value_t *record)
{
    enum { WAIT_MS_MAX = 2000 };
    uint64_t started;
    pid_t pid = (pid_t)cccc_get_uint(record, "hold_pid", 0);
    struct pollfd ended = {.fd = pid > 0 ? pidfd_open(pid, 0) : -1, .events = POLLIN};
    if (ended.fd < 0)
        return;
    if (cccc_process_started(pid, &started) && started == cccc_get_uint(record, "hold_started", 0))
        poll(&ended, 1, WAIT_MS_MAX);
    close(ended.fd);
}

cccc_err_t cccc_store_holder_forget(const struct cccc_store_call *call)
{
    const struct cccc_store *store = call->store;
    if (!is_file_name(store->name))
        return CCCC_OK;
    struct cccc_path path = runner_path(call->home, store->group_id, store->name, "json");
    struct cccc_errmsg m;
    char mark[512];
    snprintf(mark, sizeof mark, "%.*s/%.*s/%llu", CCCC_STR_FMT(store->group_id), CCCC_STR_FMT(store->name),
             (unsigned long long)store->total);
    cccc_value_t record = cccc_json_file(call->vfs, path.z, call->arena, &m);
    bool ours = cccc_get_uint(&record, "generation", 0) == store->total;
    if (ours && holder_lives(call))
        await_end(&record);
    cccc_processes_end(call->home->root, mark);
    call->vfs->unlink(call->vfs->ctx, socket_path(call->arena, call->home, store->total).ptr); /* one that was killed has left it */
    if (!ours)
        return CCCC_OK;
    int rc = call->vfs->unlink(call->vfs->ctx, path.z);
    return rc == 0 || rc == -ENOENT ? CCCC_OK : cccc_file_fail(call->m, rc, "remove", path.z);
}

void cccc_holder_forget_files(const struct cccc_store_call *call)
{
    static const char *const endings[] = {"scrollback", "scrollback.1", "lock"};
    if (!is_file_name(call->store->name))
        return;
    struct cccc_path path = runner_path(call->home, call->store->group_id, call->store->name, "lock");
    int lock = take_lock(call->vfs, path.z, CCCC_O_READ | CCCC_O_WRITE);
    if (lock < 0)
        return;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        call->vfs->unlink(call->vfs->ctx, runner_path(call->home, call->store->group_id, call->store->name, endings[i]).z);
    call->vfs->close(call->vfs->ctx, lock);
}

static bool is_scrollback(const void *arg, const char *name)
{
    (void)arg;
    return strstr(name, ".scrollback") != NULL;
}

void cccc_holders_forget_group(const struct cccc_store_call *call, const char *trashed)
{
    cccc_vfs_sweep(call->vfs, cccc_arena_printf(call->arena, "%s/state/runners/pty", trashed).ptr, is_scrollback, NULL);
    cccc_secrets_forget_group(call);
}

cccc_err_t cccc_store_holder_kill(const struct cccc_store_call *call)
{
    pid_t pid = (pid_t)call->store->total;
    uint64_t started;
    bool hard = cccc_get_bool(&call->store->document, "hard", false);
    int fd = pid > 0 && is_file_name(call->store->name) ? pidfd_open(pid, 0) : -1;
    if (fd < 0)
        return CCCC_OK;
    if (holder_lives(call) && cccc_process_started(pid, &started) && started == call->store->offset)
        pidfd_send_signal(fd, hard ? SIGKILL : SIGTERM, NULL, 0);
    close(fd);
    return CCCC_OK;
}

/* ---- those of before ---- */

struct listing {
    const struct cccc_vfs *vfs;
    const struct cccc_home *home;
    cccc_str_t group_id;
    cccc_arena_t *arena;
    cccc_holder_found_fn found;
    void *arg;
};

/* The record in the file of that name; false: it is none. */
static bool read_record(const struct listing *l, const char *name, cccc_str_t *actor_id, cccc_value_t *record)
{
    struct cccc_errmsg m;
    size_t len = strlen(name);
    if (len < 6 || strcmp(name + len - 5, ".json") != 0)
        return false;
    *actor_id = (cccc_str_t){name, len - 5};
    *record = cccc_json_file(l->vfs, runner_path(l->home, l->group_id, *actor_id, "json").z, l->arena, &m);
    return cccc_is_map(record) && cccc_get_uint(record, "generation", 0) && cccc_str_eq(cccc_get_str(record, "actor_id"), *actor_id);
}

static void look_at(void *arg, const char *name)
{
    struct listing *l = arg;
    cccc_str_t actor_id;
    cccc_value_t record;
    if (read_record(l, name, &actor_id, &record))
        l->found(l->arg, &record, is_locked(l->vfs, l->home, l->group_id, actor_id));
}

void cccc_holders_find(const struct cccc_vfs *vfs, const struct cccc_home *home, cccc_str_t group_id, cccc_arena_t *arena,
                       cccc_holder_found_fn found, void *arg)
{
    struct listing listing = {vfs, home, group_id, arena, found, arg};
    vfs->list(vfs->ctx, cccc_group_path(home, group_id, "/state/runners/pty").z, look_at, &listing);
}

/* ---- is a process below one of them ---- */

static bool descends_from(pid_t pid, pid_t ancestor, uint64_t ancestor_started)
{
    uint64_t started;
    for (pid_t parent; pid > 1 && cccc_process_parent(pid, &started, &parent); pid = parent)
        if (pid == ancestor && started == ancestor_started)
            return true;
    return false;
}

struct descent {
    struct listing listing;
    pid_t pid;
    bool found;
};

/* A copy of a home has the records of the other one's holders, and none of its locks is held: only for an ancestor is the lock touched, whose holder has it. */
static void compare(void *arg, const char *name)
{
    struct descent *d = arg;
    cccc_str_t actor_id;
    cccc_value_t record;
    if (d->found || !read_record(&d->listing, name, &actor_id, &record))
        return;
    pid_t holder = (pid_t)cccc_get_uint(&record, "hold_pid", 0);
    d->found = holder > 1 && descends_from(d->pid, holder, cccc_get_uint(&record, "hold_started", 0)) &&
               is_locked(d->listing.vfs, d->listing.home, d->listing.group_id, actor_id);
}

/* Of whatever home: most daemons have none above them, and need not look through all groups. */
static bool some_holder_is_above(pid_t pid)
{
    struct cccc_process process;
    for (; pid > 1 && cccc_process_read(pid, &process); pid = process.parent)
        if (strcmp(process.name, "cccc-hold") == 0)
            return true;
    return false;
}

bool cccc_holder_is_above(const struct cccc_vfs *vfs, const struct cccc_home *home, pid_t pid)
{
    if (!some_holder_is_above(pid))
        return false;
    cccc_arena_t *arena = cccc_arena_new(4096);
    struct descent descent = {.listing = {.vfs = vfs, .home = home, .arena = arena}, .pid = pid};
    cccc_value_t groups = cccc_nil();
    if (cccc_groups_scan(vfs, home, arena, &groups, NULL) != CCCC_OK)
        groups = cccc_nil(); /* whoever reads the home next says so */
    for (uint32_t i = 0; cccc_is_array(&groups) && i < groups.via.array.size && !descent.found; i++)
        if (cccc_as_str(&groups.via.array.ptr[i], &descent.listing.group_id))
            vfs->list(vfs->ctx, cccc_group_path(home, descent.listing.group_id, "/state/runners/pty").z, compare, &descent);
    cccc_arena_destroy(&arena);
    return descent.found;
}
