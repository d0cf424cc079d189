/* evidence.c - `cccc evidence`: what somebody else needs to see of a group that is not well, in one file, with secrets left out.
 *
 * Each file of the bundle is a row of a table; everything goes through one redactor (redact.h), and what was left out is listed in the manifest. Asks a
 * daemon that answers, reads files where that is enough, starts nothing. Not read at all: the values of private environments (but to know what to
 * cut), terminals, the files of the group.
 * Thread: the program's one. */
#include "broker/core/groups/schema.h"
#include "broker/store/store.h"
#include "clients/cli/backup/backup.h"
#include "clients/cli/diagnosis/bundle.h"
#include "clients/cli/diagnosis/redact.h"
#include "clients/cli/diagnosis/triage.h"
#include "clients/cli/offline.h"
#include "proto/event.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#define FORMAT 1

struct evidence {
    struct cli *cli;
    const char *group, *actor; /* actor NULL: all */
    const char *event_id;      /* NULL: none was named */
    struct triage triage;
    struct redactor *redactor;
    struct bundle bundle;
    cccc_builder_t events;   /* of the group, oldest first, not redacted */
    cccc_builder_t left_out; /* [{what, count, why}] */
    cccc_builder_t missing;  /* what could not be had, in words */
    uint64_t foreign;        /* members of group.yaml that are other programs' */
};

/* ---- what goes in, and what does not ---- */

static void leave_out(struct evidence *self, uint64_t count, const char *what, const char *why)
{
    cccc_builder_t map = cccc_map_builder(self->cli->arena, 3);
    if (count == 0)
        return;
    cccc_map_add(&map, "what", cccc_text(what));
    cccc_map_add(&map, "count", cccc_uint(count));
    cccc_map_add(&map, "why", cccc_text(why));
    cccc_array_add(&self->left_out, map.value);
}

static void put_value(struct evidence *self, const char *name, const cccc_value_t *value)
{
    cccc_value_t safe = redact_value(self->redactor, self->cli->arena, value);
    cccc_buf_t text;
    cccc_buf_init(&text);
    cccc_json_write_pretty(&safe, &text);
    bundle_add(&self->bundle, name, (cccc_str_t){text.data, text.size});
    cccc_buf_fini(&text);
}

static void miss(struct evidence *self, const char *name, const char *why)
{
    cccc_array_add(&self->missing, cccc_text(cli_printf(self->cli, "%s: %s", name, why)));
}

/* A group's document without what other programs keep in it: nobody here knows what of that is secret. */
static cccc_value_t own_document(struct evidence *self, const cccc_value_t *document)
{
    const cccc_value_t none = cccc_map_builder(self->cli->arena, 0).value;
    if (!cccc_is_map(document))
        return cccc_nil();
    cccc_value_t own = cccc_schema_carry(self->cli->arena, document, &none);
    self->foreign += document->via.map.size - own.via.map.size;
    return own;
}

/* An edit of group.yaml has all of it. */
static cccc_value_t own_event(struct evidence *self, const cccc_value_t *event)
{
    const cccc_value_t *data = cccc_get(event, "data"), *document = cccc_get(data, "document");
    if (!cccc_is_map(document))
        return *event;
    cccc_value_t own = own_document(self, document);
    own = cccc_map_with(self->cli->arena, data, CCCC_STR("document"), own);
    return cccc_map_with(self->cli->arena, event, CCCC_STR("data"), own);
}

/* The answer of an operation, as a file of its own. */
static void put_answer(struct evidence *self, const char *name, const char *op, cccc_args_t *args)
{
    struct cccc_error error;
    const cccc_value_t *result;
    if (!self->triage.alive) {
        cccc_args_free(&args);
        miss(self, name, "no daemon answers");
    } else if (cli_try(self->cli, op, &args, &result, &error)) {
        put_value(self, name, result);
    } else {
        miss(self, name, cli_printf(self->cli, "%s: %s", error.code, error.message));
    }
}

/* ---- what is secret ---- */

struct names {
    struct evidence *evidence;
    const char *dir;
    uint64_t count;
};

