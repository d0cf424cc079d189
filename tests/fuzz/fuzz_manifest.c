/* fuzz_manifest.c - any bytes as a backup's manifest: refused with a reason, or a list of files that all lie inside the backup.
 *
 * Half of the inputs get the checksum they would need. */
#include "clients/cli/backup/backup.h"
#include "proto/json.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[64];

static void remove_dir(void)
{
    char path[96];
    snprintf(path, sizeof path, "%s/" BACKUP_MANIFEST, dir);
    unlink(path);
    rmdir(dir);
}

static void put(const char *bytes, size_t len)
{
    char path[96];
    snprintf(path, sizeof path, "%s/" BACKUP_MANIFEST, dir);
    FILE *file = fopen(path, "we");
    CCCC_ASSERT(file && fwrite(bytes, 1, len, file) == len && fclose(file) == 0);
}

/* `text` with the member `sum` that it should have; false when it is no map. */
static bool heal(const char *text, size_t len, cccc_arena_t *arena, cccc_buf_t *out)
{
    cccc_value_t map;
    unsigned char hash[BACKUP_SUM_HEX / 2];
    char hex[BACKUP_SUM_HEX + 1];
    if (cccc_json_read(text, len, arena, &map, NULL) != CCCC_OK || !cccc_is_map(&map))
        return false;
    cccc_value_t bare = cccc_map_without(arena, &map, CCCC_STR("sum"));
    cccc_json_write(&bare, out);
    crypto_generichash(hash, sizeof hash, (const unsigned char *)out->data, out->size, NULL, 0);
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    out->size = 0;
    cccc_value_t whole = cccc_map_with(arena, &bare, CCCC_STR("sum"), cccc_text(hex));
    cccc_json_write(&whole, out);
    return true;
}

static void check_inside(const cccc_value_t *files)
{
    for (uint32_t i = 0; i < files->via.array.size; i++) {
        cccc_str_t path = cccc_get_str(&files->via.array.ptr[i], "path");
        CCCC_ASSERT(path.len > 0 && path.ptr[0] != '/' && !memmem(path.ptr, path.len, "/../", 4) && !memchr(path.ptr, '\0', path.len));
        CCCC_ASSERT(!(path.len >= 3 && memcmp(path.ptr, "../", 3) == 0) &&
                    !(path.len >= 3 && memcmp(path.ptr + path.len - 3, "/..", 3) == 0));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return -1;
    if (!dir[0]) {
        snprintf(dir, sizeof dir, "/tmp/cccc-fuzz-XXXXXX");
        CCCC_ASSERT(mkdtemp(dir));
        atexit(remove_dir);
    }
    struct cli cli = {.arena = cccc_arena_new(16 * 1024)};
    struct cccc_errmsg m = {""};
    cccc_value_t manifest;
    cccc_buf_t healed;
    cccc_buf_init(&healed);
    if ((data[0] & 1) && heal((const char *)data + 1, size - 1, cli.arena, &healed))
        put(healed.data, healed.size);
    else
        put((const char *)data + 1, size - 1);
    if (backup_manifest_read(&cli, dir, &manifest, &m) == CCCC_OK)
        check_inside(cccc_get(&manifest, "files"));
    else
        CCCC_ASSERT(m.text[0], "refused without a reason");
    cccc_buf_fini(&healed);
    cccc_arena_destroy(&cli.arena);
    return 0;
}
