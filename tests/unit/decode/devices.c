/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mtree/: what QEMU 7.2 (pc, a network card net0) and 10.0 (q35, a disk disk0, an xHCI usb) said,
 * firmware having placed their devices: `info mtree`, and `info mtree -f -o`. */
#include "../test.h"

#include <stdio.h>

#include "base/buf.h"
#include "decode/devices.h"
#include "guest/mtree.h"

struct answers {
	struct vh_buf tree, flat;
};

static void load(struct vh_buf *b, const char *name, const char *kind)
{
	const char *root = getenv("VH_SOURCE_ROOT");
	vh_auto_free char *path =
		vh_asprintf("%s/tests/unit/decode/mtree/%s.%s", root ? root : ".", name, kind);
	FILE *f = fopen(path, "re");
	char piece[4096];
	size_t n;

	if (!f)
		fail_msg("%s cannot be read", path);
	*b = (struct vh_buf){0};
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		vh_buf_add(b, piece, n);
	fclose(f);
}

static struct vh_str text(const struct vh_buf *b)
{
	return (struct vh_str){vh_buf_str(b), b->len};
}

struct place {
	bool port;
	uint64_t address;
	const char *device; /* NULL: nothing is known */
};
#define PORTS true
#define MEM   false

static void expect(const struct vh_devices *d, const struct place *places, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		vh_auto_free char *is = places[i].port ? vh_devices_port(d, places[i].address)
						       : vh_devices_address(d, places[i].address);

		if (!is != !places[i].device || (is && strcmp(is, places[i].device) != 0))
			fail_msg("0x%llx is \"%s\", not \"%s\"",
				(unsigned long long)places[i].address, is ? is : "(nothing)",
				places[i].device ? places[i].device : "(nothing)");
	}
}
#define EXPECT(d, places) expect(d, places, VH_ARRAY_SIZE(places))

static void test_old_qemu(void **state VH_UNUSED)
{
	const struct place places[] = {
		{PORTS, 0x3f8, "serial port COM1, serial"},
		{PORTS, 0x402, "firmware debug console, isa-debugcon"},
		{PORTS, 0x40, "timer PIT, kvm-pit"},
		{PORTS, 0x71, "real-time clock, CMOS, rtc"},
		/* It lies over the PCI address port, with a higher priority. */
		{PORTS, 0xcf9, "reset control, piix3-reset-control"},
		{PORTS, 0xcfa, "PCI configuration, address, pci-conf-idx"},
		{PORTS, 0xc01f, "virtio-pci of net0"},
		{PORTS, 0xc020, "piix-bmdma"},
		{PORTS, 0x2f8, "no device"},
		{PORTS, 0x608, "ACPI timer, piix4-pm: acpi-tmr"},
		{MEM, 0xfe003000, "virtio-pci-notify-virtio-net of net0"},
		{MEM, 0xfebd1000, "virtio-net-pci-msix: msix-table of net0"},
		{MEM, 0xfec00010, "I/O APIC, kvm-ioapic"},
		{MEM, 0xfee000b0, "local APIC, EOI"},
		{MEM, 0xfee00310, "local APIC, ICR high word"},
		{MEM, 0xa0000, "VGA memory, vga-lowmem"},
		{MEM, 0x100000, "memory pc.ram"},
		{MEM, 0xffff0000, "read-only memory pc.bios"},
		{MEM, 0xd0000000, "no device"},
	};
	struct answers a;

	load(&a.tree, "qemu-7.2-pc", "mtree");
	load(&a.flat, "qemu-7.2-pc", "flat");
	struct vh_devices *d = vh_devices_parse(text(&a.tree), text(&a.flat));

	EXPECT(d, places);
	vh_devices_free(d);
	vh_buf_free(&a.tree);
	vh_buf_free(&a.flat);
}

static void test_new_qemu(void **state VH_UNUSED)
{
	const struct place places[] = {
		{PORTS, 0x608, "ACPI timer, ich9-pm: acpi-tmr"},
		{PORTS, 0xc000, "virtio-pci of disk0"},
		{PORTS, 0x3f8, "no device"},
		{MEM, 0xfebff000, "virtio-pci-notify-virtio-blk of disk0"},
		{MEM, 0xfebf4440, "xhci: usb3 port #1 of usb"},
		{MEM, 0xfebf7000, "xhci: msix-table of usb"},
		{MEM, 0xfed000f0, "HPET, hpet"},
	};
	struct answers a;

	load(&a.tree, "qemu-10.0-q35", "mtree");
	load(&a.flat, "qemu-10.0-q35", "flat");
	struct vh_devices *d = vh_devices_parse(text(&a.tree), text(&a.flat));

	EXPECT(d, places);
	vh_devices_free(d);
	vh_buf_free(&a.tree);
	vh_buf_free(&a.flat);
}

