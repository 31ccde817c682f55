/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/memory.h"

#include <errno.h>
#include <json-c/linkhash.h>

#define DEFAULT_BUDGET (UINT64_C(256) << 20)

struct vh_memory {
	struct vh_memory_source source;
	void *self;
	struct vh_ram ram[VH_MAX_RAM]; /* ascending, without overlap */
	size_t n_ram;
	uint64_t budget;
	struct vh_deadline deadline;
	struct vh_memory_use use;
	size_t keep_most;
	vh_gpa *kept; /* in the order of reading */
	uint8_t *kept_data;
	struct lh_table *kept_index; /* by page number + 1 */
	size_t n_kept, kept_room;
};

static int by_gpa(const void *a, const void *b)
{
	const struct vh_ram *x = a, *y = b;

	return (x->gpa.a > y->gpa.a) - (x->gpa.a < y->gpa.a);
}

/* Pieces that are empty, run over the end of the address space or into an earlier one are dropped:
 * the map is as good as who told it. */
static void take_ram(struct vh_memory *m, const struct vh_ram *ram, size_t n)
{
	size_t kept = 0;

	m->n_ram = VH_MIN(n, (size_t)VH_MAX_RAM);
	if (m->n_ram)
		memcpy(m->ram, ram, m->n_ram * sizeof(*ram));
	qsort(m->ram, m->n_ram, sizeof(*m->ram), by_gpa);
	for (size_t i = 0; i < m->n_ram; i++) {
		struct vh_ram r = m->ram[i];
		uint64_t end;

		if (!r.bytes || __builtin_add_overflow(r.gpa.a, r.bytes, &end))
			continue;
		if (kept && m->ram[kept - 1].gpa.a + m->ram[kept - 1].bytes > r.gpa.a)
			continue;
		m->ram[kept++] = r;
	}
	m->n_ram = kept;
}

struct vh_memory *vh_memory_new(
	const struct vh_memory_source *source, void *self, const struct vh_ram *ram, size_t n)
{
	struct vh_memory *m = vh_alloc(sizeof(*m));

	m->source = *source;
	m->self = self;
	m->budget = DEFAULT_BUDGET;
	m->deadline = (struct vh_deadline){INT64_MAX};
	take_ram(m, ram, n);
	return m;
}

void vh_memory_free(struct vh_memory *m)
{
	if (!m)
		return;
	if (m->source.free)
		m->source.free(m->self);
	if (m->kept_index)
		lh_table_free(m->kept_index);
	free(m->kept);
	free(m->kept_data);
	free(m);
}

void vh_memory_set_budget(struct vh_memory *m, uint64_t bytes, struct vh_deadline deadline)
{
	m->budget = bytes;
	m->deadline = deadline;
}

void vh_memory_keep_pages(struct vh_memory *m, size_t most)
{
	m->keep_most = most;
	if (!m->kept_index)
		m->kept_index = lh_kptr_table_new(1024, NULL);
}

struct vh_memory_use vh_memory_used(const struct vh_memory *m)
{
	return m->use;
}

/* The piece of RAM that holds an address, NULL: none. */
static const struct vh_ram *ram_at(const struct vh_memory *m, vh_gpa gpa)
{
	size_t low = 0, high = m->n_ram;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (m->ram[middle].gpa.a <= gpa.a)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || gpa.a - m->ram[low - 1].gpa.a >= m->ram[low - 1].bytes)
		return NULL;
	return &m->ram[low - 1];
}

bool vh_memory_has(const struct vh_memory *m, vh_gpa gpa, uint64_t n)
{
	const struct vh_ram *r = ram_at(m, gpa);

	return r && n <= r->bytes - (gpa.a - r->gpa.a);
}

static void keep_page(struct vh_memory *m, vh_gpa page, const uint8_t *data)
{
	const void *key = (const void *)(uintptr_t)(page.a / VH_GUEST_PAGE + 1);

	if (m->n_kept >= m->keep_most || lh_table_lookup_entry(m->kept_index, key))
		return;
	if (m->n_kept == m->kept_room) {
		m->kept_room = m->kept_room ? 2 * m->kept_room : 256;
		m->kept = vh_realloc_array(m->kept, m->kept_room, sizeof(*m->kept));
		m->kept_data = vh_realloc_array(m->kept_data, m->kept_room, VH_GUEST_PAGE);
	}
	lh_table_insert(m->kept_index, key, key);
	m->kept[m->n_kept] = page;
	memcpy(m->kept_data + m->n_kept * VH_GUEST_PAGE, data, VH_GUEST_PAGE);
	m->n_kept++;
}

