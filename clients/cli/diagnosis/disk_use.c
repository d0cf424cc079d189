/* disk_use.c - what a disk without room is full of, as far as the home on it goes, and the smallest command that gives some back.
 *
 * Only the home is walked; what else is on the disk is known as a sum. What frees something without losing anything comes first: the trash, then older events
 * that can be compressed. Where neither helps, the command shows what is large.
 * Thread: the program's one. */
#include "clients/cli/offline.h"

#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

/* Entries looked at; a home with more is told of as "at least". */
#define ENTRIES_MAX 200000
/* Smaller trash, and smaller ledgers, are not what fills a disk. */
#define WORTH_BYTES 65536
/* To what part of itself a ledger is compressed, at the worst we have seen; as much has to be free meanwhile. */
#define COMPRESSED_PART 3
/* ledger_keep_tail_lines, where the group says nothing else. */
#define KEPT_LINES 2000

struct use {
    size_t root_len;
    uint64_t entries, total, trash;
    uint64_t trashed; /* groups in the trash */
    uint64_t ledger;  /* of the group whose ledger.jsonl is the largest */
    char group[32];
};

/* nftw has no argument for it. */
static struct use *walked;

/* "groups/<group_id>/ledger.jsonl" */
static void take_ledger(struct use *use, const char *path, uint64_t bytes)
{
    static const char groups[] = "groups/";
    const char *id = strncmp(path, groups, sizeof groups - 1) == 0 ? path + sizeof groups - 1 : NULL;
    const char *slash = id ? strchr(id, '/') : NULL;
    if (!slash || strcmp(slash, "/ledger.jsonl") != 0 || bytes <= use->ledger || (size_t)(slash - id) >= sizeof use->group)
        return;
    use->ledger = bytes;
    snprintf(use->group, sizeof use->group, "%.*s", (int)(slash - id), id);
}

static int take_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    struct use *use = walked;
    uint64_t bytes = type == FTW_NS ? 0 : (uint64_t)st->st_blocks * 512;
    const char *below = path + use->root_len + (path[use->root_len] == '/');
    use->total += bytes;
    if (strncmp(below, "trash/", 6) == 0) {
        use->trash += bytes;
        use->trashed += at->level == 2;
    }
    take_ledger(use, below, bytes);
    return ++use->entries >= ENTRIES_MAX;
}

static struct use use_of(const char *root)
{
    struct use use = {.root_len = strlen(root)};
    walked = &use;
    nftw(root, take_entry, 16, FTW_PHYS | FTW_MOUNT);
    walked = NULL;
    return use;
}

/* How many bytes of that ledger are in front of its newest events, which stay as they are. */
static uint64_t older_bytes(struct cli *cli, const struct use *use)
{
    uint64_t bytes = 0, older = 0, lines = 0, *ends = cccc_arena_alloc(cli->arena, KEPT_LINES * sizeof *ends);
    char buffer[65536];
    FILE *file = use->ledger ? fopen(cli_printf(cli, "%s/groups/%s/ledger.jsonl", cli->home.root, use->group), "re") : NULL;
    if (!file)
        return 0;
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, file)) > 0; bytes += n)
        for (const char *p = buffer; (p = memchr(p, '\n', (size_t)(buffer + n - p))); p++, lines++) {
            uint64_t *end = &ends[lines % KEPT_LINES];
            older = lines >= KEPT_LINES ? *end : 0;
            *end = bytes + (uint64_t)(p - buffer) + 1;
        }
    fclose(file);
    return older;
}

static const char *size_of(struct cli *cli, uint64_t bytes)
{
    char text[32];
    cli_size(text, sizeof text, bytes);
    return cli_printf(cli, "%s", text);
}

/* The command, and why it would help. */
static const char *advise(struct cli *cli, const struct use *use, const struct statvfs *fs, const char **why)
{
    uint64_t used = (uint64_t)(fs->f_blocks - fs->f_bfree) * fs->f_frsize, free_bytes = (uint64_t)fs->f_bavail * fs->f_frsize;
    bool inodes = fs->f_files > 0 && fs->f_favail < OFFLINE_INODES_MIN;
    if (use->trash >= WORTH_BYTES || (inodes && use->trashed > 0)) {
        *why = cli_printf(cli, "%" PRIu64 " deleted group%s still in the trash, with %s: the command ends that for good", use->trashed,
                          use->trashed == 1 ? " is" : "s are", size_of(cli, use->trash));
        return cli_printf(cli, "find %s -mindepth 1 -delete", cli_quoted(cli, cli_printf(cli, "%s/trash", cli->home.root)));
    }
    uint64_t older = inodes ? 0 : older_bytes(cli, use), needed = older / COMPRESSED_PART + (use->ledger - older) + WORTH_BYTES;
    if (older >= WORTH_BYTES && free_bytes >= needed) {
        *why = cli_printf(cli, "%s of the ledger of %s are older events that can be compressed: nothing of them is lost",
                          size_of(cli, older), use->group);
        return cli_printf(cli, "cccc ledger compact --force --group %s", use->group);
    }
    const char *mount = cli_quoted(cli, offline_mount(cli, cli->home.root));
    *why = use->total < used / 2
               ? "most of what is on this disk is not this home's: remove some of that, or move the home to a larger disk"
               : "nothing of this home can go without loss: move it to a larger disk, or retire old events (`cccc group settings --help`)";
    return cli_printf(cli, "du -x %s-d 2 %s | sort -n | tail", inodes ? "--inodes " : "", mount);
}

const char *offline_disk_advice(struct cli *cli, const char **evidence)
{
    struct statvfs fs;
    *evidence = "";
    if (statvfs(cli->home.root, &fs) != 0)
        return cli_printf(cli, "df -h -- %s", cli_quoted(cli, cli->home.root));
    if (fs.f_flag & ST_RDONLY) {
        *evidence = "why it is read-only says the kernel's log, or /etc/fstab; the next command shows the mount";
        return cli_printf(cli, "findmnt -T %s", cli_quoted(cli, cli->home.root));
    }
    struct use use = use_of(cli->home.root);
    const char *why, *next = advise(cli, &use, &fs, &why);
    *evidence = cli_printf(cli, "the home takes %s%s of the %s there are; %s", use.entries >= ENTRIES_MAX ? "at least " : "",
                           size_of(cli, use.total), size_of(cli, (uint64_t)fs.f_blocks * fs.f_frsize), why);
    return next;
}
