/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU's log, the guest's consoles and the host's kernel log, and what is recognised in them. */
#include "decode/decoder.h"
#include "decode/logscan.h"

#define MAX_LINE    200
#define NEAR_END    8 /* lines: a prompt that much has been printed behind is not waiting */
#define MAX_SCANNED (1u << 20)

/* True where a number in the line is the process or one of its threads. */
static bool names_us(const struct vh_model *m, struct vh_str line)
{
	for (size_t i = 0; i < line.n;) {
		size_t begin = i;
		uint64_t number;

		while (i < line.n && line.s[i] >= '0' && line.s[i] <= '9')
			i++;
		if (i == begin) {
			i++;
			continue;
		}
		if (i - begin > 9 ||
			!vh_parse_u64((struct vh_str){line.s + begin, i - begin}, 10, &number) ||
			number <= 1)
			continue;
		if ((pid_t)number == m->vm->id.pid || vh_thread_find(m, (int64_t)number))
			return true;
	}
	return false;
}

static bool fits(const struct vh_model *m, const struct vh_log_pattern *p, enum vh_log_kind kind,
	struct vh_str line, size_t lines_left)
{
	if (!(p->kinds >> kind & 1) || vh_str_find(line, p->needle[0]) < 0)
		return false;
	if (p->needle[1] && vh_str_find(line, p->needle[1]) < 0)
		return false;
	if (p->not_with && vh_str_find(line, p->not_with) >= 0)
		return false;
	if (p->where == VH_LOG_NEAR_END && lines_left > NEAR_END)
		return false;
	return p->where != VH_LOG_OURS || names_us(m, line);
}

/* Escaped, and cut to MAX_LINE bytes between two characters. Without the register dump that stands
 * behind a message where its lines were joined. */
static char *cut_line(struct vh_str line)
{
	struct vh_buf out = {0};
	ssize_t dump = vh_str_find(line, " EAX=");

	if (dump < 0)
		dump = vh_str_find(line, " RAX=");
	line.n = dump > 0 ? (size_t)dump : line.n;
	line = vh_str_trim(line);
	vh_escape(&out, (struct vh_str){line.s, VH_MIN(line.n, MAX_LINE)}, false);
	size_t n = 0;

	while (n < out.len) {
		size_t one = vh_utf8_length((struct vh_str){out.data + n, out.len - n}, NULL);

		if (n + VH_MAX(one, 1) > MAX_LINE)
			break;
		n += VH_MAX(one, 1);
	}
	char *cut = vh_strndup(vh_buf_str(&out), n);

	vh_buf_free(&out);
	return cut;
}

/* A guest that asks for a login has been started again since it wrote one of these. */
static bool ends_with_login(const char *id)
{
	static const char *const ids[] = {"kernel-panic", "no-root-fs", "no-bootable-device",
		"uefi-no-boot-option", "boot-failed"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(ids); i++)
		if (vh_streq(id, ids[i]))
			return true;
	return false;
}

static void forget_earlier_life(struct vh_model *m, size_t evidence)
{
	size_t kept = 0;

	for (size_t i = 0; i < m->n_hits; i++)
		if (m->hits[i].evidence == evidence && ends_with_login(m->hits[i].id))
			free(m->hits[i].line);
		else
			m->hits[kept++] = m->hits[i];
	m->n_hits = kept;
}

/* A later line of the same meaning in the same log takes the place of an earlier one. */
static void note_hit(struct vh_model *m, const struct vh_log_pattern *p, struct vh_str line,
	enum vh_log_kind kind, size_t evidence)
{
	for (size_t i = 0; i < m->n_hits; i++)
		if (m->hits[i].evidence == evidence && vh_streq(m->hits[i].id, p->id)) {
			free(m->hits[i].line);
			memmove(&m->hits[i], &m->hits[i + 1],
				(m->n_hits - 1 - i) * sizeof(*m->hits));
			m->hits[m->n_hits - 1] = (struct vh_log_hit){
				p->id, p->meaning, cut_line(line), evidence, kind};
			return;
		}
	VH_PUSH(m->hits, m->n_hits) =
		(struct vh_log_hit){p->id, p->meaning, cut_line(line), evidence, kind};
}

