/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rows of the table of exits: which there are, what they are called, and their order. */
#include "report/exits_view.h"

static const char *const sort_names[VH_N_SORT] = {
	[VH_SORT_SAMPLES] = "samples",
	[VH_SORT_TIME] = "time",
	[VH_SORT_MEAN] = "mean",
	[VH_SORT_MAX] = "max",
	[VH_SORT_NAME] = "name",
};
VH_NAMES_DEFINE(vh_exits_sort, enum vh_exits_sort, sort_names)

static const char *const of_names[VH_N_EXITS_OF] = {
	[VH_EXITS_VMEXIT] = "vmexit",
	[VH_EXITS_MMIO] = "mmio",
	[VH_EXITS_IOPORT] = "ioport",
	[VH_EXITS_MSR] = "msr",
};
VH_NAMES_DEFINE(vh_exits_of, enum vh_exits_of, of_names)

const char *vh_key_kind_title(enum vh_key_kind kind)
{
	static const char *const titles[VH_N_KEY_KIND] = {
		[VH_KEY_PIO] = "port I/O",
		[VH_KEY_MMIO] = "MMIO",
		[VH_KEY_MSR] = "MSR",
		[VH_KEY_CR] = "control register",
		[VH_KEY_CPUID] = "CPUID",
		[VH_KEY_HYPERCALL] = "hypercall",
		[VH_KEY_HV_HYPERCALL] = "Hyper-V hypercall",
		[VH_KEY_XEN_HYPERCALL] = "Xen hypercall",
		[VH_KEY_FAULT] = "page fault",
		[VH_KEY_FAULT_RIP] = "page fault, by RIP",
		[VH_KEY_VIRQ] = "interrupt injected",
		[VH_KEY_EXCEPTION] = "exception injected",
		[VH_KEY_IPI] = "IPI sent",
		[VH_KEY_ACCEPT] = "interrupt accepted",
		[VH_KEY_EOI] = "end of interrupt",
		[VH_KEY_EMULATED] = "instruction emulated",
		[VH_KEY_NAE] = "VMGEXIT",
		[VH_KEY_NAE_MSR] = "GHCB MSR protocol",
		[VH_KEY_USERSPACE] = "exit to user space",
		[VH_KEY_RIP] = "RIP at exits",
		[VH_KEY_WAKEUP] = "wake-up",
		[VH_KEY_GSI] = "interrupt line",
	};

	return vh_name_of(titles, VH_N_KEY_KIND, (int)kind);
}

char *vh_exit_key_name(const struct vh_exit_key *k)
{
	const char *text = k->text ? k->text : vh_key_kind_name(k->kind);

	return k->device ? vh_asprintf("%s (%s)", text, k->device) : vh_strdup(text);
}

/* What is unknown comes last, whatever the order. */
static int descending(double a, double b)
{
	if (isnan(a) || isnan(b))
		return isnan(a) - isnan(b);
	return (a < b) - (a > b);
}

static int by_samples(const void *pa, const void *pb)
{
	const struct vh_exits_line *a = pa, *b = pb;
	uint64_t x = a->timing->count, y = b->timing->count;

	if (x != y)
		return x < y ? 1 : -1;
	return a->at < b->at ? -1 : 1;
}

static int by_time(const void *a, const void *b)
{
	int order = descending(((const struct vh_exits_line *)a)->timing->total_ns,
		((const struct vh_exits_line *)b)->timing->total_ns);

	return order ? order : by_samples(a, b);
}

static int by_mean(const void *a, const void *b)
{
	int order = descending(((const struct vh_exits_line *)a)->timing->mean_ns,
		((const struct vh_exits_line *)b)->timing->mean_ns);

	return order ? order : by_samples(a, b);
}

static int by_max(const void *a, const void *b)
{
	int order = descending(((const struct vh_exits_line *)a)->timing->max_ns,
		((const struct vh_exits_line *)b)->timing->max_ns);

	return order ? order : by_samples(a, b);
}

static int by_name(const void *a, const void *b)
{
	int order = strcmp(
		((const struct vh_exits_line *)a)->name, ((const struct vh_exits_line *)b)->name);

	return order ? order : by_samples(a, b);
}

void vh_exits_sort_lines(struct vh_exits_line *lines, size_t n, enum vh_exits_sort sort)
{
	static int (*const order[VH_N_SORT])(const void *, const void *) = {
		[VH_SORT_SAMPLES] = by_samples,
		[VH_SORT_TIME] = by_time,
		[VH_SORT_MEAN] = by_mean,
		[VH_SORT_MAX] = by_max,
		[VH_SORT_NAME] = by_name,
	};

	for (size_t i = 0; i < n; i++)
		lines[i].at = i;
	if (n)
		qsort(lines, n, sizeof(*lines), order[sort]);
}
