/* shared_page.h - the file through which a test steers a preloaded library while the process it is in runs (faults.py writes the other side). */
#pragma once

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The first `bytes` of the file that the environment variable `name` names, shared; NULL when there is none. */
static inline void *shared_page(const char *name, size_t bytes)
{
    const char *path = getenv(name);
    long fd = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return NULL;
    void *page = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, (int)fd, 0);
    syscall(SYS_close, fd);
    return page == MAP_FAILED ? NULL : page;
}
