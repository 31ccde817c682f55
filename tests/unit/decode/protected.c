/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tables of encrypted guests: policies, what each register means, what the last event left, MSR
 * values, stages, the GHCB protocol. Values as in public reports and in the sources named there.
 */
#include "decode/confidential.h"
#include "decode/decoder.h"
#include "decode/ghcb.h"
#include "decode/msrvalue.h"
#include "tests/unit/casebuild.h"
#include "tests/unit/decode/dumps.h"
#include "tests/unit/test.h"

static void policies_in_words(void **state VH_UNUSED)
{
	static const struct {
		enum vh_conf_kind kind;
		uint64_t policy;
		const char *text;
		int debug;
	} rows[] = {
		{VH_CONF_SEV, 0, "debugging allowed", 1},
		{VH_CONF_SEV, 1, "no debugging", 0},
		{VH_CONF_SEV_ES, 5, "no debugging, SEV-ES", 0},
		{VH_CONF_SEV_ES, 4, "debugging allowed, SEV-ES", 1},
		{VH_CONF_SEV_ES, 0x3301003f,
			"no debugging, keys not shared with other guests, SEV-ES, not to be sent "
			"to another platform, only within its domain, only to platforms with SEV, "
			"firmware API 1.51 or later",
			0},
		{VH_CONF_SEV_ES, 0x105, "no debugging, SEV-ES, bit 8", 0},
		/* The other way round. */
		{VH_CONF_SEV_SNP, 0x30000, "SMT allowed, no debugging", 0},
		{VH_CONF_SEV_SNP, 0xb0000, "SMT allowed, debugging allowed", 1},
		{VH_CONF_SEV_SNP, UINT64_C(0x4000000000020133),
			"no SMT, no debugging, bit 62, firmware API 1.51 or later", 0},
		{VH_CONF_TDX, 0x10000000, "no debugging, no #VE for pending pages", 0},
		{VH_CONF_TDX, 0x10000001, "debugging allowed, no #VE for pending pages", 1},
		{VH_CONF_OTHER, 5, "", -1},
		{VH_CONF_NONE, 5, "", -1},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		vh_auto_buf struct vh_buf text = {0};

		vh_conf_policy_text(rows[i].kind, rows[i].policy, &text);
		assert_string_equal(vh_buf_str(&text), rows[i].text);
		assert_int_equal(
			vh_conf_debug_allowed(rows[i].kind, rows[i].policy), rows[i].debug);
	}
}

