/* log.h - the daemon's log: one JSON object per line in daemon/ccccd.log, rotated by size.
 *
 * A record is {"ts","level","id","msg", then the fields}. The id is stable ("GROUP-EDITED"), for people who search. A field is written in the
 * format as ` key=%s` and becomes a member of its own; what comes before the first one is msg:
 *     cccc_log(LOG_WARNING, "LEDGER-TORN", "cut a torn tail group=%s bytes=%" PRIu64, gid, bytes)
 * Only keys that stand in the format become members, and only while the values do not imitate them: what a stranger wrote cannot forge a field.
 * Never log message bodies or secrets.
 * Thread: any; one mutex, held for one write(2), without a sync. There is one log per process. */
#pragma once

#include "broker/store/store.h"

#include <syslog.h>

/* Append to daemon/ccccd.log of `home` (which cccc_home_prepare has made). Until then, and after cccc_log_close, records go to stderr.
 * `vfs` and `home` are borrowed during the call only for `home`; `vfs` must live until cccc_log_close. CCCC_E_STORAGE: nothing changed. */
cccc_err_t cccc_log_open(const struct cccc_vfs *vfs, const struct cccc_home *home, struct cccc_errmsg *m);
/* Records go to stderr as well (a daemon in the foreground), or no longer. */
void cccc_log_to_stderr(bool on);
/* Records less important than `level` (LOG_ERR ... LOG_DEBUG) are left out. LOG_INFO at first. */
void cccc_log_set_level(int level);
/* Write one record. `level` as syslog; `id` is a short word, not NULL. A line is at most CCCC_LOG_LINE_BYTES_MAX: longer text is cut and
 * ends in "...". A record the disk refuses is counted, and the next one that succeeds is preceded by LOG-LOST with the number. */
void cccc_log(int level, const char *id, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same with the text that `fmt` and its values make: fields are the keys of `fmt`. For who renders at one place and logs at another. */
void cccc_log_rendered(int level, const char *id, const char *fmt, const char *text);
void cccc_log_close(void);
