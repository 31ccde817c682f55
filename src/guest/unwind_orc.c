/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ORC: a table of addresses and one of what holds from each of them on (arch/x86/include/asm/
 * orc_types.h, arch/x86/kernel/unwind_orc.c, 4.14 to 7.3). The tables are megabytes and a lookup
 * needs a few words of them, so that they are read as the searches go, a page at a time.
 */
#include "guest/unwind_parts.h"

#include <errno.h>

#define MAX_ENTRIES (8u << 20)

/* Numbers of 4.14 to 7.2, and of 7.3 on. */
static const enum vh_orc_register classic[16] = {VH_ORC_UNDEFINED, VH_ORC_PREVIOUS_SP, VH_ORC_DX,
	VH_ORC_DI, VH_ORC_BP, VH_ORC_SP, VH_ORC_R10, VH_ORC_R13, VH_ORC_BP_INDIRECT,
	VH_ORC_SP_INDIRECT, VH_ORC_AX};
static const enum vh_orc_register renumbered[16] = {VH_ORC_UNDEFINED, VH_ORC_AX, VH_ORC_DX,
	VH_ORC_SP, VH_ORC_BP, VH_ORC_DI, VH_ORC_R10, VH_ORC_R13, VH_ORC_PREVIOUS_SP,
	VH_ORC_SP_INDIRECT, VH_ORC_BP_INDIRECT};

static bool read_entry(const struct vh_kernel *k, const char *symbol, uint16_t out[3])
{
	uint64_t gva;

	return vh_symbols_address(k->symbols, symbol, &gva) &&
	       vh_space_read(k->space, gva, out, VH_ORC_BYTES) == 0;
}

/*
 * Two entries that the kernel keeps for where the tables have none are known by what they do:
 * null_orc_entry (a call of address 0: SP + 8) and orc_fp_entry (a frame pointer: BP + 16, with the
 * caller's BP at its SP - 16). Their numbers are those of SP, BP, the previous SP, and a call.
 */
static void calibrate(struct vh_unwinder *u, struct vh_kernel *k, struct vh_inside *in)
{
	uint16_t null[3], fp[3];
	struct vh_field type;

	memcpy(u->registers, classic, sizeof(classic));
	u->three_bits = vh_layout_field(k->layout, "orc_entry", "type", &type)
				? type.bits == 3
				: vh_kernel_since(k, 6, 4);
	u->indirect_then_add = !k->version || vh_kernel_since(k, 5, 12);
	if (!read_entry(k, "null_orc_entry", null) || !read_entry(k, "orc_fp_entry", fp))
		return;
	if (null[0] != 8 || fp[0] != 16 || fp[1] != (uint16_t)-16)
		return;
	unsigned sp = null[2] & 15, bp = fp[2] & 15, previous = fp[2] >> 4 & 15;

	u->three_bits = (fp[2] >> 8 & 3) == 2;
	if (classic[sp] == VH_ORC_SP && classic[bp] == VH_ORC_BP &&
		classic[previous] == VH_ORC_PREVIOUS_SP)
		return;
	memcpy(u->registers, renumbered, sizeof(renumbered));
	if (renumbered[sp] == VH_ORC_SP && renumbered[bp] == VH_ORC_BP &&
		renumbered[previous] == VH_ORC_PREVIOUS_SP)
		return;
	memset(u->registers, 0, sizeof(u->registers));
	u->registers[sp] = VH_ORC_SP;
	u->registers[bp] = VH_ORC_BP;
	u->registers[previous] = VH_ORC_PREVIOUS_SP;
	u->registers[0] = VH_ORC_UNDEFINED;
	vh_inside_note(in,
		"the unwind tables number the registers in a way that is not known: some "
		"backtraces end early");
}

void vh_orc_setup(struct vh_unwinder *u, struct vh_kernel *k, struct vh_inside *in)
{
	uint64_t ip, ip_end, orc, orc_end;
	uint32_t bytes;

	if (!vh_symbols_address(k->symbols, "__start_orc_unwind_ip", &ip) ||
		!vh_symbols_address(k->symbols, "__stop_orc_unwind_ip", &ip_end) ||
		!vh_symbols_address(k->symbols, "__start_orc_unwind", &orc) ||
		!vh_symbols_address(k->symbols, "__stop_orc_unwind", &orc_end))
		return;
	uint64_t n = (ip_end - ip) / 4;

	/* A kernel that was built without them has the symbols, with nothing between them. */
	if (!n)
		return;
	if ((vh_layout_sizeof(k->layout, "orc_entry", &bytes) && bytes != VH_ORC_BYTES) ||
		n > MAX_ENTRIES || (orc_end - orc) / VH_ORC_BYTES != n) {
		vh_inside_note(in, "the unwind tables have a form that is not known");
		return;
	}
	u->kernel = (struct vh_orc_table){ip, orc, (uint32_t)n};
	calibrate(u, k, in);
}

