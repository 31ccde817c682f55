/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Dumps of a guest: ELF cores, kdump plain and flattened, whole, cut short and lying. */
#include "guest/dump.h"

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
	assert_true(d->cpus[0].x86.hlt_unknown);
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

static const unsigned packings[] = {
	0, VH_PACKED_ZLIB, VH_PACKED_LZO, VH_PACKED_SNAPPY, VH_PACKED_ZSTD};

static void open_kdump(const struct vh_buf *b, int *fd, struct vh_dump *d)
{
	*fd = dumpfile_open(b);
	vh_dump_open_kdump(*fd, d);
}

static void close_dump(int fd, struct vh_dump *d)
{
	vh_dump_free(d);
	close(fd);
}

/* As makedumpfile -E -d writes it: n segments of a page in the file, and one behind it left out. */
static struct vh_buf filtered_core(uint16_t n)
{
	Elf64_Ehdr h = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, 1},
		.e_type = ET_CORE,
		.e_machine = EM_X86_64,
		.e_phoff = sizeof(h),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = n};
	struct vh_buf b = {0};

	vh_buf_add(&b, &h, sizeof(h));
	for (size_t i = 0; i < n; i++) {
		/* The order in the file is not that of addresses. */
		Elf64_Phdr p = {.p_type = PT_LOAD,
			.p_offset = sizeof(h) + n * sizeof(p) + i * VH_GUEST_PAGE,
			.p_paddr = 2 * (n - 1 - i) * VH_GUEST_PAGE,
			.p_filesz = VH_GUEST_PAGE,
			.p_memsz = 2 * VH_GUEST_PAGE};

		vh_buf_add(&b, &p, sizeof(p));
	}
	for (size_t i = 0; i < n; i++)
		dumpfile_page(&b, (int)(n - 1 - i) % 256);
	return b;
}

static void many_segments(void **state VH_UNUSED)
{
	struct vh_buf b = filtered_core(1000);
	int fd = dumpfile_open(&b);
	uint8_t bytes[VH_GUEST_PAGE];
	vh_gpa at = {0};
	struct vh_run run;
	struct vh_dump d;
	size_t n = 0;

	vh_dump_open_elf(fd, &d);
	assert_non_null(d.memory);
	assert_string_equal(d.note, "the dump leaves out 1000 of the guest's 2000 pages");
	for (uint64_t i = 0; i < 1000; i++) {
		at.a = 2 * i * VH_GUEST_PAGE;
		assert_int_equal(vh_memory_read(d.memory, at, bytes, sizeof(bytes)), 0);
		assert_int_equal(bytes[VH_GUEST_PAGE - 1], i % 256);
		at.a += VH_GUEST_PAGE;
		assert_int_equal(vh_memory_read(d.memory, at, bytes, 1), -ENODATA);
	}
	for (at.a = 0; vh_memory_next(d.memory, at, 1 << 20, &run); n++) {
		assert_int_equal(run.gpa.a, 2 * n * VH_GUEST_PAGE);
		assert_int_equal(run.bytes, VH_GUEST_PAGE);
		at.a = run.gpa.a + run.bytes;
	}
	assert_int_equal(n, 1000);
	vh_dump_free(&d);
	close(fd);
	vh_buf_free(&b);
}

/* Two that claim one page, two that begin at one, and two that touch: a read goes on over there. */
static void segments_that_meet(void **state VH_UNUSED)
{
	struct vh_buf b = dumpfile_elf();
	Elf64_Phdr *p = (Elf64_Phdr *)(void *)(b.data + sizeof(Elf64_Ehdr)) + 1;
	uint8_t bytes[2 * VH_GUEST_PAGE];
	struct vh_dump d;

	/* Ones and threes in the file; then 0xaa at the second half of them. */
	p[0] = (Elf64_Phdr){.p_type = PT_LOAD,
		.p_offset = p[0].p_offset,
		.p_paddr = 0x1000,
		.p_filesz = 2 * VH_GUEST_PAGE,
		.p_memsz = 2 * VH_GUEST_PAGE};
	p[1].p_paddr = p[2].p_paddr = 0x2000;
	int fd = dumpfile_open(&b);

	vh_dump_open_elf(fd, &d);
	assert_int_equal(vh_memory_read(d.memory, (vh_gpa){0x1000}, bytes, sizeof(bytes)), 0);
	assert_int_equal(bytes[VH_GUEST_PAGE - 1], 1);
	assert_int_equal(bytes[VH_GUEST_PAGE], 0xaa);
	assert_null(d.note);
	vh_dump_free(&d);
	close(fd);
	vh_buf_free(&b);
}

/* What a full disk left of a dump is said to be that; also where the last page is a zero one, which
 * lies before all others (makedumpfile). */
