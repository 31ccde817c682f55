/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inside of infer: who establishes which facts. */
#pragma once

#include "infer/fact.h"

void vh_facts_of_host(struct vh_facts *facts);  /* the process and what the host does to it */
void vh_facts_of_vcpus(struct vh_facts *facts); /* threads and registers of the vCPUs */
void vh_facts_of_vmm(struct vh_facts *facts);   /* monitor, run state, main loop, drives */
void vh_facts_of_texts(struct vh_facts *facts); /* logs and screen */

/* "tid:N", in a buffer that is passed. */
struct vh_subject {
	char s[32];
};
struct vh_subject vh_subject_tid(pid_t tid);
struct vh_subject vh_subject_vcpu(int index);
