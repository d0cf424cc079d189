/* Running out of descriptors costs newcomers their connection, not the process its life (libzmq 4.3.4 aborts without the guard). */
#include "tests/bus/cmocka_all.h"

#include "broker/bus/accept_guard.h"
#include "tests/bus/scratch_bus.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { FEW_DESCRIPTORS = 160, NEWCOMERS = 400 };

static int connect_raw(const char *endpoint)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = endpoint + strlen("ipc://");
    memcpy(address.sun_path, path, strnlen(path, sizeof address.sun_path - 1));
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s < 0 || connect(s, (const struct sockaddr *)&address, sizeof address) < 0)
        return -1;
    return s;
}

static bool ends(int s)
{
    struct pollfd p = {.fd = s, .events = POLLIN};
    char byte;
    while (poll(&p, 1, 10000) == 1) {
        ssize_t n = recv(s, &byte, 1, 0);
        if (n <= 0)
            return true;
    }
    return false;
}

/* The serving side, in a process of its own with at most `descriptors`: echoes until it is told "end". Its exit status is 0 when it shed somebody. */
static int serve(int ready, rlim_t descriptors)
{
    struct rlimit limit = {descriptors, descriptors};
    setrlimit(RLIMIT_NOFILE, &limit);
    cccc_accept_guard_init();
    struct scratch_bus bus;
    scratch_bus_open(&bus);
    if (write(ready, bus.sockets.bus, sizeof bus.sockets.bus) < 0)
        return 2;
    for (bool end = false; !end;) {
        zmq_msg_t routing_id, body;
        zmq_msg_init(&routing_id);
        zmq_msg_init(&body);
        if (zmq_msg_recv(&routing_id, bus.sockets.router, 0) < 0 || zmq_msg_recv(&body, bus.sockets.router, 0) < 0)
            return 3;
        end = zmq_msg_size(&body) == 3 && memcmp(zmq_msg_data(&body), "end", 3) == 0;
        zmq_msg_send(&routing_id, bus.sockets.router, ZMQ_SNDMORE);
        zmq_msg_send(&body, bus.sockets.router, 0);
    }
    uint64_t shed = cccc_accept_guard_shed();
    bool taken = cccc_accept_guard_highest() >= 0;
    scratch_bus_close(&bus);
    return shed > 0 && taken ? 0 : 4;
}

static void ask(void *client, const char *word)
{
    char answer[16];
    assert_int_equal(zmq_send(client, word, strlen(word), 0), strlen(word));
    zmq_pollitem_t item = {.socket = client, .events = ZMQ_POLLIN};
    assert_int_equal(zmq_poll(&item, 1, 20000), 1);
    assert_int_equal(zmq_recv(client, answer, sizeof answer, 0), strlen(word));
}

struct server {
    pid_t pid;
    char endpoint[128];
};

static void start_server(struct server *self, rlim_t descriptors)
{
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    self->pid = fork();
    if (self->pid == 0)
        _exit(serve(ready[1], descriptors));
    assert_int_equal(read(ready[0], self->endpoint, sizeof self->endpoint), sizeof self->endpoint);
    close(ready[0]);
    close(ready[1]);
}

static void end_server(struct server *self)
{
    int status = -1;
    assert_int_equal(waitpid(self->pid, &status, 0), self->pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* More newcomers than descriptors: the ones too many see their connection end, clients that were there before go on, and a new client is served once
 * the others have left. */
static void too_many_connections_are_shed(void **state)
{
    (void)state;
    struct server server;
    start_server(&server, FEW_DESCRIPTORS);
    void *context, *early = scratch_client(&context, ZMQ_DEALER, server.endpoint);
    ask(early, "hello");

    int newcomers[NEWCOMERS], connected = 0;
    for (int i = 0; i < NEWCOMERS; i++)
        if ((newcomers[i] = connect_raw(server.endpoint)) >= 0)
            connected++;
    assert_true(connected > FEW_DESCRIPTORS);
    assert_true(ends(newcomers[NEWCOMERS - 1]));
    ask(early, "still there");
    for (int i = 0; i < NEWCOMERS; i++)
        if (newcomers[i] >= 0)
            close(newcomers[i]);

    void *late_context, *late = scratch_client(&late_context, ZMQ_DEALER, server.endpoint);
    ask(late, "room again");
    ask(early, "end");
    end_server(&server);
    scratch_client_close(&context, &early);
    scratch_client_close(&late_context, &late);
}

/* With descriptors enough, a process gets its share of connections and no more; another process is served, and closed ones do not count. */
static void one_process_gets_its_share_only(void **state)
{
    (void)state;
    struct server server;
    start_server(&server, 4 * CCCC_CONNECTIONS_PER_PROCESS_MAX);
    static int own[CCCC_CONNECTIONS_PER_PROCESS_MAX + 1];
    pid_t greedy = fork();
    if (greedy == 0) {
        for (int i = 0; i <= CCCC_CONNECTIONS_PER_PROCESS_MAX; i++)
            own[i] = connect_raw(server.endpoint);
        if (!ends(own[CCCC_CONNECTIONS_PER_PROCESS_MAX]))
            _exit(1);
        for (int i = 0; i <= CCCC_CONNECTIONS_PER_PROCESS_MAX; i++)
            close(own[i]);
        /* libzmq's client tries again until the server has noticed. */
        void *context, *client = scratch_client(&context, ZMQ_DEALER, server.endpoint);
        ask(client, "again");
        scratch_client_close(&context, &client);
        _exit(0);
    }
    int status = -1;
    assert_int_equal(waitpid(greedy, &status, 0), greedy);
    assert_int_equal(status, 0);
    void *context, *other = scratch_client(&context, ZMQ_DEALER, server.endpoint);
    ask(other, "end");
    end_server(&server);
    scratch_client_close(&context, &other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(too_many_connections_are_shed),
        cmocka_unit_test(one_process_gets_its_share_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
