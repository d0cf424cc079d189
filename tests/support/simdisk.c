/* simdisk.c - inodes with two faces, directories with a log of unsynced operations, and a gate that every call passes. */
#include "tests/support/simdisk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAGE = 4096, SECTOR = 512, FDS = 64, NAME_ROOM = 96, DEVICE = 7 };

struct inode;

struct entry {
    char name[NAME_ROOM];
    struct inode *inode;
};

struct entries {
    struct entry *at;
    size_t count, room;
};

/* An unsynced directory operation: `name` now is `inode` (NULL = gone), and with `from` that name is gone in the same instant. A move between
 * folders is an operation in each, with the same `pair`: both reach the disk or neither, as a journal has it. */
struct dir_op {
    char name[NAME_ROOM], from[NAME_ROOM];
    struct inode *inode;
    uint64_t pair; /* 0: none */
};

struct face {
    char *bytes;
    size_t size, room;
};

struct inode {
    struct inode *next; /* of all there ever were */
    uint64_t number;
    bool is_dir;
    struct face cache, disk; /* files */
    unsigned char *dirty;    /* a byte per page of the cache */
    size_t dirty_room;
    struct entries now, synced; /* directories */
    struct dir_op *ops;
    size_t op_count;
    bool listed;   /* just now: what a real disk shows of a directory that changes meanwhile is not defined */
    int locked_by; /* descriptor, or -1 */
};

struct descriptor {
    struct inode *inode;
    int flags;
};

struct simdisk {
    struct cccc_vfs vfs;
    struct inode *inodes, *root;
    uint64_t last_number, last_pair, pair_fate, dice, calls, syncs;
    struct descriptor fds[FDS];
    struct simdisk_fault fault;
    bool armed, fired, down, crashing, shortening, filling;
};

static void *room(void *old, size_t bytes)
{
    void *p = realloc(old, bytes ? bytes : 1);
    if (!p)
        abort();
    return p;
}

uint64_t simdisk_roll(simdisk_t *self, uint64_t below)
{
    uint64_t z = self->dice += 0x9e3779b97f4a7c15u; /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return below ? (z ^ (z >> 31)) % below : 0;
}

/* ---- faces and pages ---- */

static void resize(struct face *face, size_t size)
{
    if (size > face->room) {
        face->room = size * 2;
        face->bytes = room(face->bytes, face->room);
    }
    if (size > face->size)
        memset(face->bytes + face->size, 0, size - face->size);
    face->size = size;
}

static void copy_face(struct face *to, const struct face *from)
{
    to->size = 0;
    resize(to, from->size);
    if (from->size)
        memcpy(to->bytes, from->bytes, from->size);
}

static size_t pages_of(size_t size)
{
    return (size + PAGE - 1) / PAGE;
}

static void mark_dirty(struct inode *inode, size_t from, size_t to)
{
    size_t pages = pages_of(to);
    if (pages > inode->dirty_room) {
        inode->dirty = room(inode->dirty, pages * 2);
        memset(inode->dirty + inode->dirty_room, 0, pages * 2 - inode->dirty_room);
        inode->dirty_room = pages * 2;
    }
    for (size_t page = from / PAGE; page < pages; page++)
        inode->dirty[page] = 1;
}

static void clean(struct inode *inode)
{
    if (inode->dirty_room)
        memset(inode->dirty, 0, inode->dirty_room);
}

/* Move [from, to) of the cache to the disk, as far as both have it. */
static void write_through(struct inode *inode, size_t from, size_t to)
{
    size_t end = inode->cache.size < inode->disk.size ? inode->cache.size : inode->disk.size;
    if (to > end)
        to = end;
    if (from < to)
        memcpy(inode->disk.bytes + from, inode->cache.bytes + from, to - from);
}

/* What reaches the disk of a dirty page: all, nothing, or some sectors. */
static void settle_page(simdisk_t *self, struct inode *inode, size_t page)
{
    size_t at = page * PAGE;
    switch (simdisk_roll(self, 3)) {
    case 0:
        break;
    case 1:
        write_through(inode, at, at + PAGE);
        break;
    default:
        for (size_t sector = at; sector < at + PAGE; sector += SECTOR)
            if (simdisk_roll(self, 2))
                write_through(inode, sector, sector + SECTOR);
    }
}

