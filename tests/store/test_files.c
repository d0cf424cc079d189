/* test_files.c - JSON documents, group.yaml and its sums, scopes, scanning, the trash. */
#include "tests/support/scratch_home.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROUP  "g_0123456789ab"
#define FOLDER "groups/" GROUP "/"
#define WHOLE  "scopes: []\nactors: []\nledger_seq: 1\n" /* what an edit must have */

static struct scratch s;

static int up(void **state)
{
    (void)state;
    scratch_open(&s);
    return 0;
}

static int down(void **state)
{
    (void)state;
    scratch_close(&s);
    return 0;
}

static cccc_err_t run(enum cccc_store_kind kind, const char *name, const char *document)
{
    struct cccc_store store = {
        .kind = kind, .group_id = CCCC_STR(GROUP), .name = cccc_str(name), .document = document ? scratch_json(&s, document) : cccc_nil()};
    return scratch_store(&s, &cccc_vfs_posix, store);
}

static struct cccc_group_files read_group(void)
{
    struct cccc_group_files files;
    cccc_group_files_read(&cccc_vfs_posix, &s.home, CCCC_STR(GROUP), s.arena, &files);
    return files;
}

static const char *title(const struct cccc_group_files *files)
{
    return cccc_arena_str(s.arena, cccc_get_str(&files->document, "title")).ptr;
}

/* ---- JSON ---- */

/* `text` with its last member, the sum, taken out; it must have one. */
static const char *without_sum(const char *text)
{
    static char out[4096];
    const char *tail = strstr(text, ",\n  \"sum\": \"");
    assert_non_null(tail);
    assert_int_equal(strlen(tail), strlen(",\n  \"sum\": \"\"\n}\n") + 64);
    snprintf(out, sizeof out, "%.*s\n}\n", (int)(tail - text), text);
    return out;
}

/* Documents are written for people: two spaces, a final newline; and read back the same. */
static void json_documents_survive(void **state)
{
    (void)state;
    struct cccc_errmsg m = {""};
    enum cccc_written by;
    assert_int_equal(run(CCCC_STORE_REGISTRY, "", "{'v': 1, 'groups': {'" GROUP "': {'title': '\xc3\xa9'}}}"), CCCC_OK);
    assert_string_equal(without_sum(scratch_read(&s, "registry.json")),
                        "{\n  \"v\": 1,\n  \"groups\": {\n    \"" GROUP "\": {\n      \"title\": \"\xc3\xa9\"\n    }\n  }\n}\n");
    cccc_value_t registry = cccc_json_document(&cccc_vfs_posix, scratch_path(&s, "registry.json"), s.arena, &by, &m),
                 v = scratch_json(&s, "{'v': 1, 'groups': {'" GROUP "': {'title': '\xc3\xa9'}}}");
    assert_int_equal(by, CCCC_WRITTEN_BY_US);
    assert_true(cccc_value_eq(&registry, &v));
    assert_int_equal(run(CCCC_STORE_ACTIVE, "", "{'v': 1}"), CCCC_OK);
    assert_string_equal(without_sum(scratch_read(&s, "active.json")), "{\n  \"v\": 1\n}\n");
    assert_int_equal(run(CCCC_STORE_CURSORS, "", "{}"), CCCC_OK);
    assert_string_equal(scratch_read(&s, FOLDER "state/read_cursors.json"), "{}\n");
}

static enum cccc_written active_written_by(void)
{
    enum cccc_written by;
    cccc_json_document(&cccc_vfs_posix, scratch_path(&s, "active.json"), s.arena, &by, NULL);
    return by;
}

