/* files.c - which files of a home a backup holds, and copying and summing them.
 *
 * Never follows a link; owner-only modes come from the vfs. Thread: the program's one. */
#include "broker/store/store.h"
#include "clients/cli/backup/backup.h"
#include "proto/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BLOCK_BYTES (256 * 1024)
#define PATH_ROOM   4608

/* ---- what belongs to a backup ---- */

static bool starts(const char *s, const char *with)
{
    return strncmp(s, with, strlen(with)) == 0;
}

static bool ends(const char *s, const char *with)
{
    size_t n = strlen(s), m = strlen(with);
    return n >= m && strcmp(s + n - m, with) == 0;
}

/* The part of a path behind groups/<id>/, or NULL. */
static const char *in_group(const char *path)
{
    const char *slash = starts(path, "groups/") ? strchr(path + 7, '/') : NULL;
    return slash ? slash + 1 : NULL;
}

/* What says something about one machine at one moment: a lock, which file was durable how far, a draft of a file, an unfinished upload; and what is made anew from the
 * ledger. */
static bool is_momentary(const char *path)
{
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    return ends(name, ".tmp") || ends(name, ".lock") || ends(name, ".pid") || ends(path, "/state/ledger/mark") ||
           ends(path, "/state/ledger/snapshot") || ends(name, ".ids") || starts(name, ".upload-");
}

static enum backup_stage stage_of(const char *path)
{
    const char *inside = in_group(path);
    if (is_momentary(path) || strcmp(path, BACKUP_MANIFEST) == 0)
        return BACKUP_LEFT_OUT;
    if (!inside)
        return BACKUP_FIRST;
    if (strcmp(inside, "ledger.jsonl") == 0)
        return BACKUP_LEDGER;
    return starts(inside, "state/ledger/") || starts(inside, "state/blobs/") ? BACKUP_LAST : BACKUP_FIRST;
}

static bool is_entered(const char *path)
{
    static const char *const closed[] = {"daemon", "trash", "backups", "locks"};
    for (size_t i = 0; i < sizeof closed / sizeof *closed; i++)
        if (strcmp(path, closed[i]) == 0)
            return false;
    return true;
}

const char *backup_name(struct cli *cli, unsigned n)
{
    char stamp[32];
    time_t now = (time_t)(cli->now_us / 1000000);
    struct tm utc;
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
    return n == 1 ? cli_printf(cli, "%s", stamp) : cli_printf(cli, "%s-%u", stamp, n);
}

/* ---- listing ---- */

struct walk {
    struct cli *cli;
    const char *root;
    struct backup_files *files;
    const char **open; /* directories to enter, a stack */
    size_t open_count, open_room;
    const char *in; /* the directory being listed, "" at the top */
    int err;
};

static void push(struct walk *self, const char *path)
{
    if (self->open_count == self->open_room) {
        self->open_room = self->open_room ? 2 * self->open_room : 64;
        self->open = realloc(self->open, self->open_room * sizeof *self->open);
        CCCC_ASSERT(self->open, "(out of memory)");
    }
    self->open[self->open_count++] = path;
}

static void add_file(struct walk *self, const char *path, const struct cccc_stat *st)
{
    struct backup_files *files = self->files;
    if (files->count == CCCC_BACKUP_FILES_MAX) {
        self->err = -EFBIG;
        return;
    }
    if (files->count == files->room) {
        size_t room = files->room ? 2 * files->room : 256;
        struct backup_file *items = cccc_arena_alloc(self->cli->arena, room * sizeof *items);
        if (files->count > 0)
            memcpy(items, files->items, files->count * sizeof *items);
        files->items = items;
        files->room = room;
    }
    struct backup_file file = {.path = path, .bytes = st->size, .stage = stage_of(path), .odd = !st->is_regular};
    if (file.odd)
        file.stage = BACKUP_LEFT_OUT;
    files->items[files->count++] = file;
    files->bytes += file.stage == BACKUP_LEFT_OUT ? 0 : file.bytes;
}

static void visit(void *arg, const char *name)
{
    struct walk *self = arg;
    const char *path = *self->in ? cli_printf(self->cli, "%s/%s", self->in, name) : cli_printf(self->cli, "%s", name);
    struct cccc_stat st;
    int rc = cccc_vfs_posix.stat(NULL, cli_printf(self->cli, "%s/%s", self->root, path), &st);
    if (self->err < 0 || rc == -ENOENT)
        return;
    if (rc < 0)
        self->err = rc;
    else if (!st.is_dir)
        add_file(self, path, &st);
    else if (is_entered(path))
        push(self, path);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct backup_file *)a)->path, ((const struct backup_file *)b)->path);
}

int backup_list(struct cli *cli, const char *root, const char *under, struct backup_files *out)
{
    struct walk walk = {.cli = cli, .root = root, .files = out};
    *out = (struct backup_files){0};
    push(&walk, under);
    while (walk.open_count > 0 && walk.err == 0) {
        walk.in = walk.open[--walk.open_count];
        int rc = cccc_vfs_posix.list(NULL, cli_printf(cli, "%s/%s", root, walk.in), visit, &walk);
        if (rc < 0 && (rc != -ENOENT || walk.in == under))
            walk.err = rc;
    }
    free(walk.open);
    if (out->count > 0)
        qsort(out->items, out->count, sizeof *out->items, by_path);
    return walk.err;
}

