/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/pulse.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/buf.h"

#define LEAST_STRETCHES 2    /* on either side of a turn */
#define LEAST_SHARE     0.08 /* of the time */
/* CPUs in use: a thread that only sleeps uses none at all. How much one gets that always wants to
 * run is the host's matter, and that it wants to, the scheduler's state of it tells. */
#define SILENT 0.001
#define HARDLY 0.10
#define SELDOM 0.2 /* of the looks */
#define MOSTLY 0.9 /* of the looks */
#define MOVING 0.8 /* of the stretches */
/* A case may say anything: no sum or difference of these overflows. */
#define MAX_NS INT64_C(100000000000000000)

/* One look at all of the threads. */
struct beat {
	int64_t at_ns;
	uint64_t run_ns; /* of the vCPUs together */
	size_t threads, stopped, vcpus;
	char wchan[32]; /* of all vCPUs alike; "" where not, or where one runs */
	bool mixed, ready;
};

struct beats {
	struct beat *list;
	size_t n;
};

void vh_pulse_write(struct vh_buf *b, const struct vh_pulse_thread *t)
{
	const char *role = t->is_main ? "main" : t->is_vcpu ? "vcpu" : "other";

	vh_buf_printf(b, "%" PRId64 " %" PRId64 " %s %c %" PRIu64 " %.*s\n", t->at_ns, t->tid, role,
		t->state, t->run_ns, (int)VH_MIN(t->wchan.n, 31), t->wchan.s ? t->wchan.s : "");
}

static bool read_thread(struct vh_str line, struct vh_pulse_thread *t)
{
	struct vh_str at, tid, role, state, run;

	if (!vh_next_word(&line, &at) || !vh_next_word(&line, &tid) ||
		!vh_next_word(&line, &role) || !vh_next_word(&line, &state) ||
		!vh_next_word(&line, &run) || !vh_parse_i64(at, 10, &t->at_ns) ||
		!vh_parse_i64(tid, 10, &t->tid) || !vh_parse_u64(run, 10, &t->run_ns) ||
		t->run_ns > MAX_NS || t->at_ns > MAX_NS || t->at_ns < -MAX_NS)
		return false;
	t->is_main = vh_str_is(role, "main");
	t->is_vcpu = vh_str_is(role, "vcpu");
	t->state = state.s[0];
	if (!vh_next_word(&line, &t->wchan))
		t->wchan = (struct vh_str){"", 0};
	return true;
}

static void add_vcpu(struct beat *b, const struct vh_pulse_thread *t)
{
	char wchan[sizeof(b->wchan)];
	bool runs = t->state == 'R' || !t->wchan.n || vh_str_is(t->wchan, "0");

	snprintf(wchan, sizeof(wchan), "%.*s", (int)VH_MIN(t->wchan.n, sizeof(wchan) - 1),
		runs ? "" : t->wchan.s);
	if (!b->vcpus++)
		memcpy(b->wchan, wchan, sizeof(wchan));
	if (!wchan[0] || strcmp(b->wchan, wchan) != 0)
		b->mixed = true;
	b->run_ns += t->run_ns;
	b->ready = b->ready || t->state == 'R';
}

/* Threads whose role nothing tells count as vCPUs where none is known. */
static struct beats read_beats(struct vh_str text, bool by_name)
{
	struct beats beats = {0};
	struct vh_str rest = text, line;

	while (vh_next_line(&rest, &line)) {
		struct vh_pulse_thread t = {0};

		if (!read_thread(line, &t))
			continue;
		if (!beats.n || t.at_ns > beats.list[beats.n - 1].at_ns) {
			if (beats.n == VH_PULSE_LOOKS)
				break;
			VH_PUSH(beats.list, beats.n) = (struct beat){.at_ns = t.at_ns};
		}
		struct beat *b = &beats.list[beats.n - 1];

		/* A look out of order is none. */
		if (t.at_ns < b->at_ns)
			continue;
		b->threads++;
		b->stopped += t.state == 'T' || t.state == 't';
		if (by_name ? t.is_vcpu : !t.is_main)
			add_vcpu(b, &t);
	}
	return beats;
}

static double used(const struct beat *a, const struct beat *b)
{
	double ns = (double)(b->at_ns - a->at_ns);

	/* One that ended takes its time with it. */
	return b->run_ns <= a->run_ns ? 0 : (double)(b->run_ns - a->run_ns) / ns;
}

/* Of the looks from up to, and with, to. */
static struct vh_pulse_side side_of(const struct beats *beats, size_t from, size_t to)
{
	struct vh_pulse_side s = {.least = 1e9, .stopped = true, .going = true};
	size_t moved = 0, ready = 0;
	bool alike = true;

