/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A kernel in memory: found by registers and without, described, and what runs instead named. */
#include "guest/kernel.h"

#include "guest/kernel_search.h"
#include "tests/unit/guest/tinykernel.h"
#include "tests/unit/test.h"

/* Finds it in an image, and takes the image away with the rest in done(). */
struct found {
	struct image *image;
	struct vh_inside *in;
	struct vh_kernel k;
	bool is;
};

static struct found find_in(struct image *i, const struct vh_cpu *cpus, size_t n)
{
	struct vh_kernel_options options = {.only_log = true};
	struct found f = {.image = image_done(i), .in = vh_inside_new(VH_INSIDE_NO_LINUX)};

	f.is = vh_kernel_find(i->memory, cpus, n, &options, f.in, &f.k);
	return f;
}

static void done(struct found *f)
{
	vh_kernel_close(&f->k);
	vh_inside_free(f->in);
	image_free(f->image);
}

static void test_by_registers(void **state)
{
	struct vh_cpu cpu = tiny_cpu(0, IMAGE_TABLES);
	struct found f = find_in(tiny_image(KALLSYMS_5_4), &cpu, 1);
	const struct vh_inside_kernel *k = &f.in->kernel;
	struct vh_frame frame = {0};
	uint64_t gva;

	(void)state;
	assert_true(f.is);
	assert_int_equal(f.in->outcome, VH_INSIDE_LINUX);
	assert_int_equal(f.in->method, VH_INSIDE_BY_REGISTERS);
	assert_int_equal(f.in->stage, VH_STAGE_LINUX_64);
	assert_null(f.in->why);
	assert_int_equal(f.k.stext, TINY_TEXT);
	assert_int_equal(f.k.version, 601);
	assert_true(vh_kernel_since(&f.k, 5, 16));
	assert_true(vh_kernel_since(&f.k, 6, 1));
	assert_false(vh_kernel_since(&f.k, 6, 2));
	vh_kernel_describe(&f.k, f.in);
	assert_string_equal(k->release, "6.1.0-9-amd64");
	assert_string_equal(k->banner, "Linux version 6.1.0-9-amd64 (a@b) (gcc) #1 SMP");
	assert_string_equal(k->build_id, "deadbeef01234567");
	assert_string_equal(k->command_line, "root=/dev/vda1 quiet rd.luks.key=*** password=***");
	assert_int_equal(k->uptime_ns, 101500000000);
	assert_true(k->has_taint);
	assert_int_equal(k->taint, 0x1201);
	assert_string_equal(k->taint_text, "P W O");
	assert_int_equal(k->panic_cpu, -1);
	assert_int_equal(k->oops_in_progress, 0);
	assert_string_equal(k->system_state, "running");
	assert_int_equal(k->levels, 4);
	assert_false(k->pti);
	assert_int_equal(k->image, TINY_TEXT);
	assert_int_equal(k->image_bytes, 0x1a01000);
	assert_true(k->has_kaslr_offset);
	assert_int_equal(k->kaslr_offset, 0);
	/* A per-CPU variable of the second CPU; there are four at most. */
	assert_true(vh_kernel_percpu(&f.k, "percpu_1", 1, &gva));
	assert_int_equal(gva, TINY_NOTE + 0x140);
	assert_false(vh_kernel_percpu(&f.k, "percpu_1", 4, &gva));
	assert_false(vh_kernel_percpu(&f.k, "percpu_1", -1, &gva));
	assert_false(vh_kernel_percpu(&f.k, "nothing", 0, &gva));
	vh_kernel_name(&f.k, TINY_TEXT + 1605, &frame);
	assert_string_equal(frame.symbol, "do_function_100");
	assert_int_equal(frame.offset, 5);
	assert_int_equal(frame.size, 16);
	assert_null(frame.module);
	free(frame.symbol);
	frame = (struct vh_frame){0};
	vh_kernel_name(&f.k, UINT64_C(0xffffffff90000000), &frame);
	assert_null(frame.symbol);
	assert_true(vh_kernel_is_text(&f.k, TINY_TEXT + 0x4fff));
	assert_false(vh_kernel_is_text(&f.k, TINY_TEXT + 0x5000));
	assert_false(vh_kernel_is_text(&f.k, 0));
	done(&f);
}

