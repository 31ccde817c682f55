/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/storage.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *lost = vh_fact(f, VH_FACT_NBD_RECONNECTS);
	const struct vh_fact *fail = vh_fact(f, VH_FACT_REQUESTS_FAIL);
	const struct vh_fact *waits = vh_fact(f, VH_FACT_NBD_UNANSWERED);

	if (!lost)
		return;
	/* It connects again only where there is a request to send. */
	vh_for_all(j, f, VH_PROOF, VH_FACT_NBD_RECONNECTS);
	vh_for(j, VH_STRONG, fail);
	vh_for(j, VH_STRONG, waits);
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_RUNSTATE_IO_ERROR));
	vh_weigh_waiting_guest(j, f);
	if (!fail && !waits &&
		(vh_fact(f, VH_FACT_JOB_RUNS) || vh_fact(f, VH_FACT_JOB_STOPPED_BY_ERROR)))
		vh_at_most(j, VH_LIKELY,
			"no request of the guest was seen to wait or fail: a block job may be what "
			"uses that server");
	vh_auto_free char *server = vh_served_by(f, VH_BACKEND_NBD);

	vh_title(j, "the NBD server %s%sis gone: %s", server ? server : "", server ? " " : "",
		fail    ? "the guest's requests fail"
		: waits ? "the guest's requests wait for it"
			: "QEMU tries to connect again");
	vh_next(j, "ps -eo pid,stat,args | grep -E '[n]bd|[s]torage-daemon'",
		"start the server again, with the same export at the same address%s%s: QEMU "
		"connects again "
		"within 16 s",
		server ? ": " : "", server ? server : "");
	if (fail)
		vh_next(j, NULL,
			"then look into the guest: it has seen I/O errors, its file systems may be "
			"read-only, and it may need a reset. reconnect-delay=SECONDS of the drive "
			"makes "
			"requests wait instead");
	else
		vh_next(j, NULL,
			"do it soon: when the drive's reconnect-delay is over, the requests that "
			"wait "
			"fail, and the guest sees I/O errors");
}

static const char *const includes[] = {
	"storage-does-not-answer", "nbd-server-stalled", "storage-fails", NULL};

const struct vh_rule vh_rule_nbd_server_gone = {
	.id = "nbd-server-gone",
	.title = "the NBD server behind a drive is gone",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning =
		"The connection to the server of a drive broke (the server ended, was killed, or "
		"its "
		"host is away), and QEMU cannot connect again. Without reconnect-delay every "
		"request "
		"fails at once; with it requests wait so long, and fail then.",
	.shown_by = "A thread nbd-connect of QEMU is there at each look: it tries again, and "
		    "sleeps in "
		    "between. Failed requests grow, or requests in flight stay unanswered.",
	.what_to_do = "Start the server again at the same address; QEMU finds it by itself. Then "
		      "check the "
		      "guest's file systems.",
	.includes = includes,
	.judge = judge,
};
