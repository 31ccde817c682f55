/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "discover/discover.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "discover/libvirt_join.h"
#include "discover/other_vmm.h"
#include "discover/process.h"
#include "discover/qemu_parse.h"

#define ARGS_CAP      (64 << 10)
#define MAX_IN_VAIN   3
#define LONG_ARGS_CAP (4 << 20) /* the kernel allows a quarter of the stack's limit */

/* A process that is a VM, until it is known that no other line stands for it. */
struct found {
	struct vh_vm *vm;
	const struct process *process;
	const struct vh_reading *args;
};

static void add_note(struct vh_vm_list *list, const char *fmt, ...) VH_PRINTF(2, 3);
static void add_note(struct vh_vm_list *list, const char *fmt, ...)
{
	char *note;
	va_list args;

	va_start(args, fmt);
	note = vh_vasprintf(fmt, args);
	va_end(args);
	VH_PUSH(list->notes, list->n_notes) = note;
}

void vh_vm_list_free(struct vh_vm_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		vh_vm_free(list->vms[i]);
	for (size_t i = 0; i < list->n_notes; i++)
		free(list->notes[i]);
	free(list->vms);
	free(list->notes);
	*list = (struct vh_vm_list){0};
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* Daemons that look after VMs may hold KVM descriptors and are none. */
static bool is_manager(const char *exe)
{
	static const char *const names[] = {"libvirtd", "virtqemud", "qemu-nbd", "qemu-img",
		"qemu-io", "qemu-ga", "qemu-storage-daemon", "vmhang"};

	for (size_t i = 0; exe && i < VH_ARRAY_SIZE(names); i++)
		if (vh_streq(base_name(exe), names[i]))
			return true;
	return false;
}

/* What a relative path of a VM's command line starts from. */
struct base {
	struct vh_host *host;
	pid_t pid;
	const char *directory; /* NULL unknown */
	bool guessed;          /* then only what is there is believed */
};

/* Puts the base before a relative path. */
static void make_absolute(char **path, const struct base *base)
{
	if (!*path || !**path || **path == '/' || !base->directory)
		return;
	char *whole = vh_asprintf(
		"%s%s%s", base->directory, vh_streq(base->directory, "/") ? "" : "/", *path);

	if (base->guessed) {
		vh_auto_reading struct vh_reading r = {0};

		/* Anything but a regular file is an error too, but another one. */
		vh_host_read_tail(base->host, 1, &r, "/proc/%d/root%s", (int)base->pid, whole);
		if (r.status == VH_ABSENT || r.status == VH_TIMED_OUT) {
			free(whole);
			return;
		}
	}
	free(*path);
	*path = whole;
}

static void resolve_monitor(char **address, const struct base *base)
{
	if (!vh_prefix(*address, "unix:") || (*address)[5] == '@')
		return;
	char *path = vh_strdup(*address + 5);

	make_absolute(&path, base);
	free(*address);
	*address = vh_asprintf("unix:%s", path);
	free(path);
}

static void resolve_paths_from(struct vh_vm *vm, const struct process *p, const struct base *base)
{
	make_absolute(&vm->log_path, base);
	for (size_t i = 0; i < vm->n_monitors; i++)
		resolve_monitor(&vm->monitors[i].address, base);
	for (size_t i = 0; i < vm->n_serials; i++) {
		struct vh_serial *s = &vm->serials[i];

		/* "qemu -nographic >serial.log" */
		if (!s->path && vh_streq(s->kind, "stdio") && vh_prefix(p->stdout, "/") &&
			!vh_prefix(p->stdout, "/dev/"))
			s->path = vh_strdup(p->stdout);
		make_absolute(&s->path, base);
	}
	for (size_t i = 0; i < vm->n_drives; i++)
		if (vm->drives[i].file && !strchr(vm->drives[i].file, ':'))
			make_absolute(&vm->drives[i].file, base);
}

/* Relative paths are relative to the working directory, except in a daemon: QEMU has left it for
 * "/" (os-posix.c os_setup_post), and only PWD may still tell where it was. */
static void resolve_paths(struct vh_host *host, struct vh_vm *vm, const struct process *p,
	const struct qemu_extra *extra)
{
	struct base base = {.host = host, .pid = p->pid, .directory = p->cwd};
	vh_auto_reading struct vh_reading environment = {0};

	if (extra->daemonized) {
		struct vh_str rest, variable;

		base.guessed = true;
		base.directory = NULL;
		vh_host_read(host, ARGS_CAP, &environment, "/proc/%d/environ", (int)p->pid);
		rest = (struct vh_str){environment.data, environment.size};
		while (!base.directory && vh_next_part(&rest, 0, &variable))
			if (vh_str_starts(variable, "PWD=/"))
				base.directory = variable.s + 4;
	}
	resolve_paths_from(vm, p, &base);
}

/* What the descriptors say counts more than what the command line wished for. */
static void correct_accel(struct vh_vm *vm, const struct process *p, const struct qemu_extra *extra)
{
	if (p->kvm_vm)
		vm->accel = VH_ACCEL_KVM;
	else if (p->fds_read && vm->accel == VH_ACCEL_KVM && extra->tcg_too)
		vm->accel = VH_ACCEL_TCG;
}

/* The VM behind a process that looks like QEMU, or NULL where it is none. */
static struct vh_vm *judge_qemu(
	struct vh_host *host, const struct process *p, const struct vh_reading *args)
{
	struct vh_str text = {args->data, args->size};
	struct vh_vm *vm = vh_vm_new();
	struct qemu_extra extra = {0};

	if (text.n ? !qemu_cmdline_parse(text, vm, &extra)
		   : !qemu_is_program(p->exe) || args->status != VH_TIMED_OUT) {
		vh_vm_free(vm);
		return NULL;
	}
	vm->vmm = VH_VMM_QEMU;
	correct_accel(vm, p, &extra);
	resolve_paths(host, vm, p, &extra);
	return vm;
}

static struct vh_vm *judge_other(const struct process *p, const struct vh_reading *args)
{
	struct vh_vm *vm = vh_vm_new();

	vm->vmm = vmm_of_program(p->exe);
	vm->accel = VH_ACCEL_KVM;
	vm->vcpus = p->vcpus;
	vmm_cmdline_parse((struct vh_str){args->data, args->size}, vm);
	return vm;
}

/* The VM that a process is, or NULL. args may be without data. */
static struct vh_vm *judge(
	struct vh_host *host, const struct process *p, const struct vh_reading *args)
{
	vh_auto_free char *argv0 = vh_strdup(args->data ? args->data : "");
	bool by_exe = qemu_is_program(p->exe);
	struct vh_vm *vm = NULL;

	/* Of other users neither program nor descriptors can be seen, but the command line can. */
	if (by_exe || p->kvm_vm || qemu_is_program(argv0))
		vm = judge_qemu(host, p, args);
	if (!vm && !by_exe && p->kvm_vm && !is_manager(p->exe))
		vm = judge_other(p, args);
	if (!vm)
		return NULL;
	vm->id = (struct vh_identity){.pid = p->pid, .start_ticks = p->stat.start_ticks};
	vm->exe = vh_strdup(p->exe);
	vm->in_container = p->in_other_mount_ns;
	if (!vm->name || !*vm->name)
		vh_replace(&vm->name, base_name(p->exe ? p->exe : argv0));
	return vm;
}

/* Where its arguments stand: with its first thread, unless that has ended. */
static char *args_path(const struct process *p)
{
	return p->thread ? vh_asprintf("/proc/%d/task/%d/cmdline", (int)p->pid, (int)p->thread)
			 : vh_asprintf("/proc/%d/cmdline", (int)p->pid);
}

/* Reads the command lines of everything that has one: these reads can block. */
static struct vh_file_read *read_args(struct vh_host *host, const struct processes *all)
{
	struct vh_file_read *files = vh_realloc_array(NULL, all->n + 1, sizeof(*files));
	struct vh_file_read **wanted = vh_realloc_array(NULL, all->n + 1, sizeof(*wanted));
	struct vh_file_read *batch = vh_realloc_array(NULL, all->n + 1, sizeof(*batch));
	size_t n = 0;

	memset(files, 0, (all->n + 1) * sizeof(*files));
	for (size_t i = 0; i < all->n; i++) {
		const struct process *p = &all->list[i];

		if (p->kernel_thread || p->err == ESRCH || (p->stat.state == 'Z' && !p->thread))
			continue;
		wanted[n] = &files[i];
		batch[n++] = (struct vh_file_read){.path = args_path(p), .cap = ARGS_CAP};
	}
	vh_host_read_many(host, batch, n);
	for (size_t i = 0; i < n; i++) {
		*wanted[i] = batch[i];
		free(batch[i].path);
	}
	free(wanted);
	free(batch);
	return files;
}

/* Once more, in full, where it is of what may be a VM: longer than most, or not read in time, which
 * on a host short of CPU says little. Where that was in vain for several they are really stuck, and
 * each more would cost a deadline. */
static void read_args_again(
	struct vh_host *host, const struct process *p, struct vh_reading *args, size_t *in_vain)
{
	bool timed_out = args->status == VH_TIMED_OUT;

	if (!qemu_is_program(p->exe) && !p->kvm_vm)
		return;
	if (args->status != VH_TRUNCATED && (!timed_out || *in_vain >= MAX_IN_VAIN))
		return;
	vh_reading_free(args);
	vh_auto_free char *path = args_path(p);

	vh_host_read(host, LONG_ARGS_CAP, args, "%s", path);
	*in_vain += timed_out && args->status == VH_TIMED_OUT;
}

/*
 * Whether `child` is a helper of the VM `parent`: forked and running the same program with the same
 * arguments. crosvm keeps its devices in such processes, and they inherit its descriptors; QEMU is
 * one for a moment before it executes a script.
 */
static bool is_helper(const struct found *child, const struct found *parent)
{
	const struct vh_reading *a = child->args, *b = parent->args;

	return child->process->stat.parent == parent->process->pid &&
	       vh_streq(child->vm->exe, parent->vm->exe) && a->size && a->size == b->size &&
	       memcmp(a->data, b->data, a->size) == 0;
}

/* Of a VM and its forked helpers the one process that runs the vCPUs stays. */
static void drop_helpers(struct found *found, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < n; k++) {
			if (!found[i].vm || !found[k].vm || !is_helper(&found[i], &found[k]))
				continue;
			bool child_runs = found[i].process->vcpus && !found[k].process->vcpus;
			struct found *helper = child_runs ? &found[k] : &found[i];

			vh_vm_free(helper->vm);
			helper->vm = NULL;
			break;
		}
}

