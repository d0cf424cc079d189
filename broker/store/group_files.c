/* group_files.c - group.yaml, what cccc last wrote there, and the folders of groups/.
 *
 * Owns groups/<gid>/group.yaml (and .prev, .edited), groups/<gid>/state/group.sum and groups/<gid>/scopes/.
 * Format of group.sum: the BLAKE2b-256 of group.yaml's bytes in hex and a newline; while a change is being written also a second line
 * "next <hex>" with that of the bytes to come. The order is: sum with `next`, group.yaml, sum alone. So after a crash anywhere group.yaml fits
 * one of the two lines, and its ledger_seq says which state it is.
 * Invariants: (1) group.yaml is there and whole at every instant. (2) nothing is written there that cccc_yaml_read would refuse. (3) a hand
 * edit that a change overwrites, or that is refused, stays as group.yaml.edited; what it says in members that are not cccc's stays in group.yaml, too, unless it was cut off.
 * Thread: the store thread; start-up before it runs. */
#include "broker/mutant.h"
#include "broker/store/files.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum { SUM_HEX = 64, SUM_FILE_BYTES_MAX = 256 };

/* ---- sums ---- */

struct sums {
    bool known; /* group.sum is there and sound */
    char settled[SUM_HEX + 1];
    char next[SUM_HEX + 1]; /* "" when no change was under way */
};

static void sum_of(const char *bytes, size_t len, char out[SUM_HEX + 1])
{
    unsigned char hash[SUM_HEX / 2];
    crypto_generichash(hash, sizeof hash, (const unsigned char *)bytes, len, NULL, 0);
    sodium_bin2hex(out, SUM_HEX + 1, hash, sizeof hash);
}

/* 0 or -errno. A file that is missing or makes no sense is not known, and no error. */
static int read_sums(const struct cccc_vfs *vfs, const char *path, struct sums *sums)
{
    char *text;
    size_t len;
    *sums = (struct sums){0};
    int rc = cccc_vfs_slurp(vfs, path, SUM_FILE_BYTES_MAX, &text, &len);
    if (rc < 0)
        return rc == -ENOENT || rc == -EFBIG ? 0 : rc;
    int fields = sscanf(text, "%64[0-9a-f]\nnext %64[0-9a-f]\n", sums->settled, sums->next);
    free(text);
    sums->known = fields >= 1 && strlen(sums->settled) == SUM_HEX;
    return 0;
}

static int write_sums(const struct cccc_vfs *vfs, const char *path, const struct sums *sums)
{
    char text[SUM_FILE_BYTES_MAX];
    int len = snprintf(text, sizeof text, sums->next[0] ? "%s\nnext %s\n" : "%s\n", sums->settled, sums->next);
    return cccc_vfs_replace(vfs, path, text, (size_t)len, false);
}

/* Did cccc write these bytes? A home of CCCC 0.4.0 has no sums: its files count as ours. */
static bool is_ours(const struct sums *sums, const char *sum)
{
    return !sums->known || strcmp(sum, sums->settled) == 0 || strcmp(sum, sums->next) == 0;
}

/* ---- reading ---- */

/* Is `rc` about the file itself, and not about the disk or the moment? */
static bool is_about_the_file(int rc)
{
    return rc == -ENOENT || rc == -ENOTDIR || rc == -EFBIG || rc == -EINVAL || rc == -EISDIR || rc == -ELOOP || rc == -EACCES;
}

/* What a check found, as text. */
struct found {
    const char *text; /* of the file */
    size_t len;
    char refused[512]; /* the first thing refused, with its line; "" when nothing was */
    uint32_t refusals, others;
    char kept[256];
};

