/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/printk_parts.h"

#include <errno.h>

#define MAX_HOLES 256u /* pages; behind so many no further one is tried */
#define AT_ONCE   (UINT64_C(256) << 10)

void vh_printk_add(struct vh_inside *in, const struct vh_inside_record *r, struct vh_bytes text)
{
	char *copy = vh_alloc(text.n + 1);

	if (text.n)
		memcpy(copy, text.data, text.n);
	struct vh_inside_record *added = &VH_PUSH(in->dmesg, in->n_dmesg);
	*added = *r;
	added->text = copy;
	added->n = text.n;
}

static bool is_hole(int err)
{
	return err && err != -EDQUOT && err != -ETIME;
}

/* Page by page: what cannot be read is zeroes. */
static int read_pages(struct vh_space *s, uint64_t gva, uint64_t n, uint8_t *to, uint64_t *holes)
{
	for (uint64_t at = 0, bytes; at < n; at += bytes) {
		bytes = VH_MIN(VH_GUEST_PAGE - (gva + at) % VH_GUEST_PAGE, n - at);
		int err = vh_space_read(s, gva + at, to + at, bytes);

		if (err && !is_hole(err))
			return err;
		if (err) {
			memset(to + at, 0, bytes);
			(*holes)++;
		}
	}
	return 0;
}

/* Much at once, else page by page, up to the first that cannot be read when there were too many
 * already: what lies behind is not touched, so that a length that lies costs no memory. */
static int read_piece(struct vh_space *s, uint64_t gva, uint64_t n, uint8_t *to, uint64_t *holes)
{
	for (uint64_t at = 0, bytes; at < n; at += bytes) {
		bytes = VH_MIN(AT_ONCE - (gva + at) % AT_ONCE, n - at);
		int err = vh_space_read(s, gva + at, to + at, bytes);

		if (is_hole(err) && *holes >= MAX_HOLES) {
			memset(to + at, 0, bytes);
			*holes += (n - at + VH_GUEST_PAGE - 1) / VH_GUEST_PAGE;
			return 0;
		}
		if (is_hole(err))
			err = read_pages(s, gva + at, bytes, to + at, holes);
		if (err)
			return err;
	}
	return 0;
}

int vh_printk_read_ring(struct vh_space *s, uint64_t gva, uint64_t size, uint64_t from, uint64_t n,
	uint8_t *to, uint64_t *holes)
{
	uint64_t first = VH_MIN(n, size - from);
	int err = read_piece(s, gva + from, first, to, holes);

	return err || first == n ? err : read_piece(s, gva, n - first, to + first, holes);
}

/* Lets the oldest go until what remains is within both caps. */
static void cut(struct vh_inside *in)
{
	size_t keep = 0, bytes = 0;

	while (keep < in->n_dmesg && keep < VH_INSIDE_MAX_DMESG) {
		bytes += in->dmesg[in->n_dmesg - keep - 1].n;
		if (bytes > VH_PRINTK_MAX_TEXT)
			break;
		keep++;
	}
	size_t gone = in->n_dmesg - keep;

	if (!gone)
		return;
	for (size_t i = 0; i < gone; i++)
		free(in->dmesg[i].text);
	memmove(in->dmesg, in->dmesg + gone, keep * sizeof(*in->dmesg));
	in->n_dmesg = keep;
	vh_inside_note(in, "the log's oldest %zu records were left out: it is too long", gone);
}

static bool find_ring(const struct vh_kernel *k, uint64_t *gva)
{
	int64_t noted;

	if (vh_symbols_address(k->symbols, "prb", gva))
		return true;
	if (!k->note || !vh_vmcoreinfo_number(k->note, "SYMBOL(prb)", &noted))
		return false;
	*gva = (uint64_t)noted;
	return true;
}

int vh_printk_read(struct vh_kernel *k, uint64_t from, struct vh_inside *in)
{
	uint64_t pointer, ring;
	int err;

	if (find_ring(k, &pointer)) {
		err = vh_space_u64(k->space, pointer, &ring);
		if (!err)
			err = vh_printk_read_records(k, ring, from, in);
	} else {
		err = vh_printk_read_log(k, from, in);
	}
	if (err == -ENOENT)
		vh_inside_note(in, "the kernel's log was not found: it has neither the symbol prb "
				   "nor log_buf");
	else if (err)
		vh_inside_note(in, "the kernel's log could not be read: %s", strerror(-err));
	cut(in);
	in->dmesg_lost = in->n_dmesg && in->dmesg[0].seq > from ? in->dmesg[0].seq - from : 0;
	return err;
}

int vh_printk_next_seq(const struct vh_kernel *k, uint64_t *next)
{
	uint64_t pointer, ring;

	if (!find_ring(k, &pointer))
		return vh_printk_next_of_log(k, next);
	int err = vh_space_u64(k->space, pointer, &ring);

	return err ? err : vh_printk_next_of_records(k, ring, next);
}
