/* blob.c - files of a group, in pieces: put one, get one.
 *
 * A blob is named by the SHA-256 of its content, so a put that was interrupted by a restart of the daemon simply begins again. A got file
 * appears under its name whole or not at all; links are followed, and what is no plain file is written through. */
#include "clients/lib/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE CCCC_BLOB_PIECE_BYTES_MAX
/* Beginning again is for a daemon that came back; more often than this it is something else. */
#define PUT_ATTEMPTS 3

struct upload {
    cccc_t *client;
    const char *group_id;
    const char *file;
    int fd;
    uint64_t size;
    char sha256[65];
    unsigned char *piece;
};

static int file_failed(struct cccc_error *err, const char *file, const char *what)
{
    return client_fail(err, CCCC_E_INVALID_PATH, "not_stored", "%s cannot be %s: %s", file, what, strerror(errno));
}

/* Read exactly `len` bytes at `offset`; a file that became shorter is an error. */
static int read_piece(struct upload *up, uint64_t offset, size_t len, struct cccc_error *err)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = pread(up->fd, up->piece + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return file_failed(err, up->file, "read");
        if (n == 0)
            return client_fail(err, CCCC_E_USAGE, "not_stored", "%s became shorter while it was read; try again when nobody writes to it",
                               up->file);
        done += (size_t)n;
    }
    return 0;
}

static size_t piece_len(const struct upload *up, uint64_t offset)
{
    return up->size - offset < PIECE ? (size_t)(up->size - offset) : PIECE;
}

static int hash_file(struct upload *up, struct cccc_error *err)
{
    crypto_hash_sha256_state state;
    unsigned char digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_init(&state);
    for (uint64_t offset = 0; offset < up->size; offset += PIECE) {
        if (read_piece(up, offset, piece_len(up, offset), err) != 0)
            return -1;
        crypto_hash_sha256_update(&state, up->piece, piece_len(up, offset));
    }
    crypto_hash_sha256_final(&state, digest);
    sodium_bin2hex(up->sha256, sizeof up->sha256, digest, sizeof digest);
    return 0;
}

static int put_piece(struct upload *up, uint64_t offset, cccc_reply_t **reply, struct cccc_error *err)
{
    if (read_piece(up, offset, piece_len(up, offset), err) != 0)
        return -1;
    const char *slash = strrchr(up->file, '/');
    cccc_args_t *args = cccc_args_new();
    cccc_args_str(args, "group_id", up->group_id);
    cccc_args_str(args, "sha256", up->sha256);
    cccc_args_str(args, "name", slash ? slash + 1 : up->file);
    cccc_args_uint(args, "total_bytes", up->size);
    cccc_args_uint(args, "offset", offset);
    cccc_args_bin(args, "data", up->piece, piece_len(up, offset));
    return cccc_request(up->client, "blob_put", &args, reply, err);
}

/* All pieces in order; the last answer names the path. */
static int put_pieces(struct upload *up, char *path_out, struct cccc_error *err)
{
    uint64_t offset = 0;
    do {
        cccc_reply_t *reply = NULL;
        if (put_piece(up, offset, &reply, err) != 0)
            return -1;
        cccc_str_t path = cccc_get_str(cccc_reply_result(reply), "path");
        if (path_out && path.len)
            snprintf(path_out, 512, "%.*s", CCCC_STR_FMT(path));
        cccc_reply_free(&reply);
        offset += PIECE;
    } while (offset < up->size);
    return 0;
}

static int open_upload(struct upload *up, struct cccc_error *err)
{
    struct stat st;
    up->fd = open(up->file, O_RDONLY | O_CLOEXEC);
    if (up->fd < 0 || fstat(up->fd, &st) != 0)
        return file_failed(err, up->file, "opened");
    if (!S_ISREG(st.st_mode))
        return client_fail(err, CCCC_E_INVALID_PATH, "not_stored", "%s is not a plain file", up->file);
    if (st.st_size > CCCC_BLOB_BYTES_MAX)
        return client_fail(err, CCCC_E_TOO_LARGE, "not_stored", "%s has %lld bytes, the limit is %d", up->file, (long long)st.st_size,
                           CCCC_BLOB_BYTES_MAX);
    up->size = (uint64_t)st.st_size;
    return 0;
}