/* No flipped bit and no cut leaves a document that passes for what cccc wrote; and what is not ours is kept when it is written over. */
static void a_changed_document_is_known_and_kept(void **state)
{
    (void)state;
    assert_int_equal(run(CCCC_STORE_ACTIVE, "", "{'v': 1, 'active_group_id': '" GROUP "'}"), CCCC_OK);
    char *ours = strdup(scratch_read(&s, "active.json")), *hurt = strdup(ours);
    size_t len = strlen(ours);
    for (size_t at = 0; at < len; at++)
        for (int bit = 0; bit < 8; bit++) {
            hurt[at] = (char)(ours[at] ^ (1 << bit));
            if (hurt[at] == '\0')
                continue;
            scratch_write(&s, "active.json", hurt);
            assert_int_not_equal(active_written_by(), CCCC_WRITTEN_BY_US);
            hurt[at] = ours[at];
        }
    for (size_t cut = 0; cut < len; cut++) {
        hurt[cut] = '\0';
        scratch_write(&s, "active.json", hurt);
        assert_int_not_equal(active_written_by(), CCCC_WRITTEN_BY_US);
        hurt[cut] = ours[cut];
    }
    assert_int_equal(run(CCCC_STORE_ACTIVE, "", "{'v': 1}"), CCCC_OK);
    hurt[len - 1] = '\0';
    assert_string_equal(scratch_read(&s, "active.json.edited"), hurt);
    assert_int_equal(active_written_by(), CCCC_WRITTEN_BY_US);
    scratch_write(&s, "active.json", "{\"v\": 1}");
    assert_int_equal(active_written_by(), CCCC_WRITTEN_UNSUMMED);
    free(ours);
    free(hurt);
}

/* Missing, unreadable, no JSON and no object are all nothing, and the message says which it was. */
static void bad_json_documents_read_as_missing(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{NULL, "does not exist"},
                                           {"", "registry.json"},
                                           {"{\"a\":1", "registry.json"},
                                           {"[1]", "not a JSON object"},
                                           {"{\"a\":1,\"a\":2}", "registry.json"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cccc_errmsg m = {""};
        if (cases[i][0])
            scratch_write(&s, "registry.json", cases[i][0]);
        cccc_value_t v = cccc_json_file(&cccc_vfs_posix, scratch_path(&s, "registry.json"), s.arena, &m);
        assert_true(cccc_is_nil(&v));
        assert_non_null(strstr(m.text, cases[i][1]));
    }
    struct cccc_errmsg m = {""};
    assert_int_equal(truncate(scratch_path(&s, "registry.json"), CCCC_STATE_FILE_BYTES_MAX + 1), 0);
    cccc_json_file(&cccc_vfs_posix, scratch_path(&s, "registry.json"), s.arena, &m);
    assert_non_null(strstr(m.text, "STATE_FILE_BYTES_MAX"));
    assert_int_equal(symlink("/etc/passwd", scratch_path(&s, "link.json")), 0);
    cccc_json_file(&cccc_vfs_posix, scratch_path(&s, "link.json"), s.arena, &m);
    assert_non_null(strstr(m.text, "symbolic link"));
}

/* A file can only be replaced where one may be written; the error says which. */
static void a_document_that_cannot_be_written_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(mkdir(scratch_path(&s, "registry.json"), 0700), 0);
    assert_int_equal(run(CCCC_STORE_REGISTRY, "", "{}"), CCCC_E_STORAGE);
    assert_non_null(strstr(s.m.text, "registry.json"));
    scratch_write(&s, FOLDER "state", "");
    assert_int_equal(run(CCCC_STORE_CURSORS, "", "{}"), CCCC_E_STORAGE);
    assert_int_equal(run(CCCC_STORE_GROUP, "", "{}"), CCCC_E_STORAGE);
}

/* ---- group.yaml ---- */

/* What cccc wrote is not an edit, through any number of changes; the version before stays as .prev. */
static void what_cccc_wrote_is_no_edit(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(run(CCCC_STORE_GROUP, "", cccc_arena_printf(s.arena, "{'v': 1, 'title': 'T%d', 'ledger_seq': %d}", i, i).ptr),
                         CCCC_OK);
        struct cccc_group_files files = read_group();
        assert_string_equal(title(&files), cccc_arena_printf(s.arena, "T%d", i).ptr);
        assert_false(files.edited);
        assert_false(files.from_prev);
        assert_string_equal(files.note, "");
    }
    assert_string_equal(scratch_read(&s, FOLDER "group.yaml"), "v: 1\ntitle: T2\nledger_seq: 2\n");
    assert_string_equal(scratch_read(&s, FOLDER "group.yaml.prev"), "v: 1\ntitle: T1\nledger_seq: 1\n");
    assert_int_equal(strlen(scratch_read(&s, FOLDER "state/group.sum")), 65);
    assert_false(scratch_exists(&s, FOLDER "group.yaml.edited"));
}

