/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "case/vm.h"

#include <limits.h>

static const char *const vmm_names[VH_N_VMM] = {
	[VH_VMM_OTHER] = "other",
	[VH_VMM_QEMU] = "qemu",
	[VH_VMM_CLOUD_HYPERVISOR] = "cloud-hypervisor",
	[VH_VMM_FIRECRACKER] = "firecracker",
	[VH_VMM_CROSVM] = "crosvm",
	[VH_VMM_KVMTOOL] = "kvmtool",
};
VH_NAMES_DEFINE(vh_vmm, enum vh_vmm, vmm_names)

static const char *const accel_names[VH_N_ACCEL] = {
	[VH_ACCEL_UNKNOWN] = "unknown",
	[VH_ACCEL_KVM] = "kvm",
	[VH_ACCEL_TCG] = "tcg",
	[VH_ACCEL_OTHER] = "other",
};
VH_NAMES_DEFINE(vh_accel, enum vh_accel, accel_names)

static const char *const conf_names[VH_N_CONF] = {
	[VH_CONF_NONE] = "none",
	[VH_CONF_SEV] = "sev",
	[VH_CONF_SEV_ES] = "sev-es",
	[VH_CONF_SEV_SNP] = "sev-snp",
	[VH_CONF_TDX] = "tdx",
	[VH_CONF_OTHER] = "other",
};
VH_NAMES_DEFINE(vh_conf_kind, enum vh_conf_kind, conf_names)

static const char *const monitor_names[VH_N_MONITOR_KIND] = {
	[VH_MONITOR_QMP] = "qmp",
	[VH_MONITOR_HMP] = "hmp",
};
VH_NAMES_DEFINE(vh_monitor_kind, enum vh_monitor_kind, monitor_names)

/* The plain members, one row each: the JSON form, copying and freeing all follow this table. */
enum member_type { STRING, BOOL, UNSIGNED };

struct member {
	const char *key;
	enum member_type type;
	size_t offset;
};
#define MEMBER(name, type_)                                                                        \
	{                                                                                          \
#name, type_, offsetof(struct vh_vm, name)                                         \
	}
static const struct member members[] = {
	MEMBER(name, STRING),
	MEMBER(uuid, STRING),
	MEMBER(machine, STRING),
	MEMBER(exe, STRING),
	MEMBER(conf_object, STRING),
	MEMBER(conf_policy, STRING),
	MEMBER(log_path, STRING),
	MEMBER(vcpus, UNSIGNED),
	MEMBER(start_paused, BOOL),
	MEMBER(incoming, BOOL),
	MEMBER(no_reboot, BOOL),
	MEMBER(no_shutdown, BOOL),
	MEMBER(preconfig, BOOL),
	MEMBER(in_container, BOOL),
};
static const struct member libvirt_members[] = {
	{"managed", BOOL, offsetof(struct vh_vm, libvirt.managed)},
	{"answered", BOOL, offsetof(struct vh_vm, libvirt.answered)},
	{"uri", STRING, offsetof(struct vh_vm, libvirt.uri)},
	{"state", STRING, offsetof(struct vh_vm, libvirt.state)},
	{"reason", STRING, offsetof(struct vh_vm, libvirt.reason)},
};

static void *member_at(const struct vh_vm *vm, const struct member *m)
{
	return (char *)vm + m->offset;
}

static void put_members(
	struct json_object *o, const struct vh_vm *vm, const struct member *m, size_t n)
{
	for (; n--; m++) {
		void *at = member_at(vm, m);

		if (m->type == STRING)
			vh_json_put_text(o, m->key, *(char **)at);
		else if (m->type == BOOL)
			vh_json_put_bool(o, m->key, *(bool *)at);
		else
			vh_json_put_u64(o, m->key, *(unsigned *)at);
	}
}

