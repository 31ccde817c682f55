/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Symbols by name and by address. */
#include "guest/symbols.h"

#include "guest/symbols_table.h"

/* All names together: 4 MiB are usual. */
#define MAX_TEXT (64u << 20)
/* Steps through the table of names. It is twice as large as what it holds, so honest ways are
 * short; names that a guest chose to collide are lost, not waited for. */
#define MAX_STEPS 64u
/* What the last symbol covers, whose end nobody tells. */
#define LAST_BYTES VH_GUEST_PAGE

struct vh_symbols *vh_symbols_room(size_t n)
{
	struct vh_symbols *y = vh_alloc(sizeof(*y));

	y->n = n;
	y->gva = vh_alloc((n + 1) * sizeof(*y->gva));
	y->name = vh_alloc((n + 1) * sizeof(*y->name));
	y->text_room = 24 * n + 1024;
	y->text = vh_realloc_array(NULL, y->text_room, 1);
	/* What has no name has this one. */
	y->text[0] = '?';
	y->text[1] = '\0';
	y->text_bytes = 2;
	y->layout = "made by hand";
	return y;
}

void vh_symbols_free(struct vh_symbols *y)
{
	if (!y)
		return;
	free(y->gva);
	free(y->name);
	free(y->text);
	free(y->slots);
	free(y->order);
	free(y);
}

char *vh_symbols_name_room(struct vh_symbols *y)
{
	if (y->text_bytes > MAX_TEXT)
		return NULL;
	if (y->text_room - y->text_bytes < VH_SYMBOLS_NAME + 1) {
		y->text_room = 2 * y->text_room + VH_SYMBOLS_NAME;
		y->text = vh_realloc_array(y->text, y->text_room, 1);
	}
	return y->text + y->text_bytes;
}

void vh_symbols_take_name(struct vh_symbols *y, size_t i, size_t n)
{
	y->text[y->text_bytes + n] = '\0';
	y->name[i] = (uint32_t)y->text_bytes;
	y->text_bytes += n + 1;
}

static const char *name_of(const struct vh_symbols *y, size_t i)
{
	return y->text + y->name[i] + 1;
}

/* FNV-1a. */
static uint32_t hash_of(const char *s)
{
	uint32_t hash = 2166136261u;

	for (; *s; s++)
		hash = (hash ^ (uint8_t)*s) * 16777619u;
	return hash ^ hash >> 15;
}

/* The slot of a name: its own, or the empty one where it would go; NULL: neither is near. */
static struct vh_symbols_slot *slot_of(const struct vh_symbols *y, const char *name, uint32_t hash)
{
	for (uint32_t step = 0; step < MAX_STEPS; step++) {
		struct vh_symbols_slot *slot = &y->slots[(hash + step) & y->mask];

		if (!slot->at || (slot->hash == hash && !strcmp(name_of(y, slot->at - 1), name)))
			return slot;
	}
	return NULL;
}

/* Of several symbols of one name only the first is entered. */
static void index_names(struct vh_symbols *y)
{
	size_t room = 1024;

	while (room < 2 * y->n)
		room *= 2;
	y->mask = (uint32_t)room - 1;
	y->slots = vh_alloc(room * sizeof(*y->slots));
	for (size_t i = 0; i < y->n; i++) {
		const char *name = name_of(y, i);
		uint32_t hash = hash_of(name);
		struct vh_symbols_slot *slot = y->name[i] ? slot_of(y, name, hash) : NULL;

		if (slot && !slot->at)
			*slot = (struct vh_symbols_slot){hash, (uint32_t)i + 1};
	}
}

struct place {
	uint64_t gva;
	uint32_t i;
};

static int by_address(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->gva != y->gva)
		return x->gva < y->gva ? -1 : 1;
	return x->i < y->i ? -1 : x->i > y->i;
}

static void add_to_order(struct vh_symbols *y, uint32_t i)
{
	if (!y->n_order || y->gva[y->order[y->n_order - 1]] != y->gva[i])
		y->order[y->n_order++] = i;
}

static void sort_addresses(struct vh_symbols *y)
{
	struct place *places = vh_realloc_array(NULL, y->n + 1, sizeof(*places));
	size_t n = 0;

	for (size_t i = 0; i < y->n; i++)
		if (y->gva[i] >> 63)
			places[n++] = (struct place){y->gva[i], (uint32_t)i};
	qsort(places, n, sizeof(*places), by_address);
	for (size_t i = 0; i < n; i++)
		add_to_order(y, places[i].i);
	free(places);
}

/* The kernel's tables are sorted, but for what is absolute. */
static void index_addresses(struct vh_symbols *y)
{
	uint64_t last = 0;

	y->order = vh_realloc_array(NULL, y->n + 1, sizeof(*y->order));
	for (size_t i = 0; i < y->n; i++) {
		if (!(y->gva[i] >> 63))
			continue;
		if (y->gva[i] < last) {
			y->n_order = 0;
			sort_addresses(y);
			return;
		}
		last = y->gva[i];
		add_to_order(y, (uint32_t)i);
	}
}

void vh_symbols_index(struct vh_symbols *y)
{
	index_names(y);
	index_addresses(y);
}

struct vh_symbols *vh_symbols_of(const struct vh_symbol *list, size_t n)
{
	struct vh_symbols *y = vh_symbols_room(n);

	for (size_t i = 0; i < n; i++) {
		size_t n_name = VH_MIN(strlen(list[i].name), (size_t)VH_SYMBOLS_NAME - 1);
		char *to = vh_symbols_name_room(y);

		y->gva[i] = list[i].gva;
		if (!to)
			continue;
		to[0] = list[i].type;
		memcpy(to + 1, list[i].name, n_name);
		vh_symbols_take_name(y, i, n_name + 1);
	}
	vh_symbols_index(y);
	return y;
}

size_t vh_symbols_count(const struct vh_symbols *y)
{
	return y->n;
}

/* The first in order that lies behind an address. */
static size_t behind(const struct vh_symbols *y, uint64_t gva)
{
	size_t low = 0, high = y->n_order;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (y->gva[y->order[middle]] <= gva)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool vh_symbols_get(const struct vh_symbols *y, size_t i, struct vh_symbol *out)
{
	if (i >= y->n)
		return false;
	*out = (struct vh_symbol){
		.name = name_of(y, i),
		.type = y->text[y->name[i]],
		.gva = y->gva[i],
	};
	if (out->gva >> 63) {
		size_t next = behind(y, out->gva);

		out->size = next < y->n_order ? y->gva[y->order[next]] - out->gva : 0;
	}
	return true;
}

bool vh_symbols_address(const struct vh_symbols *y, const char *name, uint64_t *gva)
{
	const struct vh_symbols_slot *slot = slot_of(y, name, hash_of(name));

	if (!slot || !slot->at)
		return false;
	*gva = y->gva[slot->at - 1];
	return true;
}

bool vh_symbols_at(const struct vh_symbols *y, uint64_t gva, struct vh_symbol *out)
{
	size_t next = behind(y, gva);

	if (!next || !vh_symbols_get(y, y->order[next - 1], out) || !*out->name)
		return false;
	return out->size || gva - out->gva < LAST_BYTES;
}

const char *vh_symbols_layout(const struct vh_symbols *y)
{
	return y->layout;
}