/* Each says which kind of guest it is, alone and against others. */
static const struct {
	enum vh_conf_kind vm;
	const char *source, *subject, *text;
	enum vh_conf_kind kind;
	enum vh_conf_source by;
	int64_t policy; /* -1: none */
} kind_rows[] = {
	{VH_CONF_SEV, NULL, NULL, NULL, VH_CONF_SEV, VH_CONF_BY_COMMAND_LINE, -1},
	{VH_CONF_NONE, "qmp.query-sev", "",
		"{\"enabled\": true, \"api-major\": 1, \"api-minor\": 51, \"build-id\": 3, "
		"\"policy\": 5, \"state\": \"running\", \"handle\": 1}",
		VH_CONF_SEV_ES, VH_CONF_BY_QUERY_SEV, 5},
	{VH_CONF_NONE, "qmp.query-sev", "",
		"{\"enabled\": true, \"sev-type\": \"sev\", \"policy\": 1, \"handle\": 1}",
		VH_CONF_SEV, VH_CONF_BY_QUERY_SEV, 1},
	{VH_CONF_NONE, "qmp.query-sev", "",
		"{\"enabled\": true, \"sev-type\": \"sev-snp\", \"snp-policy\": 196608}",
		VH_CONF_SEV_SNP, VH_CONF_BY_QUERY_SEV, 196608},
	/* Not enabled: the rest means nothing, whatever the command line said. */
	{VH_CONF_SEV_ES, "qmp.query-sev", "",
		"{\"enabled\": false, \"policy\": 5, \"state\": \"uninit\"}", VH_CONF_NONE,
		VH_CONF_BY_QUERY_SEV, -1},
	{VH_CONF_SEV_ES, "qmp.query-sev", "", "{\"enabled\": \"no\"}", VH_CONF_SEV_ES,
		VH_CONF_BY_COMMAND_LINE, -1},
	{VH_CONF_SEV_ES, "qmp.query-sev", "", "[1]", VH_CONF_SEV_ES, VH_CONF_BY_COMMAND_LINE, -1},
	{VH_CONF_NONE, "libvirt.domain-xml", "",
		"<domain><launchSecurity type='sev'>\n<cbitpos>51</cbitpos>"
		"<policy>0x0007</policy></launchSecurity></domain>",
		VH_CONF_SEV_ES, VH_CONF_BY_LIBVIRT, 7},
	{VH_CONF_NONE, "libvirt.domain-xml", "",
		"<launchSecurity type='sev'><cbitpos>51</cbitpos></launchSecurity>", VH_CONF_SEV,
		VH_CONF_BY_LIBVIRT, -1},
	{VH_CONF_NONE, "libvirt.domain-xml", "",
		"<launchSecurity type='sev-snp' authorKey='yes'><policy>0x00030000</policy>"
		"</launchSecurity>",
		VH_CONF_SEV_SNP, VH_CONF_BY_LIBVIRT, 0x30000},
	{VH_CONF_NONE, "libvirt.domain-xml", "",
		"<launchSecurity type='tdx'><policy>0x10000000</policy></launchSecurity>",
		VH_CONF_TDX, VH_CONF_BY_LIBVIRT, 0x10000000},
	{VH_CONF_NONE, "libvirt.domain-xml", "", "<launchSecurity type='", VH_CONF_NONE,
		VH_CONF_BY_NOBODY, -1},
	/* As libvirt logs the command line. */
	{VH_CONF_NONE, "log.qemu", "/var/log/libvirt/qemu/x.log",
		"LC_ALL=C \\\n/usr/bin/qemu-system-x86_64 \\\n-machine pc,"
		"confidential-guest-support=lsec0 \\\n-object '{\"qom-type\":\"sev-guest\","
		"\"id\":\"lsec0\",\"cbitpos\":51,\"policy\":5}' \\\n-msg timestamp=on\n"
		"2026-11-22 char device redirected\n",
		VH_CONF_SEV_ES, VH_CONF_BY_VMM_LOG, 5},
	{VH_CONF_NONE, "log.qemu", "/x.log",
		"qemu -object tdx-guest,id=tdx0 -machine q35,"
		"confidential-guest-support=tdx0\n",
		VH_CONF_TDX, VH_CONF_BY_VMM_LOG, -1},
	/* An object that no machine names. */
	{VH_CONF_NONE, "log.qemu", "/x.log", "qemu -object sev-guest,id=s -machine q35\n",
		VH_CONF_NONE, VH_CONF_BY_NOBODY, -1},
};

static void who_tells_the_kind(void **state VH_UNUSED)
{
	for (size_t i = 0; i < VH_ARRAY_SIZE(kind_rows); i++) {
		struct vh_case *c = case_new(1);

		c->vm->confidential = kind_rows[i].vm;
		if (kind_rows[i].source)
			case_text(c, VH_ASKED, kind_rows[i].source, kind_rows[i].subject,
				kind_rows[i].text);
		struct vh_model *m = vh_model_build(c);

		if (m->confidential != kind_rows[i].kind || m->conf.source != kind_rows[i].by)
			fail_msg("row %zu: %s by %s", i, vh_conf_kind_name(m->confidential),
				vh_conf_source_name(m->conf.source));
		assert_int_equal(m->conf.has_policy, kind_rows[i].policy >= 0);
		if (m->conf.has_policy)
			assert_int_equal(m->conf.policy, kind_rows[i].policy);
		vh_model_free(m);
		vh_case_free(c);
	}
}

