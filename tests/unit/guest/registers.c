/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/registers.h"

#include "decode/model.h"
#include "tests/unit/casebuild.h"
#include "tests/unit/decode/dumps.h"
#include "tests/unit/test.h"

static struct vh_registers parsed(const char *text)
{
	struct vh_registers r;

	assert_true(vh_registers_parse(vh_str(text), &r));
	assert_true(r.valid);
	return r;
}

static void reads_the_32_bit_layout(void **state VH_UNUSED)
{
	struct vh_registers r = parsed(dump_seabios_parked);

	assert_false(r.is_64bit);
	assert_int_equal(r.rax, 0xf49f6);
	assert_int_equal(r.rcx, 0x2ff);
	assert_int_equal(r.rsp, 0x6c5c);
	assert_int_equal(r.rip, 0xfd09a);
	assert_int_equal(r.rflags, 2);
	assert_false(vh_registers_if(&r));
	assert_true(r.hlt);
	assert_true(r.a20);
	assert_false(r.smm);
	assert_int_equal(r.cs.selector, 8);
	assert_int_equal(r.cs.limit, 0xffffffff);
	assert_int_equal(r.cs.flags, 0xc09b00);
	assert_int_equal(r.tr.flags, 0x8b00);
	assert_int_equal(r.gdt_base, 0xf6180);
	assert_int_equal(r.gdt_limit, 0x37);
	assert_int_equal(r.idt_base, 0xf61be);
	assert_int_equal(r.cr0, 0x11);
	assert_int_equal(vh_registers_linear_rip(&r), 0xfd09a);
	assert_string_equal(vh_registers_mode(&r), "protected mode, 32-bit");
}

static void reads_the_64_bit_layout(void **state VH_UNUSED)
{
	struct vh_registers r = parsed(dump_linux_panic);

	assert_true(r.is_64bit);
	assert_int_equal(r.rax, 0x2451ae4bfc);
	assert_int_equal(r.r[0], 0);
	assert_int_equal(r.r[1], 0x275339);
	assert_int_equal(r.r[6], 0x26);
	assert_true(r.rip == UINT64_C(0xffffffff9f5c3643));
	assert_true(vh_registers_linear_rip(&r) == r.rip);
	assert_int_equal(r.rflags, 0x283);
	assert_true(vh_registers_if(&r));
	assert_false(r.hlt);
	assert_true(r.gs.base == UINT64_C(0xffff8a608f800000));
	assert_int_equal(r.tr.selector, 0x40);
	assert_true(r.gdt_base == UINT64_C(0xfffffe0000001000));
	assert_int_equal(r.idt_limit, 0xfff);
	assert_true(r.cr2 == UINT64_C(0xffff8a608b201000));
	assert_int_equal(r.cr3, 0xa410000);
	assert_int_equal(r.efer, 0xd01);
	assert_string_equal(vh_registers_mode(&r), "long mode, 64-bit");
	r = parsed(dump_linux_stopped);
	assert_true(r.hlt);
	assert_false(vh_registers_if(&r));
}

static void finds_the_linear_address(void **state VH_UNUSED)
{
	struct vh_registers r = parsed(dump_kvm_spin);

	assert_int_equal(vh_registers_linear_rip(&r), 0xf8003);
	assert_string_equal(vh_registers_mode(&r), "real mode");
	r = parsed(dump_kvm_reset);
	assert_int_equal(vh_registers_linear_rip(&r), 0xfffffff0);
	r.smm = true;
	assert_string_equal(vh_registers_mode(&r), "system management mode");
	r = parsed(dump_seabios_parked);
	r.cs.base = 0xfffff000; /* wraps at 4 GiB */
	r.rip = 0x2000;
	assert_int_equal(vh_registers_linear_rip(&r), 0x1000);
}

/* The prompt of "virsh qemu-monitor-command" and indentation of a pasted text do not matter; a
 * second vCPU's dump behind it does not overwrite the first. */
static void tolerates_what_is_around(void **state VH_UNUSED)
{
	vh_auto_free char *text = vh_asprintf(
		"[root@h ~]# virsh qemu-monitor-command i-t1 --hmp 'info registers'\r\n\nCPU#0\r\n"
		"  %s\nCPU#1\n%s",
		dump_seabios_boot, dump_seabios_parked);
	struct vh_registers r = parsed(text);

	assert_int_equal(r.rip, 0xb7b9);
	assert_true(vh_registers_if(&r));
	assert_int_equal(r.cs.selector, 0xf000);
}

