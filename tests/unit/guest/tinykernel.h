/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A kernel of 300 functions and some variables in an image: with symbols, a banner, a note, page
 * tables of its own. */
#pragma once

#include "guest/kernel.h"
#include "tests/unit/guest/kallsyms.h"

#define TINY_TEXT      UINT64_C(0xffffffff81000000)
#define TINY_TABLES    UINT64_C(0xffffffff82000000) /* of kallsyms */
#define TINY_DATA      UINT64_C(0xffffffff82800000)
#define TINY_NOTE      UINT64_C(0xffff888003000000)
#define TINY_FUNCTIONS 300u

static const char tiny_memory[] =
	"map ffffffff81000000 1000000 5000 x\n"
	"map ffffffff82000000 2000000 10000 -\n"
	"map ffffffff82800000 2800000 3000 w\n"
	"map ffffffff82a00000 40000000 1000 w\n" /* init_top_pgt: IMAGE_TABLES */
	"map ffff888003000000 3000000 1000 w\n"
	"str ffffffff8200f000 Linux version 6.1.0-9-amd64 (a@b) (gcc) #1 SMP\n"
	/* Two notes, of which the second is NT_GNU_BUILD_ID. */
	"u32 ffffffff8200f800 4 4 100 756e694c 12345678 4 8 3 554e47 efbeadde 67452301\n"
	"u32 ffffffff82800000 3\n"          /* system_state */
	"u64 ffffffff82800008 1201\n"       /* tainted_mask: P, W, O */
	"u32 ffffffff82800010 ffffffff 0\n" /* panic_cpu, oops_in_progress */
	"u64 ffffffff82800018 ffffffff82801000 ffff888003000000\n"
	/* tk_core: sequence count 2; multiplier and shift 8, 0.5 s behind the second, base 100 s,
	 * asleep for 1 s. */
	"u32 ffffffff82800040 2 0\n"
	"u32 ffffffff82800060 1 8\n"
	"u64 ffffffff82800068 1dcd650000 174876e800\n"
	"u64 ffffffff828000e0 3b9aca00\n"
	"u64 ffffffff82800200 ffff888003000000 ffff888003000100 0 0\n" /* __per_cpu_offset */
	"str ffffffff82801000 root=/dev/vda1 quiet rd.luks.key=/k password=hunter2\n"
	"str ffff888003000000 OSRELEASE=6.1.0-9-amd64\n"
	"hex ffff888003000017 0a\n"
	"str ffff888003000018 SYMBOL(init_top_pgt)=ffffffff82a00000\n"
	"hex ffff88800300003d 0a\n"
	"str ffff88800300003e NUMBER(phys_base)=1029701632\n"
	"hex ffff88800300005a 0a\n"
	"str ffff88800300005b KERNELOFFSET=0\n";

/* Sorted, as kallsyms has them; with variables, or (no CONFIG_KALLSYMS_ALL) without. */
static inline struct vh_symbol *tiny_symbols(bool all, size_t *n)
{
	static const struct vh_symbol ends[] = {
		{"_text", 'T', TINY_TEXT, 0}, {"_stext", 'T', TINY_TEXT, 0}};
	static const struct vh_symbol variables[] = {
		{"_etext", 'T', TINY_TEXT + 0x5000, 0},
		{"linux_banner", 'D', TINY_TABLES + 0xf000, 0},
		{"__start_notes", 'R', TINY_TABLES + 0xf800, 0},
		{"__stop_notes", 'R', TINY_TABLES + 0xf82c, 0},
		{"system_state", 'D', TINY_DATA, 0},
		{"tainted_mask", 'd', TINY_DATA + 8, 0},
		{"panic_cpu", 'D', TINY_DATA + 0x10, 0},
		{"oops_in_progress", 'D', TINY_DATA + 0x14, 0},
		{"saved_command_line", 'D', TINY_DATA + 0x18, 0},
		{"vmcoreinfo_data", 'D', TINY_DATA + 0x20, 0},
		{"tk_core", 'd', TINY_DATA + 0x40, 0},
		{"__per_cpu_offset", 'R', TINY_DATA + 0x200, 0},
		{"behind", 'd', TINY_DATA + 0x220, 0},
		{"init_top_pgt", 'D', UINT64_C(0xffffffff82a00000), 0},
		{"_end", 'B', UINT64_C(0xffffffff82a01000), 0},
	};
	struct vh_symbol *functions = kallsyms_symbols(TINY_FUNCTIONS, TINY_TEXT), *list;
	size_t percpu = 8, at = 0, n_variables = all ? VH_ARRAY_SIZE(variables) : 1;

	*n = TINY_FUNCTIONS + VH_ARRAY_SIZE(ends) + n_variables;
	list = vh_alloc(*n * sizeof(*list));
	for (size_t i = 0; i < TINY_FUNCTIONS; i++) {
		for (size_t k = 0; i == percpu && k < VH_ARRAY_SIZE(ends); k++) {
			list[at] = ends[k];
			list[at++].name = vh_strdup(ends[k].name);
		}
		list[at++] = functions[i];
	}
	for (size_t k = 0; k < n_variables; k++) {
		list[at] = variables[k];
		list[at++].name = vh_strdup(variables[k].name);
	}
	free(functions);
	return list;
}

static inline struct image *tiny_image_of(enum kallsyms_layout layout, bool all)
{
	struct image *i = image_new(tiny_memory);
	size_t n;
	struct vh_symbol *list = tiny_symbols(all, &n);
	struct kallsyms k = kallsyms_of(layout, TINY_TABLES, list, n);

	kallsyms_put(i, &k);
	vh_buf_free(&k.bytes);
	kallsyms_symbols_free(list, n);
	return i;
}

/* Not done yet: more may be added. */
static inline struct image *tiny_image(enum kallsyms_layout layout)
{
	return tiny_image_of(layout, true);
}

/* Registers of a vCPU of that kernel, which runs with the page tables at cr3. */
static inline struct vh_cpu tiny_cpu(int index, uint64_t cr3)
{
	struct vh_cpu c = {.index = index};

	c.x86 = (struct vh_registers){
		.valid = true,
		.is_64bit = true,
		.has_segments = true,
		.rip = TINY_TEXT + 0x808,
		.cr0 = 0x80050033,
		.cr3 = cr3,
		.cr4 = 0x6f0,
		.efer = 0xd01,
		.gdt_base = UINT64_C(0xfffffe0000001000),
		.gdt_limit = 0x7f,
	};
	return c;
}
