/* fail_malloc.c - preloaded into a real process: the n-th allocation fails, or every one from then on.
 *
 * FAULT_MALLOC names a file that holds one struct order. Counting begins when the test arms it. Allocations are told apart by who asked: the program
 * itself or msgpack-c for it (OURS), or any (ALL); what the C library and its loader do in between is among the latter only.
 * A site is where an allocation of ours comes from: the return addresses of its caller and of the caller's callers. With `by_site`, the count is of
 * sites that have not been seen before, so that a scenario that allocates a thousand times in fifty places takes fifty runs, not a thousand.
 * Thread: any; `sites` is guarded by a lock without allocations. */
#include "tests/faults/shared_page.h"

#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t items, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);

enum { SITES_MAX = 4096, FRAMES = 8 };

struct order {
    _Atomic int32_t armed;
    int32_t all;      /* also what libraries allocate for themselves */
    int32_t for_ever; /* fail all from the n-th on, not just that one */
    int32_t by_site;
    uint64_t first;
    _Atomic uint64_t counted, failed;
};

static struct order *order;
static struct {
    uintptr_t from, to;
} ours[2]; /* code of the program, and of msgpack-c */
static _Atomic uint64_t sites[SITES_MAX];
static _Thread_local bool inside;

static int note_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    int *index = arg;
    bool program = (*index)++ == 0;
    if (!program && !strstr(info->dlpi_name, "libmsgpack"))
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X))
            continue;
        ours[!program].from = info->dlpi_addr + part->p_vaddr;
        ours[!program].to = ours[!program].from + part->p_memsz;
    }
    return 0;
}

__attribute__((constructor)) static void attach(void)
{
    void *warm[2];
    int index = 0;
    backtrace(warm, 2); /* it loads a library at its first use */
    dl_iterate_phdr(note_module, &index);
    order = shared_page("FAULT_MALLOC", sizeof *order);
}

static bool is_ours(const void *caller)
{
    uintptr_t at = (uintptr_t)caller;
    return (at >= ours[0].from && at < ours[0].to) || (at >= ours[1].from && at < ours[1].to);
}

/* A number for where this comes from: the program's own frames, wherever it was loaded. */
static uint64_t site_of_caller(void)
{
    void *frames[FRAMES + 3];
    uint64_t hash = 1469598103934665603u;
    int count = backtrace(frames, FRAMES + 3);
    for (int i = 2; i < count; i++)
        if (is_ours(frames[i]))
            hash = (hash ^ ((uintptr_t)frames[i] - ours[0].from)) * 1099511628211u;
    return hash | 1;
}

/* False when the site has been seen before. */
static bool is_new(uint64_t site)
{
    for (size_t i = 0; i < SITES_MAX; i++) {
        uint64_t at = 0, slot = (site + i) % SITES_MAX;
        if (atomic_compare_exchange_strong(&sites[slot], &at, site))
            return true;
        if (at == site)
            return false;
    }
    return false;
}

static bool counts(const void *caller)
{
    if (!order->all && !is_ours(caller))
        return false;
    return !order->by_site || is_new(site_of_caller());
}

static bool must_fail(const void *caller)
{
    if (!order || inside || !atomic_load_explicit(&order->armed, memory_order_acquire))
        return false;
    if (order->for_ever && atomic_load(&order->failed) > 0 && (order->all || is_ours(caller)))
        return true;
    inside = true;
    bool fails = counts(caller) && atomic_fetch_add(&order->counted, 1) + 1 == order->first;
    inside = false;
    if (fails)
        atomic_fetch_add(&order->failed, 1);
    return fails;
}

#define UNLESS_IT_FAILS(call) (must_fail(__builtin_return_address(0)) ? (errno = ENOMEM, (void *)NULL) : (call))

void *malloc(size_t bytes)
{
    return UNLESS_IT_FAILS(__libc_malloc(bytes));
}

void *calloc(size_t items, size_t bytes)
{
    return UNLESS_IT_FAILS(__libc_calloc(items, bytes));
}

void *realloc(void *old, size_t bytes)
{
    return UNLESS_IT_FAILS(__libc_realloc(old, bytes));
}

void *reallocarray(void *old, size_t items, size_t bytes)
{
    size_t total;
    if (__builtin_mul_overflow(items, bytes, &total)) {
        errno = ENOMEM;
        return NULL;
    }
    return UNLESS_IT_FAILS(__libc_realloc(old, total));
}
