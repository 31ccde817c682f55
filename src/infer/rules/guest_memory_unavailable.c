/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *efault = vh_fact(f, VH_FACT_KVM_RUN_EFAULT);
	const struct vh_fact *error = vh_fact(f, VH_FACT_RUNSTATE_INTERNAL_ERROR);
	const struct vh_host_memory *h = &f->model->host.memory;

	if (!efault)
		return;
	vh_for(j, error ? VH_PROOF : VH_STRONG, efault);
	vh_for(j, VH_STRONG, error);
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_RUNSTATE_RUNNING));
	if (h->huge_total > 0 && h->huge_free == 0)
		vh_title(j,
			"a page of the guest's memory could not be provided: the host has no free "
			"huge page (%lld in all)",
			(long long)h->huge_total);
	vh_next(j,
		"tr '\\0' '\\n' </proc/{pid}/cmdline | grep -E 'mem-path|memory-backend'; "
		"df -h /dev/shm /dev/hugepages; grep Huge /proc/meminfo",
		"see what backs the guest's memory, and whether that is full: a tmpfs at its size, "
		"the "
		"pool of huge pages, a file that was truncated");
	vh_next(j, NULL,
		"make it larger (a tmpfs: mount -o remount,size=SIZE; huge pages: sysctl "
		"vm.nr_hugepages), then restart the VM: "
		"what "
		"the vCPU did at that page cannot be repeated");
	vh_next(j, NULL,
		"have all memory provided at the start, where it fails at once and clearly: "
		"prealloc=on of the memory back end, <allocation mode='immediate'/>");
}

static const char *const includes[] = {"vmm-internal-error", NULL};

const struct vh_rule vh_rule_guest_memory_unavailable = {
	.id = "guest-memory-unavailable",
	.title = "a page of the guest's memory could not be provided",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.meaning = "The guest touched a page of its memory for the first time, and the "
		   "host could not provide it: the tmpfs or the pool of huge pages behind "
		   "it is full, or the file behind it was cut. KVM gives up (EFAULT), and "
		   "QEMU stops the VM with an internal error.",
	.shown_by = "QEMU's log says \"error: kvm run failed Bad address\", and query-status "
		    "internal-error.",
	.what_to_do = "Make room where the memory lies, then restart the VM. Preallocation "
		      "finds such a want at the start instead of hours later.",
	.includes = includes,
	.judge = judge,
};
