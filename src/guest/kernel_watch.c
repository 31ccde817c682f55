/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/kernel_watch.h"

#include <errno.h>

#include "guest/kernel_search.h"
#include "guest/printk.h"

/* Tables and banner as they are now, and not as they were kept. 0, -ENODATA and the like: it cannot
 * be told; anything else: they are gone. */
static int read_banner(
	struct vh_kernel_watch *w, const struct vh_kernel *k, vh_gpa *at, char *text, size_t size)
{
	struct vh_space *now = vh_space_new(vh_space_memory(k->space), vh_space_root(k->space));
	struct vh_mapping m;
	int err = vh_space_translate(now, w->banner, &m);
	ssize_t n = err ? err : vh_space_string(now, w->banner, text, size);

	vh_space_free(now);
	*at = m.gpa;
	return n < 0 ? (int)n : 0;
}

void vh_kernel_watch_begin(struct vh_kernel_watch *w, const struct vh_kernel *k)
{
	*w = (struct vh_kernel_watch){.uptime_ns = -1, .moved_ns = vh_now_ns()};
	if (!vh_symbols_address(k->symbols, "linux_banner", &w->banner) ||
		read_banner(w, k, &w->at, w->text, sizeof(w->text)))
		w->banner = 0;
}

static bool is_gone(struct vh_kernel_watch *w, const struct vh_kernel *k)
{
	char text[sizeof(w->text)];
	vh_gpa at;
	int err = read_banner(w, k, &at, text, sizeof(text));

	/* A page that is not in the host's memory, or a budget, tells nothing. */
	if (err)
		return err == -ENXIO || err == -EFAULT;
	return at.a != w->at.a || !vh_streq(text, w->text);
}

const char *vh_kernel_watch_look(
	struct vh_kernel_watch *w, const struct vh_kernel *k, uint64_t seq, int64_t stands_ns)
{
	int64_t now_ns = vh_now_ns(), uptime_ns = vh_kernel_uptime(k);
	uint64_t next = w->next_seq;

	if (w->banner && is_gone(w, k))
		return "where its kernel was is something else";
	if (!vh_printk_next_seq(k, &next) && next < seq)
		return "its log began anew";
	if (uptime_ns != w->uptime_ns || next != w->next_seq)
		w->moved_ns = now_ns;
	w->uptime_ns = uptime_ns;
	w->next_seq = next;
	if (stands_ns && now_ns - w->moved_ns >= stands_ns)
		return "neither its clock nor its log moves";
	return NULL;
}
