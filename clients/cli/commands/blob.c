/* blob.c - `cccc blob put|get|stat`: files of a group, named by their content.
 *
 * Thread: the program's one. */
#include "clients/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int cmd_blob_put(struct cli *cli)
{
    const char *group;
    char path[512];
    struct cccc_error error;
    int status = cli_group(cli, &group);
    if (status)
        return status;
    if (cccc_blob_put_file(cli->client, group, cli_arg(cli, 0), path, &error) != 0)
        return cli_fail_with(cli, &error);
    if (cli->json) {
        cccc_builder_t result = cccc_map_builder(cli->arena, 2);
        cccc_map_add(&result, "group_id", cccc_text(group));
        cccc_map_add(&result, "path", cccc_text(path));
        return cli_result(cli, &result.value);
    }
    cli_fact(cli, "blob", "%s", path);
    return 0;
}

/* One piece to a descriptor; the whole size comes with each answer. 0 or errno. */
static int write_piece(int fd, const cccc_value_t *result, uint64_t *offset, uint64_t *size)
{
    const cccc_value_t *data = cccc_get(result, "data");
    if (!data || data->type != MSGPACK_OBJECT_BIN)
        return EBADMSG;
    int error = -cccc_vfs_write_all(&cccc_vfs_posix, fd, data->via.bin.ptr, data->via.bin.size);
    *offset += data->via.bin.size;
    *size = cccc_get_uint(result, "bytes", 0);
    return error ? error : data->via.bin.size == 0 && *offset < *size ? EBADMSG : 0;
}

static int copy_blob(struct cli *cli, const char *group, const char *blob, int fd)
{
    uint64_t offset = 0, size = 1;
    while (offset < size) {
        const cccc_value_t *result;
        cccc_args_t *args = cli_group_args(group);
        cccc_args_str(args, "path", blob);
        cccc_args_uint(args, "offset", offset);
        int status = cli_ask(cli, "blob_get", &args, &result);
        if (status)
            return status;
        int error = write_piece(fd, result, &offset, &size);
        if (error)
            return cli_fail(cli, CCCC_E_STORAGE, "check the space and the modes there", "cannot write the blob: %s", strerror(error));
    }
    return 0;
}

int cmd_blob_get(struct cli *cli)
{
    const char *group, *output = cli_option(cli, "output");
    struct cccc_error error;
    if (!output && cli->tty)
        return cli_fail(cli, CCCC_E_USAGE, "-o FILE, or a pipe", "a blob is not written to a terminal: it could control it");
    if (!output && cli->json)
        return cli_fail(cli, CCCC_E_USAGE, "-o FILE, or leave --json out", "with --json the blob needs a file to go to");
    int status = cli_group(cli, &group);
    if (status)
        return status;
    if (!output || strcmp(output, "-") == 0)
        return copy_blob(cli, group, cli_arg(cli, 0), STDOUT_FILENO);
    if (cccc_blob_get_file(cli->client, group, cli_arg(cli, 0), output, &error) != 0)
        return strcmp(error.code, cccc_err_code(CCCC_E_INVALID_PATH)) == 0
                   ? cli_fail(cli, CCCC_E_INVALID_PATH, "give a path that can be written, or leave -o out and use a pipe", "%s",
                              error.message)
                   : cli_fail_with(cli, &error);
    if (cli->json) {
        cccc_builder_t result = cccc_map_builder(cli->arena, 1);
        cccc_map_add(&result, "file", cccc_text(output));
        return cli_result(cli, &result.value);
    }
    cli_fact(cli, "file", "%s", output);
    return 0;
}

int cmd_blob_stat(struct cli *cli)
{
    const char *group;
    const cccc_value_t *result;
    char size[32];
    int status = cli_group(cli, &group);
    if (status)
        return status;
    cccc_args_t *args = cli_group_args(group);
    cccc_args_str(args, "path", cli_arg(cli, 0));
    status = cli_ask(cli, "blob_stat", &args, &result);
    if (status || cli->json)
        return status ? status : cli_result(cli, result);
    cli_size(size, sizeof size, cccc_get_uint(result, "bytes", 0));
    cli_fact(cli, "blob", "%s", cli_arg(cli, 0));
    cli_fact(cli, "bytes", "%" PRIu64 " (%s)", cccc_get_uint(result, "bytes", 0), size);
    cli_fact(cli, "type", "%.*s", CCCC_STR_FMT(cccc_get_str(result, "mime_type")));
    return 0;
}
