/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connecting to a monitor's socket as the VM names it, without ever waiting past a deadline: the
 * path is looked up on a thread of its own (it may lie on a stalled file system), inside the VM's
 * own root (it may live in a container), and may be longer than a sockaddr_un holds.
 */
#pragma once

#include "base/guard.h"
#include "base/host.h"

/*
 * Connects to `address` ("unix:/path" or "tcp:host:port", as in struct vh_monitor_addr) of process
 * pid. Returns a non-blocking stream socket, or a negative errno and *why, a sentence without stop
 * (the caller frees it):
 *   -ENOENT, -ENOTDIR   no such socket              -EAGAIN     its backlog is full
 *   -ECONNREFUSED       nobody listens on it        -EACCES     not ours to use
 *   -ETIMEDOUT          the look-up or the connect did not end by the deadline
 *   -ENOTCONN           it is another process's by now
 *   -EINVAL             no address that can be connected to from here
 */
int vh_endpoint_connect(struct vh_host *host, struct vh_guard *guard, pid_t pid,
	const char *address, struct vh_deadline deadline, char **why);

/* True for an address that vh_endpoint_connect can try. */
bool vh_endpoint_usable(const char *address);
