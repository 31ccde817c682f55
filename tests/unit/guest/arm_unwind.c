/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Backtraces of arm64: frame records, functions without one, what entries saved, signed addresses.
 */
#include "guest/unwind.h"

#include "guest/unwind_parts.h"
#include "guest/vmcoreinfo.h"
#include "tests/unit/guest/btfbuild.h"
#include "tests/unit/guest/image.h"
#include "tests/unit/test.h"

#define TEXT UINT64_C(0xffff800080000000)
/* Functions of 256 bytes; what returns to them returns to +0x10, behind a call. */
#define LEAF   (TEXT + 0x100)
#define CALLER (TEXT + 0x200)
#define IRQ    (TEXT + 0x300)
#define WORK   (TEXT + 0x400)
#define ENTRY  (TEXT + 0x500)
#define FORK   (TEXT + 0x600)
#define STACK  UINT64_C(0xffff800081000000) /* 16 KiB */
#define OTHER  UINT64_C(0xffff800081010000) /* of interrupts */
#define EL1H   0x5u
#define KILLED UINT64_C(0x00aaffffffffffff) /* a signature's bits in an address: not bit 55 */

static const char memory[] = "map ffff800080000000 40000000 1000 x\n"
			     "map ffff800081000000 41000000 4000 w\n"
			     "map ffff800081010000 42000000 4000 w\n"
			     "symbol _stext ffff800080000000 T\n"
			     "symbol leaf ffff800080000100 t\n"
			     "symbol caller ffff800080000200 t\n"
			     "symbol el1h_64_irq ffff800080000300 t\n"
			     "symbol work ffff800080000400 T\n"
			     "symbol el0t_64_sync ffff800080000500 t\n"
			     "symbol ret_from_fork ffff800080000600 T\n"
			     "symbol _etext ffff800080001000 T\n"
			     /* bl, blr x8 and blraa x8, x9 before what returns. */
			     "u32 ffff80008000020c 94000000\n"
			     "u32 ffff80008000040c d63f0100\n"
			     "u32 ffff80008000050c d73f0909\n"
			     "u32 ffff80008000030c d65f03c0\n"; /* ret: no call */

struct arm_kernel {
	struct vh_kernel k;
	struct vh_range ranges[8];
	struct vh_inside *in;
	struct image *i;
};

static void open_arm(struct arm_kernel *a, const char *words, const char *types, unsigned version)
{
	struct vh_kernel *k = &a->k;
	char *why = NULL;

	*a = (struct arm_kernel){.in = vh_inside_new(VH_INSIDE_LINUX)};
	a->i = image_paged(VH_PAGING_ARM64, memory);
	image_add(a->i, words);
	image_done(a->i);
	k->space = a->i->space;
	k->ranges = a->ranges;
	k->n_ranges = vh_space_ranges(k->space, TEXT, UINT64_MAX - 1, a->ranges, 8);
	k->symbols = image_symbols(a->i);
	k->stext = TEXT;
	k->etext = TEXT + 0x1000;
	k->version = version;
	if (types) {
		struct vh_buf section = btf_build(types);

		assert_int_equal(vh_guest_btf_parse(section.data, section.len, &k->btf, &why), 0);
		vh_buf_free(&section);
	}
	k->layout = vh_layout_new(k->btf, NULL);
	k->unwinder = vh_unwinder_new(k, a->in);
	assert_false(vh_unwinder_has_orc(k->unwinder));
}

static void close_arm(struct arm_kernel *a)
{
	vh_unwinder_free(a->k.unwinder);
	vh_layout_free(a->k.layout);
	vh_guest_btf_free(a->k.btf);
	vh_symbols_free(a->k.symbols);
	vh_inside_free(a->in);
	image_free(a->i);
}

static struct vh_backtrace unwind(
	struct arm_kernel *a, uint64_t pc, uint64_t sp, uint64_t fp, uint64_t lr)
{
	struct vh_arm_registers r = {.valid = true,
		.has_sp = true,
		.pc = pc,
		.sp = sp,
		.pstate = EL1H,
		.x = {[29] = fp, [30] = lr},
		.x_seen = 3u << 29};
	struct vh_unwind_from from = {.ip = pc, .sp = sp, .bp = fp, .arm = &r};
	struct vh_backtrace b;

	vh_unwind(&a->k, &from, &b);
	return b;
}

