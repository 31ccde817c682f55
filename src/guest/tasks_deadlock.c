/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who waits for whom in a circle. */
#include "guest/tasks.h"

struct edge {
	int64_t from, to;
	size_t next; /* edge of `to`; n: it waits for nobody */
	unsigned round;
};

static int by_pid(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

static void add_edge(
	struct edge **edges, size_t *n, int64_t from, const struct vh_inside_lock *lock)
{
	/* Every CPU has an idle task, and all of these are pid 0. */
	if (from > 0 && lock->holder_pid > 0 && lock->kind != VH_BLOCKED_UNKNOWN)
		VH_PUSH(*edges, *n) = (struct edge){.from = from, .to = lock->holder_pid};
}

static size_t find_edge(const struct edge *edges, size_t n, int64_t from)
{
	struct edge key = {.from = from};
	const struct edge *found = n ? bsearch(&key, edges, n, sizeof(key), by_pid) : NULL;

	return found ? (size_t)(found - edges) : n;
}

/* One that lies on a circle; n: there is none. Every edge is entered once: what an earlier round
 * came through leads to no circle, or would have been found. */
static size_t find_circle(struct edge *edges, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned round = (unsigned)i + 1;
		size_t at = i;

		while (at < n && !edges[at].round) {
			edges[at].round = round;
			at = edges[at].next;
		}
		if (at < n && edges[at].round == round)
			return at;
	}
	return n;
}

size_t vh_inside_deadlock(const struct vh_inside *in, int64_t *pids, size_t most)
{
	struct edge *edges = NULL;
	size_t n = 0, found = 0, first, at;

	for (size_t i = 0; i < in->n_tasks; i++)
		add_edge(&edges, &n, in->tasks[i].pid, &in->tasks[i].lock);
	for (size_t i = 0; i < in->n_vcpus; i++)
		add_edge(&edges, &n, in->vcpus[i].pid, &in->vcpus[i].lock);
	if (n)
		qsort(edges, n, sizeof(*edges), by_pid);
	for (size_t i = 0; i < n; i++)
		edges[i].next = find_edge(edges, n, edges[i].to);
	at = find_circle(edges, n);
	if (at < n) {
		/* From the lowest pid on, whichever was met first. */
		first = at;
		for (size_t i = edges[at].next; i != at; i = edges[i].next)
			if (edges[i].from < edges[first].from)
				first = i;
		at = first;
		do {
			if (found < most)
				pids[found] = edges[at].from;
			found++;
			at = edges[at].next;
		} while (at != first);
	}
	free(edges);
	return found;
}
