/* simdisk.h - a disk in memory, behind struct cccc_vfs, that forgets, tears and fails the way real ones do.
 *
 * Files have a cache (what processes see) and a disk (what a power cut leaves). Only sync moves one to the other, in pages of 4096 bytes; a
 * directory's entries are a separate thing to sync. A power cut keeps, loses or tears (in sectors of 512 bytes) each unsynced page, loses or keeps
 * size changes and directory operations, each by a dice seeded at creation. A sync that fails leaves its pages clean and unwritten, as Linux does.
 * Thread: one. */
#pragma once

#include "broker/ledger/vfs.h"
#include "proto/str.h"

typedef struct simdisk simdisk_t;

enum simdisk_fault_kind {
    SIMDISK_FAIL,  /* the call does nothing and answers -error; a sync loses pages */
    SIMDISK_SHORT, /* a transfer moves only a part; other calls are spared */
    SIMDISK_CRASH, /* the call happens in part or not at all, and every later one answers -EIO until simdisk_kill or simdisk_power_cut */
    SIMDISK_FILL   /* the disk is full: the first write from then on moves only a part, and all later ones answer -error until disarmed */
};

struct simdisk_fault {
    enum simdisk_fault_kind kind;
    uint64_t at;   /* the how manyth call from now */
    int error;     /* FAIL: a positive errno */
    bool for_ever; /* FAIL, SHORT: all calls from then on */
};

enum simdisk_loss {
    SIMDISK_LOSE_ALL, /* nothing unsynced survives */
    SIMDISK_KEEP_ALL, /* all of it does */
    SIMDISK_DICE      /* each page, sector, size and directory operation by itself */
};

simdisk_t *simdisk_new(uint64_t seed);
void simdisk_destroy(simdisk_t **self);
const struct cccc_vfs *simdisk_vfs(simdisk_t *self);

/* From now on `fault` waits for its call; NULL disarms. Restarts the count of calls. */
void simdisk_arm(simdisk_t *self, const struct simdisk_fault *fault);
/* Calls since the last arm; whether the fault has happened. */
uint64_t simdisk_calls(const simdisk_t *self);
bool simdisk_fired(const simdisk_t *self);
/* True between a crash and what follows it. */
bool simdisk_is_down(const simdisk_t *self);

/* From now on every call answers -EIO, as after a crash. */
void simdisk_halt(simdisk_t *self);
/* The process dies: descriptors and locks are gone, the cache stays. */
void simdisk_kill(simdisk_t *self);
/* The machine loses power and comes back. */
void simdisk_power_cut(simdisk_t *self, enum simdisk_loss loss);

/* Descriptors in use, for leak checks; successful syncs of files so far. */
unsigned simdisk_open_files(const simdisk_t *self);
uint64_t simdisk_syncs(const simdisk_t *self);

/* A file as processes see it; false when there is none. Borrowed until the next change. */
bool simdisk_peek(simdisk_t *self, const char *path, const char **bytes, size_t *len);
/* The same for the file, there or removed since, that `is_it` is true for; false when there never was one. */
bool simdisk_dig(const simdisk_t *self, bool (*is_it)(void *arg, const char *bytes, size_t len), void *arg, const char **bytes,
                 size_t *len);
/* Would `text`, somewhere in a file, be there after a power cut? Whatever the names of files are then. */
bool simdisk_is_durable(const simdisk_t *self, cccc_str_t text);
/* Make the file's cache and disk these bytes, keeping its inode, and its name durable; its folder must be there. */
void simdisk_poke(simdisk_t *self, const char *path, const char *bytes, size_t len);
/* The same as a new inode, as a restored copy has. */
void simdisk_restore(simdisk_t *self, const char *path, const char *bytes, size_t len);

/* A number below `below` from the disk's own dice. */
uint64_t simdisk_roll(simdisk_t *self, uint64_t below);
