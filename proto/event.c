/* event.c - the event in its two forms, its id and its times.
 *
 * Writing goes field by field into reserved buffer space; reading goes through the generic decoders and then picks the members by name, trying
 * the order we write first. cccc_line_inspect looks at fixed places only, so that scanning a file costs little more than its checksum. */
#include "proto/event.h"

#include "proto/hex.h"
#include "proto/json.h"
#include "proto/limits.h"
#include "proto/text.h"
#include "proto/wire.h"

#include <ctype.h>

/* ---- packing ---- */

#define PACK_FIELD(out, p, key, s) pack_string((out), PACK_LITERAL((p), key), (s))

void cccc_event_pack(const struct cccc_event *event, cccc_buf_t *out)
{
    uint32_t extras = cccc_is_map(&event->extra) ? event->extra.via.map.size : 0;
    char *p = cccc_buf_reserve(out, 64);
    PACK_WITH(p, msgpack_pack_map(&pk, 10 + extras));
    p = PACK_LITERAL(p, "v");
    *p++ = CCCC_EVENT_VERSION;
    p = PACK_FIELD(out, p, "id", event->id);
    p = PACK_FIELD(out, p, "ts", event->ts);
    p = PACK_LITERAL(p, "seq");
    PACK_WITH(p, msgpack_pack_uint64(&pk, event->seq));
    p = PACK_FIELD(out, p, "kind", event->kind);
    p = PACK_FIELD(out, p, "group_id", event->group_id);
    p = PACK_FIELD(out, p, "scope_key", event->scope_key);
    p = PACK_FIELD(out, p, "by", event->by);
    p = cccc_pack_value_at(out, PACK_LITERAL(p, "attest"), &event->attest);
    p = cccc_pack_value_at(out, PACK_LITERAL(p, "data"), &event->data);
    for (uint32_t i = 0; i < extras; i++) {
        p = cccc_pack_value_at(out, p, &event->extra.via.map.ptr[i].key);
        p = cccc_pack_value_at(out, p, &event->extra.via.map.ptr[i].val);
    }
    cursor_end(out, p);
}

/* ---- writing a line ---- */

/* `,"crc":"xxxxxxxx"}` is behind what the checksum covers. */
#define CRC_TAIL_LEN  18
#define PREV_TAIL_LEN 18 /* `,"prev":"xxxxxxxx"` */

static char *write_extra(cccc_buf_t *out, char *p, const cccc_value_t *extra)
{
    for (uint32_t i = 0; i < extra->via.map.size; i++) {
        const msgpack_object_kv *kv = &extra->via.map.ptr[i];
        p = room(out, p, 1);
        *p++ = ',';
        p = text_string(out, p, kv->key.via.str.ptr, kv->key.via.str.size);
        *p++ = ':';
        p = cccc_text_value(out, p, &kv->val);
    }
    return p;
}

/* A literal and a string; text_string leaves room for the next literal. */
#define LINE_FIELD(out, p, before, s) text_string((out), PUT_LITERAL((p), before), (s).ptr, (s).len)

static char *write_seal(cccc_buf_t *out, char *p, const struct cccc_seal *seal)
{
    p = PUT_LITERAL(room(out, p, 16), ",\"epoch\":");
    p = cccc_text_uint(out, p, seal->epoch);
    p = PUT_LITERAL(p, ",\"dur\":");
    p = cccc_text_uint(out, p, seal->dur);
    p = PUT_LITERAL(room(out, p, PREV_TAIL_LEN + CRC_TAIL_LEN + 1), ",\"prev\":\"");
    p = cccc_put_hex8(p, seal->prev);
    *p++ = '"';
    return p;
}