/* What a good sync does: the size and every dirty page, and no page that merely looks clean. */
static void write_back(struct inode *inode)
{
    resize(&inode->disk, inode->cache.size);
    for (size_t page = 0; page < pages_of(inode->disk.size) && page < inode->dirty_room; page++)
        if (inode->dirty[page])
            write_through(inode, page * PAGE, (page + 1) * PAGE);
    clean(inode);
}

static size_t settle_size(simdisk_t *self, const struct inode *inode)
{
    size_t disk = inode->disk.size, cache = inode->cache.size;
    if (disk == cache || simdisk_roll(self, 3) == 0)
        return disk;
    if (cache < disk || simdisk_roll(self, 2))
        return cache;
    size_t page = (disk / PAGE + 1 + simdisk_roll(self, pages_of(cache) - disk / PAGE)) * PAGE;
    return page < cache ? page : cache;
}

static void settle_file(simdisk_t *self, struct inode *inode, enum simdisk_loss loss)
{
    if (loss == SIMDISK_KEEP_ALL) {
        write_back(inode);
    } else if (loss == SIMDISK_DICE) {
        resize(&inode->disk, settle_size(self, inode));
        for (size_t page = 0; page < pages_of(inode->disk.size) && page < inode->dirty_room; page++)
            if (inode->dirty[page])
                settle_page(self, inode, page);
    }
    copy_face(&inode->cache, &inode->disk);
    clean(inode);
}

/* ---- directories ---- */

static struct entry *find(const struct entries *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->at[i].name, name) == 0)
            return &list->at[i];
    return NULL;
}

static void set(struct entries *list, const char *name, struct inode *inode)
{
    struct entry *entry = find(list, name);
    if (!inode) {
        if (entry)
            *entry = list->at[--list->count];
        return;
    }
    if (!entry) {
        if (list->count == list->room) {
            list->room = list->room ? list->room * 2 : 4;
            list->at = room(list->at, list->room * sizeof *list->at);
        }
        entry = &list->at[list->count++];
        snprintf(entry->name, sizeof entry->name, "%s", name);
    }
    entry->inode = inode;
}

static void apply(struct entries *list, const struct dir_op *op)
{
    set(list, op->name, op->inode);
    if (op->from[0])
        set(list, op->from, NULL);
}

static void log_op(struct inode *dir, const char *name, struct inode *inode, const char *from, uint64_t pair)
{
    if (dir->listed) {
        fprintf(stderr, "%s changes in a directory that is being listed\n", name);
        abort();
    }
    dir->ops = room(dir->ops, (dir->op_count + 1) * sizeof *dir->ops);
    struct dir_op *op = &dir->ops[dir->op_count++];
    *op = (struct dir_op){.inode = inode, .pair = pair};
    snprintf(op->name, sizeof op->name, "%s", name);
    snprintf(op->from, sizeof op->from, "%s", from);
    apply(&dir->now, op);
}

static void copy_entries(struct entries *to, const struct entries *from)
{
    to->count = 0;
    for (size_t i = 0; i < from->count; i++)
        set(to, from->at[i].name, from->at[i].inode);
}

/* Does the dice of this power cut keep the operation? The halves of a pair agree. */
static bool keeps(simdisk_t *self, const struct dir_op *op)
{
    return op->pair ? (self->pair_fate >> op->pair % 64 & 1) == 1 : simdisk_roll(self, 2) == 1;
}

static void settle_dir(simdisk_t *self, struct inode *dir, enum simdisk_loss loss)
{
    for (size_t i = 0; i < dir->op_count; i++)
        if (loss == SIMDISK_KEEP_ALL || (loss == SIMDISK_DICE && keeps(self, &dir->ops[i])))
            apply(&dir->synced, &dir->ops[i]);
    dir->op_count = 0;
    copy_entries(&dir->now, &dir->synced);
}

static bool shares_pair(const struct inode *a, const struct inode *b)
{
    for (size_t i = 0; i < a->op_count; i++)
        for (size_t j = 0; a->ops[i].pair && j < b->op_count; j++)
            if (a->ops[i].pair == b->ops[j].pair)
                return true;
    return false;
}

