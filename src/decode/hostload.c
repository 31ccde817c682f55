/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the host's CPUs and memory did over the window: /proc/stat, /proc/vmstat and /proc/meminfo
 * (proc(5), kernel fs/proc/stat.c, mm/vmstat.c).
 */
#include "decode/decoder.h"

enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, N_TIMES };

/* Ticks of all CPUs of the set, of the lines "cpuN user nice system idle ...". */
static bool ticks_of(struct vh_str text, const struct vh_cpu_set *set, uint64_t out[N_TIMES])
{
	struct vh_str line, word;
	bool any = false;
	uint64_t cpu, value;

	while (vh_next_line(&text, &line)) {
		if (!vh_next_word(&line, &word) || !vh_str_starts(word, "cpu") ||
			!vh_parse_u64((struct vh_str){word.s + 3, word.n - 3}, 10, &cpu) ||
			cpu > INT32_MAX || !vh_cpu_set_has(set, (int64_t)cpu))
			continue;
		for (int i = 0; i < N_TIMES && vh_next_word(&line, &word); i++)
			if (vh_parse_u64(word, 10, &value) && value < INT64_MAX / 8192)
				out[i] += value;
		any = true;
	}
	return any;
}

/* Threads on a CPU or waiting for one, whoever they belong to, at the looks where they were fewest.
 */
static int64_t running(const struct vh_decoder *d)
{
	uint64_t a, b;

	if (!vh_keyed_u64(vh_seek_text(&d->in, "host.stat", "", VH_FIRST), "procs_running", &a) ||
		!vh_keyed_u64(vh_seek_text(&d->in, "host.stat", "", VH_LAST), "procs_running", &b))
		return -1;
	return (int64_t)VH_MIN(VH_MIN(a, b), (uint64_t)INT32_MAX);
}

static void decode_cpu_times(struct vh_decoder *d)
{
	struct vh_host_view *h = &d->m->host;
	uint64_t first[N_TIMES] = {0}, last[N_TIMES] = {0};
	struct vh_cpu_set cpus = {{0}};
	double grown[N_TIMES], all = 0;

	h->steal_share = h->irq_share = h->idle_share = NAN;
	if (!vh_vcpu_cpus(d->m, &cpus) ||
		!ticks_of(vh_seek_text(&d->in, "host.stat", "", VH_FIRST), &cpus, first) ||
		!ticks_of(vh_seek_text(&d->in, "host.stat", "", VH_LAST), &cpus, last))
		return;
	for (int i = 0; i < N_TIMES; i++) {
		/* idle and iowait may go back a little */
		grown[i] = last[i] > first[i] ? (double)(last[i] - first[i]) : 0;
		all += grown[i];
	}
	/* In a few ticks there is nothing to divide. */
	if (all < 10)
		return;
	h->steal_share = grown[STEAL] / all;
	h->irq_share = (grown[IRQ] + grown[SOFTIRQ]) / all;
	h->idle_share = (grown[IDLE] + grown[IOWAIT]) / all;
}

/* "MemTotal:   24683520 kB", or a number of pages without a unit; -1 where it is not there. */
static int64_t meminfo(struct vh_str text, const char *key)
{
	struct vh_str value, number;
	uint64_t n;

	if (!vh_status_field(text, key, &value) || !vh_next_word(&value, &number) ||
		!vh_parse_u64(number, 10, &n) || n > INT64_MAX / 1024)
		return -1;
	return vh_str_is(vh_str_trim(value), "kB") ? (int64_t)n * 1024 : (int64_t)n;
}

/* Grown a second, of the keys that begin so: allocstall_normal, allocstall_movable, ... */
static double grows(const struct vh_decoder *d, const char *key)
{
	const struct vh_found *a = vh_seek_data(&d->in, "host.vmstat", "", VH_FIRST);
	const struct vh_found *b = vh_seek_data(&d->in, "host.vmstat", "", VH_LAST);
	double sum[2] = {0};
	bool any = false;

	for (int i = 0; a && b && i < 2; i++) {
		struct vh_str rest = vh_evidence_text((i ? b : a)->e), line, word;
		uint64_t value;

		while (vh_next_line(&rest, &line))
			if (vh_str_starts(line, key) && vh_next_word(&line, &word) &&
				vh_parse_u64(vh_str_trim(line), 10, &value)) {
				sum[i] += (double)value;
				any = true;
			}
	}
	double seconds = any ? vh_seconds(a->e->at_ns, b->e->at_ns) : 0;

	return seconds > 0 && sum[1] >= sum[0] ? (sum[1] - sum[0]) / seconds : NAN;
}

static void decode_memory(struct vh_decoder *d)
{
	struct vh_host_memory *v = &d->m->host.memory;
	struct vh_str text = vh_seek_window(&d->in, "host.meminfo", "");

	*v = (struct vh_host_memory){
		.total_bytes = meminfo(text, "MemTotal"),
		.available_bytes = meminfo(text, "MemAvailable"),
		.swap_total_bytes = meminfo(text, "SwapTotal"),
		.swap_free_bytes = meminfo(text, "SwapFree"),
		.huge_total = meminfo(text, "HugePages_Total"),
		.huge_free = meminfo(text, "HugePages_Free"),
		.pressure_avg10 = NAN,
		.swap_ins = grows(d, "pswpin"),
		.swap_outs = grows(d, "pswpout"),
		.direct_reclaims = grows(d, "allocstall"),
		.major_faults = grows(d, "pgmajfault"),
		.numa_faults = grows(d, "numa_hint_faults "),
		.numa_migrations = grows(d, "numa_pages_migrated"),
	};
	vh_pressure_some_avg10(
		vh_seek_window(&d->in, "host.pressure.memory", ""), &v->pressure_avg10);
}

void vh_decode_host_load(struct vh_decoder *d)
{
	d->m->host.running = running(d);
	decode_cpu_times(d);
	decode_memory(d);
}
