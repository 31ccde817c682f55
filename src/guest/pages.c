/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/pages.h"

#include <endian.h>

#define MAGIC      "VHPAGES1"
#define HEAD_BYTES 16u
#define PAGE_COSTS ((size_t)VH_GUEST_PAGE + sizeof(uint64_t))

static void put_u32(struct vh_buf *out, size_t value)
{
	uint32_t word = htole32((uint32_t)value);

	vh_buf_add(out, &word, sizeof(word));
}

void vh_pages_write(
	const struct vh_pages *pages, struct vh_str registers, struct vh_buf *out, size_t *left_out)
{
	size_t room = VH_PAGES_MAX_BYTES - HEAD_BYTES;

	if (registers.n > room / 2)
		registers.n = 0;
	size_t n = VH_MIN(pages->n, (room - registers.n) / PAGE_COSTS);

	vh_buf_puts(out, MAGIC);
	put_u32(out, n);
	put_u32(out, registers.n);
	vh_buf_add(out, registers.s, registers.n);
	for (size_t i = 0; i < n; i++) {
		uint64_t gpa = htole64(pages->gpa[i].a);

		vh_buf_add(out, &gpa, sizeof(gpa));
	}
	vh_buf_add(out, pages->data, n * VH_GUEST_PAGE);
	*left_out = pages->n - n;
}

static uint32_t u32_at(struct vh_str bytes, size_t at)
{
	uint32_t word;

	memcpy(&word, bytes.s + at, sizeof(word));
	return le32toh(word);
}

/* Ascending and aligned, or false. */
static bool take_addresses(const char *from, struct vh_pages_view *v)
{
	for (size_t i = 0; i < v->n; i++) {
		uint64_t gpa;

		memcpy(&gpa, from + i * sizeof(gpa), sizeof(gpa));
		v->gpa[i].a = le64toh(gpa);
		if (v->gpa[i].a % VH_GUEST_PAGE || v->gpa[i].a > UINT64_MAX - VH_GUEST_PAGE ||
			(i && v->gpa[i].a <= v->gpa[i - 1].a))
			return false;
	}
	return true;
}

bool vh_pages_parse(struct vh_str bytes, struct vh_pages_view *out, const char **why)
{
	*out = (struct vh_pages_view){0};
	*why = "it does not begin as kept pages do";
	if (bytes.n < HEAD_BYTES || memcmp(bytes.s, MAGIC, strlen(MAGIC)) != 0)
		return false;
	size_t n = u32_at(bytes, 8), text = u32_at(bytes, 12), body = bytes.n - HEAD_BYTES;

	*why = "its length is not what its pages need";
	if (bytes.n > VH_PAGES_MAX_BYTES || text > body || (body - text) % PAGE_COSTS ||
		(body - text) / PAGE_COSTS != n)
		return false;
	out->n = n;
	out->gpa = vh_alloc((n + 1) * sizeof(*out->gpa));
	out->registers = (struct vh_str){bytes.s + HEAD_BYTES, text};
	*why = "its pages are in disorder";
	if (!take_addresses(bytes.s + HEAD_BYTES + text, out)) {
		vh_pages_view_free(out);
		return false;
	}
	out->data = (const uint8_t *)bytes.s + HEAD_BYTES + text + n * sizeof(uint64_t);
	*why = NULL;
	return true;
}

void vh_pages_view_free(struct vh_pages_view *v)
{
	free(v->gpa);
	*v = (struct vh_pages_view){0};
}