static void learn_values(struct evidence *self, const cccc_value_t *map, bool all)
{
    for (uint32_t i = 0; cccc_is_map(map) && i < map->via.map.size; i++) {
        cccc_str_t name = {0}, value = {0};
        cccc_as_str(&map->via.map.ptr[i].key, &name);
        if (cccc_as_str(&map->via.map.ptr[i].val, &value) && (all || redact_is_secret_name(name)))
            redact_learn(self->redactor, value);
    }
}

static void learn_file(void *arg, const char *name)
{
    struct names *in = arg;
    struct cccc_errmsg m;
    struct cli *cli = in->evidence->cli;
    cccc_value_t map = cccc_json_file(&cccc_vfs_posix, cli_printf(cli, "%s/%s", in->dir, name), cli->arena, &m);
    learn_values(in->evidence, &map, true);
    in->count++;
}

static void learn_folder(void *arg, const char *name)
{
    struct names *in = arg, inside = {in->evidence, cli_printf(in->evidence->cli, "%s/%s", in->dir, name), 0};
    cccc_vfs_posix.list(NULL, inside.dir, learn_file, &inside);
    in->count += inside.count;
}

/* What our own environment calls a secret. */
static void learn_environment(struct evidence *self)
{
    extern char **environ;
    for (char **one = environ; *one; one++) {
        const char *value = strchr(*one, '=');
        if (value && redact_is_secret_name((cccc_str_t){*one, (size_t)(value - *one)}))
            redact_learn(self->redactor, cccc_str(value + 1));
    }
}

static void learn_secrets(struct evidence *self)
{
    struct cli *cli = self->cli;
    struct names folders = {self, cli_printf(cli, "%s/state/secrets/actors", cli->home.root), 0};
    struct cccc_group_files files = {.document = cccc_nil()};
    cccc_vfs_posix.list(NULL, folders.dir, learn_folder, &folders);
    leave_out(self, folders.count, "private environments of actors", "they are secret");
    learn_environment(self);
    if (self->group)
        cccc_group_files_read(&cccc_vfs_posix, &cli->home, cccc_str(self->group), cli->arena, &files);
    const cccc_value_t *actors = cccc_get(&files.document, "actors");
    for (uint32_t i = 0; i < cli_count(actors); i++)
        learn_values(self, cccc_get(cli_item(actors, i), "env"), false);
}

/* ---- the files ---- */

/* PRETTY_NAME of os-release(5), or "". */
static const char *system_name(struct cli *cli)
{
    char *text;
    size_t len;
    if (cccc_vfs_slurp(&cccc_vfs_posix, "/usr/lib/os-release", 65536, &text, &len) < 0)
        return "";
    const char *kept = cccc_arena_str(cli->arena, (cccc_str_t){text, len}).ptr, *name = strstr(kept, "PRETTY_NAME=\"");
    free(text);
    return name ? cli_printf(cli, "%.*s", (int)strcspn(name + 13, "\""), name + 13) : "";
}

static void put_versions(struct evidence *self, const char *name)
{
    struct cli *cli = self->cli;
    struct utsname system;
    int32_t pid;
    cccc_str_t version = {0};
    cccc_builder_t map = cccc_map_builder(cli->arena, 6);
    uname(&system);
    cli_daemon(cli, &pid, &version);
    cccc_map_add(&map, "version", cccc_text(CCCC_VERSION));
    cccc_map_add(&map, "daemon", version.len > 0 ? cccc_string(version) : cccc_nil());
    cccc_map_add(&map, "daemon_answers", cccc_bool(self->triage.alive));
    cccc_map_add(&map, "system", cccc_text(cli_printf(cli, "%s %s %s", system.sysname, system.release, system.machine)));
    cccc_map_add(&map, "os", cccc_text(system_name(cli)));
    put_value(self, name, &map.value);
}

static void put_triage(struct evidence *self, const char *name)
{
    cccc_value_t value = triage_value(&self->triage);
    put_value(self, name, &value);
}

static void put_status(struct evidence *self, const char *name)
{
    put_answer(self, name, "status", NULL);
}

static void put_group_status(struct evidence *self, const char *name)
{
    put_answer(self, name, "status", triage_args(&self->triage));
}

static void put_own(struct evidence *self, const char *name, const cccc_value_t *document)
{
    cccc_value_t own = own_document(self, document);
    put_value(self, name, &own);
}

