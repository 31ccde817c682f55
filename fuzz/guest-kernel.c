/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A kernel in an image of a guest's memory: its page tables, its symbols, its note and its
 * variables, at which the input aims, and registers that it changes. Found by registers or by a
 * search of memory, described, its addresses named. What must hold: nothing crashes, the budget is
 * kept, and where nothing was found a sentence says why.
 */
#include <assert.h>

#include "fuzz.h"
#include "guest/kernel_search.h"
#include "pristine.h"
#include "tests/unit/guest/tinykernel.h"

#define BUDGET (UINT64_C(4) << 20)

static struct pristine images[KALLSYMS_6_15];

/* Pages that are aimed at: variables twice, the note, the end of the read-only data, tables. */
static const uint64_t targets[] = {0x2800000, 0x2801000, 0x3000000, 0x200f000, IMAGE_TABLES,
	IMAGE_TABLES + 0x1000, IMAGE_TABLES + 0x2000, IMAGE_TABLES + 0x3000, 0x2000000, 0x2003000};

struct aim {
	uint8_t target, bytes;
	uint16_t at;
	uint64_t value;
} __attribute__((packed));

static void corrupt(struct pristine *p, const struct aim *a)
{
	size_t page = pristine_page(p, targets[a->target % VH_ARRAY_SIZE(targets)]);
	size_t at = a->at % VH_GUEST_PAGE, n = VH_MIN(a->bytes % 8u + 1, VH_GUEST_PAGE - at);

	pristine_write(p, page + at, &a->value, n);
}

static void ask(struct vh_kernel *k, struct vh_inside *in, uint64_t gva)
{
	struct vh_frame f = {0};
	uint64_t variable;

	vh_kernel_describe(k, in);
	assert(in->kernel.n_symbols < 4096);
	assert(in->kernel.uptime_ns >= -1);
	vh_kernel_is_text(k, gva);
	vh_kernel_name(k, gva, &f);
	vh_kernel_name(k, TINY_TEXT + (gva & 0xffff), &f);
	free(f.symbol);
	free(f.module);
	vh_kernel_percpu(k, "percpu_1", (int)gva, &variable);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t first = size ? data[0] : 0;
	enum kallsyms_layout layout = first % KALLSYMS_6_15;
	struct vh_kernel_options options = {.only_log = first & 0x80, .no_scan = first & 0x40};
	struct vh_cpu cpus[2] = {tiny_cpu(0, IMAGE_TABLES), tiny_cpu(1, IMAGE_TABLES | 0x1000)};
	size_t n_cpus = first >> 4 & 3;
	struct aim aim = {0};
	struct vh_kernel k;

	struct pristine *kept = &images[layout];

	if (!kept->i)
		pristine_keep(kept, tiny_image(layout));
	if (size)
		data++, size--;
	for (; size >= sizeof(aim); data += sizeof(aim), size -= sizeof(aim)) {
		memcpy(&aim, data, sizeof(aim));
		if (aim.target >= 0xf8)
			cpus[aim.target & 1].x86.cr3 = aim.value;
		else if (aim.target >= 0xf4)
			cpus[aim.target & 1].x86.cr4 ^= UINT64_C(1) << (aim.value & 63);
		else if (aim.target >= 0xf0)
			cpus[aim.target & 1].x86.idt_base = aim.value;
		else
			corrupt(kept, &aim);
	}
	struct vh_memory *m = vh_memory_of_pages(kept->i->gpa, kept->i->n, kept->i->data);
	struct vh_inside *in = vh_inside_new(VH_INSIDE_NO_LINUX);

	vh_memory_set_budget(m, BUDGET, (struct vh_deadline){INT64_MAX});
	if (vh_kernel_find(m, cpus, VH_MIN(n_cpus, (size_t)2), &options, in, &k))
		ask(&k, in, aim.value);
	else
		assert(in->why);
	assert(vh_memory_used(m).bytes <= BUDGET);
	vh_kernel_close(&k);
	vh_inside_free(in);
	vh_memory_free(m);
	pristine_restore(kept);
	return 0;
}
