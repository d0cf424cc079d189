/* target.c - what the words of the command line mean: groups, actors, events, paths.
 *
 * A whole id is taken as it is and costs no question. Everything else must mean exactly one thing; what is ambiguous is refused with the candidates.
 * Thread: the program's one. */
#include "clients/cli/cli.h"
#include "proto/event.h"
#include "proto/json.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How far back a prefix of an event id is searched for. */
#define PREFIX_SEARCH_EVENTS 10000

/* ---- groups ---- */

static bool is_group_id(const char *word)
{
    return strlen(word) == 14 && word[0] == 'g' && word[1] == '_' && strspn(word + 2, "0123456789abcdef") == 12;
}

/* The groups a word could mean, so far. */
struct choice {
    struct cli *cli;
    const char *word;
    size_t by_prefix, by_title;
    const char *prefix_id, *title_id;
    char candidates[400];
};

static void consider(struct choice *choice, cccc_str_t id, cccc_str_t title)
{
    const char *word = choice->word;
    size_t len = strlen(word);
    bool prefix = len >= 3 && len < id.len && strncmp(id.ptr, word, len) == 0;
    bool titled = cccc_str_is(title, word);
    if (!prefix && !titled)
        return;
    const char *kept = cccc_arena_str(choice->cli->arena, id).ptr;
    if (prefix && choice->by_prefix++ == 0)
        choice->prefix_id = kept;
    if (titled && choice->by_title++ == 0)
        choice->title_id = kept;
    size_t used = strlen(choice->candidates);
    snprintf(choice->candidates + used, sizeof choice->candidates - used, "%s%.*s (%.*s)", used ? ", " : "", CCCC_STR_FMT(id),
             CCCC_STR_FMT(title));
}

static int choose(struct choice *choice, const char **group)
{
    if (choice->by_title == 1 || (choice->by_title == 0 && choice->by_prefix == 1)) {
        *group = choice->by_title == 1 ? choice->title_id : choice->prefix_id;
        return 0;
    }
    if (choice->by_title + choice->by_prefix == 0)
        return cli_fail(choice->cli, CCCC_E_GROUP_NOT_FOUND, "`cccc groups` lists the groups; a prefix of an id starts with g_",
                        "no group has the id, the beginning of an id or the title \"%s\"", choice->word);
    return cli_fail(choice->cli, CCCC_E_USAGE, "give the whole id", "\"%s\" could mean several groups: %s", choice->word,
                    choice->candidates);
}

static int choose_online(struct cli *cli, const char *word, const char **group)
{
    const cccc_value_t *result;
    struct choice choice = {.cli = cli, .word = word};
    int status = cli_ask(cli, "groups", NULL, &result);
    if (status)
        return status;
    const cccc_value_t *groups = cccc_get(result, "groups");
    for (uint32_t i = 0; i < cli_count(groups); i++)
        consider(&choice, cccc_get_str(cli_item(groups, i), "group_id"), cccc_get_str(cli_item(groups, i), "title"));
    return choose(&choice, group);
}

static int no_group(struct cli *cli)
{
    return cli_fail(cli, CCCC_E_NO_ACTIVE_GROUP, "--group GROUP, or `cccc use GROUP` first; `cccc group create TITLE` makes one",
                    "no group was named and none is active");
}

static int active_online(struct cli *cli, const char **group)
{
    const cccc_value_t *result;
    int status = cli_ask(cli, "active_get", NULL, &result);
    if (status)
        return status;
    cccc_str_t id = cccc_get_str(result, "active_group_id");
    if (id.len == 0)
        return no_group(cli);
    *group = cccc_arena_str(cli->arena, id).ptr;
    return 0;
}

/* In an actor's terminal CCCC_HOLD is "group/actor/generation:home". What is said there is about that home, and nothing to another one, unless somebody has set it anew. NULL: it counts;
 * else the home it is of. */