static void shapes_of_dumps(void **state VH_UNUSED)
{
	static const struct {
		const char *text;
		enum vh_dump_shape shape;
	} rows[] = {{dump_sev_es, VH_DUMP_BARE}, {dump_kvm_reset, VH_DUMP_RESET},
		{dump_kvm_spin, VH_DUMP_OTHER}, {dump_ovmf, VH_DUMP_OTHER},
		{dump_linux_panic, VH_DUMP_OTHER},
		/* Cut short: that there are no segments says nothing. */
		{"EAX=fee00900 EBX=0 ECX=0000001b EDX=0\nEIP=0 EFL=00000002 [-------] CPL=0\n"
		 "CR0=80010033 CR2=0 CR3=0 CR4=00000668\n",
			VH_DUMP_OTHER}};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_registers r;

		assert_true(vh_registers_parse(vh_str(rows[i].text), &r));
		assert_int_equal(vh_dump_shape_of(&r), rows[i].shape);
	}
	assert_int_equal(vh_dump_shape_of(&(struct vh_registers){0}), VH_DUMP_OTHER);
}

static void what_registers_mean(void **state VH_UNUSED)
{
	static const struct {
		struct vh_trust_question q;
		enum vh_regime regime;
	} rows[] = {
		{{VH_CONF_NONE, VH_DUMP_OTHER, {10, 0}, true}, VH_REGIME_PLAIN},
		{{VH_CONF_SEV, VH_DUMP_RESET, {10, 0}, true}, VH_REGIME_PLAIN},
		{{VH_CONF_NONE, VH_DUMP_BARE, {7, 2}, true}, VH_REGIME_HIDDEN},
		{{VH_CONF_SEV_ES, VH_DUMP_BARE, {7, 2}, true}, VH_REGIME_GHCB},
		{{VH_CONF_SEV_ES, VH_DUMP_BARE, {-1, -1}, true}, VH_REGIME_GHCB},
		{{VH_CONF_SEV_SNP, VH_DUMP_BARE, {6, 1}, true}, VH_REGIME_GHCB},
		{{VH_CONF_SEV_ES, VH_DUMP_RESET, {9, 1}, true}, VH_REGIME_CACHE},
		{{VH_CONF_SEV_ES, VH_DUMP_RESET, {-1, -1}, true}, VH_REGIME_CACHE},
		{{VH_CONF_SEV_ES, VH_DUMP_RESET, {9, 0}, true}, VH_REGIME_HIDDEN},
		{{VH_CONF_SEV_ES, VH_DUMP_RESET, {9, 0}, false}, VH_REGIME_PLAIN},
		{{VH_CONF_SEV_ES, VH_DUMP_OTHER, {7, 2}, true}, VH_REGIME_HIDDEN},
		{{VH_CONF_TDX, VH_DUMP_BARE, {10, 1}, true}, VH_REGIME_HIDDEN},
		{{VH_CONF_TDX, VH_DUMP_RESET, {10, 1}, true}, VH_REGIME_CACHE},
		{{VH_CONF_OTHER, VH_DUMP_OTHER, {10, 1}, true}, VH_REGIME_HIDDEN},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_trust_answer a = vh_trust_judge(&rows[i].q);

		if (a.regime != rows[i].regime)
			fail_msg("row %zu: %s", i, vh_regime_name(a.regime));
		assert_true(a.why || a.regime == VH_REGIME_PLAIN);
	}
	/* Every kind, shape and version has an answer. */
	for (int kind = 0; kind < VH_N_CONF; kind++)
		for (int shape = 0; shape < VH_N_DUMP_SHAPE; shape++)
			for (int qemu = -1; qemu < 12; qemu++) {
				struct vh_trust_question q = {(enum vh_conf_kind)kind,
					(enum vh_dump_shape)shape, {qemu, 1}, true};

				assert_int_not_equal(vh_trust_judge(&q).regime, VH_REGIME_UNKNOWN);
				if (vh_conf_hides_registers((enum vh_conf_kind)kind))
					assert_int_not_equal(
						vh_trust_judge(&q).regime, VH_REGIME_PLAIN);
			}
}

