/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host: CPU pressure, and who else wants the CPUs that the vCPUs run on. */
#include "decode/decoder.h"

/* Below these a rival does not explain a hang. */
#define RT_SHARE    0.02
#define OTHER_SHARE 0.20

static const char *const policies[] = {"OTHER", "FIFO", "RR", "BATCH", NULL, "IDLE", "DEADLINE",
	"EXT"}; /* SCHED_* of linux/sched.h */

struct line { /* of host.rivals */
	uint64_t tid, pid, policy, rt_priority, ticks;
	int64_t cpu, run_ns;
	struct vh_str name;
};

static bool parse_line(struct vh_str line, struct line *out)
{
	uint64_t *const numbers[] = {&out->tid, &out->pid, &out->policy, &out->rt_priority};
	struct vh_str word;

	for (size_t i = 0; i < VH_ARRAY_SIZE(numbers); i++)
		if (!vh_next_word(&line, &word) || !vh_parse_u64(word, 10, numbers[i]))
			return false;
	if (!vh_next_word(&line, &word) || !vh_parse_i64(word, 10, &out->cpu) ||
		!vh_next_word(&line, &word) || !vh_parse_u64(word, 10, &out->ticks) ||
		!vh_next_word(&line, &word) || !vh_parse_i64(word, 10, &out->run_ns))
		return false;
	out->name = vh_str_trim(line);
	return out->tid <= INT32_MAX && out->pid <= INT32_MAX;
}

static struct line *parse_lines(struct vh_str text, size_t *n)
{
	struct line *list = NULL;
	struct vh_str line;

	*n = 0;
	while (*n < VH_MAX_THREADS && vh_next_line(&text, &line)) {
		struct line one = {0};

		if (parse_line(line, &one))
			VH_PUSH(list, *n) = one;
	}
	return list;
}

static int by_tid(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	return x->tid < y->tid ? -1 : x->tid > y->tid;
}

static double share(
	const struct vh_decoder *d, const struct line *a, const struct line *b, double seconds)
{
	double value;

	if (seconds <= 0 || a->pid != b->pid)
		return NAN;
	if (a->run_ns >= 0 && b->run_ns >= a->run_ns)
		value = (double)(b->run_ns - a->run_ns) / 1e9 / seconds;
	else if (b->ticks >= a->ticks)
		value = (double)(b->ticks - a->ticks) / d->ticks_per_s / seconds;
	else
		return NAN;
	return VH_MIN(value, 1.0);
}

bool vh_vcpu_cpus(const struct vh_model *m, struct vh_cpu_set *set)
{
	bool any = false;

	for (size_t i = 0; i < m->n_vcpus; i++) {
		const struct vh_thread *t = m->vcpus[i]->thread;

		if (!t)
			continue;
		if (!t->affinity || !vh_cpu_set_parse(vh_str(t->affinity), set))
			vh_cpu_set_add(set, t->last.seen ? t->last.stat.cpu : t->first.stat.cpu);
		any = true;
	}
	return any;
}

/* Whoever got more than a sliver: on a crowded host nobody gets much. */
#define CROWD_SHARE 0.005

static void count_crowd(
	struct vh_host_view *h, const struct line *b, double run_share, uint64_t *last_vm)
{
	struct vh_crowd *crowd = &h->crowd;
	vh_auto_free char *name = vh_str_dup((struct vh_str){b->name.s, VH_MIN(b->name.n, 128)});
	uint64_t index;

	if (!(run_share > CROWD_SHARE))
		return;
	crowd->threads++;
	crowd->share += run_share;
	if (!vh_vcpu_name(name, &index))
		return;
	crowd->vcpus++;
	/* The rows are sorted by thread: those of one VM stand together but for reused ids. */
	crowd->vms += *last_vm != b->pid;
	*last_vm = b->pid;
}

