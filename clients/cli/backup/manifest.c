/* manifest.c - manifest.json of a backup: what it holds, so that any later change shows.
 *
 * Format 1: {format, cccc, created, home, files: [{path, bytes, blake2b}], groups: [see backup_state_of], sum}. `sum` is the BLAKE2b-256 of the same
 * map without it, as compact JSON. Paths are below the backup, sorted, without "..". Thread: the program's one. */
#include "broker/store/store.h"
#include "clients/cli/backup/backup.h"
#include "proto/event.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static void sum_of(const cccc_value_t *map, char out[BACKUP_SUM_HEX + 1])
{
    unsigned char hash[BACKUP_SUM_HEX / 2];
    cccc_buf_t text;
    cccc_buf_init(&text);
    cccc_json_write(map, &text);
    crypto_generichash(hash, sizeof hash, (const unsigned char *)text.data, text.size, NULL, 0);
    sodium_bin2hex(out, BACKUP_SUM_HEX + 1, hash, sizeof hash);
    cccc_buf_fini(&text);
}

/* ---- reading ---- */

/* A path that stays inside the folder it is below. */
static bool is_inside(cccc_str_t path)
{
    if (path.len == 0 || path.ptr[0] == '/' || memchr(path.ptr, '\0', path.len))
        return false;
    for (const char *p = path.ptr, *end = path.ptr + path.len; p < end;) {
        const char *slash = memchr(p, '/', (size_t)(end - p));
        size_t len = slash ? (size_t)(slash - p) : (size_t)(end - p);
        if (len == 0 || (len == 1 && p[0] == '.') || (len == 2 && p[0] == '.' && p[1] == '.'))
            return false;
        p += len + 1;
    }
    return path.ptr[path.len - 1] != '/';
}

static cccc_err_t check(const cccc_value_t *map, const cccc_value_t *bare, struct cccc_errmsg *m)
{
    char sum[BACKUP_SUM_HEX + 1];
    const cccc_value_t *files = cccc_get(map, "files");
    uint64_t format = cccc_get_uint(map, "format", 0);
    if (format > BACKUP_FORMAT)
        return cccc_fail(m, CCCC_E_DAMAGED, "%s is of format %" PRIu64 "; this program knows %d: use a newer cccc", BACKUP_MANIFEST, format,
                         BACKUP_FORMAT);
    sum_of(bare, sum);
    if (!cccc_str_is(cccc_get_str(map, "sum"), sum) || !cccc_is_array(files) || !cccc_is_array(cccc_get(map, "groups")))
        return cccc_fail(m, CCCC_E_DAMAGED, "%s is damaged: its own checksum does not hold", BACKUP_MANIFEST);
    for (uint32_t i = 0; i < files->via.array.size; i++) {
        cccc_str_t path = cccc_get_str(&files->via.array.ptr[i], "path");
        if (!is_inside(path))
            return cccc_fail(m, CCCC_E_DAMAGED, "%s names a file outside: \"%.*s\"", BACKUP_MANIFEST, CCCC_STR_FMT(path));
    }
    return CCCC_OK;
}

cccc_err_t backup_manifest_read(struct cli *cli, const char *dir, cccc_value_t *out, struct cccc_errmsg *m)
{
    char *text;
    size_t len;
    *out = cccc_nil();
    int rc = cccc_vfs_slurp(&cccc_vfs_posix, cli_printf(cli, "%s/" BACKUP_MANIFEST, dir), CCCC_BACKUP_MANIFEST_BYTES_MAX, &text, &len);
    if (rc < 0)
        return cccc_fail(m, rc == -ENOENT ? CCCC_E_NOT_FOUND : CCCC_E_DAMAGED, "cannot read %s: %s", BACKUP_MANIFEST, strerror(-rc));
    cccc_str_t kept = cccc_arena_str(cli->arena, (cccc_str_t){text, len});
    free(text);
    cccc_value_t map;
    cccc_err_t err = cccc_json_read(kept.ptr, kept.len, cli->arena, &map, m);
    if (err)
        return cccc_wrap(m, CCCC_E_DAMAGED, BACKUP_MANIFEST);
    if (!cccc_is_map(&map))
        return cccc_fail(m, CCCC_E_DAMAGED, "%s is not a JSON object", BACKUP_MANIFEST);
    cccc_value_t bare = cccc_map_without(cli->arena, &map, CCCC_STR("sum"));
    err = check(&map, &bare, m);
    if (err == CCCC_OK)
        *out = map;
    return err;
}

/* ---- writing ---- */

