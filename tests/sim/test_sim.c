/* test_sim.c - random histories of the broker on a disk that fails, and the ones that failed once.
 *
 * usage: test_sim [--seconds N] [--jobs N] [--first SEED]   histories of SEED, SEED+1, ... for N seconds, in N processes
 *        test_sim --histories N [...]                       the same for N of them in each process, however long it takes
 *        test_sim --seed SEED [--trace]                     one history; with its story
 *        test_sim --regressions FILE                        the seeds of the file, one at the beginning of a line */
#include "tests/sim/history.h"
#include "tests/sim/sim.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { JOBS_MAX = 64 };

struct arguments {
    uint64_t seconds, histories, jobs, first, seed;
    bool one, trace;
    const char *regressions;
};

/* Shared with the parent, so that it knows what a job was at when it died. */
struct job {
    uint64_t seed, histories;
    struct history_counts counts;
    bool done;
};

static struct arguments read_arguments(int argc, char **argv)
{
    struct arguments a = {.seconds = 5, .jobs = 2, .first = 1};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--trace") == 0)
            a.trace = true;
        else if (strcmp(argv[i], "--seconds") == 0)
            a.seconds = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--histories") == 0)
            a.histories = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--jobs") == 0)
            a.jobs = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--first") == 0)
            a.first = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--regressions") == 0)
            a.regressions = value;
        else if (strcmp(argv[i], "--seed") == 0) {
            a.seed = strtoull(value, NULL, 10);
            a.one = true;
        }
    }
    if (a.jobs < 1 || a.jobs > JOBS_MAX)
        a.jobs = 1;
    return a;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

_Noreturn static void work(struct job *job, const struct arguments *a, uint64_t number)
{
    double end = now_s() + (double)a->seconds;
    for (job->seed = a->first + number; a->histories ? job->histories < a->histories : now_s() < end; job->seed += a->jobs) {
        history_run(job->seed, false, &job->counts);
        job->histories++;
    }
    job->done = true;
    fflush(stdout);
    _exit(0);
}

static double cpu_s_of_jobs(void)
{
    struct rusage used;
    getrusage(RUSAGE_CHILDREN, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void print_counts(const struct job *all, double seconds)
{
    const struct history_counts *n = &all->counts;
    printf("%llu histories in %.1f s: %.0f a minute, and %.0f a minute of one core's time\n", (unsigned long long)all->histories, seconds,
           (double)all->histories * 60 / seconds, (double)all->histories * 60 / cpu_s_of_jobs());
    printf(
        "%llu crashes, %llu recoveries checked, %llu faults met, %llu requests, %llu events audited, %llu of them retired; %llu holds, and "
        "%llu messages handed on\n",
        (unsigned long long)n->crashes, (unsigned long long)n->recoveries, (unsigned long long)n->faults, (unsigned long long)n->requests,
        (unsigned long long)n->events, (unsigned long long)n->retired, (unsigned long long)n->holds, (unsigned long long)n->copies);
}

static void add(struct job *all, const struct job *job)
{
    all->histories += job->histories;
    all->counts.crashes += job->counts.crashes;
    all->counts.recoveries += job->counts.recoveries;
    all->counts.faults += job->counts.faults;
    all->counts.requests += job->counts.requests;
    all->counts.events += job->counts.events;
    all->counts.retired += job->counts.retired;
    all->counts.holds += job->counts.holds;
    all->counts.copies += job->counts.copies;
}

/* Wait for one of the jobs; true when it ended well. The others of a job that failed are ended too. */
static bool one_job_ends(const struct job *jobs, pid_t *pids, uint64_t count)
{
    int status = 0;
    uint64_t i = 0;
    pid_t pid = wait(&status);
    while (i < count && pids[i] != pid)
        i++;
    if (i == count)
        return true;
    pids[i] = 0;
    if (jobs[i].done && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    printf("the history of seed %llu failed (%s %d)\n", (unsigned long long)jobs[i].seed, WIFSIGNALED(status) ? "signal" : "status",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    for (uint64_t j = 0; j < count; j++)
        if (pids[j] > 0) {
            kill(pids[j], SIGKILL);
            waitpid(pids[j], NULL, 0);
            pids[j] = 0;
        }
    return false;
}

/* Histories side by side, each job in a process of its own. The first one that fails ends the run. */
static int run_jobs(const struct arguments *a)
{
    struct job *jobs = mmap(NULL, JOBS_MAX * sizeof *jobs, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pids[JOBS_MAX];
    struct job all = {0};
    bool well = true;
    if (jobs == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    double begin = now_s();
    printf("histories from seed %llu on, in %llu processes\n", (unsigned long long)a->first, (unsigned long long)a->jobs);
    fflush(stdout);
    for (uint64_t i = 0; well && i < a->jobs; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            work(&jobs[i], a, i);
    }
    for (uint64_t i = 0; well && i < a->jobs; i++)
        well = one_job_ends(jobs, pids, a->jobs);
    for (uint64_t i = 0; i < a->jobs; i++)
        add(&all, &jobs[i]);
    print_counts(&all, now_s() - begin);
    return well ? 0 : 1;
}

/* Histories that once broke a promise. */
static int run_regressions(const char *path)
{
    char line[256];
    unsigned long long seed;
    unsigned count = 0;
    FILE *file = fopen(path, "r");
    struct history_counts counts = {0};
    if (!file) {
        perror(path);
        return 1;
    }
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "%llu", &seed) != 1)
            continue;
        history_run(seed, false, &counts);
        count++;
    }
    fclose(file);
    printf("%u histories that failed once are well\n", count);
    return 0;
}

int main(int argc, char **argv)
{
    struct arguments a = read_arguments(argc, argv);
    struct history_counts counts = {0};
    if (a.regressions)
        return run_regressions(a.regressions);
    if (!a.one)
        return run_jobs(&a);
    history_run(a.seed, a.trace, &counts);
    printf("seed %llu: every promise was kept\n", (unsigned long long)a.seed);
    return 0;
}
