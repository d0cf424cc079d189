/* publications.c - what followers get: one message object per event, however many topics it goes out under.
 *
 * Events are lent to libzmq and counted (followers.h). Heads and figures are small, always go out, and are how followers learn what was withheld. */
#include "broker/bus/bus.h"

static void end_publication(struct cccc_publication *self)
{
    if (self->bytes && !self->withheld)
        zmq_msg_close(&self->msg);
    self->bytes = NULL;
}

static void begin_publication(struct cccc_bus *bus, cccc_bytes_t *bytes)
{
    struct cccc_publication *self = &bus->publication;
    if (self->bytes == bytes)
        return;
    end_publication(self);
    self->bytes = bytes;
    self->withheld = !cccc_followers_lend(&bus->followers, bytes, &self->msg);
}

/* An XPUB never refuses: it drops for followers that are behind, and they notice by the seqs of the topic. */
static void send_frame(struct cccc_bus *bus, zmq_msg_t *frame, int flags)
{
    if (zmq_msg_send(frame, bus->sockets.xpub, ZMQ_DONTWAIT | flags) < 0)
        zmq_msg_close(frame);
}

void cccc_bus_send_publications(struct cccc_bus *bus)
{
    cccc_gateway_before_send(&bus->gate.to_gateway); /* its streams read what is sent here */
    struct cccc_outgoing *self = &bus->outgoing;
    for (unsigned i = 0; i < self->count; i++) {
        send_frame(bus, &self->frames[i].topic, ZMQ_SNDMORE);
        send_frame(bus, &self->frames[i].body, 0);
    }
    bus->stats.published += self->count;
    self->count = 0;
}

/* A place for the next publication, with its topic. The body is the caller's to initialise. */
static zmq_msg_t *next_body(struct cccc_bus *bus, const struct cccc_effect *effect)
{
    struct cccc_outgoing *self = &bus->outgoing;
    if (self->count == CCCC_OUTGOING_MAX)
        cccc_bus_send_publications(bus);
    zmq_msg_t *topic = &self->frames[self->count].topic;
    CCCC_ASSERT(zmq_msg_init_size(topic, effect->publish.topic_len) == 0, "out of memory");
    memcpy(zmq_msg_data(topic), effect->publish.topic, effect->publish.topic_len);
    return &self->frames[self->count++].body;
}

static void publish_event(struct cccc_bus *bus, const struct cccc_effect *effect)
{
    begin_publication(bus, effect->publish.bytes);
    if (bus->publication.withheld) {
        bus->followers.withheld_since_start++;
        return;
    }
    zmq_msg_t *copy = next_body(bus, effect); /* libzmq counts its copies */
    zmq_msg_init(copy);
    zmq_msg_copy(copy, &bus->publication.msg);
}

static void publish_figures(struct cccc_bus *bus, const struct cccc_effect *effect)
{
    zmq_msg_t *body = next_body(bus, effect);
    const cccc_bytes_t *bytes = effect->publish.bytes;
    CCCC_ASSERT(zmq_msg_init_size(body, bytes->len) == 0, "out of memory");
    memcpy(zmq_msg_data(body), bytes->data, bytes->len);
}

void cccc_bus_publish(struct cccc_bus *bus, struct cccc_effect *effect)
{
    const char *topic = effect->publish.topic;
    bool is_event = topic[0] == 'e' || topic[0] == 'i';
    if (!cccc_subscriptions_match(&bus->subscriptions, topic, effect->publish.topic_len))
        bus->stats.filtered++;
    else if (is_event)
        publish_event(bus, effect);
    else
        publish_figures(bus, effect);
    cccc_bytes_release(effect->publish.bytes);
}

void cccc_bus_end_publication(struct cccc_bus *bus)
{
    end_publication(&bus->publication);
}
