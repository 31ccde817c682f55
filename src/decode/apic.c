/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Formats: QEMU target/i386/cpu-dump.c (x86_cpu_dump_local_apic_state), hw/intc/i8259_common.c
 * (pic_common_print_info), hw/intc/ioapic_common.c (ioapic_print_redtbl).
 */
#include "decode/apic.h"

#define SPIV_ENABLED  0x100u
#define LVT_MASKED    0x10000u
#define MODE_EXTINT   7u
#define TIMER_MODE(x) (((x) >> 17) & 3)
#define TSC_DEADLINE  2u

static void read_set(struct vh_str rest, uint32_t set[8])
{
	struct vh_str word;
	uint64_t vector;

	while (vh_next_word(&rest, &word)) {
		ssize_t at = vh_str_find(word, "(level)");

		if (at >= 0)
			word.n = (size_t)at;
		if (vh_parse_u64(word, 10, &vector) && vector < 256)
			set[vector / 32] |= 1U << (vector % 32);
	}
}

/* "initial_count = 0 current_count = 0": the number behind the key. */
static bool count_of(struct vh_str line, const char *key, uint64_t *value)
{
	ssize_t at = vh_str_find(line, key);
	struct vh_str word;

	if (at < 0)
		return false;
	line.s += (size_t)at + strlen(key);
	line.n -= (size_t)at + strlen(key);
	return vh_next_word(&line, &word) && vh_parse_u64(word, 10, value);
}

struct apic_timer {
	bool has_lvt, has_count;
	uint32_t lvt;
	uint64_t initial;
};

/* A line whose first word is the name, and whose second is mostly the register. */
static void take_line(
	struct vh_apic *a, struct apic_timer *timer, struct vh_str line, struct vh_str whole)
{
	struct vh_str name, word, rest;
	uint64_t value;

	if (!vh_next_word(&line, &name))
		return;
	rest = line;
	if (vh_str_is(name, "ISR"))
		read_set(rest, a->isr);
	else if (vh_str_is(name, "IRR"))
		read_set(rest, a->irr);
	else if (vh_str_is(name, "Timer"))
		timer->has_count = count_of(whole, "initial_count = ", &timer->initial);
	if (vh_str_is(name, "APR")) {
		while (vh_next_word(&rest, &word))
			if (vh_str_is(word, "TPR") && vh_next_word(&rest, &word) &&
				vh_parse_u64(word, 0, &value) && value < 256) {
				a->tpr = (uint8_t)value;
				a->seen = true;
			}
		return;
	}
	if (!vh_next_word(&line, &word) || !vh_parse_u64(word, 0, &value) || value > UINT32_MAX)
		return;
	if (vh_str_is(name, "SPIV"))
		a->enabled = value & SPIV_ENABLED;
	else if (vh_str_is(name, "LVT0"))
		a->takes_pic = !(value & LVT_MASKED) && ((value >> 8) & 7) == MODE_EXTINT;
	else if (vh_str_is(name, "LVTT"))
		*timer = (struct apic_timer){
			true, timer->has_count, (uint32_t)value, timer->initial};
	else if (vh_str_is(name, "ICR"))
		a->icr[0] = (uint32_t)value;
	else if (vh_str_is(name, "ICR2"))
		a->icr[1] = (uint32_t)value;
}

struct vh_apic vh_apic_read(struct vh_str text)
{
	struct vh_apic a = {0};
	struct apic_timer timer = {0};
	struct vh_str line;

	while (vh_next_line(&text, &line))
		take_line(&a, &timer, line, line);
	a.has_timer = timer.has_lvt && timer.has_count;
	a.timer_off =
		a.has_timer && ((timer.lvt & LVT_MASKED) ||
				       (TIMER_MODE(timer.lvt) != TSC_DEADLINE && !timer.initial));
	return a;
}

