/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a process has mapped at an address: its vm_area_struct by the maple tree (lib/maple_tree.c,
 * 6.1 on) or the red-black tree before it, and the name of the file.
 */
#include "guest/tasks_table.h"

#define MAX_DEPTH 64u /* of a tree */
#define MAX_PARTS 64u /* of a path; mounts too */
#define MAX_PATH  4096u
#define MAX_NAME  255u
#define VSYSCALL  UINT64_C(0xffffffffff600000)
#define NODE_MASK UINT64_C(0xff)
#define IS_NODE   UINT64_C(2) /* xa_is_internal() */

struct area {
	uint64_t gva, start, end, file, offset;
};

/* False where the member is not known, or cannot be read. */
static bool get(const struct vh_kernel *k, const char *type, const char *path, uint64_t gva,
	uint64_t *value)
{
	struct vh_field f;

	*value = 0;
	return vh_is_kernel_gva(gva) && vh_layout_field(k->layout, type, path, &f) &&
	       vh_space_read(k->space, gva + f.offset, value, f.size < 8 ? f.size : 8) == 0;
}

/* True where it is one, and the address lies in it. */
static bool is_area(const struct vh_kernel *k, uint64_t gva, uint64_t at, struct area *out)
{
	out->gva = gva;
	if (!get(k, "vm_area_struct", "vm_start", gva, &out->start) ||
		!get(k, "vm_area_struct", "vm_end", gva, &out->end))
		return false;
	get(k, "vm_area_struct", "vm_file", gva, &out->file);
	get(k, "vm_area_struct", "vm_pgoff", gva, &out->offset);
	out->offset <<= 12;
	return at >= out->start && at < out->end;
}

/* --- The maple tree ------------------------------------------------------------------------------
 */

enum maple_type { MAPLE_DENSE, MAPLE_LEAF_64, MAPLE_RANGE_64, MAPLE_ARANGE_64 };

struct maple_form {
	uint32_t pivot, slot, slots;
};

static bool maple_form(const struct vh_layout *l, unsigned type, struct maple_form *out)
{
	const char *name = type == MAPLE_ARANGE_64 ? "maple_arange_64" : "maple_range_64";
	struct vh_field pivot, slot;

	if ((type != MAPLE_LEAF_64 && type != MAPLE_RANGE_64 && type != MAPLE_ARANGE_64) ||
		!vh_layout_field(l, name, "pivot", &pivot) ||
		!vh_layout_field(l, name, "slot", &slot) || !slot.count || slot.count > 32 ||
		pivot.count + 1 < slot.count)
		return false;
	*out = (struct maple_form){pivot.offset, slot.offset, slot.count};
	return true;
}

/* The slot of a node that an address falls into: behind the last pivot that is lower. */
static bool maple_slot(const struct vh_kernel *k, uint64_t node, const struct maple_form *f,
	uint64_t at, uint64_t *out)
{
	uint64_t pivots[32];
	uint32_t i = 0;

	if (vh_space_read(k->space, node + f->pivot, pivots, (f->slots - 1) * sizeof(*pivots)))
		return false;
	while (i < f->slots - 1 && pivots[i] < at && (!i || pivots[i]))
		i++;
	return vh_space_u64(k->space, node + f->slot + (uint64_t)i * 8, out) == 0;
}

static uint64_t find_maple(const struct vh_kernel *k, uint64_t root, uint64_t at)
{
	uint64_t entry = root;

	for (unsigned depth = 0; depth < MAX_DEPTH; depth++) {
		unsigned type = (unsigned)(entry >> 3 & 15);
		struct maple_form form;

		/* The root alone is marked as a node; one below it always is. */
		if (!vh_is_kernel_gva(entry))
			return 0;
		if (!depth && (entry & 3) != IS_NODE)
			return entry;
		if (!maple_form(k->layout, type, &form) ||
			!maple_slot(k, entry & ~NODE_MASK, &form, at, &entry))
			return 0;
		if (type == MAPLE_LEAF_64)
			return entry;
	}
	return 0;
}

