/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a number behind an exit says, in words. Where bits are named: Intel SDM volume 3, AMD APM
 * volume 2, the GHCB specification 2.03, and Linux 6.12 as the tables tell.
 */
#include "decode/keytext.h"

#include <inttypes.h>

#include "decode/constants.h"

#define EPT_VIOLATION 48

static bool bit(uint64_t value, unsigned n)
{
	return value >> n & 1;
}

static uint64_t bits(uint64_t value, unsigned high, unsigned low)
{
	return value >> low & ((UINT64_C(1) << (high - low + 1)) - 1);
}

static void add_bytes(struct vh_buf *b, uint64_t n)
{
	if (n)
		vh_buf_printf(b, ", %" PRIu64 " byte%s", n, n == 1 ? "" : "s");
}

/* "NAME (0x1b)", or "what 0x1b" of an unknown one. */
static void add_named(struct vh_buf *b, const char *name, const char *what, uint64_t number)
{
	if (name)
		vh_buf_printf(b, "%s (0x%" PRIx64 ")", name, number);
	else
		vh_buf_printf(b, "%s 0x%" PRIx64, what, number);
}

struct bit_name {
	unsigned bit;
	const char *name;
};
static void add_bits(struct vh_buf *b, uint64_t value, const struct bit_name *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bit(value, names[i].bit))
			vh_buf_printf(b, ", %s", names[i].name);
}

static void add_pio(struct vh_buf *b, const struct vh_exit_key *k)
{
	vh_buf_printf(b, "port 0x%" PRIx64 ", %s", k->value, bit(k->detail, 0) ? "out" : "in");
	add_bytes(b, bits(k->detail, 15, 8));
}

static void add_mmio(struct vh_buf *b, const struct vh_exit_key *k)
{
	static const char *const how[] = {"unsatisfied read", "read", "write", "fast write"};
	uint64_t type = bits(k->detail, 7, 0);

	vh_buf_printf(b, "address 0x%" PRIx64, k->value);
	if (type < VH_ARRAY_SIZE(how))
		vh_buf_printf(b, ", %s", how[type]);
	else
		vh_buf_printf(b, ", type %" PRIu64, type);
	add_bytes(b, bits(k->detail, 15, 8));
}

static void add_msr(struct vh_buf *b, const struct vh_exit_key *k)
{
	add_named(b, vh_msr_name(k->value), "MSR", k->value);
	vh_buf_printf(b, ", %s%s", bit(k->detail, 0) ? "write" : "read",
		bit(k->detail, 1) ? ", refused (#GP)" : "");
}

static void add_hypercall(struct vh_buf *b, const struct vh_exit_key *k)
{
	/* Leaves of TDVMCALL and hypercalls of KVM share their lower numbers. */
	const char *name =
		k->value >= 0x10000 ? vh_tdvmcall_name(k->value) : vh_hypercall_name(k->value);

	add_named(b, name, "hypercall", k->value);
}

/* PFERR_* of arch/x86/include/asm/kvm_host.h; SVM's nested page faults have bits 32 and on. */
static const struct bit_name error_code_bits[] = {{1, "write"}, {4, "fetch"}, {2, "user"},
	{3, "reserved bit (MMIO)"}, {5, "protection key"}, {6, "shadow stack"}, {15, "SGX"},
	{31, "RMP"}, {32, "final address"}, {33, "page walk"}, {34, "encrypted"},
	{35, "RMP page size"}, {36, "VMPL"}};
static const struct bit_name ept_bits[] = {{0, "read"}, {1, "write"}, {2, "fetch"}};

static void add_error_code(struct vh_buf *b, uint64_t code)
{
	if (!bit(code, 1) && !bit(code, 4))
		vh_buf_puts(b, ", read");
	add_bits(b, code, error_code_bits, VH_ARRAY_SIZE(error_code_bits));
	vh_buf_puts(b, bit(code, 0) ? ", present" : ", not present");
}

static void add_ept(struct vh_buf *b, uint64_t qualification)
{
	add_bits(b, qualification, ept_bits, VH_ARRAY_SIZE(ept_bits));
	if (!bits(qualification, 6, 3))
		vh_buf_puts(b, ", not present");
	else
		vh_buf_printf(b, ", present (%s%s%s)", bit(qualification, 3) ? "r" : "-",
			bit(qualification, 4) ? "w" : "-", bit(qualification, 5) ? "x" : "-");
	if (bit(qualification, 7) && !bit(qualification, 8))
		vh_buf_puts(b, ", page walk");
}

/* On VMX the detail is the exit qualification of an EPT violation; with shadow page tables it is
 * the error code of the guest's #PF, which leaves by another reason. */
