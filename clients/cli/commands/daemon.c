/* daemon.c - `cccc daemon ...`: start, stop, restart, status, logs.
 *
 * `stop` leaves daemon/stopped behind, before it asks, so that no other command starts a daemon in between.
 * Thread: the program's one. */
#include "clients/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/* A daemon that does not answer within this is told by signal. */
#define STOP_ASK_S 5

static int daemon_result(struct cli *cli, const char *state, int32_t pid)
{
    if (cli->json) {
        cccc_builder_t result = cccc_map_builder(cli->arena, 3);
        cccc_map_add(&result, "state", cccc_text(state));
        cccc_map_add(&result, "pid", pid > 0 ? cccc_uint((uint64_t)pid) : cccc_nil());
        cccc_map_add(&result, "home", cccc_text(cli->home.root));
        return cli_result(cli, &result.value);
    }
    if (pid > 0)
        cli_fact(cli, "daemon", "%s, pid %d, home %s", state, pid, cli->home.root);
    else
        cli_fact(cli, "daemon", "%s, home %s", state, cli->home.root);
    return 0;
}

/* daemon/stopped is there, or gone. 0, or the exit status of the failure reported. */
static int mark_stopped(struct cli *cli, bool stopped)
{
    struct stat st;
    if (cli_mark_stopped(cli, stopped))
        return 0;
    int error = errno;
    if (stat(cli->home.root, &st) == 0 && !S_ISDIR(st.st_mode))
        return cli_fail(cli, CCCC_E_INVALID_PATH, "set CCCC_HOME, or give --home DIR", "the home %s is not a directory", cli->home.root);
    if (error == ENOENT)
        return 0;
    return cli_fail(cli, CCCC_E_STORAGE, "check the home's owner and modes: `cccc doctor`", "cannot %s %s/daemon/stopped: %s",
                    stopped ? "write" : "remove", cli->home.root, strerror(error));
}

/* The living daemon's pid, or 0. */
static int32_t living(struct cli *cli)
{
    int32_t pid;
    cccc_str_t version;
    return cli_daemon(cli, &pid, &version) ? pid : 0;
}

int cmd_daemon_start(struct cli *cli)
{
    bool started = false;
    int status = 0;
    if (!cli_home(cli, &status))
        return status;
    status = mark_stopped(cli, false);
    if (status == 0 && living(cli) == 0)
        status = cli_daemon_start(cli, &started);
    return status ? status : daemon_result(cli, started ? "started" : "running already", living(cli));
}

static int see_it_end(struct cli *cli, int32_t pid)
{
    int patience_ms = cli_timeout_ms(cli, CLI_STOP_MS_MAX / 1000);
    if (cli_wait_gone(pid, patience_ms))
        return 0;
    return cli_fail(cli, CCCC_E_TIMEOUT,
                    cli_printf(cli, "`cccc daemon logs`; as a last resort kill -9 %d: what was acknowledged is on disk", pid),
                    "the daemon (pid %d) did not end within %d s", pid, patience_ms / 1000);
}

/* Ask it to stop, insist with SIGTERM when it does not answer, and see it end. */
static int stop_daemon(struct cli *cli, int32_t pid)
{
    struct cccc_error error;
    const cccc_value_t *result;
    cli->patience_s = STOP_ASK_S;
    bool asked = cli_try_connect(cli, &error);
    if (asked) {
        asked = cli_try(cli, "shutdown", NULL, &result, &error);
        if (!asked && strcmp(error.code, cccc_err_code(CCCC_E_PERMISSION_DENIED)) == 0) {
            mark_stopped(cli, false); /* it serves on, and after a crash the next command is to start it */
            return cli_fail_with(cli, &error);
        }
    }
    cccc_close(&cli->client);
    if (!asked && living(cli) == pid) {
        kill(pid, SIGTERM);
        kill(pid, SIGCONT); /* a stopped process sees it only when it goes on */
    }
    return see_it_end(cli, pid);
}

int cmd_daemon_stop(struct cli *cli)
{
    int status = 0;
    if (!cli_home(cli, &status))
        return status;
    int32_t pid = living(cli);
    status = mark_stopped(cli, true);
    if (status)
        return status;
    int32_t ending = pid == 0 ? cli_ending_daemon(cli) : 0;
    if (pid == 0 && ending == 0)
        return daemon_result(cli, "not running", 0);
    status = pid ? stop_daemon(cli, pid) : see_it_end(cli, ending);
    return status ? status : daemon_result(cli, "stopped", pid ? pid : ending);
}

int cmd_daemon_restart(struct cli *cli)
{
    bool started;
    int status = 0;
    if (!cli_home(cli, &status))
        return status;
    int32_t pid = living(cli);
    if (pid)
        status = stop_daemon(cli, pid);
    if (status == 0)
        status = mark_stopped(cli, false);
    if (status == 0)
        status = cli_daemon_start(cli, &started);
    return status ? status : daemon_result(cli, pid ? "restarted" : "started", living(cli));
}

/* ---- status ---- */

