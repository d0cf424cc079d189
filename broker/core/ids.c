/* ids.c - what an id may look like, and the ids that follow from a path or a remote (reference 1.3).
 *
 * Word characters are letters (L), numbers (N) and the marks that complete letters in many scripts (Mn, Mc), by libunistring's tables, and the
 * underscore. Ids are file names and topic parts later, so everything that could leave a folder or a topic is refused here.
 * Thread: any; pure. */
#include "broker/core/call.h"

#include <sodium/crypto_hash_sha256.h>
#include <sodium/utils.h>
#include <unictype.h>
#include <unistr.h>

#define WORD_CATEGORIES (UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_N | UC_CATEGORY_MASK_Mn | UC_CATEGORY_MASK_Mc)

static bool is_reserved(cccc_str_t id)
{
    static const char *const names[] = {"user", "all", "system", "foreman", "peers", "admin", "root", "cccc"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strlen(names[i]) == id.len && strncasecmp(names[i], id.ptr, id.len) == 0)
            return true;
    }
    return false;
}

static bool has_any(cccc_str_t s, const char *set)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != '\0' && strchr(set, s.ptr[i]) != NULL)
            return true;
    }
    return false;
}

static bool is_word(ucs4_t c)
{
    return c == '_' || c == '-' || uc_is_general_category_withtable(c, WORD_CATEGORIES);
}

static bool all_words(cccc_str_t s)
{
    const uint8_t *at = (const uint8_t *)s.ptr;
    size_t left = s.len;
    while (left > 0) {
        ucs4_t c;
        int n = u8_mbtoucr(&c, at, left);
        if (n <= 0 || !is_word(c))
            return false;
        at += n;
        left -= (size_t)n;
    }
    return true;
}

bool actor_id_valid(cccc_str_t id, struct cccc_errmsg *why)
{
    const char *wrong = NULL;
    if (id.len == 0)
        wrong = "an actor id cannot be empty";
    else if (u8_mbsnlen((const uint8_t *)id.ptr, id.len) > CCCC_ACTOR_ID_CHARS_MAX)
        wrong = "an actor id has at most 32 characters";
    else if (id.ptr[0] == '-' || id.ptr[0] == '_')
        wrong = "an actor id cannot begin with - or _";
    else if (has_any(id, " \t\n"))
        wrong = "an actor id cannot contain white space";
    else if (has_any(id, "."))
        wrong = "an actor id cannot contain a dot";
    else if (has_any(id, "@"))
        wrong = "an actor id cannot contain @";
    else if (has_any(id, "/\\"))
        wrong = "an actor id cannot contain / or \\";
    else if (!all_words(id))
        wrong = "an actor id consists of letters, digits, _ and -";
    else if (is_reserved(id))
        wrong = "this name is reserved (user, all, system, foreman, peers, admin, root, cccc)";
    if (wrong != NULL)
        cccc_fail(why, CCCC_E_INVALID_ACTOR_ID, "%s", wrong);
    return wrong == NULL;
}

bool group_id_valid(cccc_str_t id)
{
    if (id.len != 14 || id.ptr[0] != 'g' || id.ptr[1] != '_')
        return false;
    for (size_t i = 2; i < id.len; i++) {
        char c = id.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
    }
    return true;
}

void scope_hash_id(char out[15], char prefix, cccc_str_t seed)
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, (const unsigned char *)(seed.len > 0 ? seed.ptr : ""), seed.len);
    out[0] = prefix;
    out[1] = '_';
    sodium_bin2hex(out + 2, 13, hash, 6);
}

static bool starts_with(cccc_str_t s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.len >= n && memcmp(s.ptr, prefix, n) == 0;
}

static cccc_str_t skip(cccc_str_t s, size_t n)
{
    return (cccc_str_t){s.ptr + n, s.len - n};
}

static cccc_str_t without_suffix(cccc_str_t s, const char *suffix)
{
    size_t n = strlen(suffix);
    if (s.len > n && memcmp(s.ptr + s.len - n, suffix, n) == 0)
        s.len -= n;
    return s;
}

/* What follows "user@" or "user:password@" before the first slash: credentials never reach a ledger. */
static cccc_str_t without_user(cccc_str_t rest)
{
    const char *slash = memchr(rest.ptr, '/', rest.len);
    size_t authority = slash ? (size_t)(slash - rest.ptr) : rest.len;
    const char *at = memrchr(rest.ptr, '@', authority);
    return at ? skip(rest, (size_t)(at - rest.ptr) + 1) : rest;
}

/* scp-style: user@host:owner/repo, which is not a URL. */
static bool scp_parts(cccc_str_t url, cccc_str_t *host, cccc_str_t *path)
{
    const char *at = memchr(url.ptr, '@', url.len);
    if (at == NULL || memmem(url.ptr, url.len, "://", 3) != NULL)
        return false;
    cccc_str_t rest = skip(url, (size_t)(at - url.ptr) + 1);
    const char *colon = memchr(rest.ptr, ':', rest.len);
    if (colon == NULL || colon == rest.ptr)
        return false;
    *host = (cccc_str_t){rest.ptr, (size_t)(colon - rest.ptr)};
    *path = skip(rest, host->len + 1);
    return memchr(host->ptr, '/', host->len) == NULL && path->len > 0;
}

cccc_str_t git_remote_normalise(cccc_arena_t *arena, cccc_str_t url)
{
    cccc_str_t host, path;
    if (url.len == 0)
        return url;
    if (scp_parts(url, &host, &path)) {
        path = without_suffix(path, ".git");
        return cccc_arena_printf(arena, "https://%.*s/%.*s", CCCC_STR_FMT(host), CCCC_STR_FMT(path));
    }
    static const struct {
        const char *prefix, *becomes;
    } schemes[] = {{"ssh://", "https://"}, {"https://", "https://"}, {"http://", "http://"}};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if (!starts_with(url, schemes[i].prefix))
            continue;
        cccc_str_t rest = without_suffix(without_user(skip(url, strlen(schemes[i].prefix))), ".git");
        return cccc_arena_printf(arena, "%s%.*s", schemes[i].becomes, CCCC_STR_FMT(rest));
    }
    return url;
}
