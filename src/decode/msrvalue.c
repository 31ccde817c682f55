/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decode/msrvalue.h"

#include <inttypes.h>
#include <stdio.h>

#include "decode/constants.h"
#include "guest/registers.h"

#define ADDRESS_BITS UINT64_C(0x000fffffffffffff)

static void say(struct vh_buf *out, const char *fmt, ...) VH_PRINTF(2, 3);
static void say(struct vh_buf *out, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vh_auto_free char *text = vh_vasprintf(fmt, args);
	va_end(args);
	vh_buf_printf(out, "%s%s", out->len ? ", " : "", text);
}

/* Intel SDM vol. 3, 11.4.4 and 11.12.1: BSP bit 8, EXTD bit 10, EN bit 11, base from bit 12 on. */
static void apic_base(uint64_t v, struct vh_buf *out)
{
	bool on = v >> 11 & 1, extended = v >> 10 & 1;

	say(out, "base %" PRIx64, v & ADDRESS_BITS & ~UINT64_C(0xfff));
	say(out, "%s", on ? "on" : "off");
	say(out, "%s", v >> 8 & 1 ? "boot CPU" : "not the boot CPU");
	if (on || extended)
		say(out, "%s", !on ? "invalid mode" : extended ? "x2APIC mode" : "xAPIC mode");
}

static void efer(uint64_t v, struct vh_buf *out)
{
	vh_auto_buf struct vh_buf names = {0};

	vh_efer_text(v, &names);
	say(out, "%s", names.len ? vh_buf_str(&names) : "no bit set");
}

/* Intel SDM vol. 3, 12.12.2. */
static void pat(uint64_t v, struct vh_buf *out)
{
	static const char *const types[] = {"UC", "WC", NULL, NULL, "WT", "WP", "WB", "UC-"};

	for (int i = 0; i < 8; i++) {
		unsigned type = v >> (8 * i) & 0xff;
		const char *name = type < VH_ARRAY_SIZE(types) ? types[type] : NULL;

		if (name)
			vh_buf_printf(out, "%s%s", i ? " " : "", name);
		else
			vh_buf_printf(out, "%s%u", i ? " " : "", type);
	}
}

static void tsc_deadline(uint64_t v, struct vh_buf *out)
{
	if (v)
		say(out, "timer set for TSC %" PRIu64, v);
	else
		say(out, "timer not set");
}

/* Intel SDM vol. 3, 11.6.1. */
static const char *delivery_name(unsigned mode)
{
	static const char *const names[] = {"fixed", "lowest priority", "SMI", "mode 3", "NMI",
		"INIT", "start (SIPI)", "ExtINT"};

	return names[mode & 7];
}

static void x2apic_icr(uint64_t v, struct vh_buf *out)
{
	static const char *const shorthands[] = {NULL, "to itself", "to all", "to all others"};
	const char *to = shorthands[v >> 18 & 3];
	unsigned mode = v >> 8 & 7;

	say(out, "%s", delivery_name(mode));
	if (mode != 4 && mode != 5)
		say(out, "vector %02x", (unsigned)(v & 0xff));
	if (to)
		say(out, "%s", to);
	else
		say(out, "to %sCPU %" PRIu64, v >> 11 & 1 ? "logical " : "APIC ", v >> 32);
}

static void x2apic_lvt(uint64_t v, struct vh_buf *out)
{
	say(out, "vector %02x", (unsigned)(v & 0xff));
	if (v >> 16 & 1)
		say(out, "masked");
}

static void x2apic_timer(uint64_t v, struct vh_buf *out)
{
	static const char *const modes[] = {"one-shot", "periodic", "TSC deadline", "mode 3"};

	x2apic_lvt(v, out);
	say(out, "%s", modes[v >> 17 & 3]);
}

static void x2apic_spurious(uint64_t v, struct vh_buf *out)
{
	say(out, "vector %02x", (unsigned)(v & 0xff));
	say(out, "%s", v >> 8 & 1 ? "APIC enabled" : "APIC disabled");
}

static void x2apic_eoi(uint64_t v, struct vh_buf *out)
{
	say(out, v ? "not zero: refused" : "end of an interrupt");
}

