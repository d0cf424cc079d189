/* caller_path.h - a relative path in a request is relative to where its caller is. Clients of CCCC 0.4.0 send such paths as they were typed.
 *
 * Thread: the loop's. */
#pragma once

#include "broker/core/core.h"

/* Make the path of the request absolute, if it has a relative one and the caller's working directory can be seen; else the core refuses it. */
void cccc_caller_path(struct cccc_call_input *input);
