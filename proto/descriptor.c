/* descriptor.c - see descriptor.h. */
#include "proto/descriptor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool cccc_folder_id(const char *path, char out[CCCC_FOLDER_ID_BYTES])
{
    struct stat st;
    out[0] = '\0';
    if (stat(path, &st) != 0)
        return false;
    snprintf(out, CCCC_FOLDER_ID_BYTES, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    return true;
}

bool cccc_descriptor_is_of(const cccc_value_t *descriptor, const char *home)
{
    char here[CCCC_FOLDER_ID_BYTES];
    cccc_str_t folder = cccc_get_str(descriptor, "folder");
    return folder.len == 0 || (cccc_folder_id(home, here) && cccc_str_is(folder, here));
}

/* The field `number` (proc(5)) of a line of /proc/PID/stat, where `at` is field 3. */
static uint64_t stat_field(const char *at, int number)
{
    for (int field = 3; at && field < number; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at, NULL, 10) : 0;
}

bool cccc_is_daemon(int64_t pid, uint64_t started)
{
    enum { FIELD_STARTED = 22 };
    static const char name[] = "(ccccd) ";
    const char *at;
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
    FILE *file = pid > 0 ? fopen(path, "re") : NULL;
    bool got = file && fgets(text, sizeof text, file);
    if (file)
        fclose(file);
    at = got ? strchr(text, '(') : NULL;
    if (!at || strncmp(at, name, strlen(name)) != 0)
        return false;
    at += strlen(name); /* the state */
    return *at != 'Z' && *at != 'X' && (started == 0 || stat_field(at, FIELD_STARTED) == started);
}
