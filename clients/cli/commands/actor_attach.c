/* actor_attach.c - `cccc actor attach`: a person's terminal joined to an actor's.
 *
 * The holder's socket speaks frames (broker/hold/HOLD.md, "Terminal socket"); bytes go both ways as they are, so the agent's program draws on this terminal.
 * Invariants: (1) from the first byte shown on, every way out of here puts the terminal back as it was. (2) what is typed behind the detach key goes nowhere.
 * Thread: the program's one. Signals come through a descriptor while it is joined. */
#include "clients/cli/cli.h"
#include "proto/limits.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

enum { HEAD_BYTES = 5, KEYS_BYTES = 4096 };

enum ending { JOINED, DETACHED, EXITED, LOST, SIGNALLED };

struct attach {
    struct cli *cli;
    const char *actor;
    int socket, signals;
    bool read_only;
    bool watches; /* somebody else types */
    unsigned char detach_key;
    bool greeted; /* the holder has said something: the ticket was good */
    cccc_buf_t in;
    enum ending ending;
    int signal;      /* of SIGNALLED */
    char words[128]; /* of LOST: why */
};

/* ---- this terminal ---- */

static struct termios terminal_before;

/* What programs switch on and a shell does not expect: keyboard protocols, mouse, focus and paste reports, the alternate screen, a hidden cursor, colours. */
static const char terminal_plain[] =
    "\x1b[<99u\x1b[>4;0m\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l\x1b[?1006l\x1b[?2004l\x1b[?1l\x1b>\x1b[?47l\x1b[r"
    "\x1b[999;1H\x1b[?25h\x1b[0m\r\n";

/* Only what a signal handler may do. */
static void terminal_restore(void)
{
    ssize_t n = write(STDOUT_FILENO, terminal_plain, sizeof terminal_plain - 1);
    (void)n; /* a terminal that has gone needs nothing */
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal_before);
}

static void restore_and_die(int signal_number)
{
    terminal_restore();
    raise(signal_number); /* SA_RESETHAND: the default now */
}

static void terminal_raw(void)
{
    struct termios raw = terminal_before;
    cfmakeraw(&raw);
    tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
}

/* Signals of the loop come through a descriptor; the ones that end a program at once restore the terminal on their way. */
static int take_signals(void)
{
    static const int deadly[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE};
    struct sigaction action = {.sa_handler = restore_and_die, .sa_flags = (int)SA_RESETHAND};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++)
        sigaction(deadly[i], &action, NULL);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGQUIT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGTSTP);
    sigaddset(&set, SIGCONT);
    sigaddset(&set, SIGWINCH);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

/* ---- frames ---- */

static void lose(struct attach *self, const char *why)
{
    self->ending = LOST;
    snprintf(self->words, sizeof self->words, "%s", why);
}

/* The holder reads always, so this waits for nobody who waits for us. */
static void send_bytes(struct attach *self, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0 && self->ending == JOINED) {
        ssize_t n = send(self->socket, at, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            lose(self, strerror(errno));
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
}

static void send_frame(struct attach *self, char type, const void *payload, size_t len)
{
    const unsigned char head[HEAD_BYTES] = {(unsigned char)type, 0, 0, (unsigned char)(len >> 8), (unsigned char)len};
    send_bytes(self, head, sizeof head);
    send_bytes(self, payload, len);
}

static void send_size(struct attach *self)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0)
        return;
    const unsigned char payload[] = {(unsigned char)(size.ws_col >> 8), (unsigned char)size.ws_col, (unsigned char)(size.ws_row >> 8),
                                     (unsigned char)size.ws_row};
    send_frame(self, 'r', payload, sizeof payload);
}

/* Only the writer's size counts, so it is told whenever we become that. Who watched is told that its keys count from now on. */
static void take_role(struct attach *self, bool writer)
{
    static const char watching[] = "\r\n[cccc: somebody else types here; you watch]\r\n",
                      typing[] = "\r\n[cccc: nobody else types here now; you do]\r\n";
    if (writer && self->watches)
        write_all(STDOUT_FILENO, typing, sizeof typing - 1);
    else if (!writer && !self->read_only)
        write_all(STDOUT_FILENO, watching, sizeof watching - 1);
    self->watches = !writer;
    if (writer)
        send_size(self);
}

