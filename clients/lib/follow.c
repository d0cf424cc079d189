/* follow.c - following a group: every event once, in order, or a gap item that says what is missing and why.
 *
 * A follower has a position `pos`, a stream (a SUB link) and reads (ledger_read through the client). What it hands out is decided by `pos`
 * alone:
 *
 *   (P) every event that matches the filter and has seq <= pos was handed out, once and in order, or a gap item covered it.
 *
 * Each step that moves pos keeps (P):
 *   1. A row of a page. Pages are answers to "after pos"; their rows rise in seq, and a row at or below pos is skipped. The rows of a page
 *      and its checked_seq leave out nothing that matches, because the daemon reads the ledger itself; pos moves to the row, at the end to
 *      checked_seq.
 *   2. A live frame. Its topic carries its seq and that of the frame before it under the same topic. If seq <= pos it is an old one and
 *      skipped. If prev <= pos < seq, nothing that matches lies between pos and seq: pos moves to seq. If prev > pos something was lost:
 *      the frame is held, nothing moves, and pages are read from pos until the held frame fits or is old. They do get there, since the
 *      daemon publishes only what is durable.
 * prev can be trusted only within one life of the daemon. A stream is one connection that is never continued (link.c), and on each new one
 * frames wait until pages have reached the head that the first page named: what the daemon had stored before it began to count is then at
 * or below pos.
 *
 * While a page is handed out the next one is read already, from its checked_seq; it counts only if that is where pos has got to by then.
 *
 * Nothing is missed for ever: a lost frame shows in the next frame; if there is none, in the head frames (sent each second after a change);
 * if they are lost too, in a page read after 50 ms of silence, then at doubling distances up to 10 s, for as long as the stream stays
 * silent.
 *
 * Frames that arrive while pages are read stay in the socket up to its high-water mark, beyond which the daemon drops them: memory is
 * bounded, and the drop is one more loss of kind 2. As soon as pages have passed the first of them that is not old, the rest come from
 * there: a follower that is behind need not chase the head with pages.
 *
 * A restored ledger may hold other events under seqs already handed out. So reads name the id of the event at the position when it is known
 * (`anchor`); after each new connection reading starts from the anchor even if pos is further, and a match at or below pos means another
 * ledger, as do the answer lineage_changed and a head below pos. Then a reset item is given and following goes on from the head. */
#include "clients/lib/page.h"
#include "proto/json.h"

#include <stdio.h>
#include <stdlib.h>

#define READ_EVENTS    CCCC_LEDGER_READ_EVENTS_MAX
#define RETRY_FIRST_MS 100
#define RETRY_MOST_MS  10000
#define QUIET_FIRST_MS 50
#define QUIET_MOST_MS  10000
/* A head beyond a recipient's last event is usual; it is looked into after this long without a newer one of theirs. */
#define HEAD_PATIENCE_MS 1000
/* Frames skipped in one go before the client gets its turn; and the longest it waits for one while events flow. */
#define SKIPS_PER_TURN 1000
#define TURN_EVERY_MS  10

enum phase {
    PHASE_SEEK_HEAD, /* find the newest event */
    PHASE_SEEK_BACK, /* find where the wanted last events begin */
    PHASE_READ,      /* catch up by pages */
    PHASE_LIVE       /* take frames */
};

enum cause { CAUSE_HISTORY, CAUSE_RESTART, CAUSE_LOSS, CAUSE_SILENCE };

/* An event known by seq and id; seq 0: none. */
struct anchor {
    uint64_t seq;
    char id[72];
};

struct cccc_follow {
    cccc_t *client;

    /* the filter; texts live in the arena, "" and nil where there is none */
    cccc_arena_t *arena;
    cccc_str_t group_id, recipient, by;
    cccc_value_t kinds;
    bool every_seq; /* nothing is filtered, so seqs have no holes */
    cccc_str_t topic, head_topic;

    struct link stream;
    uint64_t generation; /* of the client's link when the stream was opened */
    int64_t stream_retry_ms;

    enum phase phase;
    enum cause cause;
    uint64_t pos;
    struct anchor anchor; /* at or below pos */
    struct anchor head;   /* of the last head frame */
    bool suspect;         /* after a new connection: read from check_from, not from pos */
    uint64_t check_from;
    uint64_t asked_from; /* where the last read began */
    uint64_t page_from;  /* where that of the page began */
    uint64_t trust_from; /* frames of this stream count once pos is here */