void cccc_line_write(const struct cccc_event *event, struct cccc_seal *seal, cccc_buf_t *out)
{
    CCCC_ASSERT(event->seq > 0, "an event without a seq is none of ours");
    size_t start = out->size;
    char *p = cccc_buf_reserve(out, 32);
    p = LINE_FIELD(out, p, "{\"v\":1,\"id\":", event->id);
    p = LINE_FIELD(out, p, ",\"ts\":", event->ts);
    p = cccc_text_uint(out, PUT_LITERAL(p, ",\"seq\":"), event->seq);
    p = LINE_FIELD(out, p, ",\"kind\":", event->kind);
    p = LINE_FIELD(out, p, ",\"group_id\":", event->group_id);
    p = LINE_FIELD(out, p, ",\"scope_key\":", event->scope_key);
    p = LINE_FIELD(out, p, ",\"by\":", event->by);
    p = cccc_text_value(out, PUT_LITERAL(p, ",\"attest\":"), &event->attest);
    p = cccc_text_value(out, PUT_LITERAL(p, ",\"data\":"), &event->data);
    if (cccc_is_map(&event->extra))
        p = write_extra(out, p, &event->extra);
    p = write_seal(out, p, seal);
    seal->crc = cccc_crc32c(0, out->data + start, (size_t)(p - out->data) - start);
    p = cccc_put_hex8(PUT_LITERAL(p, ",\"crc\":\""), seal->crc);
    cursor_end(out, PUT_LITERAL(p, "\"}\n"));
}

/* ---- decoding ---- */

enum field { F_V, F_ID, F_TS, F_SEQ, F_KIND, F_GROUP_ID, F_SCOPE_KEY, F_BY, F_ATTEST, F_DATA, F_EPOCH, F_DUR, F_PREV, F_CRC, F_COUNT };

static const cccc_str_t field_names[F_COUNT] = {
    {"v", 1},  {"id", 2},     {"ts", 2},   {"seq", 3},   {"kind", 4}, {"group_id", 8}, {"scope_key", 9},
    {"by", 2}, {"attest", 6}, {"data", 4}, {"epoch", 5}, {"dur", 3},  {"prev", 4},     {"crc", 3},
};

/* The members of one event, by name. */
struct fields {
    const cccc_value_t *at[F_COUNT];
    cccc_value_t extra;
};

/* Sort a map's members into fields; unknown ones are extra, which thus never repeats a name of ours. */
static void sort_fields(const cccc_value_t *map, cccc_arena_t *arena, struct fields *out)
{
    *out = (struct fields){.extra = cccc_nil()};
    cccc_builder_t extra = {0};
    unsigned expected = 0;
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object_kv *kv = &map->via.map.ptr[i];
        cccc_str_t key = {kv->key.via.str.ptr, kv->key.via.str.size};
        unsigned f = expected;
        if (f >= F_COUNT || !cccc_str_eq(field_names[f], key))
            for (f = 0; f < F_COUNT && !cccc_str_eq(field_names[f], key);)
                f++;
        if (f < F_COUNT) {
            out->at[f] = &kv->val;
            expected = f + 1;
            continue;
        }
        if (extra.arena == NULL)
            extra = cccc_map_builder(arena, 4);
        cccc_map_add_key(&extra, key, kv->val);
    }
    if (extra.arena != NULL)
        out->extra = extra.value;
}

static bool take_str(const struct fields *f, enum field which, cccc_str_t *out, const char **wrong)
{
    if (cccc_as_str(f->at[which], out))
        return true;
    *wrong = field_names[which].ptr;
    return false;
}

/* The ten members of the wire form. *wrong names the first that is missing or of another type. */
static bool take_event(const struct fields *f, struct cccc_event *event, const char **wrong)
{
    uint64_t v = 0;
    *wrong = "v";
    if (!cccc_as_uint(f->at[F_V], &v) || v != CCCC_EVENT_VERSION)
        return false;
    if (!take_str(f, F_ID, &event->id, wrong) || !take_str(f, F_TS, &event->ts, wrong) || !take_str(f, F_KIND, &event->kind, wrong) ||
        !take_str(f, F_GROUP_ID, &event->group_id, wrong) || !take_str(f, F_SCOPE_KEY, &event->scope_key, wrong) ||
        !take_str(f, F_BY, &event->by, wrong))
        return false;
    *wrong = "seq";
    if (!cccc_as_uint(f->at[F_SEQ], &event->seq))
        return false;
    *wrong = "attest";
    event->attest = f->at[F_ATTEST] != NULL ? *f->at[F_ATTEST] : cccc_nil();
    if (!cccc_is_nil(&event->attest) && !cccc_is_map(&event->attest))
        return false;
    *wrong = "data";
    const cccc_value_t *data = f->at[F_DATA];
    if (data == NULL || !cccc_is_map(data))
        return false;
    event->data = *data;
    event->extra = f->extra;
    return true;
}

