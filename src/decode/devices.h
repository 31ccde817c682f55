/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which device a port or a physical address belongs to: as QEMU says (info mtree, info mtree -f),
 * else by what is fixed on every PC.
 */
#pragma once

#include "base/text.h"

struct vh_devices;
/* The texts of `info mtree` and `info mtree -f`; either may be empty. Hostile: bounded. */
struct vh_devices *vh_devices_parse(struct vh_str mtree, struct vh_str mtree_flat);
void vh_devices_free(struct vh_devices *d);
/* What is there, escaped; d may be NULL. NULL where nothing is known. The caller frees it. */
char *vh_devices_port(const struct vh_devices *d, uint64_t port);
char *vh_devices_address(const struct vh_devices *d, uint64_t gpa);
/* The same on arm64, where without QEMU's word it is taken for QEMU's machine "virt". */
char *vh_devices_virt_address(const struct vh_devices *d, uint64_t gpa);
