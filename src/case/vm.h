/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who a VM is: what its process, its command line and libvirt say about it before anybody asks it
 * anything. discover fills it in; it travels in the case file.
 */
#pragma once

#include "base/json.h"
#include "base/names.h"
#include "base/procstat.h"

enum vh_vmm {
	VH_VMM_OTHER, /* holds KVM descriptors, but is none of those below */
	VH_VMM_QEMU,
	VH_VMM_CLOUD_HYPERVISOR,
	VH_VMM_FIRECRACKER,
	VH_VMM_CROSVM,
	VH_VMM_KVMTOOL,
	VH_N_VMM
};
VH_NAMES_DECLARE(vh_vmm, enum vh_vmm);

enum vh_accel {
	VH_ACCEL_UNKNOWN,
	VH_ACCEL_KVM,
	VH_ACCEL_TCG,
	VH_ACCEL_OTHER, /* xen, hvf, ... */
	VH_N_ACCEL
};
VH_NAMES_DECLARE(vh_accel, enum vh_accel);

enum vh_conf_kind { /* confidential guest, as far as the command line or libvirt tells */
	VH_CONF_NONE,
	VH_CONF_SEV,     /* sev-guest without the ES policy bit */
	VH_CONF_SEV_ES,  /* sev-guest, policy bit 2 */
	VH_CONF_SEV_SNP, /* sev-snp-guest */
	VH_CONF_TDX,     /* tdx-guest */
	VH_CONF_OTHER,   /* another confidential-guest-support object: s390-pv-guest, ... */
	VH_N_CONF
};
VH_NAMES_DECLARE(vh_conf_kind, enum vh_conf_kind);

/* True where a register dump is not the guest's registers and guest memory is ciphertext. SEV
 * without ES still has readable registers, but encrypted memory. */
static inline bool vh_conf_hides_registers(enum vh_conf_kind kind)
{
	return kind == VH_CONF_SEV_ES || kind == VH_CONF_SEV_SNP || kind == VH_CONF_TDX ||
	       kind == VH_CONF_OTHER;
}

enum vh_monitor_kind {
	VH_MONITOR_QMP, /* mode=control */
	VH_MONITOR_HMP, /* mode=readline: people's monitor, vmhang cannot share it */
	VH_N_MONITOR_KIND
};
VH_NAMES_DECLARE(vh_monitor_kind, enum vh_monitor_kind);

struct vh_monitor_addr {
	enum vh_monitor_kind kind;
	/* "unix:/path" (as the VM's own mount namespace names it), "tcp:host:port", "fd:N", or a
	 * chardev backend that nobody can connect to ("stdio", "pty", "vc", ...) */
	char *address;
};

struct vh_serial {
	char *kind;  /* chardev backend: file, pty, unix, fifo (pipe), stdio, null, ... */
	char *path;  /* file or log file it is written to; NULL without one */
	char *label; /* chardev id, "serial0", "debugcon" */
};

struct vh_drive {
	char *id;     /* drive id or node-name, may be NULL */
	char *file;   /* file, device or URL; NULL unknown */
	char *format; /* raw, qcow2, NULL unknown */
	char *werror; /* as given on the command line, or NULL */
};

struct vh_vm {
	struct vh_identity id;
	enum vh_vmm vmm;
	enum vh_accel accel;
	enum vh_conf_kind confidential;
	bool start_paused; /* -S (every libvirt VM has it: says nothing alone) */
	bool incoming;     /* -incoming */
	bool no_reboot, no_shutdown;
	bool preconfig;    /* --preconfig: waits before it builds the machine */
	bool in_container; /* another mount namespace than ours: paths go through /proc/PID/root */
	unsigned vcpus;    /* 0 unknown */
	uint64_t memory_bytes; /* 0 unknown */
	char *name; /* -name, libvirt's name, or the program's; never NULL once discovered */
	char *uuid;
	char *machine;     /* pc, q35, virt, ... */
	char *exe;         /* target of /proc/PID/exe */
	char *conf_object; /* QOM type of the confidential object, "sev-guest"; NULL without one */
	char *conf_policy; /* its policy or attributes as given, or NULL */
	char *log_path;    /* -D */
	struct vh_monitor_addr *monitors;
	size_t n_monitors;
	struct vh_serial *serials;
	size_t n_serials;
	struct vh_drive *drives;
	size_t n_drives;
	struct {
		bool managed;  /* libvirt started it: its monitor is libvirt's */
		bool answered; /* libvirt was asked and knows it */
		char *uri;     /* "qemu:///system" */
		char *state;   /* "running", "paused", ... as virDomainGetState says */
		char *reason;
		int id; /* domain id, -1 unknown */
	} libvirt;
};

struct vh_vm *vh_vm_new(void);
struct vh_vm *vh_vm_copy(const struct vh_vm *vm);
void vh_vm_free(struct vh_vm *vm);
/* The object that stands as "vm" in a case file; the caller puts it. */
struct json_object *vh_vm_to_json(const struct vh_vm *vm);
/* Tolerates unknown and missing keys; NULL and *err where it is not an object. */
struct vh_vm *vh_vm_from_json(struct json_object *o, struct vh_error **err);
