/* bundle.c - a .tar.zst from files in memory (bundle.h).
 *
 * Format: POSIX.1-1988 ustar, https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html, "ustar Interchange Format". Thread: one. */
#include "clients/cli/diagnosis/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

enum { BLOCK = 512, LEVEL = 3 };

struct header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6], version[2], user[32], group[32],
        major[8], minor[8], prefix[155], rest[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a header is one block");

void bundle_init(struct bundle *self, struct cli *cli, const char *folder)
{
    *self = (struct bundle){.cli = cli, .folder = folder, .files = cccc_array_builder(cli->arena, 16)};
    cccc_buf_init(&self->tar);
}

void bundle_fini(struct bundle *self)
{
    cccc_buf_fini(&self->tar);
}

/* The sum is over the header with blanks where the sum will be. */
static void seal(struct header *header)
{
    const unsigned char *bytes = (const unsigned char *)header;
    unsigned sum = 0;
    memset(header->checksum, ' ', sizeof header->checksum);
    for (size_t i = 0; i < sizeof *header; i++)
        sum += bytes[i];
    snprintf(header->checksum, sizeof header->checksum, "%06o", sum);
}

static void put_header(struct bundle *self, const char *name, size_t size)
{
    struct header header = {.type = '0', .magic = "ustar", .version = {'0', '0'}};
    int len = snprintf(header.name, sizeof header.name, "%s/%s", self->folder, name);
    CCCC_ASSERT(len > 0 && len <= BUNDLE_NAME_MAX, "%s/%s has %d bytes", self->folder, name, len);
    snprintf(header.mode, sizeof header.mode, "%07o", 0600);
    snprintf(header.uid, sizeof header.uid, "%07o", 0);
    snprintf(header.gid, sizeof header.gid, "%07o", 0);
    snprintf(header.size, sizeof header.size, "%011llo", (unsigned long long)size);
    snprintf(header.mtime, sizeof header.mtime, "%011llo", (unsigned long long)(self->cli->now_us / 1000000));
    seal(&header);
    cccc_buf_put(&self->tar, &header, sizeof header);
}

static void put_zeros(struct bundle *self, size_t count)
{
    memset(cccc_buf_reserve(&self->tar, count), 0, count);
    self->tar.size += count;
}

void bundle_add(struct bundle *self, const char *name, cccc_str_t text)
{
    cccc_builder_t file = cccc_map_builder(self->cli->arena, 2);
    cccc_map_add(&file, "name", cccc_text(name));
    cccc_map_add(&file, "bytes", cccc_uint(text.len));
    cccc_array_add(&self->files, file.value);
    put_header(self, name, text.len);
    cccc_buf_put(&self->tar, text.ptr, text.len);
    put_zeros(self, (BLOCK - text.len % BLOCK) % BLOCK);
}

/* The bytes, at `path`; 0 or errno. */
static int write_new(const char *path, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return errno;
    int rc = cccc_vfs_write_all(&cccc_vfs_posix, fd, bytes, size);
    if (rc == 0 && fsync(fd) != 0)
        rc = -errno;
    close(fd);
    if (rc < 0)
        unlink(path);
    return -rc;
}

int bundle_write(struct bundle *self, const char *path, uint64_t *bytes)
{
    put_zeros(self, (size_t)2 * BLOCK);
    size_t room = ZSTD_compressBound(self->tar.size);
    void *packed = malloc(room);
    CCCC_ASSERT(packed, "(out of memory)");
    size_t size = ZSTD_compress(packed, room, self->tar.data, self->tar.size, LEVEL);
    CCCC_ASSERT(!ZSTD_isError(size), "%s", ZSTD_getErrorName(size));
    int error = write_new(path, packed, size);
    free(packed);
    *bytes = size;
    if (error == EEXIST)
        return cli_fail(self->cli, CCCC_E_EXISTS, "give another with --output, or remove it", "%s is there already; nothing was written",
                        path);
    if (error)
        return cli_fail(self->cli, error == ENOSPC ? CCCC_E_NO_SPACE : CCCC_E_STORAGE, "--output FILE names another place",
                        "cannot write %s: %s", path, strerror(error));
    return 0;
}