static void put_shown_group(struct evidence *self, const char *name)
{
    struct cccc_error error;
    const cccc_value_t *result;
    cccc_args_t *args = triage_args(&self->triage);
    if (!cli_try(self->cli, "group_show", &args, &result, &error)) {
        miss(self, name, cli_printf(self->cli, "group_show: %s: %s", error.code, error.message));
        return;
    }
    cccc_value_t own = own_document(self, cccc_get(result, "group"));
    own = cccc_map_with(self->cli->arena, result, CCCC_STR("group"), own);
    put_value(self, name, &own);
}

/* As the daemon has it, else as its file has it. */
static void put_group(struct evidence *self, const char *name)
{
    struct cccc_group_files files;
    if (self->triage.served) {
        put_shown_group(self, name);
        return;
    }
    cccc_group_files_read(&cccc_vfs_posix, &self->cli->home, cccc_str(self->group), self->cli->arena, &files);
    if (cccc_is_nil(&files.document))
        miss(self, name, files.note);
    else
        put_own(self, name, &files.document);
}

static void add_record(void *arg, const cccc_value_t *record, bool lives)
{
    cccc_builder_t *list = arg;
    cccc_builder_t map = cccc_map_builder(list->arena, 2);
    cccc_map_add(&map, "lives", cccc_bool(lives));
    cccc_map_add(&map, "holder", *record);
    cccc_array_add(list, map.value);
}

static void put_holders(struct evidence *self, const char *name)
{
    cccc_builder_t list = cccc_array_builder(self->cli->arena, 4);
    cccc_holders_find(&cccc_vfs_posix, &self->cli->home, cccc_str(self->group), self->cli->arena, add_record, &list);
    put_value(self, name, &list.value);
}

static void put_actors(struct evidence *self, const char *name)
{
    cccc_builder_t list = cccc_array_builder(self->cli->arena, 8);
    const cccc_value_t *actors = self->triage.actors;
    if (!actors) {
        miss(self, name, self->triage.alive ? "the group is not served" : "no daemon answers");
        return;
    }
    for (uint32_t i = 0; i < cli_count(actors); i++)
        if (!self->actor || cccc_str_is(cccc_get_str(cli_item(actors, i), "id"), self->actor))
            cccc_array_add(&list, *cli_item(actors, i));
    put_value(self, name, &list.value);
}

static void put_obligations(struct evidence *self, const char *name)
{
    cccc_args_t *args = triage_args(&self->triage);
    cccc_args_str(args, "actor_id", self->actor);
    cccc_args_int(args, "limit", CCCC_OBLIGATIONS_LIST_MAX);
    put_answer(self, name, "obligations_list", args);
}

static void put_ledger(struct evidence *self, const char *name)
{
    put_value(self, name, &self->triage.ledger);
}

static void put_events(struct evidence *self, const char *name)
{
    cccc_buf_t text;
    cccc_buf_init(&text);
    for (uint32_t i = 0; i < self->events.value.via.array.size; i++) {
        cccc_value_t safe = redact_value(self->redactor, self->cli->arena, &self->events.value.via.array.ptr[i]);
        cccc_json_write(&safe, &text);
        cccc_buf_str(&text, "\n");
    }
    bundle_add(&self->bundle, name, (cccc_str_t){text.data, text.size});
    cccc_buf_fini(&text);
}

static bool why_of(struct evidence *self, const char *event_id, const cccc_value_t **result)
{
    struct cccc_error error;
    cccc_args_t *args = triage_args(&self->triage);
    cccc_args_str(args, "event_id", event_id);
    cccc_args_str(args, "actor_id", self->actor);
    return cli_try(self->cli, "why", &args, result, &error);
}

/* What became of each message among the events, and of the one that was named. */
static void put_deliveries(struct evidence *self, const char *name)
{
    cccc_builder_t list = cccc_array_builder(self->cli->arena, 16);
    const cccc_value_t *events = &self->events.value, *result;
    if (!self->triage.served) {
        miss(self, name, "no daemon answers for the group; its runtime.delivery events are in events.jsonl");
        return;
    }
    for (uint32_t i = 0; i < cli_count(events); i++) {
        cccc_str_t kind = cccc_get_str(cli_item(events, i), "kind"), id = cccc_get_str(cli_item(events, i), "id");
        bool message = cccc_str_is(kind, "chat.message") || cccc_str_is(kind, "system.notify");
        if (message && why_of(self, cccc_arena_str(self->cli->arena, id).ptr, &result))
            cccc_array_add(&list, *result);
    }
    put_value(self, name, &list.value);
}