/* "leaf+10 caller+10 !work+20 user": "!" is what was interrupted, "?" a guess. */
static void assert_stack(struct vh_backtrace b, const char *expected, const char *end)
{
	static const char marks[][2] = {
		[VH_FRAME_INTERRUPT] = "!", [VH_FRAME_GUESS] = "?", [VH_FRAME_USER] = "@"};
	struct vh_buf text = {0};

	for (size_t i = 0; i < b.n; i++) {
		const struct vh_frame *f = &b.frames[i];

		vh_buf_printf(&text, "%s%s", i ? " " : "",
			f->kind < VH_ARRAY_SIZE(marks) ? marks[f->kind] : "");
		if (f->symbol)
			vh_buf_printf(&text, "%s+%llx", f->symbol, (unsigned long long)f->offset);
		else
			vh_buf_printf(&text, "%llx", (unsigned long long)f->ip);
	}
	assert_string_equal(vh_buf_str(&text), expected);
	if (end)
		assert_string_equal(b.end, end);
	else
		assert_null(b.end);
	vh_buf_free(&text);
	vh_backtrace_free(&b);
}

static const char chain[] =
	"u64 ffff800081000100 ffff800081000200 ffff800080000210\n" /* leaf's: to caller */
	"u64 ffff800081000200 ffff800081000300 ffff800080000410\n" /* caller's: to work */
	"u64 ffff800081000300 0 0\n";

static void test_records(void **state)
{
	struct arm_kernel a;

	(void)state;
	open_arm(&a, chain, NULL, 601);
	/* It has called something that returned within it. */
	assert_stack(unwind(&a, LEAF + 0x20, STACK + 0x80, STACK + 0x100, LEAF + 0x18),
		"leaf+20 caller+10 work+10", NULL);
	/* Its frame is made, and it has called nothing yet. */
	assert_stack(unwind(&a, LEAF + 0x20, STACK + 0x80, STACK + 0x100, CALLER + 0x10),
		"leaf+20 caller+10 work+10", NULL);
	/* Its last instruction calls. */
	assert_stack(unwind(&a, LEAF + 0xfc, STACK + 0x80, STACK + 0x100, LEAF + 0x100),
		"leaf+fc caller+10 work+10", NULL);
	/* X30 is used for something else. */
	assert_stack(unwind(&a, LEAF + 0x20, STACK + 0x80, STACK + 0x100, 0x1234),
		"leaf+20 caller+10 work+10", NULL);
	close_arm(&a);
}

/* At its begin, at its end, or where it makes none, X29 is its caller's. */
static void test_without_frame(void **state)
{
	struct arm_kernel a;

	(void)state;
	open_arm(&a, chain, NULL, 601);
	assert_stack(unwind(&a, LEAF, STACK + 0x100, STACK + 0x200, CALLER + 0x10),
		"leaf+0 caller+10 work+10", NULL);
	/* X29 is nothing yet: X30 is all there is. */
	assert_stack(unwind(&a, LEAF, STACK + 0x100, 0, CALLER + 0x10), "leaf+0 caller+10", NULL);
	close_arm(&a);
}

/* Signed return addresses, in a record and in X30; bit 55 is no part of a signature. */
static void test_signed(void **state)
{
	static const char words[] = "u64 ffff800081000100 ffff800081000200 12fa800080000210\n"
				    "u64 ffff800081000200 ffff800081000300 00c1800080000410\n"
				    "u64 ffff800081000300 0 0\n";
	struct arm_kernel a;

	(void)state;
	open_arm(&a, words, NULL, 601);
	assert_stack(unwind(&a, LEAF + 0x20, STACK + 0x80, STACK + 0x100, LEAF + 0x18),
		"leaf+20 caller+10 work+10", NULL);
	assert_stack(unwind(&a, LEAF + 4, STACK + 0x80, STACK + 0x200, (CALLER + 0x10) & KILLED),
		"leaf+4 caller+10 work+10", NULL);
	assert_true(vh_arm_unsigned(a.k.unwinder, 0x0055aaaa00001234) == 0x0055aaaa00001234);
	close_arm(&a);
}

/* What the note tells goes before the width of the tables: 64 KiB pages, 52 bits, a CPU with 48. */
static void test_mask_of_note(void **state)
{
	struct arm_kernel a;

	(void)state;
	open_arm(&a, chain, NULL, 601);
	vh_unwinder_free(a.k.unwinder);
	a.k.note = vh_vmcoreinfo_parse(
		vh_str("OSRELEASE=6.1\nNUMBER(KERNELPACMASK)=0xff7f800000000000\n"));
	a.k.unwinder = vh_unwinder_new(&a.k, a.in);
	assert_true(vh_arm_unsigned(a.k.unwinder, 0x0080123456789abc) == 0xffff923456789abc);
	vh_vmcoreinfo_free(a.k.note);
	a.k.note = NULL;
	close_arm(&a);
}

