/* fuzz_sidecar.c - any bytes as one of the small files beside the truth: each is what cccc wrote, or counts for nothing, or is reported; none crashes a start.
 *
 * Input: one byte says which file, the rest is its content. */
#include "broker/ledger/ledger_private.h"
#include "broker/ledger/snapshot.h"
#include "broker/store/store.h"
#include "tests/support/simdisk.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define GROUP "g_000000000001"
#define DIR   "/home/groups/" GROUP

struct world {
    simdisk_t *disk;
    const struct cccc_vfs *vfs;
    struct cccc_home home;
    cccc_arena_t *arena;
};

/* A mark that is believed is one that we would write with these values; else there is none. */
static void mark(struct world *w)
{
    struct cccc_mark_value value, again;
    unsigned slot;
    bool damaged;
    CCCC_ASSERT(cccc_mark_read(w->vfs, DIR "/state/ledger/mark", NULL, &value, &slot, &damaged) == 0);
    CCCC_ASSERT(slot < CCCC_MARK_SLOTS && (value.turn > 0 || value.seq == 0));
    if (value.turn == 0)
        return;
    struct cccc_mark copy = {.vfs = w->vfs, .path = "/home/copy", .slot = slot, .value = value};
    cccc_mark_write(&copy);
    CCCC_ASSERT(copy.err == 0 && cccc_mark_read(w->vfs, "/home/copy", NULL, &again, &slot, &damaged) == 0);
    CCCC_ASSERT(again.turn == value.turn && again.seq == value.seq && again.offset == value.offset && again.inode == value.inode);
}

/* What group.yaml and group.sum say is a document or a reason; with a sum that is not of these bytes it is an edit. */
static void group_files(struct world *w)
{
    struct cccc_group_files files;
    cccc_group_files_read(w->vfs, &w->home, CCCC_STR(GROUP), w->arena, &files);
    CCCC_ASSERT(!cccc_is_nil(&files.document) || files.note[0], "offline without a reason");
    CCCC_ASSERT(cccc_is_nil(&files.document) || cccc_is_map(&files.document));
}

static void document(struct world *w)
{
    struct cccc_errmsg m = {""};
    enum cccc_written by;
    cccc_value_t value = cccc_json_document(w->vfs, "/home/registry.json", w->arena, &by, &m);
    CCCC_ASSERT(cccc_is_map(&value) || (cccc_is_nil(&value) && by == CCCC_WRITTEN_UNREADABLE && m.text[0]));
    cccc_core_t *core = cccc_core_new();
    cccc_core_load_home(core, &value, &value);
    cccc_core_destroy(&core);
}

/* Whatever the file says, starts rise from it. */
static void epoch(struct world *w)
{
    struct cccc_errmsg m = {""};
    uint64_t first = 0, second = 0;
    CCCC_ASSERT(cccc_home_next_epoch(w->vfs, &w->home, &first, &m) == CCCC_OK, "%s", m.text);
    CCCC_ASSERT(cccc_home_next_epoch(w->vfs, &w->home, &second, &m) == CCCC_OK, "%s", m.text);
    CCCC_ASSERT(first > 0 && second == first + 1);
}

static void cursors(struct world *w)
{
    cccc_value_t value = cccc_legacy_cursors(w->vfs, &w->home, CCCC_STR(GROUP), w->arena);
    cccc_value_t none = cccc_nil();
    cccc_core_t *core = cccc_core_new();
    cccc_slot_t slot = cccc_core_fold_begin(core, CCCC_STR(GROUP), &none, false);
    cccc_core_fold_cursors(core, slot, &value);
    cccc_core_fold_end(core, &(struct cccc_moment){.unix_us = 1, .mono_us = 1}, slot, NULL, NULL);
    cccc_core_destroy(&core);
}

