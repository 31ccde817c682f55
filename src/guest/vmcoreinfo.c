/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/vmcoreinfo.h"

#include <errno.h>

/* The kernel keeps it in one page (VMCOREINFO_BYTES). */
#define MAX_TEXT 4096u
/* Of physical memory, searched at once. */
#define PIECE (UINT64_C(2) << 20)

struct vh_vmcoreinfo {
	char *text;
	size_t n;
};

struct vh_vmcoreinfo *vh_vmcoreinfo_parse(struct vh_str text)
{
	const char *end = text.n ? memchr(text.s, 0, text.n) : NULL;
	struct vh_vmcoreinfo *v;

	if (!vh_str_starts(text, "OSRELEASE="))
		return NULL;
	v = vh_alloc(sizeof(*v));
	v->n = VH_MIN(end ? (size_t)(end - text.s) : text.n, (size_t)MAX_TEXT);
	v->text = vh_strndup(text.s, v->n);
	return v;
}

void vh_vmcoreinfo_free(struct vh_vmcoreinfo *v)
{
	if (!v)
		return;
	free(v->text);
	free(v);
}

struct vh_str vh_vmcoreinfo_text(const struct vh_vmcoreinfo *v)
{
	return (struct vh_str){v->text, v->n};
}

/* The first of several lines of one key counts. */
bool vh_vmcoreinfo_string(const struct vh_vmcoreinfo *v, const char *key, struct vh_str *value)
{
	struct vh_str rest = {v->text, v->n}, line;
	size_t n = strlen(key);

	while (vh_next_line(&rest, &line)) {
		if (line.n <= n || line.s[n] != '=' || memcmp(line.s, key, n) != 0)
			continue;
		*value = (struct vh_str){line.s + n + 1, line.n - n - 1};
		return true;
	}
	return false;
}

bool vh_vmcoreinfo_number(const struct vh_vmcoreinfo *v, const char *key, int64_t *value)
{
	struct vh_str s;
	uint64_t bits;

	if (!vh_vmcoreinfo_string(v, key, &s))
		return false;
	/* Symbols and the offset of KASLR are written without "0x", masks of arm64 with it. */
	if (vh_prefix(key, "SYMBOL(") || vh_streq(key, "KERNELOFFSET")) {
		if (!vh_parse_u64(s, 16, &bits))
			return false;
		*value = (int64_t)bits;
		return true;
	}
	if (vh_str_starts(s, "0x")) {
		if (!vh_parse_u64((struct vh_str){s.s + 2, s.n - 2}, 16, &bits))
			return false;
		*value = (int64_t)bits;
		return true;
	}
	return vh_parse_i64(s, 10, value);
}

/*
 * The kernel keeps the text at the beginning of a page, and the ELF note with a copy of it
 * (kernel/crash_core.c: crash_save_vmcoreinfo_init(), from 6.8 on kernel/vmcore_info.c), which
 * begins a page too: 12 bytes of header, "VMCOREINFO" and two NULs before the text. So the first
 * bytes of each page are enough.
 */
#define NOTE_BYTES 24u
#define GLANCE     40u
static bool begins_in(const uint8_t page[static GLANCE], size_t *at)
{
	static const char name[] = "VMCOREINFO\0\0OSRELEASE=";

	*at = 0;
	if (memcmp(page, "OSRELEASE=", 10) == 0)
		return true;
	*at = NOTE_BYTES;
	return memcmp(page + 12, name, sizeof(name) - 1) == 0;
}

/* The first page of a run that holds a text; *gpa goes behind what was looked at. */
static struct vh_vmcoreinfo *search_run(struct vh_memory *m, struct vh_run run, vh_gpa *gpa)
{
	for (uint64_t page = 0; page < run.bytes; page += VH_GUEST_PAGE) {
		vh_gpa where = {run.gpa.a + page};
		uint8_t head[GLANCE];
		char text[VH_GUEST_PAGE];
		struct vh_vmcoreinfo *v;
		size_t at;
		int err = vh_memory_glance(m, where, head, sizeof(head));

		gpa->a = where.a + VH_GUEST_PAGE;
		if (err == -EDQUOT || err == -ETIME)
			return NULL;
		if (err || !begins_in(head, &at) || vh_memory_read(m, where, text, sizeof(text)))
			continue;
		v = vh_vmcoreinfo_parse((struct vh_str){text + at, sizeof(text) - at});
		if (v)
			return v;
	}
	return NULL;
}

struct vh_vmcoreinfo *vh_vmcoreinfo_scan(struct vh_memory *m, vh_gpa *gpa)
{
	struct vh_run run;

	if (gpa->a > UINT64_MAX - VH_GUEST_PAGE)
		return NULL;
	gpa->a = (gpa->a + VH_GUEST_PAGE - 1) & ~(VH_GUEST_PAGE - 1);
	while (vh_memory_next(m, *gpa, PIECE, &run)) {
		struct vh_vmcoreinfo *v = search_run(m, run, gpa);
		struct vh_memory_use use = vh_memory_used(m);

		if (v || use.out_of_bytes || use.out_of_time)
			return v;
	}
	return NULL;
}
