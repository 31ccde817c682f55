/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pulse of a window (base/pulse.h): looks at a few threads while the window passes. */
#pragma once

#include "base/buf.h"
#include "collect/collect.h"

/* Looks at the threads of the case's first look until a time, and writes what it saw. A captured
 * host has no pulse: then it only waits, and a live one's case has a piece more. */
void vh_pulse_wait(
	struct vh_host *host, const struct vh_case *c, int64_t until_ns, struct vh_buf *pulse);
/* Adds it to the case (task.pulse): as VH_LAST, or as VH_ONCE that of the window before. */
void vh_pulse_to_case(
	struct vh_case *c, enum vh_round round, const struct vh_buf *pulse, int64_t began_ns);