static int compare_vms(const void *a, const void *b)
{
	const struct vh_vm *x = *(struct vh_vm *const *)a, *y = *(struct vh_vm *const *)b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x->id.pid > y->id.pid) - (x->id.pid < y->id.pid);
}

static void note_unseen(
	struct vh_vm_list *list, const struct processes *all, const struct vh_file_read *args)
{
	size_t hidden = 0, partly = 0;

	for (size_t i = 0; i < all->n; i++) {
		const struct process *p = &all->list[i];

		if (p->kernel_thread || (p->err != EACCES && p->err != EPERM))
			continue;
		if (args[i].out.data && qemu_is_program(args[i].out.data))
			partly++;
		else if (qemu_is_program(p->stat.name) ||
			 vmm_of_program(args[i].out.data) != VH_VMM_OTHER)
			hidden++;
	}
	if (partly)
		add_note(list,
			"%zu %s of other users: only the command line can be seen; run as root",
			partly, partly > 1 ? "virtual machines" : "virtual machine");
	if (hidden)
		add_note(list, "%zu %s of other users may be virtual machines: run as root", hidden,
			hidden > 1 ? "processes" : "process");
	if (all->lost)
		add_note(list, "%zu processes could not be looked at in time", all->lost);
}

static void judge_all(struct vh_host *host, const struct processes *all, struct vh_file_read *args,
	struct vh_vm_list *list)
{
	struct found *found = NULL;
	size_t n = 0, in_vain = 0;

