/* automation.c - rows of the table of commands: automation: rules, snippets, nudges. See rows.h.
 *
 * Thread: none; constant. */
#include "clients/cli/rows/rows.h"

#define ARG_RULE                                                                                                                           \
    {                                                                                                                                      \
        .name = "RULE", .help = "name of the rule", .required = true                                                                       \
    }
#define ARG_RULE_TEXT                                                                                                                      \
    {                                                                                                                                      \
        .name = "TEXT", .help = "what it says"                                                                                             \
    }
#define OPT_RULE                                                                                                                           \
    {.name = "every", .arg = "TIME", .help = "run every so often: 90s, 15m, 1h30m, 1d"},                                                   \
        {.name = "cron", .arg = "FIELDS", .help = "run at these times: minute hour day-of-month month day-of-week"},                       \
        {.name = "timezone", .arg = "ZONE", .help = "zone of --cron, such as Europe/Berlin (default: UTC)"},                               \
        {.name = "at", .arg = "TIME", .help = "run once: a time (2026-12-01T09:00:00+01:00), or so long from now (2h)"}, OPT_RULE_TO,      \
        {.name = "title", .arg = "TEXT", .help = "title of the notice (default: Reminder)"},                                               \
        {.name = "snippet", .arg = "NAME", .help = "say what this snippet says"},                                                          \
        {.name = "priority", .arg = "LEVEL", .help = "of the notice (default: normal)", .words = "low|normal|high|urgent"},                \
        {.name = "requires-ack", .help = "each recipient owes an acknowledgement"},                                                        \
        {.name = "personal", .arg = "ID", .help = "the rule is this actor's, and to it alone"},                                            \
        {.name = "set-state", .arg = "STATE", .help = "set the group to this state", .words = "active|idle|paused|stopped"},               \
    {                                                                                                                                      \
        .name = "control", .arg = "WHAT", .help = "do this with the actors of --to", .words = "start|stop|restart"                         \
    }
#define OPT_RULE_TO                                                                                                                        \
    {                                                                                                                                      \
        .name = "to", .letter = 't', .arg = "WHO", .help = "actor ids, @all, @peers, @foreman; lists with commas (default: @foreman)",     \
        .type = CLI_LIST, .repeat = true                                                                                                   \
    }

static const struct cli_command rows[] = {
    {.name = "automation",
     .summary = "rules: what is done at certain times",
     .about = "A rule has a trigger (every so often, a cron expression in a time zone, or once at a time) and does one thing: notify "
              "actors, set the group's "
              "state, or start, stop or restart actors (the last two only once). Rules run in groups that run and are active. What is "
              "missed is not made up "
              "for; a rule for once waits. PROTOCOL.md, \"Automation\", has all of it, with the nights on which clocks change.",
     .examples = EXAMPLES("cccc automation list", "cccc automation add sync --every 30m --to @peers \"Commit what you have\"")},
    {.noun = "automation",
     .name = "list",
     .summary = "the rules, what became of them, and when they run next",
     .examples = EXAMPLES("cccc automation list", "cccc automation list --json  # with texts, snippets and the next five runs"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .run = cmd_automation_list},
    {.noun = "automation",
     .name = "show",
     .summary = "one rule, with its next five runs",
     .examples = EXAMPLES("cccc automation show standup"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS(ARG_RULE),
     .run = cmd_automation_show},
    {.noun = "automation",
     .name = "add",
     .summary = "make a rule",
     .about = "Without --set-state and --control it notifies. In texts, {{interval_minutes}}, {{group_title}}, {{actor_names}} and "
              "{{scheduled_at}} are "
              "filled in.",
     .examples = EXAMPLES("cccc automation add sync --every 30m --to @peers \"Commit what you have\"",
                          "cccc automation add morning --cron \"0 9 * * 1-5\" --timezone Europe/Berlin --snippet standup",
                          "cccc automation add night --at 2026-12-01T22:00:00+01:00 --set-state paused",
                          "cccc automation add fresh --at 2h --control restart --to dev  # two hours from now"),
     .options = OPTIONS(OPT_GROUP, OPT_RULE, {.name = "disabled", .help = "it does not run until it is enabled"}, OPT_BY),
     .args = ARGS({.name = "RULE", .help = "name of the new rule", .required = true}, ARG_RULE_TEXT),
     .run = cmd_automation_add},
    {.noun = "automation",
     .name = "update",
     .summary = "change a rule; what is not named stays",
     .about = "Refused (exit 6) when somebody else changed the rules between the reading and the writing. Another trigger begins anew.",
     .examples = EXAMPLES("cccc automation update sync --every 1h", "cccc automation update sync \"Commit, then say so\""),
     .options = OPTIONS(OPT_GROUP, OPT_RULE, OPT_BY),
     .args = ARGS(ARG_RULE, ARG_RULE_TEXT),
     .run = cmd_automation_update},
    {.noun = "automation",
     .name = "enable",
     .summary = "let a rule run again, from now on",
     .examples = EXAMPLES("cccc automation enable standup"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS(ARG_RULE),
     .run = cmd_automation_enable},
    {.noun = "automation",
     .name = "disable",
     .summary = "keep a rule, and do not run it",
     .examples = EXAMPLES("cccc automation disable standup"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS(ARG_RULE),
     .run = cmd_automation_disable},
    {.noun = "automation",
     .name = "remove",
     .summary = "remove a rule",
     .examples = EXAMPLES("cccc automation remove standup"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS(ARG_RULE),
     .run = cmd_automation_remove},
    {.noun = "automation",
     .name = "run",
     .summary = "run a rule now, beside its schedule",
     .about = "Also one that is disabled, and in a group that is paused or stopped.",
     .examples = EXAMPLES("cccc automation run standup"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS(ARG_RULE),
     .run = cmd_automation_run},
    {.noun = "automation",
     .name = "next",
     .summary = "when rules run next, five times ahead",
     .about = "Local time of the rule's zone first.",
     .examples = EXAMPLES("cccc automation next", "cccc automation next standup"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS({.name = "RULE", .help = "only this one"}),
     .run = cmd_automation_next},
    {.noun = "automation",
     .name = "snippet",
     .summary = "show, set or remove a text that rules share",
     .examples =
         EXAMPLES("cccc automation snippet standup", "cccc automation snippet standup \"{{actor_names}}: what is done, what is next?\"",
                  "cccc automation snippet standup --remove"),
     .options = OPTIONS(OPT_GROUP, {.name = "remove", .help = "remove it"}, OPT_BY),
     .args = ARGS({.name = "SNIPPET", .help = "its name", .required = true}, {.name = "TEXT", .help = "what it says from now on"}),
     .run = cmd_automation_snippet},
    {.noun = "actor",
     .name = "prompt",
     .summary = "what an actor is told first when its program starts",
     .about = "The group's own words (prompts/CCCC_PREAMBLE.md of its folder), or the built-in ones.",
     .examples = EXAMPLES("cccc actor prompt peer-1"),
     .options = OPTIONS(OPT_GROUP),
     .args = ARGS(ARG_ACTOR),
     .run = cmd_actor_prompt},
};

const struct cli_rows cli_rows_automation = {rows, sizeof rows / sizeof *rows};