/* A change by hand is seen, once: after cccc has written, it is no edit any more, and a copy of it is kept. */
static void an_edit_by_hand_is_seen(void **state)
{
    (void)state;
    assert_int_equal(run(CCCC_STORE_GROUP, "", "{'title': 'ours'}"), CCCC_OK);
    scratch_write(&s, FOLDER "group.yaml", "title: theirs # by hand\n" WHOLE);
    struct cccc_group_files files = read_group();
    assert_true(files.edited);
    assert_string_equal(title(&files), "theirs");
    assert_int_equal(run(CCCC_STORE_GROUP, "", "{'title': 'merged'}"), CCCC_OK);
    files = read_group();
    assert_false(files.edited);
    assert_string_equal(title(&files), "merged");
    assert_string_equal(scratch_read(&s, FOLDER "group.yaml.edited"), "title: theirs # by hand\n" WHOLE);
}

/* Another program's members are what it last wrote there, also when it did so while cccc served the group: set, changed, and unset. The write yields what it found. */
static void what_is_not_ours_is_carried_over(void **state)
{
    (void)state;
    assert_int_equal(run(CCCC_STORE_GROUP, "", "{'title': 'ours', 'im': {'platform': 'slack'}, 'gone': 1}"), CCCC_OK);
    scratch_write(&s, FOLDER "group.yaml", "title: theirs\nim:\n  platform: telegram\nmore: 2\n" WHOLE);
    assert_int_equal(run(CCCC_STORE_GROUP, "", "{'title': 'ours too', 'im': {'platform': 'slack'}, 'gone': 1}"), CCCC_OK);
    assert_string_equal(scratch_read(&s, FOLDER "group.yaml"), "title: ours too\nim:\n  platform: telegram\nmore: 2\n");
    assert_true(cccc_str_is(cccc_get_str(cccc_get(&s.value, "edited"), "title"), "theirs"));
    assert_non_null(strstr(scratch_read(&s, FOLDER "group.yaml.edited"), "title: theirs"));
    assert_false(read_group().edited);
}

/* An edit that the document has already, as after it was taken over, is no news; its bytes are kept like those of any other. */
static void an_edit_that_is_known_is_no_news(void **state)
{
    (void)state;
    assert_int_equal(run(CCCC_STORE_GROUP, "", "{'title': 'ours', 'scopes': [], 'actors': [], 'ledger_seq': 1}"), CCCC_OK);
    scratch_write(&s, FOLDER "group.yaml", "title: theirs\n" WHOLE);
    assert_int_equal(run(CCCC_STORE_GROUP, "", "{'title': 'theirs', 'updated_at': 'now', 'scopes': [], 'actors': [], 'ledger_seq': 2}"),
                     CCCC_OK);
    assert_true(scratch_exists(&s, FOLDER "group.yaml.edited"));
    assert_true(cccc_is_nil(&s.value));
    assert_false(read_group().edited);
}

/* A group of CCCC 0.4.0 has no sum: its file is taken as it is, and from the first change on edits are seen. */
static void a_group_without_a_sum_is_no_edit(void **state)
{
    (void)state;
    scratch_write(&s, FOLDER "group.yaml", "v: 1\ntitle: old\n");
    struct cccc_group_files files = read_group();
    assert_false(files.edited);
    assert_string_equal(title(&files), "old");
    scratch_write(&s, FOLDER "state/group.sum", "garbage\n");
    files = read_group();
    assert_false(files.edited);
    assert_int_equal(run(CCCC_STORE_GROUP, "", "{'title': 'new'}"), CCCC_OK);
    assert_string_equal(scratch_read(&s, FOLDER "group.yaml.prev"), "v: 1\ntitle: old\n");
    scratch_write(&s, FOLDER "group.yaml", "title: theirs\n" WHOLE);
    assert_true(read_group().edited);
}

