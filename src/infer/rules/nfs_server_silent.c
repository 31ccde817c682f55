/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/storage.h"

/* The host's kernel says so itself: "nfs: server X not responding, still trying". */
static const struct vh_fact *kernel_says(const struct vh_facts *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->list[i]->id == VH_FACT_HOST_LOG &&
			strstr(f->list[i]->text, "not responding"))
			return f->list[i];
	return NULL;
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *silent = vh_fact(f, VH_FACT_NFS_SILENT);

	if (!silent || !vh_guest_is_visible(f))
		return;
	vh_for_all(j, f, VH_STRONG, VH_FACT_NFS_SILENT);
	vh_for_all(j, f, VH_STRONG, VH_FACT_REQUEST_UNANSWERED);
	vh_for(j, VH_STRONG, kernel_says(f));
	vh_weigh_waiting_guest(j, f);
	vh_at_most(j, VH_LIKELY,
		"a very slow server answers nothing for a second, too: look again, and longer");
	vh_title(j, "%s", silent->text);
	vh_next(j, "nfsstat -m; dmesg -T | grep -i 'nfs: server'",
		"see which server it is, and whether the kernel calls it not responding: is it up, "
		"and "
		"reachable on port 2049?");
	vh_next(j, "ss -tni dport = :2049",
		"see whether the connection stands: retransmissions and a growing send queue mean "
		"that "
		"the network or the server is away");
	vh_next_while_storage_is_silent(j);
}

static const char *const includes[] = {"storage-does-not-answer", "storage-in-d-state", NULL};

const struct vh_rule vh_rule_nfs_server_silent = {
	.id = "nfs-server-silent",
	.title = "the NFS server that holds a drive does not answer",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning = "A drive's image lies on NFS, mounted hard as it should be, and the server (or "
		   "the "
		   "network to it) is away. The kernel repeats the request until it is back.",
	.shown_by = "A thread of QEMU waits in functions of the NFS client (nfs_..., rpc_wait_..) "
		    "and was "
		    "not woken once in the window; the host's kernel log may say \"nfs: server ... "
		    "not responding\".",
	.what_to_do = "Bring the server or the network back: the requests go on, and nothing is "
		      "lost. Do "
		      "not kill QEMU meanwhile: a thread in such a wait may not end, and the VM "
		      "must not "
		      "be started elsewhere while it lives.",
	.includes = includes,
	.judge = judge,
};