/* "pic0: irr=01 imr=fe isr=01 hprio=0 irq_base=20 rr_sel=0 elcr=00 fnm=0" */
static void take_chip(struct vh_pic *p, unsigned chip, struct vh_str line)
{
	static const char *const keys[] = {"irr=", "imr=", "isr=", "irq_base=", "hprio="};
	uint8_t values[VH_ARRAY_SIZE(keys)] = {0};
	unsigned found = 0;
	struct vh_str word;
	uint64_t value;

	while (vh_next_word(&line, &word))
		for (size_t i = 0; i < VH_ARRAY_SIZE(keys); i++) {
			size_t n = strlen(keys[i]);

			if (vh_str_starts(word, keys[i]) &&
				vh_parse_u64((struct vh_str){word.s + n, word.n - n}, 16, &value) &&
				value < 256) {
				values[i] = (uint8_t)value;
				found |= 1U << i;
			}
		}
	if (found != (1U << VH_ARRAY_SIZE(keys)) - 1)
		return;
	p->irr[chip] = values[0];
	p->imr[chip] = values[1];
	p->isr[chip] = values[2];
	p->base[chip] = values[3];
	p->rotated[chip] = values[4] != 0;
	if (!chip)
		p->seen = true;
}

struct vh_pic vh_pic_read(struct vh_str text)
{
	struct vh_pic p = {0};
	struct vh_str line;

	while (vh_next_line(&text, &line)) {
		struct vh_str shown = vh_str_trim(line);

		if (vh_str_starts(shown, "pic0:"))
			take_chip(&p, 0, shown);
		else if (vh_str_starts(shown, "pic1:"))
			take_chip(&p, 1, shown);
		else if (vh_str_starts(shown, "pin ")) {
			p.ioapic_seen = true;
			p.ioapic_open += vh_str_find(shown, " masked") < 0;
		}
	}
	return p;
}

int vh_apic_highest(const uint32_t set[8])
{
	for (int i = 7; i >= 0; i--)
		if (set[i])
			return 32 * i + 31 - __builtin_clz(set[i]);
	return -1;
}

struct vh_irq vh_apic_pending(const struct vh_apic *a)
{
	int pending = vh_apic_highest(a->irr), in_service = vh_apic_highest(a->isr);

	/* Vectors below 16 are reserved for exceptions. */
	if (!a->seen || !a->enabled || pending < 16)
		return (struct vh_irq){VH_IRQ_NONE, -1, -1};
	/* Priority is by classes of 16 vectors (SDM vol. 3, 11.8.3). */
	if (in_service >> 4 >= pending >> 4)
		return (struct vh_irq){VH_IRQ_IN_SERVICE, pending, in_service};
	if (a->tpr >> 4 >= pending >> 4)
		return (struct vh_irq){VH_IRQ_PRIORITY, pending, a->tpr};
	return (struct vh_irq){VH_IRQ_DELIVERABLE, pending, -1};
}

/* The line of the highest priority, 8 for none. */
static int first_line(unsigned lines)
{
	return lines ? __builtin_ctz(lines) : 8;
}

static struct vh_irq chip_pending(const struct vh_pic *p, unsigned chip)
{
	int offset = chip ? 8 : 0;
	int pending = first_line(p->irr[chip] & (uint8_t)~p->imr[chip]);
	int in_service = first_line(p->isr[chip]);

	if (pending > 7 || p->rotated[chip])
		return (struct vh_irq){VH_IRQ_NONE, -1, -1};
	if (in_service <= pending)
		return (struct vh_irq){VH_IRQ_IN_SERVICE, offset + pending, offset + in_service};
	return (struct vh_irq){VH_IRQ_DELIVERABLE, offset + pending, -1};
}

struct vh_irq vh_pic_pending(const struct vh_pic *p)
{
	struct vh_irq master = chip_pending(p, 0), slave = chip_pending(p, 1);

	if (!p->seen)
		return (struct vh_irq){VH_IRQ_NONE, -1, -1};
	/* Line 2 of the master is the slave. */
	return master.state == VH_IRQ_NONE && slave.state == VH_IRQ_IN_SERVICE ? slave : master;
}
