/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds the kernel: page tables that map its image, and the symbols in it. What the guest says is
 * validated before it is believed: tables must lead to symbols, and these to a banner.
 */
#include <errno.h>
#include <inttypes.h>

#include "guest/kernel_search.h"
#include "guest/modules.h"
#include "guest/unwind.h"

#define PAGING    (UINT64_C(1) << 31) /* CR0.PG */
#define LONG_MODE (UINT64_C(1) << 10) /* EFER.LMA */
/* Of CR3: PTI_USER_PGTABLE_BIT, arch/x86/entry/calling.h. */
#define USER_TABLES (UINT64_C(1) << 12)
#define START_MAP   UINT64_C(0xffffffff80000000) /* __START_KERNEL_map */
#define MAX_NOTES   16u
#define NOTE_BYTES  4096u
/* How far behind the text the banner is looked for. */
#define BANNER_WITHIN (UINT64_C(48) << 20)
#define MAX_RELEASE   100u

/* --- One page table ------------------------------------------------------------------------------
 */

static bool tried(struct vh_kernel_search *s, vh_gpa root)
{
	for (size_t i = 0; i < s->n_roots; i++)
		if (s->roots[i].a == root.a)
			return true;
	if (s->n_roots == VH_KERNEL_ROOTS)
		return true;
	s->roots[s->n_roots++] = root;
	return false;
}

/* An image is mapped writable and executable as a whole until the kernel is initialised
 * (mark_rodata_ro()). */
static bool is_early_image(const struct vh_range *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (ranges[i].writable && ranges[i].executable && ranges[i].bytes >= 8 << 20)
			return true;
	return false;
}

/* "... #1 SMP ...": since 6.1 a first banner, made before the build has its number ("# SMP"), stays
 * in the image (init/version.c, init/version-timestamp.c). */
static bool is_numbered(struct vh_space *space, uint64_t banner)
{
	char text[VH_GUEST_PAGE];
	const char *mark;

	if (vh_space_string(space, banner, text, sizeof(text)) < 0)
		return false;
	mark = strstr(text, " #");
	return mark && mark[2] >= '0' && mark[2] <= '9';
}

/*
 * Without CONFIG_KALLSYMS_ALL (Debian's 6.1 of arm64) the table holds functions alone. Then the
 * release that the note tells leads to the banner, in the read-only data behind the text.
 */
static bool search_banner(const struct vh_kernel_search *s, uint64_t *banner)
{
	struct vh_str release;
	uint64_t from;

	if (!s->note || !vh_vmcoreinfo_string(s->note, "OSRELEASE", &release) ||
		release.n > MAX_RELEASE || !vh_symbols_address(s->k->symbols, "_etext", &from))
		return false;
	vh_auto_free char *text = vh_asprintf("Linux version %.*s (", (int)release.n, release.s);
	size_t n = strlen(text);

	from &= ~(VH_GUEST_PAGE - 1);
	for (uint64_t gva = from; gva - from < BANNER_WITHIN; gva += VH_GUEST_PAGE) {
		uint8_t data[VH_GUEST_PAGE + 2 * MAX_RELEASE];
		size_t bytes = sizeof(data);

		/* It may reach into the next page, where there is one. */
		if (vh_space_read(s->k->space, gva, data, bytes)) {
			bytes = VH_GUEST_PAGE;
			if (vh_space_read(s->k->space, gva, data, bytes))
				continue;
		}
		for (const uint8_t *at = data;
			(at = memmem(at, (size_t)(data + bytes - at), text, n)); at++) {
			*banner = gva + (uint64_t)(at - data);
			if (is_numbered(s->k->space, *banner))
				return true;
		}
	}
	return false;
}

/* "Linux version 6.1.0-49-amd64 (...": the release. */
static bool read_banner(
	const struct vh_kernel_search *s, char banner[static VH_GUEST_PAGE], struct vh_str *release)
{
	struct vh_kernel *k = s->k;
	struct vh_str rest;

	if ((!vh_symbols_address(k->symbols, "linux_banner", &k->banner) &&
		    !search_banner(s, &k->banner)) ||
		vh_space_string(k->space, k->banner, banner, VH_GUEST_PAGE) < 0 ||
		!vh_prefix(banner, "Linux version "))
		return false;
	rest = vh_str(banner + strlen("Linux version "));
	return vh_next_word(&rest, release);
}

