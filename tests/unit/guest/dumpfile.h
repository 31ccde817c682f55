/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small dumps of a guest, for tests and the fuzz target: page 1 of ones, 3 of threes, 256 of 0xaa,
 * and one vCPU. */
#pragma once

#include <elf.h>
#include <endian.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "guest/unpack.h"

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

/* n threes, 4095, 4096 or 4097, as zlib 1.2.13, LZO 2.10, snappy 1.1.9 and zstd 1.5.4 compress
 * them; packing 0: as they are. */
static inline struct vh_buf dumpfile_threes(unsigned packing, unsigned n)
{
	static const uint8_t zlib[] = {0x78, 0x9c, 0xed, 0xc1, 0x31, 0x0d, 0x00, 0x00, 0x00, 0xc3,
		0xa0, 0xa3, 0xfe, 0x3d, 0xcf, 0xc7, 0x02, 0x14, 0x00, 0x00, 0x00};
	static const uint8_t zlib_end[3][6] = {{0x70, 0x6e, 0x0e, 0x7f, 0x2f, 0xfe},
		{0xf0, 0x6e, 0x3e, 0x80, 0x30, 0x01}, {0x70, 0x6f, 0x6e, 0x84, 0x30, 0x04}};
	static const uint8_t lzo[24] = {0x02, 3, 3, 3, 3, 3, 0x20, [22] = 0xda, [23] = 0x10};
	struct vh_buf b = {0};

	switch (packing) {
	case VH_PACKED_ZLIB:
		vh_buf_add(&b, zlib, sizeof(zlib));
		vh_buf_add(&b, zlib_end[n - 4095], sizeof(zlib_end[0]));
		break;
	case VH_PACKED_LZO: /* a literal, a copy, and what is left of it as literals */
		vh_buf_add(&b, lzo, sizeof(lzo));
		vh_buf_putc(&b, 0);
		vh_buf_putc(&b, (char)(n - 4084));
		for (unsigned i = 0; i < n - 4081; i++)
			vh_buf_putc(&b, 3);
		vh_buf_add(&b, "\x11\0\0", 3);
		break;
	case VH_PACKED_SNAPPY: /* the length, a literal, and copies of at most 64 from one before */
		vh_buf_putc(&b, (char)(n % 128 + 128));
		vh_buf_putc(&b, (char)(n / 128));
		vh_buf_add(&b, "\0\3", 2);
		for (unsigned left = n - 1, part; left; left -= part) {
			part = VH_MIN(left, 64);
			vh_buf_putc(&b, (char)((part - 1) << 2 | 2));
			vh_buf_add(&b, "\1\0", 2);
		}
		break;
	case VH_PACKED_ZSTD: /* the length less 256; a block of one byte again and again */
		vh_buf_add(&b, "\x28\xb5\x2f\xfd\x60", 5);
		vh_buf_putc(&b, (char)((n - 256) % 256));
		vh_buf_putc(&b, (char)((n - 256) / 256));
		vh_buf_add(&b, "\x4d\0\0\x10\3\3\1\0", 8);
		vh_buf_putc(&b, (char)(n - 4096 + 0xfb));
		vh_buf_add(&b, "\xf7\1\x16", 3);
		break;
	default:
		for (unsigned i = 0; i < n; i++)
			vh_buf_putc(&b, 3);
	}
	return b;
}

/* Where they lie in the plain form. */
#define DUMPFILE_BITMAPS     (2 * (size_t)VH_GUEST_PAGE)
#define DUMPFILE_DESCRIPTORS (4 * (size_t)VH_GUEST_PAGE)
#define DUMPFILE_PAGES       (5 * (size_t)VH_GUEST_PAGE)

/* What page 3 is in the dump, and how that is said to be compressed. */
static inline void dumpfile_put_threes(
	struct vh_buf *b, unsigned flags, const struct vh_buf *packed)
{
	size_t descriptor = DUMPFILE_DESCRIPTORS + 24, at = DUMPFILE_PAGES + VH_GUEST_PAGE;

	dumpfile_u32(b, descriptor + 8, (uint32_t)packed->len);
	dumpfile_u32(b, descriptor + 12, flags);
	memcpy(b->data + at, packed->data, VH_MIN(packed->len, (size_t)VH_GUEST_PAGE));
}

/* The plain form: header, one block behind it with the notes, two bitmaps of a block each, three
 * descriptors, pages; one is compressed. */
static inline struct vh_buf dumpfile_plain(unsigned packing)
{
	struct vh_buf b = {0}, threes = dumpfile_threes(packing, VH_GUEST_PAGE);
	size_t descriptors = DUMPFILE_DESCRIPTORS, data = DUMPFILE_PAGES;
	size_t notes = VH_GUEST_PAGE + 256;

	vh_buf_add(&b, "KDUMP   ", 8);
	dumpfile_u32(&b, 8, 6);
	dumpfile_u32(&b, 424, packing);
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
	for (size_t i = 0; i < 2; i++) {
		char *bitmap = b.data + DUMPFILE_BITMAPS + i * VH_GUEST_PAGE;

		bitmap[0] = 1 << 1 | 1 << 3;
		bitmap[32] = 1;
	}
	for (size_t i = 0; i < 3; i++) {
		dumpfile_u64(&b, descriptors + i * 24, data + i * VH_GUEST_PAGE);
		dumpfile_u32(&b, descriptors + i * 24 + 8, VH_GUEST_PAGE);
		dumpfile_u32(&b, descriptors + i * 24 + 12, 0);
	}
	dumpfile_pad(&b, data);
	dumpfile_page(&b, 1);
	dumpfile_page(&b, 0);
	dumpfile_page(&b, 0xaa);
	dumpfile_put_threes(&b, packing, &threes);
	vh_buf_free(&threes);
	return b;
}

/* flat: as QEMU writes it, in pieces that are told where they belong, the first one last. */
static inline struct vh_buf dumpfile_kdump(unsigned packing, bool flat)
{
	struct vh_buf plain = dumpfile_plain(packing), b = {0};
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
