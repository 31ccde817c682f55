/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest's memory in an ELF core: its program headers are its pieces of RAM. A filter
 * (makedumpfile -E) makes many of them, each with what it left out of the memory behind its bytes
 * in the file (p_memsz above p_filesz).
 */
#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>

#include "guest/dump.h"

#define MAX_SEGMENTS 65536u

struct segment {
	uint64_t gpa, bytes, offset; /* bytes: in the file */
	uint64_t ram;                /* bytes of memory: what is more than those was left out */
};

struct core {
	int fd;
	struct segment *segments; /* by address */
	size_t n;
	uint64_t left_out; /* pages */
	bool too_many;     /* segments */
	bool cut_short;    /* the file ends before a segment does */
};

enum vh_dump_kind vh_dump_kind_of(const void *head, size_t n)
{
	const unsigned char *b = head;

	/* e_type: ET_CORE, in either byte order. */
	if (n >= EI_NIDENT + 2 && memcmp(b, ELFMAG, SELFMAG) == 0 &&
		b[EI_NIDENT] + b[EI_NIDENT + 1] == ET_CORE)
		return VH_DUMP_ELF;
	/* makedumpfile diskdump_mod.h; the flattened form is what QEMU writes. */
	if (n >= 8 && memcmp(b, "KDUMP   ", 8) == 0)
		return VH_DUMP_KDUMP;
	if (n >= 12 && memcmp(b, "makedumpfile", 12) == 0)
		return VH_DUMP_KDUMP;
	return VH_DUMP_NONE;
}

void vh_dump_free(struct vh_dump *d)
{
	vh_memory_free(d->memory);
	free(d->cpus);
	free(d->why);
	free(d->note);
	*d = (struct vh_dump){0};
}

char *vh_dump_note(uint64_t left_out, uint64_t in_dump, const char *trouble)
{
	vh_auto_buf struct vh_buf b = {0};

	if (left_out)
		vh_buf_printf(&b,
			"the dump leaves out %" PRIu64 " of the guest's %" PRIu64 " pages",
			left_out, left_out + in_dump);
	if (trouble)
		vh_buf_printf(&b, "%s%s", b.len ? "; " : "", trouble);
	return b.len ? vh_strdup(vh_buf_str(&b)) : NULL;
}

/* How many begin at or before it. */
static size_t segments_up_to(const struct core *c, uint64_t gpa)
{
	size_t low = 0, high = c->n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (c->segments[middle].gpa <= gpa)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* A piece of RAM may be of several segments. */
static int core_read(void *self, vh_gpa gpa, void *to, size_t n)
{
	const struct core *c = self;
	uint8_t *out = to;

	while (n) {
		size_t i = segments_up_to(c, gpa.a);
		const struct segment *s = i ? &c->segments[i - 1] : NULL;
		uint64_t within = s ? gpa.a - s->gpa : 0;

		if (!s || within >= s->bytes)
			return -ENODATA;
		size_t part = (size_t)VH_MIN(s->bytes - within, (uint64_t)n);
		int err = vh_read_at(c->fd, s->offset + within, out, part);

		if (err)
			return err;
		out += part;
		n -= part;
		gpa.a += part;
	}
	return 0;
}

static bool core_next(void *self, vh_gpa gpa, uint64_t most, struct vh_run *run)
{
	const struct core *c = self;
	uint64_t page = gpa.a & ~(VH_GUEST_PAGE - 1);
	size_t i = segments_up_to(c, page);

	if (i && page - c->segments[i - 1].gpa >= c->segments[i - 1].bytes)
		i++;
	else if (!i)
		i = 1;
	if (i > c->n)
		return false;
	const struct segment *s = &c->segments[i - 1];

	run->gpa.a = VH_MAX(page, s->gpa);
	run->bytes = VH_MIN(most, s->bytes - (run->gpa.a - s->gpa)) & ~(VH_GUEST_PAGE - 1);
	return run->bytes > 0;
}

static void core_free(void *self)
{
	struct core *c = self;

	free(c->segments);
	free(c);
}

static void take_segment(struct core *c, const Elf64_Phdr *p)
{
	uint64_t end, ram = VH_MAX(p->p_memsz, p->p_filesz);
	uint8_t last;

	/* What is not a number of whole pages is cut to it. */
	if (ram < VH_GUEST_PAGE || p->p_paddr % VH_GUEST_PAGE ||
		__builtin_add_overflow(p->p_paddr, ram, &end) ||
		__builtin_add_overflow(p->p_offset, p->p_filesz, &end) || end > INT64_MAX)
		return;
	struct segment s = {.gpa = p->p_paddr,
		.bytes = p->p_filesz & ~(VH_GUEST_PAGE - 1),
		.offset = p->p_offset,
		.ram = ram & ~(VH_GUEST_PAGE - 1)};

	c->left_out += (s.ram - s.bytes) / VH_GUEST_PAGE;
	if (!s.bytes)
		return;
	if (vh_read_at(c->fd, s.offset + s.bytes - 1, &last, 1))
		c->cut_short = true;
	VH_PUSH(c->segments, c->n) = s;
}

static void take_notes(int fd, const Elf64_Phdr *p, struct vh_dump *out)
{
	size_t n = (size_t)VH_MIN(p->p_filesz, (uint64_t)VH_DUMP_MAX_NOTES);
	vh_auto_free uint8_t *notes = NULL;

	if (out->n_cpus)
		return;
	/* As much as is there: a length that lies costs no memory. */
	while (n && !notes) {
		uint8_t last;

		if (p->p_offset > INT64_MAX - n || vh_read_at(fd, p->p_offset + n - 1, &last, 1))
			n /= 2;
		else
			notes = vh_alloc(n);
	}
	if (notes && !vh_read_at(fd, p->p_offset, notes, n))
		vh_dump_take_notes(notes, n, out);
}

static const char *objection(const Elf64_Ehdr *h)
{
	if (memcmp(h->e_ident, ELFMAG, SELFMAG) != 0 || h->e_type != ET_CORE)
		return "it is no ELF core";
	if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB)
		return "it is of a guest that is not a 64-bit little-endian one";
	if (h->e_machine != EM_X86_64)
		return "it is of a guest that is not an x86-64 one";
	if (h->e_phentsize != sizeof(Elf64_Phdr))
		return "its program headers have a size of their own";
	return NULL;
}

