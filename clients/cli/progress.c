/* progress.c - see progress.h. */
#include "clients/cli/progress.h"

#include <inttypes.h>
#include <time.h>
#include <unistd.h>

enum { BAR_WIDTH = 30, BAR_AFTER_MS = 300, BAR_EVERY_MS = 100 };

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void cli_progress_start(struct cli *cli, struct cli_progress *self, const char *what, uint64_t all)
{
    *self = (struct cli_progress){.what = what, .all = all, .started_ms = now_ms(), .wanted = !cli->json && isatty(STDERR_FILENO)};
}

void cli_progress_line(char out[CLI_PROGRESS_LINE], const char *what, uint64_t done, uint64_t all, uint64_t ms)
{
    static const char bar[] = "##############################";
    uint64_t shown = done < all ? done : all;
    int full = (int)(shown * BAR_WIDTH / all);
    snprintf(out, CLI_PROGRESS_LINE, "%s  [%-*.*s] %3" PRIu64 " %%  %" PRIu64 " MiB/s ", what, BAR_WIDTH, full, bar, shown * 100 / all,
             done * 1000 / ms / 1048576);
}

void cli_progress_add(struct cli_progress *self, uint64_t bytes)
{
    char line[CLI_PROGRESS_LINE];
    self->done += bytes;
    int64_t now = now_ms(), ms = now - self->started_ms;
    if (!self->wanted || self->all == 0 || ms < BAR_AFTER_MS || now - self->shown_ms < BAR_EVERY_MS)
        return;
    cli_progress_line(line, self->what, self->done, self->all, (uint64_t)ms);
    fprintf(stderr, "\r%s", line);
    self->shown = true;
    self->shown_ms = now;
}

void cli_progress_set(struct cli_progress *self, uint64_t done, uint64_t all)
{
    self->all = all;
    self->done = 0;
    cli_progress_add(self, done);
}

void cli_progress_end(struct cli_progress *self)
{
    if (self->shown)
        fputs("\r\033[K", stderr);
}
