/* judge.c - the recovery rule as a state machine over lines.
 *
 * Invariants: (1) a finding EVENT has a seq above all before it. (2) TORN is found only at a head at or above the floor, and with the floor
 * final, that is, after the `dur` of every sound line up to the end of the stretch has been looked at. */
#include "broker/ledger/judge.h"

#include "broker/mutant.h"

enum { SURVEY_BLOCK = 256 * 1024 };

/* How a line relates to the last one that counted. */
enum link {
    LINK_NEXT,  /* continues it */
    LINK_FORK,  /* has the next seq, and a `prev` that is not the last line's checksum */
    LINK_JUMP,  /* sound, seqs between are not there */
    LINK_STALE, /* sound, of a seq that was there already */
    LINK_LOST,  /* unreadable, in the older format's stretch where each line is one event */
    LINK_BLANK, /* white space in that stretch */
    LINK_BROKEN
};

void cccc_judge_init(struct cccc_judge *self, struct cccc_scan *scan, const struct cccc_judge_start *start)
{
    *self = (struct cccc_judge){
        .scan = scan,
        .head = start->seq,
        .crc = start->crc,
        .crc_known = !start->inside,
        .floor = start->floor,
        .floor_final = start->floor_final,
        .legacy_last = start->legacy_last,
        .sealed = start->seq > start->legacy_last,
    };
}

static bool is_blank(const struct cccc_raw_line *line)
{
    if (!line->ptr)
        return false;
    for (size_t i = 0; i < line->len; i++)
        if (line->ptr[i] != ' ' && line->ptr[i] != '\t' && line->ptr[i] != '\r')
            return false;
    return true;
}

/* A line and what it says of itself. */
struct looked {
    struct cccc_raw_line line;
    enum cccc_line_state state;
    uint64_t seq;
    struct cccc_seal seal;
};

/* The next line. When the last line of a file lacked its newline, the batch that follows begins with one; if the disk then lost that first sector and
 * kept later ones, NULs stand where the newline should. NUL is in no good line, so it ends one that is whole up to there. */
static bool look(struct cccc_scan *scan, struct looked *out)
{
    struct cccc_raw_line *line = &out->line;
    if (!cccc_scan_next(scan, line))
        return false;
    out->state = line->ptr ? cccc_line_inspect(line->ptr, line->len, &out->seq, &out->seal) : CCCC_LINE_BROKEN;
    const char *nul = out->state == CCCC_LINE_BROKEN && line->ptr ? memchr(line->ptr, '\0', line->len) : NULL;
    if (!nul || nul == line->ptr)
        return true;
    size_t len = (size_t)(nul - line->ptr);
    out->state = cccc_line_inspect(line->ptr, len, &out->seq, &out->seal);
    if (out->state != CCCC_LINE_BROKEN) {
        cccc_scan_back(scan, line->size - len);
        *line = (struct cccc_raw_line){.ptr = line->ptr, .len = len, .offset = line->offset, .size = len};
    }
    return true;
}

/* What a sound line says was durable. A line cannot vouch for itself or later ones. */
static uint64_t vouched(uint64_t seq, const struct cccc_seal *seal)
{
    if (seq == 0 || CCCC_MUTANT_IS(IGNORE_DUR))
        return 0;
    return seal->dur < seq ? seal->dur : seq - 1;
}

/* What a look ahead has learnt about the older format's stretch at the beginning of a file. */
struct stretch {
    bool counting;      /* no sound line so far */
    bool any;           /* it has a line of the older format: without one, unreadable lines are no stretch */
    uint64_t lines;     /* not blank */
    uint64_t last_good; /* number of its last readable line */
    uint64_t first_dur; /* `dur` of the first sound line behind it: at least every line of the stretch was durable by then */
};