static const char *other_home_of(struct cli *cli, const char *said)
{
    const char *hold = getenv("CCCC_HOLD"), *own = hold ? strchr(hold, ':') : NULL, *actor = own ? strchr(hold, '/') : NULL;
    size_t len = strlen(said);
    int status;
    if (!actor || actor > own || !cli_home(cli, &status) || strcmp(own + 1, cli->home.root) == 0)
        return NULL;
    bool is_group = (size_t)(actor - hold) == len && strncmp(hold, said, len) == 0;
    bool is_actor = strncmp(actor + 1, said, len) == 0 && actor[1 + len] == '/';
    return is_group || is_actor ? own + 1 : NULL;
}

const char *cli_environment(struct cli *cli, const char *variable)
{
    const char *said = getenv(variable), *other = said && *said ? other_home_of(cli, said) : NULL;
    if (other)
        cli_say(cli, "%s does not count here: it names what is of %s, and this asks %s", variable, other, cli->home.root);
    return said && *said && !other ? said : NULL;
}

/* The word given, else the environment's; NULL when neither says anything. 0 or the exit status of the failure reported. */
static int word_or_environment(struct cli *cli, const char **word, const char *variable)
{
    if (!*word)
        *word = cli_environment(cli, variable);
    if (!*word || cccc_utf8_valid(cccc_str(*word)))
        return 0;
    return cli_fail(cli, CCCC_E_USAGE, "unset it", "%s is not UTF-8", variable);
}

int cli_group_named(struct cli *cli, const char *word, const char **group)
{
    int status = cli_connect(cli, CLI_START_IT);
    if (status)
        return status;
    status = word_or_environment(cli, &word, "CCCC_GROUP_ID");
    if (status)
        return status;
    if (!word)
        return active_online(cli, group);
    if (!is_group_id(word))
        return choose_online(cli, word, group);
    *group = word;
    return 0;
}

int cli_group(struct cli *cli, const char **group)
{
    return cli_group_named(cli, cli_option(cli, "group"), group);
}

int cli_ask_group(struct cli *cli, const char *op, const char **group, const cccc_value_t **result)
{
    int status = cli_group(cli, group);
    if (status)
        return status;
    cccc_args_t *args = cli_group_args(*group);
    return cli_ask(cli, op, &args, result);
}

static int active_offline(struct cli *cli, const char **group)
{
    struct cccc_errmsg m;
    cccc_value_t active = cccc_json_file(&cccc_vfs_posix, cli_printf(cli, "%s/active.json", cli->home.root), cli->arena, &m);
    cccc_str_t id = cccc_get_str(&active, "active_group_id");
    if (id.len == 0)
        return no_group(cli);
    *group = cccc_arena_str(cli->arena, id).ptr;
    return 0;
}

int cli_group_offline(struct cli *cli, const char *word, const char **group)
{
    struct choice choice = {.cli = cli};
    int status = word_or_environment(cli, &word, "CCCC_GROUP_ID");
    if (status || !cli_home(cli, &status))
        return status;
    choice.word = word;
    if (!choice.word)
        return active_offline(cli, group);
    cccc_value_t ids;
    struct cccc_errmsg m = {""};
    if (cccc_groups_scan(&cccc_vfs_posix, &cli->home, cli->arena, &ids, &m))
        return cli_fail(cli, CCCC_E_STORAGE, "cccc doctor checks the home", "%s", m.text);
    for (uint32_t i = 0; i < cli_count(&ids); i++) {
        struct cccc_group_files files;
        cccc_str_t id = {0};
        cccc_as_str(cli_item(&ids, i), &id);
        if (cccc_str_is(id, choice.word)) {
            *group = choice.word;
            return 0;
        }
        cccc_group_files_read(&cccc_vfs_posix, &cli->home, id, cli->arena, &files);
        consider(&choice, id, cccc_get_str(&files.document, "title"));
    }
    return choose(&choice, group);
}

/* ---- actors ---- */

