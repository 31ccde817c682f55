/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The control groups of the process, of its threads and of their ancestors (kernel
 * Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/): frozen, short of CPU time, short of memory.
 */
#include <inttypes.h>

#include "base/units.h"
#include "decode/decoder.h"

/* "Unlimited" of v1 is the largest number of pages (PAGE_COUNTER_MAX). */
#define V1_UNLIMITED (INT64_MAX / 4096 * 4096)

/* One file of one cgroup, at both ends of the window. */
struct file {
	const char *subject;
	struct vh_str first, last; /* last: the newest there is */
	bool has_both;
};

/* Fills in the cgroup at position *i of a source's range and moves *i past it. */
static bool next_file(const struct vh_decoder *d, size_t *i, size_t end, struct file *out)
{
	if (*i >= end)
		return false;
	const char *subject = d->in.list[*i].e->subject;
	const char *source = d->in.list[*i].e->source;

	while (*i < end && strcmp(d->in.list[*i].e->subject, subject) == 0)
		++*i;
	const struct vh_found *a = vh_seek_data(&d->in, source, subject, VH_FIRST);
	const struct vh_found *b = vh_seek_data(&d->in, source, subject, VH_LAST);

	*out = (struct file){.subject = subject, .has_both = a && b};
	out->first = vh_evidence_text(a ? a->e : NULL);
	out->last = vh_seek_window(&d->in, source, subject);
	return true;
}