static void take_version(struct vh_kernel *k, struct vh_str release)
{
	struct vh_str major, minor;
	uint64_t a = 0, b = 0;
	size_t digits = 0;

	if (!vh_next_part(&release, '.', &major))
		return;
	while (digits < release.n && release.s[digits] >= '0' && release.s[digits] <= '9')
		digits++;
	minor = (struct vh_str){release.s, digits};
	if (vh_parse_u64(major, 10, &a) && vh_parse_u64(minor, 10, &b) && a < 100 && b < 100)
		k->version = (unsigned)(100 * a + b);
}

static void forget(struct vh_kernel_search *s, char *why)
{
	free(s->why);
	s->why = why;
	vh_kernel_close(s->k);
}

static bool has_symbols(struct vh_kernel_search *s)
{
	char banner[VH_GUEST_PAGE];
	struct vh_str release;
	char *why = NULL;
	int err = vh_symbols_find(s->k->space, s->k->ranges, s->k->n_ranges, &s->k->symbols, &why);

	if (err) {
		forget(s, why ? why
			      : vh_asprintf("its memory could not be read: %s", strerror(-err)));
		return false;
	}
	if (!read_banner(s, banner, &release)) {
		forget(s, vh_strdup("a table of kernel symbols was found, but no banner of Linux "
				    "where it says"));
		return false;
	}
	free(s->release);
	s->release = vh_str_dup(release);
	take_version(s->k, release);
	return true;
}

bool vh_kernel_try(struct vh_kernel_search *s, const struct vh_root *root)
{
	struct vh_kernel *k = s->k;
	uint64_t low, high, entry;
	int err;

	if (tried(s, root->table))
		return false;
	err = vh_memory_read(s->m, root->table, &entry, sizeof(entry));
	if (err) {
		s->unreadable++;
		s->error = err;
		s->bad_root = root->table;
		return false;
	}
	vh_kernel_window(root, &low, &high);
	k->space = vh_space_new(s->m, root);
	k->ranges = vh_realloc_array(NULL, VH_MAX_RANGES, sizeof(*k->ranges));
	k->n_ranges = vh_space_ranges(k->space, low, high, k->ranges, VH_MAX_RANGES);
	if (!k->n_ranges || s->searches == VH_KERNEL_SEARCHES) {
		vh_kernel_close(k);
		return false;
	}
	s->early_image |= is_early_image(k->ranges, k->n_ranges);
	s->searches++;
	return has_symbols(s);
}

/* --- By registers --------------------------------------------------------------------------------
 */

/* Page tables of a vCPU, those of the kernel's half first; it is in the user's half of PTI where
 * bit 12 is set and the table before holds what this one does not. */
static bool try_cpu(struct vh_kernel_search *s, const struct vh_cpu *c)
{
	const struct vh_registers *r = &c->x86;
	struct vh_root root;

	if (c->is_arm || !r->valid || !(r->cr0 & PAGING) || !(r->efer & LONG_MODE))
		return false;
	if (r->cr3 & USER_TABLES) {
		root = vh_root_of_x86(r->cr3 & ~USER_TABLES, r->cr4);
		if (vh_kernel_try(s, &root))
			return true;
	}
	root = vh_root_of_x86(r->cr3, r->cr4);
	return vh_kernel_try(s, &root);
}

/* True where a vCPU runs with tables that lack the kernel's data, and those before them have it. */
static bool in_user_half(struct vh_kernel_search *s, const struct vh_cpu *c, uint64_t banner)
{
	const struct vh_registers *r = &c->x86;
	struct vh_root root = vh_root_of_x86(r->cr3, r->cr4);
	struct vh_space *space;
	struct vh_mapping here, there;
	bool is;

	if (c->is_arm || !r->valid || !(r->cr0 & PAGING) || !(r->cr3 & USER_TABLES) ||
		vh_space_translate(s->k->space, banner, &here))
		return false;
	space = vh_space_new(s->m, &root);
	is = vh_space_translate(space, banner, &there) == -ENXIO;
	vh_space_free(space);
	if (!is)
		return false;
	root = vh_root_of_x86(r->cr3 & ~USER_TABLES, r->cr4);
	space = vh_space_new(s->m, &root);
	is = !vh_space_translate(space, banner, &there) && there.gpa.a == here.gpa.a;
	vh_space_free(space);
	return is;
}

