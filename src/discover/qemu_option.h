/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One option string of QEMU as key and value pairs, whichever syntax it is in: "a=1,b.c=2" with
 * ",," for a comma (QEMU util/qemu-option.c, util/keyval.c) or JSON, whose members become "b.c". */
#pragma once

#include "base/text.h"

/* More of either is not a VM but an attack; what is beyond is left out. */
#define QEMU_OPTION_PAIRS 256
#define QEMU_OPTION_BYTES (64 << 10)

struct qemu_option {
	struct qemu_pair {
		char *key;
		char *value;
	} * pairs;
	size_t n;
};

/* `implied` is the key of a first element without one ("pc" in "pc,accel=kvm"), or NULL. Other
 * elements without "=" are flags: "server" is server=on, "nowait" is wait=off. */
void qemu_option_parse(struct vh_str text, const char *implied, struct qemu_option *out);
void qemu_option_free(struct qemu_option *o);
#define auto_qemu_option __attribute__((cleanup(qemu_option_free)))
/* The last value of a key, as QEMU has it; NULL where absent. */
const char *qemu_option_get(const struct qemu_option *o, const char *key);
bool qemu_option_is(const struct qemu_option *o, const char *key, const char *value);
/* on, yes, true, y; an absent key is the fallback. */
bool qemu_option_bool(const struct qemu_option *o, const char *key, bool fallback);
