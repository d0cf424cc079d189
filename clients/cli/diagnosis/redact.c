/* redact.c - texts without secrets (redact.h): rules that look at names and forms, and strings that look random.
 *
 * Rules are POSIX regular expressions that begin with fixed characters, so that a long text costs no more than its length. Thread: one. */
#include "clients/cli/diagnosis/redact.h"
#include "proto/json.h"

#include <ctype.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK "[redacted:"

/* What is behind a name: a text in quotes (perhaps of JSON in a text), or what there is up to a blank or the end of a list. */
#define VALUE  "(\\\\*\"[^\"\\\\]*|'[^']*|[^] \t\r\n\"',;&})\\\\]+)"
#define NAMES  "(token|secret|passwo?r?d|passphrase|passcode|pwd|api[-_. ]?key|access[-_.]?key|private[-_.]?key|credential|session[-_.]?id)"
#define QUOTE  "(\\\\*[\"'])?"
#define BLANKS "[ \t]*"

enum {
    GROUPS_MAX = 8,
    SECRET_BYTES_MIN = 4,
    SECRET_BYTES_CLEAR = 8,
    RANDOM_BYTES_MIN = 20,
    HEX_BYTES_MIN = 32,
    KEY_BYTES_MAX = 16384,
    LABEL_BYTES_MAX = 40
};

static const char *const words[REDACT_KINDS] = {"known",  "key",         "header",    "url",    "form", "named",
                                                "random", "environment", "arguments", "screen", "body"};
static const char *const whats[REDACT_KINDS] = {
    [REDACT_KNOWN] = "values of environment variables that stood in texts",
    [REDACT_KEY] = "private keys in texts",
    [REDACT_HEADER] = "authorization headers and cookies in texts",
    [REDACT_URL] = "users and passwords in URLs",
    [REDACT_FORM] = "tokens known by their form",
    [REDACT_NAMED] = "values named like a secret",
    [REDACT_RANDOM] = "strings that look random",
    [REDACT_ENVIRONMENT] = "values of environment variables",
    [REDACT_ARGUMENTS] = "arguments of actors' commands",
    [REDACT_SCREEN] = "last lines of actors' terminals",
    [REDACT_BODY] = "texts that people and agents wrote",
};

/* Group `group` of a match is what is cut. */
static const struct rule {
    enum redact_kind kind;
    int group, flags;
    const char *pattern;
} rules[] = {
    {REDACT_HEADER, 4, REG_ICASE, "(authorization|x-api-key|x-auth-token|cookie)" QUOTE BLANKS "[:=]" BLANKS QUOTE "([^\"'\\\r\n]+)"},
    {REDACT_HEADER, 1, REG_ICASE, "bearer[ \t]+([a-z0-9._~+/=-]{8,})"},
    {REDACT_URL, 1, 0, "://[^/ \t\r\n\"'@:]*:([^ \t\r\n\"'@]+)@"},
    /* A user before @ in a URL of the Web is a token more often than a name, also where a password follows; elsewhere only long ones are. */
    {REDACT_URL, 1, REG_ICASE, "https?://([^][/ \t\r\n\"'@:]+)(:[^ \t\r\n\"'@]*)?@"},
    {REDACT_URL, 1, 0, "://([^/ \t\r\n\"'@:]{16,})@"},
    {REDACT_URL, 1, 0, "://hooks[.]slack[.]com/services/([^ \t\r\n\"'\\]+)"},
    {REDACT_FORM, 2, 0,
     "(^|[^A-Za-z0-9]|\\\\[nrtbf])((sk|rk|pk)[-_][A-Za-z0-9_-]{16,}|gh[a-z]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{16,}|glpat-[A-Za-z0-9_"
     "-]{16,}"
     "|xox[a-z]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,}|(AKIA|ASIA)[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{30,}|ya29[.][A-Za-z0-9_-]{16,}"
     "|eyJ[A-Za-z0-9_-]+[.][A-Za-z0-9_-]+[.]?[A-Za-z0-9_-]*|npm_[A-Za-z0-9]{16,}|pypi-[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{16,}"
     "|hvs[.][A-Za-z0-9_-]{16,}|SG[.][A-Za-z0-9_-]{8,}[.][A-Za-z0-9_-]{8,}|dop_v1_[a-f0-9]{32,}|whsec_[A-Za-z0-9+/=]{16,}"
     "|AGE-SECRET-KEY-1[0-9A-Z]{16,}|[0-9]{8,10}:[A-Za-z0-9_-]{30,})"},
    {REDACT_NAMED, 3, REG_ICASE, NAMES "[a-z0-9_.-]{0,40}" QUOTE BLANKS "[:=]>?" BLANKS VALUE},
    {REDACT_NAMED, 3, REG_ICASE, NAMES "[ \t]+(is|was|to)[ \t]+" VALUE},
    {REDACT_NAMED, 2, REG_ICASE, "--[a-z0-9-]{0,40}(token|secret|passwo?r?d|key|credential)[a-z0-9-]{0,40}[ \t]+" VALUE},
    {REDACT_NAMED, 1, REG_ICASE, "login[ \t]+[^ \t]+[ \t]+password[ \t]+" VALUE},
};
#define RULES (sizeof rules / sizeof *rules)

