/* hold.h - one holder: an agent in its terminal, and the conversation about it with ccccd. Internal to broker/hold; HOLD.md is the contract.
 *
 * hold.c owns the loop and the agent's life, orders.c carries out what the daemon wants, talk.c is the bus client. One thread does all of it; libzmq has its own. */
#pragma once

#include "broker/hold/child.h"
#include "broker/hold/keys.h"
#include "broker/hold/launch.h"
#include "broker/hold/prompt.h"
#include "broker/hold/reports.h"
#include "broker/hold/ring.h"
#include "broker/hold/screen.h"
#include "broker/hold/scrollback.h"
#include "broker/hold/terminal.h"
#include "broker/hold/typing.h"
#include "clients/lib/include/cccc.h"

enum talk_state { TALK_ABSENT, TALK_OPENED, TALK_REGISTERING, TALK_REGISTERED };

struct talk {
    cccc_t *client;
    enum talk_state state;
    int64_t retry_ms; /* when to try again, while not registered */
    int64_t backoff_ms;
    uint64_t serial;               /* of requests sent */
    uint64_t hello_serial;         /* of the last hold_register */
    uint32_t waits_out;            /* hold_wait requests not answered yet */
    struct asked *asked;           /* what is not answered yet; talk.c */
    bool told_ready, told_stopped; /* the last facts sent said so */
    const char *told_obstacle;     /* ... and this one */
    bool exit_sent, exit_heard;
    bool superseded; /* the daemon does not want us any more */
};

struct hold {
    struct launch launch;
    struct limits limits;
    struct child child;
    char start_failure[512]; /* "" or why there is no agent */
    struct ring ring;
    struct scrollback scrollback;
    screen_t *screen;
    struct terminal terminal;
    struct typing typing;
    char typing_order[ORDER_ID_BYTES_MAX + 1];
    uint64_t typed; /* texts that were typed, or may have been */
    struct reports reports;
    struct talk talk;

    int signals; /* signalfd */
    int64_t now_ms, started_ms;
    int64_t output_ms; /* of the last output; 0 = none yet */
    int64_t drawn_ms;  /* when there was something to be seen and pastes were asked for; 0 = not yet */
    bool ready;
    int64_t rest_ms; /* when it was last looked whether a silent program is at rest */

    const char *obstacle;     /* why nothing may be typed, as last looked; "": it may. Of the texts in orders.c */
    int64_t obstacle_ms;      /* when it was looked for last */
    bool maybe_unread;        /* something was written to the program since it was last seen to have read all */
    bool asked;               /* a dialog was open ... */
    uint64_t asked_at_change; /* ... on the screen after so many changes of it */

    cccc_buf_t keys;      /* what a person typed and the program has not read yet */
    struct keys person;   /* what it means to us */
    struct prompt prompt; /* what stood in the input line before it */

    int64_t read_window_ms; /* reading is bounded per window */
    size_t read_in_window;
    int64_t read_window_cpu_us; /* what the thread had used when it began */

    bool stopping;          /* the agent is to end */
    bool stop_asked;        /* ... because somebody wanted it */
    int64_t hung_up_ms;     /* when everybody had closed the terminal; 0 = not */
    bool terminal_closed;   /* and that is why the agent is ended */
    int64_t stop_until_ms;  /* then it is killed */
    cccc_buf_t last_screen; /* after the exit */
    const char *limit;      /* ... the limit that was reached; "" */

    bool stopped;           /* the agent's process is: SIGSTOP and the like */
    int home;               /* the folder, opened so that it is known again; -1 = it could not be */
    int64_t home_seen_ms;   /* when the home was there last */
    int64_t home_looked_ms; /* when it was looked for last */
};

/* ---- hold.c ---- */

/* Start the agent and serve until it has gone and the daemon knows, or the daemon does not want it any more. Returns the exit status. */
int hold_run(struct launch *launch);
/* The monotonic clock. */
int64_t hold_clock_ms(void);
/* Begin to end the agent: HUP and TERM now, KILL after `grace_ms`. */
void hold_stop(struct hold *self, int64_t grace_ms);
/* Change the size of the terminal; zeros change nothing. */
void hold_resize(struct hold *self, uint16_t rows, uint16_t cols);
/* What typing needs to know of the terminal now. */
struct typing_terminal hold_typing_terminal(struct hold *self);
/* True when there is nothing left to hold. */
bool hold_agent_is_gone(const struct hold *self);

/* ---- orders.c ---- */

/* Do what the daemon orders ({delivery_id, kind, ...}, HOLD.md), once, and report what becomes of it; an order that was met before is only reported again. */
void hold_carry_out(struct hold *self, const cccc_value_t *order);
/* Is a question of the program's own on the screen, which a key of ours would answer? */
bool hold_is_asked(struct hold *self);
/* Look for what keeps texts from being typed, for the daemon, which hands over nothing meanwhile; not more often than it is worth. */
void hold_note_obstacle(struct hold *self);
/* When to look again at the latest. */
int64_t hold_obstacle_due(const struct hold *self);
/* The text that was being typed came to an end: report it. */
void hold_typing_done(struct hold *self);

/* ---- talk.c ---- */

/* Say what is to be said, if it can be said now. */
void talk_step(struct hold *self);
/* When to step at the latest, INT64_MAX: only when something happens. */
int64_t talk_due(const struct hold *self);
void talk_end(struct hold *self);