/* The one that was named among those that were read; NULL: it is not one of them. */
static const cccc_value_t *named_event(const struct evidence *self)
{
    uint64_t seq;
    bool by_seq = cli_seq(self->event_id, &seq);
    for (uint32_t i = 0; i < cli_count(&self->events.value); i++) {
        const cccc_value_t *event = cli_item(&self->events.value, i);
        if (by_seq ? cccc_get_uint(event, "seq", 0) == seq : cccc_str_is(cccc_get_str(event, "id"), self->event_id))
            return event;
    }
    return NULL;
}

static cccc_value_t own_events(struct evidence *self, const cccc_value_t *events)
{
    cccc_builder_t list = cccc_array_builder(self->cli->arena, cli_count(events));
    for (uint32_t i = 0; i < cli_count(events); i++)
        cccc_array_add(&list, own_event(self, cli_item(events, i)));
    return list.value;
}

/* It and what became of it, by the daemon, else from the file. */
static void put_event(struct evidence *self, const char *name)
{
    const cccc_value_t *result;
    cccc_builder_t map = cccc_map_builder(self->cli->arena, 2);
    struct cccc_error error;
    if (!self->event_id)
        return;
    cccc_args_t *args = triage_args(&self->triage);
    cccc_args_str(args, "event_id", self->event_id);
    if (self->triage.served && cli_try(self->cli, "ledger_read", &args, &result, &error))
        cccc_map_add(&map, "events", own_events(self, cccc_get(result, "events")));
    else if (!self->triage.served && named_event(self))
        cccc_map_add(&map, "event", *named_event(self));
    else
        miss(self, name, "it is not among the events that could be read");
    cccc_args_free(&args);
    if (self->triage.served && why_of(self, self->event_id, &result))
        cccc_map_add(&map, "why", *result);
    put_value(self, name, &map.value);
}

static void put_log(struct evidence *self, const char *name)
{
    struct cli *cli = self->cli;
    cccc_str_t end;
    uint64_t before;
    cccc_buf_t text;
    int rc = cli_file_end(cli, cli_printf(cli, "%s/daemon/ccccd.log", cli->home.root), CCCC_EVIDENCE_LOG_BYTES_MAX, &end, &before);
    if (rc < 0) {
        miss(self, name, strerror(-rc));
        return;
    }
    leave_out(self, before, "bytes of older log", "EVIDENCE_LOG_BYTES_MAX");
    cccc_buf_init(&text);
    redact_text(self->redactor, end, &text);
    bundle_add(&self->bundle, name, (cccc_str_t){text.data, text.size});
    cccc_buf_fini(&text);
}

static const struct {
    const char *name;
    void (*put)(struct evidence *self, const char *name);
    bool of_group;
} files[] = {
    {"versions.json", put_versions, false},
    {"triage.json", put_triage, false},
    {"status.json", put_status, false},
    {"daemon.log", put_log, false},
    {"group_status.json", put_group_status, true},
    {"group.json", put_group, true},
    {"actors.json", put_actors, true},
    {"holders.json", put_holders, true},
    {"obligations.json", put_obligations, true},
    {"ledger.json", put_ledger, true},
    {"events.jsonl", put_events, true},
    {"deliveries.json", put_deliveries, true},
    {"event.json", put_event, true},
};

/* ---- the events ---- */

/* A line that cannot be read is one, too. */
static cccc_value_t event_of(struct cli *cli, const char *line, size_t len)
{
    cccc_value_t event;
    struct cccc_errmsg m;
    if (cccc_json_read(line, len, cli->arena, &event, &m) == CCCC_OK && cccc_is_map(&event))
        return event;
    cccc_builder_t map = cccc_map_builder(cli->arena, 1);
    cccc_map_add(&map, "unreadable_bytes", cccc_uint(len));
    return map.value;
}

