/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/space.h"

#include <errno.h>
#include <json-c/linkhash.h>

#include "guest/paging.h"

/* A kernel image takes a few dozen tables, the stacks of all its tasks some hundreds. */
#define MAX_TABLES      20000u
#define MAX_TABLE_BYTES (MAX_TABLES * UINT64_C(4096)) /* with 64 KiB pages so is a table */
#define MAX_SWEPT       65536u /* for ranges, of which some may be the same again */
#define PAGE_SHIFT      12u

struct table {
	uint64_t *entries; /* NULL: it could not be read */
	int err;
};

struct vh_space {
	struct vh_memory *m;
	struct vh_root root;
	struct vh_paging_form form;
	struct table *tables;
	size_t n_tables;
	struct lh_table *index; /* of a table's address to its place + 1 */
	uint64_t last_page;     /* the last translation: mostly the next one is of the same */
	struct vh_mapping last;
	bool has_last;
	uint8_t *frozen;
	uint64_t frozen_gva;
	size_t n_frozen;
};

struct vh_root vh_root_of_x86(uint64_t cr3, uint64_t cr4)
{
	return (struct vh_root){
		.paging = cr4 >> 12 & 1 ? VH_PAGING_X86_5 : VH_PAGING_X86_4,
		.table = {cr3 & UINT64_C(0x000ffffffffff000)},
		.page_bits = PAGE_SHIFT,
	};
}

struct vh_space *vh_space_new(struct vh_memory *m, const struct vh_root *root)
{
	struct vh_space *s = vh_alloc(sizeof(*s));

	s->m = m;
	s->root = *root;
	s->form = vh_paging_form(root);
	s->index = lh_kptr_table_new(256, NULL);
	return s;
}

void vh_space_free(struct vh_space *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_tables; i++)
		free(s->tables[i].entries);
	free(s->tables);
	lh_table_free(s->index);
	free(s->frozen);
	free(s);
}

struct vh_memory *vh_space_memory(const struct vh_space *s)
{
	return s->m;
}

const struct vh_root *vh_space_root(const struct vh_space *s)
{
	return &s->root;
}

/* The entries of a table, from the first reading of it. */
static int table_at(struct vh_space *s, vh_gpa gpa, const uint64_t **entries)
{
	const void *key = (const void *)(uintptr_t)(gpa.a + 1);
	struct lh_entry *found = lh_table_lookup_entry(s->index, key);
	size_t bytes = (size_t)s->form.table_bytes;

	if (!found) {
		if (s->n_tables >= VH_MIN(MAX_TABLES, MAX_TABLE_BYTES / bytes))
			return -ELOOP;
		struct table *t = &VH_PUSH(s->tables, s->n_tables);

		t->entries = vh_realloc_array(NULL, bytes, 1);
		t->err = vh_memory_read(s->m, gpa, t->entries, bytes);
		lh_table_insert(s->index, key, (const void *)(uintptr_t)s->n_tables);
		if (t->err) {
			free(t->entries);
			t->entries = NULL;
		}
		*entries = t->entries;
		return t->err;
	}
	const struct table *t = &s->tables[(uintptr_t)lh_entry_v(found) - 1];

	*entries = t->entries;
	return t->err;
}

/* Rights of the levels above, to be narrowed by each. */
static struct vh_mapping widest(void)
{
	return (struct vh_mapping){.writable = true, .executable = true, .user = true};
}

static void narrow(struct vh_mapping *m, const struct vh_paging_entry *e)
{
	m->writable &= e->writable;
	m->executable &= e->executable;
	m->user &= e->user;
}

static int walk(struct vh_space *s, uint64_t gva, struct vh_mapping *out)
{
	vh_gpa at = s->root.table;
	struct vh_mapping m = widest();

	if (!vh_paging_canonical(&s->form, gva))
		return -ENXIO;
	for (unsigned level = s->form.levels; level > 0; level--) {
		const uint64_t *entries;
		unsigned shift = vh_paging_shift(&s->form, level);
		int err = table_at(s, at, &entries);
		struct vh_paging_entry e;

		if (err)
			return err;
		if (!vh_paging_decode(
			    &s->form, level, entries[vh_paging_index(&s->form, level, gva)], &e))
			return -ENXIO;
		narrow(&m, &e);
		if (e.leaf) {
			m.page_bytes = UINT64_C(1) << shift;
			m.gpa.a = (e.gpa.a & ~(m.page_bytes - 1)) | (gva & (m.page_bytes - 1));
			*out = m;
			return 0;
		}
		at = e.gpa;
	}
	return -ENXIO;
}

int vh_space_translate(struct vh_space *s, uint64_t gva, struct vh_mapping *out)
{
	uint64_t page = gva >> PAGE_SHIFT;
	int err;

	if (!s->has_last || s->last_page != page) {
		err = walk(s, page << PAGE_SHIFT, &s->last);
		s->has_last = !err;
		s->last_page = page;
		if (err)
			return err;
	}
	*out = s->last;
	out->gpa.a += gva & (VH_GUEST_PAGE - 1);
	return 0;
}

