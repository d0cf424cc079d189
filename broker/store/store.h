/* store.h - the home's own files: layout, lock, descriptor, group.yaml and the JSON documents, blobs, trash.
 *
 * Everything here goes through a vfs, replaces files atomically and never follows links. YAML is read under limits (size, depth, events, no
 * anchors, aliases or tags), because libyaml 0.2.5 has none and is quadratic.
 * Thread: any; one operation on a given file at a time (the executor's store thread). */
#pragma once

#include "broker/core/core.h"
#include "broker/core/groups/schema.h"
#include "broker/ledger/vfs.h"
#include "proto/descriptor.h"

/* Where things are. All absolute. */
struct cccc_home {
    char root[4096];
    char sock_dir[108];      /* daemon/, or a short runtime directory when the home's path is too long for a socket */
    char hold_program[4096]; /* cccc-hold; "" when it was not looked for, or not found */
};

/* From CCCC_HOME or ~/.cccc ("~" expanded). `override` may be NULL. */
cccc_err_t cccc_home_find(const char *override, struct cccc_home *out, struct cccc_errmsg *m);
/* Create what is missing (0700) and check owner and modes: refuses a foreign owner, and a group- or world-writable home. */
cccc_err_t cccc_home_prepare(const struct cccc_vfs *vfs, struct cccc_home *home, struct cccc_errmsg *m);

/* At a clean stop, while the lock is still held: a socket directory outside the home goes, unless a holder's socket is still in it. */
void cccc_home_leave(const struct cccc_home *home);

/* daemon/ccccd.lock: take it and write our pid into it and ccccd.pid. CCCC_E_LOCKED: *pid is the owner's (0 unknown). The lock lives as long as *fd. */
cccc_err_t cccc_home_lock(const struct cccc_vfs *vfs, const struct cccc_home *home, int *fd, int32_t *pid, struct cccc_errmsg *m);
/* Read, increase and store the instance epoch (daemon/epoch): always higher than any before in this home. When the file is lost or damaged in a
 * home with groups, the clock's seconds take over. */
cccc_err_t cccc_home_next_epoch(const struct cccc_vfs *vfs, const struct cccc_home *home, uint64_t *epoch, struct cccc_errmsg *m);

/* ccccd.addr.json (reference 1.9 plus bus, events, protocol, epoch, folder, pid_started). */
struct cccc_descriptor {
    int32_t pid;
    char version[32];
    char path[108];             /* of the gateway's socket */
    uint16_t port;              /* of the gateway over TCP; 0: it does not listen there */
    char bus[128], events[128]; /* ZeroMQ endpoints */
    uint64_t epoch;
    char folder[CCCC_FOLDER_ID_BYTES]; /* of the home; "" when it is not known */
    uint64_t pid_started;              /* clock ticks since boot; 0 when it is not known */
};
cccc_err_t cccc_descriptor_write(const struct cccc_vfs *vfs, const struct cccc_home *home, const struct cccc_descriptor *d, const char *ts,
                                 struct cccc_errmsg *m);
/* Also removes ccccd.pid: nobody serves any more. */
void cccc_descriptor_remove(const struct cccc_vfs *vfs, const struct cccc_home *home);

/* YAML text <-> value, block style, insertion order. CCCC_E_BAD_YAML says what and where (line, column). */
cccc_err_t cccc_yaml_read(const char *text, size_t len, cccc_arena_t *arena, cccc_value_t *out, struct cccc_errmsg *m);
void cccc_yaml_write(const cccc_value_t *v, cccc_buf_t *out);
/* A group's files under context/: {context?, tasks? {id: document}, presence?}, each as found. context.c */
cccc_value_t cccc_context_read(const struct cccc_vfs *vfs, const struct cccc_home *home, cccc_str_t group_id, cccc_arena_t *arena);
/* settings.yaml of the home; nil when there is none, or none that can be read: *m then says so. settings.c */
cccc_value_t cccc_settings_read(const struct cccc_vfs *vfs, const struct cccc_home *home, cccc_arena_t *arena, struct cccc_errmsg *m);
/* The line, from 1, on which the value stands that `path` leads to in a text that cccc_yaml_read takes. 0: it is not there. */
size_t cccc_yaml_line(const char *text, size_t len, const struct cccc_schema_step *path, uint32_t depth);

/* A JSON document of at most STATE_FILE_BYTES_MAX, nil when missing, unreadable or not an object (reference 0.4); *m then says so. */
cccc_value_t cccc_json_file(const struct cccc_vfs *vfs, const char *path, cccc_arena_t *arena, struct cccc_errmsg *m);

