/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A case as it comes from a host: small texts, binary data, a long log, failures, odd names. */
#pragma once

#include "case/archive.h"

static inline struct vh_vm *sample_vm(void)
{
	struct vh_vm *vm = vh_vm_new();

	vm->name = vh_strdup("web-07");
	vm->id = (struct vh_identity){4711, 991234};
	vm->vmm = VH_VMM_QEMU;
	vm->accel = VH_ACCEL_KVM;
	vm->vcpus = 2;
	vm->memory_bytes = UINT64_C(4) << 30;
	vm->exe = vh_strdup("/usr/bin/qemu-system-x86_64");
	VH_PUSH(vm->monitors, vm->n_monitors) =
		(struct vh_monitor_addr){VH_MONITOR_QMP, vh_strdup("unix:/run/qmp.sock")};
	return vm;
}

static inline void sample_add(struct vh_case *c, enum vh_round round, const char *source,
	const char *subject, const char *data, size_t size)
{
	struct vh_evidence *e = vh_case_add(c, round, source, subject, "/proc/4711/x");

	e->at_ns = 1000 * (int64_t)c->n_evidence;
	e->took_ns = 77;
	vh_evidence_set_data(e, data, size);
}

static inline struct vh_case *sample_case(void)
{
	static const char cmdline[] = "qemu-system-x86_64\0-name\0web-07\0-smp\0"
				      "2";
	struct vh_case *c = vh_case_new(sample_vm());
	struct vh_buf log = {0}, noise = {0};
	uint32_t random = 1;

	c->window_ns = 1000 * VH_NS_PER_MS;
	sample_add(c, VH_ONCE, "proc.cmdline", "", cmdline, sizeof(cmdline));
	for (int i = 0; i < 40; i++) {
		vh_auto_free char *subject = vh_asprintf("tid:%d", 4711 + i / 2);
		vh_auto_free char *text = vh_asprintf(
			"%d (CPU %d/KVM) R 1 4711 4711 0 -1 4194368 %d 0 0 0\n", 4711, i, i * 77);

		sample_add(c, i % 2 ? VH_LAST : VH_FIRST, "task.stat", subject, text, strlen(text));
	}
	for (int i = 0; i < 2000; i++)
		vh_buf_printf(&log, "[%5d.%06d] kvm: vcpu%d unhandled rdmsr\n", i, i * 7, i % 4);
	sample_add(c, VH_FIRST, "log.serial", "/var/log/\xff\\odd\n.log", log.data, log.len);
	vh_evidence_set_number(c->evidence[c->n_evidence - 1], "age_ns", INT64_C(5) << 40);
	vh_evidence_set_number(c->evidence[c->n_evidence - 1], "size", (int64_t)log.len);
	for (int i = 0; i < 30000; i++)
		vh_buf_putc(&noise, (char)((random = random * 1664525 + 1013904223) >> 24));
	sample_add(c, VH_ASKED, "guest.screendump", "", noise.data, noise.len);
	c->evidence[c->n_evidence - 1]->attachment = vh_strdup("screen.ppm");
	sample_add(c, VH_ASKED, "qmp.query-status", "", "", 0);
	vh_evidence_fail(vh_case_add(c, VH_ASKED, "hmp.info-registers", "vcpu:0", "info registers"),
		VH_TIMED_OUT, 110, "no answer within 500 ms");
	vh_case_add_skipped(c, VH_ASKED, "qmp.query-block", "", "query-block",
		"a thread waits on storage: /mnt/\xc3\x28");
	vh_buf_free(&log);
	vh_buf_free(&noise);
	return c;
}

static inline char *sample_text(const struct vh_case *c)
{
	vh_auto_json struct json_object *o = vh_case_to_json(c);

	return vh_strdup(json_object_to_json_string(o));
}
