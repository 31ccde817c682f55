/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stacks, ORC tables and modules that a guest wrote: a sound kernel with all of them, then the
 * input aims at it, eight bytes a time: where, and what is written there, which mostly is an
 * address of something in it. The first byte says which numbers the tables use and whether there
 * are any. What must hold: nothing crashes; a backtrace has a frame and no more than its cap; what
 * lies in a module has its name; what was read is within its budget.
 */
#include <assert.h>

#include "fuzz.h"
#include "pristine.h"
#include "tests/unit/guest/stackimage.h"

#define BUDGET (UINT64_C(64) << 20)

struct aim {
	uint16_t at;
	uint8_t where; /* page */
	uint8_t size;  /* 1, 2, 4, 8, and what the value is added to */
	int32_t value;
};

static const uint64_t pages[] = {STACK_TEXT, STACK_ORC, STACK_DATA, STACK_MODULE,
	STACK_MODULE + 0x1000, STACK_STRUCT, STACK_SP & ~UINT64_C(0xfff), STACK + 0x3000};
static const uint64_t bases[] = {
	0, STACK_TEXT, STACK_SP, STACK_MODULE, STACK_STRUCT, STACK_ORC, STACK_DATA, STACK};

/* Made once for each way to number: where the pages above lie in it, and its symbols. */
struct sound {
	struct pristine kept;
	size_t page[VH_ARRAY_SIZE(pages)];
	struct vh_symbols *symbols;
};

static void corrupt(struct sound *s, const struct aim *a)
{
	unsigned size = 1u << a->size % 4;
	uint64_t value = bases[a->size >> 2 & 7] + (uint64_t)(int64_t)a->value;

	pristine_write(&s->kept, s->page[a->where % VH_ARRAY_SIZE(pages)] + a->at % (0x1000 - size),
		&value, size);
}

static void unwind(struct stack_kernel *s, uint64_t ip, bool sleeping, int32_t off)
{
	struct vh_registers all = {.rdi = STACK_SP + 0x210, .r = {[2] = STACK_SP}};
	struct vh_unwind_from from = {ip, STACK_SP + (uint64_t)(off & 0x7f8),
		STACK_SP + (uint64_t)(off >> 11 & 0x7ff), sleeping ? NULL : &all, NULL};
	struct vh_backtrace b;

	vh_unwind(&s->k, &from, &b);
	assert(b.n >= 1 && b.n <= VH_INSIDE_MAX_FRAMES);
	for (size_t i = 0; i < b.n; i++)
		assert(b.frames[i].kind < VH_N_FRAME_KIND);
	vh_backtrace_free(&b);
}

static void look_at_modules(struct stack_kernel *s, uint64_t gva)
{
	struct vh_symbol symbol;
	size_t index;
	bool found = vh_modules_at(s->k.modules, gva, &index);

	assert(!found || vh_modules_name(s->k.modules, index));
	assert(!vh_modules_is_text(s->k.modules, gva) || found);
	if (vh_modules_symbol(s->k.modules, s->k.space, gva, &symbol))
		assert(found && symbol.gva <= gva && strlen(symbol.name));
}

static void make(struct sound *s, unsigned numbers)
{
	struct image *i = image_new(stack_memory);
	char text[64];

	snprintf(text, sizeof(text), "u64 %lx %lx\n", STACK_DATA, STACK_STRUCT + 8);
	image_add(i, text);
	stack_module(i, STACK_STRUCT, STACK_MODULE, STACK_DATA - 8);
	if (numbers < 3)
		stack_tables(i, numbers);
	stack_words(i);
	pristine_keep(&s->kept, i);
	s->symbols = image_symbols(i);
	for (size_t k = 0; k < VH_ARRAY_SIZE(pages); k++)
		s->page[k] = pristine_offset(&s->kept, pages[k]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sound all[4];
	static struct vh_btf *types;
	uint8_t first = size ? *data : 0;
	struct sound *sound = &all[first % 4];
	struct stack_kernel s;
	struct aim aim = {0};

	if (!sound->kept.i)
		make(sound, first % 4);
	if (!types)
		types = stack_types(STACK_TYPES);
	struct image *i = sound->kept.i;

	for (size_t at = 1; at + sizeof(aim) <= size; at += sizeof(aim)) {
		memcpy(&aim, data + at, sizeof(aim));
		corrupt(sound, &aim);
	}
	stack_open_with(&s, i, sound->symbols, first & 8 ? types : NULL);
	vh_memory_set_budget(i->memory, BUDGET, (struct vh_deadline){INT64_MAX});
	for (uint64_t ip = STACK_LEAF; ip <= STACK_FORK + 0x30; ip += 0x90)
		unwind(&s, ip, first & 4, aim.value);
	unwind(&s, STACK_LEAF + 0x10, false, 0);
	unwind(&s, STACK_MODULE + 0x40, false, aim.value);
	unwind(&s, 0, false, 0);
	for (uint64_t at = 0; at < 0x3000; at += 0x7f)
		look_at_modules(&s, STACK_MODULE + at);
	vh_modules_list(s.k.modules, s.in);
	assert(vh_memory_used(i->memory).bytes <= BUDGET);
	s.k.symbols = NULL; /* these are kept */
	s.k.btf = NULL;
	stack_close(&s);
	pristine_restore(&sound->kept);
	return 0;
}