static void on_finding(void *arg, const struct cccc_schema_finding *finding)
{
    struct found *found = arg;
    size_t line = cccc_yaml_line(found->text, found->len, finding->path, finding->depth);
    size_t at = strlen(found->kept);
    char place[32] = "";
    if (line > 0)
        snprintf(place, sizeof place, "line %zu: ", line);
    if (finding->verdict == CCCC_SCHEMA_REFUSED && found->refusals++ == 0)
        snprintf(found->refused, sizeof found->refused, "%s%s%s%s", place, finding->where, finding->where[0] ? ": " : "", finding->why);
    if (finding->verdict == CCCC_SCHEMA_REFUSED)
        return;
    bool room = at + strlen(finding->where) + strlen(finding->why) + 32 < sizeof found->kept;
    found->others += !room;
    if (room)
        snprintf(found->kept + at, sizeof found->kept - at, "%s%s%s%s", at > 0 ? "; " : "", finding->where,
                 finding->verdict == CCCC_SCHEMA_UNKNOWN ? " is unknown" : ": ", finding->why);
}

/* Is `document`, read from `found->text`, one of that group? */
static bool check_content(const cccc_value_t *document, cccc_str_t group_id, struct found *found)
{
    bool fits = cccc_schema_check(document, group_id, on_finding, found);
    size_t at = strlen(found->refused);
    if (found->refusals > 1)
        snprintf(found->refused + at, sizeof found->refused - at, " (and %u more)", found->refusals - 1);
    at = strlen(found->kept);
    if (found->others > 0)
        snprintf(found->kept + at, sizeof found->kept - at, "; and %u more", found->others);
    return fits;
}

/* The same of an edit by hand, which has to be whole, too. */
static bool check_edit(const cccc_value_t *document, cccc_str_t group_id, bool by_hand, struct found *found)
{
    struct cccc_errmsg cut = {""};
    bool fits = check_content(document, group_id, found);
    if (fits && by_hand && !cccc_schema_is_whole(document, &cut)) {
        snprintf(found->refused, sizeof found->refused, "%s", cut.text);
        fits = false;
    }
    return fits;
}

/* A YAML file and what is in it. */
struct file {
    int rc; /* of reading it: 0 or -errno */
    char *text;
    size_t len;
    char sum[SUM_HEX + 1]; /* of its bytes; "" when they cannot be had */
    cccc_value_t document; /* nil when it is no map, and *m says why */
};

/* Read it; free file->text afterwards. */
static void read_file(const struct cccc_vfs *vfs, const char *path, cccc_arena_t *arena, struct file *file, struct cccc_errmsg *m)
{
    *file = (struct file){.document = cccc_nil()};
    file->rc = cccc_vfs_slurp(vfs, path, CCCC_CONFIG_BYTES_MAX, &file->text, &file->len);
    if (file->rc == -EFBIG)
        cccc_fail(m, CCCC_E_TOO_LARGE, "larger than %d bytes (CONFIG_BYTES_MAX)", CCCC_CONFIG_BYTES_MAX);
    else if (file->rc < 0)
        cccc_fail(m, CCCC_E_STORAGE, "%s", strerror(-file->rc));
    if (file->rc < 0) {
        file->text = NULL;
        return;
    }
    sum_of(file->text, file->len, file->sum);
    if (cccc_yaml_read(file->text, file->len, arena, &file->document, m) == CCCC_OK && !cccc_is_map(&file->document)) {
        cccc_fail(m, CCCC_E_BAD_YAML, "not a map");
        file->document = cccc_nil();
    }
}

static cccc_value_t read_document(const struct cccc_vfs *vfs, const char *path, cccc_arena_t *arena, struct cccc_errmsg *m)
{
    struct file file;
    read_file(vfs, path, arena, &file, m);
    free(file.text);
    return file.document;
}