/* A directory's entries reach the disk, and with them those of folders that exchanged files with it. */
static void sync_entries(simdisk_t *self, struct inode *dir)
{
    for (struct inode *other = self->inodes; other; other = other->next)
        if (other != dir && other->is_dir && shares_pair(dir, other)) {
            copy_entries(&other->synced, &other->now);
            other->op_count = 0;
        }
    copy_entries(&dir->synced, &dir->now);
    dir->op_count = 0;
}

static struct inode *inode_new(simdisk_t *self, bool is_dir)
{
    struct inode *inode = room(NULL, sizeof *inode);
    *inode = (struct inode){.next = self->inodes, .number = ++self->last_number, .is_dir = is_dir, .locked_by = -1};
    return self->inodes = inode;
}

/* The inode at `path`, or NULL; with `dir` also the folder that has or would have it, and its name there. */
static struct inode *walk(simdisk_t *self, const char *path, struct inode **dir, char name[NAME_ROOM])
{
    struct inode *at = self->root, *parent = NULL;
    name[0] = '\0';
    for (const char *p = path; *p;) {
        p += strspn(p, "/");
        size_t len = strcspn(p, "/");
        if (len == 0)
            break;
        parent = at && at->is_dir ? at : NULL;
        snprintf(name, NAME_ROOM, "%.*s", (int)len, p);
        struct entry *entry = parent ? find(&parent->now, name) : NULL;
        at = entry ? entry->inode : NULL;
        p += len;
        if (!at && strchr(p, '/')) /* a folder on the way is missing */
            parent = NULL;
        if (!parent)
            break;
    }
    *dir = parent;
    return at;
}

/* ---- the gate ---- */

/* Counts a call. 0: go on (self->crashing, self->shortening say how); else the answer. */
static int enter(simdisk_t *self)
{
    if (self->down)
        return -EIO;
    self->calls++;
    self->crashing = self->shortening = false;
    self->filling = self->armed && self->fault.kind == SIMDISK_FILL && self->calls >= self->fault.at;
    if (self->filling)
        return 0;
    if (!self->armed || (self->fault.for_ever ? self->calls < self->fault.at : self->calls != self->fault.at))
        return 0;
    self->fired = true;
    if (self->fault.kind == SIMDISK_FAIL)
        return -self->fault.error;
    self->shortening = self->fault.kind == SIMDISK_SHORT;
    self->crashing = self->fault.kind == SIMDISK_CRASH;
    if (!self->crashing)
        return 0;
    self->down = true;
    return simdisk_roll(self, 2) ? -EIO : 0;
}

/* The answer of a call that was carried out. */
static ssize_t leave(const simdisk_t *self, ssize_t rc)
{
    return self->down ? -EIO : rc;
}

#define ENTER(ctx)                                                                                                                         \
    simdisk_t *self = (ctx);                                                                                                               \
    do {                                                                                                                                   \
        int gate_ = enter(self);                                                                                                           \
        if (gate_ < 0)                                                                                                                     \
            return gate_;                                                                                                                  \
    } while (0)

/* How much of a transfer happens. */
static size_t portion(simdisk_t *self, size_t len)
{
    if (self->crashing)
        return (size_t)simdisk_roll(self, len + 1);
    return self->shortening && len > 1 ? 1 + (size_t)simdisk_roll(self, len - 1) : len;
}

/* ---- calls ---- */

static int sim_open(void *ctx, const char *path, int flags)
{
    ENTER(ctx);
    struct inode *dir;
    char name[NAME_ROOM];
    struct inode *inode = walk(self, path, &dir, name);
    if (inode && (flags & CCCC_O_EXCL))
        return (int)leave(self, -EEXIST);
    if (inode && ((flags & CCCC_O_DIRECTORY) != 0) != inode->is_dir && (inode->is_dir || (flags & CCCC_O_DIRECTORY)))
        return (int)leave(self, inode->is_dir ? -EISDIR : -ENOTDIR);
    if (!inode && (!dir || !(flags & CCCC_O_CREATE)))
        return (int)leave(self, -ENOENT);
    if (!inode) {
        inode = inode_new(self, false);
        log_op(dir, name, inode, "", 0);
    } else if (flags & CCCC_O_TRUNC) {
        resize(&inode->cache, 0);
    }
    int fd = 0;
    while (fd < FDS && self->fds[fd].inode)
        fd++;
    if (fd == FDS)
        return (int)leave(self, -EMFILE);
    self->fds[fd] = (struct descriptor){inode, flags};
    return (int)leave(self, fd + 100);
}

