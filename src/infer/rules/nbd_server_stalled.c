/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/storage.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *waits = vh_fact(f, VH_FACT_NBD_UNANSWERED);

	const struct vh_fact *stopped = vh_fact(f, VH_FACT_SERVER_STOPPED);

	if (!vh_guest_is_visible(f) || !waits)
		return;
	vh_for_all(j, f, VH_STRONG, VH_FACT_NBD_UNANSWERED);
	/* What is stopped answers nothing, however long one waits. */
	vh_for_all(j, f, VH_PROOF, VH_FACT_SERVER_STOPPED);
	vh_weigh_waiting_guest(j, f);
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_NBD_RECONNECTS));
	if (!stopped)
		vh_at_most(j, VH_LIKELY,
			"a very slow server answers nothing for a second, too: look again, and "
			"longer");
	vh_auto_free char *server = vh_served_by(f, VH_BACKEND_NBD);

	vh_title(j, "the NBD server does not answer: %s", waits->text);
	if (stopped) {
		vh_auto_free char *go_on = vh_asprintf("kill -CONT %d", (int)stopped->value);

		vh_next(j, go_on, "let it go on, once it is clear who stopped it, and why: %s",
			stopped->text);
	}
	vh_next(j, "ps -eo pid,stat,wchan:25,args | grep -E '[n]bd|[s]torage-daemon'",
		"look at the server (%s): stopped (T), waiting for its own storage (D), or on "
		"another host "
		"that cannot be reached",
		server ? server : "nbd");
	vh_next(j, "ss -xtnp | grep pid={pid},",
		"see whether the connection to it still stands, and what waits to be sent");
	vh_next_while_storage_is_silent(j);
}

static const char *const includes[] = {"storage-does-not-answer", NULL};

const struct vh_rule vh_rule_nbd_server_stalled = {
	.id = "nbd-server-stalled",
	.title = "the NBD server behind a drive does not answer",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning =
		"A drive is served by an NBD server. The connection stands, the server has been "
		"sent "
		"requests, and it answers none. QEMU has no time-out for that: the guest waits for "
		"ever.",
	.shown_by = "Requests of the guest are in flight on a drive of NBD, none completes, and "
		    "QEMU "
		    "does not try to connect again (it has no thread nbd-connect).",
	.what_to_do = "Mend the server: let it go on (SIGCONT), free the storage under it, or "
		      "restart it. "
		      "QEMU repeats what was in flight on a new connection only with "
		      "reconnect-delay=SECONDS; without it requests fail when the connection "
		      "breaks, and "
		      "the guest sees I/O errors.",
	.includes = includes,
	.judge = judge,
};