struct redactor {
    regex_t compiled[RULES];
    cccc_arena_t *arena;
    cccc_builder_t secrets; /* texts, the longest first when they are used */
    uint64_t counts[REDACT_KINDS];
    bool bodies, sorted;
};

struct redactor *redact_new(bool bodies)
{
    struct redactor *self = calloc(1, sizeof *self);
    CCCC_ASSERT(self, "(out of memory)");
    self->arena = cccc_arena_new(4096);
    self->secrets = cccc_array_builder(self->arena, 16);
    self->bodies = bodies;
    for (size_t i = 0; i < RULES; i++) {
        int rc = regcomp(&self->compiled[i], rules[i].pattern, REG_EXTENDED | rules[i].flags);
        CCCC_ASSERT(rc == 0, "rule %zu: %d", i, rc);
        CCCC_ASSERT(self->compiled[i].re_nsub < GROUPS_MAX, "rule %zu has %zu groups", i, self->compiled[i].re_nsub);
    }
    return self;
}

void redact_free(struct redactor **self)
{
    if (!*self)
        return;
    for (size_t i = 0; i < RULES; i++)
        regfree(&(*self)->compiled[i]);
    cccc_arena_destroy(&(*self)->arena);
    free(*self);
    *self = NULL;
}

uint64_t redact_count(const struct redactor *self, enum redact_kind kind)
{
    return self->counts[kind];
}

const char *redact_what(enum redact_kind kind)
{
    return whats[kind];
}

void redact_note(struct redactor *self, enum redact_kind kind)
{
    self->counts[kind]++;
}

bool redact_keeps_bodies(const struct redactor *self)
{
    return self->bodies;
}

bool redact_is_secret_name(cccc_str_t name)
{
    static const char *const parts[] = {"token",      "secret",        "passw",  "pwd",        "passphrase", "passcode",
                                        "api_key",    "api-key",       "apikey", "access_key", "accesskey",  "private_key",
                                        "privatekey", "authorization", "cookie", "credential", "ticket"};
    if (cccc_str_is(name, "PWD") || cccc_str_is(name, "OLDPWD")) /* a shell's directories */
        return false;
    char lower[64];
    size_t len = name.len < sizeof lower - 1 ? name.len : sizeof lower - 1;
    for (size_t i = 0; i < len; i++)
        lower[i] = (char)tolower((unsigned char)name.ptr[i]);
    lower[len] = '\0';
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strstr(lower, parts[i]))
            return true;
    return false;
}

static void put_mark(struct redactor *self, enum redact_kind kind, cccc_buf_t *out)
{
    cccc_buf_str(out, MARK);
    cccc_buf_str(out, words[kind]);
    cccc_buf_str(out, "]");
    self->counts[kind]++;
}

