/* help.c - `cccc help`, `cccc completion`, `cccc version`: what the program says about itself.
 *
 * Thread: the program's one. */
#include "clients/cli/cli.h"

#include <stdio.h>
#include <string.h>

int cmd_help(struct cli *cli)
{
    const char *noun = cli_arg(cli, 0), *verb = cli_arg(cli, 1);
    const struct cli_command *command = noun ? cli_command_find(NULL, noun) : NULL;
    if (command && verb)
        command = cli_command_find(noun, verb);
    if (noun && !command && !verb && cli_topic_print(noun))
        return 0;
    if (noun && (!command || cli_arg(cli, 2)))
        return cli_fail(cli, CCCC_E_USAGE, "`cccc help` lists the commands", "there is no command \"%s%s%s\"", noun, verb ? " " : "",
                        verb ? verb : "");
    if (cli_flag(cli, "man"))
        cli_man_print(noun, stdout);
    else if (command)
        cli_help_print(cli, command);
    else
        cli_help_overview(cli);
    return 0;
}

int cmd_completion(struct cli *cli)
{
    return cli_complete_print(cli_arg(cli, 0), stdout) ? 0 : 1;
}

int cmd_version(struct cli *cli)
{
    int status = 0;
    int32_t pid;
    cccc_str_t version;
    if (!cli->json) {
        printf("cccc " CCCC_VERSION "\n");
        return 0;
    }
    cccc_builder_t result = cccc_map_builder(cli->arena, 2);
    cccc_map_add(&result, "version", cccc_text(CCCC_VERSION));
    if (!cli_home(cli, &status))
        return status;
    bool running = cli_daemon(cli, &pid, &version);
    cccc_map_add(&result, "daemon_version", running ? cccc_string(version) : cccc_nil());
    return cli_result(cli, &result.value);
}
