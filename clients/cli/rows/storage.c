/* storage.c - rows of the table of commands: what is on the disk: blobs, ledgers, backups. See rows.h.
 *
 * Thread: none; constant. */
#include "clients/cli/rows/rows.h"

#define ARG_BLOB                                                                                                                           \
    {                                                                                                                                      \
        .name = "BLOB", .help = "path of the blob: state/blobs/...", .required = true                                                      \
    }

static const struct cli_command rows[] = {
    {.name = "blob",
     .summary = "store and fetch files of a group",
     .examples = EXAMPLES("cccc blob put trace.log", "cccc blob get state/blobs/3f0c_trace.log -o trace.log")},
    {.noun = "blob",
     .name = "put",
     .summary = "store a file and print its blob path",
     .examples = EXAMPLES("cccc blob put trace.log"),
     .options = OPTIONS(OPT_GROUP),
     .args = ARGS({.name = "FILE", .help = "the file; at most 20 MiB", .required = true, .place = CLI_FILE}),
     .run = cmd_blob_put},
    {.noun = "blob",
     .name = "get",
     .summary = "fetch a blob",
     .examples = EXAMPLES("cccc blob get state/blobs/3f0c_trace.log -o trace.log", "cccc blob get state/blobs/3f0c_trace.log | less"),
     .options = OPTIONS(
         OPT_GROUP,
         {.name = "output",
          .letter = 'o',
          .arg = "FILE",
          .help = "write it there (default: standard output, if that is no terminal); a link is followed, a device or pipe written through",
          .place = CLI_FILE}),
     .args = ARGS(ARG_BLOB),
     .run = cmd_blob_get},
    {.noun = "blob",
     .name = "stat",
     .summary = "size and type of a blob",
     .examples = EXAMPLES("cccc blob stat state/blobs/3f0c_trace.log"),
     .options = OPTIONS(OPT_GROUP),
     .args = ARGS(ARG_BLOB),
     .run = cmd_blob_stat},
    {.name = "ledger",
     .summary = "check, repair and compact ledgers",
     .examples = EXAMPLES("cccc ledger verify", "cccc ledger stat", "cccc ledger compact --force", "cccc ledger repair --group ops")},
    {.noun = "ledger",
     .name = "verify",
     .summary = "check every line, checksum and link of a ledger",
     .about = "Reads only and needs no daemon. Exits 9 when anything is damaged or missing.",
     .examples = EXAMPLES("cccc ledger verify  # the active group's", "cccc ledger verify --all"),
     .options = OPTIONS(OPT_GROUP, {.name = "all", .help = "the ledgers of all groups"}),
     .run = cmd_ledger_verify},
    {.noun = "ledger",
     .name = "stat",
     .summary = "figures of a ledger, and what of it is kept and why",
     .about =
         "Events, bytes, first and last; then the sealed segments, those that were retired, the retention rule, and what holds it: the "
         "oldest event that "
         "somebody has not read, or that something is still open for; and what was cut from it or is missing since it was copied "
         "(state/ledger/torn/, until "
         "you remove it). Reads only and starts nothing; what holds the rule is known while a "
         "daemon serves the home.",
     .examples = EXAMPLES("cccc ledger stat", "cccc ledger stat --all --json"),
     .options = OPTIONS(OPT_GROUP, {.name = "all", .help = "the ledgers of all groups"}),
     .run = cmd_ledger_stat},
    {.noun = "ledger",
     .name = "snapshot",
     .summary = "save a group's state now, for a quick start",
     .about =
         "The daemon does so by itself: after a seal, every 100,000 events, when a busy group becomes quiet, and when it stops. The file "
         "is a cache in state/ledger/ of the group; nothing is lost without it.",
     .examples = EXAMPLES("cccc ledger snapshot", "cccc ledger snapshot --group ops --json"),
     .options = OPTIONS(OPT_GROUP, {.name = "reason", .arg = "TEXT", .help = "why, for the log"}, OPT_BY),
     .run = cmd_ledger_snapshot},
    {.noun = "ledger",
     .name = "compact",
     .summary = "seal a group's older events now",
     .about =
         "Older events move into compressed segments under state/ledger/ of the group; everything reads them as before. The daemon does so "
         "by itself when ledger.jsonl reaches ledger_max_active_bytes; before that only --force does. The newest "
         "ledger_keep_tail_lines events stay where they are. Then the group's retention rule is applied, if it has one: "
         "`cccc group settings --help`.",
     .examples = EXAMPLES("cccc ledger compact", "cccc ledger compact --group ops --force"),
     .options = OPTIONS(OPT_GROUP, {.name = "reason", .arg = "TEXT", .help = "why, repeated in the result"}, OPT_BY,
                        {.name = "force", .help = "although ledger.jsonl is small"}),
     .run = cmd_ledger_compact},
    {.noun = "ledger",
     .name = "repair",
     .summary = "give up damaged events, so that a group goes on without them",
     .about = "For a ledger whose end is damaged or lost: such a group is served and takes no messages. Restore a backup if there is one. "
              "Without "
              "--accept-loss nothing is changed and what would be done is shown. With it the damaged bytes at the end are copied to "
              "state/ledger/torn/ of the group before they are cut, and a ledger.repair event names the events given up, also those in the "
              "middle of the "
              "ledger; readers go on to be told of the gap, and doctor takes it as known. Refuses while a daemon serves the home. Exits 0 "
              "when there is "
              "nothing to give up or it is done, 9 when there is and --accept-loss was not given, 6 when a daemon serves.",
     .examples = EXAMPLES("cccc ledger repair --group ops  # what it would do",
                          "cccc ledger repair --group ops --accept-loss  # behind `cccc daemon stop`"),
     .options = OPTIONS(OPT_GROUP, {.name = "accept-loss", .help = "do it: the events named are given up"}),
     .run = cmd_ledger_repair},
    {.name = "backup",
     .summary = "make, check and list backups of the home",
     .about = "A backup is a folder shaped like a home, with a manifest.json of checksums. It holds the registry, settings, secrets (mode "
              "0600) and "
              "all groups; not the daemon's own files, the trash, and other backups. A plain copy of the home (cp -a) is a backup too, "
              "without a manifest.",
     .examples = EXAMPLES("cccc backup create", "cccc backup verify ~/.cccc/backups/20260314T091500Z --drill", "cccc backup list")},
    {.noun = "backup",
     .name = "create",
     .summary = "back up the home, also while the daemon serves",
     .about = "Each group is copied as it was at one moment: its ledger up to the last whole event, with everything that belongs to those "
              "events. "
              "The folder gets its name once all of it is on disk. Exits 9 when something was damaged in the home; the backup is made all "
              "the same.",
     .examples = EXAMPLES("cccc backup create  # in backups/ of the home", "cccc backup create /mnt/disk/cccc-monday"),
     .args = ARGS({.name = "DIR", .help = "the folder to make (default: backups/ of the home, named by the time)", .place = CLI_DIRECTORY}),
     .run = cmd_backup_create},
    {.noun = "backup",
     .name = "verify",
     .summary = "check every file and every ledger line of a backup",
     .about = "Reads only. --drill then serves a copy of it with a scratch daemon and compares last events, read cursors, unread "
              "messages and who owes what with the "
              "manifest. That daemon only serves (ccccd --serve-only): it starts no actor, delivers nothing and runs no automation. What "
              "could not be compared makes the result \"partial\" instead of \"sound\", and a note says what it is. "
              "Exits 9 when anything is damaged or missing.",
     .examples = EXAMPLES("cccc backup verify ~/.cccc/backups/20260314T091500Z", "cccc backup verify /mnt/disk/cccc-monday --drill"),
     .options = OPTIONS({.name = "drill", .help = "serve a copy of it and compare what the daemon says"}),
     .args = ARGS({.name = "DIR", .help = "the backup", .required = true, .place = CLI_DIRECTORY}),
     .run = cmd_backup_verify},
    {.noun = "backup",
     .name = "list",
     .summary = "list the backups in a folder",
     .examples = EXAMPLES("cccc backup list", "cccc backup list /mnt/disk --json"),
     .args = ARGS({.name = "DIR", .help = "the folder they are in (default: backups/ of the home)", .place = CLI_DIRECTORY}),
     .run = cmd_backup_list},
    {.name = "restore",
     .summary = "put a backup in the place of the home",
     .about = "Refuses while a daemon serves the home, but for --dry-run. The backup is verified first; the home as it was is kept beside "
              "the new one, and "
              "nothing is deleted. The daemon "
              "stays stopped. Actors that still run belong to the home as it was: they are named, and end within seconds. Followers of a "
              "ledger that is older now are told so (lineage_changed). Exits 6 when a daemon serves, 9 when "
              "the backup is damaged.",
     .examples = EXAMPLES("cccc restore ~/.cccc/backups/20260314T091500Z --dry-run  # what would change",
                          "cccc restore /mnt/disk/cccc-monday  # behind `cccc daemon stop`"),
     .options = OPTIONS({.name = "dry-run", .help = "say what would be done, and change nothing"},
                        {.name = "accept-damage", .help = "restore a damaged backup all the same"}),
     .args = ARGS({.name = "DIR", .help = "the backup, or a plain copy of a home", .required = true, .place = CLI_DIRECTORY}),
     .run = cmd_restore},
};

const struct cli_rows cli_rows_storage = {rows, sizeof rows / sizeof *rows};
