/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two ends of the wire between libvirt.c and its agent: JSON objects, one a line. */
#pragma once

#include "base/clock.h"
#include "base/json.h"

/* The longest line. Statistics of a VM with hundreds of disks are some 100 KiB; a monitor's answer
 * can be more. */
#define VH_WIRE_CAP (32 << 20)

struct vh_wire {
	int fd;
	struct vh_buf pending; /* read, not yet used */
};
/* Both return 0, -ETIMEDOUT, -ECONNRESET (the other end is gone), -EMSGSIZE or -EBADMSG. */
int vh_wire_send(struct vh_wire *w, struct json_object *o, struct vh_deadline deadline);
/* *o is the caller's to put. */
int vh_wire_receive(struct vh_wire *w, struct vh_deadline deadline, struct json_object **o);

/*
 * The agent: connects to uri, says {"ok": true} or why not, then answers requests until the other
 * end closes. A request is {"call": NAME, "uuid": ..., "command": ...}; an answer {"text": ...},
 * {"domains": [...]}, or {"code": ERRNO, "message": ...}. Returns when nobody asks any more.
 */
void vh_libvirt_agent_serve(int fd, const char *uri);
