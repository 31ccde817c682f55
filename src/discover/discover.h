/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding VMs: by process, by command line, by libvirt; one identity from many sources. */
#pragma once

#include "case/vm.h"

struct vh_vm_list {
	struct vh_vm **vms; /* sorted by name, then pid */
	size_t n;
	/* What could not be seen, as sentences ("12 processes of other users: run as root"). */
	char **notes;
	size_t n_notes;
};
void vh_vm_list_free(struct vh_vm_list *list);

struct vh_discover_options {
	bool no_libvirt; /* do not ask libvirt (recognising its VMs by their command line stays) */
	int64_t libvirt_deadline_ns; /* 0: VH_LIBVIRT_DEADLINE_NS */
};
#define VH_LIBVIRT_DEADLINE_NS (1000 * VH_NS_PER_MS)

/* Every KVM or TCG virtual machine of the host. Fails only where /proc itself cannot be read. */
struct vh_error *vh_discover(
	struct vh_host *host, const struct vh_discover_options *options, struct vh_vm_list *out);

/* One VM from its process, whoever it is; NULL and *err (ESRCH: no such process, EINVAL: not a VM).
 */
struct vh_vm *vh_discover_pid(struct vh_host *host, pid_t pid, struct vh_error **err);

/*
 * The VM that a person means: libvirt name, UUID or domain id, pid, -name of a QEMU, or the path of
 * a QMP socket. Exact names win over ids, ids over pids; several VMs of one name, or none, is an
 * error (ENOTUNIQ, ESRCH) whose message lists the candidates. *out is a copy.
 */
struct vh_error *vh_vm_select(const struct vh_vm_list *list, const char *what, struct vh_vm **out);

/* Fills in what a QEMU command line tells (old and JSON syntax). args as in /proc/PID/cmdline:
 * NUL-separated. Pure: touches no host. False if it is no QEMU command line, or one that starts no
 * VM
 * (-version, "help", libvirt asking what QEMU can do): vm is then of no use. */
bool vh_qemu_cmdline_parse(struct vh_str args, struct vh_vm *vm);
