/* launch.c - see launch.h. */
#include "broker/hold/launch.h"

#include "proto/limits.h"
#include "proto/wire.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { SCROLLBACK_FD = 5 };

/* The whole pipe, at most a frame's worth. */
static cccc_err_t read_all(int fd, cccc_buf_t *out, struct cccc_errmsg *m)
{
    enum { PIECE = 64 * 1024 };
    ssize_t n;
    do {
        n = read(fd, cccc_buf_reserve(out, PIECE), PIECE);
        out->size += n > 0 ? (size_t)n : 0;
    } while ((n > 0 || (n < 0 && errno == EINTR)) && out->size <= CCCC_FRAME_BYTES_MAX);
    if (n < 0)
        return cccc_fail(m, CCCC_E_STORAGE, "the launch document: %s", strerror(errno));
    return out->size == 0 ? cccc_fail(m, CCCC_E_NOT_FOUND, "no launch document came: the daemon gave up, or this was not started by it")
                          : CCCC_OK;
}

static const char *text(const struct launch *self, const cccc_value_t *map, const char *key)
{
    return cccc_arena_str(self->arena, cccc_get_str(map, key)).ptr;
}

static char **command(const struct launch *self, const cccc_value_t *list)
{
    uint32_t count = cccc_is_array(list) ? list->via.array.size : 0;
    char **argv = cccc_arena_alloc(self->arena, (count + 1) * sizeof *argv);
    cccc_str_t word;
    for (uint32_t i = 0; i < count; i++) {
        word = (cccc_str_t){0};
        cccc_as_str(&list->via.array.ptr[i], &word);
        argv[i] = (char *)(uintptr_t)cccc_arena_str(self->arena, word).ptr;
    }
    argv[count] = NULL;
    return argv;
}

static char **environment(const struct launch *self, const cccc_value_t *map)
{
    uint32_t count = cccc_is_map(map) ? map->via.map.size : 0;
    char **names = cccc_arena_alloc(self->arena, (count + 1) * sizeof *names);
    for (uint32_t i = 0; i < count; i++) {
        cccc_str_t name = {0}, value = {0};
        cccc_as_str(&map->via.map.ptr[i].key, &name);
        cccc_as_str(&map->via.map.ptr[i].val, &value);
        names[i] = (char *)(uintptr_t)cccc_arena_printf(self->arena, "%.*s=%.*s", CCCC_STR_FMT(name), CCCC_STR_FMT(value)).ptr;
    }
    names[count] = NULL;
    return names;
}

static uint16_t size_or(const cccc_value_t *map, const char *key, uint16_t otherwise)
{
    uint64_t n = cccc_get_uint(map, key, otherwise);
    return n >= 1 && n <= 1000 ? (uint16_t)n : otherwise;
}

static cccc_err_t take(struct launch *self, const cccc_value_t *map, struct cccc_errmsg *m)
{
    if (!cccc_is_map(map) || cccc_get_uint(map, "v", 0) != 1)
        return cccc_fail(m, CCCC_E_INVALID_REQUEST,
                         "the launch document is of another version of cccc; install ccccd and cccc-hold together");
    self->home = text(self, map, "home");
    self->group_id = text(self, map, "group_id");
    self->actor_id = text(self, map, "actor_id");
    self->directory = text(self, map, "directory");
    self->socket = text(self, map, "socket");
    self->generation = cccc_get_uint(map, "generation", 0);
    self->argv = command(self, cccc_get(map, "command"));
    self->environment = environment(self, cccc_get(map, "environment"));
    self->rows = size_or(map, "rows", 40);
    self->cols = size_or(map, "cols", 120);
    self->ready_ms = (int64_t)cccc_get_uint(map, "ready_ms", 0);
    self->draws = cccc_get_bool(map, "draws", false);
    self->shows = cccc_get_bool(map, "shows", false);
    self->questions = cccc_get(map, "questions");
    self->dialogs = cccc_get(map, "dialogs");
    self->scrollback_bytes = cccc_get_uint(map, "scrollback_bytes", CCCC_SCROLLBACK_BYTES);
    self->scrollback_fd = cccc_get_bool(map, "scrollback_file", false) ? SCROLLBACK_FD : -1;
    self->processes_max = cccc_get_uint(map, "processes_max", 0);
    self->memory_bytes = cccc_get_uint(map, "memory_mib_max", 0) << 20;
    if (!self->argv[0] || !*self->home || !*self->group_id || !*self->actor_id || !*self->directory || !*self->socket || !self->generation)
        return cccc_fail(m, CCCC_E_INVALID_REQUEST, "the launch document lacks something; this is a bug of ccccd");
    return CCCC_OK;
}

cccc_err_t launch_read(int fd, struct launch *out, struct cccc_errmsg *m)
{
    cccc_buf_t bytes;
    cccc_value_t map;
    cccc_buf_init(&bytes);
    *out = (struct launch){.arena = cccc_arena_new(16 * 1024)};
    cccc_err_t err = read_all(fd, &bytes, m);
    if (err == CCCC_OK)
        err = cccc_msgpack_read(bytes.data, bytes.size, CCCC_FRAME_BYTES_MAX, out->arena, &map, m);
    if (err == CCCC_OK)
        map = cccc_value_copy(out->arena, &map); /* nothing borrows the bytes, which are wiped */
    if (err == CCCC_OK)
        err = take(out, &map, m);
    explicit_bzero(bytes.data, bytes.size);
    cccc_buf_fini(&bytes);
    if (err != CCCC_OK)
        launch_fini(out);
    return err;
}

void launch_fini(struct launch *self)
{
    cccc_arena_destroy(&self->arena);
    *self = (struct launch){0};
}