/* The last events that are wanted among these lines, newest first; how many. */
static uint32_t pick(struct evidence *self, cccc_str_t lines, cccc_value_t out[CCCC_EVIDENCE_EVENTS_MAX])
{
    uint32_t count = 0;
    const char *end = lines.ptr + lines.len;
    while (end > lines.ptr && count < CCCC_EVIDENCE_EVENTS_MAX) {
        end -= end[-1] == '\n';
        const char *feed = end > lines.ptr ? memrchr(lines.ptr, '\n', (size_t)(end - lines.ptr)) : NULL;
        const char *line = feed ? feed + 1 : lines.ptr;
        if (end > line) {
            cccc_value_t event = event_of(self->cli, line, (size_t)(end - line));
            if (!self->actor || cli_event_concerns(&event, cccc_str(self->actor)))
                out[count++] = event;
        }
        end = line;
    }
    return count;
}

/* From the end of ledger.jsonl, more and more of it until there are enough. Without a daemon, too: the file is the truth. */
static void read_events(struct evidence *self)
{
    const char *path = cli_printf(self->cli, "%s/groups/%s/ledger.jsonl", self->cli->home.root, self->group);
    cccc_value_t newest[CCCC_EVIDENCE_EVENTS_MAX];
    cccc_str_t lines;
    uint64_t before = 1;
    uint32_t count = 0;
    for (uint64_t room = 1024 * 1024; before > 0 && count < CCCC_EVIDENCE_EVENTS_MAX && room <= CCCC_EVIDENCE_LEDGER_BYTES_MAX; room *= 4) {
        int rc = cli_file_end(self->cli, path, room, &lines, &before);
        if (rc < 0) {
            miss(self, "events.jsonl", strerror(-rc));
            return;
        }
        count = pick(self, lines, newest);
    }
    for (uint32_t i = count; i-- > 0;)
        cccc_array_add(&self->events, own_event(self, &newest[i]));
    uint64_t first = count > 0 ? cccc_get_uint(&newest[count - 1], "seq", 1) : 1;
    leave_out(self, first - 1, self->actor ? "older events, and those of others" : "older events", "EVIDENCE_EVENTS_MAX");
}

/* ---- the manifest ---- */

static void count_name(void *arg, const char *name)
{
    (void)name;
    ++*(uint64_t *)arg;
}

static void list_what_is_never_in(struct evidence *self)
{
    uint64_t blobs = 0;
    if (self->group)
        cccc_vfs_posix.list(NULL, cli_printf(self->cli, "%s/groups/%s/state/blobs", self->cli->home.root, self->group), count_name, &blobs);
    leave_out(self, blobs, "files of the group", "they are texts of people and agents, too");
    leave_out(self, self->foreign, "members of group.yaml that other programs keep there", "nobody knows what of them is secret");
    for (int kind = 0; kind < REDACT_KINDS; kind++)
        leave_out(self, redact_count(self->redactor, (enum redact_kind)kind), redact_what((enum redact_kind)kind),
                  kind == REDACT_BODY ? "--bodies was not given" : "they may be secret");
}

static void put_manifest(struct evidence *self)
{
    struct cli *cli = self->cli;
    char ts[32];
    cccc_buf_t text;
    cccc_builder_t map = cccc_map_builder(cli->arena, 10);
    list_what_is_never_in(self);
    cccc_ts_format(ts, cli->now_us);
    cccc_map_add(&map, "format", cccc_uint(FORMAT));
    cccc_map_add(&map, "ts", cccc_text(ts));
    cccc_map_add(&map, "home", cccc_text(cli->home.root));
    cccc_map_add(&map, "group_id", self->group ? cccc_text(self->group) : cccc_nil());
    cccc_map_add(&map, "actor_id", self->actor ? cccc_text(self->actor) : cccc_nil());
    cccc_map_add(&map, "event_id", self->event_id ? cccc_text(self->event_id) : cccc_nil());
    cccc_map_add(&map, "bodies", cccc_bool(redact_keeps_bodies(self->redactor)));
    cccc_map_add(&map, "files", self->bundle.files.value);
    cccc_map_add(&map, "left_out", self->left_out.value);
    cccc_map_add(&map, "missing", self->missing.value);
    cccc_buf_init(&text);
    cccc_json_write_pretty(&map.value, &text);
    bundle_add(&self->bundle, "manifest.json", (cccc_str_t){text.data, text.size});
    cccc_buf_fini(&text);
}