static void add_fault(struct vh_buf *b, enum vh_isa isa, const struct vh_exit_key *k)
{
	vh_buf_printf(b, "address 0x%" PRIx64, k->value);
	if (isa == VH_ISA_VMX &&
		(k->reason == VH_NO_REASON || (k->reason & 0xffff) == EPT_VIOLATION))
		add_ept(b, k->detail);
	else
		add_error_code(b, k->detail);
}

/* What Linux uses the vectors for (arch/x86/include/asm/irq_vectors.h, 6.12). Firmware and other
 * systems choose theirs, hence the name in the text. */
static const char *linux_vector(uint64_t vector)
{
	static const struct {
		uint64_t vector;
		const char *use;
	} uses[] = {{0xec, "local timer"}, {0xed, "Hyper-V timer"},
		{0xee, "Hyper-V reenlightenment"}, {0xf2, "posted interrupt"},
		{0xf3, "hypervisor callback"}, {0xf4, "deferred error"}, {0xf6, "IRQ work"},
		{0xf7, "platform IPI"}, {0xf8, "reboot"}, {0xf9, "threshold"}, {0xfa, "thermal"},
		{0xfb, "call function single"}, {0xfc, "call function"}, {0xfd, "reschedule"},
		{0xfe, "APIC error"}, {0xff, "spurious"}};

	for (size_t i = 0; i < VH_ARRAY_SIZE(uses); i++)
		if (uses[i].vector == vector)
			return uses[i].use;
	return NULL;
}

static void add_vector(struct vh_buf *b, uint64_t vector)
{
	const char *use = linux_vector(vector);

	vh_buf_printf(b, "vector 0x%" PRIx64, vector);
	if (use)
		vh_buf_printf(b, " (Linux: %s)", use);
	else if (vector >= 8 && vector <= 15)
		vh_buf_printf(b, " (BIOS: IRQ %" PRIu64 ")", vector - 8);
	else if (vector >= 0x70 && vector <= 0x77)
		vh_buf_printf(b, " (BIOS: IRQ %" PRIu64 ")", vector - 0x70 + 8);
}

static void add_virq(struct vh_buf *b, const struct vh_exit_key *k)
{
	add_vector(b, k->value);
	vh_buf_puts(b, bit(k->detail, 0) ? ", again" : "");
	vh_buf_puts(b, bit(k->detail, 1) ? ", soft" : "");
}

static void add_exception(struct vh_buf *b, const struct vh_exit_key *k)
{
	const char *name = vh_exception_name(k->value);

	if (name)
		vh_buf_puts(b, name);
	else
		vh_buf_printf(b, "exception 0x%" PRIx64, k->value);
	if (bit(k->detail, 32))
		vh_buf_printf(b, ", error code 0x%" PRIx64, k->detail & UINT32_MAX);
}

static const char *delivery_mode(uint64_t mode)
{
	static const char *const names[] = {"fixed", "lowest priority", "SMI", "reserved mode 3",
		"NMI", "INIT", "SIPI", "ExtINT"};

	return names[mode & 7];
}

/* The interrupt command register, SDM volume 3, 11.6.1 (section 12.6.1 in newer editions). */
static void add_ipi(struct vh_buf *b, const struct vh_exit_key *k)
{
	static const char *const shorthand[] = {NULL, "itself", "all", "all others"};
	uint64_t mode = bits(k->value, 10, 8), vector = bits(k->value, 7, 0);
	uint64_t to = bits(k->value, 19, 18);
	/* INIT with level 0, edge or level: the "de-assert", without effect since the P6. */
	bool deassert = mode == 5 && !bit(k->value, 14) && bit(k->value, 15);

	if (mode <= 1)
		add_vector(b, vector);
	if (mode == 1)
		vh_buf_puts(b, ", lowest priority,");
	else if (mode > 1)
		vh_buf_printf(b, "%s%s", delivery_mode(mode), deassert ? " (de-assert)" : "");
	if (shorthand[to])
		vh_buf_printf(b, " to %s", shorthand[to]);
	else
		vh_buf_printf(b, " to %s 0x%" PRIx64,
			bit(k->value, 11) ? "logical destination" : "APIC", k->detail);
	if (mode == 6)
		vh_buf_printf(b, ", starts at 0x%" PRIx64, vector << 12);
}

static void add_accept(struct vh_buf *b, const struct vh_exit_key *k)
{
	uint64_t mode = bits(k->detail, 7, 0);

	/* KVM passes the mode as it stands in the ICR (APIC_DM_*), bits 8-10 shifted to 0. */
	if (mode <= 1) {
		add_vector(b, k->value);
		vh_buf_puts(b, mode ? ", lowest priority" : "");
	} else {
		vh_buf_puts(b, delivery_mode(mode));
		if (mode == 6)
			vh_buf_printf(b, ", starts at 0x%" PRIx64, k->value << 12);
	}
	vh_buf_puts(b, bit(k->detail, 8) ? ", level-triggered" : "");
}

