/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *waits = vh_fact(f, VH_FACT_VCPU_WAITS_ON_SERIAL);
	const struct vh_fact *silent = vh_fact(f, VH_FACT_MONITOR_SILENT);

	vh_for_all(j, f, silent ? VH_PROOF : VH_STRONG, VH_FACT_VCPU_WAITS_ON_SERIAL);
	if (!waits)
		return;
	vh_for(j, VH_STRONG, silent);
	vh_title(j, "%s", waits->text);
	vh_next(j, "ls -l /proc/{pid}/fd | grep -E 'pipe|pts|socket'",
		"find the pipe, terminal or socket, and read from its other end: the VM goes on at "
		"once");
}

static const char *const includes[] = {
	"vmm-main-loop-blocked", "vmm-lock-held", "console-not-read", NULL};

const struct vh_rule vh_rule_vcpu_blocked_on_serial = {
	.id = "vcpu-blocked-on-serial",
	.title = "a vCPU waits for somebody to read its serial or debug port",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning =
		"The guest writes to a character device (debug console, some serial ports) whose "
		"other end nobody reads. When the pipe or socket is full, the VMM retries in the "
		"vCPU's thread and holds its big lock meanwhile: the vCPU, then the whole VM "
		"stands still.",
	.shown_by = "The vCPU's thread sleeps for 100 us at a time, thousands of times a "
		    "second, outside of KVM_RUN (or blocks in a write), the device is backed "
		    "by a FIFO, a terminal or a socket, and the monitor does not answer.",
	.what_to_do =
		"Read from the other end. For good: back the device by a file, or by a socket "
		"with logfile= and server=on,wait=off and a reader that lives.",
	.includes = includes,
	.judge = judge,
};