int cli_actor(struct cli *cli, const char *given, const char **actor)
{
    int status = word_or_environment(cli, &given, "CCCC_ACTOR_ID");
    *actor = given;
    if (status || given)
        return status;
    return cli_fail(cli, CCCC_E_MISSING_ACTOR_ID, "--actor-id ID; `cccc actor list` lists them, and user has an inbox too",
                    "no actor was named and CCCC_ACTOR_ID is not set");
}

const char *cli_scopes_said(struct cli *cli, const cccc_value_t *scopes)
{
    const char *said = "it has no scope yet";
    for (uint32_t i = 0; i < cli_count(scopes); i++) {
        cccc_str_t url = cccc_get_str(cli_item(scopes, i), "url");
        said = cli_printf(cli, "%s%.*s", i == 0 ? "its scopes: " : cli_printf(cli, "%s, ", said), CCCC_STR_FMT(url));
    }
    return said;
}

int cli_actor_ids(struct cli *cli, const char *group, const char *const **ids, size_t *count)
{
    const cccc_value_t *result;
    cccc_args_t *args = cli_group_args(group);
    int status = cli_ask(cli, "actor_list", &args, &result);
    if (status)
        return status;
    const cccc_value_t *actors = cccc_get(result, "actors");
    const char **list = cccc_arena_alloc(cli->arena, (cli_count(actors) + 1) * sizeof *list);
    *count = 0;
    for (uint32_t i = 0; i < cli_count(actors); i++)
        list[(*count)++] = cccc_arena_str(cli->arena, cccc_get_str(cli_item(actors, i), "id")).ptr;
    list[*count] = NULL;
    *ids = list;
    return 0;
}

int cli_fail_no_actor(struct cli *cli, const char *group, const char *actor, const char *const *ids, size_t count)
{
    const char *otherwise = count > 0 ? "`cccc actor list` lists them" : "it has none yet: cccc actor add NAME";
    return cli_fail(cli, CCCC_E_ACTOR_NOT_FOUND, cli_did_you_mean(cli, actor, ids, count, otherwise), "group %s has no actor \"%s\"", group,
                    actor);
}

/* ---- events ---- */

bool cli_seq(const char *word, uint64_t *seq)
{
    const char *digits = *word == '#' ? word + 1 : word;
    size_t count = strspn(digits, "0123456789");
    if (count == 0 || count > 18 || digits[count])
        return false;
    *seq = strtoull(digits, NULL, 10);
    return true;
}

static int ask_page(struct cli *cli, const char *group, const char *key, uint64_t seq, uint64_t limit, cccc_reply_t **reply)
{
    cccc_args_t *args = cli_group_args(group);
    cccc_args_uint(args, key, seq);
    cccc_args_uint(args, "limit", limit);
    return cli_ask_once(cli, "ledger_read", &args, reply);
}

/* What the ledger says became of event `seq`: a gap's reason, or "" when there never was one. */
static cccc_str_t why_gone(const cccc_value_t *result, uint64_t seq)
{
    const cccc_value_t *gaps = cccc_get(result, "gaps");
    for (uint32_t i = 0; i < cli_count(gaps); i++) {
        const cccc_value_t *gap = cli_item(gaps, i);
        uint64_t to = cccc_get_uint(gap, "to_seq", 0);
        if (cccc_get_uint(gap, "from_seq", 0) <= seq && (seq <= to || to == 0))
            return cccc_get_str(gap, "reason");
    }
    return CCCC_STR("");
}

static int no_event(struct cli *cli, const char *group, uint64_t seq, cccc_str_t gone)
{
    if (gone.len == 0)
        return cli_fail(cli, CCCC_E_EVENT_NOT_FOUND, "`cccc tail` shows the events with their numbers", "%s has no event %" PRIu64, group,
                        seq);
    return cli_fail(cli, CCCC_E_EVENT_NOT_FOUND,
                    cccc_str_is(gone, "retired")
                        ? "the group's retention settings (`cccc group settings`) remove what is old and done with"
                        : cli_printf(cli, "`cccc ledger verify --group %s` says more; a backup may have it", group),
                    "event %" PRIu64 " of %s is %.*s", seq, group, CCCC_STR_FMT(gone));
}

