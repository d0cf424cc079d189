/* main.c - ccccd: the daemon's command line, and what must be so before anything else runs.
 *
 * Order matters: fork before any thread; all signals blocked before CZMQ and libzmq start, so that every thread inherits that and signals come
 * in through the loop's signalfd alone. */
#include "broker/bus/bus.h"
#include "broker/bus/daemonize.h"
#include "broker/bus/log.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char help[] =
    "ccccd - the cccc message broker: one daemon per home\n"
    "\n"
    "usage: ccccd [--home DIR] [--tcp PORT] [--serve-only] [--daemon]\n"
    "\n"
    "  --home DIR   serve this home (default: $CCCC_HOME, else ~/.cccc)\n"
    "  --tcp PORT   clients of CCCC 0.4.0 may also come over TCP, from this machine alone (0: any free port). CCCC_DAEMON_TRANSPORT=tcp "
    "and\n"
    "               CCCC_DAEMON_PORT mean the same\n"
    "  --serve-only only show what is there: groups take no events, no actor is started, nothing is delivered, no automation runs. For a "
    "copy\n"
    "               of a home that is to be looked at\n"
    "  --daemon     go to the background; returns once the daemon serves\n"
    "  --version    print the version\n"
    "  --help       print this\n"
    "\n"
    "Without --daemon it stays in the foreground. SIGTERM or ^C stops it in order, a second one at once; SIGHUP opens the log again.\n"
    "Usually `cccc daemon start` starts it and `cccc daemon stop` stops it.\n"
    "\n"
    "Exit status: 0 stopped in order; 1 failed, or the home is served already; 2 usage.\n";

struct options {
    const char *home;
    bool background, serve_only;
    int tcp_port; /* -1: no TCP */
};

/* 0 to 65535; anything else ends the program. */
static int read_port(const char *text)
{
    char *end;
    unsigned long port = strtoul(text, &end, 10);
    if (*text >= '0' && *text <= '9' && *end == '\0' && port <= UINT16_MAX)
        return (int)port;
    fprintf(stderr, "ccccd: %s is no port; give 0 to 65535\n", text);
    exit(2);
}

/* As CCCC 0.4.0 is told to use TCP (reference 3.1). */
static int port_of_environment(void)
{
    const char *transport = getenv("CCCC_DAEMON_TRANSPORT"), *port = getenv("CCCC_DAEMON_PORT");
    if (!transport || strcmp(transport, "tcp") != 0)
        return -1;
    return port && port[0] != '\0' ? read_port(port) : 0;
}

static void read_options(int argc, char **argv, struct options *out)
{
    static const struct option known[] = {
        {"home", required_argument, NULL, 'H'},
        {"daemon", no_argument, NULL, 'd'},
        {"tcp", required_argument, NULL, 't'},
        {"serve-only", no_argument, NULL, 's'},
        {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    for (int c; (c = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
        switch (c) {
        case 'H':
            out->home = optarg;
            break;
        case 'd':
            out->background = true;
            break;
        case 's':
            out->serve_only = true;
            break;
        case 't':
            out->tcp_port = read_port(optarg);
            break;
        case 'v':
            puts("ccccd " CCCC_VERSION);
            exit(0);
        case 'h':
            fputs(help, stdout);
            exit(0);
        default:
            fputs("try: ccccd --help\n", stderr);
            exit(2);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "ccccd: %s: arguments are not taken; try: ccccd --help\n", argv[optind]);
        exit(2);
    }
}

/* What a starter's environment says about itself is not about us: only the home is passed on. */
static void drop_environment(void)
{
    extern char **environ;
    for (char **e = environ; *e;) {
        char name[256];
        size_t len = strcspn(*e, "=");
        bool ours = strncmp(*e, "CCCC_", 5) == 0 && len < sizeof name && !(len == 9 && strncmp(*e, "CCCC_HOME", 9) == 0);
        if (!ours) {
            e++;
            continue;
        }
        memcpy(name, *e, len);
        name[len] = '\0';
        unsetenv(name); /* moves the following ones down */
    }
}

static void block_signals(void)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
}

static int fail_start(int ready_fd, const struct cccc_errmsg *m)
{
    if (ready_fd >= 0)
        cccc_daemonize_failed(ready_fd, m->text);
    else
        fprintf(stderr, "ccccd: %s\n", m->text);
    /* Threads and sockets that were made already end with the process; nothing was promised to anybody yet. */
    fflush(NULL);
    _exit(1);
}

int main(int argc, char **argv)
{
    static struct cccc_bus bus;
    struct options options = {.tcp_port = port_of_environment()};
    struct cccc_errmsg m = {""};
    read_options(argc, argv, &options);
    umask(077);
    drop_environment();
    int ready_fd = options.background ? cccc_daemonize() : -1;
    block_signals();
    if (cccc_bus_start(&bus, options.home, options.tcp_port, options.serve_only, &m) != CCCC_OK)
        return fail_start(ready_fd, &m);
    if (ready_fd < 0)
        cccc_log_to_stderr(isatty(STDERR_FILENO));
    cccc_log(LOG_INFO, "STARTED", "serving home=%s pid=%d epoch=%" PRIu64 " version=%s", bus.home.root, (int)getpid(), bus.epoch,
             CCCC_VERSION);
    if (ready_fd >= 0) {
        char log[sizeof bus.home.root + 32];
        snprintf(log, sizeof log, "%s/daemon/ccccd.log", bus.home.root);
        cccc_daemonize_ready(ready_fd, log);
    } else {
        printf("ccccd %s serves %s (pid %d)\n", CCCC_VERSION, bus.home.root, (int)getpid());
        fflush(stdout);
    }
    cccc_bus_serve(&bus);
    cccc_bus_end(&bus);
    return 0;
}
