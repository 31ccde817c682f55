/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pages that a case kept (src/guest/pages.h) and texts of vCPUs' registers. The first byte tells
 * whether the rest is the bytes as they are, or changes of valid ones: a place of two bytes, a
 * value.
 */
#include "fuzz.h"
#include "guest/cpus.h"
#include "guest/pages.h"

static void valid(struct vh_buf *b)
{
	static const char text[] =
		"CPU#0\r\nRAX=0000000000000001 RBX=0000000000000000\r\n"
		"RIP=ffffffff8105e8cb RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1\r\n"
		"CR0=80050033 CR2=0000000000000000 CR3=0000000000001000 CR4=06f0\r\n";
	vh_gpa gpa[] = {{0x1000}, {0x2000}, {0x7000}};
	uint8_t bytes[3 * 4096] = {1};
	struct vh_pages pages = {gpa, bytes, 3};
	size_t left_out;

	vh_pages_write(&pages, vh_str(text), b, &left_out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	vh_auto_buf struct vh_buf b = {0};
	struct vh_pages_view view;
	struct vh_cpu cpus[8];
	const char *why;

	if (size && data[0] % 2) {
		vh_buf_add(&b, data + 1, size - 1);
	} else {
		valid(&b);
		for (size_t i = 1; i + 3 <= size; i += 3)
			b.data[(size_t)(data[i] | data[i + 1] << 8) % b.len] = (char)data[i + 2];
	}
	if (!vh_pages_parse((struct vh_str){vh_buf_str(&b), b.len}, &view, &why))
		return 0;
	vh_cpus_parse(view.registers, cpus, VH_ARRAY_SIZE(cpus));
	struct vh_memory *m = vh_memory_of_pages(view.gpa, view.n, view.data);
	struct vh_run run;
	uint8_t page[4096];
	vh_gpa at = {0};

	while (vh_memory_next(m, at, 1 << 20, &run)) {
		vh_memory_read(m, run.gpa, page, VH_MIN(run.bytes, sizeof(page)));
		at.a = run.gpa.a + run.bytes;
	}
	vh_memory_free(m);
	vh_pages_view_free(&view);
	return 0;
}
