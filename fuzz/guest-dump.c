/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Dumps of a guest: a small valid one, in which the input changes bytes. Its first byte tells which
 * kind, and of a kdump how a page is compressed; the rest is four bytes a change: a place (two
 * bytes, little-endian; 64 bytes a step in the larger ones), which of eight bytes from there on,
 * and the value.
 */
#include "fuzz.h"
#include "guest/dump.h"
#include "tests/unit/guest/dumpfile.h"

enum { ELF, KDUMP, FLAT, RAW, N_KINDS };
static const unsigned packings[] = {
	VH_PACKED_ZLIB, VH_PACKED_LZO, VH_PACKED_SNAPPY, VH_PACKED_ZSTD, 0};

/* A dump that is made once, in memory that is a file too: what an input changed is put back. */
struct file {
	struct vh_buf whole;
	uint8_t *bytes; /* the file */
	int fd;
};

static struct file *file_of(unsigned kind, unsigned packing)
{
	static struct file files[RAW][VH_ARRAY_SIZE(packings)];
	struct file *f = &files[kind][packing];

	if (f->bytes)
		return f;
	f->whole = kind == ELF ? dumpfile_elf() : dumpfile_kdump(packings[packing], kind == FLAT);
	f->fd = dumpfile_open(&f->whole);
	f->bytes = mmap(NULL, f->whole.len, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	if (f->bytes == MAP_FAILED)
		abort();
	return f;
}

/* As the input says, or as they were. */
static void change(struct file *f, const uint8_t *data, size_t size, bool back)
{
	for (; size >= 4; data += 4, size -= 4) {
		size_t at = (size_t)(data[0] | data[1] << 8) + data[2] % 8;

		if (at < f->whole.len)
			f->bytes[at] = back ? (uint8_t)f->whole.data[at] : data[3];
	}
}

/* The input as it is. */
static int raw_file(const uint8_t *data, size_t size)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("dump", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 0) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	return fd;
}

static void read_all(const struct vh_dump *d)
{
	static uint8_t bytes[3 * 4096];
	struct vh_run run = {0};
	vh_gpa at = {0};

	vh_memory_set_budget(d->memory, 1 << 20, (struct vh_deadline){INT64_MAX});
	for (uint64_t page = 0; page < 260; page += page < 5 ? 1 : 51)
		vh_memory_read(d->memory, (vh_gpa){page * VH_GUEST_PAGE}, bytes, sizeof(bytes));
	for (int i = 0; i < 64 && vh_memory_next(d->memory, at, 2 << 20, &run); i++) {
		vh_memory_read(d->memory, run.gpa, bytes, VH_MIN(run.bytes, sizeof(bytes)));
		at.a = run.gpa.a + run.bytes;
	}
}

static void read_dump(int fd, bool elf)
{
	struct vh_dump d;

	if (elf)
		vh_dump_open_elf(fd, &d);
	else
		vh_dump_open_kdump(fd, &d);
	if (d.memory)
		read_all(&d);
	vh_dump_free(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned kind = size ? data[0] % N_KINDS : ELF;
	unsigned packing = size ? data[0] / N_KINDS % VH_ARRAY_SIZE(packings) : 0;

	if (size)
		data++;
	vh_unpack_load();
	if (kind == RAW) {
		read_dump(raw_file(data, size - 1), size % 2);
		return 0;
	}
	struct file *f = file_of(kind, packing);

	change(f, data, size ? size - 1 : 0, false);
	read_dump(f->fd, kind == ELF);
	change(f, data, size ? size - 1 : 0, true);
	return 0;
}
