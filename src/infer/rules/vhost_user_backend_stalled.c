/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/storage.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *stopped = vh_fact(f, VH_FACT_VHOST_USER_STOPPED);

	if (!vh_guest_is_visible(f) || !stopped)
		return;
	vh_for_all(j, f, VH_STRONG, VH_FACT_VHOST_USER_STOPPED);
	vh_weigh_waiting_guest(j, f);
	vh_at_most(j, VH_LIKELY,
		"whether the guest has given it something to do cannot be seen from outside");
	vh_title(j, "a vhost-user backend is stopped: %s", stopped->text);
	vh_auto_free char *go_on = vh_asprintf("kill -CONT %d", (int)stopped->value);

	vh_next(j, go_on,
		"let it go on, once it is clear who stopped it, and why: the guest goes on by "
		"itself");
	vh_next(j, NULL,
		"until then change nothing of that device (hot-unplug, migration, reset of the "
		"guest): QEMU "
		"would ask the backend and wait for it, with its main loop");
}

static const char *const includes[] = {"storage-does-not-answer", NULL};

const struct vh_rule vh_rule_vhost_user_backend_stalled = {
	.id = "vhost-user-backend-stalled",
	.title = "the process that serves a vhost-user device is stopped",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning = "A disk, file system or network card of the VM is served by a process of its "
		   "own "
		   "(vhost-user). That process is there, and connected, but stopped by a signal or "
		   "a "
		   "debugger: what the guest gives the device is not answered.",
	.shown_by = "The process behind the device's Unix socket is in state T at both looks.",
	.what_to_do = "Let it go on (kill -CONT, or the debugger that holds it).",
	.includes = includes,
	.judge = judge,
};