int cmd_daemon_status(struct cli *cli)
{
    struct cccc_error error;
    const cccc_value_t *result;
    int status = 0;
    if (!cli_home(cli, &status))
        return status;
    if (!cli_try_connect(cli, &error)) {
        bool absent = strcmp(error.code, cccc_err_code(CCCC_E_NOT_RUNNING)) == 0;
        if (cli->json || !absent)
            status = cli_fail_with(cli, &error);
        else
            daemon_result(cli, cli_is_stopped(cli) ? "stopped" : "not running", 0);
        return absent ? CLI_EXIT_NOT_RUNNING : status;
    }
    status = cli_ask(cli, "status", NULL, &result);
    if (status)
        return status;
    if (cli->json)
        return cli_result(cli, result);
    cli_fact(cli, "daemon", "running, pid %" PRIu64 ", version %.*s, home %s", cccc_get_uint(result, "pid", 0),
             CCCC_STR_FMT(cccc_get_str(result, "version")), cli->home.root);
    cli_print_degraded(cli, result);
    return 0;
}

/* ---- logs ---- */

static void print_line(struct cli *cli, cccc_str_t line)
{
    cccc_buf_t safe;
    if (!cli->tty) {
        fwrite(line.ptr, 1, line.len, stdout);
        putchar('\n');
        return;
    }
    cccc_buf_init(&safe);
    escape_text(&safe, line, ESCAPE_ONE_LINE);
    printf("%.*s\n", (int)safe.size, safe.data ? safe.data : "");
    cccc_buf_fini(&safe);
}

/* Where the last `lines` lines of the file begin, found from its end. */
static long last_lines(FILE *file, uint64_t lines)
{
    char piece[8192];
    fseek(file, 0, SEEK_END);
    long at = ftell(file);
    uint64_t seen = 0;
    bool at_end = true;
    while (at > 0) {
        long size = at < (long)sizeof piece ? at : (long)sizeof piece;
        at -= size;
        fseek(file, at, SEEK_SET);
        if (fread(piece, 1, (size_t)size, file) != (size_t)size)
            return 0;
        for (long i = size; i-- > 0; at_end = false)
            if (piece[i] == '\n' && !at_end && ++seen >= lines)
                return at + i + 1;
    }
    return 0;
}

/* Print whole lines from the file's position on; an unfinished one waits for its end. */
static void print_new_lines(struct cli *cli, FILE *file)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    long start = ftell(file);
    clearerr(file);
    while ((n = getline(&line, &room, file)) > 0 && line[n - 1] == '\n') {
        print_line(cli, (cccc_str_t){line, (size_t)n - 1});
        start = ftell(file);
    }
    fseek(file, start, SEEK_SET);
    free(line);
    fflush(stdout);
}

/* The file at `path` is another one by now, or was cut: the log was rotated. */
static bool is_rotated(const char *path, FILE *file)
{
    struct stat named, held;
    return stat(path, &named) == 0 && fstat(fileno(file), &held) == 0 && (named.st_ino != held.st_ino || named.st_size < ftell(file));
}

static int follow_log(struct cli *cli, const char *path, const char *folder, FILE **file)
{
    char events[4096];
    int watch = inotify_init1(IN_CLOEXEC);
    if (watch < 0 || inotify_add_watch(watch, folder, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
        return cli_fail(cli, CCCC_E_INTERNAL, NULL, "cannot watch %s: %s", folder, strerror(errno));
    for (;;) {
        print_new_lines(cli, *file);
        if (is_rotated(path, *file)) {
            fclose(*file);
            *file = fopen(path, "re");
            if (!*file)
                return cli_fail(cli, CCCC_E_NOT_FOUND, NULL, "%s is gone: %s", path, strerror(errno));
            continue;
        }
        struct pollfd waits[] = {{.fd = watch, .events = POLLIN}, {.fd = STDOUT_FILENO}};
        if (poll(waits, 2, -1) > 0 && cli_is_unread())
            return 0;
        if (waits[0].revents && read(watch, events, sizeof events) < 0 && errno != EINTR)
            return cli_fail(cli, CCCC_E_INTERNAL, NULL, "cannot watch %s: %s", folder, strerror(errno));
    }
}

int cmd_daemon_logs(struct cli *cli)
{
    int status = 0;
    if (!cli_home(cli, &status))
        return status;
    const char *folder = cli_printf(cli, "%s/daemon", cli->home.root), *path = cli_printf(cli, "%s/ccccd.log", folder);
    FILE *file = fopen(path, "re");
    if (!file)
        return cli_fail(cli, CCCC_E_NOT_FOUND, "the daemon makes it when it first starts: `cccc daemon start`", "cannot read %s: %s", path,
                        strerror(errno));
    uint64_t lines = cli_number(cli, "lines", 50);
    fseek(file, lines ? last_lines(file, lines) : 0, lines ? SEEK_SET : SEEK_END);
    if (cli_flag(cli, "follow"))
        status = follow_log(cli, path, folder, &file);
    else
        print_new_lines(cli, file);
    if (file)
        fclose(file);
    return status;
}
