/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvmhang: why does this virtual machine hang? The one public header.
 *
 * Handles are opaque; each has a function that frees it and accepts NULL. A string that is returned
 * as `const char *` lives as long as the handle it came from; one returned as `char *` is freed
 * with free(). Reports and messages are UTF-8, and what a guest or a monitor said is escaped in
 * them for a terminal; names of VMs are as the VMs have them. A function that can fail returns NULL
 * (or false) and, where `error` is not NULL, sets *error. The library prints nothing, installs no
 * signal handler and keeps no state between calls; different handles may be used from different
 * threads at once.
 */
#ifndef VMHANG_VMHANG_H
#define VMHANG_VMHANG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VMHANG_API __attribute__((visibility("default")))

/* A host to look at, what of it is a VM, all that was seen of one, and what follows from that. */
typedef struct vmhang_host vmhang_host;
typedef struct vmhang_vms vmhang_vms;
typedef struct vmhang_case vmhang_case;
typedef struct vmhang_report vmhang_report;
typedef struct vmhang_exits vmhang_exits;
typedef struct vmhang_error vmhang_error;

VMHANG_API const char *vmhang_version(void);

/* Errors. The code is an errno value, or 0 where what was read makes no sense. */
VMHANG_API int vmhang_error_code(const vmhang_error *error);
VMHANG_API const char *vmhang_error_message(const vmhang_error *error);
VMHANG_API void vmhang_error_free(vmhang_error *error);

/* The host. root NULL is this machine; a directory that holds a captured /proc and /sys is looked
 * at in place of it. */
VMHANG_API vmhang_host *vmhang_host_new(const char *root);
VMHANG_API void vmhang_host_free(vmhang_host *host);

/* Its VMs. Options may be NULL; set `size` to sizeof(the struct) and leave the rest zero for the
 * defaults, so that a program built against an older header keeps working. */
typedef struct vmhang_list_options {
	size_t size;
	bool no_libvirt; /* do not ask libvirt */
} vmhang_list_options;
VMHANG_API vmhang_vms *vmhang_list(
	vmhang_host *host, const vmhang_list_options *options, vmhang_error **error);
VMHANG_API void vmhang_vms_free(vmhang_vms *vms);
VMHANG_API size_t vmhang_vms_count(const vmhang_vms *vms);
/* Of the VM at an index below the count. The UUID is NULL where there is none. */
VMHANG_API const char *vmhang_vms_name(const vmhang_vms *vms, size_t index);
VMHANG_API const char *vmhang_vms_uuid(const vmhang_vms *vms, size_t index);
VMHANG_API int64_t vmhang_vms_pid(const vmhang_vms *vms, size_t index);
/* What could not be seen of the host, as sentences. */
VMHANG_API size_t vmhang_vms_note_count(const vmhang_vms *vms);
VMHANG_API const char *vmhang_vms_note(const vmhang_vms *vms, size_t index);
/* The index of the VM that a person means: libvirt name, UUID or id, pid, -name, or QMP socket.
 * False where no VM (ESRCH) or more than one (ENOTUNIQ) answers to it; the message lists them. */
VMHANG_API bool vmhang_select(
	const vmhang_vms *vms, const char *what, size_t *index, vmhang_error **error);

/* Observing one VM. This takes the window and, unless passive, asks the VM's monitor. */
typedef struct vmhang_observe_options {
	size_t size;
	bool passive;            /* never touch the VM */
	bool no_libvirt;         /* do not ask libvirt */
	int64_t window_ns;       /* between the two looks; 0: a second */
	int64_t monitor_ns;      /* the longest that the monitor is asked; 0: three seconds */
	const char *libvirt_uri; /* NULL: the VM's own */
} vmhang_observe_options;
VMHANG_API vmhang_case *vmhang_observe(vmhang_host *host, const vmhang_vms *vms, size_t index,
	const vmhang_observe_options *options, vmhang_error **error);
VMHANG_API void vmhang_case_free(vmhang_case *c);
/* A case file (docs/case-format.md), written whole or not at all; "-" loads standard input. What is
 * loaded may be a text as well, see below: about one VM. */
VMHANG_API bool vmhang_case_save(const vmhang_case *c, const char *path, vmhang_error **error);
VMHANG_API vmhang_case *vmhang_case_load(const char *path, vmhang_error **error);
/* The case of what somebody pasted: outputs of commands (ps, top, perf kvm stat, info registers,
 * QMP, virsh, /proc, logs) in any mix and order, with prose around them. Nothing in it is run. A
 * text may be about several VMs: `index` is which, that of which it tells most first, and *count,
 * where count is not NULL, becomes how many there are, whether it works or not. Fails with EINVAL
 * for an index behind the last (ENODATA where nothing is recognised); vmhang_case_load with
 * ENOTUNIQ for a text about several. `name` is what the report calls the text. */
VMHANG_API vmhang_case *vmhang_case_from_text(const char *name, const char *text, size_t text_size,
	size_t index, size_t *count, vmhang_error **error);

/* The report of a case, which stays the caller's and must outlive it. */
VMHANG_API vmhang_report *vmhang_report_new(const vmhang_case *c);
VMHANG_API void vmhang_report_free(vmhang_report *report);
typedef struct vmhang_text_options {
	size_t size;
	bool verbose;   /* tables: threads, counters, registers, evidence */
	bool colour;    /* for a terminal */
	unsigned width; /* columns; 0: 100 */
} vmhang_text_options;
VMHANG_API char *vmhang_report_text(
	const vmhang_report *report, const vmhang_text_options *options);
/* As docs/report.schema.json has it. */
VMHANG_API char *vmhang_report_json(const vmhang_report *report);
/* 0 healthy, 1 hung, 2 could not tell. */
VMHANG_API int vmhang_report_status(const vmhang_report *report);
/* The stable id of the cause, as `vmhang explain` knows it; NULL where it is unknown. */
VMHANG_API const char *vmhang_report_cause(const vmhang_report *report);

/* Counting a VM's exits, from opening to closing; needs root. Neither guest nor monitor is asked
 * where `backend` is not "statistics". All of it ends with the process. */
typedef struct vmhang_exits_options {
	size_t size;
	bool no_libvirt;         /* do not ask libvirt */
	const char *libvirt_uri; /* NULL: the VM's own */
	const char *backend;     /* "bpf", "perf" or "statistics"; NULL: the best that works */
} vmhang_exits_options;
/* The VM at an index below the count. Where nothing can count, the message tells why. */
VMHANG_API vmhang_exits *vmhang_exits_open(vmhang_host *host, const vmhang_vms *vms, size_t index,
	const vmhang_exits_options *options, vmhang_error **error);
/* To be called between reads: takes in what was counted, and new vCPUs. Returns after how many
 * nanoseconds it wants to be called again. */
VMHANG_API int64_t vmhang_exits_refresh(vmhang_exits *exits);
/* What was counted since the last read, as docs/exits.schema.json has it. */
VMHANG_API char *vmhang_exits_read(vmhang_exits *exits, vmhang_error **error);
VMHANG_API void vmhang_exits_close(vmhang_exits *exits);

/* What a cause means, what shows it and what to do, as text; NULL where there is no such cause. */
VMHANG_API char *vmhang_explain(const char *cause);
/* The id of the cause at an index; NULL behind the last. */
VMHANG_API const char *vmhang_cause_id(size_t index);

#ifdef __cplusplus
}
#endif

#endif