/* Each layout, once by what a vCPU says and once by the note alone. */
static void test_layouts(void **state)
{
	(void)state;
	for (int layout = 0; layout < KALLSYMS_6_15; layout++) {
		struct vh_cpu cpu = tiny_cpu(0, IMAGE_TABLES);
		struct found f = find_in(tiny_image((enum kallsyms_layout)layout), &cpu, 1);

		assert_true(f.is);
		done(&f);
		f = find_in(tiny_image((enum kallsyms_layout)layout), NULL, 0);
		assert_true(f.is);
		assert_int_equal(f.in->method, VH_INSIDE_BY_SCAN);
		done(&f);
	}
}

static void add_record(struct vh_inside *in, unsigned facility, const char *text)
{
	VH_PUSH(in->dmesg, in->n_dmesg) = (struct vh_inside_record){
		.facility = facility, .text = vh_strdup(text), .n = strlen(text)};
}

/* Symbols of functions alone: the note's release leads to the banner, the log to the command line.
 */
static void test_without_variables(void **state)
{
	struct image *i = tiny_image_of(KALLSYMS_5_4, false);
	char secret[] = "password=hunter2";

	(void)state;
	/* Before it lies the banner of a build that has no number yet. */
	image_add(i, "str ffffffff8200ef80 Linux version 6.1.0-9-amd64 (a@b) (gcc) # SMP\n");

	struct found f = find_in(i, NULL, 0);

	assert_true(f.is);
	assert_int_equal(f.k.version, 601);
	assert_int_equal(f.in->n_notes, 1);
	vh_kernel_describe(&f.k, f.in);
	assert_string_equal(f.in->kernel.release, "6.1.0-9-amd64");
	assert_string_equal(f.in->kernel.banner, "Linux version 6.1.0-9-amd64 (a@b) (gcc) #1 SMP");
	assert_null(f.in->kernel.command_line);
	add_record(f.in, 1, "Kernel command line: of a program");
	add_record(f.in, 0, "Booting");
	add_record(f.in, 0, "Kernel command line: quiet password=hunter2");
	add_record(f.in, 0, "Kernel command line: another");
	vh_kernel_describe_by_log(&f.k, f.in);
	assert_string_equal(f.in->kernel.command_line, "quiet password=***");
	vh_secrets_hide(f.k.secrets, secret, sizeof(secret) - 1);
	assert_string_equal(secret, "password=*******");
	done(&f);
	/* A note of another release leads to no banner. */
	i = tiny_image_of(KALLSYMS_5_4, false);
	image_add(i, "str ffffffff8200f000 Linux version 6.1.0-90-amd64 (a@b) (gcc) #1 SMP\n");
	f = find_in(i, NULL, 0);
	assert_false(f.is);
	done(&f);
}

/* A vCPU in the user's half of its tables, which hold no data of the kernel: the kernel's half lies
 * one page before. Image tables lie so that the second of two pages is empty. */
static void test_pti(void **state)
{
	struct image *i = tiny_image(KALLSYMS_5_4);
	uint64_t pair = UINT64_C(0x50000000);
	struct vh_cpu cpu = tiny_cpu(0, pair | 0x1000);

	(void)state;
	memcpy(image_page(i, pair), image_page(i, IMAGE_TABLES), 4096);
	image_page(i, pair + 0x1000);
	struct found f = find_in(i, &cpu, 1);

	assert_true(f.is);
	assert_true(f.k.pti);
	/* What is used from here on are the kernel's own tables. */
	assert_int_equal(vh_space_root(f.k.space)->table.a, IMAGE_TABLES);
	done(&f);
}

