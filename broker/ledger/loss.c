/* loss.c - see loss.h. */
#include "broker/ledger/loss.h"

#include "broker/ledger/ledger_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOSS_TEXT_MAX = 512 };
#define TITLE "cccc-loss 1"

/* ---- the text ---- */

/* One line, with its checksum and newline; its length. */
static size_t format_loss(const struct cccc_loss *loss, char out[LOSS_TEXT_MAX])
{
    int len = snprintf(out, LOSS_TEXT_MAX, TITLE " from=%llu to=%llu bytes=%llu at=%llu epoch=%llu turn=%llu copy=%s by=%s",
                       (unsigned long long)loss->from_seq, (unsigned long long)loss->to_seq, (unsigned long long)loss->bytes,
                       (unsigned long long)loss->at, (unsigned long long)loss->epoch, (unsigned long long)loss->turn, loss->copy, loss->by);
    uint32_t crc = cccc_crc32c(0, out, (size_t)len);
    return (size_t)len + (size_t)snprintf(out + len, LOSS_TEXT_MAX - (size_t)len, " crc=%08x\n", crc);
}

/* The text behind " <name>=" up to `end` (or the end of the text) in *value, with room for it. */
static bool take_text(const char *text, const char *name, const char *end, char *value, size_t room)
{
    char key[16];
    snprintf(key, sizeof key, " %s=", name);
    const char *at = strstr(text, key), *stop = at ? strstr(at + strlen(key), end) : NULL;
    size_t len = stop ? (size_t)(stop - at) - strlen(key) : room;
    if (len >= room)
        return false;
    memcpy(value, at + strlen(key), len);
    value[len] = '\0';
    return true;
}

static bool take_number(const char *text, const char *name, uint64_t *value)
{
    char digits[24];
    if (!take_text(text, name, " ", digits, sizeof digits))
        return false;
    *value = strtoull(digits, NULL, 10);
    return true;
}

/* False unless `text` is exactly what format_loss would have written for some loss. */
static bool parse_loss(const char *text, struct cccc_loss *out)
{
    struct cccc_loss loss = {0};
    char again[LOSS_TEXT_MAX];
    bool good = take_number(text, "from", &loss.from_seq) && take_number(text, "to", &loss.to_seq) &&
                take_number(text, "bytes", &loss.bytes) && take_number(text, "at", &loss.at) && take_number(text, "epoch", &loss.epoch) &&
                take_number(text, "turn", &loss.turn) && take_text(text, "copy", " ", loss.copy, sizeof loss.copy) &&
                take_text(text, "by", " crc=", loss.by, sizeof loss.by);
    if (!good)
        return false;
    format_loss(&loss, again);
    if (strcmp(text, again) != 0)
        return false;
    *out = loss;
    return true;
}

/* ---- the file ---- */

static char *path_of(const char *state_dir, const char *name)
{
    char *dir = cccc_path_join(state_dir, "torn"), *path = cccc_path_join(dir, name);
    free(dir);
    return path;
}

bool cccc_loss_read(const struct cccc_vfs *vfs, const char *state_dir, const char *name, struct cccc_loss *out)
{
    char *path = path_of(state_dir, name), *text = NULL;
    size_t len;
    bool good = cccc_vfs_slurp(vfs, path, LOSS_TEXT_MAX - 1, &text, &len) == 0 && parse_loss(text, out);
    free(text);
    free(path);
    return good;
}

static bool says_the_same(const struct cccc_loss *a, const struct cccc_loss *b)
{
    return a->from_seq == b->from_seq && a->to_seq == b->to_seq && a->bytes == b->bytes && strcmp(a->copy, b->copy) == 0;
}

int cccc_loss_leave(const struct cccc_vfs *vfs, const char *state_dir, const struct cccc_loss *loss)
{
    char name[CCCC_LOSS_NAME_ROOM + 8], text[LOSS_TEXT_MAX];
    struct cccc_loss there;
    if (loss->to_seq > 0)
        snprintf(name, sizeof name, "missing.%llu.%llu", (unsigned long long)loss->from_seq, (unsigned long long)loss->turn);
    else
        snprintf(name, sizeof name, "%s.note", loss->copy);
    char *dir = cccc_path_join(state_dir, "torn"), *path = path_of(state_dir, name);
    int rc = cccc_vfs_make_dirs(vfs, dir);
    if (rc == 0 && cccc_loss_read(vfs, state_dir, name, &there) && says_the_same(&there, loss))
        rc = cccc_vfs_sync_dir(vfs, dir); /* a start that was stopped right behind it */
    else if (rc == 0)
        rc = cccc_vfs_replace(vfs, path, text, format_loss(loss, text), false);
    free(path);
    free(dir);
    return rc;
}