struct order {
	vh_gpa gpa;
	size_t at;
};

static int by_page(const void *a, const void *b)
{
	const struct order *x = a, *y = b;

	return (x->gpa.a > y->gpa.a) - (x->gpa.a < y->gpa.a);
}

void vh_memory_take_kept(const struct vh_memory *m, struct vh_pages *out)
{
	struct order *order = vh_alloc((m->n_kept + 1) * sizeof(*order));

	for (size_t i = 0; i < m->n_kept; i++)
		order[i] = (struct order){m->kept[i], i};
	qsort(order, m->n_kept, sizeof(*order), by_page);
	out->n = m->n_kept;
	out->gpa = vh_alloc((m->n_kept + 1) * sizeof(*out->gpa));
	out->data = vh_alloc(m->n_kept * VH_GUEST_PAGE + 1);
	for (size_t i = 0; i < m->n_kept; i++) {
		out->gpa[i] = order[i].gpa;
		memcpy(out->data + i * VH_GUEST_PAGE, m->kept_data + order[i].at * VH_GUEST_PAGE,
			VH_GUEST_PAGE);
	}
	free(order);
}

void vh_pages_free(struct vh_pages *p)
{
	free(p->gpa);
	free(p->data);
	*p = (struct vh_pages){0};
}

/* Whole pages are kept, so what is read while pages are kept is read as whole pages. */
static int read_keeping(struct vh_memory *m, vh_gpa gpa, uint8_t *to, size_t n)
{
	while (n) {
		vh_gpa page = {gpa.a & ~(VH_GUEST_PAGE - 1)};
		size_t skip = (size_t)(gpa.a - page.a), part = VH_MIN(VH_GUEST_PAGE - skip, n);
		uint8_t copy[VH_GUEST_PAGE];
		int err = m->source.read(m->self, page, copy, sizeof(copy));

		if (err)
			return err;
		keep_page(m, page, copy);
		memcpy(to, copy + skip, part);
		to += part;
		n -= part;
		gpa.a += part;
	}
	return 0;
}

static int read_counted(struct vh_memory *m, vh_gpa gpa, void *to, size_t n, bool keep)
{
	int err;

	if (!n)
		return 0;
	if (!vh_memory_has(m, gpa, n))
		return -EFAULT;
	if (m->use.bytes > m->budget || n > m->budget - m->use.bytes) {
		m->use.out_of_bytes = true;
		return -EDQUOT;
	}
	if (m->deadline.at_ns != INT64_MAX && vh_deadline_passed(m->deadline)) {
		m->use.out_of_time = true;
		return -ETIME;
	}
	m->use.bytes += n;
	m->use.reads++;
	err = keep ? read_keeping(m, gpa, to, n) : m->source.read(m->self, gpa, to, n);
	if (err == -ENODATA)
		m->use.absent++;
	return err;
}

int vh_memory_read(struct vh_memory *m, vh_gpa gpa, void *to, size_t n)
{
	return read_counted(m, gpa, to, n, m->keep_most > 0);
}

int vh_memory_glance(struct vh_memory *m, vh_gpa gpa, void *to, size_t n)
{
	return read_counted(m, gpa, to, n, false);
}

bool vh_memory_next(struct vh_memory *m, vh_gpa gpa, uint64_t most, struct vh_run *run)
{
	for (size_t i = 0; i < m->n_ram && most >= VH_GUEST_PAGE; i++) {
		const struct vh_ram *r = &m->ram[i];
		uint64_t end = r->gpa.a + r->bytes;
		vh_gpa from = {VH_MAX(gpa.a, r->gpa.a)};

		if (from.a >= end ||
			!m->source.next(m->self, from, VH_MIN(most, end - from.a), run))
			continue;
		/* A source that knows nothing of RAM may have gone on into the next piece. */
		if (run->gpa.a >= end)
			continue;
		run->bytes = VH_MIN(run->bytes, end - run->gpa.a);
		return true;
	}
	return false;
}
