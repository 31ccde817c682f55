/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/layout.h"

#define MAX_ADDED 256u

struct added {
	char *type, *path; /* path "": the size of the type */
	uint32_t offset, size;
};

/* Whoever reads many structures asks once and keeps the offsets, so that nothing is cached here: a
 * question costs some microseconds. */
struct vh_layout {
	const struct vh_btf *btf;
	const struct vh_vmcoreinfo *note;
	struct added *added;
	size_t n;
};

struct vh_layout *vh_layout_new(const struct vh_btf *btf, const struct vh_vmcoreinfo *note)
{
	struct vh_layout *l = vh_alloc(sizeof(*l));

	l->btf = btf;
	l->note = note;
	return l;
}

void vh_layout_free(struct vh_layout *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++) {
		free(l->added[i].type);
		free(l->added[i].path);
	}
	free(l->added);
	free(l);
}

bool vh_layout_has_btf(const struct vh_layout *l)
{
	return l->btf;
}

void vh_layout_add(
	struct vh_layout *l, const char *type, const char *path, uint32_t offset, uint32_t size)
{
	if (l->n < MAX_ADDED)
		VH_PUSH(l->added, l->n) =
			(struct added){vh_strdup(type), vh_strdup(path), offset, size};
}

static const struct added *find_added(const struct vh_layout *l, const char *type, const char *path)
{
	for (size_t i = 0; i < l->n; i++)
		if (vh_streq(l->added[i].type, type) && vh_streq(l->added[i].path, path))
			return &l->added[i];
	return NULL;
}

/* What VMCOREINFO says of a member or a type: a number that fits. */
static bool noted(const struct vh_layout *l, const char *what, const char *type, const char *path,
	uint32_t *out)
{
	vh_auto_free char *key =
		vh_asprintf("%s(%s%s%s)", what, type, path ? "." : "", path ? path : "");
	int64_t value;

	if (!l->note || !vh_vmcoreinfo_number(l->note, key, &value) || value < 0 ||
		value > UINT32_MAX)
		return false;
	*out = (uint32_t)value;
	return true;
}

bool vh_layout_field(
	const struct vh_layout *l, const char *type, const char *path, struct vh_field *out)
{
	struct vh_field f = {.count = 1};

	if (l->btf && vh_guest_btf_field(l->btf, type, path, out))
		return true;
	if (noted(l, "OFFSET", type, path, &f.offset)) {
		noted(l, "SIZE", type, path, &f.size);
		noted(l, "LENGTH", type, path, &f.count);
		*out = f;
		return true;
	}
	const struct added *a = find_added(l, type, path);

	if (a)
		*out = (struct vh_field){.offset = a->offset, .size = a->size, .count = 1};
	return a;
}

bool vh_layout_first(const struct vh_layout *l, const char *type, const char *const paths[],
	struct vh_field *out)
{
	for (; *paths; paths++)
		if (vh_layout_field(l, type, *paths, out))
			return true;
	return false;
}

bool vh_layout_sizeof(const struct vh_layout *l, const char *type, uint32_t *bytes)
{
	if (l->btf && vh_guest_btf_sizeof(l->btf, type, bytes))
		return true;
	if (noted(l, "SIZE", type, NULL, bytes))
		return true;
	const struct added *a = find_added(l, type, "");

	if (a)
		*bytes = a->size;
	return a;
}

uint32_t vh_layout_offset(
	const struct vh_layout *l, const char *type, const char *path, uint32_t fallback)
{
	struct vh_field f;

	return vh_layout_field(l, type, path, &f) ? f.offset : fallback;
}
