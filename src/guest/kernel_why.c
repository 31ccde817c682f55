/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What there is where no kernel was found. */
#include <errno.h>
#include <inttypes.h>

#include "guest/kernel_search.h"

static const char *runs_instead(enum vh_stage stage)
{
	switch (stage) {
	case VH_STAGE_RESET:
		return "is as reset left it: nothing has run yet";
	case VH_STAGE_REAL_MODE:
		return "is in real mode: a BIOS, a boot sector or a boot loader runs, and no "
		       "kernel "
		       "yet";
	case VH_STAGE_SEABIOS_32:
		return "runs SeaBIOS: there is no kernel yet";
	case VH_STAGE_PROTECTED:
		return "runs 32-bit code without paging, a BIOS or a boot loader: there is no "
		       "kernel "
		       "yet";
	case VH_STAGE_OVMF_SEC_PEI:
		return "runs UEFI firmware that has just begun: there is no kernel yet";
	case VH_STAGE_OVMF_DXE:
		return "runs UEFI firmware, or a boot loader or the kernel's EFI stub under it: "
		       "there is no kernel yet";
	case VH_STAGE_LINUX_DECOMPRESSOR:
		return "unpacks a Linux kernel, which does not run yet";
	case VH_STAGE_LINUX_32:
		return "runs a 32-bit Linux, and only 64-bit ones can be looked into";
	case VH_STAGE_WINDOWS_64:
		return "runs Windows, and only Linux can be looked into";
	default:
		return NULL;
	}
}

static const char *unreadable(int error)
{
	switch (error) {
	case -ENODATA:
		return "that page is not in the host's memory (swapped out, or left out of the "
		       "dump)";
	case -EFAULT:
		return "there is no RAM";
	default:
		return strerror(-error);
	}
}

/* The boot CPU: the first whose registers are known. */
static const struct vh_cpu *boot_cpu(const struct vh_cpu *cpus, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (cpus[i].is_arm ? cpus[i].arm.valid : cpus[i].x86.valid)
			return &cpus[i];
	return NULL;
}

static char *budget_sentence(const struct vh_memory_use *use)
{
	return vh_asprintf("the limit of %s was reached before a kernel was found",
		use->out_of_bytes ? "bytes to be read" : "time");
}

void vh_kernel_why_not(const struct vh_kernel_search *s, const struct vh_cpu *cpus, size_t n)
{
	const struct vh_cpu *boot = boot_cpu(cpus, n);
	struct vh_memory_use use = vh_memory_used(s->m);
	const char *instead = runs_instead(s->in->stage);
	struct vh_inside *in = s->in;

	free(in->why);
	in->outcome = VH_INSIDE_NO_LINUX;
	if (use.out_of_bytes || use.out_of_time) {
		in->outcome = VH_INSIDE_UNREADABLE;
		in->why = budget_sentence(&use);
	} else if (boot && instead) {
		if (in->stage == VH_STAGE_LINUX_DECOMPRESSOR)
			in->outcome = VH_INSIDE_EARLY_LINUX;
		in->why = vh_asprintf("vCPU %d %s", boot->index, instead);
	} else if (s->unreadable && s->unreadable == s->n_roots) {
		in->outcome = VH_INSIDE_UNREADABLE;
		in->why = vh_asprintf("the page tables at %#" PRIx64 " could not be read: %s",
			s->bad_root.a, unreadable(s->error));
	} else if (s->early_image) {
		in->outcome = VH_INSIDE_EARLY_LINUX;
		in->why = vh_asprintf("a kernel that has hardly begun: %s",
			s->why ? s->why : "its symbols were not found");
	} else if (!boot && !s->n_roots && !s->why) {
		in->why = vh_strdup(
			s->options->no_scan
				? "no registers are known, and memory was not searched"
				: "no note of a Linux kernel (VMCOREINFO) lies in memory, and no "
				  "registers are known");
	} else {
		in->why = vh_asprintf("%s%s",
			in->stage == VH_STAGE_LINUX_64 ? "by its registers Linux runs, but " : "",
			s->why ? s->why : "no page tables were found that map a Linux kernel");
	}
}
