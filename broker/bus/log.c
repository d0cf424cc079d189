/* log.c - the log's one file: composing a record, rotating by size, and writing it.
 *
 * Owns daemon/ccccd.log and its older generations ccccd.log.1 (newest) to ccccd.log.4.
 * Invariants: (1) a line is written by one append, so lines of several threads never mix. (2) no file exceeds CCCC_LOG_FILE_BYTES_MAX: when
 * rotation is not possible, records are counted as lost rather than written. (3) only keys of the format string become members.
 * Thread: any; `lock` guards everything. */
#include "broker/bus/log.h"
#include "proto/json.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    OLDER_FILES_MAX = 4,   /* with the active one: five */
    TEXT_BYTES_MAX = 7600, /* leaves room in a line for the fixed members */
    FIELDS_MAX = 24,
    KEY_BYTES_MAX = 32
};

static struct {
    pthread_mutex_t lock;
    const struct cccc_vfs *vfs; /* NULL: not open */
    char path[4200];
    int fd;
    uint64_t size;
    uint64_t lost, lost_reported;
    int level;
    bool to_stderr;
} log_state = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1, .level = LOG_INFO};

/* ---- fields ---- */

/* A ` key=` of the format, and where its value stands in the text. */
struct field {
    char key[KEY_BYTES_MAX];
    bool is_number; /* the format prints a decimal integer there */
    size_t key_at, value_at;
};

static bool is_key_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* Does the conversion at `p` print a decimal integer? Literal digits count as text. */
static bool prints_integer(const char *p)
{
    if (*p != '%')
        return false;
    p++;
    p += strspn(p, "-+ #0123456789.*hljzt");
    return *p == 'd' || *p == 'i' || *p == 'u';
}

/* The keys that stand in `fmt`, in order. */
static size_t find_keys(const char *fmt, struct field *fields)
{
    size_t count = 0;
    for (const char *p = fmt; *p && count < FIELDS_MAX; p++) {
        if (p != fmt && p[-1] != ' ')
            continue;
        size_t len = 0;
        while (is_key_char(p[len]))
            len++;
        if (len == 0 || len >= KEY_BYTES_MAX || p[len] != '=')
            continue;
        memcpy(fields[count].key, p, len);
        fields[count].key[len] = '\0';
        fields[count].is_number = prints_integer(p + len + 1);
        count++;
        p += len;
    }
    return count;
}

/* How often the word `key=` begins in `text`; *at is the last place. */
static size_t count_key(const char *text, const char *key, size_t *at)
{
    size_t key_len = strlen(key), found = 0;
    for (const char *p = text; (p = strstr(p, key)) != NULL; p += key_len) {
        if (p[key_len] != '=' || (p != text && p[-1] != ' '))
            continue;
        *at = (size_t)(p - text);
        found++;
    }
    return found;
}

/* Places the format's keys in the rendered text. False when a key is not there exactly once and in order: then a value imitates a field
 * (or the text was cut), and nobody can tell which is real. */
static bool place_keys(const char *text, struct field *fields, size_t count)
{
    size_t after = 0;
    for (size_t i = 0; i < count; i++) {
        if (count_key(text, fields[i].key, &fields[i].key_at) != 1 || fields[i].key_at < after)
            return false;
        fields[i].value_at = after = fields[i].key_at + strlen(fields[i].key) + 1;
    }
    return true;
}

static cccc_value_t field_value(const struct field *field, cccc_str_t text)
{
    if (!field->is_number || text.len == 0 || text.len > 20)
        return cccc_string(text);
    char digits[24] = "", *end;
    memcpy(digits, text.ptr, text.len);
    errno = 0;
    bool negative = digits[0] == '-';
    uint64_t magnitude = strtoull(digits + negative, &end, 10);
    if (errno || *end || (negative && magnitude > INT64_MAX))
        return cccc_string(text);
    return negative ? cccc_int(-(int64_t)magnitude) : cccc_uint(magnitude);
}

/* ---- a record ---- */

static const char *level_name(int level)
{
    static const char *const names[] = {"emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"};
    return names[level < LOG_EMERG ? LOG_EMERG : level > LOG_DEBUG ? LOG_DEBUG : level];
}

static void format_time(char out[40])
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t n = strftime(out, 40, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out + n, 40 - n, ".%06ldZ", now.tv_nsec / 1000);
}