static void each_register_has_its_fate(void **state VH_UNUSED)
{
	static const enum vh_reg_class current[] = {
		VH_REG_CR0, VH_REG_CR4, VH_REG_EFER, VH_REG_HLT};
	unsigned n_current = 0, n_residue = 0;

	for (int reg = 0; reg < VH_N_REG_CLASS; reg++) {
		enum vh_reg_class r = (enum vh_reg_class)reg;

		assert_string_not_equal(vh_reg_class_name(r), "?");
		assert_int_equal(vh_trust_of(VH_REGIME_PLAIN, r), VH_TRUST_CURRENT);
		assert_int_equal(vh_trust_of(VH_REGIME_CACHE, r), VH_TRUST_CACHE);
		assert_int_equal(vh_trust_of(VH_REGIME_HIDDEN, r), VH_TRUST_HIDDEN);
		assert_int_equal(vh_trust_of(VH_REGIME_UNKNOWN, r), VH_TRUST_HIDDEN);
		n_current += vh_trust_of(VH_REGIME_GHCB, r) == VH_TRUST_CURRENT;
		n_residue += vh_trust_of(VH_REGIME_GHCB, r) == VH_TRUST_RESIDUE;
	}
	for (size_t i = 0; i < VH_ARRAY_SIZE(current); i++)
		assert_int_equal(vh_trust_of(VH_REGIME_GHCB, current[i]), VH_TRUST_CURRENT);
	assert_int_equal(n_current, VH_ARRAY_SIZE(current));
	assert_int_equal(n_residue, 1);
	assert_int_equal(vh_trust_of(VH_REGIME_GHCB, VH_REG_ARGUMENTS), VH_TRUST_RESIDUE);
	assert_int_equal(vh_trust_of(VH_REGIME_GHCB, (enum vh_reg_class)99), VH_TRUST_HIDDEN);
}

static void what_a_query_would_give(void **state VH_UNUSED)
{
	assert_null(vh_trust_without_dump(VH_CONF_SEV, (int[]){7, 2}, (int[]){6, 1}));
	assert_non_null(strstr(
		vh_trust_without_dump(VH_CONF_SEV_ES, (int[]){10, 0}, (int[]){6, 12}), "reset"));
	assert_non_null(strstr(
		vh_trust_without_dump(VH_CONF_SEV_ES, (int[]){8, 2}, (int[]){6, 12}), "stop"));
	assert_non_null(strstr(
		vh_trust_without_dump(VH_CONF_SEV_ES, (int[]){7, 2}, (int[]){5, 10}), "CR0"));
	assert_non_null(strstr(
		vh_trust_without_dump(VH_CONF_TDX, (int[]){-1, -1}, (int[]){-1, -1}), "EINVAL"));
}

