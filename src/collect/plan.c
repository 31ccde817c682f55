/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect/plan.h"

#define NEED(x)   (1u << VH_NEED_##x)
#define MAIN      (NEED(CONTACT) | NEED(MAIN))
#define VCPUS     (MAIN | NEED(VCPUS))
#define REGISTERS (VCPUS | NEED(REGISTERS))
#define READS     (NEED(MEMORY) | NEED(ACCESS))
#define MEMORY    (READS | NEED(X86))

/*
 * In the order of asking. Where a command runs (QEMU 7.2 to 10.2): query-status, query-version,
 * query-cpus-fast, query-name, query-uuid, query-kvm, query-chardev, query-migrate, query-balloon,
 * query-iothreads, query-migrate-parameters, query-dump, qom-get, x-query-virtio-*
 * (src/collect/virtio.c) and info mtree in the main loop, without touching vCPUs or drives.
 * query-block-jobs up to 8.2 takes the lock of a drive's I/O thread. query-stats of vCPUs up
 * to 8.0, info registers, info lapic and gva2gpa on the vCPU threads (run_on_cpu): they wait for a
 * stuck one with the big lock's holder. query-blockstats takes the lock of a drive's I/O thread.
 * query-block stats the image files, screendump writes one: both on the main thread.
 */
const struct vh_question vh_questions[] = {
	{"qmp.query-version", .command = "query-version", .turn = VH_TURN_IDENTIFY, .needs = MAIN},
	{"qmp.qom-get", .turn = VH_TURN_IDENTIFY, .needs = MAIN},
	{"qmp.x-query-virtio", .turn = VH_TURN_IDENTIFY, .needs = MAIN},
	{"qmp.query-cpus-fast", .command = "query-cpus-fast", .turn = VH_TURN_IDENTIFY,
		.needs = MAIN},

	{"qmp.query-stats", "vm", "query-stats", "{\"target\":\"vm\"}", .turn = VH_TURN_SAMPLE,
		.needs = MAIN},
	{"qmp.query-stats", "vcpu", "query-stats", "{\"target\":\"vcpu\"}", .turn = VH_TURN_SAMPLE,
		.needs = VCPUS},
	{"qmp.query-blockstats", .command = "query-blockstats", .turn = VH_TURN_SAMPLE,
		.needs = MAIN | NEED(IOTHREADS)},
	{"qmp.x-query-virtio-queue-status", .turn = VH_TURN_SAMPLE, .needs = MAIN},
	{"hmp.info-registers", .line = "info registers", .turn = VH_TURN_SAMPLE, .needs = REGISTERS,
		.per_vcpu = true},
	{"hmp.info-lapic", .line = "info lapic", .turn = VH_TURN_SAMPLE,
		.needs = REGISTERS | NEED(X86), .per_vcpu = true},
	{"hmp.info-pic", .line = "info pic", .turn = VH_TURN_SAMPLE, .needs = MAIN | NEED(X86)},
	{"qmp.query-status", .command = "query-status", .turn = VH_TURN_SAMPLE,
		.needs = NEED(CONTACT)},

	{"qmp.query-name", .command = "query-name", .turn = VH_TURN_ONCE, .needs = MAIN},
	{"qmp.query-uuid", .command = "query-uuid", .turn = VH_TURN_ONCE, .needs = MAIN},
	{"qmp.query-kvm", .command = "query-kvm", .turn = VH_TURN_ONCE, .needs = MAIN},
	{"qmp.query-chardev", .command = "query-chardev", .turn = VH_TURN_ONCE, .needs = MAIN},
	{"qmp.query-migrate", .command = "query-migrate", .turn = VH_TURN_ONCE, .needs = MAIN},
	{"qmp.query-migrate-parameters", .command = "query-migrate-parameters",
		.turn = VH_TURN_ONCE, .needs = MAIN | NEED(MIGRATION)},
	{"qmp.query-block-jobs", .command = "query-block-jobs", .turn = VH_TURN_ONCE,
		.needs = MAIN | NEED(IOTHREADS)},
	{"qmp.query-dump", .command = "query-dump", .turn = VH_TURN_ONCE, .needs = MAIN},
	{"qmp.query-balloon", .command = "query-balloon", .turn = VH_TURN_ONCE, .needs = MAIN},
	{"qmp.query-iothreads", .command = "query-iothreads", .turn = VH_TURN_ONCE, .needs = MAIN},
	{"qmp.query-sev", .command = "query-sev", .turn = VH_TURN_ONCE, .needs = MAIN | NEED(SEV)},
	{"hmp.info-mtree", .line = "info mtree", .turn = VH_TURN_ONCE,
		.needs = MAIN | NEED(DEVICES)},
	{"hmp.info-mtree-flat", .line = "info mtree -f -o", .turn = VH_TURN_ONCE,
		.needs = MAIN | NEED(DEVICES)},
	{"guest.code", .turn = VH_TURN_ONCE, .needs = REGISTERS | MEMORY, .per_vcpu = true},
	{"guest.screen", .turn = VH_TURN_ONCE, .needs = MAIN | MEMORY},

	/* The registers and the RAM map are asked for where that may be; the memory can be read
	 * without them. */
	{"guest.inside", .turn = VH_TURN_INSIDE, .needs = READS | NEED(KNOWN_CPU)},

	{"guest.screendump", .turn = VH_TURN_LAST, .needs = MAIN | NEED(STORAGE) | NEED(FILE)},
	{"qmp.query-block", .command = "query-block", .turn = VH_TURN_LAST,
		.needs = MAIN | NEED(IOTHREADS) | NEED(STORAGE) | NEED(LOCAL_FILES) | NEED(DRIVES)},
};
const size_t vh_n_questions = VH_ARRAY_SIZE(vh_questions);

const char *vh_plan_objection(const struct vh_outlook *o, const struct vh_question *q)
{
	for (unsigned need = 0; need < VH_N_NEEDS; need++)
		if (q->needs & 1u << need && o->against[need])
			return o->against[need];
	return NULL;
}

const struct vh_question *vh_plan_find(const char *source, const char *subject)
{
	for (size_t i = 0; i < vh_n_questions; i++)
		if (vh_streq(vh_questions[i].source, source) &&
			(!subject || vh_streq(vh_questions[i].subject, subject)))
			return &vh_questions[i];
	return NULL;
}
