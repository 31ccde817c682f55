/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a guest's RAM is: by the memory tree, and guessed from a process's mappings. */
#include "guest/rammap.h"

#include "tests/unit/test.h"

/* QEMU 7.2, -machine pc -m 5G -vga std. */
static const char pc_tree[] =
	"FlatView #0\r\n"
	" AS \"memory\", root: system\r\n"
	" AS \"cpu-memory-0\", root: system\r\n"
	" Root memory region: system\r\n"
	"  0000000000000000-000000000009ffff (prio 0, ram): pc.ram\r\n"
	"  00000000000a0000-00000000000bffff (prio 1, i/o): vga-lowmem\r\n"
	"  00000000000c0000-00000000000c9fff (prio 0, rom): pc.ram @00000000000c0000\r\n"
	"  00000000000ca000-00000000000effff (prio 0, ram): pc.ram @00000000000ca000\r\n"
	"  00000000000f0000-00000000000fffff (prio 0, rom): pc.ram @00000000000f0000\r\n"
	"  0000000000100000-00000000bfffffff (prio 0, ram): pc.ram @0000000000100000\r\n"
	"  00000000e0000000-00000000e0000fff (prio 1, ramd): 0000:01:00.0 BAR 0 mmaps[0]\r\n"
	"  00000000fd000000-00000000fdffffff (prio 1, ram): vga.vram\r\n"
	"  00000000fec00000-00000000fec00fff (prio 0, i/o): ioapic\r\n"
	"  00000000fffc0000-00000000ffffffff (prio 0, rom): pc.bios\r\n"
	"  0000000100000000-000000017fffffff (prio 0, ram): pc.ram @00000000c0000000\r\n"
	"\r\n"
	"FlatView #1\r\n"
	" AS \"I/O\", root: io\r\n"
	" Root memory region: io\r\n"
	"  0000000000000000-0000000000000007 (prio 0, i/o): dma-chan\r\n";

static struct vh_rammap map_of(const char *text)
{
	struct vh_mtree t = {0};
	struct vh_rammap map;

	vh_mtree_parse(&t, vh_str(text));
	vh_rammap_of_mtree(&map, &t);
	vh_mtree_free(&t);
	return map;
}

static void the_ram_of_a_pc(void **state VH_UNUSED)
{
	struct vh_rammap map = map_of(pc_tree);
	struct vh_ram ram[8];
	size_t i = 0;

	/* The shadowed ROMs are RAM; the screen, the flash and a passed-through device are not. */
	assert_int_equal(map.n, 3);
	assert_true(vh_rammap_unknown(&map, &i));
	assert_int_equal(i, 0);
	vh_rammap_answer(&map, i, (vh_hva){0x7f0000000000});
	/* One answer is for the whole block. */
	assert_false(vh_rammap_unknown(&map, &i));
	assert_int_equal(vh_rammap_take(&map, ram, 8), 3);
	assert_int_equal(ram[0].gpa.a, 0);
	assert_int_equal(ram[0].bytes, 0xa0000);
	assert_int_equal(ram[1].gpa.a, 0xc0000);
	assert_int_equal(ram[1].bytes, 0xc0000000 - 0xc0000);
	assert_int_equal(ram[1].hva.a, 0x7f00000c0000);
	assert_int_equal(ram[2].gpa.a, 0x100000000);
	assert_int_equal(ram[2].bytes, 0x80000000);
	assert_int_equal(ram[2].hva.a, 0x7f00c0000000);
	vh_rammap_free(&map);
}

static void several_blocks(void **state VH_UNUSED)
{
	struct vh_rammap map = map_of(
		"FlatView #2\n AS \"memory\", root: system\n Root memory region: system\n"
		"  0000000000000000-000000003fffffff (prio 0, ram): ram-node0\n"
		"  0000000040000000-000000007fffffff (prio 0, ram): ram-node1\n"
		"  0000000100000000-000000013fffffff (prio 0, ram): ram-node1 @0000000040000000\n"
		"  0000000140000000-000000014fffffff (prio 0, nv-ram): dimm\n");
	struct vh_ram ram[8];
	size_t i = 0;

	assert_int_equal(map.n, 4);
	/* The second answer stays out. */
	vh_rammap_answer(&map, 0, (vh_hva){0x1000});
	assert_true(vh_rammap_unknown(&map, &i));
	assert_int_equal(i, 1);
	vh_rammap_answer(&map, 2, (vh_hva){0x7f0040000000});
	assert_int_equal(vh_rammap_take(&map, ram, 8), 3);
	assert_int_equal(ram[1].hva.a, 0x7f0000000000);
	assert_int_equal(vh_rammap_take(&map, ram, 1), 1);
	i = 0;
	assert_true(vh_rammap_unknown(&map, &i));
	assert_int_equal(i, 3);
	vh_rammap_free(&map);
}