static bool by_registers(struct vh_kernel_search *s, const struct vh_cpu *cpus, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!try_cpu(s, &cpus[i]))
			continue;
		for (size_t c = 0; c < n && !s->k->pti; c++)
			s->k->pti = in_user_half(s, &cpus[c], s->k->banner);
		s->k->method = VH_INSIDE_BY_REGISTERS;
		return true;
	}
	return false;
}

/* --- By a note in physical memory ----------------------------------------------------------------
 */

static bool arm_root(const struct vh_vmcoreinfo *note, struct vh_root *root)
{
	int64_t tables, offset, page = 4096, bits = 48, t1sz;

	if (!vh_vmcoreinfo_number(note, "SYMBOL(swapper_pg_dir)", &tables) ||
		!vh_vmcoreinfo_number(note, "NUMBER(kimage_voffset)", &offset))
		return false;
	vh_vmcoreinfo_number(note, "PAGESIZE", &page);
	/* What the kernel was built for; with 4 or 16 KiB pages a CPU that lacks 52 bits has a
	 * level less than that. With 64 KiB the table has its full size either way, and the CPU
	 * uses its end (TTBR1_BADDR_4852_OFFSET). */
	vh_vmcoreinfo_number(note, "NUMBER(VA_BITS)", &bits);
	if (page != 65536 && vh_vmcoreinfo_number(note, "NUMBER(TCR_EL1_T1SZ)", &t1sz))
		bits = 64 - (t1sz & 63);
	*root = (struct vh_root){
		.paging = VH_PAGING_ARM64,
		.table = {(uint64_t)tables - (uint64_t)offset},
		.page_bits = page == 65536   ? 16
			     : page == 16384 ? 14
					     : 12,
		.va_bits = bits >= 36 && bits <= 52 ? (unsigned)bits : 48,
	};
	return true;
}

bool vh_kernel_root_of_note(const struct vh_vmcoreinfo *note, struct vh_root *root)
{
	int64_t tables, phys_base = 0, la57 = 0;

	if (arm_root(note, root))
		return true;
	if (!vh_vmcoreinfo_number(note, "SYMBOL(init_top_pgt)", &tables) &&
		!vh_vmcoreinfo_number(note, "SYMBOL(swapper_pg_dir)", &tables))
		return false;
	if (!vh_vmcoreinfo_number(note, "NUMBER(phys_base)", &phys_base) ||
		(uint64_t)tables < START_MAP)
		return false;
	vh_vmcoreinfo_number(note, "NUMBER(pgtable_l5_enabled)", &la57);
	*root = vh_root_of_x86(
		(uint64_t)tables - START_MAP + (uint64_t)phys_base, la57 ? UINT64_C(1) << 12 : 0);
	return true;
}

/* Notes that led to a kernel of another release: an earlier boot left them, and without KASLR they
 * lead to the same place as the right one. */
struct stale {
	struct vh_kernel_search *s;
	char *release[MAX_NOTES];
	vh_gpa root[MAX_NOTES];
	size_t n;
};

static bool is_stale(const struct stale *old, vh_gpa root, const char *release)
{
	for (size_t i = 0; i < old->n; i++)
		if (old->root[i].a == root.a && vh_streq(old->release[i], release))
			return true;
	return false;
}

/* True where a note leads to a kernel of the release that it tells. */
static bool try_note(struct stale *old, const struct vh_vmcoreinfo *note)
{
	struct vh_kernel_search *s = old->s;
	struct vh_root root;
	struct vh_str told;
	char *release;

	if (!vh_kernel_root_of_note(note, &root) || !vh_vmcoreinfo_string(note, "OSRELEASE", &told))
		return false;
	release = vh_str_dup(told);
	s->note = note;
	if (is_stale(old, root.table, release) || !vh_kernel_try(s, &root)) {
		free(release);
		return false;
	}
	if (vh_streq(release, s->release)) {
		free(release);
		return true;
	}
	forget(s, vh_strdup("a note of a kernel that is no longer there was found"));
	s->n_roots--; /* another note may lead there rightly */
	old->root[old->n] = root.table;
	old->release[old->n++] = release;
	return false;
}

