/* follow.c - print a group's last ten events and then every new one, across restarts of the daemon, each once and in order.
 *
 *   cc follow.c $(pkg-config --cflags --libs cccc) -o follow
 *   ./follow g_0123456789ab */
#include <cccc.h>
#include <stdio.h>
#include <stdlib.h>

static void print_item(const struct cccc_item *item)
{
    char *json = NULL;
    switch (item->type) {
    case CCCC_ITEM_EVENT:
        json = cccc_to_json(cccc_item_event(item));
        puts(json);
        free(json);
        break;
    case CCCC_ITEM_GAP:
        printf("# %llu..%llu cannot be had: %s\n", (unsigned long long)item->from_seq, (unsigned long long)item->to_seq, item->reason);
        break;
    case CCCC_ITEM_LIVE:
        puts("# live");
        break;
    case CCCC_ITEM_RESET:
        puts("# another ledger was put in place; going on from its end");
        break;
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s GROUP_ID\n", argv[0]);
        return 2;
    }
    struct cccc_error err;
    cccc_t *client = NULL;
    cccc_follow_t *follow = NULL;
    struct cccc_filter filter = {.group_id = argv[1], .last = 10};
    struct cccc_item item;
    int got = -1;
    if (cccc_open(&client, NULL, &err) == 0 && cccc_follow_open(client, &filter, &follow, &err) == 0)
        while ((got = cccc_follow_next(follow, &item, -1, &err)) >= 0)
            if (got > 0)
                print_item(&item);
    fprintf(stderr, "%s: %s\n", err.code, err.message);
    cccc_follow_close(&follow);
    cccc_close(&client);
    return err.exit_status;
}
