/* campaign.c - one flipped bit, or one cut, at a time in every file of a home: damage is named, or reported as a change, or proven harmless.
 *
 * usage: damage_campaign [--seed N] [--flips N] [--cuts N] [--jobs N] [--case N]
 *
 * Each case is a process of its own (the home is copied by fork): it damages one file, asks what `doctor` and `ledger verify` ask of the libraries, starts
 * the daemon's core, ledgers, store and loading on the home (tests/sim/broker.c), asks for everything, stops, and looks at the files again. Case N of a seed
 * is always the same; --case tells its story. */
#include "tests/damage/home.h"

#include "broker/store/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum verdict {
    NOT_RUN,
    DETECTED,     /* named: file, line, offset; or the file, where lines mean nothing */
    HARMLESS,     /* what is served is what an undamaged home serves */
    CHANGED,      /* reported: not what cccc last wrote */
    TORN,         /* in the last unmarked second: cannot be told from a torn write */
    UNDETECTABLE, /* in what only CCCC 0.4.0 has written: there are no checksums */
    WRONG,        /* none of it */
    VERDICTS
};
static const char *const verdict_names[VERDICTS] = {
    "not run", "detected", "harmless", "changed", "torn", "undetectable", "WRONG",
};

/* What a case found, in memory that all processes share. */
struct outcome {
    enum verdict verdict;
    enum file_kind kind;
    bool cut;
    char why[240]; /* of a WRONG one */
};

struct shared {
    struct served sound;
    unsigned next;
    struct outcome outcomes[];
};

struct arguments {
    uint64_t seed, flips, cuts, only;
    unsigned jobs;
    bool one;
};

struct experiment {
    struct home *home;
    const struct arguments *arguments;
    struct shared *shared;
    /* of a case */
    uint64_t number, dice;
    const struct home_file *file;
    size_t at; /* the damaged byte, or the length that is left */
    unsigned bit;
    bool cut;
    char *bytes; /* as damaged */
    size_t len;
    bool named, torn; /* by verify: the place; a tail that will be cut */
    bool reported;    /* as changed */
    struct served served;
    struct outcome *outcome;
};

/* ---- choosing the damage ---- */

static uint64_t roll(struct experiment *e, uint64_t below)
{
    uint64_t z = e->dice += 0x9e3779b97f4a7c15u; /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % below;
}

/* Half of the damage meets ledgers, the rest any file. */
static const struct home_file *choose_file(struct experiment *e)
{
    bool ledger = roll(e, 2) == 0;
    for (;;) {
        const struct home_file *file = &e->home->files[roll(e, e->home->file_count)];
        if (!ledger || file->kind == FILE_LEDGER)
            return file;
    }
}

/* Where the last three lines begin: cuts there are the likeliest in life. */
static size_t last_lines(const struct home_file *file)
{
    size_t at = file->len;
    for (int lines = 0; at > 0 && lines < 4; at--)
        lines += file->bytes[at - 1] == '\n';
    return at;
}

static void choose(struct experiment *e)
{
    e->dice = e->arguments->seed * 1000003 + e->number;
    e->cut = e->number >= e->arguments->flips;
    e->file = choose_file(e);
    size_t len = e->file->len, from = e->cut && roll(e, 2) == 0 ? last_lines(e->file) : 0;
    e->at = from + roll(e, len - from);
    e->bit = (unsigned)roll(e, 8);
    e->len = e->cut ? e->at : len;
    e->bytes = malloc(len);
    CCCC_ASSERT(e->bytes, "out of memory");
    memcpy(e->bytes, e->file->bytes, len);
    if (!e->cut)
        e->bytes[e->at] = (char)(e->bytes[e->at] ^ (1 << e->bit));
    simdisk_poke(e->home->sim.disk, e->file->path, e->bytes, e->len);
}

/* ---- what doctor and verify ask ---- */

