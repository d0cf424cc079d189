#include "tests/bus/scratch_bus.h"

#include "tests/bus/cmocka_all.h"

#include <signal.h>
#include <stdlib.h>

void scratch_bus_open(struct scratch_bus *self)
{
    *self = (struct scratch_bus){0};
    const char *tmp = getenv("TMPDIR");
    snprintf(self->home.sock_dir, sizeof self->home.sock_dir, "%s/cccc-bus-XXXXXX", tmp && strlen(tmp) < 60 ? tmp : "/tmp");
    assert_non_null(mkdtemp(self->home.sock_dir));
    cccc_zmq_start();
    struct cccc_errmsg m = {""};
    if (cccc_sockets_open(&self->sockets, &self->home, &m) != CCCC_OK)
        fail_msg("%s", m.text);
}

void scratch_bus_close(struct scratch_bus *self)
{
    cccc_sockets_close(&self->sockets);
    cccc_zmq_end();
    assert_int_equal(rmdir(self->home.sock_dir), 0);
}

void *scratch_client(void **context, int type, const char *endpoint)
{
    int none = 0;
    *context = zmq_ctx_new();
    void *socket = zmq_socket(*context, type);
    assert_non_null(socket);
    zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
    zmq_setsockopt(socket, ZMQ_SNDHWM, &none, sizeof none);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &none, sizeof none);
    assert_int_equal(zmq_connect(socket, endpoint), 0);
    return socket;
}

void scratch_client_close(void **context, void **socket)
{
    zmq_close(*socket);
    zmq_ctx_term(*context);
    *socket = *context = NULL;
}