/* What we find in the tree must be what QEMU itself found when it flattened it. */
static void compare(const char *name, const char *space, size_t least, unsigned containers)
{
	struct answers a;
	struct vh_mtree tree, flat;
	unsigned in_container = 0;

	load(&a.tree, name, "mtree");
	load(&a.flat, name, "flat");
	vh_mtree_parse(&tree, text(&a.tree));
	vh_mtree_parse(&flat, text(&a.flat));
	const struct vh_region_list *l = vh_mtree_list(&tree, space);
	const struct vh_region_list *f = vh_mtree_list(&flat, space);

	assert_non_null(l);
	assert_non_null(f);
	assert_true(f->n >= least);
	for (size_t i = 0; i < f->n; i++) {
		const uint64_t at[] = {f->rows[i].first, f->rows[i].last};

		for (size_t end = 0; end < 2; end++) {
			const struct vh_region *r = vh_mtree_at(&tree, l, at[end]);

			/* A text does not tell whether a container answers by itself: then
			 * we name it, where QEMU may have come out at the root. */
			if (r && strcmp(r->name, f->rows[i].name) != 0 &&
				f->rows[i].offset == f->rows[i].first) {
				in_container++;
				continue;
			}
			if (!r || strcmp(r->name, f->rows[i].name) != 0)
				fail_msg("%s, %s at %llx: %s, not %s", name, space,
					(unsigned long long)at[end], r ? r->name : "nothing",
					f->rows[i].name);
			assert_ptr_equal(vh_mtree_flat_at(f, at[end]), &f->rows[i]);
		}
	}
	assert_int_equal(in_container, containers);
	vh_mtree_free(&tree);
	vh_mtree_free(&flat);
	vh_buf_free(&a.tree);
	vh_buf_free(&a.flat);
}

static void test_tree_agrees_with_flat(void **state VH_UNUSED)
{
	compare("qemu-7.2-pc", "I/O", 80, 3);
	compare("qemu-7.2-pc", "memory", 15, 0);
	compare("qemu-10.0-q35", "I/O", 60, 6);
	compare("qemu-10.0-q35", "memory", 15, 0);
}

static void test_tree_alone(void **state VH_UNUSED)
{
	const struct place places[] = {
		{PORTS, 0x3f8, "serial port COM1, serial"},
		{PORTS, 0xcf9, "reset control, piix3-reset-control"},
		{PORTS, 0xc000, "virtio-pci"},
		{PORTS, 0x9999, "no device"},
		{MEM, 0xfe003000, "virtio-pci-notify-virtio-net"},
	};
	struct answers a;

	load(&a.tree, "qemu-7.2-pc", "mtree");
	struct vh_devices *d =
		vh_devices_parse(text(&a.tree), vh_str("info mtree: unknown option"));

	EXPECT(d, places);
	vh_devices_free(d);
	vh_buf_free(&a.tree);
}

/* As QEMU 2.5 wrote it, before there were flat views. */
static void test_ancient(void **state VH_UNUSED)
{
	const struct place places[] = {
		{PORTS, 0x64, "keyboard controller, command, i8042-cmd"},
		{PORTS, 0x65, "no device"},
		{MEM, 0xfed00000, "HPET, hpet"},
		{MEM, 0x1000, "ram-below-4g"},
	};
	struct vh_devices *d = vh_devices_parse(
		vh_str("address-space: memory\r\n"
		       "  0000000000000000-7ffffffffffffffe (prio 0, RW): system\r\n"
		       "    0000000000000000-0000000007ffffff (prio 0, RW): alias ram-below-4g "
		       "@pc.ram 0000000000000000-0000000007ffffff\r\n"
		       "    00000000fed00000-00000000fed003ff (prio 0, RW): hpet\r\n\r\n"
		       "address-space: I/O\r\n"
		       "  0000000000000000-000000000000ffff (prio 0, RW): io\r\n"
		       "    0000000000000064-0000000000000064 (prio 0, RW): i8042-cmd\r\n"),
		vh_str(""));

	EXPECT(d, places);
	vh_devices_free(d);
}

static void test_fixed(void **state VH_UNUSED)
{
	const struct place places[] = {
		{PORTS, 0x3f8, "serial port COM1"},
		{PORTS, 0x3ff, "serial port COM1"},
		{PORTS, 0x60, "keyboard controller, data"},
		{PORTS, 0x3f6, "IDE channel 1, control"},
		{PORTS, 0x3f5, "floppy controller"},
		{PORTS, 0xcf9, "reset control"},
		{PORTS, 0x80, "POST code port"},
		{PORTS, 0xb008, "ACPI timer"},
		{PORTS, 0x1234, NULL},
		{PORTS, 0x10003f8, NULL},
		{MEM, 0xfee00300, "local APIC, ICR"},
		{MEM, 0xfee00004, "local APIC"},
		{MEM, 0xfee01000, "interrupt messages (MSI)"},
		{MEM, 0xfed40000, "TPM"},
		{MEM, 0xb8000, "VGA memory"},
		{MEM, 0xfffffff0, "firmware flash"},
		{MEM, 0x9000000, NULL},
		{MEM, UINT64_MAX, NULL},
	};

	EXPECT(NULL, places);
	vh_auto_free char *uart = vh_devices_virt_address(NULL, 0x9000018);

	assert_string_equal(uart, "serial port PL011");
	assert_null(vh_devices_virt_address(NULL, 0x40000000));
}