/* A NUL behind the text, which does not count: a sanitizer's regexec looks for it. */
static void terminate(cccc_buf_t *text)
{
    *cccc_buf_reserve(text, 1) = '\0';
}

/* `from` becomes `to`, which is emptied. */
static void take(cccc_buf_t *from, cccc_buf_t *to)
{
    cccc_buf_fini(from);
    *from = *to;
    cccc_buf_init(to);
}

/* ---- what is known ---- */

static void learn(struct redactor *self, cccc_str_t secret)
{
    if (secret.len < SECRET_BYTES_MIN || cccc_str_is(secret, "true") || cccc_str_is(secret, "false"))
        return;
    cccc_array_add(&self->secrets, cccc_string(cccc_arena_str(self->arena, secret)));
    self->sorted = false;
}

/* As it stands inside a string of JSON. */
static void learn_as_json(struct redactor *self, cccc_str_t secret)
{
    cccc_value_t value = cccc_string(secret);
    cccc_buf_t json;
    cccc_buf_init(&json);
    cccc_json_write(&value, &json);
    cccc_str_t inside = {json.data + 1, json.size - 2};
    if (!cccc_str_eq(inside, secret))
        learn(self, inside);
    cccc_buf_fini(&json);
}

void redact_learn(struct redactor *self, cccc_str_t secret)
{
    learn(self, secret);
    learn_as_json(self, secret);
    for (const char *p = secret.ptr, *end = p + secret.len; memchr(secret.ptr, '\n', secret.len) && p < end;) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        cccc_str_t line = {p, (size_t)((stop ? stop : end) - p)};
        if (line.len >= SECRET_BYTES_CLEAR)
            learn(self, line);
        p += line.len + 1;
    }
}