	for (size_t i = 0; i < all->n; i++) {
		const struct process *p = &all->list[i];

		if (p->kernel_thread || p->err == ESRCH || (p->stat.state == 'Z' && !p->thread) ||
			!p->stat.id)
			continue;
		read_args_again(host, p, &args[i].out, &in_vain);
		struct vh_vm *vm = judge(host, p, &args[i].out);

		if (!vm)
			continue;
		VH_PUSH(found, n) = (struct found){vm, p, &args[i].out};
		if (args[i].out.status == VH_TIMED_OUT)
			add_note(list,
				"the command line of process %d (%s) could not be read in time: its"
				" memory map is locked",
				(int)p->pid, p->stat.name);
	}
	drop_helpers(found, n);
	for (size_t i = 0; i < n; i++)
		if (found[i].vm)
			VH_PUSH(list->vms, list->n) = found[i].vm;
	free(found);
}

/* Of a file that libvirt opened for QEMU the command line has "/dev/fdset/N", and QEMU closed the
 * descriptor that -add-fd names: only libvirt can tell which it is. */
static void forget_fdsets(struct vh_vm *vm)
{
	for (size_t i = 0; i < vm->n_serials; i++)
		if (vh_prefix(vm->serials[i].path, "/dev/fdset/"))
			vh_replace(&vm->serials[i].path, NULL);
}

static struct vh_error *discover(struct vh_host *host, pid_t pid, struct vh_vm_list *out)
{
	struct processes all;
	struct vh_error *err = processes_look(host, pid, &all);

	*out = (struct vh_vm_list){0};
	if (err)
		return err;
	struct vh_file_read *args = read_args(host, &all);

	judge_all(host, &all, args, out);
	note_unseen(out, &all, args);
	for (size_t i = 0; i < all.n; i++)
		vh_reading_free(&args[i].out);
	free(args);
	processes_free(&all);
	return NULL;
}

struct vh_error *vh_discover(
	struct vh_host *host, const struct vh_discover_options *options, struct vh_vm_list *out)
{
	struct vh_error *err = discover(host, 0, out);

	if (err)
		return err;
	if (!options || !options->no_libvirt)
		libvirt_join(host, options ? options->libvirt_deadline_ns : 0, out);
	for (size_t i = 0; i < out->n; i++)
		forget_fdsets(out->vms[i]);
	if (out->n)
		qsort(out->vms, out->n, sizeof(*out->vms), compare_vms);
	return NULL;
}

struct vh_vm *vh_discover_pid(struct vh_host *host, pid_t pid, struct vh_error **err)
{
	struct vh_vm_list list = {0};
	struct vh_identity id;
	int r = pid > 0 ? vh_identity_read(host, pid, &id) : -ESRCH;

	*err = r < 0 ? vh_error_new(-r, "process %d", (int)pid) : discover(host, pid, &list);
	struct vh_vm *vm = list.n ? vh_vm_copy(list.vms[0]) : NULL;

	if (vm)
		forget_fdsets(vm);
	vh_vm_list_free(&list);
	if (!vm && !*err) {
		*err = vh_error_new(0, "process %d is no virtual machine", (int)pid);
		(*err)->code = EINVAL;
	}
	return vm;
}