/* Bit 12 of CR3 is no more than part of an address where PTI is off. */
static void test_bit_12(void **state)
{
	struct image *i = tiny_image(KALLSYMS_5_4);
	uint64_t odd = UINT64_C(0x50001000);
	struct vh_cpu cpu = tiny_cpu(0, odd);

	(void)state;
	memcpy(image_page(i, odd), image_page(i, IMAGE_TABLES), 4096);
	struct found f = find_in(i, &cpu, 1);

	assert_true(f.is);
	assert_false(f.k.pti);
	done(&f);
}

/* The first vCPU was never started, the second has tables that are gone, the third has it. */
static void test_other_cpu(void **state)
{
	struct vh_cpu cpus[3] = {tiny_cpu(0, 0), tiny_cpu(1, 0x1000), tiny_cpu(2, IMAGE_TABLES)};

	(void)state;
	cpus[0].x86 = vh_registers_of_controls(0x60000010, 0, 0);
	struct found f = find_in(tiny_image(KALLSYMS_5_4), cpus, 3);

	assert_true(f.is);
	assert_int_equal(f.in->stage, VH_STAGE_RESET);
	done(&f);
}

static void test_early(void **state)
{
	struct image *i = tiny_image(KALLSYMS_5_4);
	struct vh_cpu cpu = tiny_cpu(0, IMAGE_TABLES);

	(void)state;
	image_add(i, "u32 ffffffff82800000 0\n");
	struct found f = find_in(i, &cpu, 1);

	assert_true(f.is);
	assert_int_equal(f.in->outcome, VH_INSIDE_EARLY_LINUX);
	assert_string_equal(f.in->why,
		"the kernel is at the begin of its boot: it does not schedule tasks yet");
	done(&f);
	i = tiny_image(KALLSYMS_5_4);
	image_add(i, "u32 ffffffff82800000 0\nu32 ffffffff82800010 0\n");
	f = find_in(i, &cpu, 1);
	assert_true(f.is);
	assert_string_equal(f.in->why, "the kernel panicked at the begin of its boot");
	done(&f);
}

/* A vCPU runs Linux, by tables that cannot be read; another was never started. The note is enough.
 */
static void test_scan_beside_registers(void **state)
{
	struct vh_cpu cpus[2] = {tiny_cpu(0, 0x7000000), tiny_cpu(1, 0)};

	(void)state;
	cpus[1].x86 = vh_registers_of_controls(0x60000010, 0, 0);
	struct found f = find_in(tiny_image(KALLSYMS_5_4), cpus, 2);

	assert_true(f.is);
	assert_int_equal(f.in->method, VH_INSIDE_BY_SCAN);
	done(&f);
}

/* A note of an earlier boot, of another release, leads to the same symbols: it is not believed. The
 * one behind it is, where there is one. */
static void test_stale_note(void **state)
{
	uint8_t page[4096];

	(void)state;
	for (int both = 0; both < 2; both++) {
		struct image *i = tiny_image(KALLSYMS_5_4);

		memcpy(page, image_page(i, 0x3000000), sizeof(page));
		page[10] = '5';
		memcpy(image_page(i, both ? 0x2f00000 : 0x3000000), page, sizeof(page));
		struct found f = find_in(i, NULL, 0);
		struct vh_str release;

		assert_int_equal(f.is, both);
		if (both) {
			assert_true(vh_vmcoreinfo_string(f.k.note, "OSRELEASE", &release));
			assert_true(vh_str_is(release, "6.1.0-9-amd64"));
		} else {
			assert_int_equal(f.in->outcome, VH_INSIDE_NO_LINUX);
			assert_string_equal(
				f.in->why, "a note of a kernel that is no longer there was found");
		}
		done(&f);
	}
}

