/* pipeline.c - send many messages without waiting for each: at most 125 are under way, every one is accounted for.
 *
 *   cc pipeline.c $(pkg-config --cflags --libs cccc) -o pipeline
 *   ./pipeline g_0123456789ab 1000 */
#include <cccc.h>
#include <stdio.h>
#include <stdlib.h>

struct tally {
    unsigned long stored;
    unsigned long failed;
};

static void done(void *arg, const cccc_reply_t *reply, const struct cccc_error *err)
{
    struct tally *tally = arg;
    if (reply) {
        tally->stored++;
        return;
    }
    tally->failed++;
    fprintf(stderr, "%s: %s\n", err->code, err->message);
}

static int send_one(cccc_t *client, const char *group_id, unsigned long number, struct tally *tally, struct cccc_error *err)
{
    char text[64];
    snprintf(text, sizeof text, "message %lu", number);
    cccc_args_t *args = cccc_args_new();
    cccc_args_str(args, "group_id", group_id);
    cccc_args_str(args, "text", text);
    return cccc_request_async(client, "send", &args, done, tally, err);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s GROUP_ID COUNT\n", argv[0]);
        return 2;
    }
    struct cccc_error err = {0};
    struct tally tally = {0};
    cccc_t *client = NULL;
    unsigned long count = strtoul(argv[2], NULL, 10);
    if (cccc_open(&client, NULL, &err) != 0) {
        fprintf(stderr, "%s: %s\n", err.code, err.message);
        return err.exit_status;
    }
    for (unsigned long sent = 0; sent < count || cccc_open_requests(client) > 0;) {
        if (sent < count && cccc_open_requests(client) < 125 && send_one(client, argv[1], sent, &tally, &err) == 0)
            sent++;
        else
            cccc_pump(client, -1, NULL);
    }
    printf("stored %lu, failed %lu\n", tally.stored, tally.failed);
    cccc_close(&client);
    return tally.failed ? 1 : 0;
}
