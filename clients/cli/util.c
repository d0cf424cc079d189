/* util.c - what several commands need: texts, standard input, command lines, a clean leave.
 *
 * Results live in the run's arena. Thread: the program's one. */
#include "clients/cli/cli.h"
#include "proto/json.h"
#include "proto/words.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *cli_printf(struct cli *cli, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    char *text = cccc_arena_alloc(cli->arena, (size_t)len + 1);
    vsnprintf(text, (size_t)len + 1, fmt, again);
    va_end(args);
    va_end(again);
    return text;
}

int cli_read_stdin(struct cli *cli, size_t max, cccc_str_t *out)
{
    cccc_buf_t all;
    char piece[16384];
    ssize_t n;
    cccc_buf_init(&all);
    while ((n = read(STDIN_FILENO, piece, sizeof piece)) != 0 && all.size <= max) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            cccc_buf_fini(&all);
            return cli_fail(cli, CCCC_E_INTERNAL, NULL, "cannot read standard input: %s", strerror(errno));
        }
        cccc_buf_put(&all, piece, (size_t)n);
    }
    *out = cccc_arena_str(cli->arena, (cccc_str_t){all.data, all.size});
    bool fits = all.size <= max;
    cccc_buf_fini(&all);
    if (!fits)
        return cli_fail(cli, CCCC_E_TOO_LARGE, "send it as an attachment: --file", "standard input has more than %zu bytes of text", max);
    if (!cccc_utf8_valid(*out))
        return cli_fail(cli, CCCC_E_USAGE, "send it as an attachment: --file", "standard input is not UTF-8 text");
    return 0;
}

/* The rest of `text` behind its first line feed: what is before it may be a part of a line. */
static cccc_str_t whole_lines(cccc_str_t text)
{
    const char *feed = text.len > 0 ? memchr(text.ptr, '\n', text.len) : NULL;
    size_t skipped = feed ? (size_t)(feed + 1 - text.ptr) : text.len;
    return (cccc_str_t){text.ptr + skipped, text.len - skipped};
}

int cli_file_end(struct cli *cli, const char *path, uint64_t max, cccc_str_t *out, uint64_t *before)
{
    const struct cccc_vfs *vfs = &cccc_vfs_posix;
    struct cccc_stat st;
    int fd = vfs->open(vfs->ctx, path, CCCC_O_READ);
    if (fd < 0)
        return fd;
    ssize_t n = vfs->fstat(vfs->ctx, fd, &st);
    uint64_t size = n < 0 ? 0 : st.size, room = size < max ? size : max;
    char *bytes = cccc_arena_alloc(cli->arena, room + 1);
    n = n < 0 ? n : cccc_vfs_read_all(vfs, fd, bytes, room, size - room);
    vfs->close(vfs->ctx, fd);
    cccc_str_t all = {bytes, n > 0 ? (size_t)n : 0};
    *out = size > room ? whole_lines(all) : all;
    *before = size - room + (all.len - out->len);
    return n < 0 ? (int)n : 0;
}

const char *cli_joined(struct cli *cli, const cccc_value_t *list, const char *between)
{
    const char *text = "";
    cccc_str_t word = {0};
    for (uint32_t i = 0; i < cli_count(list); i++)
        if (cccc_as_str(cli_item(list, i), &word))
            text = cli_printf(cli, "%s%s%.*s", text, *text ? between : "", CCCC_STR_FMT(word));
    return text;
}

const char *cli_value_text(struct cli *cli, const cccc_value_t *value)
{
    cccc_str_t word;
    if (cccc_as_str(value, &word))
        return cccc_arena_str(cli->arena, word).ptr;
    char *json = cccc_to_json(value);
    const char *text = cccc_arena_str(cli->arena, cccc_str(json)).ptr;
    free(json);
    return text;
}

bool cli_split(struct cli *cli, const char *text, const char *const **words, size_t *count)
{
    cccc_value_t list;
    bool closed = cccc_words_split(cli->arena, cccc_str(text), &list);
    const char **out = cccc_arena_alloc(cli->arena, (cli_count(&list) + 1) * sizeof *out);
    for (uint32_t i = 0; i < cli_count(&list); i++)
        out[i] = cli_item(&list, i)->via.str.ptr;
    *words = out;
    *count = cli_count(&list);
    return closed;
}

const char *cli_in_path(struct cli *cli, const char *program)
{
    const char *path = getenv("PATH");
    while (path && *path) {
        size_t len = strcspn(path, ":");
        const char *there = cli_printf(cli, "%.*s/%s", (int)len, path, program);
        struct stat st;
        if (len > 0 && stat(there, &st) == 0 && S_ISREG(st.st_mode) && access(there, X_OK) == 0)
            return there;
        path += len + (path[len] == ':');
    }
    return NULL;
}

/* ---- leaving cleanly ---- */

static volatile sig_atomic_t remembered;

static void remember(int signal_number)
{
    remembered = signal_number;
}

void cli_defer_signals(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = remember, .sa_flags = (int)SA_RESETHAND}, before;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN) /* nohup(1) */
            sigaction(signals[i], &action, NULL);
}

int cli_signal(void)
{
    return remembered;
}

const char *cli_quoted(struct cli *cli, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+-@%,:=";
    if (word[0] && word[strspn(word, plain)] == '\0')
        return word;
    char *quoted = cccc_arena_alloc(cli->arena, 4 * strlen(word) + 3), *end = quoted;
    *end++ = '\'';
    for (; *word; word++)
        end = *word == '\'' ? stpcpy(end, "'\\''") : (*end = *word, end + 1);
    memcpy(end, "'", 2);
    return quoted;
}
