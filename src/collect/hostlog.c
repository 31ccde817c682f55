/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's kernel log: /dev/kmsg (kernel Documentation/ABI/testing/dev-kmsg), whose read never
 * takes a line from anybody. A record: "PRIO,SEQ,MICROSECONDS,FLAGS[,...];TEXT\n", then lines of
 * " KEY=VALUE\n".
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>

#include "collect/passive.h"

#define KMSG_CAP  (16 * 1024 * 1024)
#define LINES_MAX 200
#define LINE_MAX_ 512

/* What a line that matters contains, in any case. A word stands alone: "sev" is not in "several".
 */
static const struct {
	const char *text;
	bool word;
} wanted[] = {
	{"kvm", false},
	{"SEV", true},
	{"SEV-ES", true},
	{"SEV-SNP", true},
	{"TDX", true},
	{"ccp", true},
	{"split lock", false},
	{"split_lock", false},
	{"#AC", false},
	{"bus_lock", false},
	{"blocked for more than", false},
	{"out of memory", false},
	{"oom-kill", false},
	{"oom_reaper", false},
	{"invoked oom-killer", false},
	{"I/O error", false},
	{"qemu", false},
	{"vhost", false},
	{"not responding", false},
	{"soft lockup", false},
	{"hard lockup", false},
	{"rcu_sched", false},
	{"rcu_preempt", false},
	{"EDAC", true},
	{"MCE", true},
	{"hardware error", false},
	{"RT throttling activated", false},
};

static bool is_word_byte(char ch)
{
	return isalnum((unsigned char)ch) || ch == '_';
}

static bool contains(struct vh_str text, const char *what, bool word)
{
	size_t n = strlen(what);
	ssize_t at;

	while ((at = vh_str_find_nocase(text, what)) >= 0) {
		bool starts = at == 0 || !is_word_byte(text.s[at - 1]);
		bool ends = at + n == text.n || !is_word_byte(text.s[at + n]);

		if (!word || (starts && ends))
			return true;
		text.s += at + 1;
		text.n -= at + 1;
	}
	return false;
}

/* "qemu[4711]", "pid:4711", "CPU 0/KVM/4711", "pid=4711", "PID 4711": a number alone is none. */
static bool names_pid(struct vh_str text, const char *pid)
{
	size_t n = strlen(pid);
	ssize_t at;

	while ((at = vh_str_find(text, pid)) >= 0) {
		struct vh_str before = {text.s, at};
		bool marked = at && memchr("[:/=(", text.s[at - 1], 5);
		bool ends = at + n == text.n || !isalnum((unsigned char)text.s[at + n]);

		before = vh_str_trim(before);
		if (before.n >= 3 && (size_t)at > before.n)
			marked |=
				contains((struct vh_str){before.s + before.n - 3, 3}, "pid", false);
		if (before.n >= 4 && before.s[before.n - 1] == ':')
			marked |=
				contains((struct vh_str){before.s + before.n - 4, 3}, "pid", false);
		if (marked && ends)
			return true;
		text.s += at + 1;
		text.n -= at + 1;
	}
	return false;
}

static bool matters(struct vh_str text, const char *pid)
{
	for (size_t i = 0; i < VH_ARRAY_SIZE(wanted); i++)
		if (contains(text, wanted[i].text, wanted[i].word))
			return true;
	return names_pid(text, pid);
}

/* The time and text of a record's first line; false for anything but the kernel's own. */
static bool parse_record(struct vh_str line, uint64_t *micros, struct vh_str *text)
{
	struct vh_str head, prio, seq, time;
	uint64_t number;

	if (line.n && line.s[0] == ' ')
		return false;
	if (!vh_next_part(&line, ';', &head) || !vh_next_part(&head, ',', &prio) ||
		!vh_next_part(&head, ',', &seq) || !vh_next_part(&head, ',', &time))
		return false;
	/* Above the low three bits is the facility: 0 is the kernel, the rest was written into
	 * /dev/kmsg by some process. */
	if (!vh_parse_u64(prio, 10, &number) || number > 7 || !vh_parse_u64(time, 10, micros))
		return false;
	*text = line;
	return true;
}

struct ring { /* the newest LINES_MAX lines */
	struct {
		struct vh_str text;
		uint64_t micros;
	} lines[LINES_MAX];
	size_t matching, records;
};

static void add_lines(struct ring *ring, struct vh_str all, const char *pid)
{
	struct vh_str line, text;
	uint64_t micros;

	while (vh_next_line(&all, &line)) {
		if (!parse_record(line, &micros, &text))
			continue;
		ring->records++;
		if (!matters(text, pid))
			continue;
		size_t slot = ring->matching++ % LINES_MAX;

		ring->lines[slot].text = text;
		ring->lines[slot].micros = micros;
	}
}

static void ring_text(const struct ring *ring, struct vh_buf *out)
{
	size_t n = VH_MIN(ring->matching, (size_t)LINES_MAX);

	for (size_t i = ring->matching - n; i < ring->matching; i++) {
		struct vh_str text = ring->lines[i % LINES_MAX].text;
		uint64_t micros = ring->lines[i % LINES_MAX].micros;

		vh_buf_printf(
			out, "[%" PRIu64 ".%06" PRIu64 "] ", micros / 1000000, micros % 1000000);
		vh_buf_add(out, text.s, VH_MIN(text.n, (size_t)LINE_MAX_));
		vh_buf_putc(out, '\n');
	}
}

static void collect(struct vh_host *host, struct vh_case *c, enum vh_round round)
{
	vh_auto_free char *pid = vh_asprintf("%d", (int)c->vm->id.pid);
	vh_auto_free struct ring *ring = vh_alloc(sizeof(*ring));
	vh_auto_reading struct vh_reading r = {0};
	vh_auto_buf struct vh_buf text = {0};

	if (round != VH_ONCE)
		return;
	vh_host_read(host, KMSG_CAP, &r, "/dev/kmsg");
	/* An empty ring has nothing to read yet. */
	if (r.status == VH_TIMED_OUT && r.err == EAGAIN) {
		r.status = VH_OK;
		r.err = 0;
	}
	add_lines(ring, (struct vh_str){r.data, r.size}, pid);
	ring_text(ring, &text);
	struct vh_evidence *e = vh_case_add_reading(c, VH_ONCE, "host.kmsg", "", "/dev/kmsg", &r);

	if (!vh_status_has_data(e->status))
		return;
	vh_evidence_set_data(e, text.data, text.len);
	vh_evidence_set_number(e, "records", (int64_t)ring->records);
	vh_evidence_set_number(e, "matching", (int64_t)ring->matching);
}

const struct vh_collector vh_collect_hostlog = {
	.name = "hostlog",
	.collect = collect,
};
