/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Page tables that a guest wrote: an image with a few mappings, then the input aims at it, sixteen
 * bytes a time: where (page and offset, among the tables or anywhere) and which entry is written
 * there. The last bytes of the input are addresses that are translated and read. What must hold:
 * nothing crashes; the walker reads no more than its budget; a range lies where it was asked for;
 * what is translated twice is translated alike.
 */
#include <assert.h>

#include "fuzz.h"
#include "pristine.h"

#define BUDGET (UINT64_C(8) << 20)

static const char description[] = "map ffffffff81000000 1000000 4000 x\n"
				  "map ffffffff81004000 1004000 2000 -\n"
				  "map ffffffff81006000 7000 1000 w\n"
				  "map ffffffffa0000000 9000 1000 w\n"
				  "map 400000 b000 1000 wu\n";

struct aim {
	uint32_t page;
	uint32_t entry;
	uint64_t value;
};

/* Entries mostly lead to a page that is there: wild ones alone would end each walk at once. */
static void corrupt(struct pristine *p, const struct aim *a)
{
	const struct image *i = p->i;
	uint64_t value = a->value;

	if (value >> 62 != 3)
		value = (value & UINT64_C(0x8000000000000fff)) | i->gpa[(value >> 12) % i->n].a;
	pristine_write(
		p, a->page % i->n * VH_GUEST_PAGE + a->entry % 512 * 8, &value, sizeof(value));
}

static void read_at(struct image *i, uint64_t gva, size_t n)
{
	static uint8_t to[1 << 16];
	struct vh_mapping first, again;
	int err = vh_space_translate(i->space, gva, &first);

	assert(err == vh_space_translate(i->space, gva, &again));
	assert(err || first.gpa.a == again.gpa.a);
	vh_space_read(i->space, gva, to, n % sizeof(to));
	vh_space_string(i->space, gva, (char *)to, n % 256 + 1);
	vh_space_freeze(i->space, gva, n);
	vh_space_read(i->space, gva, to, n % sizeof(to));
	vh_space_freeze(i->space, 0, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vh_range ranges[256];
	static struct pristine kept;
	struct aim aim;

	if (!kept.i)
		pristine_keep(&kept, image_new(description));
	struct image *i = kept.i;

	for (; size >= 2 * sizeof(aim); data += sizeof(aim), size -= sizeof(aim)) {
		memcpy(&aim, data, sizeof(aim));
		corrupt(&kept, &aim);
	}
	image_done(i);
	vh_memory_set_budget(i->memory, BUDGET, (struct vh_deadline){INT64_MAX});
	size_t n = vh_space_ranges(
		i->space, VH_KERNEL_LOW, VH_KERNEL_HIGH, ranges, VH_ARRAY_SIZE(ranges));

	for (size_t k = 0; k < n; k++) {
		assert(ranges[k].gva + (ranges[k].bytes - 1) >= VH_KERNEL_LOW);
		assert(ranges[k].bytes);
	}
	for (; size >= sizeof(uint64_t); data += sizeof(uint64_t), size -= sizeof(uint64_t)) {
		uint64_t gva;

		memcpy(&gva, data, sizeof(gva));
		read_at(i, gva, (size_t)(gva >> 7 & 0xffff));
		read_at(i, UINT64_C(0xffffffff81000000) | (gva & 0xffffff), 4096);
	}
	assert(vh_memory_used(i->memory).bytes <= BUDGET);
	pristine_restore(&kept);
	return 0;
}
