/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/healthy.h"

/* An operating system runs, while the screen shows the last words of what ran before it. */
static bool display_is_old(const struct vh_facts *f)
{
	return vh_fact(f, VH_FACT_SCREEN_OF_FIRMWARE) && !vh_fact(f, VH_FACT_SCREEN_OF_SYSTEM) &&
	       vh_stage_seen(f, 0) != VH_STAGE_UNKNOWN && !vh_boot_cpu_in_firmware(f);
}

/* The screen shows an operating system, of which the serial port's log has nothing. */
static const struct vh_fact *silent_serial(const struct vh_facts *f)
{
	if (!vh_fact(f, VH_FACT_SCREEN_OF_SYSTEM) || vh_fact(f, VH_FACT_SERIAL_OF_SYSTEM) ||
		vh_fact(f, VH_FACT_CONSOLE_GREW))
		return NULL;
	return vh_fact(f, VH_FACT_SERIAL_EMPTY) ? vh_fact(f, VH_FACT_SERIAL_EMPTY)
						: vh_fact(f, VH_FACT_SERIAL_OF_FIRMWARE);
}

static void judge_display(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *speaks = vh_fact(f, VH_FACT_SERIAL_OF_SYSTEM);

	vh_for(j, VH_STRONG, vh_fact(f, VH_FACT_SCREEN_OF_FIRMWARE));
	vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_STAGE, 0));
	vh_for(j, VH_STRONG, speaks);
	vh_for(j, VH_STRONG, vh_fact(f, VH_FACT_CONSOLE_GREW));
	vh_title(j,
		"the guest %s, but not on its display, which still shows the firmware's last "
		"words: %s",
		vh_fact(f, VH_FACT_VCPU_BUSY) || vh_fact(f, VH_FACT_VCPU_ACTIVE) ? "works"
										 : "is idle",
		speaks ? "it speaks on its serial port" : "it speaks elsewhere, or nowhere");
	if (f->model->vm->libvirt.managed)
		vh_next(j, "virsh console {name}", "attach to its serial console");
	else
		vh_next(j, NULL, "read its serial console instead of its display");
	vh_next(j, NULL,
		"to see it on the display too, give its kernel console=tty0 (and console=ttyS0 "
		"last, for both)");
}

static void judge_serial(
	const struct vh_facts *f, struct vh_judgement *j, const struct vh_fact *silent)
{
	vh_for(j, VH_STRONG, vh_fact(f, VH_FACT_SCREEN_OF_SYSTEM));
	vh_for(j, VH_STRONG, silent);
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_STAGE, 0));
	vh_title(j,
		"the guest %s, but not on its serial port, which is silent: it speaks on its "
		"display",
		vh_fact(f, VH_FACT_VCPU_BUSY) || vh_fact(f, VH_FACT_VCPU_ACTIVE) ? "works"
										 : "is idle");
	vh_next(j, "virt-viewer {name}",
		"look at its display (VNC, SPICE) instead of its serial console");
	vh_next(j, NULL,
		"to see it on the serial port too, give its kernel console=ttyS0, and start a "
		"getty there (systemctl enable --now serial-getty@ttyS0 in the guest)");
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *silent = silent_serial(f);

	if (!vh_guest_is_visible(f) || (!silent && !display_is_old(f)))
		return;
	vh_weigh_health(f, j);
	if (display_is_old(f))
		judge_display(f, j);
	else
		judge_serial(f, j, silent);
	/* A kernel may hang before it has set up any console. */
	if (!silent && !vh_fact(f, VH_FACT_SERIAL_OF_SYSTEM) && !vh_fact(f, VH_FACT_CONSOLE_GREW))
		vh_at_most(j, VH_POSSIBLE, "it was not seen to speak on any other console");
}

static const char *const includes[] = {"guest-busy", "guest-idle", "guest-disk-busy", NULL};

const struct vh_rule vh_rule_guest_on_another_console = {
	.id = "guest-on-another-console",
	.title = "the guest is well, and speaks on another console",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_RUNNING,
	.hung = VH_HUNG_NO,
	.includes = includes,
	.meaning = "One of the guest's consoles looks dead: the display stays at the last words of "
		   "the firmware or boot loader (\"Booting from Hard Disk...\"), or the serial "
		   "port says nothing. The guest itself is well: its kernel was told to use "
		   "another console.",
	.shown_by = "An operating system runs (CR0, CR4, EFER), its vCPUs work, or wait with "
		    "interrupts on; the text on the screen is of the firmware, while the serial "
		    "log holds what a kernel writes. Or the other way round: the screen shows a "
		    "system, and the serial log is empty.",
	.what_to_do = "Look at the other console. Which ones a Linux guest uses, the console= "
		      "parameters of its kernel say; a login prompt needs a getty on that console.",
	.judge = judge,
};