#define for_each_file(d, source, file)                                                             \
	for (size_t file##_i, file##_end, file##_go = 1; file##_go; file##_go = 0)                 \
		for (vh_lookup_source(&(d)->in, source, &file##_i, &file##_end);                   \
			next_file(d, &file##_i, file##_end, &(file));)

static uint64_t growth(const struct file *f, const char *key)
{
	uint64_t a, b;

	if (!f->has_both || !vh_keyed_u64(f->first, key, &a) || !vh_keyed_u64(f->last, key, &b))
		return 0;
	return b > a ? b - a : 0;
}

static void note_frozen(struct vh_cgroup_view *g, bool frozen, const char *group)
{
	if (frozen || g->frozen < 0)
		g->frozen = frozen;
	if (frozen && !g->frozen_group)
		g->frozen_group = vh_escaped(group);
}

/* A frozen ancestor freezes too, and shows in cgroup.events alone. Being frozen counts as frozen:
 * one thread that cannot be does not help the others. */
static void decode_frozen(const struct vh_decoder *d, struct vh_cgroup_view *g)
{
	struct file f;
	uint64_t value;

	/* First where the group itself says that it is the one. */
	for_each_file(d, "cgroup.cgroup.freeze", f)
	{
		if (vh_parse_u64(vh_str_trim(f.last), 10, &value))
			note_frozen(g, value, f.subject);
	}
	for_each_file(d, "cgroup.cgroup.events", f)
	{
		if (vh_keyed_u64(f.last, "frozen", &value))
			note_frozen(g, value, f.subject);
	}
	for_each_file(d, "cgroup.freezer.state", f)
	{
		struct vh_str state = vh_str_trim(f.last);

		if (state.n)
			note_frozen(g, vh_str_is(state, "FROZEN") || vh_str_is(state, "FREEZING"),
				f.subject);
	}
}

/* The directory of a group of which evidence was read; its name where that is not told. */
static char *group_path(const struct vh_decoder *d, const char *subject)
{
	struct vh_str path = vh_str_trim(vh_seek_text(&d->in, "cgroup.path", subject, VH_N_ROUND));
	vh_auto_free char *raw = path.n && path.n < 4096 ? vh_str_dup(path) : vh_strdup(subject);

	return vh_escaped(raw);
}

static void note_quota(const struct vh_decoder *d, struct vh_cgroup_view *g, const char *subject,
	struct vh_str quota, struct vh_str period)
{
	int64_t q, p;

	if (!vh_parse_i64(vh_str_trim(quota), 10, &q) || q <= 0)
		return;
	if (!vh_parse_i64(vh_str_trim(period), 10, &p) || p <= 0)
		return;
	double cpus = (double)q / (double)p;

	if (!g->has_quota || cpus < g->quota_cpus) {
		vh_auto_free char *path = group_path(d, subject);

		g->quota_cpus = cpus;
		vh_replace(&g->quota_group, path);
	}
	g->has_quota = true;
}

static void decode_quota(const struct vh_decoder *d, struct vh_cgroup_view *g)
{
	struct file f;

	for_each_file(d, "cgroup.cpu.max", f)
	{
		struct vh_str rest = f.last, quota, period;

		if (vh_next_word(&rest, &quota) && vh_next_word(&rest, &period))
			note_quota(d, g, f.subject, quota, period); /* "max" is no number */
	}
	for_each_file(d, "cgroup.cpu.cfs_quota_us", f) note_quota(d, g, f.subject, f.last,
		vh_seek_window(&d->in, "cgroup.cpu.cfs_period_us", f.subject));
	/* Of the group that was throttled most: the others' periods say nothing of it. */
	for_each_file(d, "cgroup.cpu.stat", f)
	{
		uint64_t periods = growth(&f, "nr_periods"), throttled = growth(&f, "nr_throttled");
		uint64_t ns = growth(&f, "throttled_time"); /* v1 */
		uint64_t us = growth(&f, "throttled_usec"); /* v2 */

		if (!f.has_both)
			continue;
		if (!g->has_throttle || throttled > g->throttled ||
			(throttled == g->throttled && periods > g->periods)) {
			g->periods = periods;
			g->throttled = throttled;
			g->throttled_ns = (int64_t)VH_MIN(
				ns + (us < UINT32_MAX ? us * 1000 : 0), (uint64_t)INT64_MAX);
		}
		g->has_throttle = true;
	}
}

/* Defaults of cpu.weight (v2) and cpu.shares (v1). */
#define WEIGHT_DEFAULT 100.0
#define SHARES_DEFAULT 1024.0
/* What cpu.idle makes of a weight: that of SCHED_IDLE, 3 of 1024 (kernel/sched/sched.h). */
#define WEIGHT_IDLE (3 / 1024.0)

static void note_weight(
	const struct vh_decoder *d, struct vh_cgroup_view *g, const char *subject, double weight)
{
	vh_auto_free char *path = group_path(d, subject);

	if (!isnan(g->weight) && weight >= g->weight)
		return;
	g->weight = weight;
	vh_replace(&g->weight_group, path);
}

/* Each level of groups shares what the one above it got: the least weight on the way tells most. */
static void decode_weight(const struct vh_decoder *d, struct vh_cgroup_view *g)
{
	struct file f;
	uint64_t value;

	for_each_file(d, "cgroup.cpu.weight", f)
	{
		if (vh_parse_u64(vh_str_trim(f.last), 10, &value) && value)
			note_weight(d, g, f.subject, (double)value / WEIGHT_DEFAULT);
	}
	for_each_file(d, "cgroup.cpu.shares", f)
	{
		if (vh_parse_u64(vh_str_trim(f.last), 10, &value) && value)
			note_weight(d, g, f.subject, (double)value / SHARES_DEFAULT);
	}
	for_each_file(d, "cgroup.cpu.idle", f)
	{
		if (vh_parse_u64(vh_str_trim(f.last), 10, &value) && value)
			note_weight(d, g, f.subject, WEIGHT_IDLE);
	}
}

static bool limit_of(struct vh_str text, int64_t *bytes)
{
	return vh_parse_i64(vh_str_trim(text), 10, bytes) && *bytes >= 0 && *bytes < V1_UNLIMITED;
}

/* The group whose memory limit is the tightest; without any, the one deepest down. */
static const char *tightest_memory(const struct vh_decoder *d, struct vh_cgroup_view *g,
	const char *limit_source, const char *usage_source)
{
	const char *subject = NULL;
	struct file f;
	int64_t bytes;

	for_each_file(d, limit_source,
		f) if (limit_of(f.last, &bytes) &&
		       (g->memory_limit_bytes < 0 || bytes < g->memory_limit_bytes))
	{
		g->memory_limit_bytes = bytes;
		subject = f.subject;
	}
	for_each_file(d, usage_source,
		f) if (!subject ||
		       (g->memory_limit_bytes < 0 && strlen(f.subject) > strlen(subject))) subject =
		f.subject;
	return subject;
}

static void decode_memory(const struct vh_decoder *d, struct vh_cgroup_view *g)
{
	const char *v2 = tightest_memory(d, g, "cgroup.memory.max", "cgroup.memory.current");
	int64_t before = g->memory_limit_bytes;
	const char *high = tightest_memory(d, g, "cgroup.memory.high", "cgroup.memory.current");

	if (high && g->memory_limit_bytes != before) {
		v2 = high;
		g->memory_limit_is_high = true;
	}
	before = g->memory_limit_bytes;
	const char *v1 = tightest_memory(
		d, g, "cgroup.memory.limit_in_bytes", "cgroup.memory.usage_in_bytes");
	struct file f;
	uint64_t value;

	bool is_v1 = v1 && (!v2 || g->memory_limit_bytes != before);

	if (g->memory_limit_bytes >= 0)
		g->memory_group = group_path(d, is_v1 ? v1 : v2);
	if (is_v1)
		limit_of(vh_seek_window(&d->in, "cgroup.memory.usage_in_bytes", v1),
			&g->memory_bytes);
	else if (v2)
		limit_of(vh_seek_window(&d->in, "cgroup.memory.current", v2), &g->memory_bytes);
	for_each_file(d, "cgroup.memory.events", f)
	{
		if (f.has_both)
			g->memory_max_events = VH_MAX(g->memory_max_events,
				(int64_t)VH_MIN(VH_MAX(growth(&f, "max"), growth(&f, "high")),
					(uint64_t)INT64_MAX));
		if (vh_keyed_u64(f.last, "oom_kill", &value) && value <= INT64_MAX)
			g->oom_kills = VH_MAX(g->oom_kills, (int64_t)value);
	}
	for_each_file(d, "cgroup.memory.failcnt", f)
	{
		int64_t a, b;

		if (f.has_both && vh_parse_i64(vh_str_trim(f.first), 10, &a) &&
			vh_parse_i64(vh_str_trim(f.last), 10, &b) && a >= 0 && b >= a)
			g->memory_max_events = VH_MAX(g->memory_max_events, b - a);
	}
	for_each_file(d, "cgroup.memory.oom_control",
		f) if (vh_keyed_u64(f.last, "oom_kill", &value) && value <= INT64_MAX)
		g->oom_kills = VH_MAX(g->oom_kills, (int64_t)value);
}

bool vh_pressure_some_avg10(struct vh_str text, double *value)
{
	struct vh_str line, word;

	while (vh_next_line(&text, &line)) {
		if (!vh_next_word(&line, &word) || !vh_str_is(word, "some"))
			continue;
		while (vh_next_word(&line, &word))
			if (vh_str_starts(word, "avg10="))
				return vh_parse_double(
					(struct vh_str){word.s + 6, word.n - 6}, value);
	}
	return false;
}

/* The process's own cgroup of the v2 hierarchy, as a subject; NULL where it is in none. */
static char *own_v2(const struct vh_decoder *d)
{
	struct vh_str rest = vh_seek_text(&d->in, "proc.cgroup", "", VH_N_ROUND), line;

	while (vh_next_line(&rest, &line))
		if (vh_str_starts(line, "0::"))
			return vh_asprintf("v2:%.*s", (int)VH_MIN(line.n - 3, 4096), line.s + 3);
	return NULL;
}

/* Of less than this a guest looks hung. */
#define LOW_BYTES_PER_S    (UINT64_C(256) << 10)
#define LOW_REQUESTS_PER_S 10
#define MAX_LIMITS         16

struct io_limit {
	const char *what; /* "reads" */
	bool bytes;       /* else requests */
};

static void note_io_limit(struct vh_cgroup_view *g, struct vh_str device, const struct io_limit *l,
	uint64_t value, struct vh_buf *out)
{
	vh_buf_printf(
		out, "%sdevice %.*s: ", out->len ? "; " : "", (int)VH_MIN(device.n, 16u), device.s);
	if (l->bytes)
		vh_buf_printf(out, "%s of %s a second", vh_bytes_text(value).s, l->what);
	else
		vh_buf_printf(out, "%" PRIu64 " %s a second", value, l->what);
	g->io_limit_is_low |= value < (l->bytes ? LOW_BYTES_PER_S : LOW_REQUESTS_PER_S);
}

/* v1: "MAJOR:MINOR NUMBER"; v2: "MAJOR:MINOR rbps=N wbps=max riops=max wiops=N". */
static void take_io_limits(
	struct vh_cgroup_view *g, struct vh_str text, const struct io_limit *v1, struct vh_buf *out)
{
	static const struct {
		const char *key;
		struct io_limit limit;
	} keys[] = {{"rbps=", {"reads", true}}, {"wbps=", {"writes", true}},
		{"riops=", {"reads", false}}, {"wiops=", {"writes", false}}};
	struct vh_str line, device, word;
	uint64_t value;

	for (int n = 0; n < MAX_LIMITS && vh_next_line(&text, &line); n++) {
		if (!vh_next_word(&line, &device))
			continue;
		while (vh_next_word(&line, &word)) {
			if (v1 && vh_parse_u64(word, 10, &value))
				note_io_limit(g, device, v1, value, out);
			for (size_t i = 0; !v1 && i < VH_ARRAY_SIZE(keys); i++) {
				size_t skip = strlen(keys[i].key);

				if (vh_str_starts(word, keys[i].key) &&
					vh_parse_u64((struct vh_str){word.s + skip, word.n - skip},
						10, &value))
					note_io_limit(g, device, &keys[i].limit, value, out);
			}
		}
	}
}

static void decode_io_limits(const struct vh_decoder *d, struct vh_cgroup_view *g)
{
	static const struct {
		const char *source;
		struct io_limit v1;
	} sources[] = {
		{"cgroup.io.max", {NULL, false}},
		{"cgroup.blkio.throttle.read_bps_device", {"reads", true}},
		{"cgroup.blkio.throttle.write_bps_device", {"writes", true}},
		{"cgroup.blkio.throttle.read_iops_device", {"reads", false}},
		{"cgroup.blkio.throttle.write_iops_device", {"writes", false}},
	};
	struct vh_buf out = {0};

	for (size_t i = 0; i < VH_ARRAY_SIZE(sources); i++) {
		size_t begin, end;

		vh_lookup_source(&d->in, sources[i].source, &begin, &end);
		end = VH_MIN(end, begin + VH_MAX_CGROUPS);
		for (size_t k = begin; k < end; k++)
			if (d->in.list[k].e->round == VH_LAST && d->in.list[k].e->data)
				take_io_limits(g, vh_evidence_text(d->in.list[k].e),
					sources[i].v1.what ? &sources[i].v1 : NULL, &out);
	}
	if (out.len)
		g->io_limits = vh_escaped(vh_buf_str(&out));
	free(out.data);
}

static double pressure(const struct vh_decoder *d, const char *source, const char *own)
{
	const char *deepest = "";
	double value = NAN;
	struct file f;

	if (own && vh_pressure_some_avg10(vh_seek_window(&d->in, source, own), &value))
		return value;
	for_each_file(d, source, f) if (strlen(f.subject) > strlen(deepest)) deepest = f.subject;
	vh_pressure_some_avg10(vh_seek_window(&d->in, source, deepest), &value);
	return value;
}

/* "/a/b", or where v1 controllers differ "cpu:/a memory:/b" (those that vmhang looks at). */
static char *paths(const struct vh_decoder *d)
{
	static const char *const controllers[] = {"cpu", "freezer", "memory"};
	struct vh_str rest = vh_seek_text(&d->in, "proc.cgroup", "", VH_N_ROUND), line;
	struct vh_buf out = {0};

	while (vh_next_line(&rest, &line) && out.len < 4096) {
		struct vh_str number, list, name;

		if (!vh_next_part(&line, ':', &number) || !vh_next_part(&line, ':', &list))
			continue;
		if (!list.n && !vh_str_is(line, "/")) {
			vh_buf_puts(&out, out.len ? " " : "");
			vh_escape(&out, line, false);
		}
		while (vh_next_part(&list, ',', &name))
			for (size_t i = 0; i < VH_ARRAY_SIZE(controllers); i++)
				if (vh_str_is(name, controllers[i]) && !vh_str_is(line, "/")) {
					vh_buf_printf(
						&out, "%s%s:", out.len ? " " : "", controllers[i]);
					vh_escape(&out, line, false);
				}
	}
	if (!out.len && rest.s)
		vh_buf_putc(&out, '/');
	return vh_buf_steal(&out);
}

void vh_decode_cgroup(struct vh_decoder *d)
{
	struct vh_cgroup_view *g = &d->m->cgroup;
	vh_auto_free char *own = own_v2(d);

	*g = (struct vh_cgroup_view){.frozen = -1,
		.quota_cpus = NAN,
		.weight = NAN,
		.memory_limit_bytes = -1,
		.memory_bytes = -1,
		.memory_max_events = -1,
		.oom_kills = -1};
	decode_frozen(d, g);
	decode_quota(d, g);
	decode_weight(d, g);
	decode_memory(d, g);
	g->cpu_pressure_avg10 = pressure(d, "cgroup.cpu.pressure", own);
	g->memory_pressure_avg10 = pressure(d, "cgroup.memory.pressure", own);
	decode_io_limits(d, g);
	g->io_pressure_avg10 = pressure(d, "cgroup.io.pressure", own);
	g->seen = vh_seek_data(&d->in, "proc.cgroup", "", VH_N_ROUND) || g->frozen >= 0 ||
		  g->has_quota || g->has_throttle || g->memory_bytes >= 0;
	g->path = g->seen ? paths(d) : NULL;
}