/* A file that cannot be read falls back to the one before, and the note says why and what is used. */
static void an_unreadable_group_falls_back(void **state)
{
    (void)state;
    static const char *const broken[] = {"title: [\n", "- a list\n", "", "a: &x 1\n"};
    assert_int_equal(run(CCCC_STORE_GROUP, "", "{'title': 'first'}"), CCCC_OK);
    assert_int_equal(run(CCCC_STORE_GROUP, "", "{'title': 'second'}"), CCCC_OK);
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        scratch_write(&s, FOLDER "group.yaml", broken[i]);
        struct cccc_group_files files = read_group();
        assert_true(files.from_prev);
        assert_false(files.edited);
        assert_string_equal(title(&files), "first");
        assert_non_null(strstr(files.note, "using group.yaml.prev"));
    }
    /* Writing over the broken file keeps it aside and does not push the sound one out of .prev. */
    assert_int_equal(run(CCCC_STORE_GROUP, "", "{'title': 'third'}"), CCCC_OK);
    assert_string_equal(scratch_read(&s, FOLDER "group.yaml.prev"), "title: first\n");
    assert_string_equal(scratch_read(&s, FOLDER "group.yaml.edited"), "a: &x 1\n");
    assert_int_equal(unlink(scratch_path(&s, FOLDER "group.yaml")), 0);
    assert_true(read_group().from_prev);
    scratch_write(&s, FOLDER "group.yaml.prev", "{{");
    struct cccc_group_files files = read_group();
    assert_true(cccc_is_nil(&files.document));
    assert_false(files.from_prev);
    assert_non_null(strstr(files.note, "group.yaml.prev:"));
}

/* A group.yaml that is YAML and no configuration of this group is refused as one that is not even YAML: with the line and the field, the version before it in
 * its place, and nothing of the edit taken. */
static void an_edit_that_is_no_configuration_is_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"actors: hello", "line 3: actors: must be a list"},
        {"actors: {}", "line 3: actors: must be a list"},
        {"actors: [hello]", "line 3: actors[0]: must be a map"},
        {"actors:\n- id: lead\n- title: Nobody", "line 5: actors[1]: id is missing"},
        {"actors:\n- id: a.b", "line 4: actors[0].id: an actor id cannot contain a dot"},
        {"actors:\n- {id: lead, title: x}\n- id: all", "line 5: actors[1].id: this name is reserved"},
        {"actors:\n- id: 7", "line 4: actors[0].id: must be text: put it in quotes"},
        {"actors:\n- id: lead\n- id: lead", "line 5: actors[1]: id lead is there twice"},
        {"actors:\n- id: lead\n  runner: ssh", "line 5: actors[0].runner: invalid runner: ssh (there are: pty, headless)"},
        {"actors:\n- id: lead\n  runtime: hal", "line 5: actors[0].runtime: invalid runtime: hal"},
        {"actors:\n- id: lead\n  enabled: perhaps", "line 5: actors[0].enabled: must be true or false"},
        {"actors:\n- id: lead\n  command: cat", "line 5: actors[0].command: must be a list of texts"},
        {"actors:\n- id: lead\n  env:\n    LANG: [1]", "line 5: actors[0].env: env: the value of LANG must be text"},
        {"actors:\n- id: lead\n  env: {9X: a}", "line 5: actors[0].env: env: 9X is no name"},
        {"title: [1, 2]", "line 3: title: must be text"},
        {"title: 2026", "line 3: title: must be text: put it in quotes"},
        {"title: \"a\\0b\"", "line 3: title: must be text without NUL"},
        {"topic: {a: b}", "line 3: topic: must be text"},
        {"state: stopped", "line 3: state: invalid state: stopped (there are: active, idle, paused)"},
        {"running: maybe", "line 3: running: must be true or false"},
        {"scopes:\n- url: /src", "line 4: scopes[0]: scope_key is missing"},
        {"scopes:\n- {scope_key: ../up, url: /src}", "line 4: scopes[0].scope_key: must be 1 to 64"},
        {"scopes:\n- {scope_key: s_1, url: 7}", "line 4: scopes[0].url: must be text"},
        {"automation: soon", "line 3: automation: must be a map"},
        {"automation:\n  nudge_after_seconds: soon", "line 4: automation.nudge_after_seconds: must be a whole number from 0"},
        {"messaging: {default_send_to: all}", "line 3: messaging.default_send_to: must be foreman or broadcast"},
        {"delivery: {auto_mark_on_delivery: perhaps}", "line 3: delivery.auto_mark_on_delivery: must be true or false"},
        {"group_id: g_ffffffffffff", "line 3: group_id: must be " GROUP},
        {"v: 2", "line 3: v: must be 1"},
        {"ledger_seq: none", "line 3: ledger_seq: is cccc's own"},
        {"title: [1]\ntopic: [2]\nstate: 3", "line 3: title: must be text (and 2 more)"},
    };
    assert_int_equal(run(CCCC_STORE_GROUP, "", "{'title': 'first'}"), CCCC_OK);
    assert_int_equal(run(CCCC_STORE_GROUP, "", "{'title': 'second'}"), CCCC_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scratch_write(&s, FOLDER "group.yaml", cccc_arena_printf(s.arena, "# by\n# hand\n%s\n", cases[i][0]).ptr);
        struct cccc_group_files files = read_group();
        if (!files.refused || !files.from_prev || files.edited || strcmp(title(&files), "first") != 0)
            fail_msg("%s: taken", cases[i][0]);
        if (!strstr(files.note, cases[i][1]))
            fail_msg("%s: \"%s\" instead of \"%s\"", cases[i][0], files.note, cases[i][1]);
        assert_ptr_equal(strstr(files.note, "group.yaml: line "), files.note);
    }
    assert_int_equal(run(CCCC_STORE_GROUP, "", "{'title': 'third'}"), CCCC_OK);
    cccc_value_t document;
    char note[512];
    assert_true(cccc_group_edit_check(&cccc_vfs_posix, &s.home, CCCC_STR(GROUP), "group.yaml.edited", s.arena, &document, note));
    assert_true(cccc_is_nil(&document));
    assert_string_equal(note, "line 3: title: must be text (and 2 more)");
    assert_false(read_group().refused);
}