static void take_frame(struct attach *self, char type, const char *payload, size_t len)
{
    self->greeted = true;
    if (type == 'd' && !write_all(STDOUT_FILENO, payload, len))
        lose(self, "this terminal takes no output any more");
    else if (type == 'w' && len == 1)
        take_role(self, payload[0] != 0);
    else if (type == 'x')
        self->ending = EXITED;
}

static void take_output(struct attach *self)
{
    enum { READ_BYTES = 64 * 1024 };
    ssize_t n = recv(self->socket, cccc_buf_reserve(&self->in, READ_BYTES), READ_BYTES, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        lose(self, self->greeted ? "its terminal was closed"
                                 : "its terminal refused us: too many are attached to it, or its ticket came too late");
        return;
    }
    self->in.size += (size_t)n;
    size_t at = 0;
    while (self->in.size - at >= HEAD_BYTES && self->ending == JOINED) {
        const unsigned char *head = (const unsigned char *)self->in.data + at;
        size_t len = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
        if (len > CCCC_TERMINAL_FRAME_BYTES_MAX) {
            lose(self, "its terminal sent what is no frame");
            return;
        }
        if (self->in.size - at < HEAD_BYTES + len)
            break;
        take_frame(self, (char)head[0], self->in.data + at + HEAD_BYTES, len);
        at += HEAD_BYTES + len;
    }
    memmove(self->in.data, self->in.data + at, self->in.size - at);
    self->in.size -= at;
}

/* ---- keys ---- */

/* Where the detach key begins, or `len`. A terminal that was told to report keys by their code (kitty's protocol, xterm's modifyOtherKeys) sends that instead of
 * the control character. */
static size_t find_detach(const struct attach *self, const char *keys, size_t len)
{
    char coded[2][24];
    const char *best = memchr(keys, self->detach_key, len);
    int code = tolower(self->detach_key + 64);
    snprintf(coded[0], sizeof coded[0], "\x1b[%d;5", code);
    snprintf(coded[1], sizeof coded[1], "\x1b[27;5;%d~", code);
    for (size_t i = 0; i < 2; i++) {
        const char *there = memmem(keys, len, coded[i], strlen(coded[i]));
        bool whole = there && (i == 1 || (there + strlen(coded[i]) < keys + len && strchr("u:", there[strlen(coded[i])])));
        if (whole && (!best || there < best))
            best = there;
    }
    return best ? (size_t)(best - keys) : len;
}

static void take_keys(struct attach *self)
{
    char keys[KEYS_BYTES];
    ssize_t n = read(STDIN_FILENO, keys, sizeof keys);
    if (n < 0 && errno == EINTR)
        return;
    if (n <= 0) {
        self->ending = SIGNALLED;
        self->signal = SIGHUP;
        return;
    }
    size_t len = find_detach(self, keys, (size_t)n);
    if (len > 0 && !self->read_only)
        send_frame(self, 'd', keys, len);
    if (len < (size_t)n && self->ending == JOINED)
        self->ending = DETACHED;
}

