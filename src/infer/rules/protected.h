/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the causes inside of an encrypted guest's firmware share. */
#pragma once

#include "infer/rules/common.h"

/* The boot CPU of a guest that asks through a GHCB spins in UEFI firmware. */
struct vh_firmware_spin {
	const struct vh_fact *busy;   /* it runs all it can */
	const struct vh_fact *stage;  /* in UEFI firmware */
	const struct vh_fact *silent; /* it asks the host for nothing; NULL: not known */
	const struct vh_fact *pause;  /* with PAUSE */
	const struct vh_fact *ran_long;
	const struct vh_fact *aps;   /* the other vCPUs hardly ran */
	const struct vh_fact *event; /* the last event */
	const struct vh_fact *apic;  /* it was an access to IA32_APIC_BASE */
};
/* False where that is not so, or something outside of the guest holds it. */
bool vh_firmware_spins(const struct vh_facts *facts, struct vh_firmware_spin *spin);
/* The facts that each of these causes starts from. */
void vh_for_firmware_spin(struct vh_judgement *j, const struct vh_firmware_spin *spin);
/* What refutes them all: a kernel or a login on the console, a boot CPU that halts. */
void vh_against_firmware_spin(struct vh_judgement *j, const struct vh_facts *facts);
/* The steps that tell them apart. */
void vh_next_firmware_spin(struct vh_judgement *j, const struct vh_facts *facts);