    uint32_t wanted; /* seeking: last events still to be found */
    uint64_t before; /* seeking: look below this seq */
    uint64_t start;  /* seeking: where to begin as far as is known */

    bool reading; /* a read is open; beside a page: of what follows it */
    struct waiter waiter;
    int64_t read_retry_ms;
    uint32_t read_backoff_ms;
    struct page page;

    int64_t verify_ms; /* live: when to look into silence */
    uint32_t quiet_ms;
    int64_t turn_ms; /* when the client had its last turn */
    bool say_live, say_reset;

    uint64_t gap_told; /* highest seq a gap item named; may be beyond the head */
    char reason[32];   /* of the gap item last given */
    bool drained;      /* the socket said that it has no more frames: only then may it be slept on */
    bool holding;      /* body is of a frame that does not fit yet */
    uint64_t held_seq, held_prev;
    zmq_msg_t body;       /* of the frame last taken */
    msgpack_zone zone;    /* its event, when that was unpacked */
    msgpack_object event; /* of the item last given */
    bool unpacked;        /* or `event` is not there yet */
    cccc_buf_t packed;    /* the packed form of an event of a page */

    struct cccc_follow_stats stats;
    bool failed;
    struct cccc_error error;
};

/* ---- position ---- */

static void set_anchor(struct anchor *anchor, uint64_t seq, cccc_str_t id)
{
    if (id.len == 0 || id.len >= sizeof anchor->id)
        return;
    anchor->seq = seq;
    memcpy(anchor->id, id.ptr, id.len);
    anchor->id[id.len] = '\0';
}

/* Move to an event that was seen itself. */
static void move_to_event(cccc_follow_t *self, uint64_t seq, cccc_str_t id)
{
    self->pos = seq;
    set_anchor(&self->anchor, seq, id);
}

/* Everything up to `seq` has been considered. */
static void move_to(cccc_follow_t *self, uint64_t seq)
{
    if (seq > self->pos)
        self->pos = seq;
    if (self->head.seq <= self->pos && self->head.seq > self->anchor.seq)
        self->anchor = self->head;
}

/* ---- reads ---- */

static void cancel_read(cccc_follow_t *self)
{
    if (self->reading)
        request_forget(self->client, &self->waiter);
    reply_recycle(self->client, &self->waiter.reply);
    self->reading = false;
}

static void cancel_reads(cccc_follow_t *self)
{
    cancel_read(self);
    page_close(self->client, &self->page);
}

static void read_pages(cccc_follow_t *self, enum cause cause)
{
    self->phase = PHASE_READ;
    self->cause = cause;
}

/* The ledger is another one: go on from its head. */
static void reset(cccc_follow_t *self, uint64_t head_seq)
{
    cancel_reads(self);
    self->pos = head_seq;
    self->anchor = self->head = (struct anchor){0};
    self->gap_told = 0;
    self->suspect = self->holding = false;
    self->say_reset = true;
    read_pages(self, CAUSE_RESTART);
}

static void add_filter(const cccc_follow_t *self, cccc_args_t *args)
{
    if (self->recipient.len)
        cccc_args_strn(args, "recipient", self->recipient.ptr, self->recipient.len);
    if (self->by.len)
        cccc_args_strn(args, "by", self->by.ptr, self->by.len);
    if (!cccc_is_nil(&self->kinds))
        cccc_args_value(args, "kinds", &self->kinds);
}

static uint64_t read_from(const cccc_follow_t *self)
{
    if (self->page.reply)
        return self->page.checked_seq;
    return self->suspect ? self->check_from : self->pos;
}

/* Up to the held frame when every seq is to come: what is behind it has arrived already. */
static uint64_t read_limit(const cccc_follow_t *self, uint64_t from)
{
    bool bounded = self->holding && self->every_seq && !self->suspect && self->held_seq > from + 1;
    uint64_t missing = bounded ? self->held_seq - 1 - from : READ_EVENTS;
    return missing < READ_EVENTS ? missing : READ_EVENTS;
}

/* The id of event `seq`, where it is known; "" else. */
static cccc_str_t known_id(const cccc_follow_t *self, uint64_t seq)
{
    uint32_t count = self->page.reply ? page_event_count(&self->page) : 0;
    const msgpack_object *last = count ? page_event(&self->page, count - 1) : NULL;
    if (last && cccc_get_uint(last, "seq", 0) == seq)
        return cccc_get_str(last, "id");
    return cccc_str(self->anchor.seq && self->anchor.seq == seq ? self->anchor.id : "");
}

