/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/storage.h"

static void tell_next(const struct vh_facts *f, struct vh_judgement *j)
{
	static const struct {
		enum vh_backend backend;
		const char *command, *text;
	} servers[] = {
		{VH_BACKEND_RBD, "ceph -s; ceph health detail | head -20",
			"it lies in Ceph: see whether the cluster serves it (slow or blocked "
			"requests, "
			"placement groups that are not active, a full pool)"},
		{VH_BACKEND_ISCSI, "ss -tnpi | grep -A1 pid={pid},",
			"it lies on iSCSI: see whether the connection to the target lives, and "
			"whether the "
			"target serves the LUN"},
		{VH_BACKEND_OTHER_SERVER, "ss -tnpi | grep -A1 pid={pid},",
			"see whether the server behind that drive answers: its connection, and the "
			"server itself"},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(servers); i++) {
		vh_auto_free char *file = vh_served_by(f, servers[i].backend);

		if (file)
			vh_next(j, servers[i].command, "%s (%s)", servers[i].text, file);
	}
	vh_next(j, "dmesg -T | tail -50; cat /proc/pressure/io",
		"see whether the host has trouble with that storage: I/O errors, time-outs, a lost "
		"path, "
		"a server that does not respond");
	vh_next_while_storage_is_silent(j);
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *request = vh_fact(f, VH_FACT_REQUEST_UNANSWERED);
	const struct vh_fact *nbd = vh_fact(f, VH_FACT_NBD_UNANSWERED);
	const struct vh_fact *thread = vh_fact(f, VH_FACT_STORAGE_SILENT);

	if (!vh_guest_is_visible(f))
		return;
	vh_for_all(j, f, VH_STRONG, VH_FACT_REQUEST_UNANSWERED);
	vh_for_all(j, f, VH_STRONG, VH_FACT_NBD_UNANSWERED);
	vh_for_all(j, f, VH_STRONG, VH_FACT_STORAGE_SILENT);
	if (!request && !nbd && !thread)
		return;
	vh_weigh_waiting_guest(j, f);
	vh_at_most(j, VH_LIKELY,
		"very slow storage answers nothing for a second, too: look again, and longer");
	const struct vh_fact *told = request ? request : nbd ? nbd : thread;

	vh_title(j, "the guest waits for its storage: %s", told->text);
	tell_next(f, j);
}

const struct vh_rule vh_rule_storage_does_not_answer = {
	.id = "storage-does-not-answer",
	.title = "the guest waits for its storage, which does not answer",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning =
		"The guest gave a drive a request, QEMU passed it on, and nothing came back. "
		"Whatever "
		"in the guest needs that drive waits, while its vCPUs are idle: from its CPU use "
		"it "
		"looks like an idle guest.",
	.shown_by = "A virtio disk has requests in flight (x-query-virtio-queue-status: inuse) "
		    "while "
		    "none is completed and the drive's counters stand still; or a thread of QEMU "
		    "waits for storage in the kernel, and was not woken once in the window.",
	.what_to_do =
		"Mend the storage; the guest goes on by itself as soon as it answers. Do not ask "
		"QEMU "
		"about the drive meanwhile (query-block, snapshots): that would block QEMU itself. "
		"If "
		"the storage is lost for good, end the VM; a guest that waits cannot shut down "
		"cleanly.",
	.judge = judge,
};