static void keeps_what_a_cut_dump_had(void **state VH_UNUSED)
{
	struct vh_registers r;
	size_t cut = (size_t)(strstr(dump_linux_panic, "CR0=") - dump_linux_panic);

	assert_false(vh_registers_parse((struct vh_str){dump_linux_panic, cut}, &r));
	assert_false(r.valid);
	assert_int_equal(r.rflags, 0x283);
	assert_int_equal(r.gdt_limit, 0x7f);
	assert_int_equal(r.cr0, 0);
}

static void refuses_other_texts(void **state VH_UNUSED)
{
	static const char *const texts[] = {"", "\n\n", "EIP", "EIP=", "EIP =", "=",
		"= = =", "EIP=zz EFL=00000002 CR0=00000010", "RIP=11112222333344445 RFL=2 CR0=1",
		"EIP=0 CR0=0", "PC=ffff800010081234 X00=0000000000000000", "CS =", "GDT="};
	struct vh_registers r;

	for (size_t i = 0; i < VH_ARRAY_SIZE(texts); i++)
		assert_false(vh_registers_parse(vh_str(texts[i]), &r));
	assert_false(vh_registers_parse((struct vh_str){"EIP=1\0EFL", 9}, &r));
}

/* What the tests' case_dump() prints is what is read. */
static void dumps_go_round(void **state VH_UNUSED)
{
	struct vh_registers r = case_regs_linux(UINT64_C(0xffffffff81001234), 3, true, false);
	vh_auto_free char *text = case_dump(&r);
	struct vh_registers back = parsed(text);
	vh_auto_free char *again = case_dump(&back);

	assert_string_equal(again, text);
	assert_int_equal(back.cpl, 3);
	assert_true(back.gs.base == r.gs.base);
	assert_int_equal(back.tr.selector, 0x40);
}

static void tells_the_stage(void **state VH_UNUSED)
{
	static const struct {
		const char *dump;
		enum vh_stage stage;
	} rows[] = {
		{dump_kvm_spin, VH_STAGE_REAL_MODE},
		{dump_kvm_reset, VH_STAGE_RESET},
		{dump_seabios_boot, VH_STAGE_REAL_MODE},
		{dump_seabios_parked, VH_STAGE_SEABIOS_32},
		{dump_ovmf, VH_STAGE_OVMF_DXE},
		{dump_ovmf_parked, VH_STAGE_OVMF_DXE},
		{dump_linux_panic, VH_STAGE_LINUX_64},
		{dump_linux_stopped, VH_STAGE_LINUX_64},
		{dump_sev_es, VH_STAGE_OVMF_DXE},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_registers r = parsed(rows[i].dump);

		assert_string_equal(vh_stage_name(vh_stage_of(&r)), vh_stage_name(rows[i].stage));
		assert_int_equal(
			vh_stage_is_firmware(rows[i].stage), rows[i].stage != VH_STAGE_LINUX_64);
	}
}

/* Figures of shared/reference/kvm-facts.md sections 7 and 9, and of public reports. */
static void tells_the_stage_by_control_registers(void **state VH_UNUSED)
{
	static const struct {
		uint64_t cr0, cr4, efer;
		uint16_t cs, tr;
		uint32_t gdt_limit;
		enum vh_stage stage;
	} rows[] = {
		{0x60000010, 0, 0, 0xf000, 0, 0xffff, VH_STAGE_REAL_MODE}, /* RIP is not fff0 */
		{0x00000011, 0, 0, 0x10, 0, 0x27, VH_STAGE_PROTECTED},     /* GRUB */
		{0x80000033, 0x660, 0x500, 0x18, 0, 0x3f, VH_STAGE_OVMF_SEC_PEI},
		{0x80000033, 0x668, 0x500, 0, 0, 0, VH_STAGE_OVMF_SEC_PEI}, /* SEV-ES */
		{0x80000001, 0x20, 0x900, 0, 0, 0, VH_STAGE_OVMF_SEC_PEI},
		{0x80010033, 0x668, 0x500, 0x38, 0, 0x47, VH_STAGE_OVMF_DXE},
		{0x80010033, 0x668, 0x900, 0, 0, 0, VH_STAGE_OVMF_DXE}, /* older SNP trees */
		{0x80000001, 0x20, 0x500, 0x10, 0, 0x2f, VH_STAGE_LINUX_DECOMPRESSOR}, /* 5.10 */
		{0x80050033, 0x20, 0x500, 0x10, 0, 0x2f, VH_STAGE_LINUX_DECOMPRESSOR},
		{0x80050033, 0x6f0, 0xd01, 0x10, 0x40, 0x7f, VH_STAGE_LINUX_64},
		{0x8005003b, 0x350ef0, 0xd01, 0x33, 0x40, 0x7f, VH_STAGE_LINUX_64},
		{0x80050033, 0x3506e0, 0x1d01, 0x10, 0x40, 0x7f, VH_STAGE_LINUX_64},
		{0x80050033, 0x350ef0, 0xd01, 0, 0, 0, VH_STAGE_LINUX_64}, /* SEV-ES */
		{0x8005003b, 0x6d0, 0, 0x60, 0x80, 0xff, VH_STAGE_LINUX_32},
		{0x80050031, 0x406f8, 0xd01, 0x10, 0x40, 0x7f, VH_STAGE_WINDOWS_64},
		{0x80050033, 0x350ef8, 0x4d01, 0x33, 0x40, 0x57, VH_STAGE_WINDOWS_64},
		{0x80050033, 0x6f0, 0xd01, 0x20, 0x48, 0x67, VH_STAGE_OS}, /* neither's tables */
		{0x8001003b, 0x6d9, 0x800, 0x8, 0x28, 0x3ff,
			VH_STAGE_UNKNOWN}, /* Windows, 32-bit */
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_registers r = {.valid = true,
			.rip = 0x1234,
			.cr0 = rows[i].cr0,
			.cr4 = rows[i].cr4,
			.efer = rows[i].efer,
			.cs.selector = rows[i].cs,
			.tr.selector = rows[i].tr,
			.gdt_limit = rows[i].gdt_limit};

		assert_string_equal(vh_stage_name(vh_stage_of(&r)), vh_stage_name(rows[i].stage));
		r.valid = false;
		assert_int_equal(vh_stage_of(&r), VH_STAGE_UNKNOWN);
	}
	for (int i = 0; i < VH_N_STAGE; i++) {
		assert_int_equal(vh_stage_parse(vh_stage_name((enum vh_stage)i)), i);
		assert_string_not_equal(vh_stage_title((enum vh_stage)i), "?");
	}
}