static void the_last_event(void **state VH_UNUSED)
{
	static const struct {
		uint64_t rip, rax, rbx, rcx, rdx, rsi;
		enum vh_residue_kind kind;
		bool sure;
		const char *text; /* is in it */
	} rows[] = {
		{0, 0xfee00900, 0, 0x1b, 0, 0, VH_RESIDUE_MSR, true,
			"IA32_APIC_BASE = fee00900: base fee00000, on, boot CPU, xAPIC mode"},
		{0, 0xfee00c00, 0, 0x1b, 0, 0, VH_RESIDUE_MSR, true,
			"not the boot CPU, x2APIC mode"},
		{0, 0xd01, 0, 0xc0000080, 0, 0, VH_RESIDUE_MSR, true, "SCE LME LMA NXE"},
		{0, 0xec, 0, 0x838, 0, 0, VH_RESIDUE_MSR, false, "RDTSCP"},
		{0, 0, 0, 0x80b, 0, 0, VH_RESIDUE_MSR, false, "end of an interrupt"},
		{0, 0xfd, 0, 0x830, 3, 0, VH_RESIDUE_MSR, true, "vector fd, to APIC CPU 3"},
		{0, 0x1000, 0, 0xc0010130, 0, 0, VH_RESIDUE_MSR, true, "GHCB page at 1000"},
		/* Bit 0 of IA32_APIC_BASE is reserved: that was RDTSCP on CPU 27. */
		{0, 0xfee00901, 0, 0x1b, 7, 0, VH_RESIDUE_TSC, false, "TSC_AUX 1b"},
		{0, 0x10, 0x68747541, 0x444d4163, 0x69746e65, 0, VH_RESIDUE_CPUID, true,
			"CPUID 0 (\"AuthenticAMD\""},
		{0, 0x8000001f, 0x68747541, 0x444d4163, 0x69746e65, 0, VH_RESIDUE_CPUID, true,
			"CPUID 80000000"},
		{0, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d, 0, VH_RESIDUE_CPUID, true,
			"KVMKVMKVM"},
		{0, 0xa00f11, 0x3080800, 0xfffa3203, 0x178bfbff, 0, VH_RESIDUE_CPUID, true,
			"CPUID 1 (signature 00a00f11, APIC id 3)"},
		{0, 0x20444d41, 0x43595045, 0x31373720, 0x36312033, 0, VH_RESIDUE_CPUID, true,
			"processor's name"},
		{0, 0x1234, 0x5678, 0, 0, 0, VH_RESIDUE_CPUID, false, "does not tell"},
		{0, 0x41, 0, 0, 0, 0, VH_RESIDUE_PORT, false, "value 41"},
		{0, 0x12345678, 0, 0, 0x9, 0, VH_RESIDUE_TSC, false, "RDTSC"},
		{0, 1, 2, 3, 4, 5, VH_RESIDUE_CALL, false, "hypercall"},
		{0, 0, 0, 0, 0, 0, VH_RESIDUE_ZERO, false, "MMIO, AP reset hold"},
		{0xfff0, 0, 0, 0, 0xa00f11, 0, VH_RESIDUE_RESET, true, "signature a00f11"},
		{0xfff0, 0, 0, 0, 0, 0, VH_RESIDUE_RESET, false, "none since"},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_registers r = {.valid = true,
			.rip = rows[i].rip,
			.rax = rows[i].rax,
			.rbx = rows[i].rbx,
			.rcx = rows[i].rcx,
			.rdx = rows[i].rdx,
			.rsi = rows[i].rsi};
		struct vh_residue e = vh_residue_of(&r);

		if (e.kind != rows[i].kind || e.sure != rows[i].sure ||
			!strstr(e.text, rows[i].text))
			fail_msg("row %zu: %s, %s: %s", i, vh_residue_name(e.kind),
				e.sure ? "sure" : "not sure", e.text);
	}
	assert_int_equal(vh_residue_of(&(struct vh_registers){0}).kind, VH_RESIDUE_NONE);
	for (int kind = 0; kind < VH_N_RESIDUE; kind++)
		assert_int_equal(
			vh_residue_parse(vh_residue_name((enum vh_residue_kind)kind)), kind);
}

static void values_of_msrs(void **state VH_UNUSED)
{
	static const struct {
		uint64_t msr, value;
		const char *text; /* NULL: nothing is known */
	} rows[] = {
		{0x1b, 0xfee00100, "base fee00000, off, boot CPU"},
		{0x1b, 0xfee00500, "base fee00000, off, boot CPU, invalid mode"},
		{0x277, UINT64_C(0x0007040600070406), "WB WT UC- UC WB WT UC- UC"},
		{0x6e0, 0, "timer not set"},
		{0x6e0, 77, "timer set for TSC 77"},
		{0x832, 0x400ef, "vector ef, TSC deadline"},
		{0x835, 0x10400, "vector 00, masked"},
		{0x80f, 0x1ff, "vector ff, APIC enabled"},
		{0x830, 0xc0500, "INIT, to all others"},
		{0x830, UINT64_C(0x100000608), "start (SIPI), vector 08, to APIC CPU 1"},
		{0xc0000080, 0, "no bit set"},
		{0xc0000082, UINT64_C(0xffffffff81e00000), "address ffffffff81e00000"},
		{0xc0010130, 0x006, "AP reset hold"},
		{0xc0010130, 0xfff, "request fff"},
		{0x4b564d01, 0x12345001, "on, at 12345000"},
		{0x4b564d05, 1, "on"},
		{0x2ff, 0xc06, "type 6, MTRRs on, fixed ones on"},
		{0x123456, 1, NULL},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		vh_auto_buf struct vh_buf text = {0};

		assert_int_equal(
			vh_msr_value_text(rows[i].msr, rows[i].value, &text), !!rows[i].text);
		assert_string_equal(vh_buf_str(&text), rows[i].text ? rows[i].text : "");
	}
	assert_true(vh_msr_value_fits(0x1b, 0xfee00900));
	assert_false(vh_msr_value_fits(0x1b, 0xfee00901));
	assert_true(vh_msr_value_fits(0x123456, UINT64_MAX));
}

