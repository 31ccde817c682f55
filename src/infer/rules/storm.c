/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/storm.h"

#include "base/clock.h"

/* Firmware and boot loaders poll devices and keyboards for a while, and then get on. */
#define BOOTING_NS (60 * VH_NS_PER_S)

const char *const vh_storm_includes[] = {"guest-spins", "guest-spins-irqs-off",
	"guest-spins-irqs-on", "boot-cpu-spins-aps-never-started", NULL};

static void hold_down(const struct vh_facts *f, struct vh_judgement *j, int v)
{
	const struct vh_fact *alone = vh_fact_of(f, VH_FACT_VCPU_TAKES_NO_IRQS, v);

	if (vh_fact(f, VH_FACT_EXITS_LOST))
		vh_at_most(j, VH_LIKELY, "events were lost: it may do more than was seen");
	if (vh_fact_of(f, VH_FACT_VCPU_STORM_WRITES, v) && !alone &&
		!vh_fact_of(f, VH_FACT_VCPU_IRQS_OFF, v))
		vh_at_most(j, VH_POSSIBLE,
			"it writes there, and takes interrupts: a guest that works with this "
			"device may do the same");
	if (vh_fact_of(f, VH_FACT_VCPU_READS_CLOCK, v))
		vh_at_most(j, VH_POSSIBLE,
			"it reads a clock as well: its wait has an end, or it is at work");
	if (vh_fact_of(f, VH_FACT_VCPU_USER_MODE, v))
		vh_at_most(j, VH_POSSIBLE, "it was seen in user mode: a program polls there");
	/* A device may answer yet; where none is, none will. */
	if (!vh_fact_of(f, VH_FACT_VCPU_TINY_LOOP, v) &&
		!vh_fact_of(f, VH_FACT_VCPU_STORM_ON_NOTHING, v) && vh_boot_cpu_in_firmware(f) &&
		vh_vcpu_ran_ns(f, v) < BOOTING_NS)
		vh_at_most(j, VH_POSSIBLE,
			"it has not run for long: firmware and boot loaders poll devices for a "
			"while, too");
}

static void weigh_vcpu(const struct vh_facts *f, struct vh_judgement *j, int v)
{
	const struct vh_fact *off = vh_fact_of(f, VH_FACT_VCPU_IRQS_OFF, v);
	const struct vh_fact *closed = off ? vh_fact_of(f, VH_FACT_VCPU_CLOSED_LOOP, v) : NULL;
	bool writes = vh_fact_of(f, VH_FACT_VCPU_STORM_WRITES, v);

	vh_for(j, VH_PROOF, closed);
	vh_for(j, VH_STRONG, vh_runs_all_it_can(f, v));
	vh_for(j, VH_STRONG, off);
	vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_TAKES_NO_IRQS, v));
	vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_RIP_FIXED, v));
	vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_SMALL_LOOP, v));
	vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_TINY_LOOP, v));
	vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_STORM_ON_NOTHING, v));
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_STORM_WRITES, v));
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_LEAVES_TO_VMM, v));
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_STAGE, v));
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_RIP_MOVES, v));
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_USER_MODE, v));
	vh_against(j, writes ? VH_STRONG : VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_TAKES_IRQS, v));
	if (!closed)
		hold_down(f, j, v);
}

void vh_next_device(struct vh_judgement *j, const struct vh_facts *f)
{
	vh_next(j,
		f->model->vm->libvirt.managed
			? "virsh qemu-monitor-command {name} --hmp 'info qtree'"
			: NULL,
		"see which device that is, and whether what it stands on (a drive, a socket, a "
		"passed-through device) is all right: \"info qtree\" and \"info mtree\" in the "
		"monitor");
}

bool vh_weigh_storm(const struct vh_facts *f, struct vh_judgement *j, enum vh_fact_id storm)
{
	const struct vh_fact *first = vh_fact(f, storm);

	if (!vh_guest_is_visible(f) || !first)
		return false;
	for (size_t i = 0; i < f->n; i++)
		if (f->list[i]->id == storm) {
			vh_for(j, VH_STRONG, f->list[i]);
			weigh_vcpu(f, j, f->list[i]->vcpu);
		}
	vh_title(j, "%s", first->text);
	vh_auto_free char *watch = vh_asprintf("vmhang exits {name} --vcpu %d", first->vcpu);

	vh_next(j, watch, "watch it: is it always the same, and from where?");
	return true;
}