/* Bytes that are no UTF-8 become '?', so that a line is always JSON. */
static void make_utf8(char *text)
{
    if (cccc_utf8_valid(cccc_str(text)))
        return;
    for (char *p = text; *p; p++)
        if ((unsigned char)*p >= 0x80)
            *p = '?';
}

/* Keep at most `len` bytes, at a character's boundary, and say that something is missing. */
static void cut_text(char *text, size_t len)
{
    while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
        len--;
    memcpy(text + len, "...", 4);
}

static void add_fields(cccc_builder_t *record, const char *text, struct field *fields, size_t count)
{
    size_t len = strlen(text);
    if (!place_keys(text, fields, count))
        count = 0;
    size_t msg_len = count ? fields[0].key_at : len;
    while (count && msg_len > 0 && text[msg_len - 1] == ' ')
        msg_len--;
    cccc_map_add(record, "msg", cccc_string((cccc_str_t){text, msg_len}));
    for (size_t i = 0; i < count; i++) {
        size_t end = i + 1 < count ? fields[i + 1].key_at - 1 : len;
        cccc_map_add(record, fields[i].key, field_value(&fields[i], (cccc_str_t){text + fields[i].value_at, end - fields[i].value_at}));
    }
}

/* True when a field has a name twice or one of the fixed members' names: the format is then not a list of fields. */
static bool keys_clash(const struct field *fields, size_t count)
{
    static const char *const fixed[] = {"ts", "level", "id", "msg"};
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < sizeof fixed / sizeof *fixed; j++)
            if (strcmp(fields[i].key, fixed[j]) == 0)
                return true;
        for (size_t j = 0; j < i; j++)
            if (strcmp(fields[i].key, fields[j].key) == 0)
                return true;
    }
    return false;
}

/* The line of one record, newline included, at most CCCC_LOG_LINE_BYTES_MAX: escapes may lengthen the text, so it is cut until it fits. */
static void compose(int level, const char *id, char *text, struct field *fields, size_t count, cccc_buf_t *out)
{
    char ts[40];
    format_time(ts);
    make_utf8(text);
    for (;;) {
        cccc_arena_t *arena = cccc_arena_new(2048);
        cccc_builder_t record = cccc_map_builder(arena, (uint32_t)count + 4);
        cccc_map_add(&record, "ts", cccc_text(ts));
        cccc_map_add(&record, "level", cccc_text(level_name(level)));
        cccc_map_add(&record, "id", cccc_text(id));
        add_fields(&record, text, fields, count);
        out->size = 0;
        cccc_json_write(&record.value, out);
        cccc_arena_destroy(&arena);
        if (out->size < CCCC_LOG_LINE_BYTES_MAX)
            break;
        cut_text(text, strlen(text) * 2 / 3);
    }
    cccc_buf_put(out, "\n", 1);
}

/* ---- the file; `lock` is held ---- */

static int open_file(const struct cccc_vfs *vfs, const char *path, uint64_t *size)
{
    struct cccc_stat st;
    int fd = vfs->open(vfs->ctx, path, CCCC_O_WRITE | CCCC_O_APPEND | CCCC_O_CREATE);
    if (fd < 0)
        return fd;
    int rc = vfs->fstat(vfs->ctx, fd, &st);
    if (rc == 0 && !st.is_regular)
        rc = -EINVAL;
    if (rc < 0) {
        vfs->close(vfs->ctx, fd);
        return rc;
    }
    *size = st.size;
    return fd;
}

/* ccccd.log.3 -> .4, ..., ccccd.log -> .1, and a new ccccd.log. False when the disk refuses; the next record tries again. */
static bool rotate(void)
{
    const struct cccc_vfs *vfs = log_state.vfs;
    char from[4220], to[4220];
    for (int i = OLDER_FILES_MAX; i > 0; i--) {
        snprintf(from, sizeof from, i > 1 ? "%s.%d" : "%s", log_state.path, i - 1);
        snprintf(to, sizeof to, "%s.%d", log_state.path, i);
        int rc = vfs->rename(vfs->ctx, from, to);
        if (rc < 0 && rc != -ENOENT)
            return false;
    }
    uint64_t size = 0;
    int fd = open_file(vfs, log_state.path, &size);
    if (fd < 0)
        return false;
    vfs->close(vfs->ctx, log_state.fd);
    log_state.fd = fd;
    log_state.size = size;
    return true;
}