static void hear_finding(void *arg, const struct cccc_verify_finding *finding)
{
    struct experiment *e = arg;
    const struct cccc_gap *gap = &finding->gap;
    bool here = strcmp(finding->file, e->file->path) == 0;
    sim_tell(&e->home->sim, "  verify: %s line %llu offset %llu length %llu: %s", finding->file, (unsigned long long)finding->line,
             (unsigned long long)gap->offset, (unsigned long long)gap->length, finding->what);
    if (finding->kind == CCCC_VERIFY_TORN) {
        e->torn = e->torn || (here && gap->offset <= e->at);
        return;
    }
    if (!here)
        return;
    /* A line of the older format has no checksum of its own: the first sealed line vouches for all of them. */
    bool covers = gap->offset <= e->at && e->at <= gap->offset + gap->length;
    bool vouches = finding->kind == CCCC_VERIFY_FORKED && e->at < e->file->legacy_end && gap->offset == e->file->legacy_end;
    /* Of a sealed segment, a manifest and a base the whole file is named. */
    e->named = e->named || e->file->kind == FILE_BASE || e->file->kind == FILE_MANIFEST ||
               ((covers || vouches) && (finding->line > 0 || e->file->kind == FILE_SEGMENT));
}

static void verify_ledgers(struct experiment *e)
{
    const struct cccc_vfs *vfs = simdisk_vfs(e->home->sim.disk);
    for (int i = 0; i < HOME_GROUPS; i++) {
        char dir[64];
        struct cccc_verify_report report;
        struct cccc_errmsg m = {""};
        snprintf(dir, sizeof dir, "/home/groups/%s", e->home->groups[i]);
        if (cccc_ledger_verify(vfs, dir, hear_finding, NULL, e, &report, &m) != CCCC_OK)
            sim_tell(&e->home->sim, "  verify: %s", m.text);
    }
}

static void check_config(struct experiment *e, const struct cccc_home *root, cccc_arena_t *arena)
{
    struct cccc_group_files files;
    cccc_group_files_read(simdisk_vfs(e->home->sim.disk), root, cccc_str(e->home->groups[e->file->group]), arena, &files);
    e->reported = e->reported || files.edited || files.refused || files.from_prev || files.note[0] || cccc_is_nil(&files.document);
    sim_tell(&e->home->sim, "  group.yaml:%s%s%s %s", files.edited ? " edited" : "", files.refused ? " refused" : "",
             files.from_prev ? " from .prev" : "", files.note);
}

static void check_document(struct experiment *e, cccc_arena_t *arena)
{
    struct cccc_errmsg m = {""};
    enum cccc_written by;
    cccc_json_document(simdisk_vfs(e->home->sim.disk), e->file->path, arena, &by, &m);
    e->reported = e->reported || by != CCCC_WRITTEN_BY_US;
    sim_tell(&e->home->sim, "  document: %d %s", (int)by, m.text);
}

static void bad_blob(void *arg, const char *path, const char *why)
{
    struct experiment *e = arg;
    sim_tell(&e->home->sim, "  blob: %s: %s", path, why);
    e->named = e->named || strcmp(path, e->file->path) == 0;
}

static void examine(struct experiment *e)
{
    struct cccc_home root = {.root = "/home"};
    cccc_arena_t *arena = cccc_arena_new(64 * 1024);
    uint64_t blobs;
    verify_ledgers(e);
    if (e->file->kind == FILE_CONFIG || e->file->kind == FILE_SUM)
        check_config(e, &root, arena);
    if (e->file->kind == FILE_DOCUMENT)
        check_document(e, arena);
    if (e->file->kind == FILE_BLOB)
        cccc_blobs_check(simdisk_vfs(e->home->sim.disk), &root, cccc_str(e->home->groups[e->file->group]), bad_blob, e, &blobs);
    cccc_arena_destroy(&arena);
}

/* ---- afterwards ---- */

