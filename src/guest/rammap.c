/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/rammap.h"

/* Memory that is mapped like RAM and holds nothing of a system: a graphic card's, flash, option
 * ROMs, tables for the firmware. By parts of their regions' names (QEMU 2.5 to 10.1). */
static bool is_device_memory(const char *name)
{
	static const char *const parts[] = {
		"vga", "vram", "qxl", "bios", "flash", ".rom", "rom@", "acpi", "tseg", "smram"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(parts); i++)
		if (strstr(name, parts[i]))
			return true;
	return false;
}

static bool has_ram(const struct vh_region_list *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->rows[i].kind == VH_REGION_RAM && vh_streq(l->rows[i].name, name))
			return true;
	return false;
}

/* Of read-only memory only what shows a part of the RAM: BIOS and option ROMs that the firmware
 * copied there. */
static bool is_ram(const struct vh_region_list *l, const struct vh_region *r)
{
	if (r->disabled || r->last < r->first || is_device_memory(r->name))
		return false;
	return r->kind == VH_REGION_RAM ||
	       (r->kind == VH_REGION_ROM && r->last < 1 << 20 && has_ram(l, r->name));
}

void vh_rammap_of_mtree(struct vh_rammap *map, const struct vh_mtree *t)
{
	const struct vh_region_list *l = vh_mtree_list(t, "memory");

	*map = (struct vh_rammap){0};
	for (size_t i = 0; l && i < l->n && map->n < VH_MAX_RAM; i++) {
		const struct vh_region *r = &l->rows[i];
		struct vh_ram_piece *last = map->n ? &map->pieces[map->n - 1] : NULL;

		if (!is_ram(l, r) || r->last - r->first == UINT64_MAX)
			continue;
		uint64_t bytes = r->last - r->first + 1;

		if (last && vh_streq(last->block, r->name) &&
			last->ram.gpa.a + last->ram.bytes == r->first &&
			last->offset + last->ram.bytes == r->offset) {
			last->ram.bytes += bytes;
			continue;
		}
		VH_PUSH(map->pieces, map->n) = (struct vh_ram_piece){
			.ram = {.gpa = {r->first}, .bytes = bytes},
			.block = vh_strdup(r->name),
			.offset = r->offset,
		};
	}
}

void vh_rammap_free(struct vh_rammap *map)
{
	for (size_t i = 0; i < map->n; i++)
		free(map->pieces[i].block);
	free(map->pieces);
	*map = (struct vh_rammap){0};
}

bool vh_rammap_unknown(const struct vh_rammap *map, size_t *i)
{
	while (*i < map->n && map->pieces[*i].known)
		(*i)++;
	return *i < map->n;
}

void vh_rammap_answer(struct vh_rammap *map, size_t i, vh_hva hva)
{
	const struct vh_ram_piece asked = map->pieces[i];

	for (size_t k = 0; k < map->n; k++) {
		struct vh_ram_piece *p = &map->pieces[k];

		if (!vh_streq(p->block, asked.block))
			continue;
		/* Modulo 2^64: a piece may lie before the one that was asked for. */
		p->ram.hva.a = hva.a + (p->offset - asked.offset);
		p->known = true;
	}
}

size_t vh_rammap_take(const struct vh_rammap *map, struct vh_ram *out, size_t most)
{
	size_t n = 0;

	for (size_t i = 0; i < map->n && n < most; i++)
		if (map->pieces[i].known)
			out[n++] = map->pieces[i].ram;
	return n;
}

bool vh_rammap_hva(struct vh_str answer, vh_hva *hva)
{
	struct vh_str word;
	ssize_t at = vh_str_find(answer, " is 0x");

	if (at < 0)
		return false;
	answer.s += at + strlen(" is 0x");
	answer.n -= (size_t)at + strlen(" is 0x");
	return vh_next_word(&answer, &word) && vh_parse_u64(word, 16, &hva->a);
}

/* --- Without a monitor ------------------------------------------------------------------------
 */

#define MAX_MAPPINGS 65536u
#define MAX_BLOCKS   8u /* that one guess puts together: memory of so many NUMA nodes */
#define FOUR_GIB     (UINT64_C(4) << 30)

struct mapping {
	uint64_t hva, bytes, offset;
	struct vh_str file; /* device and inode; "00:00 0" of anonymous memory */
	bool shared;
};

struct mappings {
	struct mapping *list;
	size_t n;
};

/* "7f0000000000-7f0080000000 rw-p 00000000 00:00 0  /memfd:x (deleted)" */
static bool read_mapping(struct vh_str line, struct mapping *m)
{
	struct vh_str range, rights, first, offset, device, inode;
	uint64_t end;

	if (!vh_next_word(&line, &range) || !vh_next_word(&line, &rights) ||
		!vh_str_starts(rights, "rw-") || !vh_next_word(&line, &offset) ||
		!vh_next_word(&line, &device) || !vh_next_word(&line, &inode) ||
		!vh_next_part(&range, '-', &first) || !vh_parse_u64(first, 16, &m->hva) ||
		!vh_parse_u64(range, 16, &end) || !vh_parse_u64(offset, 16, &m->offset) ||
		end <= m->hva)
		return false;
	m->bytes = end - m->hva;
	m->shared = rights.n > 3 && rights.s[3] == 's';
	m->file = (struct vh_str){device.s, (size_t)(inode.s + inode.n - device.s)};
	return true;
}

static int largest_first(const void *a, const void *b)
{
	const struct mapping *x = a, *y = b;

	/* Of two alike the one at the higher address was made first: mmap goes downwards. */
	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return (x->hva < y->hva) - (x->hva > y->hva);
}

