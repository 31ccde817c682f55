/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inside of infer: who establishes which facts. */
#pragma once

#include "base/units.h"
#include "infer/fact.h"

void vh_facts_of_host(struct vh_facts *facts); /* the process and what the host does to it */
void vh_facts_of_cpus(struct vh_facts *facts); /* who takes CPU time: after the vCPUs */
void vh_facts_of_memory(
	struct vh_facts *facts);                /* memory, and the host's kernel: after the vCPUs */
void vh_facts_of_vcpus(struct vh_facts *facts); /* threads and registers of the vCPUs */
void vh_facts_of_exits(struct vh_facts *facts); /* counted exits: after those of the vCPUs */
void vh_facts_of_protected(struct vh_facts *facts); /* encrypted guests: after exits, before texts
						     */
void vh_facts_of_interrupts(
	struct vh_facts *facts); /* what the interrupt controllers hold back: after vCPUs */
void vh_facts_of_change(struct vh_facts *facts); /* what turned while it was looked at */
void vh_facts_of_giveup(struct vh_facts *facts); /* why KVM gave up: the VMM's log */
void vh_facts_of_boot(struct vh_facts *facts);   /* firmware, boot loaders: after texts */
void vh_facts_of_vmm(struct vh_facts *facts);    /* monitor, run state, main loop, drives */
void vh_facts_of_runstate(
	struct vh_facts *facts); /* what the VMM says it does with the VM, and who holds it */
void vh_facts_of_serial(struct vh_facts *facts);  /* consoles and monitors, who reads there */
void vh_facts_of_storage(struct vh_facts *facts); /* who does not answer requests, and which */
void vh_facts_of_inside(struct vh_facts *facts);  /* the guest's memory: after vCPUs */
void vh_facts_of_kernel(struct vh_facts *facts);  /* the guest's Linux: after vCPUs, before texts */
void vh_facts_of_texts(struct vh_facts *facts);   /* logs and screen */
void vh_facts_of_progress(
	struct vh_facts *facts); /* what got on, and where it shows: after the stages */
void vh_facts_of_runstate(
	struct vh_facts *facts); /* what the VMM says it does with the VM, and who holds it */
void vh_facts_of_mainloop(struct vh_facts *facts); /* the main loop, and who holds whose lock */
void vh_facts_of_texts(struct vh_facts *facts);    /* logs and screen */
void vh_facts_of_jobs(struct vh_facts *facts);  /* migration, block jobs, dump: after the VMM's */
void vh_facts_of_texts(struct vh_facts *facts); /* logs and screen */
void vh_facts_of_texts(struct vh_facts *facts); /* logs and screen */

/* True where an operating system runs on the boot CPU, by its control registers. */
bool vh_system_runs(const struct vh_facts *facts);

/* One and the same wait at both looks: the thread was not even woken in between. */
bool vh_waits_all_the_time(const struct vh_thread *t);
/* "tid:N", in a buffer that is passed. */
struct vh_subject {
	char s[32];
};
struct vh_subject vh_subject_tid(pid_t tid);
struct vh_subject vh_subject_vcpu(int index);

/* What it waits for, as a clause; NULL where that is nothing unusual. */
const char *vh_wait_text(enum vh_wait wait);
/* True where the main loop waits for requests within a command, and serves no events meanwhile. */
bool vh_main_loop_is_nested(const struct vh_model *m);
/* CPU time in words: ps tells seconds alone, top hundredths, so that none in it is not none. */
struct vh_unit_text vh_used_text(int64_t ns);
/* What was traced of a vCPU: NULL where nothing was, or for too short a time to say what did not
 * happen. Not of KVM's statistics alone. */
const struct vh_vcpu_exits *vh_traced(const struct vh_facts *facts, int vcpu);
/* True where an event was counted from the begin of the trace to its end, so that none seen means
 * none. */
bool vh_trace_counts(const struct vh_exits *e, const char *event);
/* Exits of a meaning. */
uint64_t vh_rows_of(
	const struct vh_exits *e, const struct vh_vcpu_exits *x, enum vh_exit_means means);
/* True where the scheduler's switches tell how long it ran, slept and waited for a CPU. */
bool vh_times_are_exact(const struct vh_facts *facts, const struct vh_vcpu *v);
/* True where the vCPU is ready to run all the time. */
bool vh_never_rests(const struct vh_facts *facts, int vcpu);
/* A fact whose ground is the trace. */
struct vh_fact *vh_fact_traced(struct vh_facts *facts, struct vh_fact *f);
void vh_facts_of_storms(struct vh_facts *facts, const struct vh_vcpu_exits *x);
void vh_facts_of_irqs(struct vh_facts *facts, const struct vh_vcpu_exits *x);
void vh_facts_of_ipis(struct vh_facts *facts);
/* True where what the guest wrote (a hit's id) does not hold any more: the lockup ended, or the
 * guest was started again. */
bool vh_text_is_over(const struct vh_facts *facts, const char *hit);
