/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A kernel with a stack in an image, for tests and fuzz targets: text whose functions call each
 * other, ORC tables in either numbering, a module with both, and the stack of a CPU that was
 * interrupted in the module while a program's system call ran.
 */
#pragma once

#include "guest/modules.h"
#include "guest/unwind.h"
#include "tests/unit/guest/btfbuild.h"
#include "tests/unit/guest/image.h"

#define STACK_TEXT   UINT64_C(0xffffffff81000000)
#define STACK_ORC    UINT64_C(0xffffffff81800000) /* ips; entries 0x800 behind */
#define STACK_DATA   UINT64_C(0xffffffff82000000)
#define STACK_MODULE UINT64_C(0xffffffffc0000000)
#define STACK_STRUCT (STACK_MODULE + 0x2000)
#define STACK        UINT64_C(0xffffc90000010000) /* 16 KiB */
#define STACK_SP     (STACK + 0x1000)

/* Functions of 256 bytes; what returns to them returns to +0x10, behind a call. */
#define STACK_LEAF    (STACK_TEXT + 0x100)
#define STACK_CALLER  (STACK_TEXT + 0x200)
#define STACK_IRQ     (STACK_TEXT + 0x300)
#define STACK_SYSCALL (STACK_TEXT + 0x400)
#define STACK_ENTRY   (STACK_TEXT + 0x500)
#define STACK_FORK    (STACK_TEXT + 0x600)

static const char stack_memory[] =
	"map ffffffff81000000 1000000 1000 x\n"
	"map ffffffff81800000 1800000 1000 -\n"
	"map ffffffff82000000 2000000 1000 w\n"
	"map ffffffffc0000000 3000000 1000 x\n"
	"map ffffffffc0001000 3001000 2000 w\n"
	"map ffffc90000010000 4000000 4000 w\n"
	"symbol _stext ffffffff81000000 T\n"
	"symbol leaf ffffffff81000100 t\n"
	"symbol caller ffffffff81000200 t\n"
	"symbol asm_irq ffffffff81000300 T\n"
	"symbol do_call ffffffff81000400 T\n"
	"symbol entry ffffffff81000500 T\n"
	"symbol forked ffffffff81000600 T\n"
	"symbol _etext ffffffff81001000 T\n"
	"symbol __start_orc_unwind_ip ffffffff81800000 r\n"
	"symbol __start_orc_unwind ffffffff81800800 r\n"
	"symbol modules ffffffff82000000 d\n"
	"symbol orc_fp_entry ffffffff82000040 d\n"
	"symbol null_orc_entry ffffffff82000048 d\n"
	/* call +0 before each return address. */
	"hex ffffffff8100010b e800000000\n"
	"hex ffffffff8100020b e800000000\n"
	"hex ffffffff8100030a 41ff542408\n" /* call *8(%r12), a byte too early: no call */
	"hex ffffffff8100040b ff95f0ffffff\n"
	"hex ffffffff8100040a ff9500000000\n" /* call *0(%rbp) */
	"hex ffffffff8100050e ffd0\n"         /* call *%rax */
	"hex ffffffffc000003b e800000000\n";

/* Of struct module and what belongs to it, as stack_module() writes them. */
#define STACK_TYPES                                                                                \
	"struct list_head 10\n0 next 8\n8 prev 8\n"                                                \
	"struct module_layout 18\n0 base 8\n8 size 4\nc text_size 4\n"                             \
	"struct mod_kallsyms 20\n0 symtab 8\n8 num_symtab 4\n10 strtab 8\n"                        \
	"struct mod_arch_specific 18\n0 num_orcs 4\n8 orc_unwind_ip 8\n10 orc_unwind 8\n"          \
	"struct module 300\n8 list @list_head\n18 name 1*38\nc0 kallsyms 8\n"                      \
	"140 core_layout @module_layout\n190 init_layout @module_layout\n"                         \
	"200 arch @mod_arch_specific\n"

/* How the tables number registers and types. */
enum stack_numbers { STACK_OLD, STACK_THREE_BITS, STACK_RENUMBERED };

