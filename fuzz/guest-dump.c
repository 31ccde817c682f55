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

static void change(struct vh_buf *b, const uint8_t *data, size_t size)
{
	for (; size >= 4; data += 4, size -= 4) {
		size_t at = (size_t)(data[0] | data[1] << 8) + data[2] % 8;

		if (at < b->len)
			b->data[at] = (char)data[3];
	}
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vh_buf b = {0};
	struct vh_dump d;
	int kind = size ? data[0] % N_KINDS : ELF;
	unsigned packing = packings[size ? data[0] / N_KINDS % VH_ARRAY_SIZE(packings) : 0];

	if (kind == RAW)
		vh_buf_add(&b, size ? data + 1 : data, size ? size - 1 : 0);
	else
		b = kind == ELF ? dumpfile_elf() : dumpfile_kdump(packing, kind == FLAT);
	if (size && kind != RAW)
		change(&b, data + 1, size - 1);
	int fd = dumpfile_open(&b);

	vh_unpack_load();
	if (kind == ELF || (kind == RAW && size % 2))
		vh_dump_open_elf(fd, &d);
	else
		vh_dump_open_kdump(fd, &d);
	if (d.memory)
		read_all(&d);
	vh_dump_free(&d);
	close(fd);
	vh_buf_free(&b);
	return 0;
}
