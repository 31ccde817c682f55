/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Backtraces: ORC in its numberings, frame pointers, what is left on a stack. */
#include "guest/unwind.h"

#include "tests/unit/guest/stackimage.h"
#include "tests/unit/test.h"

static struct image *image_of(bool orc, enum stack_numbers n)
{
	struct image *i = image_new(stack_memory);
	char text[64];

	snprintf(text, sizeof(text), "u64 %lx %lx\n", STACK_DATA, STACK_STRUCT + 8);
	image_add(i, text);
	stack_module(i, STACK_STRUCT, STACK_MODULE, STACK_DATA - 8);
	if (orc)
		stack_tables(i, n);
	stack_words(i);
	return i;
}

static struct vh_backtrace unwind(struct stack_kernel *s, uint64_t ip, uint64_t sp, uint64_t bp)
{
	struct vh_registers all = {.rdi = STACK_SP + 0x210};
	struct vh_unwind_from from = {ip, sp, bp, &all, NULL};
	struct vh_backtrace b;

	vh_unwind(&s->k, &from, &b);
	return b;
}

static void assert_frame(const struct vh_backtrace *b, size_t i, enum vh_frame_kind kind,
	const char *symbol, uint64_t offset)
{
	assert_true(i < b->n);
	assert_int_equal(b->frames[i].kind, kind);
	if (symbol)
		assert_string_equal(b->frames[i].symbol, symbol);
	else
		assert_null(b->frames[i].symbol);
	assert_int_equal(b->frames[i].offset, offset);
}

/* All the way from an interrupt's handler to the program. */
static void assert_whole(const struct vh_backtrace *b)
{
	assert_int_equal(b->n, 7);
	assert_frame(b, 0, VH_FRAME_TOP, "leaf", 0x10);
	assert_frame(b, 1, VH_FRAME_CALL, "caller", 0x10);
	assert_frame(b, 2, VH_FRAME_CALL, "asm_irq", 0x10);
	assert_frame(b, 3, VH_FRAME_INTERRUPT, "spin", 0x20);
	assert_string_equal(b->frames[3].module, "trouble");
	assert_int_equal(b->frames[3].size, 0xfe0);
	assert_null(b->frames[2].module);
	assert_frame(b, 4, VH_FRAME_CALL, "do_call", 0x10);
	assert_frame(b, 5, VH_FRAME_CALL, "entry", 0x10);
	assert_frame(b, 6, VH_FRAME_USER, NULL, 0);
	assert_int_equal(b->frames[6].ip, 0x401000);
	assert_true(b->frames[6].sp == 0x7ffe00001000);
	assert_null(b->end);
}

static void test_orc(void **state)
{
	static const enum stack_numbers numbers[] = {STACK_OLD, STACK_THREE_BITS, STACK_RENUMBERED};

	(void)state;
	for (size_t n = 0; n < VH_ARRAY_SIZE(numbers); n++) {
		struct image *i = image_of(true, numbers[n]);
		struct stack_kernel s;

		stack_open(&s, i, NULL);
		assert_int_equal(s.in->n_notes, 0);
		assert_true(vh_unwinder_has_orc(s.k.unwinder));

		struct vh_backtrace b = unwind(&s, STACK_LEAF + 0x10, STACK_SP, 0x1234);

		assert_whole(&b);
		vh_backtrace_free(&b);
		/* A thread's begin; an SP that was saved on the stack; one of a register; and what
		 * the CPU saved alone. */
		b = unwind(&s, STACK_FORK, STACK_SP, 0);
		assert_int_equal(b.n, 1);
		assert_null(b.end);
		vh_backtrace_free(&b);
		b = unwind(&s, STACK_FORK + 0x10, STACK_SP + 0x200 - 0x68, 0);
		assert_true(b.n >= 1);
		vh_backtrace_free(&b);
		b = unwind(&s, STACK_FORK + 0x20, STACK_SP, STACK_SP + 0x2f8);
		assert_frame(&b, 1, VH_FRAME_CALL, "do_call", 0x10);
		assert_int_equal(b.n, 4);
		vh_backtrace_free(&b);
		b = unwind(&s, STACK_FORK + 0x30, STACK_SP + 0x30 + 128, STACK_SP + 0x2f8);
		assert_frame(&b, 1, VH_FRAME_INTERRUPT, "spin", 0x20);
		assert_int_equal(b.n, 5);
		vh_backtrace_free(&b);
		/* A call of a null pointer. */
		b = unwind(&s, 0, STACK_SP, 0);
		assert_frame(&b, 0, VH_FRAME_TOP, NULL, 0);
		assert_frame(&b, 1, VH_FRAME_CALL, "caller", 0x10);
		vh_backtrace_free(&b);
		stack_close(&s);
		image_free(i);
	}
}

