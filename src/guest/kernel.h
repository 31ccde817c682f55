/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A Linux kernel that was found in a guest's memory, and what is needed to read its structures. */
#pragma once

#include "guest/arm.h"
#include "guest/inside.h"
#include "guest/layout.h"
#include "guest/secrets.h"
#include "guest/space.h"
#include "guest/symbols.h"

/* A vCPU's registers, as they were given: x86, or 64-bit ARM. */
struct vh_cpu {
	int index;
	bool is_arm;
	struct vh_registers x86;
	struct vh_arm_registers arm;
};

#define VH_MAX_RANGES 4096

struct vh_modules;
struct vh_unwinder;

struct vh_kernel {
	struct vh_space *space;  /* its page tables: swapper's, or while it boots a vCPU's */
	struct vh_range *ranges; /* what is mapped between VH_KERNEL_LOW and VH_KERNEL_HIGH */
	size_t n_ranges;
	struct vh_symbols *symbols;
	struct vh_vmcoreinfo *note;   /* NULL: none */
	struct vh_btf *btf;           /* NULL: none */
	struct vh_layout *layout;     /* never NULL once vh_kernel_find() returned 0 */
	struct vh_modules *modules;   /* maybe empty; NULL with only_log */
	struct vh_unwinder *unwinder; /* NULL with only_log */
	struct vh_secrets *secrets;   /* of its command line; NULL: it was not read */
	uint64_t banner;              /* linux_banner */
	enum vh_inside_method method;
	bool pti;
	unsigned version; /* 6.1 as 601; 0 unknown */
	/* Of what is text: for "is this a return address". 0: the symbol is not there. */
	uint64_t stext, etext, sinittext, einittext;
};

/* What may be left out. */
struct vh_kernel_options {
	bool no_btf;  /* as though it had none: for tests */
	bool no_scan; /* do not search physical memory where registers lead nowhere */
	/* Nothing but the log is wanted: modules and unwinder are left out (NULL), and BTF where
	 * the note tells the log's layout. */
	bool only_log;
};

/*
 * Finds the kernel: by the vCPUs' page tables (CR3 as it is, and without bit 12 for PTI's user
 * half), else by VMCOREINFO in physical memory; reads symbols, note, BTF, layout, modules and ORC
 * tables; notes and steps go to in. True where symbols were read. Else in->outcome, in->why and
 * in->stage tell what there is: firmware, real mode, a boot loader, the decompressor, an early
 * Linux, another system, or unreadable memory.
 */
bool vh_kernel_find(struct vh_memory *m, const struct vh_cpu *cpus, size_t n,
	const struct vh_kernel_options *options, struct vh_inside *in, struct vh_kernel *out);
void vh_kernel_close(struct vh_kernel *k);

/* Symbol and variable at once; 0 or a negative errno, -ENOENT where there is no such symbol. */
int vh_kernel_u64(const struct vh_kernel *k, const char *symbol, uint64_t *value);
int vh_kernel_u32(const struct vh_kernel *k, const char *symbol, uint32_t *value);
/* True where the release ("6.1.0-49-amd64") is of that version or a later one; false where it is
 * not known. */
bool vh_kernel_since(const struct vh_kernel *k, unsigned major, unsigned minor);

/* Release, banner, build id, command line (masked), uptime, taint, panic: of its variables. */
void vh_kernel_describe(struct vh_kernel *k, struct vh_inside *in);
/* The command line, where no variable told it: the kernel's log begins with it. */
void vh_kernel_describe_by_log(struct vh_kernel *k, struct vh_inside *in);

/* arm64; else x86-64. */
static inline bool vh_kernel_is_arm(const struct vh_kernel *k)
{
	return vh_space_root(k->space)->paging == VH_PAGING_ARM64;
}

/* True for kernel text, its init text, or a module's text. */
bool vh_kernel_is_text(const struct vh_kernel *k, uint64_t gva);
/* Names an address: symbol, offset, size, module of f; left NULL where nothing covers it. */
void vh_kernel_name(const struct vh_kernel *k, uint64_t gva, struct vh_frame *f);
/* Address of a per-CPU variable on a CPU: its symbol plus __per_cpu_offset[cpu]. */
bool vh_kernel_percpu(const struct vh_kernel *k, const char *symbol, int cpu, uint64_t *gva);
/* Where a step began: pass it to vh_inside_step_end(), which adds a row to in->steps. */
struct vh_step {
	int64_t began_ns;
	uint64_t bytes;
};
struct vh_step vh_step_begin(struct vh_memory *m);
void vh_step_end(struct vh_inside *in, const char *name, struct vh_memory *m, struct vh_step step);