static void cut_short(void **state VH_UNUSED)
{
	struct vh_buf zero = dumpfile_kdump(0, false);
	struct vh_dump of_zero;
	int zero_fd;

	dumpfile_u64(&zero, DUMPFILE_DESCRIPTORS + 2 * 24, DUMPFILE_PAGES);
	zero.len = DUMPFILE_PAGES + VH_GUEST_PAGE + 1;
	open_kdump(&zero, &zero_fd, &of_zero);
	assert_string_equal(of_zero.note, "the dump is cut short");
	close_dump(zero_fd, &of_zero);
	vh_buf_free(&zero);
	for (int kind = 0; kind < 3; kind++) {
		struct vh_buf b = kind ? dumpfile_kdump(0, kind == 2) : dumpfile_elf();
		struct vh_dump d;

		b.len -= kind == 2 ? 2 * 5000 + 3 * 16 : 100; /* two records and the end */
		int fd = dumpfile_open(&b);

		if (kind)
			vh_dump_open_kdump(fd, &d);
		else
			vh_dump_open_elf(fd, &d);
		if (kind < 2)
			assert_string_equal(d.note, "the dump is cut short");
		else /* the first piece is written last */
			assert_non_null(strstr(d.why, "no header"));
		vh_dump_free(&d);
		close(fd);
		vh_buf_free(&b);
	}
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

/* Where no library is loaded, nothing is called. */
static void not_loaded(void **state VH_UNUSED)
{
	uint8_t page[VH_GUEST_PAGE];

	for (size_t i = 1; i < VH_ARRAY_SIZE(packings); i++)
		assert_int_equal(vh_unpack(packings[i], page, sizeof(page), page), -ENOTSUP);
}

static void kdump(void **state VH_UNUSED)
{
	const char *name, *why;

	vh_unpack_load();
	for (size_t i = 0; i < 2 * VH_ARRAY_SIZE(packings); i++) {
		struct vh_buf b = dumpfile_kdump(packings[i / 2], i % 2);
		struct vh_dump d;
		int fd;

		open_kdump(&b, &fd, &d);
		if (vh_unpack_lacks(packings[i / 2], &name, &why)) {
			assert_null(d.memory);
			assert_non_null(strstr(d.why, name));
			assert_non_null(strstr(d.why, why));
		} else {
			if (d.why)
				fail_msg("packing %u: %s", packings[i / 2], d.why);
			expect_contents(&d);
			assert_null(d.note);
		}
		close_dump(fd, &d);
		vh_buf_free(&b);
	}
}

/* Of the header's word and of the pages' alone: what compresses them is known before one is read.
 */
static void a_missing_library(void **state VH_UNUSED)
{
	const char *name, *why;

	vh_unpack_load();
	for (size_t i = 1; i < VH_ARRAY_SIZE(packings); i++) {
		struct vh_buf b = dumpfile_kdump(packings[i], false);
		struct vh_dump d;
		int fd;

		dumpfile_u32(&b, 424, 0);
		open_kdump(&b, &fd, &d);
		if (vh_unpack_lacks(packings[i], &name, &why))
			assert_non_null(strstr(d.why, why));
		else
			expect_contents(&d);
		close_dump(fd, &d);
		vh_buf_free(&b);
	}
}

/* Reads page 3, compressed as told, and then the page behind it, which is right. */
static void expect_bad_page(unsigned flags, const struct vh_buf *packed, const char *what)
{
	struct vh_buf b = dumpfile_kdump(0, false);
	uint8_t page[VH_GUEST_PAGE];
	struct vh_dump d;
	int fd;

	dumpfile_put_threes(&b, flags, packed);
	open_kdump(&b, &fd, &d);
	assert_non_null(d.memory);
	int err = vh_memory_read(d.memory, (vh_gpa){0x3000}, page, sizeof(page));

	if (err != -EIO)
		fail_msg("packing %u, %s: %d", flags, what, err);
	assert_int_equal(vh_memory_read(d.memory, (vh_gpa){0x100000}, page, sizeof(page)), 0);
	assert_int_equal(page[VH_GUEST_PAGE - 1], 0xaa);
	close_dump(fd, &d);
	vh_buf_free(&b);
}

/* A page is of 4096 bytes, or it is bad. */
static void pages_that_lie(void **state VH_UNUSED)
{
	const char *name, *why;

	vh_unpack_load();
	for (size_t i = 0; i < VH_ARRAY_SIZE(packings); i++) {
		struct vh_buf less = dumpfile_threes(packings[i], VH_GUEST_PAGE - 1),
			      more = dumpfile_threes(packings[i], VH_GUEST_PAGE + 1),
			      page = dumpfile_threes(packings[i], VH_GUEST_PAGE), empty = {0};

		vh_buf_putc(&empty, 0);
		empty.len = 0;
		if (!vh_unpack_lacks(packings[i], &name, &why)) {
			expect_bad_page(packings[i], &less, "one byte less");
			expect_bad_page(packings[i], &more, "one byte more");
			expect_bad_page(packings[i], &empty, "nothing");
			/* zlib's checksum is not of its own length, the others end where theirs
			 * does. */
			while (page.len > 1) {
				page.len--;
				expect_bad_page(packings[i], &page, "cut short");
				if (!packings[i])
					break;
			}
		}
		vh_buf_free(&less);
		vh_buf_free(&more);
		vh_buf_free(&page);
		vh_buf_free(&empty);
	}
}

/* Not how it is said to be, or in two ways at once; longer than any page can be. */
static void packings_that_lie(void **state VH_UNUSED)
{
	const char *name, *why;

	vh_unpack_load();
	if (vh_unpack_lacks(VH_PACKINGS, &name, &why))
		skip();
	for (size_t i = 0; i < VH_ARRAY_SIZE(packings); i++) {
		struct vh_buf page = dumpfile_threes(packings[i], VH_GUEST_PAGE);

		for (size_t k = 1; k < VH_ARRAY_SIZE(packings); k++)
			if (k != i)
				expect_bad_page(packings[k], &page, "of another kind");
		expect_bad_page(VH_PACKED_ZLIB | VH_PACKED_LZO, &page, "of two kinds");
		while (page.len <= 2 * VH_GUEST_PAGE)
			vh_buf_putc(&page, 0);
		expect_bad_page(packings[i], &page, "with much behind it");
		vh_buf_free(&page);
	}
}

/* A frame of zstd's first versions, and two frames in place of one. */
static void other_frames(void **state VH_UNUSED)
{
	struct vh_buf two = dumpfile_threes(VH_PACKED_ZSTD, VH_GUEST_PAGE);
	const char *name, *why;
	struct vh_buf old = {0};

	vh_unpack_load();
	if (vh_unpack_lacks(VH_PACKED_ZSTD, &name, &why))
		skip();
	vh_buf_add(&old, two.data, two.len);
	old.data[0] = 0x27;
	expect_bad_page(VH_PACKED_ZSTD, &old, "an old frame");
	vh_buf_add(&two, "\x28\xb5\x2f\xfd\x20\0\1\0\0", 9); /* of nothing */
	expect_bad_page(VH_PACKED_ZSTD, &two, "two frames");
	vh_buf_free(&two);
	vh_buf_free(&old);
}

/* What makedumpfile -d left out is in the first bitmap alone. */
static void filtered(void **state VH_UNUSED)
{
	for (int incomplete = 0; incomplete < 2; incomplete++) {
		struct vh_buf b = dumpfile_kdump(0, false);
		uint8_t page[VH_GUEST_PAGE];
		struct vh_dump d;
		int fd;

		b.data[DUMPFILE_BITMAPS] |= 1 << 2 | 1 << 4;
		dumpfile_u32(&b, 424, incomplete ? 8 : 0);
		open_kdump(&b, &fd, &d);
		expect_contents(&d);
		assert_string_equal(d.note,
			incomplete ? "the dump leaves out 2 of the guest's 5 pages; the dump is "
				     "incomplete, as its header says"
				   : "the dump leaves out 2 of the guest's 5 pages");
		assert_int_equal(
			vh_memory_read(d.memory, (vh_gpa){0x2000}, page, sizeof(page)), -ENODATA);
		close_dump(fd, &d);
		vh_buf_free(&b);
	}
}

static void broken_kdumps(void **state VH_UNUSED)
{
	static const size_t places[] = {8, 424, 428, 432, 436, 440, 4096 + 48, 4096 + 56, 4096 + 96,
		4096 + 97, 4096 + 101, 4 * 4096, 4 * 4096 + 24, 4 * 4096 + 32, 4 * 4096 + 33,
		4 * 4096 + 36, 5 * 4096, 5 * 4096 + 7, 5 * 4096 + 8, 5 * 4096 + 12, 5 * 4096 + 24};

	vh_unpack_load();
	for (size_t i = 0; i < 256 * VH_ARRAY_SIZE(places); i += 51) {
		struct vh_buf b = dumpfile_kdump(packings[i % VH_ARRAY_SIZE(packings)], false);
		uint8_t bytes[4096];
		struct vh_dump d;
		int fd;

		b.data[places[i / 256]] = (char)i;
		open_kdump(&b, &fd, &d);
		assert_true(d.memory || d.why);
		for (uint64_t page = 0; d.memory && page < 8; page++)
			vh_memory_read(
				d.memory, (vh_gpa){page * VH_GUEST_PAGE}, bytes, sizeof(bytes));
		close_dump(fd, &d);
		vh_buf_free(&b);
	}
	for (size_t cut = 1; cut < 40000; cut += 997) {
		struct vh_buf b = dumpfile_kdump(VH_PACKED_ZLIB, cut % 2);
		struct vh_dump d;
		int fd;

		b.len -= VH_MIN(cut, b.len);
		open_kdump(&b, &fd, &d);
		assert_true(d.memory || d.why);
		close_dump(fd, &d);
		vh_buf_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_the_first_bytes),
		cmocka_unit_test(an_elf_core),
		cmocka_unit_test(broken_elf_cores),
		cmocka_unit_test(many_segments),
		cmocka_unit_test(segments_that_meet),
		cmocka_unit_test(cut_short),
		cmocka_unit_test(other_machines),
		cmocka_unit_test(not_loaded),
		cmocka_unit_test(kdump),
		cmocka_unit_test(a_missing_library),
		cmocka_unit_test(pages_that_lie),
		cmocka_unit_test(packings_that_lie),
		cmocka_unit_test(other_frames),
		cmocka_unit_test(filtered),
		cmocka_unit_test(broken_kdumps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