/* Two pieces of one mapping, whose flags differ (madvise, mbind). Anonymous ones may be neighbours
 * by chance. */
static bool continues(const struct mapping *a, const struct mapping *b)
{
	bool anonymous = vh_str_is(b->file, "00:00 0");

	return a->hva + a->bytes == b->hva && a->shared == b->shared && a->file.n == b->file.n &&
	       memcmp(a->file.s, b->file.s, a->file.n) == 0 &&
	       (anonymous || a->offset + a->bytes == b->offset);
}

/* Mappings that can hold RAM, the largest first; with their pieces put together or as they are. */
static void read_mappings(struct vh_str maps, bool joined, struct mappings *out)
{
	struct vh_str line;

	*out = (struct mappings){0};
	while (out->n < MAX_MAPPINGS && vh_next_line(&maps, &line)) {
		struct mapping m, *last = out->n ? &out->list[out->n - 1] : NULL;

		if (!read_mapping(line, &m))
			continue;
		if (joined && last && continues(last, &m))
			last->bytes += m.bytes;
		else
			VH_PUSH(out->list, out->n) = m;
	}
	if (out->n)
		qsort(out->list, out->n, sizeof(*out->list), largest_first);
}

/* How much of the memory lies below 4 GiB (QEMU hw/i386/pc_piix.c, pc_q35.c, microvm.c: 3.5 or
 * 2.75 GiB as long as all of it fits there, else 3 or 2). The nth possibility; false: no more. */
static bool low_part(uint64_t memory, const char *machine, unsigned nth, uint64_t *low)
{
	static const uint64_t holes[] = {
		0xc0000000, 0x80000000, 0xe0000000, 0xb0000000, 0x40000000};
	bool is_q35 = machine && strstr(machine, "q35");
	uint64_t likely = is_q35 ? (memory >= 0xb0000000 ? 0x80000000 : 0xb0000000)
				 : (memory >= 0xe0000000 ? 0xc0000000 : 0xe0000000);

	if (nth == 0) {
		*low = VH_MIN(memory, likely);
		return true;
	}
	for (size_t i = 0; i < VH_ARRAY_SIZE(holes); i++) {
		/* One that is larger than the memory is no other possibility. */
		if (holes[i] == likely || (holes[i] >= memory && likely >= memory))
			continue;
		if (--nth == 0) {
			*low = VH_MIN(memory, holes[i]);
			return true;
		}
	}
	return false;
}

/* Blocks that follow each other in the guest, cut at the hole. */
static size_t lay_out(const struct mapping *blocks, size_t n_blocks, uint64_t low,
	struct vh_ram *out, size_t most)
{
	uint64_t at = 0; /* in the guest's memory, without its hole */
	size_t n = 0;

	for (size_t i = 0; i < n_blocks; i++) {
		uint64_t done = 0;

		while (done < blocks[i].bytes && n < most) {
			uint64_t left = blocks[i].bytes - done;
			uint64_t part = at < low ? VH_MIN(left, low - at) : left;

			out[n++] = (struct vh_ram){
				.gpa = {at < low ? at : FOUR_GIB + (at - low)},
				.bytes = part,
				.hva = {blocks[i].hva + done},
			};
			done += part;
			at += part;
		}
	}
	return n;
}

static size_t count_alike(const struct mappings *m, uint64_t memory)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++)
		n += m->list[i].bytes == memory;
	return n;
}

/* The largest that are as large as the memory together: how many, 0 where none are. */
static size_t add_up(const struct mappings *m, uint64_t memory, struct mapping *blocks)
{
	uint64_t sum = 0;
	size_t n = 0;

	for (size_t i = 0; i < m->n && n < MAX_BLOCKS && sum < memory; i++)
		if (m->list[i].bytes <= memory - sum) {
			sum += m->list[i].bytes;
			blocks[n++] = m->list[i];
		}
	return sum == memory && memory ? n : 0;
}

/* The nth choice of mappings that are the memory: each that is as large as it; else some that are
 * so together; last the largest alone. How many, 0: no more. */
static size_t choose(
	const struct mappings *m, uint64_t memory, unsigned nth, struct mapping *blocks)
{
	size_t alike = count_alike(m, memory), n;

	if (nth < alike) {
		for (size_t i = 0; i < m->n; i++)
			if (m->list[i].bytes == memory && nth-- == 0)
				blocks[0] = m->list[i];
		return 1;
	}
	n = alike ? 0 : add_up(m, memory, blocks);
	if (nth == alike && n)
		return n;
	if (alike || nth > (n ? 1 : 0) || !m->n)
		return 0;
	blocks[0] = m->list[0];
	return 1;
}

size_t vh_rammap_guess(struct vh_str maps, uint64_t memory_bytes, const char *machine, unsigned nth,
	struct vh_ram *out, size_t most)
{
	struct mappings m;
	struct mapping blocks[MAX_BLOCKS];
	uint64_t low, memory = memory_bytes;
	unsigned holes = 0, choices = 0;
	size_t n = 0;

	read_mappings(maps, false, &m);
	if (!count_alike(&m, memory)) {
		free(m.list);
		read_mappings(maps, true, &m);
	}
	if (!memory && m.n)
		memory = m.list[0].bytes;
	while (low_part(memory, machine, holes, &low))
		holes++;
	while (choose(&m, memory, choices, blocks))
		choices++;
	/* All choices with the likeliest hole, then with others. */
	if (choices && nth < choices * holes && low_part(memory, machine, nth / choices, &low))
		n = lay_out(blocks, choose(&m, memory, nth % choices, blocks), low, out, most);
	free(m.list);
	return n;
}