static void trees_that_are_none(void **state VH_UNUSED)
{
	static const char *const texts[] = {"", "FlatView #0\n", "garbage\n\n: (prio 0, ram): x",
		"FlatView #0\n AS \"I/O\", root: io\n Root memory region: io\n"
		"  0000000000000000-0000000000000fff (prio 0, ram): pc.ram\n",
		"FlatView #0\n AS \"memory\", root: system\n Root memory region: system\n"
		"  0000000000000000-ffffffffffffffff (prio 0, ram): all\n",
		/* Only ROM, and none of RAM. */
		"FlatView #0\n AS \"memory\", root: system\n Root memory region: system\n"
		"  0000000000000000-0000000000000fff (prio 0, rom): x\n"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(texts); i++) {
		struct vh_rammap map = map_of(texts[i]);

		assert_int_equal(map.n, 0);
		vh_rammap_free(&map);
	}
}

static void answers_of_gpa2hva(void **state VH_UNUSED)
{
	vh_hva hva = {0};

	assert_true(vh_rammap_hva(
		vh_str("Host virtual address for 0x0 (pc.ram) is 0x7fd43fe00000\r\n"), &hva));
	assert_int_equal(hva.a, 0x7fd43fe00000);
	assert_false(vh_rammap_hva(vh_str("Memory at address 0xa0000 is not RAM\r\n"), &hva));
	assert_false(vh_rammap_hva(vh_str("No memory is mapped at address 0x0\r\n"), &hva));
	assert_false(vh_rammap_hva(vh_str("is 0x"), &hva));
	assert_false(vh_rammap_hva(vh_str(""), &hva));
}

/* --- Without a monitor ------------------------------------------------------------------------
 */

#define CODE                                                                                       \
	"556000000000-556001000000 r-xp 00000000 fe:00 123 /usr/bin/qemu-system-x86_64\n"          \
	"7e0000000000-7e0100000000 rwxp 00000000 00:00 0 \n"

static void one_block(void **state VH_UNUSED)
{
	static const char maps[] = CODE "7f0000000000-7f0080000000 rw-p 00000000 00:00 0 \n"
					"7f0080000000-7f0080001000 ---p 00000000 00:00 0 \n"
					"7f1000000000-7f1008000000 rw-p 00000000 00:00 0 \n";
	struct vh_ram ram[4];

	assert_int_equal(vh_rammap_guess(vh_str(maps), 0x80000000, "pc", 0, ram, 4), 1);
	assert_int_equal(ram[0].gpa.a, 0);
	assert_int_equal(ram[0].hva.a, 0x7f0000000000);
	assert_int_equal(ram[0].bytes, 0x80000000);
	/* With a hole that is lower than usual. */
	assert_int_equal(vh_rammap_guess(vh_str(maps), 0x80000000, "pc", 1, ram, 4), 2);
	assert_int_equal(ram[1].gpa.a, 0x100000000);
	assert_int_equal(vh_rammap_guess(vh_str(maps), 0x80000000, "pc", 99, ram, 4), 0);
}

/* A neighbour that is none of it, as a thread's stack below the memory. */
static void neighbours(void **state VH_UNUSED)
{
	static const char maps[] = CODE "7effff800000-7f0000000000 rw-p 00000000 00:00 0 \n"
					"7f0000000000-7f0040000000 rw-s 00000000 00:01 77 /memfd:m "
					"(deleted)\n"
					"7f0040000000-7f0040800000 rw-p 00000000 00:00 0 \n";
	struct vh_ram ram[4];

	assert_int_equal(vh_rammap_guess(vh_str(maps), 0x40000000, "q35", 0, ram, 4), 1);
	assert_int_equal(ram[0].hva.a, 0x7f0000000000);
	assert_int_equal(ram[0].bytes, 0x40000000);
}

