/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/moving.h"

/* A vCPU that is woken more often a second gets its pages, one after the other: a post-copy
 * migration that goes on looks so at any moment. */
#define PAGES_COME_PER_S 5

static bool has_qmp_socket(const struct vh_vm *vm)
{
	for (size_t i = 0; i < vm->n_monitors; i++)
		if (vm->monitors[i].kind == VH_MONITOR_QMP &&
			vh_prefix(vm->monitors[i].address, "unix:"))
			return true;
	return false;
}

void vh_next_monitor_with(struct vh_judgement *j, const struct vh_facts *facts, const char *virsh,
	const char *qmp, const char *arguments, const char *text)
{
	const struct vh_vm *vm = facts->model->vm;
	vh_auto_free char *command =
		vh_asprintf("{\"execute\":\"%s\",\"arguments\":%s}", qmp, arguments);
	vh_auto_free char *line = NULL;

	if (vm->libvirt.managed && virsh)
		line = vh_asprintf("virsh %s {name}", virsh);
	else if (vm->libvirt.managed)
		line = vh_asprintf("virsh qemu-monitor-command {name} '%s'", command);
	else if (has_qmp_socket(vm))
		line = vh_asprintf("printf '%%s' '{\"execute\":\"qmp_capabilities\"}%s' | "
				   "socat -t2 - UNIX-CONNECT:{socket}",
			command);
	vh_next(j, line, "%s%s%s%s", text, line ? "" : " (monitor command ", line ? "" : command,
		line ? "" : ")");
}

const struct vh_fact *vh_pages_come(const struct vh_facts *facts, int vcpu)
{
	const struct vh_fact *wakes = vh_fact_of(facts, VH_FACT_VCPU_WAKES, vcpu);

	return wakes && wakes->value > PAGES_COME_PER_S ? wakes : NULL;
}

void vh_for_phase(struct vh_judgement *j, const struct vh_fact *phase)
{
	bool twice = phase && phase->value >= 2;

	vh_for(j, twice ? VH_PROOF : VH_STRONG, phase);
	if (phase && !twice)
		vh_at_most(j, VH_LIKELY,
			"it was seen once only: every migration goes through that phase");
}