/* An edit that ends early, wherever that is, is refused: what is left of it is YAML now and then, and would say that there are no actors, or fewer. Neither this start nor
 * a change while the group is served takes anything from it. */
static void an_edit_that_was_cut_off_is_refused(void **state)
{
    (void)state;
    static const char ours[] = "{'title': 'first', 'im': {'platform': 'slack'}, 'scopes': [{'scope_key': 's_1', 'url': '/src'}], 'actors': "
                               "[{'id': 'lead'}, {'id': 'peer'}], "
                               "'automation': {'rules': []}, 'ledger_seq': 3}";
    static const char edit[] = "title: theirs\nim:\n  platform: slack\nscopes:\n- scope_key: s_1\n  url: /src\nactors:\n- id: lead\n- id: "
                               "peer\nautomation:\n  rules: []\nledger_seq: 3\n";
    assert_int_equal(run(CCCC_STORE_GROUP, "", ours), CCCC_OK);
    assert_int_equal(run(CCCC_STORE_GROUP, "", ours), CCCC_OK);
    scratch_write(&s, FOLDER "group.yaml", edit);
    assert_true(read_group().edited);
    size_t end = sizeof edit - 1 - strlen(" 3\n"), missing = 0, unfinished = 0;
    for (size_t len = 0; len <= end; len++) {
        scratch_write(&s, FOLDER "group.yaml", cccc_arena_printf(s.arena, "%.*s", (int)len, edit).ptr);
        struct cccc_group_files files = read_group();
        assert_true(files.refused && files.from_prev && !files.edited);
        assert_int_equal(cccc_get(&files.document, "actors")->via.array.size, 2);
        missing += strstr(files.note, "is missing, so the file seems to be cut off") != NULL;
        unfinished += strstr(files.note, "ledger_seq, with which cccc ends the file, is missing") != NULL;
    }
    assert_true(missing > 10 && unfinished > 10);
    scratch_write(&s, FOLDER "group.yaml", "title: theirs\nactors:\n- id: lead\n");
    assert_non_null(
        strstr(read_group().note,
               "group.yaml: the list scopes is missing, so the file seems to be cut off (none at all is written `scopes: []`)"));
    assert_int_equal(run(CCCC_STORE_GROUP, "", ours), CCCC_OK);
    assert_true(cccc_is_nil(&s.value));
    assert_non_null(strstr(scratch_read(&s, FOLDER "group.yaml"), "platform: slack"));
    assert_string_equal(scratch_read(&s, FOLDER "group.yaml.edited"), "title: theirs\nactors:\n- id: lead\n");
    scratch_write(&s, FOLDER "group.yaml", "title: theirs\n" WHOLE);
    assert_true(read_group().edited);
}

