/* bundle.h - some small files in memory, written as one .tar.zst.
 *
 * POSIX ustar and zstd, which every machine with GNU tar opens (`tar --zstd -xf`). Its own few lines, because an archive library would be loaded, with
 * all that belongs to it, by every run of `cccc`. Thread: one. */
#pragma once

#include "clients/cli/cli.h"

/* Longer names do not fit into a header (asserted). */
#define BUNDLE_NAME_MAX 99

struct bundle {
    struct cli *cli;
    const char *folder;   /* what all names begin with */
    cccc_builder_t files; /* [{name, bytes}] */
    cccc_buf_t tar;
};

void bundle_init(struct bundle *self, struct cli *cli, const char *folder);
void bundle_fini(struct bundle *self);
/* Copies `text`. */
void bundle_add(struct bundle *self, const char *name, cccc_str_t text);
/* Compress all of it into a new file, 0600, synced. *bytes: its size. 0, or the exit status of the failure reported: then there is no file. */
int bundle_write(struct bundle *self, const char *path, uint64_t *bytes);