static void add_rival(struct vh_host_view *h, const struct line *b, double run_share)
{
	const char *policy = b->policy < VH_ARRAY_SIZE(policies) ? policies[b->policy] : NULL;
	vh_auto_free char *name = vh_str_dup((struct vh_str){b->name.s, VH_MIN(b->name.n, 128)});

	VH_PUSH(h->rivals, h->n_rivals) = (struct vh_rival){
		.tid = (pid_t)b->tid,
		.pid = (pid_t)b->pid,
		.name = vh_escaped(name),
		.policy =
			policy ? vh_strdup(policy) : vh_asprintf("policy %u", (unsigned)b->policy),
		.rt_priority = (int)VH_MIN(b->rt_priority, 1000),
		.cpu = (int)VH_MIN(b->cpu, INT32_MAX),
		.run_share = run_share,
	};
}

bool vh_rival_is_realtime(const struct vh_rival *r)
{
	return vh_streq(r->policy, "FIFO") || vh_streq(r->policy, "RR") ||
	       vh_streq(r->policy, "DEADLINE");
}

static bool is_real_time(uint64_t policy)
{
	return policy == 1 || policy == 2 || policy == 6;
}

static void decode_rivals(struct vh_decoder *d)
{
	struct vh_host_view *h = &d->m->host;
	const struct vh_found *a = vh_seek_data(&d->in, "host.rivals", "", VH_FIRST);
	const struct vh_found *b = vh_seek_data(&d->in, "host.rivals", "", VH_LAST);
	struct vh_cpu_set cpus = {{0}};
	size_t n_first, n_last;
	uint64_t last_vm = 0;

	if (!a || !b || !vh_vcpu_cpus(d->m, &cpus))
		return;
	double seconds = vh_seconds(a->e->at_ns, b->e->at_ns);
	vh_auto_free struct line *first = parse_lines(vh_evidence_text(a->e), &n_first);
	vh_auto_free struct line *last = parse_lines(vh_evidence_text(b->e), &n_last);

	if (n_first)
		qsort(first, n_first, sizeof(*first), by_tid);
	for (size_t i = 0; i < n_last && h->n_rivals < VH_MAX_RIVALS; i++) {
		const struct line *before =
			n_first ? bsearch(&last[i], first, n_first, sizeof(*first), by_tid) : NULL;
		double s = before ? share(d, before, &last[i], seconds) : NAN;

		if (!vh_cpu_set_has(&cpus, last[i].cpu))
			continue;
		count_crowd(h, &last[i], s, &last_vm);
		if (s > (is_real_time(last[i].policy) ? RT_SHARE : OTHER_SHARE))
			add_rival(h, &last[i], s);
	}
}

/* The release is the second line of host.uname: "6.1.0-28-amd64". */
static void decode_kernel(struct vh_decoder *d)
{
	struct vh_str rest = vh_seek_text(&d->in, "host.uname", "", VH_N_ROUND), line, part;
	int *kernel = d->m->host.kernel;
	uint64_t number;

	kernel[0] = kernel[1] = -1;
	if (!vh_next_line(&rest, &line) || !vh_next_line(&rest, &line))
		return;
	for (int i = 0; i < 2; i++) {
		if (!vh_next_part(&line, '.', &part) || !vh_parse_u64(part, 10, &number) ||
			number > 10000)
			return;
		kernel[i] = (int)number;
	}
}

void vh_decode_host(struct vh_decoder *d)
{
	struct vh_host_view *h = &d->m->host;
	struct vh_cpu_set online = {{0}};

	decode_kernel(d);
	h->cpu_pressure_avg10 = NAN;
	vh_pressure_some_avg10(
		vh_seek_window(&d->in, "host.pressure.cpu", ""), &h->cpu_pressure_avg10);
	if (vh_cpu_set_parse(vh_seek_text(&d->in, "host.cpus", "", VH_N_ROUND), &online))
		h->cpus = vh_cpu_set_count(&online);
	decode_rivals(d);
}