static void add_range(const cccc_follow_t *self, cccc_args_t *args)
{
    if (self->phase == PHASE_SEEK_HEAD) {
        cccc_args_uint(args, "before_seq", 0);
        cccc_args_uint(args, "limit", 1);
    } else if (self->phase == PHASE_SEEK_BACK) {
        cccc_args_uint(args, "before_seq", self->before);
        cccc_args_uint(args, "limit", self->wanted < READ_EVENTS ? self->wanted : READ_EVENTS);
    } else {
        uint64_t from = read_from(self);
        cccc_str_t id = known_id(self, from);
        cccc_args_uint(args, "after_seq", from);
        if (id.len)
            cccc_args_strn(args, "after_id", id.ptr, id.len);
        cccc_args_uint(args, "limit", read_limit(self, from));
    }
}

static void retry_read(cccc_follow_t *self, int64_t now)
{
    self->read_retry_ms = now + self->read_backoff_ms;
    self->read_backoff_ms = self->read_backoff_ms * 2 < RETRY_MOST_MS ? self->read_backoff_ms * 2 : RETRY_MOST_MS;
}

static void start_read(cccc_follow_t *self, int64_t now)
{
    cccc_args_t *args = cccc_args_new();
    cccc_args_strn(args, "group_id", self->group_id.ptr, self->group_id.len);
    add_range(self, args);
    if (self->phase != PHASE_SEEK_HEAD)
        add_filter(self, args);
    self->asked_from = read_from(self);
    self->waiter = (struct waiter){0};
    self->reading = request_open(self->client, "ledger_read", &args, &self->waiter, NULL, NULL, NULL) == 0;
    if (!self->reading)
        retry_read(self, now);
}

static void begin_at(cccc_follow_t *self, uint64_t seq)
{
    self->pos = seq;
    if (self->anchor.seq != seq)
        self->anchor = (struct anchor){0};
    read_pages(self, CAUSE_HISTORY);
}

/* The newest event is known: the wanted last ones end there. */
static void head_found(cccc_follow_t *self)
{
    uint64_t seq = 0;
    if (page_event_count(&self->page)) {
        const msgpack_object *event = page_event(&self->page, 0);
        seq = cccc_get_uint(event, "seq", 0);
        set_anchor(&self->anchor, seq, cccc_get_str(event, "id"));
    }
    page_close(self->client, &self->page);
    if (self->wanted == 0 || seq == 0) {
        begin_at(self, seq);
        return;
    }
    self->start = seq;
    self->before = seq + 1;
    self->phase = PHASE_SEEK_BACK;
}

/* A page of matches below `before`: only their number and the first one's place matter, they are read again in order. */
static void matches_found(cccc_follow_t *self)
{
    uint32_t count = page_event_count(&self->page);
    uint64_t lowest = self->page.checked_seq;
    if (count) {
        lowest = cccc_get_uint(page_event(&self->page, 0), "seq", 1);
        self->start = lowest - 1;
    }
    self->wanted = count < self->wanted ? self->wanted - count : 0;
    bool more = self->page.more && lowest > 1 && lowest < self->before;
    self->before = lowest;
    page_close(self->client, &self->page);
    if (self->wanted == 0 || !more)
        begin_at(self, self->start);
}

/* Errors that pass by themselves. */
static bool is_passing(const struct cccc_error *err)
{
    switch (cccc_err_from_code(err->code, strlen(err->code))) {
    case CCCC_E_BUSY:
    case CCCC_E_SHUTTING_DOWN:
    case CCCC_E_TIMEOUT:
    case CCCC_E_UNREACHABLE:
    case CCCC_E_NOT_RUNNING:
        return true;
    default:
        return false;
    }
}

static void read_failed(cccc_follow_t *self, int64_t now)
{
    const struct cccc_error *err = &self->waiter.error;
    if (strcmp(err->code, cccc_err_code(CCCC_E_LINEAGE_CHANGED)) == 0) {
        const msgpack_object *details = cccc_get(cccc_get(&self->waiter.reply->root, "error"), "details");
        reset(self, cccc_get_uint(details, "head_seq", 0));
    } else if (is_passing(err)) {
        retry_read(self, now);
    } else {
        self->failed = true;
        self->error = *err;
    }
    reply_recycle(self->client, &self->waiter.reply);
}