static void test_instead(void **state)
{
	static const struct {
		uint64_t cr0, cr4, efer;
		enum vh_inside_outcome outcome;
		const char *part;
	} rows[] = {
		{0x60000010, 0, 0, VH_INSIDE_NO_LINUX, "vCPU 0 is as reset left it"},
		{0x10, 0, 0, VH_INSIDE_NO_LINUX, "real mode"},
		{0x11, 0, 0, VH_INSIDE_NO_LINUX, "a BIOS or a boot loader"},
		{0x80010033, 0x668, 0xd00, VH_INSIDE_NO_LINUX, "UEFI"},
		{0x80050033, 0x20, 0x500, VH_INSIDE_EARLY_LINUX, "unpacks"},
		{0x80050031, 0x406e8, 0xd01, VH_INSIDE_NO_LINUX, "Windows"},
	};

	(void)state;
	for (size_t r = 0; r < VH_ARRAY_SIZE(rows); r++) {
		struct vh_cpu cpu = {
			.x86 = vh_registers_of_controls(rows[r].cr0, rows[r].cr4, rows[r].efer)};
		/* A note is there, of the kernel that ran before the reset. */
		struct image *i = tiny_image(KALLSYMS_5_4);

		image_page(i, 0);
		struct found f = find_in(i, &cpu, 1);

		assert_false(f.is);
		assert_int_equal(f.in->outcome, rows[r].outcome);
		if (!strstr(f.in->why, rows[r].part))
			fail_msg("\"%s\" lacks \"%s\"", f.in->why, rows[r].part);
		done(&f);
	}
}

static void test_unreadable(void **state)
{
	struct vh_cpu cpu = tiny_cpu(0, 0x7000000);
	struct found f = find_in(image_new("map ffffffff81000000 1000000 5000 x\n"), &cpu, 1);

	(void)state;
	assert_false(f.is);
	assert_int_equal(f.in->outcome, VH_INSIDE_UNREADABLE);
	assert_string_equal(
		f.in->why, "the page tables at 0x7000000 could not be read: there is no RAM");
	done(&f);
}

static void test_budget(void **state)
{
	struct image *i = image_done(tiny_image(KALLSYMS_5_4));
	struct vh_cpu cpu = tiny_cpu(0, IMAGE_TABLES);
	struct vh_kernel_options options = {.only_log = true};
	struct vh_inside *in = vh_inside_new(VH_INSIDE_NO_LINUX);
	struct vh_kernel k;

	(void)state;
	vh_memory_set_budget(i->memory, 0x8000, (struct vh_deadline){INT64_MAX});
	assert_false(vh_kernel_find(i->memory, &cpu, 1, &options, in, &k));
	assert_int_equal(in->outcome, VH_INSIDE_UNREADABLE);
	assert_string_equal(
		in->why, "the limit of bytes to be read was reached before a kernel was found");
	vh_inside_free(in);
	image_free(i);
}

static void test_root_of_note(void **state)
{
	struct vh_vmcoreinfo *v = vh_vmcoreinfo_parse(
		vh_str("OSRELEASE=6.1.0\nPAGESIZE=65536\nSYMBOL(swapper_pg_dir)=ffff800009a30000\n"
		       "NUMBER(VA_BITS)=52\nNUMBER(kimage_voffset)=0xffff7fffc7e00000\n"
		       "NUMBER(TCR_EL1_T1SZ)=0x10\n"));
	struct vh_root root;

	(void)state;
	assert_true(vh_kernel_root_of_note(v, &root));
	assert_int_equal(root.paging, VH_PAGING_ARM64);
	assert_int_equal(root.table.a, 0x41c30000);
	assert_int_equal(root.page_bits, 16);
	assert_int_equal(root.va_bits, 52);
	vh_vmcoreinfo_free(v);
	/* With small pages a CPU that has no 52 bits has a level less. */
	v = vh_vmcoreinfo_parse(
		vh_str("OSRELEASE=6.12.0\nPAGESIZE=4096\nSYMBOL(swapper_pg_dir)=ffff800082a30000\n"
		       "NUMBER(VA_BITS)=52\nNUMBER(kimage_voffset)=0xffff800040200000\n"
		       "NUMBER(TCR_EL1_T1SZ)=0x10\n"));
	assert_true(vh_kernel_root_of_note(v, &root));
	assert_int_equal(root.page_bits, 12);
	assert_int_equal(root.va_bits, 48);
	assert_int_equal(root.table.a, 0x42830000);
	vh_vmcoreinfo_free(v);
	v = vh_vmcoreinfo_parse(vh_str("OSRELEASE=6.1.0\nSYMBOL(init_top_pgt)=ffffffff9a010000\n"
				       "NUMBER(phys_base)=-251658240\n"
				       "NUMBER(pgtable_l5_enabled)=1\n"));
	assert_true(vh_kernel_root_of_note(v, &root));
	assert_int_equal(root.paging, VH_PAGING_X86_5);
	assert_int_equal(root.table.a, 0xb010000);
	vh_vmcoreinfo_free(v);
	v = vh_vmcoreinfo_parse(vh_str("OSRELEASE=6.1.0\nSYMBOL(init_top_pgt)=10\n"
				       "NUMBER(phys_base)=0\n"));
	assert_false(vh_kernel_root_of_note(v, &root));
	vh_vmcoreinfo_free(v);
}

