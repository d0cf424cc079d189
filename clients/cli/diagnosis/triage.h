/* triage.h - the runbook's five checks: daemon, group, actors, obligations, delivery and automation, in this order.
 *
 * Each check looks at one thing and says what it finds: a verdict, a sentence, the evidence, and the smallest command that would help. What only
 * follows from something else says so; the cause is the first finding that does not. Reads only, starts nothing, and says what it cannot know.
 * Shared by `cccc triage` and `cccc evidence`. Findings live in the run's arena. Thread: the program's one. */
#pragma once

#include "clients/cli/cli.h"

/* Worse ones stand further down. */
enum triage_verdict {
    TRIAGE_OK,
    TRIAGE_UNKNOWN, /* it cannot be seen now */
    TRIAGE_NOTE,    /* worth a look */
    TRIAGE_FOLLOWS, /* wrong, because something else is */
    TRIAGE_WRONG,
    TRIAGE_DAMAGED /* wrong, and stored data is damaged */
};

struct triage_finding {
    size_t check;
    enum triage_verdict verdict;
    const char *found, *evidence, *next; /* "" = none */
};

#define TRIAGE_FINDINGS_MAX 64

struct triage {
    struct cli *cli;
    const char *group; /* NULL: the home has none to look at */
    bool alive;        /* a daemon answers */
    bool served;       /* and serves the group */
    bool disk_full;
    cccc_str_t degraded;          /* what the daemon says is wrong with the group */
    bool waits;                   /* nothing is typed in this group now, for a reason that was found */
    const cccc_value_t *settings; /* of the group, in effect; NULL when not served */
    const cccc_value_t *actors;   /* their rows */
    cccc_value_t ledger;          /* as `ledger verify` judges it; nil: there is none */
    size_t check;                 /* whose turn it is */
    const char *unseen;           /* what of this check the asker may not see, with commas; NULL: nothing */
    struct triage_finding findings[TRIAGE_FINDINGS_MAX];
    size_t count, more; /* more: findings there was no room for */
};

/* The group to look at: --group, CCCC_GROUP_ID, the active one; NULL: none. Needs no daemon. 0, or the exit status of the failure reported. */
int triage_group_chosen(struct cli *cli, const char **group);
/* All five checks. */
void triage_run(struct triage *self, struct cli *cli, const char *group);
/* What to mend first; NULL: nothing was found that needs it. */
const struct triage_finding *triage_cause(const struct triage *self);
/* {group_id, verdict, cause, checks: [{name, verdict, findings}]}. */
cccc_value_t triage_value(const struct triage *self);

/* ---- for the checks ---- */

/* `next` and `evidence` may be NULL. */
void triage_found(struct triage *self, enum triage_verdict verdict, const char *next, const char *evidence, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* The checks, each in the file of its kind (triage_home.c, triage_work.c). */
void triage_look_at_daemon(struct triage *self);
void triage_look_at_group(struct triage *self);
void triage_look_at_actors(struct triage *self);
void triage_look_at_obligations(struct triage *self);
void triage_look_at_delivery(struct triage *self);
/* Ask about the group; false: the failure is a finding. `what` is asked for, as in "may not see WHAT": all that a check was refused is one
 * finding behind its others. Takes *args. */
bool triage_ask(struct triage *self, const char *op, const char *what, cccc_args_t **args, const cccc_value_t **result);
cccc_args_t *triage_args(const struct triage *self);
/* "cccc WORDS --group G". */
const char *triage_command(const struct triage *self, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "1 message", "2 messages". */
const char *triage_counted(const struct triage *self, uint64_t count, const char *what);
/* The newest events of these kinds, oldest first; NULL when there are none to be had. */
const cccc_value_t *triage_events(struct triage *self, const char *const *kinds, size_t count, int limit);
/* "event 12 (group.set_state by user at ...)"; "" for NULL. */
const char *triage_event_said(const struct triage *self, const cccc_value_t *event);