/* Registers whose IP is 0: of a null pointer that was called, and of a kernel thread's begin. */
static void test_null(void **state)
{
	struct image *i = image_of(true, STACK_THREE_BITS);
	struct stack_kernel s;
	char text[256];

	(void)state;
	snprintf(text, sizeof(text), "u64 %lx 0 10 246 %lx 18\n", STACK_SP + 0x30 + 128,
		STACK_SP + 0x208);
	image_add(i, text);
	stack_open(&s, i, NULL);

	struct vh_backtrace b = unwind(&s, STACK_LEAF + 0x10, STACK_SP, 0);

	assert_int_equal(b.n, 7);
	assert_frame(&b, 3, VH_FRAME_INTERRUPT, NULL, 0);
	assert_frame(&b, 4, VH_FRAME_CALL, "do_call", 0x10);
	assert_null(b.end);
	vh_backtrace_free(&b);
	snprintf(text, sizeof(text), "u64 %lx 0 0 0 0 0\n", STACK_SP + 0x30 + 128);
	image_add(i, text);
	b = unwind(&s, STACK_LEAF + 0x10, STACK_SP, 0);
	assert_int_equal(b.n, 3);
	assert_null(b.end);
	vh_backtrace_free(&b);
	stack_close(&s);
	image_free(i);
}

static void test_sleeping(void **state)
{
	struct image *i = image_of(true, STACK_THREE_BITS);
	struct stack_kernel s;
	struct vh_backtrace b;

	(void)state;
	stack_open(&s, i, NULL);
	/* Its own address is one of a return; at a function's begin it is not. */
	struct vh_unwind_from from = {
		STACK_SYSCALL + 0x10, STACK_SP + 0x210, STACK_SP + 0x2f8, NULL, NULL};

	vh_unwind(&s.k, &from, &b);
	assert_int_equal(b.n, 3);
	assert_frame(&b, 0, VH_FRAME_TOP, "do_call", 0x10);
	vh_backtrace_free(&b);
	from.ip = STACK_FORK;
	vh_unwind(&s.k, &from, &b);
	assert_int_equal(b.n, 1);
	assert_null(b.end);
	vh_backtrace_free(&b);
	stack_close(&s);
	image_free(i);
}

static void test_user(void **state)
{
	struct image *i = image_of(true, STACK_OLD);
	struct vh_registers all = {.cpl = 3};
	struct vh_unwind_from from = {0x401000, 0x7ffe00000000, 0, &all, NULL};
	struct stack_kernel s;
	struct vh_backtrace b;

	(void)state;
	stack_open(&s, i, NULL);
	vh_unwind(&s.k, &from, &b);
	assert_int_equal(b.n, 1);
	assert_frame(&b, 0, VH_FRAME_USER, NULL, 0);
	assert_null(b.end);
	vh_backtrace_free(&b);
	stack_close(&s);
	image_free(i);
}

/* Without tables: the same stack with frame pointers, an encoded one for what was saved. */
static void test_frame_pointers(void **state)
{
	struct image *i = image_of(false, STACK_OLD);
	struct stack_kernel s;
	char text[512];

	(void)state;
	/* leaf's frame at SP: caller's at SP + 0x18, whose saved BP leads to the registers. */
	snprintf(text, sizeof(text), "u64 %lx %lx %lx 0 %lx %lx\n", STACK_SP, STACK_SP + 0x18,
		STACK_CALLER + 0x10, (STACK_SP + 0x30) | 1, STACK_IRQ + 0x10);
	image_add(i, text);
	/* The interrupted function's frame, and above it the one of the system call, of which BP is
	 * 0; the program's registers end with the stack. */
	snprintf(text, sizeof(text), "u64 %lx %lx\nu64 %lx %lx %lx\nu64 %lx 0 %lx\n",
		STACK_SP + 0x30 + 32, STACK_SP + 0x200, STACK_SP + 0x200, STACK + 0x4000 - 168 - 16,
		STACK_SYSCALL + 0x10, STACK + 0x4000 - 168 - 16, STACK_ENTRY + 0x10);
	image_add(i, text);
	snprintf(
		text, sizeof(text), "u64 %lx 401000 33 246 7ffe00001000 2b\n", STACK + 0x4000 - 40);
	image_add(i, text);
	stack_open(&s, i, NULL);
	assert_false(vh_unwinder_has_orc(s.k.unwinder));

	struct vh_backtrace b = unwind(&s, STACK_LEAF + 0x20, STACK_SP - 0x40, STACK_SP);

	assert_frame(&b, 0, VH_FRAME_TOP, "leaf", 0x20);
	vh_replace(&b.frames[0].symbol, "leaf");
	b.frames[0].offset = 0x10;
	assert_whole(&b);
	vh_backtrace_free(&b);
	/* At a function's first instruction, and behind push %rbp, there is no frame of its own. */
	b = unwind(&s, STACK_LEAF, STACK_SP + 8, STACK_SP + 0x18);
	assert_frame(&b, 1, VH_FRAME_CALL, "caller", 0x10);
	assert_frame(&b, 2, VH_FRAME_CALL, "asm_irq", 0x10);
	vh_backtrace_free(&b);
	memcpy(image_page(i, 0x1000000) + 0x120, "\x55\x48\x89\xe5", 4);
	b = unwind(&s, STACK_LEAF + 0x21, STACK_SP, STACK_SP + 0x18);
	assert_frame(&b, 1, VH_FRAME_CALL, "caller", 0x10);
	assert_frame(&b, 2, VH_FRAME_CALL, "asm_irq", 0x10);
	vh_backtrace_free(&b);
	stack_close(&s);
	image_free(i);
}