static void read_ended(cccc_follow_t *self, int64_t now)
{
    self->reading = false;
    if (self->waiter.failed) {
        read_failed(self, now);
        return;
    }
    self->read_backoff_ms = RETRY_FIRST_MS;
    page_open(&self->page, &self->waiter.reply);
    self->page_from = self->asked_from;
    if (self->phase == PHASE_SEEK_HEAD)
        head_found(self);
    else if (self->phase == PHASE_SEEK_BACK)
        matches_found(self);
    else if (self->page.head_seq < self->pos)
        reset(self, self->page.head_seq);
    else if (self->trust_from == UINT64_MAX)
        self->trust_from = self->page.head_seq;
}

/* ---- items ---- */

static void count_event(cccc_follow_t *self, bool live)
{
    self->stats.events++;
    self->stats.live += live;
    self->stats.repaired += !live && self->cause != CAUSE_HISTORY;
}

/* Silence turned out to be a loss. */
static void silence_was_loss(cccc_follow_t *self)
{
    if (self->cause == CAUSE_SILENCE) {
        self->cause = CAUSE_LOSS;
        self->stats.losses++;
    }
}

static bool gap_item(cccc_follow_t *self, struct cccc_item *item, uint64_t from, uint64_t to, cccc_str_t reason)
{
    silence_was_loss(self);
    self->stats.gaps++;
    self->gap_told = to;
    /* A gap may reach beyond the head, where new events are going to be. */
    move_to(self, to < self->page.head_seq ? to : self->page.head_seq);
    snprintf(self->reason, sizeof self->reason, "%.*s", CCCC_STR_FMT(reason));
    *item = (struct cccc_item){.type = CCCC_ITEM_GAP, .seq = to, .from_seq = from, .to_seq = to, .reason = self->reason};
    return true;
}

static bool page_gap_item(cccc_follow_t *self, const msgpack_object *gap, struct cccc_item *item)
{
    page_pass(&self->page, PAGE_GAP);
    uint64_t from = cccc_get_uint(gap, "from_seq", 0);
    uint64_t to = cccc_get_uint(gap, "to_seq", 0);
    if (to < from)
        to = from;
    if (to <= self->pos || to <= self->gap_told)
        return false;
    return gap_item(self, item, from > self->pos ? from : self->pos + 1, to, cccc_get_str(gap, "reason"));
}

static struct cccc_item event_item(cccc_follow_t *self, uint64_t seq, const char *bytes, size_t len)
{
    return (struct cccc_item){.type = CCCC_ITEM_EVENT, .seq = seq, .bytes = bytes, .len = len, .follower = self};
}

static bool page_event_item(cccc_follow_t *self, const msgpack_object *event, struct cccc_item *item)
{
    uint64_t seq = cccc_get_uint(event, "seq", 0);
    if (seq <= self->pos) {
        page_pass(&self->page, PAGE_EVENT);
        if (self->suspect)
            reset(self, self->page.head_seq);
        return false;
    }
    if (self->every_seq && seq > self->pos + 1 && seq > self->gap_told + 1)
        return gap_item(self, item, self->pos + 1, seq - 1, CCCC_STR("missing"));
    page_pass(&self->page, PAGE_EVENT);
    silence_was_loss(self);
    move_to_event(self, seq, cccc_get_str(event, "id"));
    count_event(self, false);
    msgpack_sbuffer_clear(&self->packed);
    cccc_pack_value(&self->packed, event);
    self->event = *event;
    self->unpacked = true;
    *item = event_item(self, seq, self->packed.data, self->packed.size);
    return true;
}

/* ---- frames ---- */

/* ".../<seq>/<prev>" at the end of a topic. */
static bool topic_numbers(const char *topic, size_t len, uint64_t *seq, uint64_t *prev)
{
    uint64_t number[2] = {0, 0};
    for (int i = 1; i >= 0; i--) {
        uint64_t scale = 1;
        size_t end = len;
        for (; len > 0 && topic[len - 1] >= '0' && topic[len - 1] <= '9'; len--, scale *= 10)
            number[i] += (uint64_t)(topic[len - 1] - '0') * scale;
        if (len == end || len == 0 || topic[len - 1] != '/')
            return false;
        len--;
    }
    *seq = number[0];
    *prev = number[1];
    return true;
}