static struct inode *inode_of(simdisk_t *self, int fd)
{
    if (fd < 100 || fd >= 100 + FDS || !self->fds[fd - 100].inode)
        abort(); /* a descriptor nobody opened: a bug in what is tested */
    return self->fds[fd - 100].inode;
}

static int sim_close(void *ctx, int fd)
{
    simdisk_t *self = ctx;
    if (self->down)
        return -EIO;
    struct inode *inode = inode_of(self, fd);
    if (inode->locked_by == fd)
        inode->locked_by = -1;
    self->fds[fd - 100] = (struct descriptor){0};
    return 0;
}

static ssize_t sim_pread(void *ctx, int fd, void *buf, size_t len, uint64_t offset)
{
    ENTER(ctx);
    struct inode *inode = inode_of(self, fd);
    if (offset >= inode->cache.size)
        return leave(self, 0);
    size_t have = inode->cache.size - (size_t)offset;
    len = portion(self, len < have ? len : have);
    memcpy(buf, inode->cache.bytes + offset, len);
    return leave(self, (ssize_t)len);
}

static ssize_t put(simdisk_t *self, int fd, const void *buf, size_t len, size_t offset)
{
    struct inode *inode = inode_of(self, fd);
    if (!(self->fds[fd - 100].flags & CCCC_O_WRITE))
        return leave(self, -EBADF);
    if (self->filling && self->fired)
        return -self->fault.error;
    len = self->filling ? (size_t)simdisk_roll(self, len + 1) : portion(self, len);
    self->fired |= self->filling;
    if (len == 0)
        return leave(self, 0);
    size_t old = inode->cache.size;
    if (offset + len > old)
        resize(&inode->cache, offset + len);
    memcpy(inode->cache.bytes + offset, buf, len);
    mark_dirty(inode, offset < old ? offset : old, offset + len);
    return leave(self, (ssize_t)len);
}

static ssize_t sim_pwrite(void *ctx, int fd, const void *buf, size_t len, uint64_t offset)
{
    ENTER(ctx);
    inode_of(self, fd);
    if (self->fds[fd - 100].flags & CCCC_O_APPEND)
        abort(); /* Linux would append */
    return put(self, fd, buf, len, (size_t)offset);
}

static ssize_t sim_append(void *ctx, int fd, const void *buf, size_t len)
{
    ENTER(ctx);
    return put(self, fd, buf, len, inode_of(self, fd)->cache.size);
}

/* The device refused: some pages made it, the rest are forgotten, and all of them look clean from now on. */
static void lose_pages(simdisk_t *self, struct inode *inode)
{
    if (inode->cache.size > inode->disk.size)
        resize(&inode->disk, inode->cache.size);
    for (size_t page = 0; page < pages_of(inode->disk.size) && page < inode->dirty_room; page++)
        if (inode->dirty[page] && simdisk_roll(self, 3) == 0)
            write_through(inode, page * PAGE, (page + 1) * PAGE);
    clean(inode);
}

static int sim_sync(void *ctx, int fd)
{
    simdisk_t *self = ctx;
    int gate = enter(self);
    if (gate < 0 && self->down)
        return gate;
    struct inode *inode = inode_of(self, fd);
    if (gate < 0) {
        if (!inode->is_dir)
            lose_pages(self, inode);
        return gate;
    }
    if (self->crashing) {
        if (inode->is_dir)
            sync_entries(self, inode);
        return -EIO; /* a file's pages meet their fate in the power cut */
    }
    if (inode->is_dir) {
        sync_entries(self, inode);
    } else {
        write_back(inode);
        self->syncs++;
    }
    return 0;
}

static int sim_truncate(void *ctx, int fd, uint64_t size)
{
    ENTER(ctx);
    struct inode *inode = inode_of(self, fd);
    resize(&inode->cache, (size_t)size);
    return (int)leave(self, 0);
}

static void fill_stat(const struct inode *inode, struct cccc_stat *out)
{
    *out = (struct cccc_stat){.size = inode->cache.size,
                              .device = DEVICE,
                              .inode = inode->number,
                              .mode = inode->is_dir ? 0700 : 0600,
                              .uid = geteuid(),
                              .is_dir = inode->is_dir,
                              .is_regular = !inode->is_dir};
}

