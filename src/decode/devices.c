/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decode/devices.h"

struct vh_devices {
	int nothing_yet;
};

struct vh_devices *vh_devices_parse(struct vh_str mtree, struct vh_str mtree_flat)
{
	return mtree.n || mtree_flat.n ? vh_alloc(sizeof(struct vh_devices)) : NULL;
}

void vh_devices_free(struct vh_devices *d)
{
	free(d);
}

char *vh_devices_port(const struct vh_devices *d VH_UNUSED, uint64_t port)
{
	return port == 0x3f8 ? vh_strdup("serial port COM1") : NULL;
}

char *vh_devices_address(const struct vh_devices *d VH_UNUSED, uint64_t gpa VH_UNUSED)
{
	return NULL;
}
