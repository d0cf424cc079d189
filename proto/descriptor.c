/* descriptor.c - see descriptor.h. */
#include "proto/descriptor.h"

#include "proto/process.h"

#include <stdio.h>
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

bool cccc_is_daemon(int64_t pid, uint64_t started)
{
    struct cccc_process process;
    return pid > 0 && pid <= INT32_MAX && cccc_process_read((pid_t)pid, &process) && strcmp(process.name, "ccccd") == 0 &&
           !cccc_process_is_over(&process) && (started == 0 || process.started == started);
}
