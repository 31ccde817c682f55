/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory of pages that were kept: of a case file, or of a test. */
#include <errno.h>

#include "guest/memory.h"

struct pages {
	vh_gpa *gpa;
	size_t n;
	const uint8_t *data;
};

/* Index of the first page at or behind an address. */
static size_t place(const struct pages *p, uint64_t gpa)
{
	size_t low = 0, high = p->n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (p->gpa[middle].a < gpa)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int pages_read(void *self, vh_gpa gpa, void *to, size_t n)
{
	const struct pages *p = self;
	uint8_t *out = to;

	while (n) {
		uint64_t page = gpa.a & ~(VH_GUEST_PAGE - 1), skip = gpa.a - page;
		size_t part = VH_MIN((size_t)(VH_GUEST_PAGE - skip), n), at = place(p, page);

		if (at == p->n || p->gpa[at].a != page)
			return -ENODATA;
		memcpy(out, p->data + at * VH_GUEST_PAGE + skip, part);
		out += part;
		n -= part;
		gpa.a += part;
	}
	return 0;
}

static bool pages_next(void *self, vh_gpa gpa, uint64_t most, struct vh_run *run)
{
	const struct pages *p = self;
	size_t at = place(p, gpa.a & ~(VH_GUEST_PAGE - 1));

	if (at == p->n)
		return false;
	*run = (struct vh_run){.gpa = p->gpa[at]};
	while (at < p->n && run->bytes + VH_GUEST_PAGE <= most &&
		p->gpa[at].a == run->gpa.a + run->bytes) {
		run->bytes += VH_GUEST_PAGE;
		at++;
	}
	return run->bytes > 0;
}

static void pages_free(void *self)
{
	struct pages *p = self;

	free(p->gpa);
	free(p);
}

/* One piece of RAM a run of pages, as many as are possible; what lies behind them is not RAM. */
static size_t ram_of_pages(const vh_gpa *gpa, size_t n, struct vh_ram *ram)
{
	size_t pieces = 0;

	for (size_t i = 0; i < n; i++) {
		struct vh_ram *last = pieces ? &ram[pieces - 1] : NULL;

		/* Pages in between that were not kept are absent, not missing RAM. */
		if (last && pieces == VH_MAX_RAM) {
			last->bytes = gpa[i].a + VH_GUEST_PAGE - last->gpa.a;
			continue;
		}
		if (last && last->gpa.a + last->bytes == gpa[i].a)
			last->bytes += VH_GUEST_PAGE;
		else
			ram[pieces++] = (struct vh_ram){.gpa = gpa[i], .bytes = VH_GUEST_PAGE};
	}
	return pieces;
}

struct vh_memory *vh_memory_of_pages(const vh_gpa *gpa, size_t n, const uint8_t *data)
{
	static const struct vh_memory_source source = {pages_read, pages_next, pages_free};
	struct pages *p = vh_alloc(sizeof(*p));
	struct vh_ram ram[VH_MAX_RAM];

	/* What is not aligned or not ascending would be found nowhere: it ends the list. */
	while (p->n < n && gpa[p->n].a % VH_GUEST_PAGE == 0 &&
		gpa[p->n].a <= UINT64_MAX - VH_GUEST_PAGE &&
		(!p->n || gpa[p->n].a > gpa[p->n - 1].a))
		p->n++;
	p->gpa = vh_alloc((p->n + 1) * sizeof(*p->gpa));
	if (p->n)
		memcpy(p->gpa, gpa, p->n * sizeof(*p->gpa));
	p->data = data;
	return vh_memory_new(&source, p, ram, ram_of_pages(gpa, p->n, ram));
}
