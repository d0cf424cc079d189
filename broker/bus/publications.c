/* publications.c - what followers get: one message object per event, however many topics it goes out under. */
#include "broker/bus/bus.h"

#include <errno.h>

/* On libzmq's I/O thread or the loop's. */
static void release_published(void *data, void *hint)
{
    (void)data;
    cccc_bytes_release(hint);
}

static void end_publication(struct cccc_publication *self)
{
    if (self->bytes)
        zmq_msg_close(&self->msg);
    self->bytes = NULL;
}

/* One message object per event, however many topics it goes out under: libzmq counts its copies. */
static void begin_publication(struct cccc_publication *self, cccc_bytes_t *bytes)
{
    if (self->bytes == bytes)
        return;
    end_publication(self);
    self->bytes = bytes;
    int rc = zmq_msg_init_data(&self->msg, bytes->data, bytes->len, release_published, cccc_bytes_keep(bytes));
    CCCC_ASSERT(rc == 0, "zmq_msg_init_data: %s", zmq_strerror(errno));
}

void cccc_bus_publish(struct cccc_bus *bus, struct cccc_effect *effect)
{
    if (cccc_subscriptions_match(&bus->subscriptions, effect->publish.topic, effect->publish.topic_len)) {
        begin_publication(&bus->publication, effect->publish.bytes);
        zmq_msg_t copy;
        zmq_msg_init(&copy);
        zmq_msg_copy(&copy, &bus->publication.msg);
        /* An XPUB never refuses: it drops for followers that are behind, and they notice by the seqs of the topic. */
        zmq_send(bus->sockets.xpub, effect->publish.topic, effect->publish.topic_len, ZMQ_DONTWAIT | ZMQ_SNDMORE);
        if (zmq_msg_send(&copy, bus->sockets.xpub, ZMQ_DONTWAIT) < 0)
            zmq_msg_close(&copy);
        bus->stats.published++;
    } else {
        bus->stats.filtered++;
    }
    cccc_bytes_release(effect->publish.bytes);
}

void cccc_bus_end_publication(struct cccc_bus *bus)
{
    end_publication(&bus->publication);
}
