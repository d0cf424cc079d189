/* loss.h - notes about what a start went on without at the end of a ledger: they stay in state/ledger/torn/ until the operator removes them, because the log
 * says it once. FORMAT.md has their format.
 *
 * Thread: any; nothing is kept between calls. */
#pragma once

#include "broker/ledger/vfs.h"

enum { CCCC_LOSS_NAME_ROOM = 96, CCCC_LOSS_BY_ROOM = 64 };

struct cccc_loss {
    uint64_t from_seq,
        to_seq;     /* events that were stored once and are not there; from_seq: the one behind the head. to_seq 0: none is known of */
    uint64_t bytes; /* that were cut behind the head; 0: none */
    uint64_t at;    /* seconds since 1970; 0: not known */
    uint64_t epoch; /* of the instance that went on */
    uint64_t turn;  /* of the mark that knew of them */
    char copy[CCCC_LOSS_NAME_ROOM]; /* the file in torn/ with the bytes that were cut; "" when none were */
    char by[CCCC_LOSS_BY_ROOM];     /* the program that went on: "ccccd", "cccc ledger repair" */
};

/* Leave `loss` as torn/missing.<from_seq>.<turn>, or, where no event is known to be lost, beside the copy as torn/<copy>.note; durably. A note that says the same of another time
 * stays as it is. 0 or -errno. */
int cccc_loss_leave(const struct cccc_vfs *vfs, const char *state_dir, const struct cccc_loss *loss);

/* Read the note `name` in torn/. False: it is none, or damaged. */
bool cccc_loss_read(const struct cccc_vfs *vfs, const char *state_dir, const char *name, struct cccc_loss *out);