/* S(P), B(P), P(revious SP), U(ndefined), s(p indirect), b(p indirect), D(I), X: AX */
static inline unsigned stack_register(enum stack_numbers n, char r)
{
	static const char classic[] = "UP?DBS??bsX", renumbered[] = "UX?SBD??Psb";

	return (unsigned)(strchr(n == STACK_RENUMBERED ? renumbered : classic, r) -
			  (n == STACK_RENUMBERED ? renumbered : classic));
}

struct stack_row {
	uint64_t ip;
	int sp_offset;
	char sp; /* a register */
	int bp_offset;
	char bp;
	char type; /* C(all), R(egisters), I(RET frame), E(nd), U(ndefined) */
};

static inline void stack_orc_entry(
	struct image *i, uint64_t gva, enum stack_numbers n, const struct stack_row *row)
{
	static const char three[] = "UECRI", two[] = "CRI";
	const char *types = n == STACK_OLD ? two : three, *at = strchr(types, row->type);
	unsigned word = stack_register(n, row->sp) | stack_register(n, row->bp) << 4;

	if (at)
		word |= (unsigned)(at - types) << 8;
	if (n == STACK_OLD && row->type == 'E')
		word |= 1 << 10;
	if (n != STACK_OLD && strchr("RI", row->type))
		word |= 1 << 11;
	uint16_t entry[3] = {(uint16_t)row->sp_offset, (uint16_t)row->bp_offset, (uint16_t)word};

	image_put(i, gva, entry, sizeof(entry));
}

static inline void stack_orc(struct image *i, uint64_t ips, uint64_t entries, enum stack_numbers n,
	const struct stack_row *rows, size_t count)
{
	for (size_t k = 0; k < count; k++) {
		uint32_t relative = (uint32_t)(rows[k].ip - (ips + 4 * k));

		image_put(i, ips + 4 * k, &relative, 4);
		stack_orc_entry(i, entries + 6 * k, n, &rows[k]);
	}
}

/* A struct module of 0x300 bytes as 5.10 has it, whose core is three pages: text, read-only data,
 * and itself. */
static inline void stack_module(struct image *i, uint64_t gva, uint64_t core, uint64_t next)
{
	char text[1024];

	snprintf(text, sizeof(text),
		"u64 %lx %lx\nstr %lx trouble\n"
		"u64 %lx %lx\nu32 %lx 3000 1000 2000 2000\n"
		"u64 %lx %lx %lx 4 %lx\n"
		"u64 %lx 2 %lx %lx\n",
		gva + 8, next + 8, gva + 24, gva + 0x140, core, gva + 0x148, gva + 0xc0, gva + 0xc8,
		core + 0x1000, core + 0x1100, gva + 0x200, core + 0x1200, core + 0x1280);
	image_add(i, text);
	/* Elf64_Sym: none, a mapping symbol, two functions. */
	snprintf(text, sizeof(text),
		"u64 %lx 0 0 0 1000000000002 %lx 0 2000200000006 %lx 20 200120000000b %lx 40\n"
		"hex %lx 0000246400006d616b65007370696e00\n",
		core + 0x1000, core + 0x20, core, core + 0x20, core + 0x1100);
	image_add(i, text);
}

static inline void stack_tables(struct image *i, enum stack_numbers n)
{
	static const struct stack_row rows[] = {
		{STACK_TEXT, 0, 'U', 0, 'U', 'U'},
		{STACK_LEAF, 8, 'S', 0, 'U', 'C'},
		{STACK_CALLER, 40, 'S', -16, 'P', 'C'},
		{STACK_IRQ, 0, 'S', 0, 'U', 'R'},
		{STACK_SYSCALL, 16, 'B', -16, 'P', 'C'},
		{STACK_ENTRY, 0, 'S', 0, 'U', 'R'},
		{STACK_FORK, 0, 'U', 0, 'U', 'E'},
		{STACK_FORK + 0x10, 0, 's', 0, 'U', 'C'},
		{STACK_FORK + 0x20, 0, 'D', 0, 'U', 'C'},
		{STACK_FORK + 0x30, 0, 'S', 0, 'U', 'I'},
		{STACK_TEXT + 0x1000, 0, 'U', 0, 'U', 'U'},
	};
	static const struct stack_row of_module[] = {
		{STACK_MODULE, 8, 'S', 0, 'U', 'C'},
		{STACK_MODULE + 0x20, 16, 'S', 0, 'U', 'C'},
	};
	static const struct stack_row fp = {0, 16, 'B', -16, 'P', 'C'},
				      null = {0, 8, 'S', 0, 'U', 'C'};
	char text[256];

	stack_orc(i, STACK_ORC, STACK_ORC + 0x800, n, rows, VH_ARRAY_SIZE(rows));
	stack_orc(i, STACK_MODULE + 0x1200, STACK_MODULE + 0x1280, n, of_module,
		VH_ARRAY_SIZE(of_module));
	stack_orc_entry(i, STACK_DATA + 0x40, n, &fp);
	stack_orc_entry(i, STACK_DATA + 0x48, n, &null);
	snprintf(text, sizeof(text),
		"symbol __stop_orc_unwind_ip %lx r\nsymbol __stop_orc_unwind %lx r\n",
		STACK_ORC + 4 * VH_ARRAY_SIZE(rows), STACK_ORC + 0x800 + 6 * VH_ARRAY_SIZE(rows));
	image_add(i, text);
}