static bool by_scan(struct vh_kernel_search *s)
{
	struct stale old = {.s = s};
	struct vh_vmcoreinfo *note;
	bool found = false;
	vh_gpa at = {0};

	for (unsigned i = 0; i < MAX_NOTES && !found; i++) {
		note = vh_vmcoreinfo_scan(s->m, &at);
		if (!note)
			break;
		found = try_note(&old, note);
		if (found)
			s->k->note = note;
		else
			vh_vmcoreinfo_free(note);
	}
	s->note = NULL;
	s->k->method = found ? VH_INSIDE_BY_SCAN : VH_INSIDE_BY_REGISTERS;
	for (size_t i = 0; i < old.n; i++)
		free(old.release[i]);
	return found;
}

/* Registers that tell that no kernel runs are believed: what a search of memory finds then is what
 * an earlier one left. */
static bool may_scan(const struct vh_cpu *cpus, size_t n)
{
	bool known = false;

	for (size_t i = 0; i < n; i++) {
		if (cpus[i].is_arm || !cpus[i].x86.valid)
			continue;
		switch (vh_stage_of(&cpus[i].x86)) {
		case VH_STAGE_LINUX_64:
		case VH_STAGE_OS:
		case VH_STAGE_UNKNOWN:
			return true;
		default:
			known = true;
		}
	}
	return !known;
}

/* --- What is read of it --------------------------------------------------------------------------
 */

/* Tables of a process go away with it, and those of a vCPU may lack what was mapped a moment ago;
 * swapper's have all of the kernel. While it boots they are not complete yet. */
static void take_swapper(struct vh_kernel *k)
{
	struct vh_root root = *vh_space_root(k->space);
	struct vh_mapping tables, here, there;
	struct vh_space *space;
	uint64_t gva;
	uint32_t state;

	if (vh_kernel_u32(k, "system_state", &state) || !state ||
		(!vh_symbols_address(k->symbols, "init_top_pgt", &gva) &&
			!vh_symbols_address(k->symbols, "swapper_pg_dir", &gva)) ||
		vh_space_translate(k->space, gva, &tables))
		return;
	if (tables.gpa.a == root.table.a)
		return;
	root.table = tables.gpa;
	space = vh_space_new(vh_space_memory(k->space), &root);
	if (vh_space_translate(k->space, k->banner, &here) ||
		vh_space_translate(space, k->banner, &there) || here.gpa.a != there.gpa.a) {
		vh_space_free(space);
		return;
	}
	vh_space_free(k->space);
	k->space = space;
}

static void take_text(struct vh_kernel *k)
{
	static const char *const names[] = {"_stext", "_etext", "_sinittext", "_einittext"};
	uint64_t *const where[] = {&k->stext, &k->etext, &k->sinittext, &k->einittext};

	for (size_t i = 0; i < VH_ARRAY_SIZE(names); i++)
		if (!vh_symbols_address(k->symbols, names[i], where[i]))
			*where[i] = 0;
}

static void take_note(struct vh_kernel *k)
{
	char text[NOTE_BYTES];
	uint64_t gva;
	ssize_t n;

	if (k->note || vh_kernel_u64(k, "vmcoreinfo_data", &gva) || !gva)
		return;
	n = vh_space_string(k->space, gva, text, sizeof(text));
	if (n > 0)
		k->note = vh_vmcoreinfo_parse((struct vh_str){text, (size_t)n});
}

/* The note tells where the log's members are (since 2.6.39, of the ring since 5.10). */
static bool note_has_log(const struct vh_kernel *k)
{
	struct vh_str value;

	return k->note &&
	       (vh_vmcoreinfo_string(k->note, "OFFSET(printk_info.ts_nsec)", &value) ||
		       vh_vmcoreinfo_string(k->note, "OFFSET(printk_log.ts_nsec)", &value));
}