static int event_by_seq(struct cli *cli, const char *group, uint64_t seq, const char **event_id)
{
    cccc_reply_t *reply = NULL;
    int status = seq == 0 ? 0 : ask_page(cli, group, "after_seq", seq - 1, 1, &reply);
    if (status)
        return status;
    const cccc_value_t *result = reply ? cccc_reply_result(reply) : NULL, *events = cccc_get(result, "events");
    const cccc_value_t *event = cli_count(events) > 0 ? events->via.array.ptr : NULL;
    if (event && cccc_get_uint(event, "seq", 0) == seq)
        *event_id = cccc_arena_str(cli->arena, cccc_get_str(event, "id")).ptr;
    else
        status = no_event(cli, group, seq, why_gone(result, seq));
    cccc_reply_free(&reply);
    return status;
}

/* A search through the newest events, page by page, so that a second match is noticed. */
struct prefix_search {
    struct cli *cli;
    const char *prefix;
    const char *event_id;
    uint64_t before, matches, seen;
    bool more;
};

static void search_page(struct prefix_search *self, const cccc_value_t *result)
{
    const cccc_value_t *events = cccc_get(result, "events");
    size_t len = strlen(self->prefix);
    uint32_t count = cli_count(events);
    for (uint32_t i = 0; i < count; i++) {
        cccc_str_t id = cccc_get_str(cli_item(events, i), "id");
        if (id.len < len || strncmp(id.ptr, self->prefix, len) != 0)
            continue;
        self->event_id = cccc_arena_str(self->cli->arena, id).ptr;
        self->matches++;
    }
    self->before = count ? cccc_get_uint(events->via.array.ptr, "seq", 0) : 0;
    self->seen += count;
    self->more = count > 0 && self->before > 1 && cccc_get_bool(result, "more", false);
}

static int event_by_prefix(struct cli *cli, const char *group, const char *word, const char **event_id)
{
    struct prefix_search search = {.cli = cli, .prefix = word, .more = true};
    while (search.more && search.seen < PREFIX_SEARCH_EVENTS) {
        cccc_reply_t *reply;
        int status = ask_page(cli, group, "before_seq", search.before, 1000, &reply);
        if (status)
            return status;
        search_page(&search, cccc_reply_result(reply));
        cccc_reply_free(&reply);
    }
    *event_id = search.event_id;
    if (search.matches == 1)
        return 0;
    if (search.matches > 1)
        return cli_fail(cli, CCCC_E_USAGE, "give more of the id, or its number", "%" PRIu64 " event ids begin with \"%s\"", search.matches,
                        word);
    return cli_fail(cli, CCCC_E_EVENT_NOT_FOUND, "`cccc tail` shows the events with their numbers",
                    "no event id among the newest %d events of %s begins with \"%s\"", PREFIX_SEARCH_EVENTS, group, word);
}

int cli_event(struct cli *cli, const char *group, const char *word, const char **event_id)
{
    uint64_t seq;
    size_t len = strlen(word);
    if (cli_seq(word, &seq))
        return event_by_seq(cli, group, seq, event_id);
    if (len >= 6 && len < 32 && strspn(word, "0123456789abcdef") == len)
        return event_by_prefix(cli, group, word, event_id);
    *event_id = word;
    return 0;
}

/* ---- paths ---- */

int cli_path(struct cli *cli, const char *path, const char **out)
{
    char resolved[PATH_MAX], here[PATH_MAX];
    if (realpath(path, resolved))
        *out = cli_printf(cli, "%s", resolved);
    else if (*path == '/' || !getcwd(here, sizeof here))
        *out = path;
    else
        *out = cli_printf(cli, "%s/%s", strcmp(here, "/") == 0 ? "" : here, path);
    if (cccc_utf8_valid(cccc_str(*out)))
        return 0;
    return cli_fail(cli, CCCC_E_INVALID_PATH, "rename it, or use another", "the path of %s is not UTF-8", path);
}
