/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decode/devices.h"

#include <inttypes.h>

#include "decode/constants.h"
#include "decode/keytext.h"
#include "guest/mtree.h"

#define LOCAL_APIC UINT64_C(0xfee00000)

struct vh_devices {
	struct vh_mtree tree, flat;
};

struct fixed {
	uint64_t first, last;
	const char *name;
};
static const struct fixed ports[] = {
#define PORT(first, last, device) {first, last, device},
#include "decode/tables/ports.def"
};
static const struct fixed addresses[] = {
#define ADDRESS(first, last, device) {first, last, device},
#define VIRT_ADDRESS(first, last, device)
#include "decode/tables/addresses.def"
};
#undef ADDRESS
#undef VIRT_ADDRESS
static const struct fixed virt_addresses[] = {
#define ADDRESS(first, last, device)
#define VIRT_ADDRESS(first, last, device) {first, last, device},
#include "decode/tables/addresses.def"
};

static const char *find_fixed(const struct fixed *rows, size_t n, uint64_t address)
{
	for (size_t i = 0; i < n; i++)
		if (address >= rows[i].first && address <= rows[i].last)
			return rows[i].name;
	return NULL;
}

struct vh_devices *vh_devices_parse(struct vh_str mtree, struct vh_str mtree_flat)
{
	struct vh_devices *d = vh_alloc(sizeof(*d));

	vh_mtree_parse(&d->tree, mtree);
	vh_mtree_parse(&d->flat, mtree_flat);
	return d;
}

void vh_devices_free(struct vh_devices *d)
{
	if (!d)
		return;
	vh_mtree_free(&d->tree);
	vh_mtree_free(&d->flat);
	free(d);
}

/* What only holds others, and says nothing of the device. */
static bool is_root(const char *name)
{
	return vh_streq(name, "io") || vh_streq(name, "system") || vh_streq(name, "pci") ||
	       vh_streq(name, "memory") || vh_streq(name, "bus master container");
}

/* "virtio-pci-notify-virtio-net of net0", "xhci: doorbell" */
static void add_region(
	struct vh_buf *b, const struct vh_devices *d, const char *space, const struct vh_region *r)
{
	const struct vh_region_list *tree = vh_mtree_list(&d->tree, space);
	const struct vh_region *in =
		tree ? vh_mtree_container(tree, r->name, r->first - r->offset) : NULL;
	/* In a flat view the offset is into the region; in a tree only aliases have one. */
	if (r->kind == VH_REGION_RAM) {
		vh_buf_printf(b, "memory %s", r->name);
		return;
	}
	if (r->kind == VH_REGION_ROM) {
		vh_buf_printf(b, "read-only memory %s", r->name);
		return;
	}
	/* Containers are often called as what is in them. */
	if (in && !is_root(in->name) && !strstr(r->name, in->name) && !strstr(in->name, r->name))
		vh_buf_printf(b, "%s: ", in->name);
	vh_buf_puts(b, r->name);
	if (r->owner)
		vh_buf_printf(b, " of %s", r->owner);
}

/* As QEMU says; false where it does not tell. *r NULL: it says that nothing is there. */
static bool ask_qemu(
	const struct vh_devices *d, const char *space, uint64_t address, const struct vh_region **r)
{
	const struct vh_region_list *flat = d ? vh_mtree_list(&d->flat, space) : NULL;
	const struct vh_region_list *tree = d ? vh_mtree_list(&d->tree, space) : NULL;

	*r = NULL;
	if (flat)
		*r = vh_mtree_flat_at(flat, address);
	else if (tree)
		*r = vh_mtree_at(&d->tree, tree, address);
	else
		return false;
	if (*r && is_root((*r)->name))
		*r = NULL;
	return true;
}

static char *name_of(
	const struct vh_devices *d, const char *space, uint64_t address, const char *fixed)
{
	const struct vh_region *r;
	struct vh_buf b = {0};

	if (!ask_qemu(d, space, address, &r))
		return vh_strdup(fixed);
	if (!r)
		return vh_strdup("no device");
	if (fixed && r->kind == VH_REGION_IO)
		vh_buf_printf(&b, "%s, ", fixed);
	add_region(&b, d, space, r);
	return vh_buf_steal(&b);
}

char *vh_devices_port(const struct vh_devices *d, uint64_t port)
{
	if (port > 0xffff)
		return NULL;
	return name_of(d, "I/O", port, find_fixed(ports, VH_ARRAY_SIZE(ports), port));
}

/* The registers of the local APIC are those of the x2APIC, 16 bytes each. */
static char *local_apic(uint64_t gpa)
{
	uint64_t offset = gpa - LOCAL_APIC;
	const char *name = vh_msr_name(0x800 + offset / 16);

	if (offset == 0x310)
		return vh_strdup("local APIC, ICR high word");
	if (!name || !vh_prefix(name, "x2APIC "))
		return vh_strdup("local APIC");
	return vh_asprintf("local APIC, %s", name + strlen("x2APIC "));
}

char *vh_devices_address(const struct vh_devices *d, uint64_t gpa)
{
	/* QEMU shows one region for all interrupt messages; the vCPU's own APIC lies before it. */
	if (gpa >= LOCAL_APIC && gpa < LOCAL_APIC + 0x1000)
		return local_apic(gpa);
	return name_of(d, "memory", gpa, find_fixed(addresses, VH_ARRAY_SIZE(addresses), gpa));
}

char *vh_devices_virt_address(const struct vh_devices *d, uint64_t gpa)
{
	return name_of(
		d, "memory", gpa, find_fixed(virt_addresses, VH_ARRAY_SIZE(virt_addresses), gpa));
}
