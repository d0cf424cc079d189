/* files.c - paths of the home, errno as errors, safe names. Owns no file. Thread: none; pure but for the clock of cccc_stamp. */
#include "broker/store/files.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

enum { PATH_SHOWN_MAX = 300 };

struct cccc_path cccc_path(const struct cccc_home *home, const char *fmt, ...)
{
    struct cccc_path path;
    va_list args;
    size_t len = strlen(home->root);
    memcpy(path.z, home->root, len);
    va_start(args, fmt);
    int more = vsnprintf(path.z + len, sizeof path.z - len, fmt, args);
    va_end(args);
    CCCC_ASSERT(more >= 0 && len + (size_t)more < sizeof path.z, "a path of %zu bytes", len + (size_t)more);
    return path;
}

struct cccc_path cccc_group_path(const struct cccc_home *home, cccc_str_t group_id, const char *fmt, ...)
{
    char rest[400];
    va_list args;
    CCCC_ASSERT(cccc_is_safe_name(group_id), "a group id that is no name: %.*s", CCCC_STR_FMT(group_id));
    va_start(args, fmt);
    int len = vsnprintf(rest, sizeof rest, fmt, args);
    va_end(args);
    CCCC_ASSERT(len >= 0 && (size_t)len < sizeof rest, "a path of %d bytes", len);
    return cccc_path(home, "/groups/%.*s%s", CCCC_STR_FMT(group_id), rest);
}

/* The end of a long path tells more than its beginning, and the reason behind it has to fit into the message. */
static const char *path_shown(const char *path)
{
    size_t len = strlen(path);
    const char *end = len > PATH_SHOWN_MAX ? strchr(path + len - PATH_SHOWN_MAX, '/') : NULL;
    return end ? end : path;
}

cccc_err_t cccc_file_fail(struct cccc_errmsg *m, int rc, const char *what, const char *path)
{
    const char *shown = path_shown(path), *cut = shown == path ? "" : "...";
    switch (-rc) {
    case ENOSPC:
    case EDQUOT:
        return cccc_fail(m, CCCC_E_NO_SPACE, "cannot %s %s%s: the disk is full; make room and try again", what, cut, shown);
    case ENOENT:
        return cccc_fail(m, CCCC_E_NOT_FOUND, "cannot %s %s%s: it does not exist", what, cut, shown);
    case ELOOP:
        return cccc_fail(m, CCCC_E_STORAGE, "cannot %s %s%s: it is a symbolic link, which cccc does not follow", what, cut, shown);
    default:
        return cccc_fail(m, CCCC_E_STORAGE, "cannot %s %s%s: %s", what, cut, shown, strerror(-rc));
    }
}

bool cccc_is_safe_name(cccc_str_t name)
{
    if (name.len == 0 || name.len > 255 || name.ptr[0] == '.')
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!isalnum((unsigned char)name.ptr[i]) && !(name.ptr[i] && strchr("._-", name.ptr[i])))
            return false;
    return true;
}

static bool is_lower_hex(const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!(p[i] >= '0' && p[i] <= '9') && !(p[i] >= 'a' && p[i] <= 'f'))
            return false;
    return true;
}

bool cccc_is_group_id(cccc_str_t id)
{
    return id.len == 14 && id.ptr[0] == 'g' && id.ptr[1] == '_' && is_lower_hex(id.ptr + 2, 12);
}

bool cccc_is_sha256(cccc_str_t name)
{
    return name.len == 64 && is_lower_hex(name.ptr, 64);
}

void cccc_stamp(char out[24])
{
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(out, 24, "%Y%m%dT%H%M%SZ", &utc);
}
