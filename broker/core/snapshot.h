/* snapshot.h - the parts of a group's state snapshot, and what the files that own them share. Internal to broker/core.
 *
 * A part is what one file's fold yields: saved as one msgpack value, loaded into a group that was just begun. To add one: write name_save and name_load in
 * the file that owns the state, declare them here, add a row to the table of snapshot.c. A snapshot without that row is then of another version, and the
 * ledger is folded instead: nothing has to be converted. But the base of a ledger of which events were retired has the same parts, and nothing stands behind it: once a version
 * that retires is released, a load has to read what released ones have saved.
 * A load believes nothing but the type of the buffer: false leaves a group that can be begun anew.
 * Thread: the core's. */
#pragma once

#include "broker/core/messages/message.h"

/* ---- apply.c ---- */
void head_save(const struct cccc_group *group, cccc_buf_t *out);
bool head_load(struct cccc_group *group, const cccc_value_t *v);
void readers_save(const struct cccc_group *group, cccc_buf_t *out);
bool readers_load(struct cccc_group *group, const cccc_value_t *v);
void tables_save(const struct cccc_group *group, cccc_buf_t *out);
bool tables_load(struct cccc_group *group, const cccc_value_t *v);

/* ---- config.c ---- */
void document_save(const struct cccc_group *group, cccc_buf_t *out);
bool document_load(struct cccc_group *group, const cccc_value_t *v);

/* ---- runtime.c, delivery.c ---- */
struct cccc_delivery;
void runtimes_save(const struct cccc_group *group, cccc_buf_t *out);
bool runtimes_load(struct cccc_group *group, const cccc_value_t *v);
void delivery_save(const struct cccc_delivery *delivery, cccc_buf_t *out);
bool delivery_load(struct cccc_delivery *delivery, const cccc_value_t *v);

/* ---- cross.c ---- */
void relays_save(const struct cccc_group *group, cccc_buf_t *out);
bool relays_load(struct cccc_group *group, const cccc_value_t *v);

/* ---- context_state.c ---- */
void context_save(const struct cccc_group *group, cccc_buf_t *out);
bool context_load(struct cccc_group *group, const cccc_value_t *v);
/* ---- obligations.c, recall.c, reminders.c; behind the readers, who are the debtors ---- */
void obligations_save(const struct cccc_group *group, cccc_buf_t *out);
bool obligations_load(struct cccc_group *group, const cccc_value_t *v);
void reminders_save(const struct cccc_group *group, cccc_buf_t *out);
bool reminders_load(struct cccc_group *group, const cccc_value_t *v);
void nudges_save(const struct cccc_group *group, cccc_buf_t *out);
bool nudges_load(struct cccc_group *group, const cccc_value_t *v);
void guards_save(const struct cccc_group *group, cccc_buf_t *out);
bool guards_load(struct cccc_group *group, const cccc_value_t *v);
void expiries_save(const struct cccc_group *group, cccc_buf_t *out);
bool expiries_load(struct cccc_group *group, const cccc_value_t *v);

/* ---- automation.c ---- */
void automation_save(const struct cccc_group *group, cccc_buf_t *out);
bool automation_load(struct cccc_group *group, const cccc_value_t *v);

/* ---- gaps.c ---- */
/* Those up to the head: what is lost behind it, recovery finds again. */
void gaps_save(const struct cccc_group *group, cccc_buf_t *out);
bool gaps_load(struct cccc_group *group, const cccc_value_t *v);

/* ---- unread.c ---- */
void unread_save(const struct cccc_unread *u, cccc_buf_t *out);
/* Into an empty list. False unless every seq is at most `head`. */
bool unread_load(struct cccc_unread *u, const cccc_value_t *v, uint64_t head);

/* ---- dedupe.c ---- */
/* The pairs with seqs of at most `head`. */
void dedupe_save(const struct cccc_dedupe *self, uint64_t head, cccc_buf_t *out);
bool dedupe_load(struct cccc_dedupe *self, const cccc_value_t *v, uint64_t head);

/* ---- snapshot.c ---- */

/* The items of `v` when it is an array of exactly `count`; NULL otherwise. */
const cccc_value_t *snapshot_row(const cccc_value_t *v, uint32_t count);
/* The same of a row that had fewer items in bases of before, but `least`; what is there is in v->via.array.size. New items go to the end. */
const cccc_value_t *snapshot_row_grown(const cccc_value_t *v, uint32_t least, uint32_t most);
/* A string that fits into `size` bytes, with a NUL behind it. */
bool snapshot_text(const cccc_value_t *v, char *out, size_t size);