static bool begins_life(struct vh_str line, enum vh_log_kind kind)
{
	return kind == VH_LOG_SERIAL ? vh_log_is_boot_banner(line)
				     : vh_str_find(line, ": starting up libvirt version:") >= 0;
}

/* What lies before the last boot banner belongs to an earlier life of the guest; before libvirt's
 * last line of a start, to an earlier QEMU. */
static struct vh_str last_life(struct vh_str text, enum vh_log_kind kind, size_t *lines)
{
	struct vh_str rest = text, line;

	*lines = 0;
	while (vh_next_line(&rest, &line)) {
		if (begins_life(line, kind)) {
			text = (struct vh_str){line.s, text.s + text.n - line.s};
			*lines = 0;
		}
		*lines += vh_str_trim(line).n > 0;
	}
	return text;
}

/* lines: how many are left, which tells a prompt that waits. */
static void scan(struct vh_model *m, struct vh_str text, enum vh_log_kind kind, size_t evidence,
	size_t lines)
{
	struct vh_str line;

	while (vh_next_line(&text, &line)) {
		if (!vh_str_trim(line).n)
			continue;
		lines--;
		for (size_t i = 0; i < vh_n_log_patterns; i++)
			if (fits(m, &vh_log_patterns[i], kind, line, lines)) {
				note_hit(m, &vh_log_patterns[i], line, kind, evidence);
				if (vh_streq(vh_log_patterns[i].id, "login-prompt"))
					forget_earlier_life(m, evidence);
				break;
			}
	}
}

void vh_log_scan(struct vh_model *m, struct vh_str text, enum vh_log_kind kind, size_t evidence)
{
	size_t lines = SIZE_MAX, unused;

	if (text.n > MAX_SCANNED)
		text = (struct vh_str){text.s + text.n - MAX_SCANNED, MAX_SCANNED};
	if (kind == VH_LOG_SERIAL)
		text = last_life(text, kind, &lines);
	else if (kind == VH_LOG_QEMU)
		text = last_life(text, kind, &unused);
	scan(m, text, kind, evidence, lines);
}

void vh_log_scan_kernel(struct vh_model *m, struct vh_str text, size_t evidence)
{
	/* There are no prompts in it. */
	scan(m, text, VH_LOG_SERIAL, evidence, SIZE_MAX);
}

/* The line stands in a serial log, and only in an earlier life of the guest. */
static bool is_of_earlier_life(const struct vh_model *m, const char *line)
{
	for (size_t i = 0; i < m->n_logs; i++) {
		struct vh_str all = m->logs[i].tail;
		size_t lines;

		if (m->logs[i].kind != VH_LOG_SERIAL || !all.n)
			continue;
		struct vh_str life = last_life(all, VH_LOG_SERIAL, &lines);
		struct vh_str before = {all.s, all.n - life.n};

		if (vh_str_find(before, line) >= 0 && vh_str_find(life, line) < 0)
			return true;
	}
	return false;
}

void vh_log_forget_earlier_lives(struct vh_model *m, size_t evidence)
{
	size_t kept = 0;

	for (size_t i = 0; i < m->n_hits; i++)
		if (m->hits[i].evidence == evidence && m->hits[i].line[0] &&
			is_of_earlier_life(m, m->hits[i].line))
			free(m->hits[i].line);
		else
			m->hits[kept++] = m->hits[i];
	m->n_hits = kept;
}

/* A console's escapes are gone, and the lives of its guest are told apart. */
static void scan_console(struct vh_model *m, struct vh_str tail, size_t evidence)
{
	vh_auto_buf struct vh_buf lines = {0};
	struct vh_boots boots;

	if (tail.n > MAX_SCANNED)
		tail = (struct vh_str){tail.s + tail.n - MAX_SCANNED, MAX_SCANNED};
	vh_console_lines(tail, &lines);
	struct vh_str text = {vh_buf_str(&lines), lines.len};

	vh_log_scan(m, text, VH_LOG_SERIAL, evidence);
	boots = vh_boots_of(text);
	boots.evidence = evidence;
	if (boots.alike <= m->boots.alike) {
		free(boots.last_words);
		return;
	}
	free(m->boots.last_words);
	m->boots = boots;
}

