/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's memory in an ELF core: its program headers are its pieces of RAM. */
#include <elf.h>
#include <endian.h>
#include <errno.h>

#include "guest/dump.h"

#define MAX_SEGMENTS 65536u /* that are looked at; VH_MAX_RAM of them count */

struct segment {
	uint64_t gpa, bytes, offset;
};

struct core {
	int fd;
	struct segment segments[VH_MAX_RAM]; /* in the order of the file */
	size_t n;
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

static const struct segment *segment_at(const struct core *c, uint64_t gpa)
{
	for (size_t i = 0; i < c->n; i++)
		if (gpa >= c->segments[i].gpa && gpa - c->segments[i].gpa < c->segments[i].bytes)
			return &c->segments[i];
	return NULL;
}

static int core_read(void *self, vh_gpa gpa, void *to, size_t n)
{
	const struct core *c = self;
	const struct segment *s = segment_at(c, gpa.a);
	uint64_t within = s ? gpa.a - s->gpa : 0;

	if (!s || n > s->bytes - within)
		return -EFAULT;
	return vh_read_at(c->fd, s->offset + within, to, n);
}

/* All that is in the file can be read. */
static bool core_next(void *self, vh_gpa gpa, uint64_t most, struct vh_run *run)
{
	const struct core *c = self;
	uint64_t page = gpa.a & ~(VH_GUEST_PAGE - 1);
	const struct segment *s = segment_at(c, page);

	if (!s)
		return false;
	run->gpa.a = page;
	run->bytes = VH_MIN(most, s->bytes - (page - s->gpa)) & ~(VH_GUEST_PAGE - 1);
	return run->bytes > 0;
}

static void take_segment(struct core *c, const Elf64_Phdr *p)
{
	uint64_t end;

	/* What is not a number of whole pages is cut to it. */
	if (c->n == VH_MAX_RAM || p->p_filesz < VH_GUEST_PAGE || p->p_paddr % VH_GUEST_PAGE ||
		__builtin_add_overflow(p->p_paddr, p->p_filesz, &end) ||
		__builtin_add_overflow(p->p_offset, p->p_filesz, &end) || end > INT64_MAX)
		return;
	c->segments[c->n++] =
		(struct segment){p->p_paddr, p->p_filesz & ~(VH_GUEST_PAGE - 1), p->p_offset};
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
	uint32_t n = VH_MIN(count_segments(c->fd, h), MAX_SEGMENTS);

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

void vh_dump_open_elf(int fd, struct vh_dump *out)
{
	static const struct vh_memory_source source = {core_read, core_next, free};
	struct vh_ram ram[VH_MAX_RAM];
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
	for (size_t i = 0; i < c->n; i++)
		ram[i] =
			(struct vh_ram){.gpa = {c->segments[i].gpa}, .bytes = c->segments[i].bytes};
	if (c->n) {
		out->memory = vh_memory_new(&source, c, ram, c->n);
		return;
	}
	free(c);
	out->why = vh_strdup("the dump has no memory in it");
}
