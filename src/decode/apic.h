/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Interrupt controllers of a PC as HMP prints them: "info lapic", "info pic". */
#pragma once

#include "base/text.h"

/* A local APIC (Intel SDM vol. 3, 11). */
struct vh_apic {
	bool seen;
	bool enabled;    /* by its spurious-interrupt vector register */
	bool takes_pic;  /* LINT0 lets the PIC's interrupts in (ExtINT) */
	bool has_timer;  /* what follows of the timer was told */
	bool timer_off;  /* its timer is masked, or was never given a count; false in TSC-deadline
			    mode */
	uint8_t tpr;     /* task priority */
	uint32_t icr[2]; /* the last interrupt that it sent to another: low and high word */
	uint32_t irr[8], isr[8]; /* pending and in service, a bit a vector */
};

/* The two 8259 (master, slave), and the pins of the I/O APIC. */
struct vh_pic {
	bool seen;
	uint8_t irr[2], imr[2], isr[2], base[2]; /* pending, masked, in service, first vector */
	bool rotated[2];      /* its priorities are not in the order of its lines */
	bool ioapic_seen;     /* false: none was told */
	unsigned ioapic_open; /* pins that are not masked */
};

/* Reads one answer; what it does not tell stays as in a struct of zeros. */
struct vh_apic vh_apic_read(struct vh_str text);
struct vh_pic vh_pic_read(struct vh_str text);

/* The highest vector in such a set, -1 for none. */
int vh_apic_highest(const uint32_t set[8]);

/* What a pending interrupt is told to wait for. */
enum vh_irq_state {
	VH_IRQ_NONE,        /* nothing is pending that is not masked */
	VH_IRQ_DELIVERABLE, /* the CPU takes it as soon as its interrupts are on */
	VH_IRQ_IN_SERVICE,  /* one of the same or a higher priority was never acknowledged */
	VH_IRQ_PRIORITY,    /* the task priority is as high, and none is in service */
};
struct vh_irq {
	enum vh_irq_state state;
	int pending; /* vector, or line of the PIC; -1 none */
	int blocker; /* what is in service, or the task priority; -1 none */
};
struct vh_irq vh_apic_pending(const struct vh_apic *a);
/* Of the two PICs together; lines 8 to 15 are the slave's. */
struct vh_irq vh_pic_pending(const struct vh_pic *p);
