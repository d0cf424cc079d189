/* descriptor.c - daemon/ccccd.addr.json: where clients find the daemon.
 *
 * Owns that file (reference 1.9; CCCC 0.4.0 clients read its first eight members) and the removal of daemon/ccccd.pid.
 * Thread: start-up's and shutdown's. */
#include "broker/store/files.h"
#include "proto/json.h"

cccc_err_t cccc_descriptor_write(const struct cccc_vfs *vfs, const struct cccc_home *home, const struct cccc_descriptor *d, const char *ts,
                                 struct cccc_errmsg *m)
{
    struct cccc_path path = cccc_path(home, "/daemon/ccccd.addr.json");
    cccc_arena_t *arena = cccc_arena_new(2048);
    cccc_buf_t text;
    cccc_builder_t map = cccc_map_builder(arena, 16), implementation = cccc_map_builder(arena, 2);
    cccc_map_add(&implementation, "name", cccc_text("cccc"));
    cccc_map_add(&implementation, "version", cccc_text(d->version));
    cccc_map_add(&map, "v", cccc_uint(1));
    bool tcp = d->port != 0;
    cccc_map_add(&map, "transport", cccc_text(tcp ? "tcp" : "unix"));
    cccc_map_add(&map, "path", cccc_text(tcp ? "" : d->path));
    cccc_map_add(&map, "host", cccc_text(tcp ? "127.0.0.1" : ""));
    cccc_map_add(&map, "port", cccc_uint(d->port));
    cccc_map_add(&map, "pid", cccc_int(d->pid));
    cccc_map_add(&map, "version", cccc_text(CCCC_IPC_VERSION));
    cccc_map_add(&map, "ts", cccc_text(ts));
    cccc_map_add(&map, "implementation", implementation.value);
    cccc_map_add(&map, "bus", cccc_text(d->bus));
    cccc_map_add(&map, "events", cccc_text(d->events));
    cccc_map_add(&map, "protocol", cccc_uint(CCCC_WIRE_VERSION));
    cccc_map_add(&map, "epoch", cccc_uint(d->epoch));
    if (d->folder[0])
        cccc_map_add(&map, "folder", cccc_text(d->folder));
    if (d->pid_started)
        cccc_map_add(&map, "pid_started", cccc_uint(d->pid_started));
    cccc_buf_init(&text);
    cccc_json_write_pretty(&map.value, &text);
    int rc = cccc_vfs_replace(vfs, path.z, text.data, text.size, false);
    cccc_buf_fini(&text);
    cccc_arena_destroy(&arena);
    return rc < 0 ? cccc_file_fail(m, rc, "write", path.z) : CCCC_OK;
}

void cccc_descriptor_remove(const struct cccc_vfs *vfs, const struct cccc_home *home)
{
    /* In this order: a home with ccccd.pid and without descriptor has a daemon that is starting. */
    vfs->unlink(vfs->ctx, cccc_path(home, "/daemon/ccccd.pid").z);
    vfs->unlink(vfs->ctx, cccc_path(home, "/daemon/ccccd.addr.json").z);
}
