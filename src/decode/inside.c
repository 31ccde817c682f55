/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was found in the guest's memory (guest.inside): checked once more, for a case may come from
 * anybody; and the kernel's log there, read like that of a serial console. */
#include "decode/decoder.h"
#include "decode/logscan.h"

#include <inttypes.h>

#define MAX_LOG (1u << 20)

/* "[  123.456789] text", each line of a record with its stamp, as dmesg shows them. */
static void add_record(struct vh_buf *out, const struct vh_inside_record *r)
{
	struct vh_str rest = {r->text, r->n}, line;
	uint64_t us = r->ts_ns / 1000;

	while (vh_next_line(&rest, &line)) {
		vh_buf_printf(out, "[%5" PRIu64 ".%06" PRIu64 "] ", us / 1000000, us % 1000000);
		vh_buf_add(out, line.s, line.n);
		vh_buf_putc(out, '\n');
	}
}

static char *log_text(const struct vh_inside *in)
{
	struct vh_buf out = {0};
	size_t from = in->n_dmesg, bytes = 0;

	while (from > 0 && bytes + in->dmesg[from - 1].n + 24 < MAX_LOG) {
		from--;
		bytes += in->dmesg[from].n + 24;
	}
	for (; from < in->n_dmesg; from++)
		add_record(&out, &in->dmesg[from]);
	return vh_buf_steal(&out);
}

/* By the guest's uptime, which stands still where nobody counts it on. */
static int64_t log_age(const struct vh_inside *in)
{
	uint64_t newest = 0;

	for (size_t i = 0; i < in->n_dmesg; i++)
		newest = VH_MAX(newest, in->dmesg[i].ts_ns);
	if (in->kernel.uptime_ns < 0 || newest > INT64_MAX)
		return -1;
	return VH_MAX(in->kernel.uptime_ns - (int64_t)newest, 0);
}

void vh_decode_inside(struct vh_decoder *d)
{
	const struct vh_found *f = vh_seek_data(&d->in, "guest.inside", "", VH_N_ROUND);
	struct vh_model *m = d->m;

	m->dmesg.age_ns = -1;
	if (!f)
		return;
	vh_auto_error struct vh_error *err = NULL;

	m->inside = vh_inside_parse(vh_evidence_text(f->e), &err);
	m->inside_evidence = f->index;
	if (!m->inside || !m->inside->n_dmesg)
		return;
	m->dmesg.text = log_text(m->inside);
	m->dmesg.age_ns = log_age(m->inside);
	m->dmesg.is_whole = !m->inside->dmesg_lost;
}

/* What the kernel itself writes, and has in its own log as well. */
static bool is_of_kernel(const char *hit)
{
	static const char *const ids[] = {"kernel-panic", "no-root-fs", "hard-lockup",
		"soft-lockup", "rcu-stall", "hung-task", "guest-oom", "kernel-oops", "kernel-bug",
		"guest-io-error", "read-only-fs", "clock-trouble"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(ids); i++)
		if (vh_streq(ids[i], hit))
			return true;
	return false;
}

static bool in_dmesg(const struct vh_model *m, const char *hit)
{
	for (size_t i = 0; i < m->n_hits; i++)
		if (m->hits[i].evidence == m->inside_evidence && vh_streq(m->hits[i].id, hit))
			return true;
	return false;
}

/* On a console stands what earlier kernels wrote, too: what the one that runs has not in its log is
 * not its own. */
static void forget_earlier_kernels(struct vh_model *m)
{
	size_t kept = 0;

	for (size_t i = 0; i < m->n_hits; i++)
		if (m->hits[i].kind == VH_LOG_SERIAL && is_of_kernel(m->hits[i].id) &&
			m->hits[i].evidence != m->inside_evidence && !in_dmesg(m, m->hits[i].id))
			free(m->hits[i].line);
		else
			m->hits[kept++] = m->hits[i];
	m->n_hits = kept;
}

void vh_decode_inside_log(struct vh_decoder *d)
{
	struct vh_model *m = d->m;

	if (!m->dmesg.text)
		return;
	vh_log_scan_kernel(m, vh_str(m->dmesg.text), m->inside_evidence);
	if (m->dmesg.is_whole && m->inside->outcome == VH_INSIDE_LINUX)
		forget_earlier_kernels(m);
}
