/* caller_path.c - see caller_path.h */
#include "broker/bus/caller_path.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static const struct {
    cccc_op_t op;
    enum cccc_arg_slot slot;
} paths[] = {
    {CCCC_OP_attach, CCCC_A_attach_path},
    {CCCC_OP_group_use, CCCC_A_group_use_path},
    {CCCC_OP_group_create_from_template, CCCC_A_group_create_from_template_path},
    {CCCC_OP_send, CCCC_A_send_path},
};

/* False: it is gone, or may not be looked at. */
static bool working_directory(int32_t pid, char out[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/%d/cwd", (int)pid);
    ssize_t n = readlink(link, out, PATH_MAX - 1);
    out[n > 0 ? n : 0] = '\0';
    return n > 0 && out[0] == '/';
}

static void resolve(struct cccc_call_input *input, enum cccc_arg_slot slot)
{
    cccc_str_t path = cccc_arg_str(&input->request.args, slot);
    char directory[PATH_MAX];
    if (path.len == 0 || path.ptr[0] == '/' || input->peer.pid <= 0 || !working_directory(input->peer.pid, directory))
        return;
    cccc_value_t *whole = cccc_arena_alloc(input->arena, sizeof *whole);
    *whole = cccc_string(cccc_arena_printf(input->arena, "%s/%.*s", directory, CCCC_STR_FMT(path)));
    cccc_arg_replace(&input->request.args, slot, whole);
}

void cccc_caller_path(struct cccc_call_input *input)
{
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (paths[i].op == input->request.op)
            resolve(input, paths[i].slot);
}