/*
 * An interrupt: on its own stack leaf and caller, whose frames lead to the entry's, which has saved
 * what it interrupted at the task's stack's 0x400: work in a function without a frame. Below lies
 * what a system call has saved, at the stack's end.
 */
#define SAVED (STACK + 0x400)
#define LAST  (STACK + 0x4000 - 0x150)

static void put_saved(struct image *i, uint64_t gva, uint64_t fp, uint64_t lr, uint64_t sp,
	uint64_t pc, uint64_t pstate)
{
	uint64_t saved[] = {fp, lr, sp, pc, pstate};

	image_put(i, gva + 29 * 8, saved, sizeof(saved));
}

/* record: of pt_regs. type 0: none, as up to 6.12. */
static void put_interrupt(struct image *i, unsigned record, unsigned type, uint64_t lr)
{
	uint64_t of_irq[] = {SAVED + record, IRQ + 0x10};
	uint64_t of_leaf[] = {OTHER + 0x200, CALLER + 0x10};
	uint64_t interrupted[] = {type ? 0 : STACK + 0x800, type ? 0 : WORK + 0x20, type};
	uint64_t of_work[] = {LAST + record, ENTRY + 0x10}, last[] = {0, 0, type ? 1 : 0};

	image_put(i, OTHER + 0x100, of_leaf, sizeof(of_leaf));
	image_put(i, OTHER + 0x200, of_irq, sizeof(of_irq));
	image_put(i, SAVED + record, interrupted, type ? 24 : 16);
	put_saved(i, SAVED, STACK + 0x800, lr, STACK + 0x7f0, WORK + 0x20, EL1H);
	image_put(i, STACK + 0x800, of_work, sizeof(of_work));
	image_put(i, LAST + record, last, type ? 24 : 16);
	put_saved(i, LAST, 0, 0, 0x7ffe00001000, 0x401000, 0);
}

static void test_interrupt(void **state)
{
	static const char types[] = "struct frame_record_meta 18\n10 type 8\n"
				    "struct pt_regs 150\n128 stackframe @frame_record_meta\n";
	static const char whole[] = "leaf+20 caller+10 el1h_64_irq+10 !work+20 el0t_64_sync+10 "
				    "@401000";
	struct arm_kernel a;

	(void)state;
	for (unsigned form = 0; form < 3; form++) {
		open_arm(&a, "", form == 2 ? types : NULL, form ? 614 : 601);
		put_interrupt(a.i, form ? 296 : 304, form ? 2 : 0, WORK + 0x1c);
		assert_stack(unwind(&a, LEAF + 0x20, OTHER + 0x80, OTHER + 0x100, LEAF + 0x18),
			whole, NULL);
		/* The one that was interrupted had no frame: X30 tells its caller. */
		put_interrupt(a.i, form ? 296 : 304, form ? 2 : 0, CALLER + 0x10);
		assert_stack(unwind(&a, LEAF + 0x20, OTHER + 0x80, OTHER + 0x100, LEAF + 0x18),
			"leaf+20 caller+10 el1h_64_irq+10 !work+20 caller+10 el0t_64_sync+10 "
			"@401000",
			NULL);
		close_arm(&a);
	}
}

/* Of a kernel thread what was saved is zeros, and a mode of the kernel's; of the idle task zeros
 * alone. */
static void test_thread(void **state)
{
	struct arm_kernel a;

	(void)state;
	for (unsigned form = 0; form < 2; form++) {
		open_arm(&a, "", NULL, 601);
		put_interrupt(a.i, 304, 0, WORK + 0x1c);
		put_saved(a.i, LAST, 0, 0, 0, 0, form ? EL1H : 0);
		assert_stack(unwind(&a, WORK + 0x20, STACK + 0x7f0, STACK + 0x800, WORK + 0x1c),
			"work+20 el0t_64_sync+10", NULL);
		close_arm(&a);
	}
}

