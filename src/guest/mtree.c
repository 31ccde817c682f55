/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/mtree.h"

/* A large VM's tree has some thousand lines; more than these are ignored. */
#define MAX_TEXT     (2u << 20)
#define MAX_LISTS    1024
#define MAX_ROWS     8192 /* of one list */
#define MAX_ALL_ROWS 65536
#define MAX_NAME     80
#define MAX_STEPS    MAX_ROWS /* for one address */
#define MAX_DEPTH    64

static char *escaped_name(struct vh_str s)
{
	struct vh_buf b = {0};

	vh_escape(&b, (struct vh_str){s.s, VH_MIN(s.n, MAX_NAME)}, false);
	return vh_buf_steal(&b);
}

static bool cut_before(struct vh_str *s, const char *mark, struct vh_str *rest)
{
	ssize_t at = vh_str_find(*s, mark);

	if (at < 0)
		return false;
	size_t skip = (size_t)at + strlen(mark);

	*rest = (struct vh_str){s->s + skip, s->n - skip};
	s->n = (size_t)at;
	return true;
}

/* "dev id=net0", "dev path=/machine/peripheral/usb/xhci-core", "obj path=...": the id that the
 * device was given, of which both forms tell; others have none that a user would know. */
static char *owner_id(struct vh_str owner)
{
	static const char by_path[] = "path=/machine/peripheral/";
	struct vh_str id = owner, rest;

	if (!cut_before(&id, "}", &rest))
		return NULL;
	if (vh_str_starts(id, "dev id=")) {
		id.s += strlen("dev id=");
		id.n -= strlen("dev id=");
		return escaped_name(id);
	}
	if (!cut_before(&id, by_path, &rest))
		return NULL;
	id = rest;
	cut_before(&id, "/", &rest);
	return id.n ? escaped_name(id) : NULL;
}

static enum vh_region_kind kind_of(struct vh_str word)
{
	/* Until 2.7 the access was told: RW, R-; memory could not be told from devices. */
	/* "ramd" is memory of a device that was passed through: reading it does things. */
	if (vh_str_starts(word, "ramd"))
		return VH_REGION_IO;
	if (vh_str_starts(word, "ram") || vh_str_starts(word, "nv-ram"))
		return VH_REGION_RAM;
	if (vh_str_starts(word, "rom"))
		return VH_REGION_ROM;
	return VH_REGION_IO;
}

/* "(prio 0, i/o)" */
static bool read_priority(struct vh_str s, struct vh_region *r)
{
	struct vh_str priority = s, kind;

	if (!vh_str_starts(s, "prio ") || !cut_before(&priority, ", ", &kind))
		return false;
	priority.s += strlen("prio ");
	priority.n -= strlen("prio ");
	r->kind = kind_of(kind);
	return vh_parse_i64(priority, 10, &r->priority);
}

/* The id in "owner:{..}", or in "parent:{..}" behind it: a part of a device is owned by an object
 * of its own, whose parent is the device. */
static char *read_owner(struct vh_str *s)
{
	static const char *const marks[] = {" owner:{", " parent:{"};
	struct vh_str whole = *s, rest;
	char *id = NULL;

	for (size_t i = 0; i < VH_ARRAY_SIZE(marks); i++) {
		struct vh_str text = whole;

		if (cut_before(&text, marks[i], &rest)) {
			s->n = VH_MIN(s->n, text.n);
			id = id ? id : owner_id(rest);
		}
	}
	return id;
}

/* "@Y 0000-ffff" of an alias: the region that it shows, and from where on. */
static void read_target(struct vh_str target, struct vh_region *r)
{
	struct vh_str range = target, rest;
	size_t blank = target.n;

	while (blank > 0 && target.s[blank - 1] != ' ')
		blank--;
	if (blank > 0) {
		range.s += blank;
		range.n -= blank;
		target.n = blank - 1;
	}
	cut_before(&range, "-", &rest);
	vh_parse_u64(range, 16, &r->offset);
	r->target = escaped_name(target);
}