static int longer_first(const void *a, const void *b)
{
    uint32_t m = ((const cccc_value_t *)a)->via.str.size, n = ((const cccc_value_t *)b)->via.str.size;
    return m < n ? 1 : m > n ? -1 : 0;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* The second character of an escape, as JSON in a text has it: a letter, and no part of a word. */
static bool is_escaped(cccc_str_t text, const char *at)
{
    return at > text.ptr && at[-1] == '\\' && strchr("nrtbf", *at);
}

/* A short one counts only as a word of its own: others hold it by chance. */
static bool stands_alone(cccc_str_t text, const char *at, size_t len)
{
    bool before = at > text.ptr && is_word(at[-1]) && !is_escaped(text, at - 1),
         behind = at + len < text.ptr + text.len && is_word(at[len]);
    return len >= SECRET_BYTES_CLEAR || (!before && !behind);
}

static void cut_known(struct redactor *self, cccc_str_t secret, cccc_buf_t *text)
{
    cccc_str_t all = {text->data, text->size};
    const char *p = all.ptr, *end = p + all.len, *found;
    cccc_buf_t out;
    if (!memmem(p, all.len, secret.ptr, secret.len))
        return;
    cccc_buf_init(&out);
    while ((found = memmem(p, (size_t)(end - p), secret.ptr, secret.len)) != NULL) {
        bool cut = stands_alone(all, found, secret.len);
        cccc_buf_put(&out, p, (size_t)(found - p) + (cut ? 0 : secret.len));
        if (cut)
            put_mark(self, REDACT_KNOWN, &out);
        p = found + secret.len;
    }
    cccc_buf_put(&out, p, (size_t)(end - p));
    take(text, &out);
}

/* ---- private keys ---- */

/* Behind the end line of a key that begins at `p`; one without has no more than KEY_BYTES_MAX. */
static const char *key_end(const char *p, const char *stop)
{
    static const char end[] = "-----END ", dashes[] = "-----";
    if (stop - p > KEY_BYTES_MAX)
        stop = p + KEY_BYTES_MAX;
    const char *close = memmem(p, (size_t)(stop - p), end, sizeof end - 1);
    const char *last = close ? memmem(close + sizeof end - 1, (size_t)(stop - close) - (sizeof end - 1), dashes, sizeof dashes - 1) : NULL;
    return last ? last + sizeof dashes - 1 : stop;
}

/* From "-----BEGIN ... PRIVATE KEY-----" on. */
static void cut_keys(struct redactor *self, cccc_buf_t *text)
{
    static const char begin[] = "-----BEGIN ", name[] = "PRIVATE KEY";
    const char *p = text->data, *stop = p + text->size, *found;
    cccc_buf_t out;
    if (text->size == 0 || !memmem(p, text->size, name, sizeof name - 1))
        return;
    cccc_buf_init(&out);
    while ((found = memmem(p, (size_t)(stop - p), begin, sizeof begin - 1)) != NULL) {
        const char *behind = found + sizeof begin - 1;
        size_t label = (size_t)(stop - behind) < LABEL_BYTES_MAX ? (size_t)(stop - behind) : LABEL_BYTES_MAX;
        bool is_private = memmem(behind, label, name, sizeof name - 1) != NULL;
        cccc_buf_put(&out, p, (size_t)((is_private ? found : behind) - p));
        if (is_private)
            put_mark(self, REDACT_KEY, &out);
        p = is_private ? key_end(found, stop) : behind;
    }
    cccc_buf_put(&out, p, (size_t)(stop - p));
    take(text, &out);
}

/* ---- names and forms ---- */

/* Has this been cut already? A value ends before the bracket. */
static bool is_mark(const char *p, size_t len)
{
    const size_t mark = sizeof MARK - 1;
    cccc_str_t word = {p + mark, len - mark};
    if (len < mark || memcmp(p, MARK, mark) != 0)
        return false;
    for (size_t i = 0; i < REDACT_KINDS; i++)
        if (cccc_str_is(word, words[i]))
            return true;
    return false;
}

static void apply(struct redactor *self, size_t i, cccc_buf_t *text)
{
    const struct rule *rule = &rules[i];
    regmatch_t match[GROUPS_MAX] = {{.rm_so = 0, .rm_eo = (regoff_t)text->size}};
    size_t at = 0;
    cccc_buf_t out;
    terminate(text);
    if (text->size == 0 || regexec(&self->compiled[i], text->data, GROUPS_MAX, match, REG_STARTEND) != 0)
        return;
    cccc_buf_init(&out);
    do {
        size_t from = (size_t)match[rule->group].rm_so, to = (size_t)match[rule->group].rm_eo;
        cccc_buf_put(&out, text->data + at, from - at);
        if (is_mark(text->data + from, to - from))
            cccc_buf_put(&out, text->data + from, to - from);
        else
            put_mark(self, rule->kind, &out);
        at = to;
        match[0] = (regmatch_t){.rm_so = (regoff_t)at, .rm_eo = (regoff_t)text->size};
    } while (at < text->size && regexec(&self->compiled[i], text->data, GROUPS_MAX, match, REG_STARTEND) == 0);
    cccc_buf_put(&out, text->data + at, text->size - at);
    take(text, &out);
}

/* ---- what looks random ---- */

static bool is_token_char(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("+/_-", c));
}

static int class_of(char c)
{
    return islower((unsigned char)c) ? 0 : isupper((unsigned char)c) ? 1 : isdigit((unsigned char)c) ? 2 : 3;
}

/* Lower case, upper case and digits, and another kind of character in every third place: words and paths change less often. */
static bool is_mixed(const char *p, size_t len)
{
    size_t of[4] = {0}, changes = 0;
    for (size_t i = 0; i < len; i++) {
        of[class_of(p[i])]++;
        changes += i > 0 && class_of(p[i]) != class_of(p[i - 1]);
    }
    return len >= RANDOM_BYTES_MIN && of[0] >= 2 && of[1] >= 2 && of[2] >= 1 && 3 * changes >= len;
}

static bool is_hex(char c)
{
    return isdigit((unsigned char)c) || (c >= 'a' && c <= 'f');
}