/* Where a group.yaml comes from decides what happens when its content is not acceptable: nobody is asked to mend what cccc or CCCC 0.4.0 wrote. */
static void judge(struct file *file, cccc_str_t group_id, const struct sums *sums, struct cccc_group_files *out, struct cccc_errmsg *m)
{
    struct found found = {.text = file->text, .len = file->len};
    bool legacy = !sums->known && cccc_get(&file->document, "ledger_seq") == NULL;
    bool written_by_us = legacy || (sums->known && is_ours(sums, file->sum));
    bool fits = check_edit(&file->document, group_id, !written_by_us, &found);
    snprintf(out->kept, sizeof out->kept, "%s", found.kept);
    if (fits)
        return;
    if (written_by_us) {
        snprintf(out->note, sizeof out->note, "group.yaml: %.400s; what is wrong counts as not there", found.refused);
        return;
    }
    cccc_fail(m, CCCC_E_BAD_YAML, "%s", found.refused);
    file->document = cccc_nil();
    out->kept[0] = '\0';
}

/* What counts when group.yaml does not: the version before it, brought up to date by the ledger. */
static void fall_back(const struct cccc_vfs *vfs, const struct cccc_home *home, cccc_str_t group_id, cccc_arena_t *arena, const char *why,
                      struct cccc_group_files *out)
{
    struct cccc_errmsg why_prev = {""};
    out->document = read_document(vfs, cccc_group_path(home, group_id, "/group.yaml.prev").z, arena, &why_prev);
    out->from_prev = !cccc_is_nil(&out->document);
    if (out->from_prev)
        snprintf(out->note, sizeof out->note, "group.yaml: %.400s; using group.yaml.prev and the ledger", why);
    else
        snprintf(out->note, sizeof out->note, "group.yaml: %.300s; group.yaml.prev: %.100s; using the ledger", why, why_prev.text);
}

void cccc_group_files_read(const struct cccc_vfs *vfs, const struct cccc_home *home, cccc_str_t group_id, cccc_arena_t *arena,
                           struct cccc_group_files *out)
{
    struct cccc_errmsg why = {""};
    struct sums sums = {0};
    struct file file;
    *out = (struct cccc_group_files){.document = cccc_nil()};
    int rc = read_sums(vfs, cccc_group_path(home, group_id, "/state/group.sum").z, &sums);
    if (rc < 0)
        snprintf(out->note, sizeof out->note, "state/group.sum: %s; group.yaml counts as edited by hand", strerror(-rc));
    read_file(vfs, cccc_group_path(home, group_id, "/group.yaml").z, arena, &file, &why);
    out->unreachable = file.rc < 0 && !is_about_the_file(file.rc);
    if (!cccc_is_nil(&file.document))
        judge(&file, group_id, &sums, out, &why);
    out->document = file.document;
    if (out->unreachable) {
        snprintf(out->note, sizeof out->note, "group.yaml: %.200s", why.text);
    } else if (cccc_is_nil(&out->document)) {
        out->refused = file.rc != -ENOENT;
        fall_back(vfs, home, group_id, arena, why.text, out);
    } else {
        /* An edit that was none is recorded, and changes nothing; one that is missed is lost. */
        out->edited = rc < 0 || !is_ours(&sums, file.sum);
    }
    free(file.text);
}

bool cccc_group_edit_check(const struct cccc_vfs *vfs, const struct cccc_home *home, cccc_str_t group_id, const char *name,
                           cccc_arena_t *arena, cccc_value_t *document, char note[512])
{
    struct cccc_errmsg why = {""};
    struct file file;
    read_file(vfs, cccc_group_path(home, group_id, "/%s", name).z, arena, &file, &why);
    struct found found = {.text = file.text, .len = file.len};
    bool valid = !cccc_is_nil(&file.document) && check_edit(&file.document, group_id, true, &found);
    *document = valid ? file.document : cccc_nil();
    snprintf(note, 512, "%s", cccc_is_nil(&file.document) ? why.text : found.refused);
    free(file.text);
    return file.rc != -ENOENT;
}

/* ---- writing ---- */

