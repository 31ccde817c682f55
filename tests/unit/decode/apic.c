/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* "info lapic" and "info pic", as QEMU 7.2 and 10.0 printed them, and as nobody should. */
#include "decode/apic.h"

#include "tests/unit/test.h"

/* QEMU 7.2 with KVM, SeaBIOS; timer and vectors changed where a test says so. */
static const char lapic[] =
	"dumping local APIC state for CPU 0 \r\n\r\n"
	"LVT0\t 0x00008700 active-hi level                             ExtINT (vec 0)\r\n"
	"LVT1\t 0x00008400 active-hi level                             NMI   \r\n"
	"LVTT\t 0x00010000 active-hi edge  masked         one-shot     Fixed  (vec 0)\r\n"
	"Timer\t DCR=0x0 (divide by 2) initial_count = 0 current_count = 0\r\n"
	"SPIV\t 0x000001ff APIC enabled, focus=off, spurious vec 255\r\n"
	"ICR\t 0x000c4610 physical edge assert all\r\n"
	"ICR2\t 0x01000000\r\n"
	"ESR\t 0x00000000\r\n"
	"ISR\t (none)\r\n"
	"IRR\t 48 236(level) \r\n\r\n"
	"APR 0x00 TPR 0x00 DFR 0x0f LDR 0x00 PPR 0x00\r\n";

/* QEMU 10.0. */
static const char pic[] =
	"ioapic0: ver=0x11 id=0x00 sel=0x00\r\n"
	"  pin 0  0x0000000000010000 dest=0 vec=0   active-hi edge  masked fixed  physical\r\n"
	"  pin 1  0x0000000000000031 dest=0 vec=49  active-hi edge         fixed  physical\r\n"
	"  IRR      (none)\r\n  Remote IRR (none)\r\n"
	"pic1: irr=00 imr=8e isr=00 hprio=0 irq_base=70 rr_sel=0 elcr=0c fnm=0\r\n"
	"pic0: irr=11 imr=b8 isr=00 hprio=0 irq_base=08 rr_sel=0 elcr=00 fnm=0\r\n";

static void a_local_apic(void **state VH_UNUSED)
{
	struct vh_apic a = vh_apic_read(vh_str(lapic));

	assert_true(a.seen && a.enabled && a.takes_pic && a.has_timer && a.timer_off);
	assert_int_equal(a.icr[0], 0xc4610);
	assert_int_equal(a.icr[1], 0x01000000);
	assert_int_equal(vh_apic_highest(a.irr), 236);
	assert_int_equal(vh_apic_highest(a.isr), -1);
	assert_int_equal(vh_apic_pending(&a).state, VH_IRQ_DELIVERABLE);
	a.tpr = 0xe0; /* 236 is 0xec: of the same class */
	assert_int_equal(vh_apic_pending(&a).state, VH_IRQ_PRIORITY);
	a.isr[7] = 1; /* 224 */
	assert_int_equal(vh_apic_pending(&a).state, VH_IRQ_IN_SERVICE);
	assert_int_equal(vh_apic_pending(&a).blocker, 224);
	a.tpr = 0;
	a.isr[7] = 0;
	a.isr[6] = 1U << 31; /* 223 is below */
	assert_int_equal(vh_apic_pending(&a).state, VH_IRQ_DELIVERABLE);
	a.enabled = false;
	assert_int_equal(vh_apic_pending(&a).state, VH_IRQ_NONE);
}

static void timers(void **state VH_UNUSED)
{
	static const struct {
		const char *text;
		bool told, off;
	} rows[] = {
		{"LVTT 0x00020040\nTimer DCR=0xb initial_count = 5 current_count = 1\n", true,
			false},
		{"LVTT 0x00000040\nTimer DCR=0xb initial_count = 0 current_count = 0\n", true,
			true},
		/* A deadline is in no line of this. */
		{"LVTT 0x000400ec\nTimer DCR=0xb initial_count = 0 current_count = 0\n", true,
			false},
		{"LVTT 0x00010040\n", false, false},
		{"Timer initial_count = x current_count = 0\nLVTT 0x00010040\n", false, false},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_apic a = vh_apic_read(vh_str(rows[i].text));

		assert_int_equal(a.has_timer, rows[i].told);
		assert_int_equal(a.timer_off, rows[i].off);
	}
}

static void two_pics(void **state VH_UNUSED)
{
	struct vh_pic p = vh_pic_read(vh_str(pic));

	assert_true(p.seen && p.ioapic_seen);
	assert_int_equal(p.ioapic_open, 1);
	assert_int_equal(p.base[1], 0x70);
	assert_int_equal(vh_pic_pending(&p).state, VH_IRQ_DELIVERABLE);
	assert_int_equal(vh_pic_pending(&p).pending, 0);
	p.isr[0] = 1;
	assert_int_equal(vh_pic_pending(&p).state, VH_IRQ_IN_SERVICE);
	p.isr[0] = 2;
	assert_int_equal(vh_pic_pending(&p).state, VH_IRQ_DELIVERABLE);
	p.imr[0] = 0xff;
	assert_int_equal(vh_pic_pending(&p).state, VH_IRQ_NONE);
	/* The slave's own lines. */
	p.irr[1] = 0x10;
	p.imr[1] = 0;
	p.isr[1] = 0x01;
	assert_int_equal(vh_pic_pending(&p).state, VH_IRQ_IN_SERVICE);
	assert_int_equal(vh_pic_pending(&p).pending, 12);
	assert_int_equal(vh_pic_pending(&p).blocker, 8);
	p.rotated[1] = true;
	assert_int_equal(vh_pic_pending(&p).state, VH_IRQ_NONE);
}

static void hostile_texts(void **state VH_UNUSED)
{
	static const char *const texts[] = {"", "APR", "APR 0x00 TPR", "APR 0 TPR 0x1ff\n",
		"ISR 256 -1 99999999999999999999 (level)\nIRR\n", "LVT0 x\nSPIV\nTimer\nICR2\n",
		"pic0:", "pic0: irr=100 imr=00 isr=00 hprio=0 irq_base=20\n",
		"pic0: irr= imr= isr= hprio= irq_base=\npin\n", "\r\n\r\n\x01\xff"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(texts); i++) {
		struct vh_apic a = vh_apic_read(vh_str(texts[i]));
		struct vh_pic p = vh_pic_read(vh_str(texts[i]));

		assert_false(a.seen || p.seen || a.has_timer);
		assert_int_equal(vh_apic_highest(a.isr), -1);
		assert_int_equal(vh_apic_pending(&a).state, VH_IRQ_NONE);
		assert_int_equal(vh_pic_pending(&p).state, VH_IRQ_NONE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_local_apic), cmocka_unit_test(timers),
		cmocka_unit_test(two_pics), cmocka_unit_test(hostile_texts)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