static int sim_stat(void *ctx, const char *path, struct cccc_stat *out)
{
    ENTER(ctx);
    struct inode *dir;
    char name[NAME_ROOM];
    struct inode *inode = walk(self, path, &dir, name);
    if (inode)
        fill_stat(inode, out);
    return (int)leave(self, inode ? 0 : -ENOENT);
}

static int sim_fstat(void *ctx, int fd, struct cccc_stat *out)
{
    ENTER(ctx);
    fill_stat(inode_of(self, fd), out);
    return (int)leave(self, 0);
}

static int sim_rename(void *ctx, const char *from, const char *to)
{
    ENTER(ctx);
    struct inode *from_dir, *to_dir;
    char from_name[NAME_ROOM], to_name[NAME_ROOM];
    struct inode *inode = walk(self, from, &from_dir, from_name);
    walk(self, to, &to_dir, to_name);
    if (!inode || !to_dir)
        return (int)leave(self, -ENOENT);
    if (from_dir == to_dir) {
        log_op(to_dir, to_name, inode, from_name, 0);
        return (int)leave(self, 0);
    }
    self->last_pair++;
    log_op(to_dir, to_name, inode, "", self->last_pair);
    log_op(from_dir, from_name, NULL, "", self->last_pair);
    return (int)leave(self, 0);
}

static int sim_unlink(void *ctx, const char *path)
{
    ENTER(ctx);
    struct inode *dir;
    char name[NAME_ROOM];
    struct inode *inode = walk(self, path, &dir, name);
    if (inode)
        log_op(dir, name, NULL, "", 0);
    return (int)leave(self, inode ? 0 : -ENOENT);
}

static int sim_mkdir(void *ctx, const char *path)
{
    ENTER(ctx);
    struct inode *dir;
    char name[NAME_ROOM];
    if (walk(self, path, &dir, name))
        return (int)leave(self, -EEXIST);
    if (!dir)
        return (int)leave(self, -ENOENT);
    log_op(dir, name, inode_new(self, true), "", 0);
    return (int)leave(self, 0);
}

static int sim_lock(void *ctx, int fd)
{
    ENTER(ctx);
    struct inode *inode = inode_of(self, fd);
    if (inode->locked_by >= 0 && inode->locked_by != fd)
        return (int)leave(self, -EWOULDBLOCK);
    inode->locked_by = fd;
    return (int)leave(self, 0);
}

static int sim_list(void *ctx, const char *path, void (*each)(void *arg, const char *name), void *arg)
{
    ENTER(ctx);
    struct inode *dir;
    char name[NAME_ROOM];
    struct inode *inode = walk(self, path, &dir, name);
    if (!inode || !inode->is_dir)
        return (int)leave(self, inode ? -ENOTDIR : -ENOENT);
    inode->listed = true;
    for (size_t i = 0; i < inode->now.count; i++)
        each(arg, inode->now.at[i].name);
    inode->listed = false;
    return (int)leave(self, 0);
}

static int sim_drop_cache(void *ctx, int fd)
{
    ENTER(ctx);
    struct inode *inode = inode_of(self, fd);
    size_t both = inode->cache.size < inode->disk.size ? inode->cache.size : inode->disk.size;
    for (size_t page = 0; page < pages_of(both); page++) {
        size_t at = page * PAGE, len = both - at < PAGE ? both - at : PAGE;
        if (page >= inode->dirty_room || !inode->dirty[page])
            memcpy(inode->cache.bytes + at, inode->disk.bytes + at, len);
    }
    return (int)leave(self, 0);
}

/* ---- outside ---- */

simdisk_t *simdisk_new(uint64_t seed)
{
    simdisk_t *self = room(NULL, sizeof *self);
    *self = (simdisk_t){.dice = seed};
    self->vfs = (struct cccc_vfs){
        .ctx = self,
        .open = sim_open,
        .close = sim_close,
        .pread = sim_pread,
        .pwrite = sim_pwrite,
        .append = sim_append,
        .sync = sim_sync,
        .truncate = sim_truncate,
        .stat = sim_stat,
        .fstat = sim_fstat,
        .rename = sim_rename,
        .unlink = sim_unlink,
        .mkdir = sim_mkdir,
        .lock = sim_lock,
        .list = sim_list,
        .drop_cache = sim_drop_cache,
    };
    self->root = inode_new(self, true);
    return self;
}