/* The YAML of `document` in *text, checked by reading it back: a file we cannot read would take the group offline at the next start. */
static cccc_err_t compose(const cccc_value_t *document, cccc_buf_t *text, struct cccc_errmsg *m)
{
    cccc_value_t back;
    cccc_yaml_write(document, text);
    cccc_arena_t *arena = cccc_arena_new(8192);
    cccc_err_t err = cccc_yaml_read(text->data, text->size, arena, &back, m);
    cccc_arena_destroy(&arena);
    return err ? cccc_wrap(m, CCCC_E_TOO_LARGE, "the document does not fit a configuration file") : CCCC_OK;
}

/* A group.yaml that is not ours was edited since it was read: a durable copy stays, and .prev keeps the last sound one. */
static int keep_edit(const struct cccc_vfs *vfs, const char *path, const char *copy)
{
    int fd = vfs->open(vfs->ctx, path, CCCC_O_READ);
    if (fd < 0)
        return fd;
    int rc = cccc_vfs_copy_out(vfs, fd, 0, UINT64_MAX, copy);
    vfs->close(vfs->ctx, fd);
    return rc < 0 ? rc : cccc_vfs_sync_parent(vfs, copy);
}

/* group.yaml as a change finds it. */
struct current {
    bool ours; /* or not there */
    char sum[SUM_HEX + 1];
    cccc_value_t document; /* looked for when it is not ours, or has no sums; nil: it cannot be read, or was cut off */
};

/* 0 or -errno. A file without sums counts as ours only if it can be read: nobody else keeps a copy of one that is to be mended. */
static int read_current(const struct cccc_store_call *call, const char *path, const struct sums *sums, struct current *current)
{
    char *text;
    size_t len;
    *current = (struct current){.document = cccc_nil()};
    int rc = cccc_vfs_slurp(call->vfs, path, CCCC_CONFIG_BYTES_MAX, &text, &len);
    current->ours = rc == -ENOENT;
    if (rc < 0)
        return rc == -ENOENT || rc == -EFBIG ? 0 : rc;
    sum_of(text, len, current->sum);
    current->ours = is_ours(sums, current->sum);
    if (!current->ours || !sums->known) {
        struct cccc_errmsg cut;
        bool readable = cccc_yaml_read(text, len, call->arena, &current->document, NULL) == CCCC_OK && cccc_is_map(&current->document);
        if (!readable || (!current->ours && !cccc_schema_is_whole(&current->document, &cut)))
            current->document = cccc_nil();
        current->ours = current->ours && readable;
    }
    free(text);
    return 0;
}

/* Compose what is to be written. Another program has its own members in the file, and changes them when it likes: what it wrote there last stays, even if that is
 * news to the document. Unless both together are too much for a file. */
static cccc_err_t merge(const struct cccc_store_call *call, const struct current *current, cccc_buf_t *text)
{
    const cccc_value_t *document = &call->store->document;
    if (current->ours || !cccc_is_map(&current->document) || !cccc_is_map(document) || cccc_schema_same(&current->document, document))
        return compose(document, text, call->m);
    cccc_builder_t result = cccc_map_builder(call->arena, 1);
    cccc_map_add(&result, "edited", current->document);
    cccc_value_t merged = cccc_schema_carry(call->arena, document, &current->document);
    if (compose(&merged, text, call->m) == CCCC_OK) {
        *call->value = result.value;
        return CCCC_OK;
    }
    text->size = 0;
    return compose(document, text, call->m);
}

static int write_group(const struct cccc_store_call *call, const char *path, const char *sum_path, const struct current *current,
                       const cccc_buf_t *text)
{
    const struct cccc_vfs *vfs = call->vfs;
    struct sums change = {0};
    int rc = 0;
    if (!current->ours && !CCCC_MUTANT_IS(NO_EDIT_COPY))
        rc = keep_edit(vfs, path, cccc_group_path(call->home, call->store->group_id, "/group.yaml.edited").z);
    if (rc < 0)
        return rc;
    sum_of(text->data, text->size, change.next);
    /* After a crash before the replacement an edit must still be seen as one: no sum of it is written. */
    if (current->ours && current->sum[0])
        memcpy(change.settled, current->sum, sizeof change.settled);
    else
        snprintf(change.settled, sizeof change.settled, "%0*d", SUM_HEX, 0);
    rc = CCCC_MUTANT_IS(SUM_AFTER_FILE) ? 0 : write_sums(vfs, sum_path, &change);
    if (rc == 0)
        rc = cccc_vfs_replace(vfs, path, text->data, text->size, current->ours);
    memcpy(change.settled, change.next, sizeof change.next);
    change.next[0] = '\0';
    return rc < 0 ? rc : write_sums(vfs, sum_path, &change);
}