static void names_the_bits(void **state VH_UNUSED)
{
	static const struct {
		void (*text)(uint64_t value, struct vh_buf *out);
		uint64_t value;
		const char *expected;
	} rows[] = {
		{vh_cr0_text, 0x80050033, "PE MP ET NE WP AM PG"},
		{vh_cr0_text, 0x60000010, "ET NW CD"},
		{vh_cr0_text, 0, ""},
		{vh_cr4_text, 0x668, "DE PAE MCE OSFXSR OSXMMEXCPT"},
		{vh_cr4_text, UINT64_C(0x100770ef0),
			"PSE PAE MCE PGE OSFXSR OSXMMEXCPT UMIP FSGSBASE PCIDE OSXSAVE SMEP SMAP "
			"PKE FRED"},
		{vh_cr4_text, 1 << 15, "bit 15"},
		{vh_efer_text, 0xd01, "SCE LME LMA NXE"},
		{vh_efer_text, UINT64_C(1) << 63, "bit 63"},
		{vh_rflags_text, 0x246, "PF ZF IF"},
		{vh_rflags_text, 0x3202, "IF IOPL=3"},
		{vh_rflags_text, 2, ""},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		vh_auto_buf struct vh_buf out = {0};

		rows[i].text(rows[i].value, &out);
		assert_string_equal(vh_buf_str(&out), rows[i].expected);
	}
}

static struct vh_code code_at(uint64_t address, const void *bytes, size_t n)
{
	struct vh_code c = {.seen = true, .address = address, .n = n};

	memcpy(c.bytes, bytes, n);
	return c;
}

