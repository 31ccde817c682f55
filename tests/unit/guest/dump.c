/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Dumps of a guest: ELF cores, kdump plain and flattened, whole, cut short and lying. */
#include "guest/dump.h"

#include "config.h"

#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>

#include "tests/unit/guest/dumpfile.h"
#include "tests/unit/test.h"

static void by_the_first_bytes(void **state VH_UNUSED)
{
	unsigned char elf[64] = "\177ELF";

	assert_int_equal(vh_dump_kind_of(elf, sizeof(elf)), VH_DUMP_NONE);
	elf[EI_NIDENT] = ET_CORE;
	assert_int_equal(vh_dump_kind_of(elf, sizeof(elf)), VH_DUMP_ELF);
	assert_int_equal(vh_dump_kind_of(elf, EI_NIDENT), VH_DUMP_NONE);
	assert_int_equal(vh_dump_kind_of("KDUMP   ", 8), VH_DUMP_KDUMP);
	assert_int_equal(vh_dump_kind_of("KDUMP   ", 7), VH_DUMP_NONE);
	assert_int_equal(vh_dump_kind_of("makedumpfile\0\0", 14), VH_DUMP_KDUMP);
	assert_int_equal(vh_dump_kind_of("", 0), VH_DUMP_NONE);
}

static void expect_contents(struct vh_dump *d)
{
	struct vh_run run;
	uint8_t bytes[16];

	assert_non_null(d->memory);
	/* Page 1 is of ones, page 2 is not there, page 3 of threes, page 256 of 0xaa. */
	assert_int_equal(vh_memory_read(d->memory, (vh_gpa){0x1ff8}, bytes, 8), 0);
	assert_int_equal(bytes[7], 1);
	assert_true(vh_memory_read(d->memory, (vh_gpa){0x2000}, bytes, 1) < 0);
	assert_int_equal(vh_memory_read(d->memory, (vh_gpa){0x3000}, bytes, 16), 0);
	assert_int_equal(bytes[0], 3);
	assert_int_equal(vh_memory_read(d->memory, (vh_gpa){0x100fff}, bytes, 1), 0);
	assert_int_equal(bytes[0], 0xaa);
	assert_true(vh_memory_read(d->memory, (vh_gpa){0x101000}, bytes, 1) < 0);
	assert_true(vh_memory_next(d->memory, (vh_gpa){0x2000}, 1 << 20, &run));
	assert_int_equal(run.gpa.a, 0x3000);
	assert_int_equal(run.bytes, 0x1000);
	assert_false(vh_memory_next(d->memory, (vh_gpa){0x101000}, 1 << 20, &run));
	/* One vCPU, in 64-bit mode. */
	assert_int_equal(d->n_cpus, 1);
	assert_true(d->cpus[0].x86.valid);
	assert_int_equal(d->cpus[0].x86.cr3, 0x1000);
	assert_int_equal(d->cpus[0].x86.rip, 0xffffffff81000010);
	assert_true(d->cpus[0].x86.efer & 1 << 10);
}

static void an_elf_core(void **state VH_UNUSED)
{
	struct vh_buf b = dumpfile_elf();
	int fd = dumpfile_open(&b);
	struct vh_dump d;

	vh_dump_open_elf(fd, &d);
	expect_contents(&d);
	vh_dump_free(&d);
	close(fd);
	vh_buf_free(&b);
}

