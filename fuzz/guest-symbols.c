/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tables of kallsyms that a guest wrote: valid ones of the layout that the first byte chooses, at
 * which the input aims, eight bytes a time: where, and what is written there. What is left of the
 * input is written over a part of them as it is. What must hold: nothing crashes; what is read is
 * bounded by what is mapped; names and addresses that are handed out are consistent.
 */
#include <assert.h>

#include "fuzz.h"
#include "pristine.h"
#include "tests/unit/guest/kallsyms.h"

#define TABLES UINT64_C(0xffffffff82000000)
#define TEXT   UINT64_C(0xffffffff81000000)
#define N      300u

static const char ranges[] = "map ffffffff81000000 1000000 4000 x\n"
			     "map ffffffff82000000 2000000 6000 -\n"
			     "map ffffffff82800000 2800000 1000 w\n";

/* Made once for each layout. */
static struct pristine images[KALLSYMS_LAYOUTS];
static struct kallsyms parts[KALLSYMS_LAYOUTS];

static void make(enum kallsyms_layout layout)
{
	struct vh_symbol *list = kallsyms_symbols(N, TEXT);
	size_t skip = layout >= KALLSYMS_6_15 ? 8 : 0;
	struct image *i = image_new(ranges);

	parts[layout] = kallsyms_of(layout, TABLES, list + skip, N - skip);
	kallsyms_put(i, &parts[layout]);
	kallsyms_symbols_free(list, N);
	pristine_keep(&images[layout], i);
}

struct aim {
	uint8_t part, bytes;
	uint16_t at;
	uint32_t value;
};

/* The pages of the tables follow each other, beginning at offset `tables` of the image. */
static void corrupt(
	const struct kallsyms *k, struct pristine *p, size_t tables, const struct aim *a)
{
	const size_t begins[] = {0, k->addresses, k->num_syms, k->names, k->markers, k->tokens,
		k->token_index, k->num_syms - 8};
	size_t at = begins[a->part % VH_ARRAY_SIZE(begins)] + a->at, n = a->bytes % 4 + 1;

	if (at + n <= 0x6000)
		pristine_write(p, tables + at, &a->value, n);
}

static void look_up(const struct vh_symbols *y)
{
	size_t n = vh_symbols_count(y);

	assert(n <= N + 256);
	/* Some of them. */
	for (size_t i = n % 16; i < n; i += 16) {
		struct vh_symbol s, at;
		uint64_t gva;

		assert(vh_symbols_get(y, i, &s));
		assert(strlen(s.name) < 512);
		if (*s.name && s.gva >> 63 && vh_symbols_at(y, s.gva, &at))
			assert(at.gva == s.gva);
		vh_symbols_address(y, s.name, &gva);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum kallsyms_layout layout = size ? data[0] % KALLSYMS_LAYOUTS : KALLSYMS_5_4;
	size_t aims = size ? data[0] / KALLSYMS_LAYOUTS : 0;
	struct vh_symbols *y;
	struct vh_range found[16];
	struct aim aim;
	char *why;

	if (!images[layout].i)
		make(layout);
	struct pristine *kept = &images[layout];
	struct image *i = kept->i;
	size_t tables = pristine_page(kept, 0x2000000);

	if (size)
		data++, size--;
	for (; aims && size >= sizeof(aim); aims--) {
		memcpy(&aim, data, sizeof(aim));
		data += sizeof(aim);
		size -= sizeof(aim);
		corrupt(&parts[layout], kept, tables, &aim);
	}
	if (size > 2) {
		size_t at = (size_t)(data[0] | data[1] << 8) % 0x6000;

		pristine_write(kept, tables + at, data + 2, VH_MIN(size - 2, 0x6000 - at));
	}
	image_done(i);
	size_t n = vh_space_ranges(
		i->space, VH_KERNEL_LOW, VH_KERNEL_HIGH, found, VH_ARRAY_SIZE(found));
	int err = vh_symbols_find(i->space, found, n, &y, &why);

	assert(!err == !!y);
	if (y)
		look_up(y);
	else
		assert(why);
	assert(vh_memory_used(i->memory).bytes < 0x20000);
	vh_symbols_free(y);
	free(why);
	pristine_restore(kept);
	return 0;
}