static void survey_line(struct cccc_judge *self, const struct looked *looked, struct stretch *stretch)
{
    if (looked->state == CCCC_LINE_SOUND) {
        uint64_t durable = vouched(looked->seq, &looked->seal);
        if (stretch->counting)
            stretch->first_dur = durable;
        stretch->counting = false;
        if (self->floor < durable)
            self->floor = durable;
    } else if (stretch->counting && !is_blank(&looked->line)) {
        stretch->lines++;
        if (looked->state == CCCC_LINE_LEGACY) {
            stretch->any = true;
            stretch->last_good = stretch->lines;
        }
    }
}

/* Look at every line from `first` to the end: the highest `dur` makes the floor final. At the beginning of a file it also learns how many lines
 * of the older format there are. */
static void survey(struct cccc_judge *self, const struct cccc_raw_line *first, bool at_beginning)
{
    struct cccc_scan scan;
    struct looked looked;
    struct stretch stretch = {.counting = at_beginning};
    cccc_scan_init(&scan, self->scan->source, first->offset, self->scan->end, SURVEY_BLOCK);
    while (look(&scan, &looked))
        survey_line(self, &looked, &stretch);
    self->scan->err = scan.err;
    cccc_scan_fini(&scan);
    if (stretch.any)
        self->legacy_last = stretch.counting ? stretch.last_good : stretch.first_dur;
    if (self->floor < self->legacy_last)
        self->floor = self->legacy_last;
    self->floor_final = true;
}

static enum link link_of(const struct cccc_judge *self, const struct looked *looked, struct cccc_finding *f)
{
    f->line = looked->line;
    f->seq = looked->seq;
    f->seal = looked->seal;
    if (looked->state == CCCC_LINE_SOUND) {
        if (f->seq != self->head + 1)
            return f->seq > self->head ? LINK_JUMP : LINK_STALE;
        return !self->crc_known || f->seal.prev == self->crc || CCCC_MUTANT_IS(NO_PREV_CHECK) ? LINK_NEXT : LINK_FORK;
    }
    if (self->sealed || self->legacy_last == 0)
        return LINK_BROKEN;
    if (is_blank(&f->line))
        return LINK_BLANK;
    if (self->head >= self->legacy_last)
        return LINK_BROKEN;
    f->seq = self->head + 1;
    f->seal = (struct cccc_seal){0};
    f->legacy = true;
    return looked->state == CCCC_LINE_LEGACY ? LINK_NEXT : LINK_LOST;
}

/* Before the first sealed line the chain is the checksum of all bytes so far. */
static void absorb(struct cccc_judge *self, const struct cccc_raw_line *line)
{
    if (!line->ptr)
        self->crc_known = false;
    if (!self->crc_known)
        return;
    self->crc = cccc_crc32c(self->crc, line->ptr, line->len);
    self->crc = cccc_crc32c(self->crc, "\n", 1);
}

static void hurt(struct cccc_judge *self, const struct cccc_raw_line *line)
{
    if (!self->hurt.open) {
        self->hurt.open = true;
        self->hurt.from_seq = self->head + 1;
        self->hurt.offset = line->offset;
        self->hurt.number = self->number;
        self->hurt.lines = 0;
    }
    self->hurt.lines++;
    self->hurt.bytes = line->offset + line->size - self->hurt.offset;
}

/* Answer `f`, after a gap that ends at `to_seq` if there is one to report. */
static void answer(struct cccc_judge *self, const struct cccc_finding *f, uint64_t to_seq, struct cccc_finding *out)
{
    bool bad = self->hurt.open;
    uint64_t from_seq = bad ? self->hurt.from_seq : self->head + 1;
    self->hurt.open = false;
    if ((!bad && from_seq > to_seq) || CCCC_MUTANT_IS(SILENT_HOLE)) {
        *out = *f;
        return;
    }
    self->held = *f;
    self->holding = true;
    *out = (struct cccc_finding){
        .kind = from_seq <= to_seq ? CCCC_FOUND_GAP : CCCC_FOUND_STRAY,
        .last = f->kind == CCCC_FOUND_END && to_seq > self->head,
        .number = bad ? self->hurt.number : self->number,
        .bad_lines = bad ? self->hurt.lines : 0,
        .gap = {.from_seq = from_seq,
                .to_seq = from_seq <= to_seq ? to_seq : 0,
                .offset = bad                           ? self->hurt.offset
                          : f->kind == CCCC_FOUND_EVENT ? f->line.offset
                                                        : self->scan->offset,
                .length = bad ? self->hurt.bytes : 0,
                .reason = bad ? "damaged" : "missing"},
    };
}

