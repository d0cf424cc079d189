/* zone.c - the system's time zone data (tzdata): one file for each zone, of which many are links. They are no files of the home, so the vfs has no part in it.
 *
 * Thread: the store's. */
#include "broker/store/files.h"
#include "proto/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define ZONE_FOLDER "/usr/share/zoneinfo"

/* Europe/Berlin, Etc/GMT+3: no way out of the folder. */
static bool is_zone_name(cccc_str_t name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/";
    size_t i = 0;
    while (i < name.len && name.ptr[i] != '\0' && strchr(allowed, name.ptr[i]) != NULL)
        i++;
    return name.len > 0 && name.len <= CCCC_AUTOMATION_NAME_BYTES_MAX && i == name.len && name.ptr[0] != '/';
}

/* The whole file, or -errno. */
static ssize_t slurp(const char *path, char *out, size_t size)
{
    size_t len = 0;
    ssize_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    while (len < size && ((n = read(fd, out + len, size - len)) > 0 || (n < 0 && errno == EINTR)))
        len += n > 0 ? (size_t)n : 0;
    int rc = n < 0 ? -errno : 0;
    close(fd);
    return rc < 0 ? rc : (ssize_t)len;
}

cccc_err_t cccc_store_zone(const struct cccc_store_call *call)
{
    char path[sizeof ZONE_FOLDER + 1 + CCCC_AUTOMATION_NAME_BYTES_MAX];
    cccc_str_t name = call->store->name;
    if (!is_zone_name(name))
        return cccc_fail(call->m, CCCC_E_NOT_FOUND, "it is no name such as Europe/Berlin");
    snprintf(path, sizeof path, ZONE_FOLDER "/%.*s", CCCC_STR_FMT(name));
    char *bytes = cccc_arena_alloc(call->arena, CCCC_TIME_ZONE_BYTES_MAX + 1);
    ssize_t len = slurp(path, bytes, CCCC_TIME_ZONE_BYTES_MAX + 1);
    if (len == -ENOENT)
        return cccc_fail(call->m, CCCC_E_NOT_FOUND, "there is no %s (is tzdata installed?)", path);
    if (len < 0)
        return cccc_file_fail(call->m, (int)len, "read", path);
    if (len > CCCC_TIME_ZONE_BYTES_MAX)
        return cccc_fail(call->m, CCCC_E_TOO_LARGE, "%s has more than %d bytes", path, CCCC_TIME_ZONE_BYTES_MAX);
    cccc_builder_t map = cccc_map_builder(call->arena, 1);
    cccc_map_add(&map, "data", (cccc_value_t){.type = MSGPACK_OBJECT_BIN, .via.bin = {(uint32_t)len, bytes}});
    *call->value = map.value;
    return CCCC_OK;
}