/* EXITINFO1 of IOIO: APM volume 2, 15.10.2. */
static void add_ioio(struct vh_buf *b, uint64_t info)
{
	vh_buf_printf(b, ", port 0x%" PRIx64 ", %s%s%s", bits(info, 31, 16),
		bit(info, 0) ? "in" : "out", bit(info, 2) ? ", string" : "",
		bit(info, 3) ? ", repeated" : "");
	add_bytes(b, bits(info, 6, 4));
}

static void add_nae(struct vh_buf *b, const struct vh_exit_key *k)
{
	static const char *const ap[] = {"create on INIT", "create", "destroy"};
	uint64_t code = k->value & UINT32_MAX, info = k->detail;

	add_named(b, vh_nae_name(k->value), "exit", code);
	switch (code) {
	case 0x7b:
		add_ioio(b, info);
		break;
	case 0x7c:
		vh_buf_puts(b, bit(info, 0) ? ", write" : ", read");
		break;
	case 0x80000001:
	case 0x80000002:
		vh_buf_printf(b, ", address 0x%" PRIx64, info);
		break;
	case 0x80000005:
		vh_buf_puts(b, info ? ", get" : ", set");
		break;
	case 0x80000013:
		if (bits(info, 15, 0) < VH_ARRAY_SIZE(ap))
			vh_buf_printf(b, ", %s", ap[bits(info, 15, 0)]);
		vh_buf_printf(b, ", APIC 0x%" PRIx64, info >> 32);
		break;
	case 0x8000fffe:
		vh_buf_printf(
			b, ", reason %" PRIu64 ":%" PRIu64, bits(info, 3, 0), bits(info, 11, 4));
		break;
	default:
		if (info)
			vh_buf_printf(b, ", info 0x%" PRIx64, info);
	}
}

/* The GHCB's MSR protocol; kvm-facts section 3, GHCB specification 2.3.1. */
static void add_nae_msr(struct vh_buf *b, const struct vh_exit_key *k)
{
	const uint64_t value = k->value;
	static const char *const cpuid_registers[] = {"EAX", "EBX", "ECX", "EDX"};
	uint64_t request = bits(value, 11, 0), frame = value & ~UINT64_C(0xfff);

	if (!request) {
		vh_buf_printf(b, "GHCB at 0x%" PRIx64, frame);
		return;
	}
	add_named(b, vh_ghcb_msr_name(request), "request", request);
	switch (request) {
	case 0x004:
		vh_buf_printf(b, ", leaf 0x%" PRIx64 ", %s", value >> 32,
			cpuid_registers[bits(value, 31, 30)]);
		break;
	case 0x012:
		vh_buf_printf(b, ", address 0x%" PRIx64, frame);
		break;
	case 0x014:
		vh_buf_printf(b, ", page 0x%" PRIx64 ", %s", bits(value, 51, 12) << 12,
			bits(value, 55, 52) == 1   ? "private"
			: bits(value, 55, 52) == 2 ? "shared"
						   : "unknown operation");
		break;
	case 0x016:
		vh_buf_printf(b, ", VMPL %" PRIu64, bits(value, 39, 32));
		break;
	case 0x100:
		vh_buf_printf(b, ", reason %" PRIu64 ":%" PRIu64, bits(value, 15, 12),
			bits(value, 23, 16));
		break;
	default:
		break;
	}
}

/* Where KVM_RUN returns an error, the reason beside it is that of an earlier return. */
static void add_userspace(struct vh_buf *b, const struct vh_exit_key *k)
{
	int error = (int32_t)(uint32_t)k->detail;
	const char *name = vh_kvm_exit_name(k->value);

	if (error == -4)
		vh_buf_puts(b, "interrupted by a signal (EINTR)");
	else if (error < 0 && error >= -4095)
		vh_buf_printf(b, "KVM_RUN failed: %s (errno %d)", strerror(-error), -error);
	else if (name)
		vh_buf_puts(b, name);
	else
		vh_buf_printf(b, "KVM_EXIT %" PRIu64, k->value);
}

static void add_wakeup(struct vh_buf *b, const struct vh_exit_key *k)
{
	vh_buf_puts(b, k->value == 1 ? "polled" : "slept");
	vh_buf_puts(b, bit(k->detail, 0) ? ", then there was something to do"
					 : ", then nothing was to do");
}

static void add_cr(struct vh_buf *b, const struct vh_exit_key *k)
{
	vh_buf_printf(b, "CR%" PRIu64 ", %s", k->value, bit(k->detail, 0) ? "write" : "read");
}

static void add_cpuid(struct vh_buf *b, const struct vh_exit_key *k)
{
	vh_buf_printf(b, "leaf 0x%" PRIx64 ", index 0x%" PRIx64, k->value, k->detail);
}