/* One log file at position begin..end of its source's range. */
static void decode_log(struct vh_decoder *d, enum vh_log_kind kind, size_t begin, size_t end)
{
	const struct vh_evidence *newest = d->in.list[end - 1].e;
	const char *source = newest->source, *path = newest->subject;
	const struct vh_found *first = vh_seek(&d->in, source, path, VH_FIRST);
	const struct vh_found *last = vh_seek(&d->in, source, path, VH_LAST);
	const struct vh_found *data = vh_seek_data(&d->in, source, path, VH_N_ROUND);
	struct vh_log_view v = {.kind = kind,
		.path = vh_strdup(path),
		.status = newest->status,
		.evidence = data ? data->index : d->in.list[end - 1].index};

	v.age_ns = -1;
	for (size_t i = begin; i < end; i++) {
		const struct vh_evidence *e = d->in.list[i].e;
		int64_t size = vh_evidence_number(e, "size", -1);

		v.age_ns = VH_MAX(vh_evidence_number(e, "age_ns", v.age_ns), -1);
		v.size_bytes = size >= 0 ? (uint64_t)size : v.size_bytes;
	}
	if (first && last) {
		int64_t was = vh_evidence_number(first->e, "size", -1);
		int64_t is = vh_evidence_number(last->e, "size", -1);

		v.grew = is != was && is >= 0;
		v.grew_bytes = was >= 0 && is > was ? (uint64_t)(is - was) : 0;
	}
	if (data) {
		v.tail = vh_evidence_text(data->e);
		if (kind == VH_LOG_SERIAL)
			scan_console(d->m, v.tail, v.evidence);
		else
			vh_log_scan(d->m, v.tail, kind, v.evidence);
	}
	VH_PUSH(d->m->logs, d->m->n_logs) = v;
}

static void decode_logs_of(struct vh_decoder *d, const char *source, enum vh_log_kind kind)
{
	size_t begin, end, i;

	vh_lookup_source(&d->in, source, &begin, &end);
	for (; begin < end && d->m->n_logs < VH_MAX_LOGS; begin = i) {
		for (i = begin; i < end && strcmp(d->in.list[i].e->subject,
						   d->in.list[begin].e->subject) == 0;)
			i++;
		decode_log(d, kind, begin, i);
	}
}

/* "[12345.678901] text": older than the process, it is about something else. */
static bool is_older_than_us(const struct vh_decoder *d, struct vh_str line)
{
	double started = (double)d->m->vm->id.start_ticks / d->ticks_per_s, at;
	struct vh_str stamp;

	if (!vh_str_starts(line, "["))
		return false;
	line = (struct vh_str){line.s + 1, line.n - 1};
	return vh_next_part(&line, ']', &stamp) && vh_parse_double(vh_str_trim(stamp), &at) &&
	       at < started - 1;
}

static void decode_kernel_log(struct vh_decoder *d)
{
	const struct vh_found *f = vh_seek(&d->in, "host.kmsg", "", VH_N_ROUND);
	struct vh_str text = vh_evidence_text(f ? f->e : NULL), rest = text, line;

	if (!f)
		return;
	while (vh_next_line(&rest, &line) && is_older_than_us(d, line))
		text = rest;
	VH_PUSH(d->m->logs, d->m->n_logs) = (struct vh_log_view){.kind = VH_LOG_HOST_KERNEL,
		.path = vh_strdup("kernel log of the host"),
		.status = f->e->status,
		.age_ns = -1,
		.size_bytes = text.n,
		.tail = text,
		.evidence = f->index};
	vh_log_scan(d->m, text, VH_LOG_HOST_KERNEL, f->index);
}

void vh_decode_logs(struct vh_decoder *d)
{
	decode_logs_of(d, "log.qemu", VH_LOG_QEMU);
	decode_logs_of(d, "log.serial", VH_LOG_SERIAL);
	decode_kernel_log(d);
}