/* ---- copying ---- */

static bool join(char out[PATH_ROOM], const char *root, const char *path)
{
    return snprintf(out, PATH_ROOM, "%s/%s", root, path) < PATH_ROOM;
}

static int make_parent(const char *path)
{
    char parent[PATH_ROOM];
    snprintf(parent, sizeof parent, "%s", path);
    *strrchr(parent, '/') = '\0';
    return cccc_vfs_make_dirs(&cccc_vfs_posix, parent);
}

static int copy_bytes(int from, int to, uint64_t bytes, struct cli_progress *progress)
{
    char *block = malloc(BLOCK_BYTES);
    CCCC_ASSERT(block, "(out of memory)");
    int rc = 0;
    for (uint64_t offset = 0; offset < bytes && rc == 0;) {
        size_t want = bytes - offset < BLOCK_BYTES ? (size_t)(bytes - offset) : BLOCK_BYTES;
        ssize_t n = cccc_vfs_read_all(&cccc_vfs_posix, from, block, want, offset);
        if (n <= 0) {
            rc = (int)n;
            break;
        }
        rc = cccc_vfs_write_all(&cccc_vfs_posix, to, block, (size_t)n);
        offset += (uint64_t)n;
        cli_progress_add(progress, (uint64_t)n);
    }
    free(block);
    return rc < 0 ? rc : cccc_vfs_posix.sync(NULL, to);
}

int backup_copy_open(int from, const char *to_root, const char *path, uint64_t bytes, struct cli_progress *progress)
{
    char to_path[PATH_ROOM];
    if (!join(to_path, to_root, path))
        return -ENAMETOOLONG;
    int rc = make_parent(to_path);
    int to = rc < 0 ? rc : cccc_vfs_posix.open(NULL, to_path, CCCC_O_WRITE | CCCC_O_APPEND | CCCC_O_CREATE | CCCC_O_TRUNC);
    rc = to < 0 ? to : copy_bytes(from, to, bytes, progress);
    if (to >= 0)
        cccc_vfs_posix.close(NULL, to);
    return rc;
}

int backup_copy_file(const char *from_root, const char *to_root, const char *path, uint64_t bytes, struct cli_progress *progress)
{
    char from_path[PATH_ROOM];
    if (!join(from_path, from_root, path))
        return -ENAMETOOLONG;
    int from = cccc_vfs_posix.open(NULL, from_path, CCCC_O_READ);
    if (from < 0)
        return from;
    int rc = backup_copy_open(from, to_root, path, bytes, progress);
    cccc_vfs_posix.close(NULL, from);
    return rc;
}

int backup_sum_file(const char *root, const char *path, char out[BACKUP_SUM_HEX + 1], uint64_t *bytes, struct cli_progress *progress)
{
    char full[PATH_ROOM];
    unsigned char hash[BACKUP_SUM_HEX / 2];
    crypto_generichash_state state;
    if (!join(full, root, path))
        return -ENAMETOOLONG;
    int fd = cccc_vfs_posix.open(NULL, full, CCCC_O_READ);
    if (fd < 0)
        return fd;
    char *block = malloc(BLOCK_BYTES);
    CCCC_ASSERT(block, "(out of memory)");
    crypto_generichash_init(&state, NULL, 0, sizeof hash);
    ssize_t n;
    *bytes = 0;
    while ((n = cccc_vfs_read_all(&cccc_vfs_posix, fd, block, BLOCK_BYTES, *bytes)) > 0) {
        crypto_generichash_update(&state, (const unsigned char *)block, (size_t)n);
        *bytes += (uint64_t)n;
        cli_progress_add(progress, (uint64_t)n);
    }
    crypto_generichash_final(&state, hash, sizeof hash);
    sodium_bin2hex(out, BACKUP_SUM_HEX + 1, hash, sizeof hash);
    free(block);
    cccc_vfs_posix.close(NULL, fd);
    return n < 0 ? (int)n : 0;
}

/* Files are sorted, so those of a directory stand together but for its subfolders'; a directory synced twice costs little. */
int backup_sync_dirs(struct cli *cli, const char *root, const struct backup_files *files)
{
    const char *last = "";
    int rc = 0;
    for (size_t i = 0; i < files->count && rc == 0; i++) {
        char *dir = cli_printf(cli, "%s", files->items[i].path), *slash = strrchr(dir, '/');
        size_t len = slash ? (size_t)(slash - dir) : 0;
        if (len == 0 || (strncmp(dir, last, len) == 0 && last[len] == '\0'))
            continue;
        last = cli_printf(cli, "%.*s", (int)len, dir);
        for (; rc == 0 && slash; slash = strrchr(dir, '/')) { /* it, and those above it */
            *slash = '\0';
            rc = cccc_vfs_sync_dir(&cccc_vfs_posix, cli_printf(cli, "%s/%s", root, dir));
        }
    }
    return rc < 0 ? rc : cccc_vfs_sync_dir(&cccc_vfs_posix, root);
}