/* Pieces of one mapping whose flags differ. */
static void pieces(void **state VH_UNUSED)
{
	static const char maps[] =
		CODE "7f0000000000-7f0010000000 rw-s 00000000 00:01 77 /memfd:m (deleted)\n"
		     "7f0010000000-7f0040000000 rw-s 10000000 00:01 77 /memfd:m (deleted)\n"
		     "7f0040000000-7f0050000000 rw-s 00000000 00:01 77 /memfd:m (deleted)\n";
	struct vh_ram ram[4];

	assert_int_equal(vh_rammap_guess(vh_str(maps), 0x40000000, "q35", 0, ram, 4), 1);
	assert_int_equal(ram[0].hva.a, 0x7f0000000000);
	assert_int_equal(ram[0].bytes, 0x40000000);
}

/* i440fx: 3.5 GiB below the hole as long as all fits, else 3; q35: 2.75, else 2. */
static void holes(void **state VH_UNUSED)
{
	static const struct {
		const char *machine;
		uint64_t memory, low;
	} rows[] = {
		{"pc-i440fx-7.2", 0xc8000000, 0xc8000000},
		{"pc-i440fx-7.2", 0x100000000, 0xc0000000},
		{"pc", 0xe0000000, 0xc0000000},
		{"q35", 0xa0000000, 0xa0000000},
		{"pc-q35-8.0", 0x100000000, 0x80000000},
		{"q35", 0xb0000000, 0x80000000},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		vh_auto_free char *maps = vh_asprintf("7e0000000000-%llx rw-p 00000000 00:00 0 \n",
			0x7e0000000000 + (unsigned long long)rows[i].memory);
		struct vh_ram ram[4];
		size_t n =
			vh_rammap_guess(vh_str(maps), rows[i].memory, rows[i].machine, 0, ram, 4);

		assert_int_equal(n, rows[i].low < rows[i].memory ? 2 : 1);
		assert_int_equal(ram[0].bytes, rows[i].low);
		if (n < 2)
			continue;
		assert_int_equal(ram[1].gpa.a, 0x100000000);
		assert_int_equal(ram[1].bytes, rows[i].memory - rows[i].low);
		assert_int_equal(ram[1].hva.a, 0x7e0000000000 + rows[i].low);
	}
}

/* Two nodes of one size: the first was mapped above the second. */
static void numa_nodes(void **state VH_UNUSED)
{
	static const char maps[] = CODE "7f0000000000-7f0080000000 rw-p 00000000 00:00 0 \n"
					"7f0080001000-7f0100001000 rw-p 00000000 00:00 0 \n"
					"7f2000000000-7f2001000000 rw-p 00000000 00:00 0 \n";
	struct vh_ram ram[4];

	assert_int_equal(vh_rammap_guess(vh_str(maps), 0x100000000, "pc", 0, ram, 4), 3);
	assert_int_equal(ram[0].hva.a, 0x7f0080001000);
	assert_int_equal(ram[1].gpa.a, 0x80000000);
	assert_int_equal(ram[1].hva.a, 0x7f0000000000);
	assert_int_equal(ram[1].bytes, 0x40000000);
	assert_int_equal(ram[2].gpa.a, 0x100000000);
	assert_int_equal(ram[2].hva.a, 0x7f0040000000);
}

static void lists_that_tell_nothing(void **state VH_UNUSED)
{
	struct vh_ram ram[4];

	assert_int_equal(vh_rammap_guess(vh_str(""), 0x80000000, "pc", 0, ram, 4), 0);
	assert_int_equal(
		vh_rammap_guess(vh_str("x\n-- rw-p\n7-3 rw-p 0 0 0\n"), 0, NULL, 0, ram, 4), 0);
	/* Nothing is known of its size: the largest. */
	assert_int_equal(vh_rammap_guess(vh_str("1000-3000 rw-p 00000000 00:00 0 \n"
						"10000-20000 rw-p 00000000 00:00 0 \n"),
				 0, NULL, 0, ram, 4),
		1);
	assert_int_equal(ram[0].bytes, 0x10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ram_of_a_pc),
		cmocka_unit_test(several_blocks),
		cmocka_unit_test(trees_that_are_none),
		cmocka_unit_test(answers_of_gpa2hva),
		cmocka_unit_test(one_block),
		cmocka_unit_test(neighbours),
		cmocka_unit_test(pieces),
		cmocka_unit_test(holes),
		cmocka_unit_test(numa_nodes),
		cmocka_unit_test(lists_that_tell_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