/* Take the next frame into self->body. 'e', 'i' with held_seq and held_prev; 'h'; '?' for anything else; 0 when there is none. */
static char take_frame(cccc_follow_t *self)
{
    zmq_msg_t topic;
    zmq_msg_init(&topic);
    if (zmq_msg_recv(&topic, self->stream.socket, ZMQ_DONTWAIT) < 0)
        return 0;
    const char *text = zmq_msg_data(&topic);
    size_t len = zmq_msg_size(&topic);
    char type = len ? text[0] : '?';
    if (type != 'h' && !topic_numbers(text, len, &self->held_seq, &self->held_prev))
        type = '?';
    bool whole = zmq_msg_more(&topic) && zmq_msg_recv(&self->body, self->stream.socket, ZMQ_DONTWAIT) >= 0;
    zmq_msg_close(&topic);
    return whole ? type : '?';
}

static bool unpack_body(cccc_follow_t *self, msgpack_object *out)
{
    size_t offset = 0;
    msgpack_zone_clear(&self->zone);
    return msgpack_unpack(zmq_msg_data(&self->body), zmq_msg_size(&self->body), &offset, &self->zone, out) == MSGPACK_UNPACK_SUCCESS &&
           cccc_is_map(out);
}

/* The id of the event in the body. Events begin {v, id, ...} (PROTOCOL.md), so it needs no unpacking; "" when this one does not. */
static cccc_str_t peek_id(cccc_follow_t *self)
{
    enum { ID_LEN = 32 };
    static const unsigned char head[] = {0xa1, 'v', 1, 0xa2, 'i', 'd', 0xd9, ID_LEN};
    const unsigned char *p = zmq_msg_data(&self->body);
    if (zmq_msg_size(&self->body) < 1 + sizeof head + ID_LEN || (*p & 0xf0) != 0x80 || memcmp(p + 1, head, sizeof head) != 0)
        return CCCC_STR("");
    return (cccc_str_t){(const char *)p + 1 + sizeof head, ID_LEN};
}

/* A head frame: the group is at head_seq. All that was published before it came before it. */
static void take_head(cccc_follow_t *self, int64_t now)
{
    msgpack_object map;
    if (!unpack_body(self, &map))
        return;
    uint64_t seq = cccc_get_uint(&map, "head_seq", 0);
    set_anchor(&self->head, seq, cccc_get_str(&map, "head_id"));
    move_to(self, self->pos);
    if (self->phase != PHASE_LIVE)
        return;
    if (cccc_get_bool(&map, "deleted", false)) /* what a read is refused with says so */
        read_pages(self, CAUSE_SILENCE);
    else if (seq <= self->pos)
        self->verify_ms = now + self->quiet_ms;
    else if (!self->recipient.len)
        read_pages(self, CAUSE_SILENCE);
    else if (self->verify_ms > now + HEAD_PATIENCE_MS)
        self->verify_ms = now + HEAD_PATIENCE_MS;
}

static bool kind_matches(const cccc_follow_t *self, cccc_str_t kind)
{
    if (cccc_is_nil(&self->kinds))
        return true;
    for (uint32_t i = 0; i < self->kinds.via.array.size; i++) {
        cccc_str_t word;
        if (cccc_as_str(&self->kinds.via.array.ptr[i], &word) && cccc_str_eq(word, kind))
            return true;
    }
    return false;
}

static bool matches(const cccc_follow_t *self, const msgpack_object *event)
{
    return kind_matches(self, cccc_get_str(event, "kind")) && (!self->by.len || cccc_str_eq(self->by, cccc_get_str(event, "by")));
}

/* Pass old frames; the first that is not old is held. */
static void hold_next(cccc_follow_t *self, int64_t now)
{
    for (int i = 0; i < SKIPS_PER_TURN; i++) {
        if (self->holding && self->held_seq > self->pos)
            return;
        char type = take_frame(self);
        self->drained = type == 0;
        self->holding = type == 'e' || type == 'i';
        if (type == 0)
            return;
        if (type == 'h')
            take_head(self, now);
    }
    self->holding = self->holding && self->held_seq > self->pos;
}

/* Does the stream go on where pages have got to? */
static bool frames_fit(cccc_follow_t *self, int64_t now)
{
    if (self->pos < self->trust_from)
        return false;
    hold_next(self, now);
    return self->holding && self->held_prev <= self->pos;
}