/* What lies in one page, or in pages that follow each other in physical memory too. */
static int read_piece(struct vh_space *s, uint64_t gva, void *to, size_t n, size_t *done)
{
	struct vh_mapping first, next;
	int err = vh_space_translate(s, gva, &first);
	size_t piece = (size_t)(VH_GUEST_PAGE - (gva & (VH_GUEST_PAGE - 1)));

	if (err)
		return err;
	while (piece < n && !vh_space_translate(s, gva + piece, &next) &&
		next.gpa.a == first.gpa.a + piece)
		piece += VH_GUEST_PAGE;
	*done = VH_MIN(piece, n);
	return vh_memory_read(s->m, first.gpa, to, *done);
}

int vh_space_read(struct vh_space *s, uint64_t gva, void *to, size_t n)
{
	uint8_t *out = to;

	if (n > VH_SPACE_READ_MAX || gva + n < gva)
		return -ENXIO;
	if (s->n_frozen && gva >= s->frozen_gva && gva - s->frozen_gva < s->n_frozen &&
		n <= s->n_frozen - (gva - s->frozen_gva)) {
		memcpy(to, s->frozen + (gva - s->frozen_gva), n);
		return 0;
	}
	while (n) {
		size_t done;
		int err = read_piece(s, gva, out, n, &done);

		if (err)
			return err;
		out += done;
		gva += done;
		n -= done;
	}
	return 0;
}

int vh_space_u64(struct vh_space *s, uint64_t gva, uint64_t *value)
{
	return vh_space_read(s, gva, value, sizeof(*value));
}

int vh_space_u32(struct vh_space *s, uint64_t gva, uint32_t *value)
{
	return vh_space_read(s, gva, value, sizeof(*value));
}

ssize_t vh_space_string(struct vh_space *s, uint64_t gva, char *to, size_t size)
{
	size_t n = 0;

	if (!size)
		return -EINVAL;
	while (n < size - 1) {
		size_t part = VH_MIN(
			size - 1 - n, (size_t)(VH_GUEST_PAGE - ((gva + n) & (VH_GUEST_PAGE - 1))));

		part = VH_MIN(part, (size_t)64);
		int err = vh_space_read(s, gva + n, to + n, part);
		const char *end = err ? NULL : memchr(to + n, 0, part);

		if (err)
			return err;
		if (end)
			return end - to;
		n += part;
	}
	to[n] = '\0';
	return (ssize_t)n;
}

size_t vh_space_freeze(struct vh_space *s, uint64_t gva, size_t n)
{
	s->n_frozen = 0;
	n = VH_MIN(n, (size_t)VH_FREEZE_MAX);
	if (!n || gva + n < gva)
		return 0;
	if (!s->frozen)
		s->frozen = vh_realloc_array(NULL, VH_FREEZE_MAX, 1);
	/* In one read where all of it is mapped: what is copied is then of one moment, as far as
	 * possible. */
	while (n && vh_space_read(s, gva, s->frozen, n)) {
		uint64_t end = (gva + n - 1) & ~(VH_GUEST_PAGE - 1);

		n = end > gva ? (size_t)(end - gva) : 0;
	}
	s->frozen_gva = gva;
	s->n_frozen = n;
	return n;
}

/* --- Ranges --------------------------------------------------------------------------------------
 */

struct sweep {
	struct vh_space *s;
	uint64_t low, high;
	struct vh_range *out;
	size_t n, most;
	unsigned tables; /* that were gone through */
};

static void add_page(struct sweep *w, uint64_t gva, uint64_t bytes, const struct vh_mapping *m)
{
	struct vh_range *last = w->n ? &w->out[w->n - 1] : NULL;

	if (last && last->gva + last->bytes == gva && last->writable == m->writable &&
		last->executable == m->executable && last->user == m->user) {
		last->bytes += bytes;
		return;
	}
	if (w->n < w->most)
		w->out[w->n++] = (struct vh_range){gva, bytes, m->writable, m->executable, m->user};
}

/* A table of `level` that maps from base on. */
static void sweep_table(
	struct sweep *w, vh_gpa table, unsigned level, uint64_t base, struct vh_mapping above)
{
	const struct vh_paging_form *f = &w->s->form;
	uint64_t bytes = UINT64_C(1) << vh_paging_shift(f, level);
	const uint64_t *entries;

	/* Tables may lead into each other, and each again, as often as there are entries. */
	if (w->tables++ >= MAX_SWEPT || table_at(w->s, table, &entries))
		return;
	for (unsigned i = 0; i < vh_paging_entries(f, level) && w->n < w->most; i++) {
		if (!entries[i]) /* most are empty */
			continue;
		uint64_t gva = vh_paging_extend(f, base + i * bytes);
		struct vh_mapping m = above;
		struct vh_paging_entry e;

		if (gva > w->high || gva + (bytes - 1) < w->low ||
			!vh_paging_decode(f, level, entries[i], &e))
			continue;
		narrow(&m, &e);
		if (e.leaf)
			add_page(w, gva, bytes, &m);
		else if (level > 1)
			sweep_table(w, e.gpa, level - 1, gva, m);
	}
}

size_t vh_space_ranges(
	struct vh_space *s, uint64_t low, uint64_t high, struct vh_range *out, size_t most)
{
	struct sweep w = {.s = s, .low = low, .high = high, .out = out, .most = most};

	sweep_table(&w, s->root.table, s->form.levels, 0, widest());
	return w.n;
}