/* --- Lookup --------------------------------------------------------------------------------------
 */

/* The slot for a page of the tables. */
static struct vh_orc_page *slot_of(struct vh_unwinder *u, uint64_t gva)
{
	struct vh_orc_page **slot = &u->pages[gva / VH_GUEST_PAGE % VH_ORC_SLOTS];

	if (!*slot)
		*slot = vh_alloc(sizeof(**slot));
	return *slot;
}

/* Reads n bytes, at most a page, that may lie over a page's end, through the pages that are kept.
 */
static int read_cached(struct vh_kernel *k, uint64_t gva, void *to, size_t n)
{
	uint8_t *out = to;

	for (size_t done = 0, piece; done < n; done += piece) {
		uint64_t at = gva + done, first = at & ~(VH_GUEST_PAGE - 1);
		struct vh_orc_page *p = slot_of(k->unwinder, first);

		piece = VH_MIN(n - done, VH_GUEST_PAGE - (size_t)(at - first));
		if (p->gva != first) {
			int err = vh_space_read(k->space, first, p->bytes, VH_GUEST_PAGE);

			p->gva = err ? 0 : first;
			if (err)
				return err;
		}
		memcpy(out + done, p->bytes + (at - first), piece);
	}
	return 0;
}

/* Addresses are kept relative to where they stand. */
static int address(struct vh_kernel *k, const struct vh_orc_table *t, uint32_t i, uint64_t *ip)
{
	uint64_t at = t->ip_gva + 4 * (uint64_t)i;
	int32_t relative;
	int err = read_cached(k, at, &relative, sizeof(relative));

	*ip = at + (uint64_t)(int64_t)relative;
	return err;
}

/* The last entry that begins at ip or before: of several of one address the others are marks of
 * where a section ends. */
static bool search(struct vh_kernel *k, const struct vh_orc_table *t, uint64_t ip, uint8_t *entry)
{
	uint32_t low = 0, high = t->n;
	uint64_t at;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (address(k, t, middle, &at) < 0)
			return false;
		if (at <= ip)
			low = middle + 1;
		else
			high = middle;
	}
	return low && read_cached(k, t->orc_gva + (uint64_t)VH_ORC_BYTES * (low - 1), entry,
			      VH_ORC_BYTES) == 0;
}

struct vh_orc_entry vh_orc_decode(const struct vh_unwinder *u, const uint8_t bytes[VH_ORC_BYTES])
{
	static const enum vh_orc_type types[8] = {
		VH_ORC_BROKEN, VH_ORC_END, VH_ORC_CALL, VH_ORC_REGS, VH_ORC_PARTIAL};
	static const enum vh_orc_type old_types[4] = {VH_ORC_CALL, VH_ORC_REGS, VH_ORC_PARTIAL};
	struct vh_bytes b = {bytes, VH_ORC_BYTES};
	uint16_t word = vh_bytes_u16(b, 4);
	struct vh_orc_entry e = {
		.sp_offset = (int16_t)vh_bytes_u16(b, 0),
		.bp_offset = (int16_t)vh_bytes_u16(b, 2),
		.sp = u->registers[word & 15],
		.bp = u->registers[word >> 4 & 15],
	};

	if (u->three_bits) {
		e.type = types[word >> 8 & 7];
		e.exact = word >> 11 & 1;
		return e;
	}
	e.type = old_types[word >> 8 & 3];
	e.exact = e.type != VH_ORC_CALL;
	/* `end` is bit 10, and in 6.3, where `signal` came before it, bit 11. */
	if (e.sp == VH_ORC_UNDEFINED)
		e.type = word >> 10 & 3 ? VH_ORC_END : VH_ORC_BROKEN;
	return e;
}