static cccc_err_t list_files(struct cli *cli, const char *dir, cccc_value_t *out, struct cccc_errmsg *m)
{
    struct backup_files files;
    struct cli_progress progress;
    int rc = backup_list(cli, dir, "", &files);
    if (rc == -EFBIG)
        return cccc_fail(m, CCCC_E_TOO_LARGE, "more than %d files (BACKUP_FILES_MAX)", CCCC_BACKUP_FILES_MAX);
    cli_progress_start(cli, &progress, "summing", files.bytes);
    cccc_builder_t list = cccc_array_builder(cli->arena, (uint32_t)files.count);
    const char *path = dir;
    for (size_t i = 0; i < files.count && rc == 0; i++) {
        char *sum = cccc_arena_alloc(cli->arena, BACKUP_SUM_HEX + 1);
        uint64_t bytes = 0;
        path = files.items[i].path;
        rc = backup_sum_file(dir, path, sum, &bytes, &progress);
        cccc_builder_t file = cccc_map_builder(cli->arena, 3);
        cccc_map_add(&file, "path", cccc_text(path));
        cccc_map_add(&file, "bytes", cccc_uint(bytes));
        cccc_map_add(&file, "blake2b", cccc_text(sum));
        cccc_array_add(&list, file.value);
    }
    cli_progress_end(&progress);
    if (rc == 0)
        rc = backup_sync_dirs(cli, dir, &files);
    *out = list.value;
    return rc < 0 ? cccc_fail(m, CCCC_E_STORAGE, "cannot read back %s: %s", path, strerror(-rc)) : CCCC_OK;
}

static cccc_err_t list_groups(struct cli *cli, const char *dir, cccc_value_t *out, struct cccc_errmsg *m)
{
    cccc_value_t ids = backup_groups(cli, dir);
    cccc_builder_t list = cccc_array_builder(cli->arena, ids.via.array.size);
    for (uint32_t i = 0; i < ids.via.array.size; i++) {
        cccc_str_t id = {0};
        cccc_value_t state;
        cccc_as_str(&ids.via.array.ptr[i], &id);
        const char *group = cccc_arena_str(cli->arena, id).ptr;
        cccc_err_t err = backup_state_of(cli, dir, group, &state, m);
        if (err) { /* it is in the backup as it is in the home, and a restore brings it back as it was */
            cccc_builder_t map = cccc_map_builder(cli->arena, 3);
            cccc_map_add(&map, "group_id", cccc_text(group));
            cccc_map_add(&map, "damaged", cccc_bool(true));
            cccc_map_add(&map, "note", cccc_string(cccc_arena_str(cli->arena, cccc_str(m->text))));
            state = map.value;
        }
        cccc_array_add(&list, state);
    }
    *out = list.value;
    return CCCC_OK;
}

cccc_err_t backup_manifest_write(struct cli *cli, const char *dir, cccc_value_t *out, struct cccc_errmsg *m)
{
    cccc_value_t files = cccc_nil(), groups = cccc_nil();
    char *created = cccc_arena_alloc(cli->arena, 32), *sum = cccc_arena_alloc(cli->arena, BACKUP_SUM_HEX + 1);
    /* Groups first: looking at them may move a torn tail aside, and the sums are of what is there then. */
    cccc_err_t err = list_groups(cli, dir, &groups, m);
    if (err == CCCC_OK)
        err = list_files(cli, dir, &files, m);
    if (err)
        return err;
    cccc_ts_format(created, cli->now_us);
    cccc_builder_t map = cccc_map_builder(cli->arena, 7);
    cccc_map_add(&map, "format", cccc_uint(BACKUP_FORMAT));
    cccc_map_add(&map, "cccc", cccc_text(CCCC_VERSION));
    cccc_map_add(&map, "created", cccc_text(created));
    cccc_map_add(&map, "home", cccc_text(cli->home.root));
    cccc_map_add(&map, "files", files);
    cccc_map_add(&map, "groups", groups);
    sum_of(&map.value, sum);
    cccc_map_add(&map, "sum", cccc_text(sum));
    *out = map.value;
    cccc_buf_t text;
    cccc_buf_init(&text);
    cccc_json_write_pretty(out, &text);
    int rc = text.size > CCCC_BACKUP_MANIFEST_BYTES_MAX
                 ? -EFBIG
                 : cccc_vfs_replace(&cccc_vfs_posix, cli_printf(cli, "%s/" BACKUP_MANIFEST, dir), text.data, text.size, false);
    cccc_buf_fini(&text);
    return rc < 0 ? cccc_fail(m, rc == -EFBIG ? CCCC_E_TOO_LARGE : CCCC_E_STORAGE, "cannot write %s: %s", BACKUP_MANIFEST, strerror(-rc))
                  : CCCC_OK;
}