/* What cccc has no use for, or takes for something else, stays and is named; what is null, empty or one of the accepted spellings is no reason to speak. */
static void unknown_entries_are_kept_and_named(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"x_colour: green", "x_colour is unknown"},
        {"actors:\n- {id: lead, colour: green}", "actors[0].colour is unknown"},
        {"messaging: {tone: kind}", "messaging.tone is unknown"},
        {"active_scope_key: s_gone", "active_scope_key: s_gone is no scope of this group and counts as none"},
        {"actors:\n- {id: lead, default_scope_key: s_gone}", "actors[0].default_scope_key: s_gone is no scope"},
        {"terminal_transcript: {notify_lines: 500}", "terminal_transcript.notify_lines: 500 counts as 80"},
        {"actors:\nscopes:\ntitle:\nautomation:\nstate: ''", ""},
        {"running: 'yes'\nactors:\n- {id: 'off', enabled: 'on', env: {N: 7}}\n- {id: \xc3\xa9mile, runtime: ''}", ""},
        {"automation: {nudge_after_seconds: '120', version: 1, rules: [], snippets: {}}\nim: {platform: slack}\nledger: {}", ""},
    };
    assert_int_equal(run(CCCC_STORE_GROUP, "", "{'title': 'first'}"), CCCC_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *actors = strstr(cases[i][0], "actors:") ? "" : "actors: []\n",
                   *scopes = strstr(cases[i][0], "scopes:") ? "" : "scopes: []\n";
        scratch_write(&s, FOLDER "group.yaml", cccc_arena_printf(s.arena, "%s\n%s%sledger_seq: 1\n", cases[i][0], actors, scopes).ptr);
        struct cccc_group_files files = read_group();
        assert_false(files.refused);
        assert_true(files.edited);
        assert_string_equal(files.note, "");
        if (cases[i][1][0] ? !strstr(files.kept, cases[i][1]) : files.kept[0] != '\0')
            fail_msg("%s: \"%s\" instead of \"%s\"", cases[i][0], files.kept, cases[i][1]);
    }
}

/* Nobody can be asked to mend what a program wrote: a file of CCCC 0.4.0 is taken with what is wrong left out, and that is said. */
static void what_another_version_wrote_is_taken_with_a_note(void **state)
{
    (void)state;
    scratch_write(&s, FOLDER "group.yaml", "v: 1\ntitle: old\nstate: stopped\n");
    struct cccc_group_files files = read_group();
    assert_false(files.refused || files.edited);
    assert_string_equal(title(&files), "old");
    assert_non_null(strstr(files.note, "line 3: state: invalid state: stopped"));
    assert_non_null(strstr(files.note, "counts as not there"));
    /* Once the file names a place in the ledger it is not 0.4.0's, whatever became of the sums. */
    scratch_write(&s, FOLDER "group.yaml", "v: 1\ntitle: old\nstate: stopped\nledger_seq: 3\n");
    assert_true(read_group().refused);
    /* Of a file of 0.4.0 that is no YAML a copy is kept when a change writes over it. */
    scratch_write(&s, FOLDER "group.yaml", "{not yaml");
    assert_true(read_group().refused);
    assert_int_equal(run(CCCC_STORE_GROUP, "", "{'title': 'new'}"), CCCC_OK);
    assert_string_equal(scratch_read(&s, FOLDER "group.yaml.edited"), "{not yaml");
}

/* A file larger than the limit, or a link, is not read, and a change keeps a copy of the large one. */
static void an_oversized_or_linked_group_is_refused(void **state)
{
    (void)state;
    assert_int_equal(run(CCCC_STORE_GROUP, "", "{'title': 'ours'}"), CCCC_OK);
    assert_int_equal(truncate(scratch_path(&s, FOLDER "group.yaml"), CCCC_CONFIG_BYTES_MAX + 1), 0);
    assert_non_null(strstr(read_group().note, "CONFIG_BYTES_MAX"));
    assert_int_equal(run(CCCC_STORE_GROUP, "", "{'title': 'again'}"), CCCC_OK);
    assert_true(scratch_exists(&s, FOLDER "group.yaml.edited"));
    assert_int_equal(unlink(scratch_path(&s, FOLDER "group.yaml")), 0);
    scratch_write(&s, "elsewhere.yaml", "title: linked\n");
    assert_int_equal(symlink(scratch_path(&s, "elsewhere.yaml"), scratch_path(&s, FOLDER "group.yaml")), 0);
    struct cccc_group_files files = read_group();
    assert_true(cccc_is_nil(&files.document));
    assert_int_equal(run(CCCC_STORE_GROUP, "", "{'title': 'again'}"), CCCC_E_STORAGE);
    assert_string_equal(scratch_read(&s, "elsewhere.yaml"), "title: linked\n");
}