static uint64_t find_rb(const struct vh_kernel *k, uint64_t node, uint64_t at)
{
	struct vh_field rb, left, right;

	if (!vh_layout_field(k->layout, "vm_area_struct", "vm_rb", &rb) ||
		!vh_layout_field(k->layout, "rb_node", "rb_left", &left) ||
		!vh_layout_field(k->layout, "rb_node", "rb_right", &right))
		return 0;
	for (unsigned depth = 0; depth < MAX_DEPTH && vh_is_kernel_gva(node); depth++) {
		struct area a;

		if (is_area(k, node - rb.offset, at, &a))
			return a.gva;
		if (vh_space_u64(
			    k->space, node + (at < a.start ? left.offset : right.offset), &node))
			return 0;
	}
	return 0;
}

static bool find_area(const struct vh_kernel *k, uint64_t mm, uint64_t at, struct area *out)
{
	uint64_t root;

	if (get(k, "mm_struct", "mm_mt.ma_root", mm, &root))
		return is_area(k, find_maple(k, root, at), at, out);
	if (get(k, "mm_struct", "mm_rb.rb_node", mm, &root))
		return is_area(k, find_rb(k, root, at), at, out);
	return false;
}

/* --- Names ---------------------------------------------------------------------------------------
 */

/* Puts "/name" before what is there. */
static bool prepend(const struct vh_kernel *k, uint64_t dentry, char *path, size_t *from)
{
	char name[MAX_NAME + 1];
	uint64_t at;
	ssize_t n;

	if (!get(k, "dentry", "d_name.name", dentry, &at))
		return false;
	n = vh_space_string(k->space, at, name, sizeof(name));
	if (n <= 0 || (size_t)n + 1 > *from)
		return false;
	*from -= (size_t)n;
	memcpy(path + *from, name, (size_t)n);
	path[--*from] = '/';
	return true;
}

/* The path over mounts, as far as it can be told; without its beginning, the name alone. */
static char *file_path(const struct vh_kernel *k, uint64_t file)
{
	char path[MAX_PATH];
	size_t from = sizeof(path) - 1;
	uint64_t dentry, mount, root, parent, above;
	struct vh_field f;

	path[from] = '\0';
	if (!get(k, "file", "f_path.dentry", file, &dentry) ||
		!get(k, "file", "f_path.mnt", file, &mount))
		return NULL;
	bool has_mount = vh_layout_field(k->layout, "mount", "mnt", &f);

	mount -= has_mount ? f.offset : 0;
	for (unsigned i = 0; i < MAX_PARTS; i++) {
		bool is_root = has_mount && get(k, "mount", "mnt.mnt_root", mount, &root) &&
			       root == dentry;

		if (is_root) {
			if (!get(k, "mount", "mnt_parent", mount, &above) || above == mount ||
				!get(k, "mount", "mnt_mountpoint", mount, &dentry))
				break;
			mount = above;
			continue;
		}
		if (!get(k, "dentry", "d_parent", dentry, &parent) || parent == dentry ||
			!prepend(k, dentry, path, &from))
			break;
		dentry = parent;
	}
	if (!path[from] && !prepend(k, dentry, path, &from))
		return NULL;
	return vh_strdup(path + from);
}

static const char *anonymous_name(const struct vh_kernel *k, uint64_t mm, const struct area *a)
{
	uint64_t brk, start_brk, stack, vdso;

	if (get(k, "mm_struct", "context.vdso", mm, &vdso) && vdso && vdso == a->start)
		return "[vdso]";
	if (get(k, "mm_struct", "brk", mm, &brk) &&
		get(k, "mm_struct", "start_brk", mm, &start_brk) && a->start <= brk &&
		a->end >= start_brk && brk > start_brk)
		return "[heap]";
	if (get(k, "mm_struct", "start_stack", mm, &stack) && stack >= a->start && stack <= a->end)
		return "[stack]";
	return "[anon]";
}

void vh_tasks_mapping(struct vh_kernel *k, struct vh_inside_vcpu *v)
{
	uint64_t mm;
	struct area a;

	if (v->cpl != 3 || v->index < 0)
		return;
	free(v->mapping);
	v->mapping = NULL;
	v->mapping_offset = 0;
	if (v->rip >> 12 == VSYSCALL >> 12) {
		v->mapping = vh_strdup("[vsyscall]");
		v->mapping_offset = v->rip - VSYSCALL;
		return;
	}
	if (!get(k, "task_struct", "mm", vh_task_current(k, v->index), &mm) ||
		!find_area(k, mm, v->rip, &a))
		return;
	v->mapping = a.file ? file_path(k, a.file) : vh_strdup(anonymous_name(k, mm, &a));
	if (v->mapping)
		v->mapping_offset = v->rip - a.start + (a.file ? a.offset : 0);
}