cccc_err_t cccc_store_group(const struct cccc_store_call *call)
{
    cccc_str_t id = call->store->group_id;
    struct cccc_path path = cccc_group_path(call->home, id, "/group.yaml");
    struct cccc_path sum_path = cccc_group_path(call->home, id, "/state/group.sum");
    struct sums sums = {0};
    struct current current = {0};
    cccc_buf_t text;
    int rc = cccc_vfs_make_dirs(call->vfs, cccc_group_path(call->home, id, "/state").z);
    if (rc == 0)
        rc = read_sums(call->vfs, sum_path.z, &sums);
    if (rc == 0)
        rc = read_current(call, path.z, &sums, &current);
    if (rc < 0)
        return cccc_file_fail(call->m, rc, "write", path.z);
    cccc_buf_init(&text);
    cccc_err_t err = merge(call, &current, &text);
    if (!err)
        rc = write_group(call, path.z, sum_path.z, &current, &text);
    cccc_buf_fini(&text);
    return rc < 0 ? cccc_file_fail(call->m, rc, "write", path.z) : err;
}

/* ---- scopes ---- */

/* `document` with the created_at of the file it replaces, if that has one (reference 1.4). */
static cccc_value_t keep_created_at(const struct cccc_store_call *call, const char *path)
{
    cccc_value_t before = read_document(call->vfs, path, call->arena, NULL);
    const cccc_value_t *created_at = cccc_get(&before, "created_at");
    const cccc_value_t *document = &call->store->document;
    return created_at && cccc_is_map(document) ? cccc_map_with(call->arena, document, CCCC_STR("created_at"), *created_at) : *document;
}

/* scopes/<name>/scope.yaml. Nothing reads it back but people, so it needs no sums. A removed scope leaves its empty folder. */
cccc_err_t cccc_store_scope(const struct cccc_store_call *call)
{
    const struct cccc_store *store = call->store;
    if (!cccc_is_safe_name(store->name))
        return cccc_fail(call->m, CCCC_E_INVALID_REQUEST, "not a scope key: %.*s", CCCC_STR_FMT(store->name));
    struct cccc_path dir = cccc_group_path(call->home, store->group_id, "/scopes/%.*s", CCCC_STR_FMT(store->name));
    struct cccc_path path = cccc_group_path(call->home, store->group_id, "/scopes/%.*s/scope.yaml", CCCC_STR_FMT(store->name));
    if (cccc_is_nil(&store->document)) {
        int gone = call->vfs->unlink(call->vfs->ctx, path.z);
        return gone == 0 || gone == -ENOENT ? CCCC_OK : cccc_file_fail(call->m, gone, "remove", path.z);
    }
    cccc_buf_t text;
    cccc_buf_init(&text);
    cccc_value_t document = keep_created_at(call, path.z);
    cccc_err_t err = compose(&document, &text, call->m);
    int rc = err ? 0 : cccc_vfs_make_dirs(call->vfs, dir.z);
    if (!err && rc == 0)
        rc = cccc_vfs_replace(call->vfs, path.z, text.data, text.size, false);
    cccc_buf_fini(&text);
    return rc < 0 ? cccc_file_fail(call->m, rc, "write", path.z) : err;
}

/* ---- scanning groups/ ---- */

struct names {
    cccc_builder_t array;
};

