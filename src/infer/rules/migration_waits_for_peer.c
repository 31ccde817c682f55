/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/moving.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	vh_for_phase(j, vh_fact(f, VH_FACT_MIGRATION_SETS_UP));
	vh_next(j, "ss -xtnp | grep pid={pid},",
		"see how far it came: SYN-SENT means that nobody answers at the destination's "
		"address (a firewall, a wrong address, a host that is down)");
	vh_next(j, NULL,
		"look at the destination host: whether its VMM listens, and whether a TLS "
		"handshake failed there (its log)");
	vh_next_monitor(j, f, "domjobabort", "migrate_cancel",
		"or cancel it: the VM goes on here, and loses nothing");
}

const struct vh_rule vh_rule_migration_waits_for_peer = {
	.id = "migration-waits-for-peer",
	.title = "a migration was begun and does not get through to the other side",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_RUNNING,
	.hung = VH_HUNG_UNKNOWN,
	.meaning =
		"A migration was begun, and its connection to the destination has not come about: "
		"nobody answers there, or the handshake does not end. The VM itself runs on.",
	.shown_by = "query-migrate says \"setup\" at both looks. That takes milliseconds where all "
		    "is well.",
	.what_to_do = "Check address, port, firewall and certificates of the destination, and that "
		      "its VMM was started with -incoming. Cancelling is harmless.",
	.judge = judge,
};