static void sees_closed_loops(void **state VH_UNUSED)
{
	static const struct {
		const char *bytes;
		size_t n, rip;
		int bits;
		bool closed, pause;
	} rows[] = {
		{"\xfa\xf3\x90\xeb\xfc", 5, 1, 16, true, true},
		{"\xfa\xf3\x90\xeb\xfc", 5, 0, 16, true, true},
		{"\xeb\xfe", 2, 0, 64, true, false},
		{"\xf4\xeb\xfd", 3, 0, 16, true, false},
		{"\x90\x90\xe9\xf9\xff\xff\xff", 7, 2, 32, true, false},
		{"\x90\x90\xe9\xfb\xff", 5, 2, 16, true, false},
		{"\xee\xeb\xfd", 3, 0, 16, true, false},          /* out dx, al */
		{"\x0f\x32\xeb\xfc", 4, 0, 64, true, false},      /* rdmsr */
		{"\xa0\x00\x00\xeb\xfb", 5, 0, 16, true, false},  /* mov al, [0] */
		{"\xa0\x00\x00\xeb\xfb", 5, 0, 32, false, false}, /* there it is longer */
		{"\xec\xa8\x01\x74\xfb", 5, 0, 16, false, false}, /* in, test, jz */
		{"\xeb\x10\x90", 3, 0, 16, false, false},         /* leaves */
		{"\xf3\x90\x83\x3d\x00\x00\x00\x00\x00\x74\xf5", 11, 0, 32, false, true},
		/* behind a PAUSE; before one that never runs; one that is an operand */
		{"\xf3\x90\x83\x3d\x00\x00\x00\x00\x00\x74\xf5", 11, 2, 32, false, true},
		{"\xaa\xe2\xfd\xf3\x90\xeb\xfc", 7, 0, 16, false, false}, /* stosb, loop */
		{"\xeb\xfe\xf3\x90", 4, 0, 16, true, false},
		{"\xa1\xf3\x90\xeb\xfb", 5, 0, 16, true, false}, /* mov ax, [90f3] */
		{"\x90\x90", 2, 0, 16, false, false},            /* runs out */
		{"\xeb", 1, 0, 16, false, false},
		{"\xe9\x00\x00", 3, 0, 32, false, false},
		{"\xf3", 1, 0, 32, false, false},
		{"\x0f\x1f\x40\x00\xeb\xfa", 6, 0, 32, true, false},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_code c = code_at(0x200000, rows[i].bytes, rows[i].n);

		assert_int_equal(vh_code_is_closed_loop(&c, c.address + rows[i].rip, rows[i].bits),
			rows[i].closed);
		assert_int_equal(vh_code_runs_pause(&c, c.address + rows[i].rip, rows[i].bits),
			rows[i].pause);
	}
	struct vh_code c = code_at(UINT64_MAX - 1, "\xeb\xfe", 2);

	assert_false(vh_code_is_closed_loop(&c, 0, 64));
	assert_false(vh_code_is_closed_loop(&c, UINT64_MAX - 3, 64));
	c.seen = false;
	assert_false(vh_code_is_closed_loop(&c, UINT64_MAX - 1, 64));
	assert_false(vh_code_runs_pause(&c, UINT64_MAX - 1, 64));
}

static void disassembles(void **state VH_UNUSED)
{
	const char *why = "?";

	if (!vh_disassembler_available(&why)) {
		assert_non_null(why);
		skip();
	}
	struct vh_registers r = parsed(dump_kvm_spin);
	struct vh_code c = code_at(0xf8000, "\xfa\xf3\x90\xeb\xfc", 5);
	vh_auto_buf struct vh_buf real = {0}, wide = {0}, none = {0};

	assert_true(vh_disassemble(&c, &r, 0, 8, &real));
	assert_non_null(strstr(vh_buf_str(&real), "000f8003: jmp "));
	assert_ptr_equal(strstr(vh_buf_str(&real), "> 000f8003: "), vh_buf_str(&real));
	vh_buf_free(&real);
	/* From where it was seen before */
	assert_true(vh_disassemble(&c, &r, 0xf8001, 8, &real));
	assert_string_equal(vh_buf_str(&real), "  000f8001: pause\n> 000f8003: jmp 0x8001\n");
	vh_buf_free(&real);
	r.rip -= 2;
	assert_true(vh_disassemble(&c, &r, 0, 8, &real));
	assert_string_equal(vh_buf_str(&real), "> 000f8001: pause\n  000f8003: jmp 0x8001\n");
	r = parsed(dump_linux_panic);
	c = code_at(r.rip, "\xf3\x90\xeb\xfc\xff\xff", 6);
	/* stops at the bytes that are no instruction */
	assert_true(vh_disassemble(&c, &r, 0, 8, &wide));
	assert_string_equal(vh_buf_str(&wide),
		"> ffffffff9f5c3643: pause\n  ffffffff9f5c3645: jmp 0xffffffff9f5c3643\n");
	c.address++;
	assert_false(vh_disassemble(&c, &r, 0, 8, &none));
	c.address--;
	assert_false(vh_disassemble(&c, &r, 0, 0, &none));
	c = code_at(r.rip, "\xff\xff", 2);
	assert_false(vh_disassemble(&c, &r, 0, 8, &none));
	assert_int_equal(none.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_32_bit_layout),
		cmocka_unit_test(reads_the_64_bit_layout),
		cmocka_unit_test(finds_the_linear_address),
		cmocka_unit_test(tolerates_what_is_around),
		cmocka_unit_test(keeps_what_a_cut_dump_had),
		cmocka_unit_test(refuses_other_texts),
		cmocka_unit_test(dumps_go_round),
		cmocka_unit_test(tells_the_stage),
		cmocka_unit_test(tells_the_stage_by_control_registers),
		cmocka_unit_test(names_the_bits),
		cmocka_unit_test(sees_closed_loops),
		cmocka_unit_test(disassembles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