/* A document that could not be read back is refused before anything changes. */
static void an_unreadable_document_is_never_written(void **state)
{
    (void)state;
    char *big = cccc_arena_alloc(s.arena, CCCC_YAML_SCALAR_BYTES_MAX + 2);
    memset(big, 'x', CCCC_YAML_SCALAR_BYTES_MAX + 1);
    big[CCCC_YAML_SCALAR_BYTES_MAX + 1] = '\0';
    cccc_builder_t map = cccc_map_builder(s.arena, 1);
    cccc_map_add(&map, "title", cccc_text(big));
    assert_int_equal(run(CCCC_STORE_GROUP, "", "{'title': 'ours'}"), CCCC_OK);
    struct cccc_store store = {.kind = CCCC_STORE_GROUP, .group_id = CCCC_STR(GROUP), .document = map.value};
    assert_int_equal(scratch_store(&s, &cccc_vfs_posix, store), CCCC_E_TOO_LARGE);
    assert_string_equal(scratch_read(&s, FOLDER "group.yaml"), "title: ours\n");
}

/* ---- scopes ---- */

/* Attaching again keeps the time of the first attachment. */
static void a_scope_keeps_its_first_time(void **state)
{
    (void)state;
    assert_int_equal(run(CCCC_STORE_SCOPE, "s_c3b177f21e90", "{'url': '/a', 'created_at': 'then', 'updated_at': 'then'}"), CCCC_OK);
    assert_int_equal(run(CCCC_STORE_SCOPE, "s_c3b177f21e90", "{'url': '/b', 'created_at': 'now', 'updated_at': 'now'}"), CCCC_OK);
    assert_string_equal(scratch_read(&s, FOLDER "scopes/s_c3b177f21e90/scope.yaml"), "url: /b\ncreated_at: then\nupdated_at: now\n");
}

/* A scope's file is written and removed; its key cannot be a path. */
static void scopes_are_written_and_removed(void **state)
{
    (void)state;
    assert_int_equal(run(CCCC_STORE_SCOPE, "s_c3b177f21e90", "{'scope_key': 's_c3b177f21e90', 'url': '/src'}"), CCCC_OK);
    assert_string_equal(scratch_read(&s, FOLDER "scopes/s_c3b177f21e90/scope.yaml"), "scope_key: s_c3b177f21e90\nurl: /src\n");
    assert_int_equal(run(CCCC_STORE_SCOPE, "s_c3b177f21e90", NULL), CCCC_OK);
    assert_int_equal(run(CCCC_STORE_SCOPE, "s_c3b177f21e90", NULL), CCCC_OK);
    assert_false(scratch_exists(&s, FOLDER "scopes/s_c3b177f21e90/scope.yaml"));
    assert_int_equal(run(CCCC_STORE_SCOPE, "../x", "{}"), CCCC_E_INVALID_REQUEST);
    assert_int_equal(run(CCCC_STORE_SCOPE, "", "{}"), CCCC_E_INVALID_REQUEST);
    assert_int_equal(mkdir(scratch_path(&s, FOLDER "scopes/s_c3b177f21e90/scope.yaml"), 0700), 0);
    assert_int_equal(run(CCCC_STORE_SCOPE, "s_c3b177f21e90", "{}"), CCCC_E_STORAGE);
    assert_int_equal(run(CCCC_STORE_SCOPE, "s_c3b177f21e90", NULL), CCCC_E_STORAGE);
}

/* ---- scanning ---- */

static const char *joined(const cccc_value_t *names)
{
    cccc_str_t text = CCCC_STR("");
    for (uint32_t i = 0; i < names->via.array.size; i++)
        text = cccc_arena_printf(s.arena, "%.*s%.*s ", CCCC_STR_FMT(text), (int)names->via.array.ptr[i].via.str.size,
                                 names->via.array.ptr[i].via.str.ptr);
    return text.len ? text.ptr : "";
}

