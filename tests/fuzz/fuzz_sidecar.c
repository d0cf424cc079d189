/* fuzz_sidecar.c - any bytes as one of the small files beside the truth: each is what cccc wrote, or counts for nothing, or is reported; none crashes a start.
 *
 * Input: one byte says which file, the rest is its content. */
#include "broker/ledger/ledger_private.h"
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