static void stages_by_control_registers_alone(void **state VH_UNUSED)
{
	static const struct {
		uint64_t cr0, cr4, efer;
		enum vh_stage stage;
		bool sure;
	} rows[] = {
		{0x60000010, 0, 0, VH_STAGE_RESET, true},
		{0x80000033, 0x660, 0x500, VH_STAGE_OVMF_SEC_PEI, true},
		{0x80000033, 0x668, 0x500, VH_STAGE_OVMF_SEC_PEI, true},
		{0x80000001, 0x20, 0x900, VH_STAGE_OVMF_SEC_PEI, false},
		{0x80010033, 0x668, 0xd00, VH_STAGE_OVMF_DXE, true},
		{0x80010033, 0x668, 0x500, VH_STAGE_OVMF_DXE, true},
		{0x80010033, 0x668, 0x900, VH_STAGE_OVMF_DXE, true},
		{0x80010033, 0x40668, 0xd00, VH_STAGE_OVMF_DXE, false},
		{0x80000001, 0x20, 0x500, VH_STAGE_LINUX_DECOMPRESSOR, false},
		{0x80050033, 0x20, 0x500, VH_STAGE_LINUX_DECOMPRESSOR, true},
		{0x80050033, 0x6f0, 0xd01, VH_STAGE_LINUX_64, true},
		{0x80050033, 0x350ef0, 0xd01, VH_STAGE_LINUX_64, true},
		{0x80050033, 0x3506e0, 0x1d01, VH_STAGE_LINUX_64, true},
		{0x80050033, 0x750ef0, 0xd01, VH_STAGE_LINUX_64, true},
		{0x8005003b, 0x6d0, 0, VH_STAGE_OS, false},
		{0x80050033, 0x350ef8, 0x4d01, VH_STAGE_WINDOWS_64, true},
		{0x80050031, 0x406f8, 0xd01, VH_STAGE_WINDOWS_64, true},
		{0x11, 0, 0, VH_STAGE_PROTECTED, false},
		{0x10, 0, 0, VH_STAGE_REAL_MODE, false},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_registers r =
			vh_registers_of_controls(rows[i].cr0, rows[i].cr4, rows[i].efer);

		if (vh_stage_of(&r) != rows[i].stage || !vh_stage_doubt(&r) != rows[i].sure)
			fail_msg("row %zu: %s, %s", i, vh_stage_name(vh_stage_of(&r)),
				vh_stage_doubt(&r) ? vh_stage_doubt(&r) : "sure");
	}
}

