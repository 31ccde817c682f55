/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An image of a guest's memory that is made once: of it, only the pages that an input changed are
 * put back before the next. All changes go through pristine_write(). */
#pragma once

#include "tests/unit/guest/image.h"

struct pristine {
	struct image *i; /* NULL: not made yet */
	uint8_t *bytes;  /* as they were */
	bool *changed;   /* by page */
	size_t *list;    /* the changed ones */
	size_t n;
};

/* Takes the image, which gets no more pages from then on. */
static inline void pristine_keep(struct pristine *p, struct image *i)
{
	*p = (struct pristine){.i = i};
	p->bytes = vh_realloc_array(NULL, i->n, VH_GUEST_PAGE);
	memcpy(p->bytes, i->data, i->n * VH_GUEST_PAGE);
	p->changed = vh_alloc(i->n * sizeof(*p->changed));
	p->list = vh_alloc(i->n * sizeof(*p->list));
}

/* Writes n bytes from offset at of the image's data on; false where they do not fit. */
static inline bool pristine_write(struct pristine *p, size_t at, const void *from, size_t n)
{
	size_t all = p->i->n * VH_GUEST_PAGE;

	if (!n || n > all || at > all - n)
		return false;
	memcpy(p->i->data + at, from, n);
	for (size_t page = at / VH_GUEST_PAGE; page <= (at + n - 1) / VH_GUEST_PAGE; page++) {
		if (!p->changed[page])
			p->list[p->n++] = page;
		p->changed[page] = true;
	}
	return true;
}

/* Offset in the image's data of a page, which must be there; and of what is mapped at an address.
 */
static inline size_t pristine_page(const struct pristine *p, uint64_t gpa)
{
	return (size_t)(image_page(p->i, gpa) - p->i->data);
}

static inline size_t pristine_offset(const struct pristine *p, uint64_t gva)
{
	return (size_t)(image_at(p->i, gva) - p->i->data);
}

/* The image as it was kept, without what image_done() made. */
static inline void pristine_restore(struct pristine *p)
{
	for (size_t k = 0; k < p->n; k++) {
		size_t at = p->list[k] * VH_GUEST_PAGE;

		memcpy(p->i->data + at, p->bytes + at, VH_GUEST_PAGE);
		p->changed[p->list[k]] = false;
	}
	p->n = 0;
	vh_space_free(p->i->space);
	vh_memory_free(p->i->memory);
	p->i->space = NULL;
	p->i->memory = NULL;
}
