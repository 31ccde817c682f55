/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/storage.h"

char *vh_shell_path(const char *path)
{
	vh_auto_free char *shown = vh_escaped(path);

	/* A path may hold anything, an escape sequence for a terminal too. */
	if (!path || path[0] != '/' || strpbrk(path, "'{\n") || strcmp(shown, path) != 0)
		return NULL;
	return vh_asprintf("'%s'", path);
}

char *vh_silent_file(const struct vh_facts *facts, const struct vh_fact *f)
{
	const struct vh_model *m = facts->model;

	for (size_t i = 0; f && i < m->n_threads; i++) {
		const char *on = m->threads[i]->blocked_on;

		if (m->threads[i]->tid != (pid_t)f->value || !on)
			continue;
		/* "/path (fd 12)" */
		const char *end = strstr(on, " (fd ");
		vh_auto_free char *path =
			vh_str_dup((struct vh_str){on, end ? (size_t)(end - on) : strlen(on)});

		return vh_shell_path(path);
	}
	return NULL;
}

char *vh_served_by(const struct vh_facts *facts, enum vh_backend backend)
{
	const struct vh_vm *vm = facts->model->vm;

	for (size_t i = 0; i < vm->n_drives; i++)
		if (vh_backend_of(vm->drives[i].file) == backend)
			return vh_escaped(vm->drives[i].file);
	return NULL;
}

void vh_weigh_waiting_guest(struct vh_judgement *j, const struct vh_facts *facts)
{
	vh_for(j, VH_WEAK, vh_fact(facts, VH_FACT_TEXT_LOCKUP));
	vh_for(j, VH_WEAK, vh_fact(facts, VH_FACT_VCPU_POLLS_DEVICE));
}

void vh_next_while_storage_is_silent(struct vh_judgement *j)
{
	vh_next(j, NULL,
		"until then ask the VM nothing that touches its images (query-block, snapshots, "
		"virsh "
		"domblkinfo): that blocks the VMM as well; when the storage answers, the guest "
		"goes on by "
		"itself");
}
