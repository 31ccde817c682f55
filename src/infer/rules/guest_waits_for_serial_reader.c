/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/serial.h"
#include "infer/rules/storm.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *waits = vh_fact(f, VH_FACT_VCPU_POLLS_SERIAL);
	const struct vh_fact *full = vh_fact(f, VH_FACT_SERIAL_NOT_READ);

	if (!vh_guest_is_visible(f) || !waits || !full)
		return;
	const struct vh_fact *off = vh_fact_of(f, VH_FACT_VCPU_IRQS_OFF, waits->vcpu);

	vh_for(j, VH_STRONG, waits);
	/* Nothing can end its wait but somebody who reads. */
	vh_for(j, off ? VH_PROOF : VH_STRONG, full);
	vh_for(j, VH_STRONG, vh_runs_all_it_can(f, waits->vcpu));
	vh_for(j, VH_WEAK, off);
	vh_for_all(j, f, VH_STRONG, VH_FACT_CONSOLE_READER_STOPPED);
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_RIP_MOVES, waits->vcpu));
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_USER_MODE, waits->vcpu));
	if (vh_fact(f, VH_FACT_EXITS_LOST))
		vh_at_most(j, VH_LIKELY, "events were lost: it may do more than was seen");
	const struct vh_channel *ch = &f->model->channels[(size_t)full->value];

	vh_auto_free char *who = ch->peer_name ? vh_asprintf(", which process %d (%s) does not",
							 (int)ch->peer, ch->peer_name)
					       : vh_strdup("");

	vh_title(j, "the guest waits for somebody to read its serial port%s%s (%s %s)%s",
		ch->label ? " " : "", ch->label ? ch->label : "", ch->kind, ch->address, who);
	vh_next_read(j, f, full);
	vh_next(j, NULL,
		"for good: back the port by a file (-serial file:PATH), or by a socket with "
		"server=on,wait=off and logfile=PATH, and connect only readers that read");
}

static const char *const includes[] = {"guest-port-storm", "guest-spins", "guest-spins-irqs-off",
	"guest-spins-irqs-on", "guest-kernel-spins", "boot-cpu-spins-aps-never-started",
	"guest-busy", "guest-slow", "console-not-read", "firmware-spins", "firmware-polls-device",
	NULL};

const struct vh_rule vh_rule_guest_waits_for_serial_reader = {
	.id = "guest-waits-for-serial-reader",
	.title = "the guest waits for somebody to read its serial port",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_SPINNING,
	.hung = VH_HUNG_YES,
	.meaning =
		"The guest prints to its serial port, and asks the port before each byte whether "
		"there is room (LSR, bit 5). The port's other end is connected to a pipe, a socket "
		"or a terminal that somebody has open and does not read. Once that is full, QEMU "
		"keeps the last byte and tells the guest to wait, for ever. Boot loaders, "
		"firmware, "
		"a kernel's early console and small systems wait without an end.",
	.shown_by =
		"A vCPU reads the serial port's line status (port 3fd for COM1), thousands of "
		"times "
		"a second, and does nothing else, while the descriptor behind that serial port has "
		"no room at both looks. A port whose other end nobody has open (no client on a "
		"server's socket, a terminal that nobody opened) does not hold a guest: QEMU "
		"throws "
		"away what is written there.",
	.what_to_do =
		"Read from the other end, or close it: the guest goes on at once. A client that is "
		"stopped (Ctrl-Z, Ctrl-S in a terminal) or that forgot the connection is the usual "
		"reason. Linux, once it is up, gives up on each byte after 10 ms, and is only "
		"slow.",
	.includes = includes,
	.judge = judge,
};