/* ---- the command ---- */

static void print_lists(struct evidence *self)
{
    const cccc_value_t *left_out = &self->left_out.value, *missing = &self->missing.value;
    cccc_str_t text = {0};
    for (uint32_t i = 0; i < cli_count(left_out); i++) {
        const cccc_value_t *row = cli_item(left_out, i);
        cli_fact(self->cli, "left out", "%" PRIu64 " %.*s", cccc_get_uint(row, "count", 0), CCCC_STR_FMT(cccc_get_str(row, "what")));
    }
    for (uint32_t i = 0; i < cli_count(missing); i++)
        if (cccc_as_str(cli_item(missing, i), &text))
            cli_fact(self->cli, "missing", "%.*s", CCCC_STR_FMT(text));
}

static int report(struct evidence *self, const char *path, uint64_t bytes)
{
    struct cli *cli = self->cli;
    char size[32];
    int status = cli_count(&self->missing.value) > 0 ? CLI_EXIT_PARTLY : 0;
    if (cli->json) {
        cccc_builder_t map = cccc_map_builder(cli->arena, 5);
        cccc_map_add(&map, "path", cccc_text(path));
        cccc_map_add(&map, "bytes", cccc_uint(bytes));
        cccc_map_add(&map, "files", self->bundle.files.value);
        cccc_map_add(&map, "left_out", self->left_out.value);
        cccc_map_add(&map, "missing", self->missing.value);
        cli_result(cli, &map.value);
        return status;
    }
    cli_size(size, sizeof size, bytes);
    cli_fact(cli, "evidence", "%s", path);
    cli_fact(cli, "size", "%s, %" PRIu32 " files", size, cli_count(&self->bundle.files.value));
    print_lists(self);
    cli_say(cli, "next: look at it before you pass it on: tar --zstd -xf %s", path);
    return status;
}

static int write_bundle(struct evidence *self, const char *name)
{
    const char *path = cli_option(self->cli, "output");
    uint64_t bytes;
    path = path ? path : cli_printf(self->cli, "%s.tar.zst", name);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (self->group || !files[i].of_group)
            files[i].put(self, files[i].name);
    put_manifest(self);
    int status = bundle_write(&self->bundle, path, &bytes);
    return status ? status : report(self, path, bytes);
}

/* Who and what was named must be there, where that can be known. */
static int find_named(struct evidence *self)
{
    const char *event = cli_option(self->cli, "event");
    int status = 0;
    self->actor = cli_option(self->cli, "actor");
    if ((self->actor || event) && !self->group)
        return cli_fail(self->cli, CCCC_E_NO_ACTIVE_GROUP, "--group GROUP", "an actor or event was named, and no group");
    if (self->triage.served && self->actor && !cccc_str_is(cccc_str(self->actor), "user"))
        status = cli_fail_unless_actor(self->cli, self->group, self->actor);
    if (status == 0 && event)
        status = self->triage.served ? cli_event(self->cli, self->group, event, &self->event_id) : 0;
    if (event && !self->event_id)
        self->event_id = event;
    return status;
}

int cmd_evidence(struct cli *cli)
{
    struct evidence self = {.cli = cli};
    int status = triage_group_chosen(cli, &self.group);
    if (status)
        return status;
    triage_run(&self.triage, cli, self.group);
    status = find_named(&self);
    if (status)
        return status;
    const char *name = cli_printf(cli, "cccc-evidence-%s-%s", self.group ? self.group : "home", backup_name(cli, 1));
    self.events = cccc_array_builder(cli->arena, CCCC_EVIDENCE_EVENTS_MAX);
    self.left_out = cccc_array_builder(cli->arena, 16);
    self.missing = cccc_array_builder(cli->arena, 4);
    self.redactor = redact_new(cli_flag(cli, "bodies"));
    bundle_init(&self.bundle, cli, name);
    learn_secrets(&self);
    if (self.group)
        read_events(&self);
    status = write_bundle(&self, name);
    bundle_fini(&self.bundle);
    redact_free(&self.redactor);
    return status;
}