static void get_members(struct json_object *o, struct vh_vm *vm, const struct member *m, size_t n)
{
	for (; n--; m++) {
		void *at = member_at(vm, m);
		uint64_t number;

		if (m->type == STRING)
			vh_replace(at, vh_json_string(o, m->key, NULL));
		else if (m->type == BOOL)
			*(bool *)at = vh_json_bool(o, m->key, false);
		else if (vh_json_u64(o, m->key, &number) && number <= UINT_MAX)
			*(unsigned *)at = (unsigned)number;
	}
}

struct vh_vm *vh_vm_new(void)
{
	struct vh_vm *vm = vh_alloc(sizeof(*vm));

	vm->libvirt.id = -1;
	return vm;
}

void vh_vm_free(struct vh_vm *vm)
{
	if (!vm)
		return;
	for (size_t i = 0; i < VH_ARRAY_SIZE(members); i++)
		if (members[i].type == STRING)
			free(*(char **)member_at(vm, &members[i]));
	for (size_t i = 0; i < VH_ARRAY_SIZE(libvirt_members); i++)
		if (libvirt_members[i].type == STRING)
			free(*(char **)member_at(vm, &libvirt_members[i]));
	for (size_t i = 0; i < vm->n_monitors; i++)
		free(vm->monitors[i].address);
	for (size_t i = 0; i < vm->n_serials; i++) {
		free(vm->serials[i].kind);
		free(vm->serials[i].path);
		free(vm->serials[i].label);
	}
	for (size_t i = 0; i < vm->n_drives; i++) {
		free(vm->drives[i].id);
		free(vm->drives[i].file);
		free(vm->drives[i].format);
		free(vm->drives[i].werror);
	}
	free(vm->monitors);
	free(vm->serials);
	free(vm->drives);
	free(vm);
}

static struct json_object *monitors_to_json(const struct vh_vm *vm)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < vm->n_monitors; i++) {
		struct json_object *o = json_object_new_object();

		vh_json_put_text(o, "kind", vh_monitor_kind_name(vm->monitors[i].kind));
		vh_json_put_text(o, "address", vm->monitors[i].address);
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *serials_to_json(const struct vh_vm *vm)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < vm->n_serials; i++) {
		struct json_object *o = json_object_new_object();

		vh_json_put_text(o, "kind", vm->serials[i].kind);
		vh_json_put_text(o, "path", vm->serials[i].path);
		vh_json_put_text(o, "label", vm->serials[i].label);
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *drives_to_json(const struct vh_vm *vm)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < vm->n_drives; i++) {
		struct json_object *o = json_object_new_object();

		vh_json_put_text(o, "id", vm->drives[i].id);
		vh_json_put_text(o, "file", vm->drives[i].file);
		vh_json_put_text(o, "format", vm->drives[i].format);
		vh_json_put_text(o, "werror", vm->drives[i].werror);
		json_object_array_add(list, o);
	}
	return list;
}

struct json_object *vh_vm_to_json(const struct vh_vm *vm)
{
	struct json_object *o = json_object_new_object();
	struct json_object *libvirt = json_object_new_object();

	vh_json_put_i64(o, "pid", vm->id.pid);
	vh_json_put_u64(o, "start_ticks", vm->id.start_ticks);
	vh_json_put_text(o, "vmm", vh_vmm_name(vm->vmm));
	vh_json_put_text(o, "accel", vh_accel_name(vm->accel));
	vh_json_put_text(o, "confidential", vh_conf_kind_name(vm->confidential));
	vh_json_put_u64(o, "memory_bytes", vm->memory_bytes);
	put_members(o, vm, members, VH_ARRAY_SIZE(members));
	json_object_object_add(o, "monitors", monitors_to_json(vm));
	json_object_object_add(o, "serials", serials_to_json(vm));
	json_object_object_add(o, "drives", drives_to_json(vm));
	put_members(libvirt, vm, libvirt_members, VH_ARRAY_SIZE(libvirt_members));
	vh_json_put_i64(libvirt, "id", vm->libvirt.id);
	json_object_object_add(o, "libvirt", libvirt);
	return o;
}

