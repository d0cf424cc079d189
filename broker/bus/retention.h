/* retention.h - removing what the retention rules of groups no longer want kept.
 *
 * Thread: the loop's. */
#pragma once

#include "broker/bus/shelf.h"

/* Something was sealed; or somebody `asked` for it, and takes it that the loop is held up by a large state. */
void cccc_retention_look(struct cccc_bus *bus, struct cccc_shelf *shelf, bool asked);
/* Take the next step of a retirement that waited for reads. */
void cccc_retention_go_on(struct cccc_bus *bus, struct cccc_shelf *shelf);
/* Once a second. */
void cccc_retention_tick(struct cccc_bus *bus);
