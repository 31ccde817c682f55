/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/storage.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *gone = vh_fact(f, VH_FACT_VHOST_USER_GONE);

	if (!vh_guest_is_visible(f) || !gone)
		return;
	vh_for_all(j, f, VH_PROOF, VH_FACT_VHOST_USER_GONE);
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_LOG_VMM_ERROR));
	vh_weigh_waiting_guest(j, f);
	vh_title(j, "a vhost-user backend is gone: %s", gone->text);
	vh_next(j,
		"ps -eo pid,stat,etime,args | grep -E "
		"'[v]irtiofsd|[s]torage-daemon|[s]pdk|[o]vs-|[v]host'",
		"see whether the process that served it (virtiofsd, SPDK, OVS-DPDK, "
		"qemu-storage-daemon) "
		"still lives, and why it ended: its log, the kernel's log (OOM, segfault)");
	vh_next(j, "dmesg -T | grep -iE 'oom|killed process|segfault' | tail", "was it killed?");
	vh_next(j, NULL,
		"start it again on the same socket: where QEMU connects (chardev with reconnect=) "
		"or "
		"listens (server=on) a disk or network goes on. virtiofs and most others cannot be "
		"resumed: restart the VM then");
}

static const char *const includes[] = {
	"storage-does-not-answer", "vhost-user-backend-stalled", NULL};

const struct vh_rule vh_rule_vhost_user_backend_gone = {
	.id = "vhost-user-backend-gone",
	.title = "the process that serves a vhost-user device is gone",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning =
		"A disk, file system or network card of the VM is served by a process of its own "
		"(vhost-user). That process has ended or closed its socket. What the guest gave "
		"the "
		"device stays unanswered for ever; QEMU itself goes on.",
	.shown_by = "query-chardev shows the chardev of the vhost-user device as "
		    "\"disconnected:\".",
	.what_to_do = "Find out why the backend ended, and start it again on the same socket; if "
		      "QEMU "
		      "cannot connect again, the VM must be restarted.",
	.includes = includes,
	.judge = judge,
};