/* "alias X @Y 0000-ffff", "X @0000", each with "[disabled]", "owner:{..}", " KVM" behind. */
static void read_name(struct vh_str s, struct vh_region *r)
{
	struct vh_str rest, behind;
	bool is_alias = vh_str_starts(s, "alias ");

	r->owner = read_owner(&s);
	r->disabled = cut_before(&s, " [disabled]", &rest);
	if (is_alias) {
		s.s += strlen("alias ");
		s.n -= strlen("alias ");
	}
	if (cut_before(&s, " @", &behind)) {
		if (is_alias) {
			read_target(behind, r);
		} else {
			cut_before(&behind, " ", &rest);
			vh_parse_u64(behind, 16, &r->offset);
		}
	} else if (s.n > 4 && vh_str_is((struct vh_str){s.s + s.n - 4, 4}, " KVM")) {
		s.n -= 4;
	}
	r->name = escaped_name(vh_str_trim(s));
}

static bool read_region(struct vh_str line, struct vh_region *r)
{
	struct vh_str range = vh_str_trim(line), priority, last, name;

	*r = (struct vh_region){0};
	while (r->depth < line.n && line.s[r->depth] == ' ')
		r->depth++;
	if (!cut_before(&range, " (", &priority) || !cut_before(&range, "-", &last) ||
		!cut_before(&priority, "): ", &name) || !read_priority(priority, r) ||
		!vh_parse_u64(range, 16, &r->first) || !vh_parse_u64(last, 16, &r->last) ||
		r->last < r->first)
		return false;
	read_name(name, r);
	return true;
}

static void region_free(struct vh_region *r)
{
	free(r->name);
	free(r->owner);
	free(r->target);
}

static bool new_list(struct vh_mtree *t, struct vh_str name)
{
	if (t->n == MAX_LISTS)
		return false;
	VH_PUSH(t->lists, t->n).name = escaped_name(vh_str_trim(name));
	return true;
}

static void copy_rows(struct vh_region_list *to, const struct vh_region_list *from)
{
	for (size_t i = 0; i < from->n; i++) {
		struct vh_region r = from->rows[i];

		r.name = vh_strdup(r.name);
		r.owner = vh_strdup(r.owner);
		r.target = vh_strdup(r.target);
		VH_PUSH(to->rows, to->n) = r;
	}
}

/* The lists in [first, end) share what stands in the last of them. Only the two address spaces that
 * are ever asked for are worth a copy, and one each: a second would never be found. */
static void share(struct vh_mtree *t, size_t first, size_t end)
{
	for (size_t i = first; i + 1 < end; i++)
		if ((vh_streq(t->lists[i].name, "I/O") || vh_streq(t->lists[i].name, "memory")) &&
			!vh_mtree_list(t, t->lists[i].name))
			copy_rows(&t->lists[i], &t->lists[end - 1]);
}

/* Each region's end: the first behind it that is not in it. */
static void find_ends(struct vh_region_list *l)
{
	size_t *open = vh_realloc_array(NULL, l->n + 1, sizeof(*open)), n = 0;

	for (size_t i = 0; i < l->n; i++) {
		while (n && l->rows[open[n - 1]].depth >= l->rows[i].depth)
			l->rows[open[--n]].end = i;
		open[n++] = i;
	}
	while (n)
		l->rows[open[--n]].end = l->n;
	free(open);
}

/* True where the line is a heading. */
static bool read_heading(struct vh_mtree *t, struct vh_str line, bool *full)
{
	static const char *const headings[] = {"address-space: ", "memory-region: ", " AS \""};

	for (size_t i = 0; i < VH_ARRAY_SIZE(headings); i++) {
		if (!vh_str_starts(line, headings[i]))
			continue;
		struct vh_str name = line, rest;

		name.s += strlen(headings[i]);
		name.n -= strlen(headings[i]);
		/* "memory (shared with ...)" is how some versions fold equal trees. */
		cut_before(&name, i == 2 ? "\"" : " (", &rest);
		*full = !new_list(t, name);
		return true;
	}
	return false;
}

