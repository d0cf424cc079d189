/* scratch_home.c - see scratch_home.h. */
#include "tests/support/scratch_home.h"

#include "proto/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void scratch_open(struct scratch *s)
{
    const char *tmp = getenv("TMPDIR");
    memset(s, 0, sizeof *s);
    s->arena = cccc_arena_new(16384);
    snprintf(s->dir, sizeof s->dir, "%s/cccc-store-XXXXXX", tmp && strlen(tmp) < 40 ? tmp : "/tmp");
    assert_non_null(mkdtemp(s->dir));
    const char *home = cccc_arena_printf(s->arena, "%s/home", s->dir).ptr;
    assert_int_equal(cccc_home_find(home, &s->home, &s->m), CCCC_OK);
    assert_int_equal(cccc_home_prepare(&cccc_vfs_posix, &s->home, &s->m), CCCC_OK);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

void scratch_close(struct scratch *s)
{
    nftw(s->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    cccc_arena_destroy(&s->arena);
}

cccc_err_t scratch_store(struct scratch *s, const struct cccc_vfs *vfs, struct cccc_store store)
{
    s->m.text[0] = '\0';
    return cccc_store_run(vfs, &s->home, &store, s->arena, &s->value, &s->m);
}

const char *scratch_path(struct scratch *s, const char *fmt, ...)
{
    char rest[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(rest, sizeof rest, fmt, args);
    va_end(args);
    return cccc_arena_printf(s->arena, "%s/%s", s->home.root, rest).ptr;
}

void scratch_write(struct scratch *s, const char *name, const char *text)
{
    char *path = (char *)(uintptr_t)scratch_path(s, "%s", name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(cccc_vfs_make_dirs(&cccc_vfs_posix, path), 0);
    *slash = '/';
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

const char *scratch_read(struct scratch *s, const char *name)
{
    char *text;
    size_t len;
    if (cccc_vfs_slurp(&cccc_vfs_posix, scratch_path(s, "%s", name), 64 * 1024 * 1024, &text, &len) < 0)
        return NULL;
    const char *kept = cccc_arena_str(s->arena, (cccc_str_t){text, len}).ptr;
    free(text);
    return kept;
}

bool scratch_exists(struct scratch *s, const char *name)
{
    struct cccc_stat st;
    return cccc_vfs_posix.stat(NULL, scratch_path(s, "%s", name), &st) == 0;
}

cccc_value_t scratch_json(struct scratch *s, const char *text)
{
    cccc_value_t value;
    struct cccc_errmsg m;
    cccc_str_t copy = cccc_arena_str(s->arena, cccc_str(text));
    for (char *p = (char *)(uintptr_t)copy.ptr; *p; p++)
        if (*p == '\'')
            *p = '"';
    if (cccc_json_read(copy.ptr, copy.len, s->arena, &value, &m))
        fail_msg("%s: %s", m.text, text);
    return value;
}