static void take_btf(struct vh_kernel_search *s)
{
	struct vh_kernel *k = s->k;
	uint64_t from, to;
	char *why = NULL;
	uint8_t *data;
	int err;

	if (s->options->no_btf || (s->options->only_log && note_has_log(k)) ||
		!vh_symbols_address(k->symbols, "__start_BTF", &from) ||
		!vh_symbols_address(k->symbols, "__stop_BTF", &to) || to <= from)
		return;
	if (to - from > VH_BTF_MAX) {
		vh_inside_note(s->in,
			"the kernel's BTF claims to be %" PRIu64 " bytes, and was "
			"left out",
			to - from);
		return;
	}
	data = vh_realloc_array(NULL, (size_t)(to - from), 1);
	err = vh_space_read(k->space, from, data, (size_t)(to - from));
	if (err)
		vh_inside_note(s->in, "the kernel's BTF could not be read: %s", strerror(-err));
	else if (vh_guest_btf_parse(data, (size_t)(to - from), &k->btf, &why))
		vh_inside_note(s->in, "the kernel's BTF could not be used: %s", why);
	free(why);
	free(data);
}

/* Exceptions of a Linux that runs lead to its own handlers. Nothing depends on it. */
static void check_idt(const struct vh_kernel_search *s, const struct vh_cpu *cpus, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t gate[2], handler;
		struct vh_symbol y;

		if (cpus[i].is_arm || !cpus[i].x86.valid || !cpus[i].x86.idt_base ||
			vh_space_read(s->k->space, cpus[i].x86.idt_base + 14 * sizeof(gate), gate,
				sizeof(gate)))
			continue;
		handler = (gate[0] & 0xffff) | (gate[0] >> 32 & 0xffff0000) | gate[1] << 32;
		if (vh_symbols_at(s->k->symbols, handler, &y) && strstr(y.name, "page_fault"))
			return;
		vh_inside_note(s->in,
			"vCPU %d's page faults are handled at %#" PRIx64
			", which is not the kernel's handler",
			cpus[i].index, handler);
		return;
	}
}

static void take_rest(struct vh_kernel_search *s)
{
	struct vh_kernel *k = s->k;
	struct vh_inside *in = s->in;
	struct vh_step step = vh_step_begin(s->m);
	uint32_t state, panic_cpu;
	uint64_t gva;

	if (!vh_symbols_address(k->symbols, "linux_banner", &gva))
		vh_inside_note(in,
			"the kernel's table of symbols has no variables (CONFIG_KALLSYMS_ALL): "
			"types, modules and tasks are not found");
	take_swapper(k);
	take_text(k);
	take_note(k);
	take_btf(s);
	k->layout = vh_layout_new(k->btf, k->note);
	vh_step_end(in, "types", s->m, step);
	if (!s->options->only_log) {
		step = vh_step_begin(s->m);
		k->modules = vh_modules_read(k, in);
		vh_step_end(in, "modules", s->m, step);
		step = vh_step_begin(s->m);
		k->unwinder = vh_unwinder_new(k, in);
		vh_step_end(in, "unwinder", s->m, step);
	}
	in->method = k->method;
	in->outcome = VH_INSIDE_LINUX;
	if (!vh_kernel_u32(k, "system_state", &state) && !state) {
		in->outcome = VH_INSIDE_EARLY_LINUX;
		vh_replace(&in->why,
			!vh_kernel_u32(k, "panic_cpu", &panic_cpu) && ~panic_cpu
				? "the kernel panicked at the begin of its boot"
				: "the kernel is at the begin of its boot: it does not schedule "
				  "tasks yet");
	}
}

bool vh_kernel_find(struct vh_memory *m, const struct vh_cpu *cpus, size_t n,
	const struct vh_kernel_options *options, struct vh_inside *in, struct vh_kernel *out)
{
	struct vh_kernel_search s = {.m = m, .options = options, .in = in, .k = out};
	struct vh_step step = vh_step_begin(m);
	bool found;

	*out = (struct vh_kernel){0};
	in->stage = n && !cpus[0].is_arm ? vh_stage_of(&cpus[0].x86) : VH_STAGE_UNKNOWN;
	found = by_registers(&s, cpus, n) ||
		(!options->no_scan && may_scan(cpus, n) && by_scan(&s));
	vh_step_end(in, "symbols", m, step);
	if (found) {
		check_idt(&s, cpus, n);
		take_rest(&s);
	} else {
		vh_kernel_why_not(&s, cpus, n);
	}
	free(s.release);
	free(s.why);
	return found;
}