/* Whatever is cut off or changed: something is read of what is left, or a reason told. */
static void broken_elf_cores(void **state VH_UNUSED)
{
	struct vh_buf whole = dumpfile_elf();

	for (size_t cut = 1; cut <= whole.len; cut += cut < 600 ? 7 : 501) {
		struct vh_buf b = {0};
		struct vh_dump d;

		vh_buf_add(&b, whole.data, whole.len - cut);
		int fd = dumpfile_open(&b);
		uint8_t byte;

		vh_dump_open_elf(fd, &d);
		assert_true(d.memory || d.why);
		if (d.memory)
			vh_memory_read(d.memory, (vh_gpa){0x100fff}, &byte, 1);
		vh_dump_free(&d);
		close(fd);
		vh_buf_free(&b);
	}
	for (size_t at = 0; at < 64 + 4 * sizeof(Elf64_Phdr); at++) {
		struct vh_buf b = {0};
		struct vh_dump d;
		uint8_t bytes[4096];

		vh_buf_add(&b, whole.data, whole.len);
		b.data[at] = (char)0xff;
		int fd = dumpfile_open(&b);

		vh_dump_open_elf(fd, &d);
		assert_true(d.memory || d.why);
		if (d.memory)
			vh_memory_read(d.memory, (vh_gpa){0x3000}, bytes, sizeof(bytes));
		vh_dump_free(&d);
		close(fd);
		vh_buf_free(&b);
	}
	vh_buf_free(&whole);
}

static void other_machines(void **state VH_UNUSED)
{
	static const struct {
		size_t at;
		char value;
		const char *told;
	} rows[] = {{EI_CLASS, ELFCLASS32, "64-bit"}, {EI_DATA, ELFDATA2MSB, "little-endian"},
		{18, (char)EM_AARCH64, "x86-64"}, {54, 1, "size of their own"},
		{0, 'x', "no ELF core"}};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_buf b = dumpfile_elf();
		struct vh_dump d;

		b.data[rows[i].at] = rows[i].value;
		int fd = dumpfile_open(&b);

		vh_dump_open_elf(fd, &d);
		assert_null(d.memory);
		if (!strstr(d.why, rows[i].told))
			fail_msg("%s", d.why);
		vh_dump_free(&d);
		close(fd);
		vh_buf_free(&b);
	}
}

static void kdump(void **state VH_UNUSED)
{
	const char *why;

	if (!vh_kdump_available(&why))
		skip();
	for (int flat = 0; flat < 2; flat++) {
		struct vh_buf b = dumpfile_kdump(flat);
		int fd = dumpfile_open(&b);
		struct vh_dump d;

		vh_dump_open_kdump(fd, &d);
		if (d.why)
			fail_msg("%s", d.why);
		expect_contents(&d);
		vh_dump_free(&d);
		close(fd);
		vh_buf_free(&b);
	}
}

static void broken_kdumps(void **state VH_UNUSED)
{
	const char *why;
	static const size_t places[] = {8, 428, 432, 436, 440, 4096 + 48, 4096 + 56, 4096 + 96,
		4096 + 97, 4096 + 101, 4 * 4096, 4 * 4096 + 32, 4 * 4096 + 33, 5 * 4096,
		5 * 4096 + 7, 5 * 4096 + 8, 5 * 4096 + 12, 5 * 4096 + 24};

	if (!vh_kdump_available(&why))
		skip();
	for (size_t i = 0; i < 256 * VH_ARRAY_SIZE(places); i += 51) {
		struct vh_buf b = dumpfile_kdump(false);
		struct vh_dump d;
		uint8_t bytes[4096];

		b.data[places[i / 256]] = (char)i;
		int fd = dumpfile_open(&b);

		vh_dump_open_kdump(fd, &d);
		assert_true(d.memory || d.why);
		for (uint64_t page = 0; d.memory && page < 8; page++)
			vh_memory_read(
				d.memory, (vh_gpa){page * VH_GUEST_PAGE}, bytes, sizeof(bytes));
		vh_dump_free(&d);
		close(fd);
		vh_buf_free(&b);
	}
	for (size_t cut = 1; cut < 40000; cut += 997) {
		struct vh_buf b = dumpfile_kdump(cut % 2);
		struct vh_dump d;

		b.len -= VH_MIN(cut, b.len);
		int fd = dumpfile_open(&b);

		vh_dump_open_kdump(fd, &d);
		assert_true(d.memory || d.why);
		vh_dump_free(&d);
		close(fd);
		vh_buf_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_the_first_bytes),
		cmocka_unit_test(an_elf_core),
		cmocka_unit_test(broken_elf_cores),
		cmocka_unit_test(other_machines),
		cmocka_unit_test(kdump),
		cmocka_unit_test(broken_kdumps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
