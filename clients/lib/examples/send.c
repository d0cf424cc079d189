/* send.c - send one message to an actor and print the event's id once it is on disk.
 *
 *   cc send.c $(pkg-config --cflags --libs cccc) -o send
 *   ./send g_0123456789ab peer-1 "please look at the failing test" */
#include <cccc.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s GROUP_ID RECIPIENT TEXT\n", argv[0]);
        return 2;
    }
    struct cccc_error err;
    cccc_t *client = NULL;
    char event_id[33];
    uint64_t seq = 0;
    const char *to[] = {argv[2]};
    if (cccc_open(&client, NULL, &err) != 0 || cccc_send(client, argv[1], argv[3], to, 1, event_id, &seq, &err) != 0) {
        fprintf(stderr, "%s: %s\n", err.code, err.message);
        cccc_close(&client);
        return err.exit_status;
    }
    printf("%s %llu\n", event_id, (unsigned long long)seq);
    cccc_close(&client);
    return 0;
}