static void accept_event(struct cccc_judge *self, struct cccc_finding *f, struct cccc_finding *out)
{
    f->kind = CCCC_FOUND_EVENT;
    f->number = self->number;
    answer(self, f, f->seq - 1, out);
    self->head = f->seq;
    if (f->legacy) {
        absorb(self, &f->line);
        return;
    }
    self->sealed = true;
    self->crc = f->seal.crc;
    self->crc_known = true;
    uint64_t durable = vouched(f->seq, &f->seal);
    if (self->floor < durable)
        self->floor = durable;
}

static void finish(struct cccc_judge *self, struct cccc_finding *f, struct cccc_finding *out)
{
    self->over = true;
    f->number = self->number;
    f->err = self->scan->err;
    if (f->err < 0) {
        f->kind = CCCC_FOUND_ERROR;
        *out = *f;
        return;
    }
    if (f->kind != CCCC_FOUND_TORN)
        f->kind = CCCC_FOUND_END;
    answer(self, f, f->kind == CCCC_FOUND_END && self->floor > self->head ? self->floor : self->head, out);
}

/* True when the head is below everything that is known durable, looking ahead if that can change the answer. */
static bool below_floor(struct cccc_judge *self, const struct cccc_raw_line *line)
{
    if (self->head >= self->floor && !self->floor_final)
        survey(self, line, false);
    return self->head < self->floor && !CCCC_MUTANT_IS(CUT_AT_DAMAGE);
}

/* One line. True when it yields a finding. */
static bool step(struct cccc_judge *self, const struct looked *looked, struct cccc_finding *f, struct cccc_finding *out)
{
    /* A file begins with line 1, or it was made by a seal: then what is in front of its first line was durable before the file was there. */
    if (self->number == 1 && looked->line.offset == 0 && looked->state == CCCC_LINE_SOUND && !self->floor_final &&
        self->floor + 1 < looked->seq)
        self->floor = looked->seq - 1;
    enum link link = link_of(self, looked, f);
    if (self->number == 1 && !self->floor_final && (link != LINK_NEXT && link != LINK_FORK)) {
        survey(self, &f->line, !self->sealed);
        if (self->scan->err < 0) {
            finish(self, f, out);
            return true;
        }
        link = link_of(self, looked, f);
    }
    switch (link) {
    case LINK_NEXT:
        accept_event(self, f, out);
        return true;
    case LINK_BLANK:
        absorb(self, &f->line);
        return false;
    case LINK_LOST:
        hurt(self, &f->line);
        absorb(self, &f->line);
        self->head++;
        return false;
    default:
        break;
    }
    if (!below_floor(self, &f->line)) {
        f->kind = CCCC_FOUND_TORN;
        f->gap = (struct cccc_gap){.offset = f->line.offset, .length = self->scan->end - f->line.offset, .reason = "damaged"};
        finish(self, f, out);
        return true;
    }
    if (link == LINK_FORK || link == LINK_JUMP) {
        f->forked = link == LINK_FORK;
        accept_event(self, f, out);
        return true;
    }
    hurt(self, &f->line);
    self->crc_known = false;
    return false;
}

void cccc_judge_next(struct cccc_judge *self, struct cccc_finding *out)
{
    if (self->holding) {
        *out = self->held;
        self->holding = false;
        return;
    }
    struct cccc_finding f = {.kind = CCCC_FOUND_END};
    struct looked looked = {0};
    while (!self->over && look(self->scan, &looked)) {
        self->number++;
        if (step(self, &looked, &f, out))
            return;
        f = (struct cccc_finding){.kind = CCCC_FOUND_END};
    }
    if (self->over)
        *out = f;
    else
        finish(self, &f, out);
}