/* 65535 or more are told by the first section header (gABI, PN_XNUM). */
static uint32_t count_segments(int fd, const Elf64_Ehdr *h)
{
	Elf64_Shdr first;

	if (h->e_phnum != PN_XNUM)
		return h->e_phnum;
	return vh_read_at(fd, h->e_shoff, &first, sizeof(first)) ? 0 : first.sh_info;
}

static void take_all(struct core *c, const Elf64_Ehdr *h, struct vh_dump *out)
{
	uint32_t all = count_segments(c->fd, h), n = VH_MIN(all, MAX_SEGMENTS);

	c->too_many = n < all;
	for (uint32_t i = 0; i < n; i++) {
		Elf64_Phdr p;

		if (h->e_phoff > INT64_MAX - (uint64_t)n * sizeof(p) ||
			vh_read_at(c->fd, h->e_phoff + i * sizeof(p), &p, sizeof(p)))
			return;
		if (p.p_type == PT_LOAD)
			take_segment(c, &p);
		else if (p.p_type == PT_NOTE)
			take_notes(c->fd, &p, out);
	}
}

static int by_address(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;

	if (x->gpa != y->gpa)
		return x->gpa < y->gpa ? -1 : 1;
	return (x->offset > y->offset) - (x->offset < y->offset);
}

/* Of two that overlap the one that begins later has what both claim: nobody writes such. */
static void sort_segments(struct core *c)
{
	size_t n = 0;

	qsort(c->segments, c->n, sizeof(*c->segments), by_address);
	for (size_t i = 0; i < c->n; i++) {
		struct segment s = c->segments[i];

		uint64_t room = i + 1 < c->n ? c->segments[i + 1].gpa - s.gpa : s.ram;

		s.bytes = VH_MIN(s.bytes, room);
		s.ram = VH_MIN(s.ram, room);
		if (s.bytes)
			c->segments[n++] = s;
	}
	c->n = n;
}

/* Pieces of RAM, of segments that touch each other: no more than there may be, the last of which
 * reaches to the end. */
static size_t pieces_of(const struct core *c, struct vh_ram *ram)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++) {
		const struct segment *s = &c->segments[i];
		struct vh_ram *last = n ? &ram[n - 1] : NULL;

		if (last && (n == VH_MAX_RAM || last->gpa.a + last->bytes == s->gpa))
			last->bytes = s->gpa + s->ram - last->gpa.a;
		else
			ram[n++] = (struct vh_ram){.gpa = {s->gpa}, .bytes = s->ram};
	}
	return n;
}

void vh_dump_open_elf(int fd, struct vh_dump *out)
{
	static const struct vh_memory_source source = {core_read, core_next, core_free};
	struct vh_ram ram[VH_MAX_RAM];
	uint64_t pages = 0;
	Elf64_Ehdr h;
	const char *no;

	*out = (struct vh_dump){0};
	if (vh_read_at(fd, 0, &h, sizeof(h))) {
		out->why = vh_strdup("the dump is too short");
		return;
	}
	no = objection(&h);
	if (no) {
		out->why = vh_asprintf("the dump cannot be used: %s", no);
		return;
	}
	struct core *c = vh_alloc(sizeof(*c));

	c->fd = fd;
	take_all(c, &h, out);
	if (!c->n) {
		core_free(c);
		out->why = vh_strdup("the dump has no memory in it");
		return;
	}
	sort_segments(c);
	for (size_t i = 0; i < c->n; i++)
		pages += c->segments[i].bytes / VH_GUEST_PAGE;
	out->note = vh_dump_note(c->left_out, pages,
		c->cut_short  ? "the dump is cut short"
		: c->too_many ? "the dump has more segments than are looked at"
			      : NULL);
	out->memory = vh_memory_new(&source, c, ram, pieces_of(c, ram));
}