static void test_sleeping(void **state)
{
	struct vh_unwind_from from = {
		.ip = CALLER + 0x10, .sp = STACK + 0x100, .bp = STACK + 0x200};
	struct vh_backtrace b;
	struct arm_kernel a;

	(void)state;
	open_arm(&a, chain, NULL, 601);
	vh_unwind(&a.k, &from, &b);
	assert_stack(b, "caller+10 work+10", NULL);
	/* It has not run yet. */
	from.ip = FORK;
	from.bp = STACK + 0x300;
	vh_unwind(&a.k, &from, &b);
	assert_stack(b, "ret_from_fork+0", NULL);
	close_arm(&a);
}

static void test_user(void **state)
{
	struct vh_arm_registers r = {.valid = true, .pc = 0x401000};
	struct vh_unwind_from from = {.ip = 0x401000, .arm = &r};
	struct vh_backtrace b;
	struct arm_kernel a;

	(void)state;
	open_arm(&a, "", NULL, 601);
	vh_unwind(&a.k, &from, &b);
	assert_stack(b, "@401000", NULL);
	close_arm(&a);
}

/* What leads back, to nowhere, or to no text; then the stack is searched for what returns behind a
 * call. */
static void test_hostile(void **state)
{
	static const char words[] =
		/* To itself; to one below; two on two stacks that lead to each other. */
		"u64 ffff800081000100 ffff800081000100 ffff800080000210\n"
		"u64 ffff800081000200 ffff800081000100 ffff800080000210\n"
		"u64 ffff800081000300 ffff800081010300 ffff800080000210\n"
		"u64 ffff800081010300 ffff800081000300 ffff800080000210\n"
		/* To no text; out of the stack; the last one ends with it. */
		"u64 ffff800081000400 ffff800081000500 ffff800081000000\n"
		"u64 ffff800081000500 ffff800081004000 ffff800080000210\n"
		/* Left-overs behind a call, behind a ret, signed, and no code. */
		"u64 ffff800081003f80 ffff800080000410 ffff800080000310 00aa800080000510 1234\n";
	struct arm_kernel a;
	struct vh_backtrace b;

	(void)state;
	open_arm(&a, words, NULL, 601);
	b = unwind(&a, LEAF + 0x20, STACK + 0x80, STACK + 0x100, 0);
	assert_true(b.n >= 2 && b.n < VH_INSIDE_MAX_FRAMES);
	assert_string_equal(
		b.end, "the frame pointer 0xffff800081000100 lies below the stack pointer");
	vh_backtrace_free(&b);
	b = unwind(&a, LEAF + 0x20, STACK + 0x180, STACK + 0x200, 0);
	assert_string_equal(
		b.end, "the frame pointer 0xffff800081000100 lies below the stack pointer");
	vh_backtrace_free(&b);
	b = unwind(&a, LEAF + 0x20, STACK + 0x280, STACK + 0x300, 0);
	assert_string_equal(b.end, "the stack leads back into itself");
	vh_backtrace_free(&b);
	b = unwind(&a, LEAF + 0x20, STACK + 0x380, STACK + 0x400, 0);
	assert_string_equal(b.end, "its caller, 0xffff800081000000, is no code of the kernel");
	vh_backtrace_free(&b);
	/* Misaligned; then what is left on the stack. */
	assert_stack(unwind(&a, LEAF + 0x20, STACK + 0x3f80, STACK + 0x3f84, 0),
		"leaf+20 ?work+10 ?el0t_64_sync+10",
		"the frame pointer 0xffff800081003f84 leads nowhere");
	assert_stack(unwind(&a, LEAF + 0x20, STACK + 0x3fa0, STACK + 0x3ff8, 0), "leaf+20",
		"the frame pointer 0xffff800081003ff8 leads nowhere");
	assert_stack(unwind(&a, LEAF + 0x20, STACK + 0x3fa0, 0x401000, 0), "leaf+20",
		"the frame pointer 0x401000 leads nowhere");
	b = unwind(&a, LEAF + 0x20, STACK + 0x480, STACK + 0x500, 0);
	assert_string_equal(b.end, "the frame pointer 0xffff800081004000 leads nowhere");
	assert_string_equal(b.frames[1].symbol, "caller");
	vh_backtrace_free(&b);
	close_arm(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_without_frame),
		cmocka_unit_test(test_signed),
		cmocka_unit_test(test_mask_of_note),
		cmocka_unit_test(test_interrupt),
		cmocka_unit_test(test_thread),
		cmocka_unit_test(test_sleeping),
		cmocka_unit_test(test_user),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
