/* retention.h - removing what the retention rules of groups no longer want kept.
 *
 * Thread: the loop's. */
#pragma once

#include "broker/bus/shelf.h"

/* Something was sealed, or somebody wants it looked at now. */
void cccc_retention_look(struct cccc_bus *bus, struct cccc_shelf *shelf);
/* Take the next step of a retirement that waited for reads. */
void cccc_retention_go_on(struct cccc_bus *bus, struct cccc_shelf *shelf);
/* Once a second. */
void cccc_retention_tick(struct cccc_bus *bus);
