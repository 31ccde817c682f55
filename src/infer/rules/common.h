/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What several rules ask of the facts. */
#pragma once

#include "infer/verdict.h"

/* False where something outside of the guest holds it, so that nothing can be said about it: the
 * process is stopped, traced, frozen or gone, or the VMM says that the VM does not run. */
bool vh_guest_is_visible(const struct vh_facts *facts);
/* True where the VMM says that the VM is in any state but running. */
bool vh_vmm_holds_guest(const struct vh_facts *facts);
/* True where the registers of vCPU n were read and are the guest's, and tell what runs there: of
 * x86. */
bool vh_registers_known(const struct vh_facts *facts, int vcpu);
/* How often the registers of vCPU n were read, be they the guest's or not. */
unsigned vh_looks_at_registers(const struct vh_facts *facts, int vcpu);
/* The stage of vCPU n, VH_STAGE_UNKNOWN where not known. */
enum vh_stage vh_stage_seen(const struct vh_facts *facts, int vcpu);
/* True where firmware, a boot loader, or nothing known yet runs on the boot CPU. */
bool vh_boot_cpu_in_firmware(const struct vh_facts *facts);
/* vCPU n runs all it can: all through the window, or whenever the host lets it. */
const struct vh_fact *vh_runs_all_it_can(const struct vh_facts *facts, int vcpu);
/* That the code of a starved vCPU is a loop that it cannot leave: more CPU time would not help it.
 * NULL where that is not so. */
const struct vh_fact *vh_starved_in_a_closed_loop(const struct vh_facts *facts);
/* That the code of a vCPU which uses all the CPU time it gets is a loop that it cannot leave. */
const struct vh_fact *vh_dead_loop(const struct vh_facts *facts);
/* CPU time that the thread of vCPU n has used since it was created, 0 unknown. */
int64_t vh_vcpu_ran_ns(const struct vh_facts *facts, int vcpu);
/* Triple faults again and again in the window: it is reset each time. NULL where not so. */
const struct vh_fact *vh_many_shutdowns(const struct vh_facts *facts);
/* Index of the first vCPU for which the fact holds, -1 for none. */
int vh_first_vcpu(const struct vh_facts *facts, enum vh_fact_id id);

/* Every fact of that id (of each vCPU, each drive), with the same weight. */
void vh_for_all(struct vh_judgement *j, const struct vh_facts *facts, enum vh_weight weight,
	enum vh_fact_id id);

/* "vCPU 0 spins with interrupts off in SeaBIOS" */
void vh_title_of_spin(
	struct vh_judgement *j, const struct vh_facts *facts, int vcpu, const char *interrupts);

/* A next step that gives the VMM a monitor command, in the way that this VM's monitor allows. */
void vh_next_monitor(struct vh_judgement *j, const struct vh_facts *facts, const char *virsh,
	const char *qmp, const char *text);
/* Firmware or a loader (not in real mode, where a small system may live for good) in a VM that was
 * just started and has used little CPU time: that it was started; NULL where not so. */
const struct vh_fact *vh_young_firmware(const struct vh_facts *facts);
/* Firmware, and a kernel that writes on while it comes up, wait in many a loop: for a moment, for
 * its console, for a device, for the other CPUs. Holds a spin down to possible there, unless its
 * code is a dead loop. */
void vh_doubt_spin_while_booting(
	struct vh_judgement *j, const struct vh_facts *facts, bool dead_loop);
/* No guest is called healthy while a request to its storage hangs: what waits for it is inside. */
void vh_doubt_health_without_storage(struct vh_judgement *j, const struct vh_facts *facts);
/* Holds a healthy verdict down to likely where drives are served by others (nbd:, rbd:, ...), whose
 * requests in flight cannot be seen. */
void vh_doubt_health_of_unseen_drives(struct vh_judgement *j, const struct vh_facts *facts);
/* No guest is called healthy whose kernel or init says that it is not, and was not seen to have got
 * over it. */
void vh_doubt_health_of_kernel(struct vh_judgement *j, const struct vh_facts *facts);
/* The steps that every cause inside of a guest ends with: keep the evidence, then restart. */
void vh_next_keep_and_reset(struct vh_judgement *j, const struct vh_facts *facts);
