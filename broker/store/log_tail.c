/* log_tail.c - the end of a log, for developers: daemon/ccccd.log, or one that CCCC 0.4.0's web view or a group's IM bridge writes into this home. Where these never ran there is
 * none, and nothing in it.
 *
 * At most TAIL_BYTES of it are looked at. Emptying it cuts the file the log goes on appending to.
 * Thread: the store thread. */
#include "broker/store/files.h"
#include "proto/json.h"

#include <errno.h>

enum { TAIL_BYTES = 1024 * 1024 };

static int64_t read_end(const struct cccc_store_call *call, int fd, char *text)
{
    struct cccc_stat st;
    if (call->vfs->fstat(call->vfs->ctx, fd, &st) < 0)
        return -1;
    return cccc_vfs_read_all(call->vfs, fd, text, TAIL_BYTES, st.size > TAIL_BYTES ? st.size - TAIL_BYTES : 0);
}

/* Where the last `count` lines of `text` begin. */
static const char *last_lines(const char *text, size_t len, uint64_t count)
{
    const char *at = text + len;
    while (at > text && (at[-1] != '\n' || at == text + len || --count > 0))
        at--;
    return at;
}

static cccc_value_t lines_of(cccc_arena_t *arena, const char *from, const char *end)
{
    cccc_builder_t lines = cccc_array_builder(arena, 64);
    for (const char *next; from < end; from = next) {
        const char *stop = memchr(from, '\n', (size_t)(end - from));
        cccc_str_t line = cccc_arena_str(arena, (cccc_str_t){from, (size_t)((stop ? stop : end) - from)});
        next = stop ? stop + 1 : end;
        cccc_array_add(&lines, cccc_utf8_valid(line) ? cccc_string(line) : cccc_text("(a line that is not UTF-8)"));
    }
    return lines.value;
}

static struct cccc_path log_path(const struct cccc_store_call *call)
{
    if (cccc_str_is(call->store->name, "im"))
        return cccc_group_path(call->home, call->store->group_id, "/state/im_bridge.log");
    return cccc_path(call->home, cccc_str_is(call->store->name, "web") ? "/daemon/cccc-web.log" : "/daemon/ccccd.log");
}

cccc_err_t cccc_store_log_tail(const struct cccc_store_call *call)
{
    struct cccc_path path = log_path(call);
    bool clear = cccc_get_bool(&call->store->document, "clear", false);
    int fd = call->vfs->open(call->vfs->ctx, path.z, clear ? CCCC_O_WRITE : CCCC_O_READ);
    cccc_builder_t map = cccc_map_builder(call->arena, 2);
    cccc_map_add(&map, "path", cccc_string(cccc_arena_str(call->arena, cccc_str(path.z))));
    *call->value = map.value;
    if (fd == -ENOENT)
        return CCCC_OK;
    if (fd < 0)
        return cccc_file_fail(call->m, fd, "open", path.z);
    int rc = clear ? call->vfs->truncate(call->vfs->ctx, fd, 0) : 0;
    if (!clear) {
        char *text = cccc_arena_alloc(call->arena, TAIL_BYTES);
        int64_t len = read_end(call, fd, text);
        rc = len < 0 ? (int)len : 0;
        if (rc == 0)
            cccc_map_add(&map, "lines", lines_of(call->arena, last_lines(text, (size_t)len, call->store->total), text + len));
    }
    call->vfs->close(call->vfs->ctx, fd);
    *call->value = map.value;
    return rc < 0 ? cccc_file_fail(call->m, rc, clear ? "empty" : "read", path.z) : CCCC_OK;
}
