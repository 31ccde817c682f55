/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/serial.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *serial = vh_fact(f, VH_FACT_SERIAL_NOT_READ);
	const struct vh_fact *console = vh_fact(f, VH_FACT_CONSOLE_NOT_READ);

	if (!serial && !console)
		return;
	vh_for_all(j, f, VH_STRONG, VH_FACT_SERIAL_NOT_READ);
	vh_for_all(j, f, VH_STRONG, VH_FACT_CONSOLE_NOT_READ);
	vh_for_all(j, f, VH_STRONG, VH_FACT_CONSOLE_READER_STOPPED);
	vh_title(j, "%s", serial ? serial->text : console->text);
	vh_next_read(j, f, serial ? serial : console);
}

const struct vh_rule vh_rule_console_not_read = {
	.id = "console-not-read",
	.title = "nobody reads one of the VM's consoles, and it is full",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_RUNNING,
	.hung = VH_HUNG_NO,
	.aside = true,
	.meaning = "A serial port, virtio port or virtio console of the VM leads into a pipe, a "
		   "socket or a terminal that somebody has open and does not read, and it is full. "
		   "Who writes to a virtio port (an agent, a service that logs there) waits for "
		   "ever; on a serial port Linux waits 10 ms for each byte, and with it all that "
		   "prints; what is written to a virtio console is lost. The rest of the guest "
		   "goes on, so that the VM as a whole may look idle, or well.",
	.shown_by =
		"The descriptor behind the console has no room at the beginning and at the end of "
		"the window (poll(2) on a duplicate of it; nothing is read or written).",
	.what_to_do = "Read from the other end. To close it frees who writes to a serial port, for "
		      "QEMU throws away what comes out of one that nobody has open; who writes to "
		      "a virtio port then waits for the next client. For good: log into a file "
		      "(logfile=), and connect only readers that read.",
	.judge = judge,
};