static void lose(cccc_follow_t *self)
{
    self->stats.losses++;
    read_pages(self, CAUSE_LOSS);
}

/* The held frame, by the rule at the top of this file. True when it became an item. */
static bool frame_item(cccc_follow_t *self, struct cccc_item *item, int64_t now)
{
    if (self->held_prev > self->pos) {
        lose(self);
        return false;
    }
    self->holding = false;
    cccc_str_t id = peek_id(self);
    bool filtered = !cccc_is_nil(&self->kinds) || self->by.len > 0;
    self->unpacked = (filtered || id.len == 0) && unpack_body(self, &self->event);
    if ((filtered || id.len == 0) && !self->unpacked) {
        lose(self);
        return false;
    }
    move_to_event(self, self->held_seq, id.len ? id : cccc_get_str(&self->event, "id"));
    self->quiet_ms = QUIET_MOST_MS;
    self->verify_ms = now + self->quiet_ms;
    if (filtered && !matches(self, &self->event))
        return false;
    count_event(self, true);
    *item = event_item(self, self->held_seq, zmq_msg_data(&self->body), zmq_msg_size(&self->body));
    return true;
}

static bool live_item(cccc_follow_t *self, struct cccc_item *item, int64_t now)
{
    for (int i = 0; i < SKIPS_PER_TURN && self->phase == PHASE_LIVE; i++) {
        hold_next(self, now);
        if (!self->holding || self->phase != PHASE_LIVE)
            break;
        if (frame_item(self, item, now))
            return true;
    }
    return false;
}

/* ---- pages, handed out ---- */

static void go_live(cccc_follow_t *self, int64_t now)
{
    self->say_live |= self->cause == CAUSE_HISTORY || self->cause == CAUSE_RESTART;
    if (self->cause == CAUSE_SILENCE)
        self->quiet_ms = self->quiet_ms * 2 < QUIET_MOST_MS ? self->quiet_ms * 2 : QUIET_MOST_MS;
    self->verify_ms = now + self->quiet_ms;
    self->phase = PHASE_LIVE;
}

static void page_ended(cccc_follow_t *self, int64_t now)
{
    uint64_t checked = self->page.checked_seq;
    bool more = self->page.more;
    page_close(self->client, &self->page);
    move_to(self, checked);
    self->check_from = checked;
    self->suspect = self->suspect && more && checked < self->pos;
    if (!more) {
        /* At the head, so a held frame is old by now; one that is not is no frame of this ledger. */
        self->holding = self->holding && self->held_prev <= self->pos;
        go_live(self, now);
    } else if (!self->suspect && frames_fit(self, now)) {
        go_live(self, now);
    } else if (checked <= self->page_from && self->pos <= self->page_from) {
        retry_read(self, now); /* no way forward now, and asking at once would not make one */
    }
    if (self->phase != PHASE_READ || self->asked_from != read_from(self))
        cancel_read(self);
}

static bool page_item(cccc_follow_t *self, struct cccc_item *item, int64_t now)
{
    while (self->page.reply) {
        const msgpack_object *row;
        switch (page_peek(&self->page, &row)) {
        case PAGE_EVENT:
            if (page_event_item(self, row, item))
                return true;
            break;
        case PAGE_GAP:
            if (page_gap_item(self, row, item))
                return true;
            break;
        case PAGE_END:
            page_ended(self, now);
            break;
        }
    }
    return false;
}

/* ---- the stream's life ---- */

/* What comes next has to be read first. History that was not done yet stays history. */
static void distrust(cccc_follow_t *self)
{
    bool restarted = self->generation != self->client->generation;
    self->stats.restarts += restarted;
    self->stats.losses += !restarted;
    if (self->phase == PHASE_SEEK_HEAD || self->phase == PHASE_SEEK_BACK)
        return;
    self->suspect = self->anchor.seq != 0;
    self->check_from = self->anchor.seq;
    if (self->phase != PHASE_READ || self->cause != CAUSE_HISTORY)
        read_pages(self, restarted ? CAUSE_RESTART : CAUSE_LOSS);
}