/* Neither: only what stands behind a call is taken. */
static void test_scan(void **state)
{
	struct image *i = image_of(false, STACK_OLD);
	struct stack_kernel s;
	char text[512];

	(void)state;
	snprintf(text, sizeof(text), "u64 %lx %lx %lx %lx 0 %lx %lx %lx\n", STACK_SP, STACK_CALLER,
		STACK_CALLER + 0x10, STACK_IRQ + 0x10, STACK_MODULE + 0x40, STACK_SYSCALL + 0x10,
		STACK_ENTRY + 0x10);
	image_add(i, text);
	stack_open(&s, i, NULL);

	struct vh_backtrace b = unwind(&s, STACK_LEAF + 0x40, STACK_SP, 0x1234);

	assert_string_equal(b.end, "the frame pointer 0x1234 leads nowhere");
	assert_true(b.n >= 5);
	assert_frame(&b, 1, VH_FRAME_GUESS, "caller", 0x10);
	assert_frame(&b, 2, VH_FRAME_GUESS, "spin", 0x20);
	assert_frame(&b, 3, VH_FRAME_GUESS, "do_call", 0x10);
	assert_frame(&b, 4, VH_FRAME_GUESS, "entry", 0x10);
	assert_true(b.frames[1].sp == STACK_SP + 16);
	vh_backtrace_free(&b);
	stack_close(&s);
	image_free(i);
}

static void test_hostile(void **state)
{
	struct image *i = image_of(true, STACK_THREE_BITS);
	struct stack_kernel s;
	char text[512];

	(void)state;
	/* Registers that were saved of the place where they were saved. */
	snprintf(text, sizeof(text), "u64 %lx %lx 10 246 %lx 18\n", STACK_SP + 0x30 + 128,
		STACK_IRQ + 0x10, STACK_SP + 0x30);
	image_add(i, text);
	stack_open(&s, i, NULL);

	struct vh_backtrace b = unwind(&s, STACK_LEAF + 0x10, STACK_SP, 0);

	assert_true(b.n >= 3 && b.n <= VH_INSIDE_MAX_FRAMES);
	assert_non_null(b.end);
	vh_backtrace_free(&b);
	/* Frames that lead to each other. */
	snprintf(text, sizeof(text), "u64 %lx %lx %lx\nu64 %lx %lx %lx\n", STACK_SP + 0x400,
		STACK_SP + 0x420, STACK_SYSCALL + 0x10, STACK_SP + 0x420, STACK_SP + 0x400,
		STACK_SYSCALL + 0x10);
	image_add(i, text);
	b = unwind(&s, STACK_SYSCALL + 0x20, STACK_SP + 0x3f0, STACK_SP + 0x400);
	assert_string_equal(b.end, "the stack does not grow towards its caller");
	vh_backtrace_free(&b);
	/* A stack that is nowhere; text that nothing is known of; a return to data. */
	b = unwind(&s, STACK_LEAF + 0x10, 0xffffc90000ff0000, 0);
	assert_int_equal(b.n, 1);
	assert_string_equal(b.end, "the stack at 0xffffc90000ff0000 cannot be read");
	vh_backtrace_free(&b);
	b = unwind(&s, STACK_TEXT + 0x10, STACK_SP, 0);
	assert_string_equal(b.end, "the kernel's unwind tables do not cover it");
	vh_backtrace_free(&b);
	snprintf(text, sizeof(text), "u64 %lx %lx\n", STACK_SP, STACK_DATA);
	image_add(i, text);
	b = unwind(&s, STACK_LEAF + 0x10, STACK_SP, 0);
	assert_string_equal(b.end, "its caller, 0xffffffff82000000, is no code of the kernel");
	vh_backtrace_free(&b);
	stack_close(&s);
	image_free(i);
}

static void test_lying_tables(void **state)
{
	static const char *const changes[] = {
		"symbol __stop_orc_unwind_ip ffffffff91800000 r\nsymbol __stop_orc_unwind "
		"ffffffffa1800000 r\n",
		"symbol __stop_orc_unwind_ip ffffffff8180002c r\nsymbol __stop_orc_unwind "
		"ffffffff81800840 r\n",
		"symbol __stop_orc_unwind_ip ffffffff80000000 r\nsymbol __stop_orc_unwind "
		"ffffffff80000000 r\n",
	};

	(void)state;
	for (size_t k = 0; k < VH_ARRAY_SIZE(changes); k++) {
		struct image *i = image_of(false, STACK_OLD);
		struct stack_kernel s;

		image_add(i, changes[k]);
		stack_open(&s, i, NULL);
		assert_false(vh_unwinder_has_orc(s.k.unwinder));
		assert_int_equal(s.in->n_notes, 1);
		stack_close(&s);
		image_free(i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_orc),
		cmocka_unit_test(test_null),
		cmocka_unit_test(test_sleeping),
		cmocka_unit_test(test_user),
		cmocka_unit_test(test_frame_pointers),
		cmocka_unit_test(test_scan),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_lying_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
