/* disk.h - how long the disk itself takes: a worker that appends to a file of its own and syncs it, a hundred times a second. */
#pragma once

#include "clients/load/workers.h"

/* arg: the folder. The file has no name. */
void disk_worker(struct worker_board *board, struct worker_lane *lane, const void *arg);