static void open_stream(cccc_follow_t *self, int64_t now)
{
    const char *const topics[] = {self->topic.ptr, self->head_topic.ptr};
    const cccc_t *client = self->client;
    if (self->generation)
        distrust(self);
    self->generation = client->generation;
    self->trust_from = UINT64_MAX;
    self->quiet_ms = QUIET_FIRST_MS;
    if (!link_open(&self->stream, client->zmq, ZMQ_SUB, client->daemon.events, client->follow_hwm, topics, 2))
        self->stream_retry_ms = now + RETRY_FIRST_MS;
}

static void end_stream(cccc_follow_t *self, int64_t retry_ms)
{
    link_close(&self->stream);
    cancel_reads(self);
    self->holding = false;
    self->stream_retry_ms = retry_ms;
}

static void step_stream(cccc_follow_t *self, int64_t now)
{
    const cccc_t *client = self->client;
    bool daemon_is_there = client->link.state == LINK_UP;
    if (self->stream.socket && daemon_is_there && self->generation != client->generation)
        end_stream(self, now);
    else if (self->stream.socket && link_watch(&self->stream) == LINK_DOWN)
        end_stream(self, now + RETRY_FIRST_MS);
    if (!self->stream.socket && daemon_is_there && now >= self->stream_retry_ms)
        open_stream(self, now);
}

/* ---- the loop ---- */

/* Whether more is to be read beside the page: not where its rows may show another ledger, nor where it got nowhere. */
static bool wants_next(const cccc_follow_t *self)
{
    return self->page.more && !self->suspect && self->page.checked_seq > self->page_from &&
           (!self->holding || self->held_seq > self->page.checked_seq + 1);
}

static bool wants_read(const cccc_follow_t *self)
{
    return self->phase != PHASE_LIVE && !self->reading && !self->failed && self->stream.state == LINK_UP &&
           (!self->page.reply || wants_next(self));
}

static void step_reads(cccc_follow_t *self, int64_t now)
{
    if (self->reading && self->waiter.ended && !self->page.reply)
        read_ended(self, now);
    if (wants_read(self) && now >= self->read_retry_ms)
        start_read(self, now);
}

static bool take_item(cccc_follow_t *self, struct cccc_item *item, int64_t now)
{
    if (self->say_reset) {
        self->say_reset = false;
        *item = (struct cccc_item){.type = CCCC_ITEM_RESET, .seq = self->pos};
        return true;
    }
    if (page_item(self, item, now))
        return true;
    if (self->say_live && self->phase == PHASE_LIVE) {
        self->say_live = false;
        *item = (struct cccc_item){.type = CCCC_ITEM_LIVE, .seq = self->pos};
        return true;
    }
    if (self->phase != PHASE_LIVE || self->stream.state != LINK_UP)
        return false;
    if (live_item(self, item, now))
        return true;
    if (self->phase == PHASE_LIVE && now >= self->verify_ms)
        read_pages(self, CAUSE_SILENCE);
    return false;
}

/* When something is to be done without anything arriving. */
static int64_t next_due(const cccc_follow_t *self)
{
    if (!self->stream.socket)
        return self->client->link.state == LINK_UP ? self->stream_retry_ms : INT64_MAX;
    if (self->reading && self->waiter.ended) /* since before its turn: beside a page that has ended by now */
        return 0;
    if (wants_read(self))
        return self->read_retry_ms;
    return self->phase == PHASE_LIVE && self->stream.state == LINK_UP ? self->verify_ms : INT64_MAX;
}

/* Give the client its turn, which also waits for frames when they are wanted. False when a signal came. */
static bool turn(cccc_follow_t *self, int64_t until)
{
    int64_t due = next_due(self);
    bool live = self->phase == PHASE_LIVE;
    if (live && !self->drained)
        due = 0;
    struct also also = {.link = &self->stream, .link_wanted = live};
    bool undisturbed = connection_turn(self->client, due < until ? due : until, &also);
    self->turn_ms = now_ms();
    return undisturbed;
}

int cccc_follow_next(cccc_follow_t *self, struct cccc_item *item, int timeout_ms, struct cccc_error *err)
{
    int64_t now = now_ms();
    int64_t until = timeout_ms < 0 ? INT64_MAX : now + timeout_ms;
    if (now - self->turn_ms >= TURN_EVERY_MS)
        turn(self, now);
    for (;; now = now_ms()) {
        step_stream(self, now);
        step_reads(self, now);
        if (take_item(self, item, now))
            return 1;
        if (self->failed) {
            if (err)
                *err = self->error;
            return -1;
        }
        if (now >= until || !turn(self, until))
            return 0;
    }
}

