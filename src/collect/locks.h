/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inside of collect: who holds the lock that a thread waits for. */
#pragma once

#include "collect/passive.h"

/* Of each thread whose task.syscall in the batch waits for a lock: reads the lock (task.futex of
 * docs/evidence.md). */
void vh_collect_locks(
	struct vh_host *host, struct vh_case *c, enum vh_round round, const struct vh_batch *batch);