bool vh_orc_find(struct vh_kernel *k, uint64_t ip, struct vh_orc_entry *out)
{
	const struct vh_unwinder *u = k->unwinder;
	struct vh_orc_table table = u->kernel;
	struct vh_module_orc of_module;
	uint8_t bytes[VH_ORC_BYTES];
	size_t module;

	if (!ip) { /* a call of nothing: its return address is on top */
		*out = (struct vh_orc_entry){8, 0, VH_ORC_SP, VH_ORC_UNDEFINED, VH_ORC_CALL, false};
		return true;
	}
	if (!vh_kernel_is_text(k, ip))
		return false;
	if (k->modules && vh_modules_at(k->modules, ip, &module)) {
		if (!vh_modules_orc(k->modules, module, &of_module))
			return false;
		table = (struct vh_orc_table){of_module.ip_gva, of_module.orc_gva, of_module.n};
	}
	if (!search(k, &table, ip, bytes))
		return false;
	*out = vh_orc_decode(u, bytes);
	return true;
}

/* --- A step --------------------------------------------------------------------------------------
 */

/* The caller's SP, as the entry tells it. */
static bool previous_sp(struct vh_walk *w, const struct vh_orc_entry *e, uint64_t *sp)
{
	uint64_t offset = (uint64_t)(int64_t)e->sp_offset;
	bool add_first = !w->k->unwinder->indirect_then_add;

	switch (e->sp) {
	case VH_ORC_SP:
		*sp = w->sp + offset;
		return true;
	case VH_ORC_BP:
		*sp = w->bp + offset;
		return true;
	case VH_ORC_SP_INDIRECT:
		if (vh_space_u64(w->s, w->sp + (add_first ? offset : 0), sp) < 0)
			return false;
		*sp += add_first ? 0 : offset;
		return true;
	case VH_ORC_BP_INDIRECT:
		return vh_space_u64(w->s, w->bp + offset, sp) == 0;
	case VH_ORC_AX:
	case VH_ORC_DX:
	case VH_ORC_DI:
	case VH_ORC_R10:
	case VH_ORC_R13:
		if (!w->has_registers)
			return false;
		*sp = e->sp == VH_ORC_AX    ? w->ax
		      : e->sp == VH_ORC_DX  ? w->dx
		      : e->sp == VH_ORC_DI  ? w->di
		      : e->sp == VH_ORC_R10 ? w->r10
					    : w->r13;
		*sp += offset;
		return true;
	case VH_ORC_NONE:
	case VH_ORC_UNDEFINED:
	case VH_ORC_PREVIOUS_SP:
		break;
	}
	return false;
}

static bool previous_bp(struct vh_walk *w, const struct vh_orc_entry *e, uint64_t sp, uint64_t *bp)
{
	uint64_t offset = (uint64_t)(int64_t)e->bp_offset;

	if (e->bp == VH_ORC_PREVIOUS_SP)
		return vh_space_u64(w->s, sp + offset, bp) == 0;
	if (e->bp == VH_ORC_BP)
		return vh_space_u64(w->s, w->bp + offset, bp) == 0;
	*bp = w->bp;
	return e->bp == VH_ORC_UNDEFINED;
}

enum vh_unwound vh_step_orc(struct vh_walk *w)
{
	struct vh_orc_entry e;
	uint64_t sp, bp, ip;
	enum vh_unwound step;

	if (!vh_orc_find(w->k, w->exact || !w->ip ? w->ip : w->ip - 1, &e))
		return VH_STEP_UNKNOWN;
	if (e.type == VH_ORC_END)
		return VH_STEP_END;
	if (e.type == VH_ORC_BROKEN)
		return vh_step_broken(w, "the kernel's unwind tables do not cover it");
	if (!previous_sp(w, &e, &sp))
		return vh_step_broken(w, "the stack pointer of its caller cannot be found");
	if (!previous_bp(w, &e, sp, &bp))
		return vh_step_broken(w, "the frame pointer of its caller cannot be read");
	if (e.type == VH_ORC_CALL) {
		if (vh_space_u64(w->s, sp - 8, &ip) < 0)
			return vh_step_broken(w, "the stack at %#llx cannot be read",
				(unsigned long long)(sp - 8));
		return vh_step_call(w, ip, sp, bp);
	}
	bool partial = e.type == VH_ORC_PARTIAL;

	step = partial ? vh_step_iret(w, sp) : vh_step_registers(w, sp);
	if (step == VH_STEP_NEXT && partial)
		w->bp = bp;
	/* Registers that were saved on the way in, where a call was made of: 6.3 on. */
	if (step == VH_STEP_NEXT && w->kind == VH_FRAME_INTERRUPT)
		w->exact = e.exact;
	return step;
}