static void take_signal(struct attach *self)
{
    struct signalfd_siginfo info;
    if (read(self->signals, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    if (info.ssi_signo == SIGCONT)
        terminal_raw(); /* the shell that let us go on has set the terminal its way */
    if (info.ssi_signo == SIGWINCH || info.ssi_signo == SIGCONT)
        send_size(self);
    else if (info.ssi_signo != SIGTSTP) {
        self->ending = SIGNALLED;
        self->signal = (int)info.ssi_signo;
    }
}

static void join(struct attach *self)
{
    struct pollfd fds[] = {
        {.fd = self->socket, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}, {.fd = self->signals, .events = POLLIN}};
    while (self->ending == JOINED) {
        if (poll(fds, 3, -1) < 0)
            continue;
        if (fds[2].revents)
            take_signal(self);
        if (fds[1].revents && self->ending == JOINED)
            take_keys(self);
        if (fds[0].revents && self->ending == JOINED)
            take_output(self);
    }
}

/* ---- the command ---- */

/* "^X" as its control character; 0: none. ^@ and escape would be sent by too many other keys. */
static unsigned char control_key(const char *text)
{
    int c = text[0] == '^' && text[1] != '\0' && text[2] == '\0' ? toupper((unsigned char)text[1]) : 0;
    return c > '@' && c <= '_' && c != '[' ? (unsigned char)(c - '@') : 0;
}

/* Connect to the actor's terminal with a fresh ticket. 0, or the exit status of the failure reported. */
static int open_terminal(struct attach *self)
{
    struct cli *cli = self->cli;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const cccc_value_t *way;
    const char *group;
    int status = cli_group(cli, &group);
    if (status)
        return status;
    cccc_args_t *args = cli_group_args(group);
    cccc_args_str(args, "actor_id", self->actor);
    cccc_args_bool(args, "read_only", self->read_only);
    status = cli_ask(cli, "term_attach", &args, &way);
    if (status)
        return status;
    cccc_str_t path = cccc_get_str(way, "socket"), ticket = cccc_get_str(way, "ticket");
    int fits = snprintf(address.sun_path, sizeof address.sun_path, "%.*s", CCCC_STR_FMT(path));
    self->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (self->socket < 0 || fits >= (int)sizeof address.sun_path || connect(self->socket, (struct sockaddr *)&address, sizeof address) != 0)
        return cli_fail(cli, CCCC_E_UNREACHABLE, cli_printf(cli, "cccc actor show %s", self->actor),
                        "cannot reach the terminal of %s at %.*s: %s", self->actor, CCCC_STR_FMT(path), strerror(errno));
    const char *greeting = cli_printf(cli, "ticket %.*s\n", CCCC_STR_FMT(ticket));
    send_bytes(self, greeting, strlen(greeting));
    return 0;
}

/* Once it is raw, so that nothing typed behind it is taken in the old way. */
static void greet_person(const struct attach *self)
{
    const char *words = cli_printf(self->cli, "cccc: attached to %s%s; ctrl-%c leaves it, and it goes on running\r\n", self->actor,
                                   self->read_only ? ", read-only" : "", tolower(self->detach_key + '@'));
    write_all(STDOUT_FILENO, words, strlen(words));
}

/* Say how it ended. The exit status. */
static int part(struct attach *self)
{
    struct cli *cli = self->cli;
    switch (self->ending) {
    case DETACHED:
        cli_say(cli, "cccc: detached from %s; it goes on running", self->actor);
        return 0;
    case EXITED:
        cli_fact(cli, "actor", "%s exited", self->actor);
        cli_say(cli, "next: cccc actor show %s", self->actor);
        return 0;
    case SIGNALLED:
        cli_say(cli, "cccc: detached from %s; it goes on running", self->actor);
        return 128 + self->signal;
    default:
        return cli_fail(cli, CCCC_E_UNREACHABLE, cli_printf(cli, "cccc actor show %s", self->actor), "the connection to %s ended: %s",
                        self->actor, self->words);
    }
}

int cmd_actor_attach(struct cli *cli)
{
    const char *key = cli_option(cli, "detach-key");
    struct attach self = {.cli = cli,
                          .actor = cli_arg(cli, 0),
                          .socket = -1,
                          .signals = -1,
                          .read_only = cli_flag(cli, "read-only"),
                          .detach_key = control_key(key ? key : "^]")};
    if (!self.detach_key)
        return cli_fail(cli, CCCC_E_USAGE, "for example --detach-key ^A or '^\\'", "\"%s\" is no control key", key);
    if (cli->json)
        return cli_fail(cli, CCCC_E_USAGE, "cccc actor tail has --json", "a terminal is no JSON");
    if (!cli->tty || tcgetattr(STDIN_FILENO, &terminal_before) != 0)
        return cli_fail(cli, CCCC_E_USAGE, cli_printf(cli, "cccc actor tail %s  # its screen as text", self.actor),
                        "attach needs a terminal, and standard input or output is none");
    int status = open_terminal(&self);
    if (status == 0) {
        cccc_buf_init(&self.in);
        self.signals = take_signals();
        terminal_raw();
        greet_person(&self);
        join(&self);
        terminal_restore();
        cccc_buf_fini(&self.in);
        status = part(&self);
    }
    if (self.signals >= 0)
        close(self.signals);
    if (self.socket >= 0)
        close(self.socket);
    return status;
}