/* A case file is somebody else's: take no more of a list than a VM can sensibly have. */
#define LIST_CAP 4096

static size_t list_length(struct json_object *list)
{
	return json_object_is_type(list, json_type_array)
		       ? VH_MIN(json_object_array_length(list), (size_t)LIST_CAP)
		       : 0;
}

static void lists_from_json(struct vh_vm *vm, struct json_object *o)
{
	struct json_object *list = vh_json_at(o, "monitors", NULL);

	for (size_t i = 0; i < list_length(list); i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		struct vh_monitor_addr *m = &VH_PUSH(vm->monitors, vm->n_monitors);
		int kind = vh_monitor_kind_parse(vh_json_string(item, "kind", ""));

		m->kind = kind < 0 ? VH_MONITOR_HMP : (enum vh_monitor_kind)kind;
		m->address = vh_strdup(vh_json_string(item, "address", ""));
	}
	list = vh_json_at(o, "serials", NULL);
	for (size_t i = 0; i < list_length(list); i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		struct vh_serial *s = &VH_PUSH(vm->serials, vm->n_serials);

		s->kind = vh_strdup(vh_json_string(item, "kind", ""));
		s->path = vh_strdup(vh_json_string(item, "path", NULL));
		s->label = vh_strdup(vh_json_string(item, "label", NULL));
	}
	list = vh_json_at(o, "drives", NULL);
	for (size_t i = 0; i < list_length(list); i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		struct vh_drive *d = &VH_PUSH(vm->drives, vm->n_drives);

		d->id = vh_strdup(vh_json_string(item, "id", NULL));
		d->file = vh_strdup(vh_json_string(item, "file", NULL));
		d->format = vh_strdup(vh_json_string(item, "format", NULL));
		d->werror = vh_strdup(vh_json_string(item, "werror", NULL));
	}
}

struct vh_vm *vh_vm_from_json(struct json_object *o, struct vh_error **err)
{
	if (!json_object_is_type(o, json_type_object)) {
		*err = vh_error_new(0, "\"vm\" is not an object");
		return NULL;
	}
	struct vh_vm *vm = vh_vm_new();
	struct json_object *libvirt = vh_json_at(o, "libvirt", NULL);
	int64_t number;
	int value;

	if (vh_json_i64(o, "pid", &number) && number > 0 && number <= INT_MAX)
		vm->id.pid = (pid_t)number;
	vh_json_u64(o, "start_ticks", &vm->id.start_ticks);
	vh_json_u64(o, "memory_bytes", &vm->memory_bytes);
	if ((value = vh_vmm_parse(vh_json_string(o, "vmm", ""))) >= 0)
		vm->vmm = (enum vh_vmm)value;
	if ((value = vh_accel_parse(vh_json_string(o, "accel", ""))) >= 0)
		vm->accel = (enum vh_accel)value;
	/* Unknown to this version is still confidential: never read its registers as the guest's.
	 */
	value = vh_conf_kind_parse(vh_json_string(o, "confidential", "none"));
	vm->confidential = value < 0 ? VH_CONF_OTHER : (enum vh_conf_kind)value;
	get_members(o, vm, members, VH_ARRAY_SIZE(members));
	if (!vm->name)
		vm->name = vh_strdup("?");
	lists_from_json(vm, o);
	get_members(libvirt, vm, libvirt_members, VH_ARRAY_SIZE(libvirt_members));
	if (vh_json_i64(libvirt, "id", &number) && number >= -1 && number <= INT_MAX)
		vm->libvirt.id = (int)number;
	return vm;
}

struct vh_vm *vh_vm_copy(const struct vh_vm *vm)
{
	struct vh_error *err = NULL;
	struct json_object *o = vh_vm_to_json(vm);
	struct vh_vm *copy = vh_vm_from_json(o, &err);

	vh_error_free(err);
	json_object_put(o);
	return copy;
}