static void collect(void *arg, const char *name)
{
    struct names *names = arg;
    if (cccc_is_group_id(cccc_str(name)))
        cccc_array_add(&names->array, cccc_string(cccc_arena_str(names->array.arena, cccc_str(name))));
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const cccc_value_t *)a)->via.str.ptr, ((const cccc_value_t *)b)->via.str.ptr);
}

static bool has_file(const struct cccc_vfs *vfs, const struct cccc_home *home, cccc_str_t id, const char *name)
{
    struct cccc_stat st;
    int rc = vfs->stat(vfs->ctx, cccc_group_path(home, id, "/%s", name).z, &st);
    return rc == 0 ? st.is_regular : rc != -ENOENT;
}

static bool has_folder(const struct cccc_vfs *vfs, const struct cccc_home *home, cccc_str_t id)
{
    struct cccc_stat st;
    int rc = vfs->stat(vfs->ctx, cccc_group_path(home, id, "%s", "").z, &st);
    return rc == 0 ? st.is_dir : rc != -ENOENT;
}

/* A folder with a ledger is a group even before its first group.yaml: a crash may have come between them. What the disk will not tell counts as
 * there: a group that is offline is said to be, one that is left out is not. */
static bool looks_like_group(const struct cccc_vfs *vfs, const struct cccc_home *home, cccc_str_t id)
{
    return has_folder(vfs, home, id) &&
           (has_file(vfs, home, id, "group.yaml") || has_file(vfs, home, id, "ledger.jsonl") || has_file(vfs, home, id, "group.yaml.prev"));
}

cccc_err_t cccc_groups_scan(const struct cccc_vfs *vfs, const struct cccc_home *home, cccc_arena_t *arena, cccc_value_t *ids,
                            struct cccc_errmsg *m)
{
    struct names names = {cccc_array_builder(arena, 16)};
    cccc_builder_t groups = cccc_array_builder(arena, 16);
    struct cccc_path path = cccc_path(home, "/groups");
    int rc = vfs->list(vfs->ctx, path.z, collect, &names);
    const msgpack_object_array *found = &names.array.value.via.array;
    qsort(found->ptr, found->size, sizeof *found->ptr, compare_names);
    for (uint32_t i = 0; i < found->size; i++)
        if (looks_like_group(vfs, home, (cccc_str_t){found->ptr[i].via.str.ptr, found->ptr[i].via.str.size}))
            cccc_array_add(&groups, found->ptr[i]);
    *ids = groups.value;
    if (CCCC_MUTANT_IS(GUESSED_GROUPS))
        return CCCC_OK;
    return rc < 0 && rc != -ENOENT ? cccc_file_fail(m, rc, "list", path.z) : CCCC_OK;
}

/* {present, corrupt}: the groups whose configuration can be read (from either file), and those where it cannot. */
cccc_err_t cccc_store_scan(const struct cccc_store_call *call)
{
    cccc_value_t groups;
    cccc_err_t err = cccc_groups_scan(call->vfs, call->home, call->arena, &groups, call->m);
    if (err)
        return err;
    cccc_builder_t present = cccc_array_builder(call->arena, groups.via.array.size);
    cccc_builder_t corrupt = cccc_array_builder(call->arena, 0);
    for (uint32_t i = 0; i < groups.via.array.size; i++) {
        struct cccc_group_files files;
        cccc_str_t id = {groups.via.array.ptr[i].via.str.ptr, groups.via.array.ptr[i].via.str.size};
        cccc_arena_t *scratch = cccc_arena_new(8192);
        cccc_group_files_read(call->vfs, call->home, id, scratch, &files);
        cccc_array_add(cccc_is_nil(&files.document) ? &corrupt : &present, groups.via.array.ptr[i]);
        cccc_arena_destroy(&scratch);
    }
    cccc_builder_t map = cccc_map_builder(call->arena, 2);
    cccc_map_add(&map, "present", present.value);
    cccc_map_add(&map, "corrupt", corrupt.value);
    *call->value = map.value;
    return CCCC_OK;
}