__attribute__((format(printf, 2, 3))) static void wrong(struct experiment *e, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (e->outcome->verdict != WRONG)
        vsnprintf(e->outcome->why, sizeof e->outcome->why, fmt, args);
    e->outcome->verdict = WRONG;
    va_end(args);
}

struct search {
    struct experiment *e;
    const char *dir, *bytes;
    size_t len;
    bool whole, found; /* the file is exactly these bytes, or begins with them */
};

static void search_dir(struct search *search, const char *dir);

static void look_in(void *arg, const char *name)
{
    struct search *search = arg;
    simdisk_t *disk = search->e->home->sim.disk;
    struct cccc_stat st;
    char path[256];
    const char *bytes;
    size_t len;
    snprintf(path, sizeof path, "%s/%s", search->dir, name);
    if (search->found || simdisk_vfs(disk)->stat(simdisk_vfs(disk)->ctx, path, &st) != 0)
        return;
    if (st.is_dir)
        search_dir(search, path);
    else if (simdisk_peek(disk, path, &bytes, &len))
        search->found = (search->whole ? len == search->len : len >= search->len) && memcmp(bytes, search->bytes, search->len) == 0;
}

static void search_dir(struct search *search, const char *dir)
{
    const struct cccc_vfs *vfs = simdisk_vfs(search->e->home->sim.disk);
    const char *outer = search->dir;
    search->dir = dir;
    vfs->list(vfs->ctx, dir, look_in, search);
    search->dir = outer;
}

/* The bytes as they were found at the start are all somewhere: in place with more behind them, or in a copy, or cut in two by recovery. */
static bool is_kept(struct experiment *e)
{
    const char *now = "";
    size_t len = 0, same = 0;
    struct search copy = {.e = e, .bytes = e->bytes, .len = e->len};
    search_dir(&copy, "/home");
    if (copy.found)
        return true;
    simdisk_peek(e->home->sim.disk, e->file->path, &now, &len);
    while (same < len && same < e->len && now[same] == e->bytes[same])
        same++;
    for (size_t cut = same + 1; cut-- > 0;) {
        struct search tail = {.e = e, .bytes = e->bytes + cut, .len = e->len - cut, .whole = true};
        search_dir(&tail, "/home");
        if (tail.found)
            return true;
    }
    return false;
}

static bool serves_the_same(struct experiment *e, int group)
{
    return strcmp(e->served.text[group], e->shared->sound.text[group]) == 0;
}

/* Nobody else notices: the groups that were not damaged, and for caches nobody at all. */
static void check_others(struct experiment *e)
{
    for (int i = 0; i < HOME_GROUPS; i++)
        if (i != e->file->group && !serves_the_same(e, i))
            wrong(e, "group %s, which was not damaged, is served otherwise", e->home->groups[i]);
}

static enum verdict judge_ledger(struct experiment *e)
{
    bool same = serves_the_same(e, e->file->group);
    if (e->named)
        return DETECTED;
    if (e->file->unsummed)
        return UNDETECTABLE;
    /* Without the newline at the end of the last line that is vouched for, the line behind it, which does so, is none either. */
    if (e->cut ? e->at >= e->file->marked_end : e->at + 1 >= e->file->vouched_end)
        return TORN;
    return same ? HARMLESS : WRONG;
}

static enum verdict judge(struct experiment *e)
{
    bool same = e->file->group < 0 || serves_the_same(e, e->file->group);
    switch (e->file->kind) {
    case FILE_LEDGER:
        return judge_ledger(e);
    case FILE_SEGMENT: /* one that no manifest names is a copy of what ledger.jsonl has */
        return e->named ? DETECTED : same ? HARMLESS : WRONG;
    case FILE_MANIFEST: /* named, and yet nothing is hidden */
        return e->named && same ? DETECTED : WRONG;
    case FILE_BASE: /* a state with less in it is not served as if it were the group's */
        return e->named && strstr(e->served.text[e->file->group], ".base, which stands for") ? DETECTED : WRONG;
    case FILE_CONFIG:
    case FILE_DOCUMENT:
        return e->reported ? CHANGED : e->file->unsummed ? UNDETECTABLE : WRONG;
    case FILE_BLOB:
        return e->named ? DETECTED : WRONG;
    case FILE_SUM:
        return e->reported ? CHANGED : same ? HARMLESS : WRONG;
    default:
        return same && serves_the_same(e, HOME_GROUPS) ? HARMLESS : WRONG;
    }
}