cccc_err_t cccc_event_from_value(const cccc_value_t *v, cccc_arena_t *arena, struct cccc_event *event, struct cccc_errmsg *m)
{
    if (!cccc_is_map(v))
        return cccc_fail(m, CCCC_E_INVALID_REQUEST, "an event is a map");
    struct fields fields;
    const char *wrong;
    struct cccc_event decoded;
    sort_fields(v, arena, &fields);
    if (!take_event(&fields, &decoded, &wrong))
        return cccc_fail(m, CCCC_E_INVALID_REQUEST, "the event's %s is missing or of another type than it should be", wrong);
    *event = decoded;
    return CCCC_OK;
}

/* Exactly 8 lower-case hex digits. */
static bool parse_hex8(const char *p, uint32_t *out)
{
    uint32_t u = 0;
    for (int i = 0; i < 8; i++) {
        char c = p[i];
        if (c >= '0' && c <= '9')
            u = u << 4 | (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            u = u << 4 | (uint32_t)(c - 'a' + 10);
        else
            return false;
    }
    *out = u;
    return true;
}

static bool take_hex8(const struct fields *f, enum field which, uint32_t *out)
{
    cccc_str_t s;
    return cccc_as_str(f->at[which], &s) && s.len == 8 && parse_hex8(s.ptr, out);
}

static cccc_err_t sealed_line(const struct fields *f, struct cccc_event *event, struct cccc_seal *seal, struct cccc_errmsg *m)
{
    struct cccc_event decoded;
    struct cccc_seal decoded_seal;
    const char *wrong;
    if (!take_event(f, &decoded, &wrong))
        return cccc_fail(m, CCCC_E_BAD_LINE, "the line's %s is missing or of another type than it should be", wrong);
    if (decoded.seq == 0)
        return cccc_fail(m, CCCC_E_BAD_LINE, "the line's seq is 0");
    if (!cccc_as_uint(f->at[F_EPOCH], &decoded_seal.epoch) || !cccc_as_uint(f->at[F_DUR], &decoded_seal.dur))
        return cccc_fail(m, CCCC_E_BAD_LINE, "the line's epoch or dur is missing or no number");
    if (!take_hex8(f, F_PREV, &decoded_seal.prev) || !take_hex8(f, F_CRC, &decoded_seal.crc))
        return cccc_fail(m, CCCC_E_BAD_LINE, "the line's prev or crc is missing or not 8 hex digits");
    *event = decoded;
    *seal = decoded_seal;
    return CCCC_OK;
}

static cccc_str_t text_or_empty(const cccc_value_t *v)
{
    cccc_str_t s = CCCC_STR("");
    cccc_as_str(v, &s);
    return s;
}

/* Whatever an older version wrote is taken as it is: what is missing reads as empty, data that is no map is wrapped (reference 2.1). */
static void legacy_line(const struct fields *f, cccc_arena_t *arena, struct cccc_event *event, struct cccc_seal *seal)
{
    *event = (struct cccc_event){
        .id = text_or_empty(f->at[F_ID]),
        .ts = text_or_empty(f->at[F_TS]),
        .kind = text_or_empty(f->at[F_KIND]),
        .group_id = text_or_empty(f->at[F_GROUP_ID]),
        .scope_key = text_or_empty(f->at[F_SCOPE_KEY]),
        .by = text_or_empty(f->at[F_BY]),
        .attest = cccc_nil(),
        .extra = f->extra,
    };
    const cccc_value_t *data = f->at[F_DATA];
    cccc_builder_t wrapped = cccc_map_builder(arena, 1);
    if (data != NULL && !cccc_is_nil(data))
        cccc_map_add(&wrapped, "value", *data);
    event->data = data != NULL && cccc_is_map(data) ? *data : wrapped.value;
    *seal = (struct cccc_seal){0};
}

cccc_err_t cccc_line_read(const char *bytes, size_t len, cccc_arena_t *arena, struct cccc_event *event, struct cccc_seal *seal,
                          struct cccc_errmsg *m)
{
    if (len > CCCC_LINE_BYTES_MAX)
        return cccc_fail(m, CCCC_E_BAD_LINE, "the line has %zu bytes, more than %d", len, CCCC_LINE_BYTES_MAX);
    cccc_value_t v;
    if (cccc_json_read(bytes, len, arena, &v, m) != CCCC_OK)
        return CCCC_E_BAD_LINE;
    if (!cccc_is_map(&v))
        return cccc_fail(m, CCCC_E_BAD_LINE, "the line is no JSON object");
    struct fields fields;
    sort_fields(&v, arena, &fields);
    if (fields.at[F_SEQ] != NULL || fields.at[F_CRC] != NULL)
        return sealed_line(&fields, event, seal, m);
    legacy_line(&fields, arena, event, seal);
    return CCCC_OK;
}

cccc_err_t cccc_event_unpack(const char *bytes, size_t len, cccc_arena_t *arena, struct cccc_event *event, struct cccc_errmsg *m)
{
    cccc_value_t v;
    cccc_err_t err = cccc_msgpack_read(bytes, len, CCCC_FRAME_BYTES_MAX, arena, &v, m);
    if (err != CCCC_OK)
        return err;
    return cccc_event_from_value(&v, arena, event, m);
}

/* ---- judging a line by its ends ---- */

/* Move *p behind `literal` if it is there. */
static bool expect(const char **p, const char *end, const char *literal)
{
    size_t len = strlen(literal);
    if ((size_t)(end - *p) < len || memcmp(*p, literal, len) != 0)
        return false;
    *p += len;
    return true;
}

/* Move *p behind the string it is in (its opening quote was taken). */
static bool skip_string(const char **p, const char *end)
{
    bool high = false;
    for (;;) {
        *p += scan_plain(*p, (size_t)(end - *p), &high);
        if (end - *p < 2)
            return false;
        if (**p == '"') {
            ++*p;
            return true;
        }
        if (**p != '\\')
            return false;
        *p += 2;
    }
}

/* Decimal digits without a leading zero, as we write them. */
static bool expect_uint(const char **p, const char *end, uint64_t *out)
{
    const char *start = *p;
    uint64_t u = 0;
    for (; *p < end && **p >= '0' && **p <= '9'; ++*p)
        if (__builtin_mul_overflow(u, 10, &u) || __builtin_add_overflow(u, (uint64_t)(**p - '0'), &u))
            return false;
    if (*p == start || (*start == '0' && *p > start + 1))
        return false;
    *out = u;
    return true;
}

/* The digits that end at `end`: where they start. */
static const char *digits_before(const char *start, const char *end)
{
    while (end > start && end[-1] >= '0' && end[-1] <= '9')
        end--;
    return end;
}

static bool inspect_head(const char *bytes, const char *end, uint64_t *seq)
{
    const char *p = bytes;
    return expect(&p, end, "{\"v\":1,\"id\":\"") && skip_string(&p, end) && expect(&p, end, ",\"ts\":\"") && skip_string(&p, end) &&
           expect(&p, end, ",\"seq\":") && expect_uint(&p, end, seq) && *seq > 0 && expect(&p, end, ",\"kind\":\"");
}

/* `,"epoch":E,"dur":D,"prev":"xxxxxxxx"` in front of `end`. */
static bool inspect_tail(const char *bytes, const char *end, struct cccc_seal *seal)
{
    static const char epoch_key[] = ",\"epoch\":", dur_key[] = ",\"dur\":";
    if (end - bytes < PREV_TAIL_LEN)
        return false;
    const char *p = end - PREV_TAIL_LEN;
    if (memcmp(p, ",\"prev\":\"", 9) != 0 || !parse_hex8(p + 9, &seal->prev) || end[-1] != '"')
        return false;
    const char *dur = digits_before(bytes, p);
    const char *epoch_end = dur - (sizeof dur_key - 1);
    if (epoch_end < bytes || memcmp(epoch_end, dur_key, sizeof dur_key - 1) != 0)
        return false;
    const char *epoch = digits_before(bytes, epoch_end);
    if (epoch - (ptrdiff_t)(sizeof epoch_key - 1) < bytes || memcmp(epoch - (sizeof epoch_key - 1), epoch_key, sizeof epoch_key - 1) != 0)
        return false;
    return expect_uint(&dur, p, &seal->dur) && expect_uint(&epoch, epoch_end, &seal->epoch);
}

static bool inspect_sealed(const char *bytes, size_t len, uint64_t *seq, struct cccc_seal *seal)
{
    if (len < CRC_TAIL_LEN + PREV_TAIL_LEN || len > CCCC_LINE_BYTES_MAX)
        return false;
    const char *covered = bytes + len - CRC_TAIL_LEN;
    return memcmp(covered, ",\"crc\":\"", 8) == 0 && parse_hex8(covered + 8, &seal->crc) && memcmp(covered + 16, "\"}", 2) == 0 &&
           inspect_head(bytes, covered, seq) && inspect_tail(bytes, covered, seal) &&
           cccc_crc32c(0, bytes, (size_t)(covered - bytes)) == seal->crc;
}

/* An object without the members only our lines have. The slow way, for old files only. */
static bool is_legacy(const char *bytes, size_t len)
{
    if (len > CCCC_LINE_BYTES_MAX || len < 2 || bytes[0] != '{')
        return false;
    cccc_arena_t *arena = cccc_arena_new(8192);
    cccc_value_t v;
    bool legacy = cccc_json_read(bytes, len, arena, &v, NULL) == CCCC_OK && cccc_is_map(&v) && cccc_get(&v, "seq") == NULL &&
                  cccc_get(&v, "crc") == NULL;
    cccc_arena_destroy(&arena);
    return legacy;
}

enum cccc_line_state cccc_line_inspect(const char *bytes, size_t len, uint64_t *seq, struct cccc_seal *seal)
{
    uint64_t found_seq = 0;
    struct cccc_seal found = {0};
    if (inspect_sealed(bytes, len, &found_seq, &found)) {
        *seq = found_seq;
        *seal = found;
        return CCCC_LINE_SOUND;
    }
    return is_legacy(bytes, len) ? CCCC_LINE_LEGACY : CCCC_LINE_BROKEN;
}

/* ---- ids ---- */

void cccc_event_id_make(char out[33], uint64_t unix_ms, uint64_t seq, uint64_t random)
{
    uint64_t high = unix_ms << 16 | (seq >> 24 & 0xffff), low = seq << 40 | (random & 0xffffffffff);
    char *p = cccc_put_hex8(out, (uint32_t)(high >> 32));
    p = cccc_put_hex8(p, (uint32_t)high);
    p = cccc_put_hex8(p, (uint32_t)(low >> 32));
    p = cccc_put_hex8(p, (uint32_t)low);
    *p = '\0';
}

uint64_t cccc_event_id_seq(cccc_str_t id)
{
    if (id.len != 32)
        return 0;
    static const char hex_digits[] = "0123456789abcdef";
    uint64_t seq = 0;
    for (size_t i = 0; i < 32; i++) {
        const char *digit = id.ptr[i] != '\0' ? strchr(hex_digits, id.ptr[i]) : NULL;
        if (digit == NULL)
            return 0;
        if (i >= 12 && i < 22)
            seq = seq << 4 | (uint64_t)(digit - hex_digits);
    }
    return seq;
}

/* ---- times ---- */

#define US_PER_DAY INT64_C(86400000000)

/* Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms". */
void cccc_civil_from_days(int64_t days, int *year, int *month, int *day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = (int)(yoe + era * 400 + (*month <= 2));
}

int64_t cccc_days_from_civil(int year, int month, int day)
{
    int64_t y = year - (month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

/* `count` decimal digits of `u` and then `after`. */
static char *put_decimal(char *p, int64_t u, int count, char after)
{
    for (int i = count - 1; i >= 0; i--, u /= 10)
        p[i] = (char)('0' + u % 10);
    p[count] = after;
    return p + count + 1;
}

void cccc_ts_format(char out[28], int64_t unix_us)
{
    int64_t days = unix_us / US_PER_DAY, us = unix_us % US_PER_DAY;
    if (us < 0) {
        us += US_PER_DAY;
        days--;
    }
    int year, month, day;
    cccc_civil_from_days(days, &year, &month, &day);
    CCCC_ASSERT(year >= 0 && year <= 9999, "the year %d has no four digits", year);
    char *p = put_decimal(out, year, 4, '-');
    p = put_decimal(p, month, 2, '-');
    p = put_decimal(p, day, 2, 'T');
    int64_t seconds = us / 1000000;
    p = put_decimal(p, seconds / 3600, 2, ':');
    p = put_decimal(p, seconds / 60 % 60, 2, ':');
    p = put_decimal(p, seconds % 60, 2, '.');
    p = put_decimal(p, us % 1000000, 6, 'Z');
    *p = '\0';
}

/* Exactly `count` digits; -1 if they are not there. */
static int take_digits(cccc_str_t *s, size_t count)
{
    int value = 0;
    if (s->len < count)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (!isdigit((unsigned char)s->ptr[i]))
            return -1;
        value = value * 10 + (s->ptr[i] - '0');
    }
    *s = (cccc_str_t){s->ptr + count, s->len - count};
    return value;
}

static bool take_char(cccc_str_t *s, char c)
{
    if (s->len == 0 || s->ptr[0] != c)
        return false;
    *s = (cccc_str_t){s->ptr + 1, s->len - 1};
    return true;
}

/* An optional fraction of 1..9 digits, cut to microseconds. */
static bool take_fraction(cccc_str_t *s, int64_t *us)
{
    *us = 0;
    if (!take_char(s, '.'))
        return true;
    size_t count = 0;
    int digit;
    for (int64_t unit = 100000; (digit = take_digits(s, 1)) >= 0; unit /= 10, count++)
        *us += digit * unit;
    return count >= 1 && count <= 9;
}

/* Z, nothing, or an offset ±HH:MM in minutes. */
static bool take_offset(cccc_str_t *s, int *minutes)
{
    *minutes = 0;
    if (s->len == 0 || take_char(s, 'Z'))
        return s->len == 0;
    int sign = take_char(s, '+') ? 1 : take_char(s, '-') ? -1 : 0;
    int h = take_digits(s, 2), m = take_char(s, ':') ? take_digits(s, 2) : -1;
    if (sign == 0 || h < 0 || h > 23 || m < 0 || m > 59)
        return false;
    *minutes = sign * (h * 60 + m);
    return s->len == 0;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

bool cccc_ts_parse(cccc_str_t ts, int64_t *unix_us)
{
    int year = take_digits(&ts, 4), month = take_char(&ts, '-') ? take_digits(&ts, 2) : -1;
    int day = take_char(&ts, '-') ? take_digits(&ts, 2) : -1;
    if (year < 0 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || !take_char(&ts, 'T'))
        return false;
    int h = take_digits(&ts, 2), m = take_char(&ts, ':') ? take_digits(&ts, 2) : -1, s = take_char(&ts, ':') ? take_digits(&ts, 2) : -1;
    int64_t us;
    int offset;
    if (h < 0 || h > 23 || m < 0 || m > 59 || s < 0 || s > 59 || !take_fraction(&ts, &us) || !take_offset(&ts, &offset))
        return false;
    int64_t seconds = (int64_t)h * 3600 + m * 60 + s - (int64_t)offset * 60;
    *unix_us = cccc_days_from_civil(year, month, day) * US_PER_DAY + seconds * 1000000 + us;
    return true;
}
