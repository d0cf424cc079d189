/* words.c - `name=value` words on the command line, and one line of JSON as the answer. */
#include "bench/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX      64
#define WORD_BYTES_MAX 8
#define FILLER_SEED    1

static struct {
    const char *program;
    char **words;
    int count;
    bool known[WORDS_MAX];
    struct {
        const char *name;
        double value;
    } numbers[WORDS_MAX]; /* all that were asked for, given or not: they are part of the answer */
    int number_count;
} given;

void words_take(int argc, char **argv, int first)
{
    given.program = argv[0];
    given.words = argv + first;
    given.count = argc > first ? argc - first : 0;
    if (given.count > WORDS_MAX) {
        fprintf(stderr, "%s: at most %d words\n", argv[0], WORDS_MAX);
        exit(2);
    }
}

const char *word_text(const char *name, const char *otherwise)
{
    size_t len = strlen(name);
    for (int i = 0; i < given.count; i++) {
        if (strncmp(given.words[i], name, len) != 0 || given.words[i][len] != '=')
            continue;
        given.known[i] = true;
        return given.words[i] + len + 1;
    }
    return otherwise;
}

const char *word_required(const char *name)
{
    const char *text = word_text(name, "");
    if (*text)
        return text;
    fprintf(stderr, "%s: %s= is missing\n", given.program, name);
    exit(2);
}

static double parse_number(const char *name, const char *text)
{
    char *end;
    double number = strtod(text, &end);
    if (*text && !*end && number >= 0)
        return number;
    fprintf(stderr, "%s: %s=%s is no number\n", given.program, name, text);
    exit(2);
}

double word_number(const char *name, double otherwise)
{
    const char *text = word_text(name, NULL);
    double value = text ? parse_number(name, text) : otherwise;
    if (given.number_count < WORDS_MAX) {
        given.numbers[given.number_count].name = name;
        given.numbers[given.number_count++].value = value;
    }
    return value;
}

/* Words of one or two syllables; the shorter ones have the lower numbers. Returns its bytes, with the blank behind it. */
static size_t put_word(char *out, unsigned number)
{
    static const char begins[][3] = {"t", "s", "r", "n", "d", "m", "l", "c", "p", "w", "h", "b", "th", "st", "v", "qu"};
    static const char ends[][3] = {"e", "a", "o", "i", "er", "in", "on", "at", "es", "al", "it", "en", "or", "u", "ar", "y"};
    if (number < 256)
        return (size_t)sprintf(out, "%s%s ", begins[number / 16], ends[number % 16]);
    return (size_t)sprintf(out, "%s%s%s ", begins[number / 16 % 16], ends[number % 16], begins[number / 256]);
}

char *words_filler(size_t len)
{
    uint64_t random = FILLER_SEED;
    char *text = calloc(1, len + WORD_BYTES_MAX);
    if (!text)
        exit(1);
    for (size_t at = 0; at < len;) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        double part = (double)(random >> 32) / 4294967296.0;
        at += put_word(text + at, (unsigned)(4096 * part * part * part));
    }
    text[len] = '\0';
    return text;
}

const char *word_filler(const char *name, double otherwise)
{
    return words_filler((size_t)word_number(name, otherwise));
}

void words_check(void)
{
    for (int i = 0; i < given.count; i++) {
        if (given.known[i])
            continue;
        fprintf(stderr, "%s: nobody knows %s\n", given.program, given.words[i]);
        exit(2);
    }
}

void words_plan(struct worker_plan *plan)
{
    plan->senders = (unsigned)word_number("clients", 8);
    plan->followers = (unsigned)word_number("followers", 1);
    plan->warmup_s = word_number("warmup", 0.5);
    plan->seconds = word_number("seconds", 3);
    plan->drain_s = word_number("drain", 60);
    plan->messages_max = (uint64_t)word_number("messages", 0);
    plan->disk_dir = word_text("disk", NULL);
    plan->server_pid = (pid_t)word_number("pid", 0);
    if (plan->senders + plan->followers + 2 > WORKERS_MAX) {
        fprintf(stderr, "%s: at most %d clients and followers\n", given.program, WORKERS_MAX - 2);
        exit(2);
    }
}

static void print_times(const char *name, const struct worker_times *times)
{
    printf(",\"%s\":{\"count\":%" PRIu64 ",\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f}", name, times->count,
           times->p50, times->p99, times->p999, times->max);
}

int words_run(const char *name, const struct worker_plan *plan)
{
    struct worker_result r;
    bool good = workers_run(plan, &r);
    if (!good)
        fprintf(stderr, "%s: %s\n", name, r.failure.text);
    printf("{\"name\":\"%s\",\"ok\":%s,\"seconds\":%.3f,\"per_second\":%.1f,\"follower_per_second\":%.1f,\"delivered_per_second\":%.1f",
           name, good ? "true" : "false", r.seconds, r.per_second, r.follower_per_second, r.delivered_per_second);
    printf(",\"sent\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"followed\":%" PRIu64 ",\"missed\":%" PRIu64 ",\"losses\":%" PRIu64
           ",\"repaired\":%" PRIu64,
           r.sent, r.failed, r.followed, r.missed, r.losses, r.repaired);
    print_times("ack", &r.ack);
    print_times("disk", &r.disk);
    printf(",\"cpu_us\":{\"server\":%.2f,\"loop\":%.2f,\"io\":%.2f,\"commit\":%.2f,\"seal\":%.2f,\"senders\":%.2f,\"followers\":%.2f}",
           r.server_us, r.loop_us, r.io_us, r.commit_us, r.seal_us, r.senders_us, r.followers_us);
    printf(",\"server_rss\":%" PRIu64 ",\"parameters\":{", r.server_rss);
    for (int i = 0; i < given.number_count; i++)
        printf("%s\"%s\":%.10g", i ? "," : "", given.numbers[i].name, given.numbers[i].value);
    printf("}}\n");
    return good ? 0 : 1;
}
