/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/prompt.h"

const char *const vh_prompt_includes[] = {VH_PROMPT_INCLUDES, NULL};

static bool weigh(const struct vh_facts *f, struct vh_judgement *j, enum vh_fact_id id)
{
	const struct vh_fact *text = vh_fact(f, id);

	if (!vh_guest_is_visible(f) || !text)
		return false;
	vh_for(j, VH_STRONG, text);
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_STAGE, 0));
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_HLT, 0));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_TEXT_PANIC));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_TEXT_LOGIN));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_RESETS));
	vh_title(j, "%s", text->text);
	return true;
}

bool vh_weigh_prompt(const struct vh_facts *f, struct vh_judgement *j, enum vh_fact_id id)
{
	if (!weigh(f, j, id))
		return false;
	vh_for(j, VH_STRONG, vh_fact(f, VH_FACT_BOOT_WAITS_FOR_PERSON));
	vh_at_most(j, VH_LIKELY, "it is what the guest shows: what it does since was not seen");
	return true;
}

bool vh_weigh_boot_end(const struct vh_facts *f, struct vh_judgement *j, enum vh_fact_id id)
{
	const struct vh_fact *stage = vh_fact_of(f, VH_FACT_VCPU_STAGE, 0);
	bool firmware = stage && vh_boot_cpu_in_firmware(f);
	const struct vh_fact *nothing = vh_fact(f, VH_FACT_TEXT_NO_BOOT);
	const struct vh_fact *end = vh_dead_loop(f);

	if (!weigh(f, j, id))
		return false;
	/* While it is busy it may still try the next device. */
	if (!end && !vh_fact_of(f, VH_FACT_VCPU_BUSY, 0))
		end = nothing;
	if (!end && vh_fact_of(f, VH_FACT_VCPU_HLT, 0))
		end = vh_fact_of(f, VH_FACT_VCPU_IRQS_OFF, 0);
	vh_for(j, firmware ? VH_PROOF : VH_WEAK, end);
	vh_for(j, VH_WEAK, nothing);
	if (!end || !firmware)
		vh_at_most(
			j, VH_LIKELY, "it is what the guest says: it may try another device since");
	return true;
}

void vh_next_console(struct vh_judgement *j, const struct vh_facts *f, const char *text)
{
	vh_next(j, f->model->vm->libvirt.managed ? "virsh console {name}" : NULL, "%s", text);
}

/* Where {socket} stands for a socket, a message that presses Enter. */
#define PRESS_ENTER                                                                                \
	"printf '%s' '{\"execute\":\"qmp_capabilities\"}{\"execute\":\"send-key\",\"arguments\":"  \
	"{\"keys\":[{\"type\":\"qcode\",\"data\":\"ret\"}]}}' | socat -t2 - UNIX-CONNECT:{socket}"

void vh_next_enter(struct vh_judgement *j, const struct vh_facts *f, const char *text)
{
	const struct vh_vm *vm = f->model->vm;
	const char *command = vm->libvirt.managed ? "virsh send-key {name} KEY_ENTER" : NULL;

	for (size_t i = 0; i < vm->n_monitors && !command; i++)
		if (vm->monitors[i].kind == VH_MONITOR_QMP &&
			vh_prefix(vm->monitors[i].address, "unix:"))
			command = PRESS_ENTER;
	vh_next(j, command, "%s", text);
}

void vh_next_serial(
	struct vh_judgement *j, const struct vh_facts *f, const char *filter, const char *text)
{
	for (size_t i = 0; i < f->model->n_logs; i++) {
		const struct vh_log_view *log = &f->model->logs[i];

		if (log->kind != VH_LOG_SERIAL || !log->path || log->path[0] != '/' ||
			strchr(log->path, '\'') || !log->tail.n)
			continue;
		vh_auto_free char *command = vh_asprintf("%s '%s' | tail -n 40", filter, log->path);

		vh_next(j, command, "%s", text);
		return;
	}
	vh_next(j, NULL, "%s", text);
}

void vh_next_disk(struct vh_judgement *j, const struct vh_facts *f, const char *text)
{
	for (size_t i = 0; i < f->model->vm->n_drives; i++) {
		const char *file = f->model->vm->drives[i].file;

		if (!file || file[0] != '/' || strchr(file, '\''))
			continue;
		vh_auto_free char *command = vh_asprintf(
			"qemu-img info -U '%s'; qemu-io -r -U -c 'read -v 0 512' '%s'", file, file);

		vh_next(j, command, "%s", text);
		return;
	}
	vh_next(j, NULL, "%s", text);
}