void vh_mtree_parse(struct vh_mtree *t, struct vh_str text)
{
	struct vh_str rest = {text.s, VH_MIN(text.n, MAX_TEXT)}, line;
	size_t all = 0, first = 0; /* first: of the headings that stand together */
	bool heading = false, full = false;

	*t = (struct vh_mtree){0};
	while (!full && vh_next_line(&rest, &line)) {
		size_t before = t->n;
		struct vh_region r;

		if (!line.n)
			heading = false;
		if (read_heading(t, line, &full)) {
			if (!heading) {
				share(t, first, before);
				first = before;
			}
			heading = true;
			continue;
		}
		if (!t->n || t->lists[t->n - 1].n == MAX_ROWS || all == MAX_ALL_ROWS ||
			!read_region(line, &r))
			continue;
		struct vh_region_list *l = &t->lists[t->n - 1];

		heading = false;
		VH_PUSH(l->rows, l->n) = r;
		all++;
	}
	share(t, first, t->n);
	for (size_t i = 0; i < t->n; i++)
		find_ends(&t->lists[i]);
}

void vh_mtree_free(struct vh_mtree *t)
{
	for (size_t i = 0; i < t->n; i++) {
		for (size_t j = 0; j < t->lists[i].n; j++)
			region_free(&t->lists[i].rows[j]);
		free(t->lists[i].rows);
		free(t->lists[i].name);
	}
	free(t->lists);
	*t = (struct vh_mtree){0};
}

const struct vh_region_list *vh_mtree_list(const struct vh_mtree *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (vh_streq(t->lists[i].name, name) && t->lists[i].n)
			return &t->lists[i];
	return NULL;
}

const struct vh_region *vh_mtree_flat_at(const struct vh_region_list *l, uint64_t address)
{
	size_t low = 0, high = l->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (l->rows[middle].first <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low && l->rows[low - 1].last >= address ? &l->rows[low - 1] : NULL;
}

struct search {
	const struct vh_mtree *t;
	unsigned steps, depth;
};

static const struct vh_region *best_in(struct search *s, const struct vh_region_list *l,
	size_t begin, size_t end, uint64_t address);

/* What the region at i shows at the address: itself, what is in it, or what it is an alias of. */
static const struct vh_region *shown_by(
	struct search *s, const struct vh_region_list *l, size_t i, uint64_t address)
{
	const struct vh_region *r = &l->rows[i];

	if (!r->target)
		return best_in(s, l, i + 1, l->rows[i].end, address);
	const struct vh_region_list *target = vh_mtree_list(s->t, r->target);

	if (!target)
		return NULL;
	uint64_t there = address - r->first + r->offset + target->rows[0].first;
	return best_in(s, target, 0, target->n, there);
}

/* Among the regions of one level, [begin, end) with all that is in them. */
static const struct vh_region *best_in(struct search *s, const struct vh_region_list *l,
	size_t begin, size_t end, uint64_t address)
{
	const struct vh_region *best = NULL, *container = NULL;
	int64_t priority = 0;

	if (s->depth == MAX_DEPTH)
		return NULL;
	s->depth++;
	for (size_t i = begin; i < end && s->steps < MAX_STEPS; i = l->rows[i].end) {
		const struct vh_region *r = &l->rows[i];

		s->steps++;
		if (r->disabled || address < r->first || address > r->last ||
			(best && r->priority <= priority))
			continue;
		const struct vh_region *found = shown_by(s, l, i, address);

		if (!found && l->rows[i].end > i + 1) {
			container = container ? container : r;
			continue;
		}
		best = found ? found : r;
		priority = r->priority;
	}
	s->depth--;
	return best ? best : container;
}

const struct vh_region *vh_mtree_at(
	const struct vh_mtree *t, const struct vh_region_list *l, uint64_t address)
{
	struct search s = {.t = t};

	return best_in(&s, l, 0, l->n, address);
}

const struct vh_region *vh_mtree_container(
	const struct vh_region_list *l, const char *name, uint64_t first)
{
	for (size_t i = 1; i < l->n; i++) {
		if (l->rows[i].first != first || !vh_streq(l->rows[i].name, name))
			continue;
		for (size_t up = i; up-- > 0;)
			if (l->rows[up].depth < l->rows[i].depth)
				return &l->rows[up];
	}
	return NULL;
}