/* Folders named like groups that hold a group's files are groups, sorted; those whose configuration cannot be read are corrupt. */
static void scanning_finds_groups(void **state)
{
    (void)state;
    scratch_write(&s, "groups/g_bbbbbbbbbbbb/group.yaml", "v: 1\n");
    scratch_write(&s, "groups/g_aaaaaaaaaaaa/group.yaml", "v: 1\n");
    scratch_write(&s, "groups/g_cccccccccccc/ledger.jsonl", "");
    scratch_write(&s, "groups/g_dddddddddddd/group.yaml", "{{");
    scratch_write(&s, "groups/g_eeeeeeeeeeee/group.yaml.prev", "v: 1\n");
    scratch_write(&s, "groups/g_ffffffffffff/other", "");
    scratch_write(&s, "groups/not-a-group/group.yaml", "v: 1\n");
    scratch_write(&s, "groups/g_111111111111", "a file");
    assert_int_equal(symlink("g_aaaaaaaaaaaa", scratch_path(&s, "groups/g_222222222222")), 0);
    cccc_value_t groups;
    assert_int_equal(cccc_groups_scan(&cccc_vfs_posix, &s.home, s.arena, &groups, NULL), CCCC_OK);
    assert_string_equal(joined(&groups), "g_aaaaaaaaaaaa g_bbbbbbbbbbbb g_cccccccccccc g_dddddddddddd g_eeeeeeeeeeee ");
    assert_int_equal(run(CCCC_STORE_SCAN, "", NULL), CCCC_OK);
    assert_string_equal(joined(cccc_get(&s.value, "present")), "g_aaaaaaaaaaaa g_bbbbbbbbbbbb g_eeeeeeeeeeee ");
    assert_string_equal(joined(cccc_get(&s.value, "corrupt")), "g_cccccccccccc g_dddddddddddd ");
}

/* ---- the trash ---- */

static uint32_t trashed(const char *prefix)
{
    uint32_t count = 0;
    const char *command = cccc_arena_printf(s.arena, "ls -d '%s'/trash/%s.* 2>/dev/null", s.home.root, prefix).ptr;
    FILE *list = popen(command, "r");
    char line[4096];
    assert_non_null(list);
    while (fgets(line, sizeof line, list))
        count++;
    pclose(list);
    return count;
}

/* A deleted group is moved with all it has; deleting the next of the same id in the same second, or nothing, is fine. */
static void deleted_groups_go_to_the_trash(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= 3; i++) {
        scratch_write(&s, FOLDER "group.yaml", "v: 1\n");
        scratch_write(&s, FOLDER "state/blobs/x", "kept");
        assert_int_equal(run(CCCC_STORE_TRASH, "", NULL), CCCC_OK);
        assert_false(scratch_exists(&s, FOLDER));
        assert_int_equal(trashed(GROUP), i);
    }
    assert_int_equal(run(CCCC_STORE_TRASH, "", NULL), CCCC_OK);
    assert_int_equal(trashed(GROUP), 3);
    assert_int_equal(rmdir(scratch_path(&s, "groups")), 0);
    scratch_write(&s, "groups", "a file");
    assert_int_not_equal(run(CCCC_STORE_TRASH, "", NULL), CCCC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)
        TEST(json_documents_survive),
        TEST(a_changed_document_is_known_and_kept),
        TEST(bad_json_documents_read_as_missing),
        TEST(a_document_that_cannot_be_written_is_an_error),
        TEST(what_cccc_wrote_is_no_edit),
        TEST(an_edit_by_hand_is_seen),
        TEST(what_is_not_ours_is_carried_over),
        TEST(an_edit_that_is_known_is_no_news),
        TEST(a_group_without_a_sum_is_no_edit),
        TEST(an_unreadable_group_falls_back),
        TEST(an_edit_that_is_no_configuration_is_refused),
        TEST(an_edit_that_was_cut_off_is_refused),
        TEST(unknown_entries_are_kept_and_named),
        TEST(what_another_version_wrote_is_taken_with_a_note),
        TEST(an_oversized_or_linked_group_is_refused),
        TEST(an_unreadable_document_is_never_written),
        TEST(a_scope_keeps_its_first_time),
        TEST(scopes_are_written_and_removed),
        TEST(scanning_finds_groups),
        TEST(deleted_groups_go_to_the_trash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