/* A saved state that is believed is one that we would write for this group and position. */
static void snapshot(struct world *w)
{
    struct cccc_snapshot of;
    char *file;
    const char *bytes;
    size_t len;
    uint64_t written;
    cccc_str_t payload;
    if (cccc_snapshot_read(w->vfs, DIR, GROUP, &of, &file, &payload) != 0)
        return;
    cccc_buf_t again = {.size = payload.len, .data = (char *)(uintptr_t)payload.ptr, .alloc = payload.len};
    simdisk_peek(w->disk, DIR "/state/ledger/snapshot", &bytes, &len);
    char *before = memcpy(malloc(len), bytes, len);
    CCCC_ASSERT(cccc_snapshot_write(w->vfs, DIR, &of, &again, false, &written) == 0 && written == len);
    simdisk_peek(w->disk, DIR "/state/ledger/snapshot", &bytes, &len);
    CCCC_ASSERT(written == len && memcmp(bytes, before, len) == 0 && strcmp(of.group_id, GROUP) == 0 && of.seq > 0);
    free(before);
    free(file);
}

static cccc_core_t *loaded(const char *bytes, size_t len, uint64_t seq, cccc_slot_t *slot)
{
    cccc_core_t *core = cccc_core_new();
    cccc_value_t none = cccc_nil();
    *slot = cccc_core_fold_begin(core, CCCC_STR(GROUP), &none, false);
    if (!cccc_core_fold_snapshot(core, *slot, seq, bytes, len))
        cccc_core_destroy(&core);
    return core;
}

/* The payload without its checksum: a state that is loaded can be shown, and saved and loaded again gives the same. */
static void state(struct world *w)
{
    const char *bytes;
    size_t len;
    cccc_slot_t slot;
    simdisk_peek(w->disk, "/home/state", &bytes, &len);
    uint64_t seq = len > 2 ? (uint64_t)(unsigned char)bytes[0] << 8 | (unsigned char)bytes[1] : 0;
    cccc_core_t *core = len > 2 ? loaded(bytes + 2, len - 2, seq, &slot) : NULL;
    if (!core)
        return;
    cccc_buf_t saved;
    cccc_buf_init(&saved);
    cccc_core_snapshot(core, slot, &saved);
    cccc_value_t first = cccc_core_dump_group(core, slot, w->arena);
    cccc_core_t *second = loaded(saved.data, saved.size, seq, &slot);
    CCCC_ASSERT(second, "what was loaded, and saved again, is refused");
    cccc_value_t again = cccc_core_dump_group(second, slot, w->arena);
    CCCC_ASSERT(cccc_value_eq(&first, &again));
    cccc_core_fold_end(second, &(struct cccc_moment){.unix_us = 1, .mono_us = 1}, slot, NULL, NULL);
    cccc_core_destroy(&second);
    cccc_core_destroy(&core);
    cccc_buf_fini(&saved);
}

static void descriptor(struct world *w)
{
    struct cccc_errmsg m = {""};
    cccc_value_t value = cccc_json_file(w->vfs, "/home/daemon/ccccd.addr.json", w->arena, &m);
    CCCC_ASSERT(cccc_is_map(&value) || m.text[0]);
}

static const struct {
    const char *path;
    void (*check)(struct world *w);
} files[] = {
    {DIR "/state/ledger/mark", mark},
    {DIR "/group.yaml", group_files},
    {DIR "/state/group.sum", group_files},
    {"/home/registry.json", document},
    {"/home/daemon/epoch", epoch},
    {DIR "/state/read_cursors.json", cursors},
    {"/home/daemon/ccccd.addr.json", descriptor},
    {DIR "/state/ledger/snapshot", snapshot},
    {"/home/state", state}, /* the first two bytes are the position */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return -1;
    size_t which = data[0] % (sizeof files / sizeof *files);
    static const char yaml[] = "v: 1\ngroup_id: " GROUP "\ntitle: t\nledger_seq: 3\n";
    struct world w = {.disk = simdisk_new(1), .home = {.root = "/home"}, .arena = cccc_arena_new(16 * 1024)};
    w.vfs = simdisk_vfs(w.disk);
    cccc_vfs_make_dirs(w.vfs, DIR "/state/ledger");
    cccc_vfs_make_dirs(w.vfs, "/home/daemon");
    simdisk_poke(w.disk, DIR "/group.yaml", yaml, sizeof yaml - 1);
    simdisk_poke(w.disk, files[which].path, (const char *)data + 1, size - 1);
    files[which].check(&w);
    cccc_arena_destroy(&w.arena);
    simdisk_destroy(&w.disk);
    return 0;
}
