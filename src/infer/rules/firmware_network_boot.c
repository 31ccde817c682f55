/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/prompt.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *failed = vh_fact(f, VH_FACT_TEXT_NETWORK_BOOT_FAILED);
	const struct vh_fact *tries = vh_fact(f, VH_FACT_TEXT_NETWORK_BOOT);

	if (failed)
		vh_weigh_boot_end(f, j, VH_FACT_TEXT_NETWORK_BOOT_FAILED);
	else if (!vh_weigh_prompt(f, j, VH_FACT_TEXT_NETWORK_BOOT))
		return;
	vh_for(j, VH_WEAK, failed ? tries : NULL);
	if (!failed)
		vh_at_most(j, VH_POSSIBLE,
			"no attempt of it was seen to fail: the server may answer yet");
	vh_next(j,
		"tr '\\0' '\\n' < /proc/{pid}/cmdline | grep -A1 -x -e -boot -e -netdev -e -nic -e "
		"-device",
		"see the boot order, the network card and what it is connected to");
	vh_next(j, "tcpdump -nei any -c 20 'udp port 67 or udp port 68 or udp port 69'",
		"see whether its requests (DHCP, TFTP) leave the host, and whether anybody "
		"answers");
	vh_next_disk(j, f, "if it should boot from its disk: see whether that is empty");
}

static const char *const includes[] = {VH_PROMPT_INCLUDES, "firmware-no-boot-device",
	"guest-reset-loop", "boot-disk-unreadable", NULL};

const struct vh_rule vh_rule_firmware_network_boot = {
	.id = "firmware-network-boot",
	.title = "the firmware tries to boot from the network, in vain",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_RUNNING,
	.hung = VH_HUNG_YES,
	.meaning = "The firmware (iPXE, UEFI PXE) asks the network for an address and a "
		   "file to boot, and does not get them: no DHCP server answers, the "
		   "server names no file, the file server does not answer, or the card's "
		   "link is down. It tries the next card, gives up, or starts anew, "
		   "without end where the firmware is told to retry.",
	.shown_by = "Its words on the screen or the serial console (\"No configuration "
		    "methods succeeded\", \"Nothing to boot\", PXE-E codes), while no "
		    "operating system runs on the boot CPU. An attempt alone, without a "
		    "failure, is no hang: DHCP takes its time.",
	.what_to_do = "Should it boot from the network? If not, its disk is missing, empty, "
		      "or behind the network card in the boot order. If so: does the DHCP "
		      "server see its requests (VLAN, bridge, firewall, relay), and name a "
		      "file that suits the firmware (BIOS or UEFI)?",
	.includes = includes,
	.judge = judge,
};