static void terminations(void **state VH_UNUSED)
{
	uint64_t set, code;

	assert_true(vh_ghcb_termination_parse(
		vh_str("kvm_amd: SEV-ES guest requested termination: 0x1:0x2"), &set, &code));
	assert_int_equal(set, 1);
	assert_int_equal(code, 2);
	/* %#llx prints 0 without 0x. */
	assert_true(vh_ghcb_termination_parse(
		vh_str("SEV-ES guest requested termination: 0:0x1"), &set, &code));
	assert_int_equal(set * 256 + code, 1);
	assert_true(vh_ghcb_termination_parse(
		vh_str("SEV-ES guest requested termination: reason 0x41 info 0x0"), &set, &code));
	assert_int_equal(set, 1);
	assert_int_equal(code, 4);
	static const char *const none[] = {"",
		"SEV-ES guest requested termination: ", "SEV-ES guest requested termination: 0x1",
		"guest requested termination: x:y", "SEV-ES guest requested termination: 0x1:",
		"SEV-ES guest requested termination: reason "};

	for (size_t i = 0; i < VH_ARRAY_SIZE(none); i++)
		assert_false(vh_ghcb_termination_parse(vh_str(none[i]), &set, &code));
	for (uint64_t i = 0; i <= 2; i++)
		assert_non_null(vh_ghcb_termination_text(0, i));
	for (uint64_t i = 0; i <= 12; i++)
		assert_non_null(vh_ghcb_termination_text(1, i));
	assert_null(vh_ghcb_termination_text(0, 3));
	assert_null(vh_ghcb_termination_text(1, 13));
	assert_null(vh_ghcb_termination_text(2, 0));
	assert_non_null(vh_ghcb_ovmf_termination_text(1, 1));
	assert_null(vh_ghcb_ovmf_termination_text(1, 3));
	assert_null(vh_ghcb_error_text(0));
	for (uint64_t i = 1; i <= 6; i++)
		assert_non_null(vh_ghcb_error_text(i));
	assert_null(vh_ghcb_error_text(7));
	assert_null(vh_ghcb_error_text(UINT64_MAX));
}

static void put(uint8_t *page, size_t at, uint64_t value)
{
	for (size_t i = 0; i < 8; i++)
		page[at + i] = (uint8_t)(value >> (8 * i));
}

static void ghcb_pages(void **state VH_UNUSED)
{
	static const struct {
		uint64_t code, info_1, rcx;
		const char *text;
	} rows[] = {
		{0x7c, 0, 0x1b, "msr IA32_APIC_BASE, read"},
		{0x7c, 1, 0x830, "msr x2APIC ICR, write"},
		{0x72, 0, 0, "cpuid"},
		{0x7b, 0x3f80210, 0, "io port 3f8, out"},
		{0x80000004, 0, 0, "vmgexit_ap_hlt_loop"},
		{0x12345, 0, 0, "event 12345"},
	};
	uint8_t page[VH_GHCB_PAGE_BYTES] = {0};
	struct vh_ghcb_page p;
	vh_auto_buf struct vh_buf none = {0};

	assert_true(vh_ghcb_page_parse(page, sizeof(page), &p));
	assert_true(p.cleared);
	vh_ghcb_page_text(&p, &none);
	assert_non_null(strstr(vh_buf_str(&none), "cleared"));
	/* The buffer behind the save area, version and usage are no event. */
	page[0x800] = 1;
	page[0xffa] = 1;
	assert_true(vh_ghcb_page_parse(page, sizeof(page), &p) && p.cleared && p.version == 1);
	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		vh_auto_buf struct vh_buf text = {0};

		put(page, 0x390, rows[i].code);
		put(page, 0x398, rows[i].info_1);
		put(page, 0x308, rows[i].rcx);
		assert_true(vh_ghcb_page_parse(page, sizeof(page), &p));
		assert_false(p.cleared);
		vh_ghcb_page_text(&p, &text);
		if (!vh_prefix(vh_buf_str(&text), rows[i].text))
			fail_msg("row %zu: %s", i, vh_buf_str(&text));
	}
	assert_false(vh_ghcb_page_parse(page, 100, &p));
	memset(page, 0xa5, sizeof(page));
	assert_false(vh_ghcb_page_parse(page, sizeof(page), &p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policies_in_words),
		cmocka_unit_test(who_tells_the_kind),
		cmocka_unit_test(shapes_of_dumps),
		cmocka_unit_test(what_registers_mean),
		cmocka_unit_test(each_register_has_its_fate),
		cmocka_unit_test(what_a_query_would_give),
		cmocka_unit_test(the_last_event),
		cmocka_unit_test(values_of_msrs),
		cmocka_unit_test(stages_by_control_registers_alone),
		cmocka_unit_test(terminations),
		cmocka_unit_test(ghcb_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
