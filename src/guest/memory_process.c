/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory of a running VMM, by its descriptors alone: a sandboxed process can read it. */
#include <errno.h>

#include "guest/memory.h"

#define PRESENT (UINT64_C(1) << 63) /* Documentation/admin-guide/mm/pagemap.rst */
/* Entries of pagemap that are read at once. */
#define ENTRIES 512u

struct process {
	int mem_fd, pagemap_fd;
	struct vh_ram ram[VH_MAX_RAM];
	size_t n_ram;
};

static const struct vh_ram *ram_at(const struct process *p, vh_gpa gpa)
{
	for (size_t i = 0; i < p->n_ram; i++)
		if (gpa.a >= p->ram[i].gpa.a && gpa.a - p->ram[i].gpa.a < p->ram[i].bytes)
			return &p->ram[i];
	return NULL;
}

int vh_read_at(int fd, uint64_t at, void *to, size_t n)
{
	uint8_t *out = to;

	if (at > INT64_MAX - n)
		return -EIO;
	while (n) {
		ssize_t got = pread(fd, out, n, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -ENODATA;
		out += got;
		n -= (size_t)got;
		at += (uint64_t)got;
	}
	return 0;
}

/* Pages of the VMM from hva on that are present, or that are not, as the first of them is: how
 * many, up to n and ENTRIES; a negative errno. */
static ssize_t same_pages(const struct process *p, uint64_t hva, uint64_t n, bool *present)
{
	uint64_t entries[ENTRIES];
	size_t wanted = (size_t)VH_MIN(n, (uint64_t)ENTRIES), same = 0;
	int err = vh_read_at(p->pagemap_fd, hva / VH_GUEST_PAGE * sizeof(*entries), entries,
		wanted * sizeof(*entries));

	if (err)
		return err;
	*present = entries[0] & PRESENT;
	while (same < wanted && !(entries[same] & PRESENT) == !*present)
		same++;
	return (ssize_t)same;
}

static int all_present(const struct process *p, uint64_t hva, size_t n)
{
	uint64_t page = hva & ~(VH_GUEST_PAGE - 1),
		 pages = (hva + n - 1 - page) / VH_GUEST_PAGE + 1;

	while (pages) {
		bool present;
		ssize_t same = same_pages(p, page, pages, &present);

		if (same < 0)
			return (int)same;
		if (!present)
			return -ENODATA;
		page += (uint64_t)same * VH_GUEST_PAGE;
		pages -= (uint64_t)same;
	}
	return 0;
}

static int process_read(void *self, vh_gpa gpa, void *to, size_t n)
{
	const struct process *p = self;
	const struct vh_ram *r = ram_at(p, gpa);

	/* Pieces may lie one over the other, where who told of them is wrong. */
	if (!r || n > r->bytes - (gpa.a - r->gpa.a))
		return -EFAULT;
	uint64_t hva = r->hva.a + (gpa.a - r->gpa.a);
	int err = all_present(p, hva, n);

	return err ? err : vh_read_at(p->mem_fd, hva, to, n);
}

static bool process_next(void *self, vh_gpa gpa, uint64_t most, struct vh_run *run)
{
	const struct process *p = self;
	const struct vh_ram *r = ram_at(p, gpa);
	uint64_t page = gpa.a & ~(VH_GUEST_PAGE - 1);

	if (!r)
		return false;
	uint64_t left = (r->gpa.a + r->bytes - page) / VH_GUEST_PAGE;

	*run = (struct vh_run){.bytes = 0};
	while (left && run->bytes + VH_GUEST_PAGE <= most) {
		bool present;
		ssize_t same = same_pages(p, r->hva.a + (page - r->gpa.a), left, &present);

		if (same <= 0 || (!present && run->bytes))
			break;
		if (present) {
			if (!run->bytes)
				run->gpa.a = page;
			run->bytes += (uint64_t)same * VH_GUEST_PAGE;
		}
		page += (uint64_t)same * VH_GUEST_PAGE;
		left -= (uint64_t)same;
	}
	run->bytes = VH_MIN(run->bytes, most & ~(VH_GUEST_PAGE - 1));
	return run->bytes > 0;
}

struct vh_memory *vh_memory_of_process(
	int mem_fd, int pagemap_fd, const struct vh_ram *ram, size_t n)
{
	static const struct vh_memory_source source = {process_read, process_next, free};
	struct process *p = vh_alloc(sizeof(*p));

	p->mem_fd = mem_fd;
	p->pagemap_fd = pagemap_fd;
	/* A piece whose host address would wrap is nobody's memory; reading it is refused. */
	for (size_t i = 0; i < n && p->n_ram < VH_MAX_RAM; i++)
		if (ram[i].hva.a <= INT64_MAX - VH_MIN(ram[i].bytes, (uint64_t)INT64_MAX))
			p->ram[p->n_ram++] = ram[i];
	return vh_memory_new(&source, p, ram, n);
}
