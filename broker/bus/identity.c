/* identity.c - from kernel credentials to a peer, see identity.h. */
#include "broker/bus/identity.h"

#include <unistd.h>

/* A decimal number of at most 32 bits that ends at `end`; NULL when it is not one. */
static const char *read_number(const char *s, char end, uint32_t *out)
{
    uint64_t n = 0;
    const char *p = s;
    for (; *p >= '0' && *p <= '9' && p - s < 10; p++)
        n = n * 10 + (uint64_t)(*p - '0');
    if (p == s || *p != end || n > UINT32_MAX)
        return NULL;
    *out = (uint32_t)n;
    return p + 1;
}

static bool read_address(const char *address, struct cccc_peer *out)
{
    static const char prefix[] = "localhost:";
    if (strncmp(address, prefix, sizeof prefix - 1) != 0)
        return false;
    const char *p = address + sizeof prefix - 1;
    uint32_t pid;
    if (!(p = read_number(p, ':', &out->uid)) || !(p = read_number(p, ':', &out->gid)) || !read_number(p, '\0', &pid) || pid > INT32_MAX)
        return false;
    out->pid = (int32_t)pid;
    return true;
}

cccc_err_t cccc_identify(const char *address, struct cccc_peer *out, struct cccc_errmsg *m)
{
    *out = (struct cccc_peer){.standing = CCCC_PEER_UNKNOWN};
    if (!address || !read_address(address, out))
        return cccc_fail(m, CCCC_E_PERMISSION_DENIED,
                         "the kernel does not say who is calling; connect over the ipc endpoint in ccccd.addr.json");
    return cccc_identify_process(out->uid, out->gid, out->pid, out, m);
}

cccc_err_t cccc_identify_process(uint32_t uid, uint32_t gid, int32_t pid, struct cccc_peer *out, struct cccc_errmsg *m)
{
    *out = (struct cccc_peer){.standing = CCCC_PEER_UNKNOWN, .uid = uid, .gid = gid, .pid = pid};
    if (uid != getuid())
        return cccc_fail(m, CCCC_E_PERMISSION_DENIED,
                         "this daemon serves uid %u and the caller is uid %u; run the command as the daemon's user", (unsigned)getuid(),
                         uid);
    /* A process of a namespace that cannot be seen from here has no pid: it may look, but is nobody. */
    if (pid > 0)
        out->standing = CCCC_PEER_OPERATOR;
    return CCCC_OK;
}