const msgpack_object *cccc_item_event(const struct cccc_item *item)
{
    cccc_follow_t *self = item->follower;
    if (item->type != CCCC_ITEM_EVENT)
        return NULL;
    self->unpacked = self->unpacked || unpack_body(self, &self->event);
    return self->unpacked ? &self->event : NULL;
}

/* ---- opening and closing ---- */

static void take_filter(cccc_follow_t *self, const struct cccc_filter *filter)
{
    cccc_arena_t *arena = self->arena;
    self->group_id = cccc_arena_str(arena, cccc_str(filter->group_id));
    self->recipient = cccc_arena_str(arena, cccc_str(filter->recipient));
    if (self->recipient.len && self->recipient.ptr[0] == '@' && cccc_str_is(self->recipient, "@user"))
        self->recipient = CCCC_STR("user");
    self->by = cccc_arena_str(arena, cccc_str(filter->by));
    self->kinds = cccc_nil();
    if (filter->kind_count) {
        cccc_builder_t kinds = cccc_array_builder(arena, (uint32_t)filter->kind_count);
        for (size_t i = 0; i < filter->kind_count; i++)
            cccc_array_add(&kinds, cccc_string(cccc_arena_str(arena, cccc_str(filter->kinds[i]))));
        self->kinds = kinds.value;
    }
    self->every_seq = !self->recipient.len && !self->by.len && !filter->kind_count;
    if (self->recipient.len)
        self->topic = cccc_arena_printf(arena, "i/%s/%.*s/", filter->group_id, CCCC_STR_FMT(self->recipient));
    else
        self->topic = cccc_arena_printf(arena, "e/%s/", filter->group_id);
    self->head_topic = cccc_arena_printf(arena, "h/%s/", filter->group_id);
}

static void take_start(cccc_follow_t *self, const struct cccc_filter *filter)
{
    self->wanted = filter->last;
    self->phase = PHASE_SEEK_HEAD;
    if (filter->from_seq) {
        if (filter->after_id)
            set_anchor(&self->anchor, filter->after_seq, cccc_str(filter->after_id));
        begin_at(self, filter->after_seq);
    }
}

/* Texts that are not UTF-8 match no event, and no daemon would read on for them. */
static bool is_text(const struct cccc_filter *filter)
{
    const char *const texts[] = {filter->group_id, filter->recipient, filter->by, filter->after_id};
    bool all = true;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        all &= !texts[i] || cccc_utf8_valid(cccc_str(texts[i]));
    for (size_t i = 0; filter->kinds && i < filter->kind_count; i++)
        all &= cccc_utf8_valid(cccc_str(filter->kinds[i]));
    return all;
}

int cccc_follow_open(cccc_t *client, const struct cccc_filter *filter, cccc_follow_t **out, struct cccc_error *err)
{
    if (!filter->group_id || !*filter->group_id)
        return client_fail(err, CCCC_E_MISSING_GROUP_ID, "", "following needs a group_id; see `cccc groups`");
    if (!is_text(filter))
        return client_fail(err, CCCC_E_INVALID_REQUEST, "", "following: the filter has text that is not well-formed UTF-8");
    cccc_follow_t *self = calloc(1, sizeof *self);
    CCCC_ASSERT(self && msgpack_zone_init(&self->zone, 4096), "out of memory");
    self->client = client;
    self->arena = cccc_arena_new(1024);
    self->read_backoff_ms = RETRY_FIRST_MS;
    zmq_msg_init(&self->body);
    cccc_buf_init(&self->packed);
    take_filter(self, filter);
    take_start(self, filter);
    client->followers++;
    if (client->link.state == LINK_UP)
        open_stream(self, now_ms());
    *out = self;
    return 0;
}

void cccc_follow_stats(const cccc_follow_t *self, struct cccc_follow_stats *out)
{
    *out = self->stats;
}

void cccc_follow_close(cccc_follow_t **taken)
{
    if (!taken || !*taken)
        return;
    cccc_follow_t *self = *taken;
    *taken = NULL;
    cancel_reads(self);
    link_close(&self->stream);
    zmq_msg_close(&self->body);
    msgpack_zone_destroy(&self->zone);
    cccc_buf_fini(&self->packed);
    cccc_arena_destroy(&self->arena);
    self->client->followers--;
    free(self);
}
