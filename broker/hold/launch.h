/* launch.h - what ccccd tells a new holder: one msgpack map, read to its end from an inherited pipe.
 *
 * A pipe that ends early means that the daemon gave up: nothing is started. The document carries secrets (the environment), so it is never
 * written to a file.
 * Keys: v (1), home, group_id, actor_id, generation, socket, command [text], environment {name: text}, directory, rows, cols, ready_ms, draws, shows, questions [text], dialogs [text],
 * scrollback_bytes, scrollback_file (true: it is open as fd 5), processes_max, memory_mib_max.
 * Thread: the holder's one. */
#pragma once

#include "proto/value.h"

struct launch {
    cccc_arena_t *arena; /* owns everything below */
    const char *home, *group_id, *actor_id, *directory, *socket;
    uint64_t generation;
    char **argv, **environment; /* NULL-terminated */
    uint16_t rows, cols;
    int64_t ready_ms;  /* not ready earlier than this after the start */
    bool draws, shows; /* an agent: it draws a screen and asks for pastes before it reads; its input line shows what it is given */
    const cccc_value_t *questions, *dialogs; /* arrays (dialog.h): nothing is typed, and no key sent, while one is on the screen */
    size_t scrollback_bytes;
    int scrollback_fd;                    /* -1: none */
    uint64_t processes_max, memory_bytes; /* 0: no limit */
};

/* CCCC_E_NOT_FOUND: the pipe ended before the document did. CCCC_E_INVALID_REQUEST: it is not a launch document. */
cccc_err_t launch_read(int fd, struct launch *out, struct cccc_errmsg *m);
void launch_fini(struct launch *self);