static bool write_line(const cccc_buf_t *line)
{
    const struct cccc_vfs *vfs = log_state.vfs;
    if (log_state.size + line->size > CCCC_LOG_FILE_BYTES_MAX && !rotate())
        return false;
    ssize_t n = vfs->append(vfs->ctx, log_state.fd, line->data, line->size);
    if (n > 0)
        log_state.size += (uint64_t)n;
    if (n == (ssize_t)line->size)
        return true;
    /* A torn line is ended, so that the next record is a line of its own. */
    if (n > 0 && vfs->append(vfs->ctx, log_state.fd, "\n", 1) == 1)
        log_state.size++;
    return false;
}

static void report_lost(void)
{
    if (log_state.lost == log_state.lost_reported)
        return;
    char text[96];
    struct field fields[FIELDS_MAX];
    cccc_buf_t line;
    cccc_buf_init(&line);
    snprintf(text, sizeof text, "records could not be written lost=%" PRIu64, log_state.lost - log_state.lost_reported);
    size_t count = find_keys("lost=%d", fields);
    compose(LOG_WARNING, "LOG-LOST", text, fields, count, &line);
    if (write_line(&line))
        log_state.lost_reported = log_state.lost;
    cccc_buf_fini(&line);
}

static void emit(const cccc_buf_t *line)
{
    if (log_state.to_stderr || !log_state.vfs) {
        /* Nobody to tell when stderr refuses. */
        ssize_t ignored = write(STDERR_FILENO, line->data, line->size);
        (void)ignored;
    }
    if (!log_state.vfs)
        return;
    report_lost();
    if (!write_line(line))
        log_state.lost++;
}

/* ---- public ---- */

static void close_locked(void)
{
    if (log_state.vfs)
        log_state.vfs->close(log_state.vfs->ctx, log_state.fd);
    log_state.vfs = NULL;
    log_state.fd = -1;
}

cccc_err_t cccc_log_open(const struct cccc_vfs *vfs, const struct cccc_home *home, struct cccc_errmsg *m)
{
    char path[sizeof log_state.path];
    uint64_t size = 0;
    snprintf(path, sizeof path, "%s/daemon/ccccd.log", home->root);
    int fd = open_file(vfs, path, &size);
    if (fd < 0)
        return cccc_fail(m, CCCC_E_STORAGE, "cannot open the log %s: %s", path, strerror(-fd));
    pthread_mutex_lock(&log_state.lock);
    close_locked();
    log_state.vfs = vfs;
    log_state.fd = fd;
    log_state.size = size;
    log_state.lost = log_state.lost_reported = 0;
    memcpy(log_state.path, path, sizeof path);
    pthread_mutex_unlock(&log_state.lock);
    return CCCC_OK;
}

void cccc_log_to_stderr(bool on)
{
    pthread_mutex_lock(&log_state.lock);
    log_state.to_stderr = on;
    pthread_mutex_unlock(&log_state.lock);
}

void cccc_log_set_level(int level)
{
    pthread_mutex_lock(&log_state.lock);
    log_state.level = level;
    pthread_mutex_unlock(&log_state.lock);
}

/* `text` is changed where it is no UTF-8 or too long. */
static void log_text(int level, const char *id, const char *fmt, char *text)
{
    struct field fields[FIELDS_MAX];
    cccc_buf_t line;
    size_t count = find_keys(fmt, fields);
    if (keys_clash(fields, count))
        count = 0;
    pthread_mutex_lock(&log_state.lock);
    if (level <= log_state.level) {
        cccc_buf_init(&line);
        compose(level, id, text, fields, count, &line);
        emit(&line);
        cccc_buf_fini(&line);
    }
    pthread_mutex_unlock(&log_state.lock);
}

void cccc_log(int level, const char *id, const char *fmt, ...)
{
    char text[TEXT_BYTES_MAX + 1];
    va_list args;
    va_start(args, fmt);
    int full = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (full >= (int)sizeof text)
        cut_text(text, sizeof text - 4);
    log_text(level, id, fmt, text);
}

void cccc_log_rendered(int level, const char *id, const char *fmt, const char *text)
{
    char own[TEXT_BYTES_MAX + 1];
    if (snprintf(own, sizeof own, "%s", text) >= (int)sizeof own)
        cut_text(own, sizeof own - 4);
    log_text(level, id, fmt, own);
}

void cccc_log_close(void)
{
    pthread_mutex_lock(&log_state.lock);
    close_locked();
    pthread_mutex_unlock(&log_state.lock);
}
