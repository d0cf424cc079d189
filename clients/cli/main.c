/* main.c - one run of `cccc`: understand the command line, carry out the command, leave with its status.
 *
 * Signals keep their default action: an interrupt ends the program at once (a shell sees 130), a closed pipe ends it silently. Commands that have
 * to clean up (demo, smoke, bench) take their own measures.
 * Thread: one. */
#include "clients/cli/cli.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A parent may have ignored it; then every line written to a closed pipe would be an error. */
static void default_signals(void)
{
    signal(SIGPIPE, SIG_DFL);
}

static bool mentions_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0)
            return true;
    return false;
}

static int run(struct cli *cli)
{
    if (cli->line.help && cli->line.command)
        cli_help_print(cli, cli->line.command);
    else if (cli->line.help)
        cli_help_overview(cli);
    else if (cli->line.version)
        return cmd_version(cli);
    else if (cli->line.command)
        return cli->line.command->run(cli);
    else
        return cmd_home(cli);
    return 0;
}

int main(int argc, char **argv)
{
    struct cli cli = {.program = argv[0]};
    struct timespec now;
    char problem[512], hint[512];
    default_signals();
    clock_gettime(CLOCK_REALTIME, &now);
    cli.now_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    cli.arena = cccc_arena_new(16 * 1024);
    bool understood = cli_parse(argc, argv, &cli.line, problem, sizeof problem, hint, sizeof hint);
    cli_out_init(&cli);
    int status;
    if (understood) {
        status = run(&cli);
    } else {
        cli.json = mentions_json(argc, argv);
        status = cli_fail(&cli, CCCC_E_USAGE, hint, "%s", problem);
    }
    status = cli_finish(&cli, status);
    cccc_close(&cli.client);
    cli_line_fini(&cli.line);
    cccc_arena_destroy(&cli.arena);
    return status;
}
