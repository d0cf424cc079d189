/* seal.h - moving the older lines of ledger.jsonl into sealed segments, while appends go on. FORMAT.md has the order and why it may be interrupted.
 *
 * One seal of a ledger at a time, in three stages, each an owned message: prepare (write segments and manifest), catch up (copy what stays; as often as need be),
 * switch (the new file takes the place of the old one). Only during the switch no batch is out.
 * Thread: the stages' work in any; the rest in the ledger's owner's. */
#pragma once

#include "broker/ledger/ledger.h"

typedef struct cccc_sealing cccc_sealing_t;

struct cccc_seal_options {
    uint64_t keep_lines;    /* so many of the newest stay in ledger.jsonl; at least one does */
    uint64_t keep_bytes;    /* but no more than about so many bytes; 0: as many as they have */
    uint64_t segment_bytes; /* of lines in one segment, about; 0: CCCC_SEGMENT_BYTES */
    uint32_t frame_bytes;   /* of lines in one frame, about; 0: CCCC_SEGMENT_FRAME_BYTES */
};

/* Bytes of ledger.jsonl that are not in a segment yet. */
uint64_t cccc_ledger_unsealed(const cccc_ledger_t *self);
/* A seal of all but the newest `keep_lines` lines; NULL when there is nothing to seal, one is under way, or the ledger is not well. */
cccc_sealing_t *cccc_ledger_take_seal(cccc_ledger_t *self, const struct cccc_seal_options *options);
/* Any thread: segments and manifest. */
void cccc_seal_prepare(cccc_sealing_t *self);
/* Owner: bytes that a catch-up would copy now; 0 when the seal has failed or has nothing to switch. */
uint64_t cccc_ledger_seal_behind(cccc_ledger_t *self, cccc_sealing_t *seal);
/* Any thread: copy what stays, as far as it was durable when seal_behind was asked. */
void cccc_seal_catch_up(cccc_sealing_t *self);
/* Owner: may the switch begin? True: from now until seal_done no batch and no mark can be taken. False: one is out, ask again; or the seal has failed or has
 * nothing to switch: seal_done at once (*over). */
bool cccc_ledger_seal_begin_switch(cccc_ledger_t *self, cccc_sealing_t *seal, bool *over);
/* Any thread. */
void cccc_seal_switch(cccc_sealing_t *self);

struct cccc_seal_result {
    cccc_err_t err; /* CCCC_OK also when there was nothing to do */
    struct cccc_errmsg message;
    uint64_t first_seq, last_seq; /* sealed; 0: nothing */
    uint64_t lines, raw_bytes, file_bytes;
    uint32_t segments;
    const struct cccc_sealed_ids *ids; /* of the new segments; the filters are the caller's */
};
/* Owner: take the result in. After an error the ledger goes on as it was, or its health is FAILED when nobody knows which file is there. */
void cccc_ledger_seal_done(cccc_ledger_t *self, cccc_sealing_t *seal, struct cccc_seal_result *result);
/* Any thread, after seal_done: close and remove what is left over. Takes and nulls. */
void cccc_seal_destroy(cccc_sealing_t **self);
/* Any thread, while a stage runs or between stages: give it up, without an error. A switch that has begun is ended. */
void cccc_seal_cancel(cccc_sealing_t *self);