static void ghcb(uint64_t v, struct vh_buf *out)
{
	const char *request = vh_ghcb_msr_name(v & 0xfff);

	if (!(v & 0xfff))
		say(out, "GHCB page at %" PRIx64, v);
	else if (request)
		say(out, "%s", request);
	else
		say(out, "request %03x", (unsigned)(v & 0xfff));
}

static void mtrr_def_type(uint64_t v, struct vh_buf *out)
{
	say(out, "type %u", (unsigned)(v & 0xff));
	say(out, "%s", v >> 11 & 1 ? "MTRRs on" : "MTRRs off");
	say(out, "fixed ones %s", v >> 10 & 1 ? "on" : "off");
}

static void star(uint64_t v, struct vh_buf *out)
{
	say(out, "SYSCALL CS %04x", (unsigned)(v >> 32 & 0xffff));
	say(out, "SYSRET CS %04x", (unsigned)(v >> 48));
}

static void address(uint64_t v, struct vh_buf *out)
{
	say(out, "address %" PRIx64, v);
}

/* Bit 0 enables it, the rest is the address of the page that is shared with KVM. */
static void kvm_page(uint64_t v, struct vh_buf *out)
{
	if (v & 1)
		say(out, "on, at %" PRIx64, v & ~UINT64_C(0x3f));
	else
		say(out, "off");
}

static void on_off(uint64_t v, struct vh_buf *out)
{
	say(out, "%s", v & 1 ? "on" : "off");
}

static void microcode(uint64_t v, struct vh_buf *out)
{
	say(out, "microcode %" PRIx64, v >> 32 ? v >> 32 : v);
}

static const struct row {
	uint64_t msr, last; /* last 0: this one alone */
	void (*text)(uint64_t v, struct vh_buf *out);
	uint64_t possible; /* the bits that it can have; 0: not known */
} rows[] = {
	/* KVM: arch/x86/kvm/lapic.c, kvm_apic_set_base: reserved are bits 0 to 7, 9 and those
	 * above the guest's physical addresses. */
	{0x1b, 0, apic_base, ADDRESS_BITS & ~UINT64_C(0x2ff)},
	{0x8b, 0, microcode, 0},
	{0x174, 0, NULL, 0xffff},
	{0x175, 0x176, address, 0},
	{0x277, 0, pat, UINT64_C(0x0707070707070707)},
	{0x2ff, 0, mtrr_def_type, 0xcff},
	{0x6e0, 0, tsc_deadline, 0},
	{0x808, 0, NULL, 0xff},
	{0x80b, 0, x2apic_eoi, 0},
	{0x80f, 0, x2apic_spurious, 0x1fff},
	{0x830, 0, x2apic_icr, 0},
	{0x832, 0, x2apic_timer, 0x710ff},
	{0x833, 0x837, x2apic_lvt, 0x1f7ff},
	{0x838, 0x839, NULL, UINT32_MAX},
	{0xc0000080, 0, efer, 0x37fd01},
	{0xc0000081, 0, star, 0},
	{0xc0000082, 0xc0000083, address, 0},
	{0xc0000100, 0xc0000102, address, 0},
	{0xc0010130, 0, ghcb, 0},
	{0x4b564d00, 0, address, 0},
	{0x4b564d01, 0x4b564d04, kvm_page, 0},
	{0x4b564d05, 0, on_off, 1},
};

static const struct row *find(uint64_t msr)
{
	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++)
		if (msr >= rows[i].msr && msr <= VH_MAX(rows[i].last, rows[i].msr))
			return &rows[i];
	return NULL;
}

bool vh_msr_value_text(uint64_t msr, uint64_t value, struct vh_buf *out)
{
	const struct row *row = find(msr);
	vh_auto_buf struct vh_buf text = {0};

	if (!row || !row->text)
		return false;
	row->text(value, &text);
	vh_buf_puts(out, vh_buf_str(&text));
	return true;
}

bool vh_msr_value_fits(uint64_t msr, uint64_t value)
{
	const struct row *row = find(msr);

	return !row || !row->possible || !(value & ~row->possible);
}
