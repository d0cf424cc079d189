/* progress.h - a bar on the terminal while something takes a while.
 *
 * Drawn on stderr, in place, only when that is a terminal and --json was not given. Thread: the program's one. */
#pragma once

#include "clients/cli/cli.h"

enum { CLI_PROGRESS_LINE = 200 };

/* Bytes done of all. */
struct cli_progress {
    const char *what;
    uint64_t done, all;
    int64_t started_ms, shown_ms;
    bool wanted, shown;
};
void cli_progress_start(struct cli *cli, struct cli_progress *self, const char *what, uint64_t all);
void cli_progress_add(struct cli_progress *self, uint64_t bytes);
/* The same by how much is done by now, of what turned out to be all. */
void cli_progress_set(struct cli_progress *self, uint64_t done, uint64_t all);
/* Take the bar away. */
void cli_progress_end(struct cli_progress *self);

/* The bar as it is drawn after `ms` milliseconds (> 0), without the carriage return. `all` > 0. */
void cli_progress_line(char out[CLI_PROGRESS_LINE], const char *what, uint64_t done, uint64_t all, uint64_t ms);