/* Who wrote a document last. */
enum cccc_written {
    CCCC_WRITTEN_BY_US,
    CCCC_WRITTEN_CHANGED,   /* cccc, and then somebody or something changed it */
    CCCC_WRITTEN_UNSUMMED,  /* CCCC 0.4.0 or another program: it has no checksum */
    CCCC_WRITTEN_UNREADABLE /* there is none, or it is no document any more */
};
/* The same for registry.json and active.json, which carry a checksum; it is no member of the value. */
cccc_value_t cccc_json_document(const struct cccc_vfs *vfs, const char *path, cccc_arena_t *arena, enum cccc_written *by,
                                struct cccc_errmsg *m);

/* Compare every blob of a group with the SHA-256 in its name: `each` is told of one that differs or cannot be read, and why. *count is how many there are. */
typedef void (*cccc_blob_fn)(void *arg, const char *path, const char *why);
void cccc_blobs_check(const struct cccc_vfs *vfs, const struct cccc_home *home, cccc_str_t group_id, cccc_blob_fn each, void *arg,
                      uint64_t *count);

/* What start-up finds of one group. */
struct cccc_group_files {
    cccc_value_t document; /* group.yaml or, when it cannot be read, group.yaml.prev; nil when neither can */
    bool edited;           /* group.yaml is not what cccc last wrote (state/group.sum) */
    bool from_prev;
    bool refused;     /* group.yaml holds an edit that is no configuration of this group; `document` is what counts instead */
    bool unreachable; /* the disk would not give group.yaml; what it says is not known, and nothing may take its place */
    char note[512];   /* "" or why */
    char kept[256];   /* "" or what in the document cccc has no use for, or takes for something else: kept as it is */
};
/* group.yaml is checked against the schema (core/groups/schema.h). One that cccc did not write and that does not pass is refused; what cccc or CCCC 0.4.0
 * wrote is taken as it is, with a note. */
void cccc_group_files_read(const struct cccc_vfs *vfs, const struct cccc_home *home, cccc_str_t group_id, cccc_arena_t *arena,
                           struct cccc_group_files *out);
/* The same check for a file of the group's folder that holds, or held, an edit (group.yaml.edited). False: there is none. *document, in the arena, is what it
 * says if that can be taken over as group.yaml; else it is nil, and note says why not. */
bool cccc_group_edit_check(const struct cccc_vfs *vfs, const struct cccc_home *home, cccc_str_t group_id, const char *name,
                           cccc_arena_t *arena, cccc_value_t *document, char note[512]);
/* Ids of groups/ that look like groups, sorted; array in the arena. CCCC_E_STORAGE: groups/ cannot be listed, and *ids is what was found. */
cccc_err_t cccc_groups_scan(const struct cccc_vfs *vfs, const struct cccc_home *home, cccc_arena_t *arena, cccc_value_t *ids,
                            struct cccc_errmsg *m);
/* Calls `each` for the id of every group that is in trash/ and not in groups/, in any order, perhaps more than once. What the disk will not list is not
 * reported. */
void cccc_trash_scan(const struct cccc_vfs *vfs, const struct cccc_home *home, void (*each)(void *arg, cccc_str_t group_id), void *arg);

/* A home, or a group, that CCCC 0.4.0 wrote last: keep copies (<file>.0.4.0) of what is going to be written over. For the home: before its first epoch
 * is stored. */
cccc_err_t cccc_legacy_keep_home(const struct cccc_vfs *vfs, const struct cccc_home *home, struct cccc_errmsg *m);
cccc_err_t cccc_legacy_keep_group(const struct cccc_vfs *vfs, const struct cccc_home *home, cccc_str_t group_id, struct cccc_errmsg *m);
/* The map of state/read_cursors.json, or nil. */
cccc_value_t cccc_legacy_cursors(const struct cccc_vfs *vfs, const struct cccc_home *home, cccc_str_t group_id, cccc_arena_t *arena);

/* Each record of a holder of this group, and whether that holder lives (its lock is held). `record` lives in `arena`. */
typedef void (*cccc_holder_found_fn)(void *arg, const cccc_value_t *record, bool lives);
void cccc_holders_find(const struct cccc_vfs *vfs, const struct cccc_home *home, cccc_str_t group_id, cccc_arena_t *arena,
                       cccc_holder_found_fn found, void *arg);

/* Does the process, whatever its environment, descend from a living holder of this home? */
bool cccc_holder_is_above(const struct cccc_vfs *vfs, const struct cccc_home *home, pid_t pid);

/* The second half of CCCC_STORE_HOLDER_START: hand the launch document over, now that the holder is known and whatever it starts can be told apart. Closes `fd` (launch_fd of
 * what the first half yielded) and wipes `document` (its launch). */
cccc_err_t cccc_holder_launch(int fd, const cccc_value_t *document, struct cccc_errmsg *m);

/* Carry out one store effect. *value (nil when nothing is yielded) lives in `arena`. */
cccc_err_t cccc_store_run(const struct cccc_vfs *vfs, const struct cccc_home *home, const struct cccc_store *store, cccc_arena_t *arena,
                          cccc_value_t *value, struct cccc_errmsg *m);