/* Hex digits that are neither an event's id (its seq is small) nor the name of a blob. */
static bool is_hex_secret(cccc_str_t text, const char *p, size_t len)
{
    static const char blob[] = "blobs/";
    const size_t blob_len = sizeof blob - 1, before = (size_t)(p - text.ptr);
    size_t digits = 0;
    while (digits < len && is_hex(p[digits]))
        digits++;
    if (digits < HEX_BYTES_MIN || digits < len)
        return false;
    bool is_event = digits == 32 && memcmp(p + 12, "0000", 4) == 0;
    return !is_event && !(before >= blob_len && memcmp(p - blob_len, blob, blob_len) == 0);
}

/* The same for any part of a token. */
static bool has_hex_secret(cccc_str_t text, const char *p, const char *end)
{
    for (const char *stop; p < end; p = stop) {
        for (stop = p; stop < end && isalnum((unsigned char)*stop); stop++)
            ;
        if (is_hex_secret(text, p, (size_t)(stop - p)))
            return true;
        stop += stop == p;
    }
    return false;
}

static void put_token(struct redactor *self, cccc_str_t text, const char *p, const char *end, bool ids, cccc_buf_t *out)
{
    size_t len = (size_t)(end - p);
    if (is_mixed(p, len) || (!ids && has_hex_secret(text, p, end)))
        put_mark(self, REDACT_RANDOM, out);
    else
        cccc_buf_put(out, p, len);
}

/* Tokens one by one; of a path, each part is one. */
static void cut_random(struct redactor *self, bool ids, cccc_buf_t *text)
{
    cccc_str_t all = {text->data, text->size};
    cccc_buf_t out;
    bool in_path = false;
    cccc_buf_init(&out);
    for (const char *p = all.ptr, *end = p + all.len, *stop; p < end; p = stop) {
        in_path = *p == '/' && (in_path || p == all.ptr || !is_token_char(p[-1]));
        for (stop = p + in_path; stop < end && is_token_char(*stop) && !(in_path && *stop == '/'); stop++)
            ;
        stop = stop > p ? stop : p + 1;
        stop += *p == '\\' && stop < end && is_escaped(all, stop);
        put_token(self, all, p, stop, ids, &out);
    }
    take(text, &out);
}

/* ---- all of it ---- */

static void cut_all_known(struct redactor *self, cccc_buf_t *text)
{
    cccc_value_t *secrets = self->secrets.value.via.array.ptr;
    uint32_t count = self->secrets.value.via.array.size;
    if (!self->sorted && count > 0)
        qsort(secrets, count, sizeof *secrets, longer_first);
    self->sorted = true;
    for (uint32_t i = 0; i < count; i++) {
        cccc_str_t secret = {0};
        if (cccc_as_str(&secrets[i], &secret) && text->size >= secret.len)
            cut_known(self, secret, text);
    }
}

static void redact_line(struct redactor *self, cccc_str_t line, bool ids, cccc_buf_t *out)
{
    cccc_buf_t text;
    cccc_buf_init(&text);
    cccc_buf_put(&text, line.ptr, line.len);
    for (size_t i = 0; i < RULES; i++)
        apply(self, i, &text);
    cut_random(self, ids, &text);
    cccc_buf_put(out, text.data, text.size);
    cccc_buf_fini(&text);
}

/* What is known, and keys, may have several lines; all else is looked for in one. */
static void redact(struct redactor *self, cccc_str_t given, bool ids, cccc_buf_t *out)
{
    cccc_buf_t text;
    cccc_buf_init(&text);
    cccc_buf_put(&text, given.ptr, given.len);
    cut_all_known(self, &text);
    cut_keys(self, &text);
    for (const char *p = text.data, *end = p + text.size, *stop; p < end; p = stop) {
        const char *feed = memchr(p, '\n', (size_t)(end - p));
        stop = feed ? feed + 1 : end;
        redact_line(self, (cccc_str_t){p, (size_t)(stop - p)}, ids, out);
    }
    cccc_buf_fini(&text);
}

void redact_text(struct redactor *self, cccc_str_t text, cccc_buf_t *out)
{
    redact(self, text, false, out);
}

void redact_id(struct redactor *self, cccc_str_t text, cccc_buf_t *out)
{
    redact(self, text, true, out);
}