	for (size_t i = from; i <= to; i++) {
		const struct beat *b = &beats->list[i];

		ready += b->ready;
		bool stopped = b->threads && b->stopped == b->threads;

		s.stopped = s.stopped && stopped;
		s.going = s.going && !stopped;
		alike = alike && !b->mixed && b->vcpus &&
			strcmp(b->wchan, beats->list[from].wchan) == 0;
		if (i == from)
			continue;
		double cpus = used(&beats->list[i - 1], b);

		s.least = VH_MIN(s.least, cpus);
		s.most = VH_MAX(s.most, cpus);
		moved += cpus > SILENT;
	}
	s.ready = (double)ready / (double)(to - from + 1);
	s.moving = (double)moved / (double)(to - from);
	if (alike)
		memcpy(s.wchan, beats->list[from].wchan, sizeof(s.wchan));
	return s;
}

static bool hardly_runs(const struct vh_pulse_side *s)
{
	return s->most <= HARDLY && s->ready <= SELDOM;
}

static bool always_runs(const struct vh_pulse_side *s)
{
	return s->moving >= MOVING && s->ready >= MOSTLY;
}

static enum vh_turn_kind kind_of(const struct vh_pulse_side *a, const struct vh_pulse_side *b)
{
	bool silent_before = a->most <= SILENT, silent_after = b->most <= SILENT;

	if (a->going && b->stopped)
		return VH_TURN_STOPPED;
	if (a->stopped && b->going)
		return VH_TURN_WENT_ON;
	if (!a->going || !b->going)
		return VH_TURN_NONE;
	if (silent_after && a->moving >= MOVING)
		return VH_TURN_FELL_SILENT;
	if (silent_before && b->moving >= MOVING)
		return VH_TURN_CAME_ALIVE;
	if (silent_before && silent_after && a->wchan[0] && b->wchan[0] &&
		strcmp(a->wchan, b->wchan) != 0)
		return VH_TURN_WAITS_ELSEWHERE;
	if (hardly_runs(a) && always_runs(b))
		return VH_TURN_LOAD_ROSE;
	if (hardly_runs(b) && always_runs(a))
		return VH_TURN_LOAD_FELL;
	return VH_TURN_NONE;
}

/* What ends is over only where nothing of it is left, so that its turn is at the first place that
 * fits; and what begins had not begun before the last. */
static bool begins(enum vh_turn_kind kind)
{
	return kind == VH_TURN_WENT_ON || kind == VH_TURN_CAME_ALIVE || kind == VH_TURN_LOAD_ROSE ||
	       kind == VH_TURN_WAITS_ELSEWHERE;
}

/* Of two that fit about the same moment, which says more. */
static int rank(enum vh_turn_kind kind)
{
	if (kind == VH_TURN_STOPPED || kind == VH_TURN_WENT_ON)
		return 0;
	return kind == VH_TURN_LOAD_ROSE || kind == VH_TURN_LOAD_FELL ? 2 : 1;
}

/* Is a turn behind `looks` more to be preferred? The first moments of what came alive, and the last
 * of what fell silent, may be little. */
static bool is_better(enum vh_turn_kind kind, enum vh_turn_kind than, size_t looks)
{
	if (!than)
		return true;
	if (kind != than && looks < 4)
		return rank(kind) < rank(than);
	return begins(kind) && begins(than);
}

/* A thread that is let go is ready before it has run again: at that look its wait was over, and
 * with it what was known of where it waited. */
static bool woke_before(const struct vh_turn *turn, const struct vh_pulse_side *before)
{
	return turn->kind == VH_TURN_CAME_ALIVE && turn->before.wchan[0] && !before->wchan[0];
}

static struct vh_turn find_turn(const struct beats *beats)
{
	struct vh_turn turn = {VH_TURN_NONE};
	size_t n = beats->n, at = 0;

	if (n < 2 * LEAST_STRETCHES + 2)
		return turn;
	turn.begin_ns = beats->list[0].at_ns;
	turn.end_ns = beats->list[n - 1].at_ns;
	double least_ns = LEAST_SHARE * (double)(turn.end_ns - turn.begin_ns);

	/* The stretch in which it turned belongs to neither side. */
	for (size_t k = LEAST_STRETCHES; k + 1 + LEAST_STRETCHES < n; k++) {
		const struct beat *last = &beats->list[k], *next = &beats->list[k + 1];

		if ((double)(last->at_ns - turn.begin_ns) < least_ns ||
			(double)(turn.end_ns - next->at_ns) < least_ns)
			continue;
		struct vh_pulse_side before = side_of(beats, 0, k);
		struct vh_pulse_side after = side_of(beats, k + 1, n - 1);
		enum vh_turn_kind kind = kind_of(&before, &after);

		if (!kind || !is_better(kind, turn.kind, k - at) || woke_before(&turn, &before))
			continue;
		at = k;
		turn.kind = kind;
		turn.before = before;
		turn.after = after;
		turn.at_ns = last->at_ns + (next->at_ns - last->at_ns) / 2;
	}
	return turn;
}

struct vh_turn vh_pulse_turn(struct vh_str text)
{
	bool named = vh_str_find(text, " vcpu ") >= 0;
	struct beats beats = read_beats(text, named);
	struct vh_turn turn = find_turn(&beats);

	free(beats.list);
	return turn;
}
