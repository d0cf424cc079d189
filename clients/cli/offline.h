/* offline.h - what `ledger`, `doctor` and `triage` find out about a home and its ledgers on disk. They read only and start nothing.
 *
 * Thread: the program's one. */
#pragma once

#include "broker/ledger/ledger.h"
#include "clients/cli/cli.h"

struct offline_ledger {
    struct cli *cli;
    const char *group;
    cccc_err_t err; /* CCCC_OK, or why it could not be judged: message */
    struct cccc_errmsg message;
    struct cccc_verify_report report;
    cccc_builder_t findings; /* array of maps: state, what, file, line, offset, length, from_seq, to_seq, reason */
};

/* What of the ledger of `group` in cli->home is kept, and why: {segments [{state sealed|retired|missing|damaged, first_seq, last_seq, bytes, raw_bytes, retired_at?}], retention
 * {max_age_s, max_bytes}, losses, safe_seq?, safe_why?}; the last two only where a daemon serves, which is asked. In the arena. keeping.c */
cccc_value_t offline_keeping(struct cli *cli, const char *group);
/* The same as rows of a table: group, what, text. */
void offline_add_keeping(struct cli *cli, cli_table_t *table, const char *group, const cccc_value_t *keeping);

/* What was taken out of the ledger of `group`, or is known to be missing from it, as long as the operator lets it lie in state/ledger/torn/: [{what missing|torn|damaged|foreign, path,
 * bytes (of the file), text (a sentence or two), from_seq?, to_seq?, at?, epoch?, by?, copy?}]. In the arena. losses.c */
cccc_value_t offline_losses(struct cli *cli, const char *group);

/* What CCCC 0.4.0 moved out of a ledger: state/ledger/archive/ledger.<stamp>.jsonl. */
struct offline_archive {
    const char *dir;
    uint64_t files, lines;
};
void offline_archive(struct cli *cli, const char *group, struct offline_archive *out);

/* Judge the ledger of `group` in cli->home. Everything found lives in the arena. */
void offline_judge(struct cli *cli, const char *group, struct offline_ledger *out);
bool offline_is_damaged(const struct offline_ledger *ledger);
/* All of it as one map. */
cccc_value_t offline_value(const struct offline_ledger *ledger);
/* A line per finding. */
void offline_print_findings(const struct offline_ledger *ledger);
/* "<file> line N offset N: what (events a..b)" of a finding. */
const char *offline_finding_text(struct cli *cli, const cccc_value_t *finding);
/* Is this finding damage, or worth a note only: what was given up, an unreadable mark? */
bool offline_is_damage(const cccc_value_t *finding);

/* Has the disk of cli->home room for messages? *text says how much. UNKNOWN: it cannot be asked. disk.c */
enum offline_room { OFFLINE_ROOM_ENOUGH, OFFLINE_ROOM_LOW, OFFLINE_ROOM_NONE, OFFLINE_ROOM_UNKNOWN };
enum offline_room offline_disk(struct cli *cli, const char **text);
/* With fewer inodes than these it has none. */
#define OFFLINE_INODES_MIN 1000
/* Where that disk has not room enough: the smallest command that makes some, or shows what can go; *evidence says what it is full of as far as that is known. Walks the home. In the
 * arena. disk_use.c */
const char *offline_disk_advice(struct cli *cli, const char **evidence);

/* The type of the file system `path` is on ("ext4", "tmpfs"), or "unknown"; in the arena. disk.c */
const char *offline_filesystem(struct cli *cli, const char *path);
/* Where the file system of `path` is mounted; `path` itself when nobody knows. In the arena. disk.c */
const char *offline_mount(struct cli *cli, const char *path);

/* A group that registry.json has and the disk has not. */
struct offline_lost {
    const char *group, *title;
    const char *what; /* what is gone, as a sentence without its end */
    bool in_trash;    /* it was deleted, and the daemon stopped before it could say so in the registry */
};
/* Those of cli->home, in the order of the file; its sum is not looked at. In the arena. */
uint32_t offline_lost_groups(struct cli *cli, const cccc_value_t *registry, struct offline_lost **out);