/* The stack, its registers saved at +0x30 and at its end. */
static inline void stack_words(struct image *i)
{
	char text[2048];

	snprintf(text, sizeof(text),
		"u64 %lx %lx 0 0 0 %lx %lx\n" /* leaf returns to caller, that to asm_irq */
		"u64 %lx %lx\nu64 %lx %lx 10 246 %lx 18\n" /* BP; IP, CS, FLAGS, SP, SS */
		"u64 %lx 0 %lx\n"                          /* make returns to do_call */
		"u64 %lx 0 %lx\n"                          /* do_call to entry */
		"u64 %lx 401000 33 246 7ffe00001000 2b\n",
		STACK_SP, STACK_CALLER + 0x10, STACK_SP + 0x2f8, STACK_IRQ + 0x10,
		STACK_SP + 0x30 + 32, STACK_SP + 0x2f8, STACK_SP + 0x30 + 128, STACK_MODULE + 0x40,
		STACK_SP + 0x200, STACK_SP + 0x200, STACK_SYSCALL + 0x10, STACK_SP + 0x2f8,
		STACK_ENTRY + 0x10, STACK_SP + 0x308 + 128);
	image_add(i, text);
}

/* --- A kernel of it ----------------------------------------------------------------------------
 */

struct stack_kernel {
	struct vh_kernel k;
	struct vh_range ranges[16];
	struct vh_inside *in;
};

/* With symbols and types (or NULL) that it takes. */
static inline void stack_open_with(
	struct stack_kernel *s, struct image *i, struct vh_symbols *symbols, struct vh_btf *btf)
{
	struct vh_kernel *k = &s->k;

	*s = (struct stack_kernel){.in = vh_inside_new(VH_INSIDE_LINUX)};
	image_done(i);
	k->space = i->space;
	k->ranges = s->ranges;
	k->n_ranges = vh_space_ranges(i->space, VH_KERNEL_LOW, VH_KERNEL_HIGH, s->ranges, 16);
	k->symbols = symbols;
	k->stext = STACK_TEXT;
	k->etext = STACK_TEXT + 0x1000;
	k->btf = btf;
	k->layout = vh_layout_new(btf, NULL);
	k->modules = vh_modules_read(k, s->in);
	k->unwinder = vh_unwinder_new(k, s->in);
}

static inline struct vh_btf *stack_types(const char *text)
{
	struct vh_buf section = btf_build(text);
	struct vh_btf *btf;
	char *why;

	vh_guest_btf_parse(section.data, section.len, &btf, &why);
	vh_buf_free(&section);
	free(why);
	return btf;
}

/* btf: types, or NULL */
static inline void stack_open(struct stack_kernel *s, struct image *i, const char *btf)
{
	stack_open_with(s, i, image_symbols(i), btf ? stack_types(btf) : NULL);
}

static inline void stack_close(struct stack_kernel *s)
{
	vh_unwinder_free(s->k.unwinder);
	vh_modules_free(s->k.modules);
	vh_layout_free(s->k.layout);
	vh_guest_btf_free(s->k.btf);
	vh_symbols_free(s->k.symbols);
	vh_inside_free(s->in);
}