static void test_masked(void **state)
{
	static const char *const rows[][2] = {
		{"", ""},
		{"root=UUID=1-2 ro quiet  -- single", "root=UUID=1-2 ro quiet  -- single"},
		{"rd.luks.uuid=luks-1 rd.luks.key=/k:UUID=1",
			"rd.luks.uuid=luks-1 rd.luks.key=***"},
		{"luks-key=abc keyboard=de vconsole.keymap=us",
			"luks-key=*** keyboard=de vconsole.keymap=us"},
		{"Password=x API_KEY=y mytoken=z", "Password=*** API_KEY=*** mytoken=***"},
		{"passwd=\"a b\" next", "passwd=*** next"},
		{"\"secret=a b\" next", "\"secret=*** next"},
		{"psk=1 upskirt=1 wifi.psk=2", "psk=*** upskirt=1 wifi.psk=***"},
		{"systemd.setenv=DB_PASSWORD=a,b c", "systemd.setenv=DB_PASSWORD=*** c"},
		{"rootflags=vers=3,password=x,y=1 z", "rootflags=vers=3,password=*** z"},
		{"systemd.set_credential=a:b", "systemd.set_credential=***"},
		{"inst.ks=http://u:p@host/ks", "inst.ks=http://***@host/ks"},
		{"inst.ks=http://host/a@b:c", "inst.ks=http://host/a@b:c"},
		{"netroot=iscsi:u:p@1.2.3.4::::x", "netroot=iscsi:***@1.2.3.4::::x"},
		{"crashkernel=512M-2G:64M,2G-:128M@16M", "crashkernel=512M-2G:64M,2G-:128M@16M"},
		{"console=ttyS0,115200n8 a=,b,", "console=ttyS0,115200n8 a=,b,"},
		{"key= secretmem.enable=y hotkey=1", "key= secretmem.enable=y hotkey=1"},
		{"=x token", "=x token"},
	};

	(void)state;
	for (size_t r = 0; r < VH_ARRAY_SIZE(rows); r++) {
		vh_auto_free char *masked = vh_kernel_masked(rows[r][0], NULL);

		assert_string_equal(masked, rows[r][1]);
	}
}

static void test_taint(void **state)
{
	static const struct {
		uint64_t taint;
		const char *text;
	} rows[] = {{1, "P"}, {0x3000, "O E"}, {UINT64_C(1) << 19, "J"},
		{UINT64_C(1) << 63 | 0x80, "D bit63"}};

	(void)state;
	for (size_t r = 0; r < VH_ARRAY_SIZE(rows); r++) {
		vh_auto_free char *text = vh_kernel_taint_text(rows[r].taint);

		assert_string_equal(text, rows[r].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_registers),
		cmocka_unit_test(test_layouts),
		cmocka_unit_test(test_without_variables),
		cmocka_unit_test(test_pti),
		cmocka_unit_test(test_bit_12),
		cmocka_unit_test(test_other_cpu),
		cmocka_unit_test(test_early),
		cmocka_unit_test(test_scan_beside_registers),
		cmocka_unit_test(test_stale_note),
		cmocka_unit_test(test_instead),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_root_of_note),
		cmocka_unit_test(test_masked),
		cmocka_unit_test(test_taint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
