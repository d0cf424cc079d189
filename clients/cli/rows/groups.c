/* groups.c - rows of the table of commands: groups, their settings and scopes, and which is the active one. See rows.h.
 *
 * Thread: none; constant. */
#include "clients/cli/rows/rows.h"

#define ARG_GROUP                                                                                                                          \
    {                                                                                                                                      \
        .name = "GROUP", .help = "id, unique prefix or unique title"                                                                       \
    }

static const struct cli_command rows[] = {
    {.name = "group",
     .summary = "make, change and remove groups",
     .examples = EXAMPLES("cccc group create \"Demo\"", "cccc group show", "cccc group set-state idle")},
    {.noun = "group",
     .name = "create",
     .summary = "make a group and make it the active one",
     .examples = EXAMPLES("cccc group create \"Release 2\"", "cccc group create --title Demo --topic \"Try things out\""),
     .options = OPTIONS({.name = "title", .arg = "TEXT", .help = "its title (default: working-group)"},
                        {.name = "topic", .arg = "TEXT", .help = "what it is about", .blank = true}, OPT_BY),
     .args = ARGS({.name = "TITLE", .help = "its title, instead of --title"}),
     .run = cmd_group_create},
    {.noun = "group",
     .name = "list",
     .summary = "list the groups, newest activity first",
     .examples = EXAMPLES("cccc group list"),
     .options = OPTIONS(OPT_FORGET_MISSING),
     .run = cmd_groups},
    {.noun = "group",
     .name = "show",
     .summary = "one group's configuration, secrets left out",
     .examples = EXAMPLES("cccc group show  # the active group", "cccc group show Demo --json"),
     .options = OPTIONS(OPT_GROUP),
     .args = ARGS(ARG_GROUP),
     .run = cmd_group_show},
    {.noun = "group",
     .name = "update",
     .summary = "change a group's title or topic",
     .examples = EXAMPLES("cccc group update --title \"Release 3\"", "cccc group update Demo --topic \"API review\""),
     .options = OPTIONS(OPT_GROUP, {.name = "title", .arg = "TEXT", .help = "the new title"},
                        {.name = "topic", .arg = "TEXT", .help = "the new topic", .blank = true}, OPT_BY),
     .args = ARGS(ARG_GROUP),
     .run = cmd_group_update},
    {.noun = "group",
     .name = "use",
     .summary = "make another attached directory the group's active scope",
     .about = "This is about the directory messages and actors work in. `cccc use` is what makes a group the active one.",
     .examples = EXAMPLES("cccc group use Demo ~/src/widget", "cccc group use Demo  # the current directory"),
     .options = OPTIONS(OPT_BY),
     .args = ARGS({.name = "GROUP", .help = "id, unique prefix or unique title", .required = true},
                  {.name = "PATH", .help = "a directory inside the scope (default: the current one)", .place = CLI_DIRECTORY}),
     .run = cmd_group_use},
    {.noun = "group",
     .name = "detach-scope",
     .summary = "detach a directory from a group",
     .examples =
         EXAMPLES("cccc group detach-scope ~/src/widget", "cccc group detach-scope s_c3b177f21e90  # `cccc group show` names the scopes"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS({.name = "SCOPE", .help = "the scope's key, its directory, or its label", .required = true}),
     .run = cmd_group_detach_scope},
    {.noun = "group",
     .name = "set-state",
     .summary = "set a group to active, idle, paused or stopped",
     .about = "Active: messages and notices are typed. Idle: only what people and actors write. Paused: nothing. None of them starts a "
              "program; how many run is "
              "said, and what starts the others. Stopped is `cccc group stop`.",
     .examples = EXAMPLES("cccc group set-state paused", "cccc group set-state active --group Demo"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS({.name = "STATE", .help = "active, idle, paused or stopped", .required = true, .words = "active|idle|paused|stopped"}),
     .run = cmd_group_set_state},
    {.noun = "group",
     .name = "start",
     .summary = "start a group's enabled actors",
     .about = "Needs an attached directory. Every enabled actor with a terminal is started, and from then on kept running; disabled ones "
              "stay as they "
              "are. Prints who runs and who failed and why. Exits 8 when one of them did not start.",
     .examples = EXAMPLES("cccc group start", "cccc group start Demo"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS(ARG_GROUP),
     .run = cmd_group_start},
    {.noun = "group",
     .name = "stop",
     .summary = "stop a group's actors",
     .about = "Ends the program of every actor in a terminal. None is disabled: `cccc group start` starts the same ones again. Messages "
              "are still taken "
              "and wait in inboxes and queues.",
     .examples = EXAMPLES("cccc group stop", "cccc group stop Demo"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS(ARG_GROUP),
     .run = cmd_group_stop},
    {.noun = "group",
     .name = "settings",
     .summary = "show or change a group's settings",
     .about = "Without NAME=VALUE it shows every setting as it is in effect, and which have their default. "
              "Everything is kept unless retention_max_age_s or retention_max_bytes is set (0: off): then the oldest sealed segments are "
              "removed, those whose events are all older than so many seconds, or that make the segments' files larger than so many bytes; "
              "never one with an "
              "event that is unread, or still owed an acknowledgement or a delivery. `cccc ledger stat` shows the rule, and what holds it.",
     .examples = EXAMPLES("cccc group settings  # all of them",
                          "cccc group settings default_send_to=broadcast  # messages without --to go to everybody",
                          "cccc group settings retention_max_age_s=7776000  # remove what is older than 90 days and done with"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS({.name = "NAME=VALUE", .help = "a setting and its new value", .repeat = true, .suggest = cccc_core_setting_name}),
     .run = cmd_group_settings},
    {.noun = "group",
     .name = "delete",
     .summary = "move a group's folder to the trash",
     .about = "The folder goes to trash/ in the home; erased are only its actors' secrets and what their programs printed. The group's "
              "whole id has to be repeated with --confirm.",
     .examples = EXAMPLES("cccc group delete g_a3610964d661 --confirm g_a3610964d661"),
     .options = OPTIONS(OPT_GROUP, {.name = "confirm", .arg = "ID", .help = "the group's whole id, again"}, OPT_BY),
     .args = ARGS(ARG_GROUP),
     .run = cmd_group_delete},
    {.name = "attach",
     .summary = "attach a directory to a group as a scope",
     .about =
         "Without --group it finds or makes the directory's own group, named by its git remote or path. The group becomes the active one.",
     .examples = EXAMPLES("cccc attach  # the current directory, its own group", "cccc attach ~/src/widget --group Demo"),
     .options = OPTIONS({.name = "group", .letter = 'g', .arg = "GROUP", .help = "attach it to this group (default: the directory's own)"},
                        OPT_BY),
     .args = ARGS({.name = "PATH", .help = "the directory (default: the current one)", .place = CLI_DIRECTORY}),
     .run = cmd_attach},
    {.name = "use",
     .summary = "make a group the active one",
     .about = "Commands without --group are about the active group.",
     .examples = EXAMPLES("cccc use Demo", "cccc use g_a361"),
     .options = OPTIONS(OPT_BY),
     .args = ARGS({.name = "GROUP", .help = "id, unique prefix or unique title", .required = true}),
     .run = cmd_use},
    {.name = "active", .summary = "show the active group", .examples = EXAMPLES("cccc active", "cccc active --json"), .run = cmd_active},
};

const struct cli_rows cli_rows_groups = {rows, sizeof rows / sizeof *rows};
