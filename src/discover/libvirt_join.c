/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "discover/libvirt_join.h"

#include <errno.h>
#include <strings.h>

#include "discover/libvirt.h"
#include "discover/libvirt_xml.h"

/* Takes note. */
static void push_note(struct vh_vm_list *list, char *note)
{
	VH_PUSH(list->notes, list->n_notes) = note;
}

/* The pid in /run/libvirt/qemu/NAME.pid, 0 unknown. A name may hold anything but a slash. */
static pid_t pid_of_domain(struct vh_host *host, const struct vh_libvirt_domain *d)
{
	vh_auto_reading struct vh_reading r = {0};
	uint64_t pid;

	if (strchr(d->name, '/'))
		return 0;
	vh_host_read(host, 64, &r, "/run/libvirt/qemu/%s.pid", d->name);
	bool ok = vh_status_has_data(r.status) &&
		  vh_parse_u64(vh_str_trim((struct vh_str){r.data, r.size}), 10, &pid);

	return ok && pid <= INT32_MAX ? (pid_t)pid : 0;
}

static bool same_uuid(const struct vh_vm *vm, const struct vh_libvirt_domain *d)
{
	return vm->uuid && strcasecmp(vm->uuid, d->uuid) == 0;
}

/* The process of a domain, or NULL. Two processes of one UUID are the ends of a local migration:
 * the pid file then tells. */
static struct vh_vm *find_vm(
	struct vh_host *host, const struct vh_vm_list *list, const struct vh_libvirt_domain *d)
{
	struct vh_vm *found = NULL;
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++)
		if (same_uuid(list->vms[i], d)) {
			found = list->vms[i];
			n++;
		}
	for (size_t i = 0; !found && i < list->n; i++)
		if (list->vms[i]->libvirt.managed && vh_streq(list->vms[i]->name, d->name))
			found = list->vms[i];
	if (found && n <= 1)
		return found;
	pid_t pid = pid_of_domain(host, d);

	for (size_t i = 0; pid && i < list->n; i++)
		if (list->vms[i]->id.pid == pid)
			return list->vms[i];
	return found;
}

static void join(struct vh_vm *vm, const struct vh_libvirt_domain *d, const char *uri)
{
	vm->libvirt.managed = true;
	vm->libvirt.answered = true;
	vm->libvirt.id = d->id;
	vh_replace(&vm->libvirt.uri, uri);
	vh_replace(&vm->libvirt.state, d->state);
	vh_replace(&vm->libvirt.reason, d->reason);
	vh_replace(&vm->name, d->name);
	if (!vm->uuid)
		vh_replace(&vm->uuid, d->uuid);
}

static bool has_fdset(const struct vh_vm *vm)
{
	for (size_t i = 0; i < vm->n_serials; i++)
		if (vh_prefix(vm->serials[i].path, "/dev/fdset/"))
			return true;
	return false;
}

/* The files that libvirt opened for QEMU, by their names. One that does not answer in time is not
 * asked again: its VMs lack the paths. */
static struct vh_error *complete(struct vh_libvirt *lv, struct vh_deadline deadline,
	const struct vh_libvirt_domain *d, struct vh_vm *vm)
{
	vh_auto_free char *xml = NULL;
	struct vh_error *err = vh_libvirt_xml(lv, d->uuid, deadline, &xml);

	if (err && err->code != ETIMEDOUT) {
		vh_error_free(err); /* gone in between */
		return NULL;
	}
	if (!err)
		vh_libvirt_xml_serials(vh_str(xml), vm);
	return err;
}

void libvirt_join(struct vh_host *host, int64_t deadline_ns, struct vh_vm_list *list)
{
	struct vh_deadline deadline =
		vh_deadline_in(deadline_ns > 0 ? deadline_ns : VH_LIBVIRT_DEADLINE_NS);
	vh_auto_free char *uri = vh_libvirt_default_uri(host);
	vh_auto_error struct vh_error *err = NULL;
	struct vh_libvirt_domains domains = {0};

	if (!uri)
		return;
	struct vh_libvirt *lv = vh_libvirt_open(uri, deadline, &err);

	if (lv)
		err = vh_libvirt_domains(lv, deadline, &domains);
	for (size_t i = 0; i < domains.n; i++) {
		const struct vh_libvirt_domain *d = &domains.list[i];
		struct vh_vm *vm = find_vm(host, list, d);

		if (vm)
			join(vm, d, uri);
		else if (vh_prefix(uri, "qemu"))
			push_note(list, vh_asprintf("libvirt runs \"%s\", but its process was not"
						    " found here",
						d->name));
		if (vm && !err && has_fdset(vm))
			err = complete(lv, deadline, d, vm);
	}
	if (err)
		push_note(list, vh_strdup(err->message));
	vh_libvirt_close(lv);
	vh_libvirt_domains_free(&domains);
}