int cccc_blob_put_file(cccc_t *self, const char *group_id, const char *file, char *path_out, struct cccc_error *err)
{
    struct cccc_error last = {0};
    struct upload up = {.client = self, .group_id = group_id, .file = file, .fd = -1, .piece = malloc(PIECE)};
    CCCC_ASSERT(up.piece, "out of memory");
    int rc = open_upload(&up, &last);
    if (rc == 0)
        rc = hash_file(&up, &last);
    for (int attempt = 0; rc == 0 && attempt < PUT_ATTEMPTS; attempt++) {
        rc = put_pieces(&up, path_out, &last);
        bool again = rc != 0 && strcmp(last.code, cccc_err_code(CCCC_E_UNREACHABLE)) == 0 && strcmp(last.outcome, "unknown") == 0;
        if (!again)
            break;
        rc = attempt + 1 < PUT_ATTEMPTS ? 0 : -1;
    }
    if (rc != 0 && err)
        *err = last;
    if (up.fd >= 0)
        close(up.fd);
    free(up.piece);
    return rc;
}

static int write_all(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Fetch the blob into `fd`. */
static int get_pieces(cccc_t *self, const char *group_id, const char *path, const char *file, int fd, struct cccc_error *err)
{
    uint64_t offset = 0, size = 0;
    do {
        cccc_args_t *args = cccc_args_new();
        cccc_args_str(args, "group_id", group_id);
        cccc_args_str(args, "path", path);
        cccc_args_uint(args, "offset", offset);
        cccc_reply_t *reply = NULL;
        if (cccc_request(self, "blob_get", &args, &reply, err) != 0)
            return -1;
        const msgpack_object *data = cccc_field(cccc_reply_result(reply), "data");
        size = cccc_get_uint(cccc_reply_result(reply), "bytes", 0);
        uint32_t got = data && data->type == MSGPACK_OBJECT_BIN ? data->via.bin.size : 0;
        int rc = got ? write_all(fd, data->via.bin.ptr, got) : 0;
        cccc_reply_free(&reply);
        if (rc != 0)
            return file_failed(err, file, "written");
        if (!got && offset < size)
            return client_fail(err, CCCC_E_DAMAGED, "", "%s ended at byte %llu of %llu; `cccc doctor` tells more", path,
                               (unsigned long long)offset, (unsigned long long)size);
        offset += got;
    } while (offset < size);
    return 0;
}

/* The file appears under its name whole or not at all; one that was there lends its mode. */
static int get_new_file(cccc_t *self, const char *group_id, const char *path, const char *file, const struct stat *old,
                        struct cccc_error *err)
{
    char part[PATH_MAX];
    if ((size_t)snprintf(part, sizeof part, "%s.part-XXXXXX", file) >= sizeof part)
        return client_fail(err, CCCC_E_TOO_LARGE, "", "the path of the file is over %zu bytes", sizeof part - 1);
    int fd = mkstemp(part);
    if (fd < 0)
        return file_failed(err, file, "created");
    int rc = get_pieces(self, group_id, path, file, fd, err);
    if (rc == 0 && ((old && fchmod(fd, old->st_mode & 07777) != 0) || fsync(fd) != 0))
        rc = file_failed(err, file, "written");
    close(fd);
    if (rc == 0 && rename(part, file) != 0)
        rc = file_failed(err, file, "written");
    if (rc != 0)
        unlink(part);
    return rc;
}

/* A device, a pipe, or a link to what is not there yet: it stays what it is, and takes the bytes. */
static int get_through(cccc_t *self, const char *group_id, const char *path, const char *file, struct cccc_error *err)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd < 0)
        return file_failed(err, file, "opened");
    int rc = get_pieces(self, group_id, path, file, fd, err);
    if (close(fd) != 0 && rc == 0)
        rc = file_failed(err, file, "written");
    return rc;
}

int cccc_blob_get_file(cccc_t *self, const char *group_id, const char *path, const char *file, struct cccc_error *err)
{
    char target[PATH_MAX];
    struct stat st;
    if (lstat(file, &st) != 0)
        return get_new_file(self, group_id, path, file, NULL, err);
    if (realpath(file, target) && stat(target, &st) == 0 && S_ISREG(st.st_mode))
        return get_new_file(self, group_id, path, target, &st, err);
    return get_through(self, group_id, path, file, err);
}