static void run_case(struct experiment *e)
{
    choose(e);
    e->outcome->kind = e->file->kind;
    e->outcome->cut = e->cut;
    sim_tell(&e->home->sim, "case %llu: %s %s byte %zu of %zu, bit %u", (unsigned long long)e->number, e->cut ? "cut" : "flip",
             e->file->path, e->at, e->file->len, e->bit);
    examine(e);
    home_serve(e->home, &e->served);
    if (!e->served.started) {
        wrong(e, "the daemon does not start");
        return;
    }
    enum verdict verdict = judge(e);
    if (verdict == WRONG)
        wrong(e, "it is not named, not reported, and not harmless");
    check_others(e);
    bool valuable = e->file->kind == FILE_LEDGER || e->file->kind == FILE_BASE || e->file->kind == FILE_CONFIG ||
                    e->file->kind == FILE_DOCUMENT || e->file->kind == FILE_BLOB;
    if (valuable && !is_kept(e))
        wrong(e, "bytes went without a copy");
    if (e->outcome->verdict != WRONG)
        e->outcome->verdict = verdict;
    sim_tell(&e->home->sim, "  %s", verdict_names[e->outcome->verdict]);
}

/* ---- all cases ---- */

/* In a process of its own, so that each begins with the same home. */
static void fork_case(struct experiment *e, uint64_t number)
{
    e->number = number;
    e->outcome = &e->shared->outcomes[number];
    e->home->sim.seed = number;
    fflush(stdout);
    pid_t pid = fork();
    CCCC_ASSERT(pid >= 0, "fork: %s", strerror(errno));
    if (pid == 0) {
        run_case(e);
        fflush(stdout);
        _exit(0);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    if (status != 0)
        wrong(e, "the process ended with status %d (a broken promise, or a crash)", status);
}

static void work(struct experiment *e)
{
    uint64_t all = e->arguments->flips + e->arguments->cuts;
    for (uint64_t number; (number = __atomic_fetch_add(&e->shared->next, 1, __ATOMIC_RELAXED)) < all;)
        fork_case(e, number);
}

static void work_in_parallel(struct experiment *e)
{
    for (unsigned i = 0; i < e->arguments->jobs; i++) {
        fflush(stdout);
        pid_t pid = fork();
        CCCC_ASSERT(pid >= 0, "fork: %s", strerror(errno));
        if (pid == 0) {
            work(e);
            _exit(0);
        }
    }
    while (wait(NULL) > 0)
        ;
}

static void learn_sound(struct experiment *e)
{
    pid_t pid = fork();
    CCCC_ASSERT(pid >= 0, "fork: %s", strerror(errno));
    if (pid == 0) {
        home_serve(e->home, &e->shared->sound);
        _exit(e->shared->sound.started ? 0 : 1);
    }
    int status;
    waitpid(pid, &status, 0);
    CCCC_ASSERT(status == 0, "the undamaged home is not served");
}

/* ---- the table ---- */

static void print_rows(const struct shared *shared, uint64_t all, bool cut, uint64_t totals[VERDICTS])
{
    for (int kind = 0; kind < FILE_KINDS; kind++) {
        uint64_t counts[VERDICTS] = {0};
        for (uint64_t i = 0; i < all; i++)
            if ((int)shared->outcomes[i].kind == kind && shared->outcomes[i].cut == cut)
                counts[shared->outcomes[i].verdict]++;
        printf("%-5s %-18s", cut ? "cuts" : "flips", file_kind_names[kind]);
        for (int v = DETECTED; v < VERDICTS; v++) {
            printf(" %12llu", (unsigned long long)counts[v]);
            totals[v] += counts[v];
        }
        putchar('\n');
    }
}

static void print_torn(const struct shared *shared, uint64_t all)
{
    printf("torn, by case:");
    for (uint64_t i = 0; i < all; i++)
        if (shared->outcomes[i].verdict == TORN)
            printf(" %llu", (unsigned long long)i);
    putchar('\n');
}

/* True when nothing is wrong. */
static bool report(const struct experiment *e)
{
    uint64_t all = e->arguments->flips + e->arguments->cuts, totals[VERDICTS] = {0}, shown = 0, counted = 0;
    printf("%-24s", "");
    for (int v = DETECTED; v < VERDICTS; v++)
        printf(" %12s", verdict_names[v]);
    putchar('\n');
    print_rows(e->shared, all, false, totals);
    print_rows(e->shared, all, true, totals);
    printf("%-24s", "all");
    for (int v = DETECTED; v < VERDICTS; v++) {
        printf(" %12llu", (unsigned long long)totals[v]);
        counted += totals[v];
    }
    putchar('\n');
    print_torn(e->shared, all);
    for (uint64_t i = 0; i < all && shown < 20; i++)
        if (e->shared->outcomes[i].verdict == WRONG && ++shown)
            printf("case %llu: %s\n", (unsigned long long)i, e->shared->outcomes[i].why);
    if (totals[WRONG] > 0)
        printf("again, with its story: damage_campaign --seed %llu --flips %llu --cuts %llu --case N\n",
               (unsigned long long)e->arguments->seed, (unsigned long long)e->arguments->flips, (unsigned long long)e->arguments->cuts);
    return totals[WRONG] == 0 && counted == all;
}

/* 1,500 flips and 300 cuts are what a change is tested with; the campaign is 10,000 and 1,000. */
static struct arguments read_arguments(int argc, char **argv)
{
    struct arguments out = {.seed = 1, .flips = 1500, .cuts = 300, .jobs = 2};
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t value = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seed") == 0)
            out.seed = value;
        else if (strcmp(argv[i], "--flips") == 0)
            out.flips = value;
        else if (strcmp(argv[i], "--cuts") == 0)
            out.cuts = value;
        else if (strcmp(argv[i], "--jobs") == 0)
            out.jobs = (unsigned)value;
        else if (strcmp(argv[i], "--case") == 0) {
            out.only = value;
            out.one = true;
        }
    }
    return out;
}

int main(int argc, char **argv)
{
    static struct home home;
    struct arguments arguments = read_arguments(argc, argv);
    uint64_t all = arguments.flips + arguments.cuts;
    size_t bytes = sizeof(struct shared) + (all + 1) * sizeof(struct outcome);
    struct shared *shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CCCC_ASSERT(shared != MAP_FAILED, "mmap: %s", strerror(errno));
    static struct experiment e;
    e = (struct experiment){.home = &home, .arguments = &arguments, .shared = shared};
    home_init(&home);
    learn_sound(&e);
    printf("seed %llu: %llu flipped bits and %llu cuts in %u files\n", (unsigned long long)arguments.seed,
           (unsigned long long)arguments.flips, (unsigned long long)arguments.cuts, home.file_count);
    bool sound;
    if (arguments.one) {
        home.sim.traced = true;
        fork_case(&e, arguments.only);
        sound = shared->outcomes[arguments.only].verdict != WRONG;
        printf("%s\n", sound ? verdict_names[shared->outcomes[arguments.only].verdict] : shared->outcomes[arguments.only].why);
    } else {
        work_in_parallel(&e);
        sound = report(&e);
    }
    home_fini(&home);
    munmap(shared, bytes);
    return sound ? 0 : 1;
}