static void add_hv_hypercall(struct vh_buf *b, const struct vh_exit_key *k)
{
	add_named(b, vh_hv_call_name(k->value & 0xffff), "Hyper-V call", k->value);
}

static void add_xen_hypercall(struct vh_buf *b, const struct vh_exit_key *k)
{
	add_named(b, vh_xen_call_name(k->value), "Xen call", k->value);
}

static void add_fault_rip(struct vh_buf *b, const struct vh_exit_key *k)
{
	if (k->value)
		vh_buf_printf(b, "RIP 0x%" PRIx64 ", ", k->value);
	vh_buf_printf(b, "address 0x%" PRIx64, k->detail);
}

static void add_eoi(struct vh_buf *b, const struct vh_exit_key *k)
{
	/* apic_find_highest_isr() of arch/x86/kvm/lapic.c gives -1 where there is none. */
	if (k->value == UINT64_MAX)
		vh_buf_puts(b, "no interrupt was being served");
	else
		add_vector(b, k->value);
}

static void add_emulated(struct vh_buf *b, const struct vh_exit_key *k)
{
	vh_buf_printf(b, "at 0x%" PRIx64 "%s", k->value, bit(k->detail, 0) ? ", failed" : "");
}

static void add_rip(struct vh_buf *b, const struct vh_exit_key *k)
{
	if (k->value)
		vh_buf_printf(b, "RIP 0x%" PRIx64, k->value);
	else
		vh_buf_puts(b, "RIP not told");
}

static void add_gsi(struct vh_buf *b, const struct vh_exit_key *k)
{
	vh_buf_printf(b, "GSI %" PRIu64 ", %s", k->value, k->detail ? "raised" : "lowered");
}

char *vh_exit_key_text(enum vh_isa isa, const struct vh_exit_key *k)
{
	static void (*const add[VH_N_KEY_KIND])(struct vh_buf *, const struct vh_exit_key *) = {
		[VH_KEY_PIO] = add_pio,
		[VH_KEY_MMIO] = add_mmio,
		[VH_KEY_MSR] = add_msr,
		[VH_KEY_CR] = add_cr,
		[VH_KEY_CPUID] = add_cpuid,
		[VH_KEY_HYPERCALL] = add_hypercall,
		[VH_KEY_HV_HYPERCALL] = add_hv_hypercall,
		[VH_KEY_XEN_HYPERCALL] = add_xen_hypercall,
		[VH_KEY_FAULT_RIP] = add_fault_rip,
		[VH_KEY_VIRQ] = add_virq,
		[VH_KEY_EXCEPTION] = add_exception,
		[VH_KEY_IPI] = add_ipi,
		[VH_KEY_ACCEPT] = add_accept,
		[VH_KEY_EOI] = add_eoi,
		[VH_KEY_EMULATED] = add_emulated,
		[VH_KEY_NAE] = add_nae,
		[VH_KEY_NAE_MSR] = add_nae_msr,
		[VH_KEY_USERSPACE] = add_userspace,
		[VH_KEY_RIP] = add_rip,
		[VH_KEY_WAKEUP] = add_wakeup,
		[VH_KEY_GSI] = add_gsi,
	};
	struct vh_buf b = {0};

	if (k->kind == VH_KEY_FAULT) /* alone depends on whose it is */
		add_fault(&b, isa, k);
	else
		add[k->kind](&b, k);
	return vh_buf_steal(&b);
}

char *vh_exit_reason_text(enum vh_isa isa, uint64_t reason)
{
	const char *name = vh_exit_reason_name(isa, reason);

	if (!name)
		return vh_asprintf("0x%" PRIx64, reason);
	if (isa == VH_ISA_VMX && reason & VH_VMX_FAILED_ENTRY)
		return vh_asprintf("%s|FAILED_VMENTRY", name);
	return vh_strdup(name);
}

char *vh_exit_key_device(
	enum vh_isa isa, const struct vh_devices *devices, const struct vh_exit_key *k)
{
	char *(*address)(const struct vh_devices *, uint64_t) =
		isa == VH_ISA_ARM64 ? vh_devices_virt_address : vh_devices_address;
	uint64_t code = k->value & UINT32_MAX;

	switch (k->kind) {
	case VH_KEY_PIO:
		return vh_devices_port(devices, k->value);
	case VH_KEY_MMIO:
	case VH_KEY_FAULT:
		return address(devices, k->value);
	case VH_KEY_FAULT_RIP:
		return address(devices, k->detail);
	case VH_KEY_NAE:
		if (code == 0x7b)
			return vh_devices_port(devices, bits(k->detail, 31, 16));
		if (code == 0x80000001 || code == 0x80000002)
			return address(devices, k->detail);
		return NULL;
	default:
		return NULL;
	}
}
