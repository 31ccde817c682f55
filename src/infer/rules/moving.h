/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the rules of migrations and jobs share. */
#pragma once

#include "infer/rules/common.h"

/* vh_next_monitor with the QMP command's arguments as JSON, which must hold no single quote. virsh
 * NULL: libvirt has no command of its own for it. */
void vh_next_monitor_with(struct vh_judgement *j, const struct vh_facts *facts, const char *virsh,
	const char *qmp, const char *arguments, const char *text);
/* That vCPU n, which waits for a page, is woken so often that pages do come: NULL where they do
 * not. */
const struct vh_fact *vh_pages_come(const struct vh_facts *facts, int vcpu);
/* A phase that a migration is in (value: how often it was seen), and that should be short: a proof
 * where it was the same at two looks. */
void vh_for_phase(struct vh_judgement *j, const struct vh_fact *phase);