/* The higher priority wins; a container is transparent where nothing in it answers. */
static void test_overlaps(void **state VH_UNUSED)
{
	const struct place places[] = {
		{MEM, 0x1000, "high"},
		{MEM, 0x1800, "box: inner"},
		{MEM, 0x1c00, "low"},
		{MEM, 0x3000, "through"},
		{MEM, 0x4000, "lonely"},
		{MEM, 0x5000, "no device"},
	};
	struct vh_devices *d = vh_devices_parse(
		vh_str("address-space: memory\n"
		       "  0000-ffff (prio 0, i/o): system\n"
		       "    1000-1fff (prio 0, i/o): low\n"
		       "    1000-17ff (prio 7, i/o): high\n"
		       "    1000-1fff (prio 5, i/o): box\n"
		       "      1800-18ff (prio 0, i/o): inner\n"
		       "    1000-1fff (prio 99, i/o): asleep [disabled]\n"
		       "    3000-3fff (prio 1, i/o): alias window @other 0100-10ff\n"
		       "    4000-4fff (prio 0, i/o): lonely\n"
		       "      4800-48ff (prio 0, i/o): register\n"
		       "memory-region: other\n"
		       "  0000-ffff (prio 0, i/o): other\n"
		       "    0100-01ff (prio 0, i/o): through\n"),
		vh_str(""));

	EXPECT(d, places);
	vh_devices_free(d);
}

static void test_hostile(void **state VH_UNUSED)
{
	const struct place places[] = {
		{MEM, 0x10, "bad\\x1b[2J\\xff of \\x07id"},
		{MEM, 0x20, "no device"},
	};
	struct vh_devices *d =
		vh_devices_parse(vh_str(""), vh_str("FlatView #0\n AS \"memory\", root: system\n"
						    "  zz-ff (prio 0, i/o): a\n"
						    "  ff-00 (prio 0, i/o): backwards\n"
						    "  00-ff (prio 99999999999999999999, i/o): b\n"
						    "  10-1f (prio 0, i/o): bad\x1b[2J\xff "
						    "owner:{dev id=\x07id}\n"
						    "  (prio 0, i/o): \n 20-2f (\n-\n owner:{\n"));

	EXPECT(d, places);
	vh_devices_free(d);

	/* Aliases of each other, and a nest deeper than any. */
	struct vh_buf b = {0};

	vh_buf_puts(&b, "address-space: memory\n 0-f (prio 0, i/o): alias a @x 0-f\n"
			"memory-region: x\n 0-f (prio 0, i/o): alias b @memory 0-f\n"
			"address-space: I/O\n");
	for (int i = 0; i < 5000; i++)
		vh_buf_printf(&b, "%*s0-ffff (prio 0, i/o): nest\n", i, "");
	d = vh_devices_parse(text(&b), vh_str(""));
	free(vh_devices_address(d, 3));
	free(vh_devices_port(d, 3));
	vh_devices_free(d);
	vh_buf_free(&b);

	/* More of everything than there is. */
	for (int i = 0; i < 3000; i++)
		vh_buf_printf(&b, " AS \"I/O\", root: io\n  %x-%x (prio 0, i/o): r%d\n", i, i, i);
	for (int i = 0; i < 30000; i++)
		vh_buf_printf(&b, "  %x-%x (prio 0, i/o): r%d\n", i, i, i);
	struct vh_mtree t;

	vh_mtree_parse(&t, text(&b));
	assert_int_equal(t.n, 1024);
	for (size_t i = 0; i < t.n; i++)
		assert_true(t.lists[i].n <= 8192);
	vh_mtree_free(&t);
	vh_buf_free(&b);

	/* One list is not copied for each of a thousand names. */
	for (int i = 0; i < 1000; i++)
		vh_buf_puts(&b, " AS \"memory\", root: system\n");
	for (int i = 0; i < 8000; i++)
		vh_buf_printf(&b, "  %x-%x (prio 0, i/o): r%d\n", i, i, i);
	vh_mtree_parse(&t, text(&b));
	size_t rows = 0;

	for (size_t i = 0; i < t.n; i++)
		rows += t.lists[i].n;
	assert_int_equal(t.n, 1000);
	assert_in_range(rows, 8000, 16000);
	assert_string_equal(vh_mtree_flat_at(vh_mtree_list(&t, "memory"), 0x10)->name, "r16");
	vh_mtree_free(&t);
	vh_buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_old_qemu),
		cmocka_unit_test(test_new_qemu),
		cmocka_unit_test(test_tree_agrees_with_flat),
		cmocka_unit_test(test_tree_alone),
		cmocka_unit_test(test_ancient),
		cmocka_unit_test(test_fixed),
		cmocka_unit_test(test_overlaps),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
