/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *busy = vh_fact(f, VH_FACT_MONITOR_BUSY);
	const struct vh_fact *client = vh_fact(f, VH_FACT_MONITOR_CLIENT);

	/* A process that is stopped or that ends greets nobody, either. */
	if (!busy || f->model->pasted || vh_fact(f, VH_FACT_PROCESS_STOPPED) ||
		vh_fact(f, VH_FACT_PROCESS_GONE) || vh_fact(f, VH_FACT_CANNOT_END) ||
		vh_fact(f, VH_FACT_CGROUP_FROZEN))
		return;
	vh_for(j, VH_STRONG, busy);
	if (client) {
		vh_auto_free char *look = vh_asprintf(
			"ps -o pid,ppid,stat,wchan:25,etime,args -p %d", (int)client->value);

		vh_for(j, VH_STRONG, client);
		vh_title(j, "another client holds the monitor, and nobody else can use it: %s",
			client->text);
		vh_next(j, look,
			"see what the client is, and whether it lives: end it, if nobody needs it");
	} else {
		vh_next(j, "ss -xap | grep -F {socket}",
			"find who holds it: the process at the other end of the connection");
	}
	vh_next(j, NULL,
		"give vmhang, and people, a monitor of their own: QEMU serves one client a socket, "
		"but may have several sockets (-qmp unix:PATH,server=on,wait=off, once more)");
}

const struct vh_rule vh_rule_monitor_held = {
	.id = "monitor-held",
	.title = "another client holds the monitor, and nobody else can use it",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_RUNNING,
	.hung = VH_HUNG_NO,
	.aside = true,
	.meaning = "A QMP socket of QEMU serves one client at a time, and somebody is connected to "
		   "it: management software, mostly rightly so, or a program that forgot to close "
		   "it, or hangs itself. Others can connect, and are not greeted until that one "
		   "goes. This makes no guest hang, but nobody can look into the VM, or steer it.",
	.shown_by = "A connection to the monitor gets no greeting, while the list of the host's "
		    "sockets shows another one that is established.",
	.what_to_do = "Find the client (ss -xap) and see whether it lives. Under libvirt that is "
		      "libvirtd or virtqemud itself: ask it instead (virsh qemu-monitor-command). "
		      "Otherwise end the client, or add a second monitor for the next time.",
	.judge = judge,
};