void simdisk_destroy(simdisk_t **self)
{
    for (struct inode *inode = (*self)->inodes, *next; inode; inode = next) {
        next = inode->next;
        free(inode->cache.bytes);
        free(inode->disk.bytes);
        free(inode->dirty);
        free(inode->now.at);
        free(inode->synced.at);
        free(inode->ops);
        free(inode);
    }
    free(*self);
    *self = NULL;
}

const struct cccc_vfs *simdisk_vfs(simdisk_t *self)
{
    return &self->vfs;
}

void simdisk_arm(simdisk_t *self, const struct simdisk_fault *fault)
{
    self->armed = fault != NULL;
    if (fault)
        self->fault = *fault;
    self->fired = false;
    self->calls = 0;
}

uint64_t simdisk_calls(const simdisk_t *self)
{
    return self->calls;
}

bool simdisk_fired(const simdisk_t *self)
{
    return self->fired;
}

bool simdisk_is_down(const simdisk_t *self)
{
    return self->down;
}

void simdisk_halt(simdisk_t *self)
{
    self->down = true;
}

void simdisk_kill(simdisk_t *self)
{
    memset(self->fds, 0, sizeof self->fds);
    for (struct inode *inode = self->inodes; inode; inode = inode->next)
        inode->locked_by = -1;
    self->down = self->armed = false;
}

void simdisk_power_cut(simdisk_t *self, enum simdisk_loss loss)
{
    simdisk_kill(self);
    if (self->last_pair > 0)
        self->pair_fate = simdisk_roll(self, UINT64_MAX);
    for (struct inode *inode = self->inodes; inode; inode = inode->next) {
        if (inode->is_dir)
            settle_dir(self, inode, loss);
        else
            settle_file(self, inode, loss);
    }
}

unsigned simdisk_open_files(const simdisk_t *self)
{
    unsigned count = 0;
    for (int i = 0; i < FDS; i++)
        count += self->fds[i].inode != NULL;
    return count;
}

uint64_t simdisk_syncs(const simdisk_t *self)
{
    return self->syncs;
}

bool simdisk_peek(simdisk_t *self, const char *path, const char **bytes, size_t *len)
{
    struct inode *dir;
    char name[NAME_ROOM];
    struct inode *inode = walk(self, path, &dir, name);
    if (!inode || inode->is_dir)
        return false;
    *bytes = inode->cache.bytes;
    *len = inode->cache.size;
    return true;
}

bool simdisk_dig(const simdisk_t *self, bool (*is_it)(void *arg, const char *bytes, size_t len), void *arg, const char **bytes, size_t *len)
{
    const struct inode *inode = self->inodes;
    while (inode && (inode->is_dir || !is_it(arg, inode->cache.bytes, inode->cache.size)))
        inode = inode->next;
    if (!inode)
        return false;
    *bytes = inode->cache.bytes;
    *len = inode->cache.size;
    return true;
}

bool simdisk_is_durable(const simdisk_t *self, cccc_str_t text)
{
    const struct inode *inode = self->inodes;
    while (inode && (inode->is_dir || inode->disk.size == 0 || !memmem(inode->disk.bytes, inode->disk.size, text.ptr, text.len)))
        inode = inode->next;
    return inode != NULL;
}

static void become(struct inode *inode, const char *bytes, size_t len)
{
    inode->cache.size = 0;
    resize(&inode->cache, len);
    if (len)
        memcpy(inode->cache.bytes, bytes, len);
    copy_face(&inode->disk, &inode->cache);
    clean(inode);
}

void simdisk_poke(simdisk_t *self, const char *path, const char *bytes, size_t len)
{
    struct inode *dir;
    char name[NAME_ROOM];
    struct inode *inode = walk(self, path, &dir, name);
    if (!dir)
        abort();
    if (!inode)
        inode = inode_new(self, false);
    set(&dir->now, name, inode);
    set(&dir->synced, name, inode);
    become(inode, bytes, len);
}

void simdisk_restore(simdisk_t *self, const char *path, const char *bytes, size_t len)
{
    struct inode *dir;
    char name[NAME_ROOM];
    walk(self, path, &dir, name);
    if (!dir)
        abort();
    struct inode *inode = inode_new(self, false);
    set(&dir->now, name, inode);
    set(&dir->synced, name, inode);
    become(inode, bytes, len);
}
