/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A kernel's log that a guest wrote: a sound one of either form, then the input aims at it, eight
 * bytes a time: where, and what is written there. The first byte says which form, how many records
 * and where reading begins. What must hold: nothing crashes; records ascend, within their caps;
 * what was read is within its budget.
 */
#include <assert.h>

#include "fuzz.h"
#include "pristine.h"
#include "tests/unit/guest/logimage.h"

#define BUDGET (UINT64_C(64) << 20)

struct aim {
	uint16_t at;
	uint8_t size; /* 1, 2, 4, 8 */
	uint8_t high; /* what is written is near to an end of its range */
	int32_t value;
};

/* The log's two pages follow each other, beginning at offset `log` of the image. */
static void corrupt(struct pristine *p, size_t log, const struct aim *a)
{
	unsigned size = 1u << a->size % 4;
	uint64_t value = (uint64_t)(int64_t)a->value ^ ((uint64_t)(a->high & 0xf0) << 56);

	if (a->high % 2)
		value |= LOG_GVA;
	pristine_write(p, log + a->at % (0x2000 - size), &value, size);
}

static struct image *ring(unsigned records)
{
	static const char *const texts[] = {"", "a line", "a longer line that goes on", "x\ny\nz"};
	struct image *i = image_new(log_memory);
	struct log_build b;

	log_begin(&b, i);
	b.text_at_48 = records % 2;
	for (unsigned k = 0; k < records; k++)
		log_add(&b, k % 5 ? LOG_FINALIZED : LOG_COMMITTED, k % 8, k, texts[k % 4]);
	log_end(&b);
	return i;
}

static struct image *old_log(unsigned records)
{
	struct image *i = image_new(old_log_memory);
	uint32_t at = 0x100;

	for (unsigned k = 0; k < records % 16; k++)
		at = old_log_add(i, at, k, k % 8, "a line of the log", k % 3 * 4);
	old_log_set(i, 0x100, at, 5, 5 + records % 16);
	return i;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pristine images[64];
	static struct vh_symbols *symbols[2]; /* of the ring, and of the old log */
	uint8_t first = size ? *data : 0;
	unsigned form = first % 64;
	struct pristine *kept = &images[form];
	struct aim aim;

	if (!kept->i)
		pristine_keep(kept, form % 2 ? old_log(form / 2) : ring(form / 2));
	if (!symbols[form % 2])
		symbols[form % 2] = image_symbols(kept->i);
	size_t log = pristine_offset(kept, LOG_GVA);

	for (size_t at = 1; at + sizeof(aim) <= size; at += sizeof(aim)) {
		memcpy(&aim, data + at, sizeof(aim));
		corrupt(kept, log, &aim);
	}
	struct image *i = image_done(kept->i);
	struct vh_inside *in = vh_inside_new(VH_INSIDE_LINUX);

	vh_memory_set_budget(i->memory, BUDGET, (struct vh_deadline){INT64_MAX});
	log_read_with(i, symbols[form % 2], first & 64 ? 3 : 0, in);
	assert(in->n_dmesg <= VH_INSIDE_MAX_DMESG);
	for (size_t k = 1; k < in->n_dmesg; k++)
		assert(in->dmesg[k].seq > in->dmesg[k - 1].seq);
	for (size_t k = 0; k < in->n_dmesg; k++)
		assert(in->dmesg[k].text[in->dmesg[k].n] == '\0' && in->dmesg[k].level < 8);
	assert(vh_memory_used(i->memory).bytes <= BUDGET);
	vh_inside_free(in);
	pristine_restore(kept);
	return 0;
}
