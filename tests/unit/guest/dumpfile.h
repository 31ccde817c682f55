/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small dumps of a guest, for tests and the fuzz target: page 1 of ones, 3 of threes, 256 of 0xaa,
 * and one vCPU. */
#pragma once

#include <elf.h>
#include <endian.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "guest/memory.h"

#define DUMPFILE_NOTE (12 + 8 + 440)

/* Descriptor of a file with these bytes. */
static inline int dumpfile_open(const struct vh_buf *b)
{
	int fd = memfd_create("dump", MFD_CLOEXEC);

	for (size_t at = 0; fd >= 0 && at < b->len;) {
		ssize_t n = pwrite(fd, b->data + at, b->len - at, (off_t)at);

		if (n <= 0)
			abort();
		at += (size_t)n;
	}
	return fd;
}

static inline void dumpfile_pad(struct vh_buf *b, size_t to)
{
	while (b->len < to)
		vh_buf_putc(b, 0);
}

static inline void dumpfile_u64(struct vh_buf *b, size_t at, uint64_t value)
{
	dumpfile_pad(b, at + sizeof(value));
	memcpy(b->data + at, &value, sizeof(value));
}

static inline void dumpfile_u32(struct vh_buf *b, size_t at, uint32_t value)
{
	dumpfile_pad(b, at + sizeof(value));
	memcpy(b->data + at, &value, sizeof(value));
}

/* QEMU's note of a vCPU: RIP, CR0, CR3, CR4 and a 64-bit CS. */
static inline void dumpfile_note(struct vh_buf *b)
{
	size_t begin = b->len, cpu = begin + 20;

	dumpfile_u32(b, begin, 5);
	dumpfile_u32(b, begin + 4, 440);
	dumpfile_u32(b, begin + 8, 0);
	vh_buf_add(b, "QEMU\0\0\0", 8);
	dumpfile_pad(b, cpu + 440);
	dumpfile_u32(b, cpu, 1);
	dumpfile_u32(b, cpu + 4, 440);
	dumpfile_u64(b, cpu + 8 + 16 * 8, UINT64_C(0xffffffff81000010));
	dumpfile_u32(b, cpu + 152, 0x10);
	dumpfile_u32(b, cpu + 160, 1u << 21);
	dumpfile_u64(b, cpu + 392, 0x80050033);
	dumpfile_u64(b, cpu + 392 + 24, 0x1000);
	dumpfile_u64(b, cpu + 392 + 32, 0x6f0);
}

static inline void dumpfile_page(struct vh_buf *b, int value)
{
	uint8_t page[VH_GUEST_PAGE];

	memset(page, value, sizeof(page));
	vh_buf_add(b, page, sizeof(page));
}

static inline struct vh_buf dumpfile_elf(void)
{
	struct vh_buf b = {0};
	Elf64_Ehdr h = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, 1},
		.e_type = ET_CORE,
		.e_machine = EM_X86_64,
		.e_phoff = sizeof(h),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 4};
	uint64_t notes = sizeof(h) + 4 * sizeof(Elf64_Phdr);
	uint64_t data = notes + DUMPFILE_NOTE;
	static const uint64_t gpa[] = {0x1000, 0x3000, 0x100000};
	Elf64_Phdr p[4] = {{.p_type = PT_NOTE, .p_offset = notes, .p_filesz = DUMPFILE_NOTE}};

	for (size_t i = 0; i < 3; i++)
		p[i + 1] = (Elf64_Phdr){.p_type = PT_LOAD,
			.p_offset = data + i * VH_GUEST_PAGE,
			.p_paddr = gpa[i],
			.p_filesz = VH_GUEST_PAGE,
			.p_memsz = VH_GUEST_PAGE};
	vh_buf_add(&b, &h, sizeof(h));
	vh_buf_add(&b, p, sizeof(p));
	dumpfile_note(&b);
	dumpfile_page(&b, 1);
	dumpfile_page(&b, 3);
	dumpfile_page(&b, 0xaa);
	return b;
}

/* A page of threes, compressed with zlib 1.2.13. */
static const uint8_t dumpfile_threes[] = {0x78, 0x9c, 0xed, 0xc1, 0x31, 0x0d, 0x00, 0x00, 0x00,
	0xc3, 0xa0, 0xa3, 0xfe, 0x3d, 0xcf, 0xc7, 0x02, 0x14, 0x00, 0x00, 0x00, 0xf0, 0x6e, 0x3e,
	0x80, 0x30, 0x01};

/* The plain form: header, one block behind it with the notes, two bitmaps of a block each, three
 * descriptors, pages. */
static inline struct vh_buf dumpfile_plain(void)
{
	struct vh_buf b = {0};
	size_t bitmap = 2 * VH_GUEST_PAGE, descriptors = bitmap + 2 * VH_GUEST_PAGE;
	size_t data = descriptors + VH_GUEST_PAGE, notes = VH_GUEST_PAGE + 256;

	vh_buf_add(&b, "KDUMP   ", 8);
	dumpfile_u32(&b, 8, 6);
	dumpfile_u32(&b, 428, VH_GUEST_PAGE);
	dumpfile_u32(&b, 432, 1);
	dumpfile_u32(&b, 436, 2);
	dumpfile_u32(&b, 440, 257);
	dumpfile_u64(&b, VH_GUEST_PAGE + 48, notes);
	dumpfile_u64(&b, VH_GUEST_PAGE + 56, DUMPFILE_NOTE);
	dumpfile_u64(&b, VH_GUEST_PAGE + 96, 257);
	dumpfile_pad(&b, notes);
	dumpfile_note(&b);
	dumpfile_pad(&b, descriptors);
	b.data[bitmap + VH_GUEST_PAGE] = 1 << 1 | 1 << 3;
	b.data[bitmap + VH_GUEST_PAGE + 32] = 1;
	for (size_t i = 0; i < 3; i++) {
		dumpfile_u64(&b, descriptors + i * 24, data + i * VH_GUEST_PAGE);
		dumpfile_u32(&b, descriptors + i * 24 + 8,
			i == 1 ? sizeof(dumpfile_threes) : VH_GUEST_PAGE);
		dumpfile_u32(&b, descriptors + i * 24 + 12, i == 1);
	}
	dumpfile_pad(&b, data);
	dumpfile_page(&b, 1);
	vh_buf_add(&b, dumpfile_threes, sizeof(dumpfile_threes));
	dumpfile_pad(&b, data + 2 * VH_GUEST_PAGE);
	dumpfile_page(&b, 0xaa);
	return b;
}

/* flat: as QEMU writes it, in pieces that are told where they belong, the first one last. */
static inline struct vh_buf dumpfile_kdump(bool flat)
{
	struct vh_buf plain = dumpfile_plain(), b = {0};
	size_t piece = 5000;

	if (!flat)
		return plain;
	vh_buf_add(&b, "makedumpfile", 12);
	dumpfile_pad(&b, 4096);
	for (size_t at = piece; at < plain.len + piece; at += piece) {
		size_t from = at < plain.len ? at : 0;
		size_t n = VH_MIN(piece, plain.len - from);
		uint64_t head[2] = {htobe64(from), htobe64(n)};

		vh_buf_add(&b, head, sizeof(head));
		vh_buf_add(&b, plain.data + from, n);
	}
	uint64_t end[2] = {UINT64_MAX, UINT64_MAX};

	vh_buf_add(&b, end, sizeof(end));
	vh_buf_free(&plain);
	return b;
}
