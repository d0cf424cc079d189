/* home.h - the home the campaign damages: every kind of file cccc keeps, on a simulated disk, and what a daemon serves of it.
 *
 * Thread: one. */
#pragma once

#include "tests/sim/broker.h"

/* What a file is to cccc, which decides what damage to it may do. */
enum file_kind {
    FILE_LEDGER,
    FILE_SEGMENT,  /* sealed events; its whole content has a hash */
    FILE_MANIFEST, /* of segments: others know what it says */
    FILE_BASE,     /* the state that stands for retired events: without it their group cannot be served */
    FILE_CONFIG,   /* group.yaml */
    FILE_DOCUMENT, /* registry.json, active.json: with a checksum inside */
    FILE_BLOB,
    FILE_SUM,   /* of group.yaml: without it an edit is taken for granted */
    FILE_CACHE, /* nothing is served from it: mark, group.yaml.prev, scope.yaml, cursor export, epoch, lock */
    FILE_KINDS
};
extern const char *const file_kind_names[FILE_KINDS];

struct home_file {
    char path[160];
    enum file_kind kind;
    int group; /* of home_groups, or -1 */
    char *bytes;
    size_t len;
    bool unsummed; /* of a group that only CCCC 0.4.0 has written */
    /* ledgers */
    size_t legacy_end;  /* lines of the older format end here */
    size_t marked_end;  /* the mark stands here */
    size_t vouched_end; /* bytes before it are known durable, by the mark or by `dur` */
};

enum { HOME_FILES_MAX = 96, HOME_GROUPS = 6, SERVED_TEXT_MAX = 512 * 1024 };

struct home {
    struct sim sim;
    char groups[HOME_GROUPS][16];
    struct home_file files[HOME_FILES_MAX];
    unsigned file_count, said;
};

/* Make it: four groups in use, one of which has retired events and one was killed before its mark, one of CCCC 0.4.0 that went on with us, and one that we have never opened.
 * Deterministic. */
void home_init(struct home *home);
void home_fini(struct home *home);

/* What a daemon that starts on the home serves: one text per group, and one of the home as a whole. Each NUL-terminated. */
struct served {
    bool started;
    char text[HOME_GROUPS + 1][SERVED_TEXT_MAX];
};
/* Start, ask for everything, stop in order. */
void home_serve(struct home *home, struct served *out);
