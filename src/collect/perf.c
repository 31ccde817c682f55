/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect/perf.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/clock.h"

#define RING_MIN 16384u
/* Between two looks at rings that hardly fill; and the fewest, for one that fills at once. */
#define LOOK_MAX_NS (50 * VH_NS_PER_MS)
#define LOOK_MIN_NS (2 * VH_NS_PER_MS)
/* linux/perf_event.h of Linux 6.0; older headers have none. */
#define FORMAT_LOST (1u << 4)

struct source {
	pid_t tid;
	size_t owner;
	int leader;      /* counts nothing: gives the ring, the switches, and starts all at once */
	int fd[VH_N_TP]; /* -1: not recorded */
	uint64_t lost[VH_N_TP];
	bool lost_some;   /* so that `lost` is worth a look */
	unsigned limited; /* records of the limited event in this interval */
	bool waits;       /* the limited event was not started yet */
	struct vh_ring ring;
};
struct vh_perf {
	const struct vh_tp_format *formats;
	struct vh_tp_ids ids;
	size_t ring_bytes;
	bool tells_lost; /* PERF_FORMAT_LOST is known to the kernel */
	struct source *sources;
	size_t n_sources;
	char *failed[VH_N_TP];
	int64_t drained_ns;
	int64_t next_ns;
	bool started; /* the limited event */
	int64_t stopped_ns;
};

static int open_event(struct perf_event_attr *attr, pid_t tid, int group)
{
	return (int)syscall(SYS_perf_event_open, attr, tid, -1, group, PERF_FLAG_FD_CLOEXEC);
}

static struct perf_event_attr attr_of(uint32_t type, uint64_t config)
{
	return (struct perf_event_attr){
		.type = type,
		.size = sizeof(struct perf_event_attr),
		.config = config,
		.sample_period = 1,
		.sample_type = VH_PERF_SAMPLE_TYPE,
		.sample_id_all = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
	};
}

/* A descriptor a tracepoint and thread: the usual 1024 do for forty vCPUs. */
static void raise_descriptors(size_t wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = VH_MIN((rlim_t)wanted, limit.rlim_max);
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max < wanted) {
		limit.rlim_cur = limit.rlim_max = wanted;
		setrlimit(RLIMIT_NOFILE, &limit); /* root may */
	}
}

struct vh_perf *vh_perf_new(
	const struct vh_tp_format formats[VH_N_TP], const struct vh_perf_options *options)
{
	struct vh_perf *p = vh_alloc(sizeof(*p));
	size_t total = options->total_bytes ? options->total_bytes : VH_PERF_RING_TOTAL;
	size_t share = total / VH_MAX(options->threads, 1);

	p->formats = formats;
	p->tells_lost = true;
	p->ring_bytes = RING_MIN;
	while (p->ring_bytes * 2 <= share && p->ring_bytes < VH_PERF_RING_MAX)
		p->ring_bytes *= 2;
	vh_tp_ids_fill(&p->ids, formats);
	raise_descriptors(256 + options->threads * (VH_N_TP + 1));
	p->drained_ns = p->next_ns = vh_now_ns();
	return p;
}

static void close_source(struct source *s)
{
	for (int tp = 0; tp < VH_N_TP; tp++)
		if (s->fd[tp] >= 0)
			close(s->fd[tp]);
	vh_ring_unmap(&s->ring);
	if (s->leader >= 0)
		close(s->leader);
}

static void *free_all(void *data)
{
	struct vh_perf *p = data;

	for (size_t i = 0; i < p->n_sources; i++)
		close_source(&p->sources[i]);
	for (int tp = 0; tp < VH_N_TP; tp++)
		free(p->failed[tp]);
	free(p->sources);
	free(p);
	return NULL;
}

void vh_perf_free(struct vh_perf *p)
{
	pthread_t thread;

	if (!p)
		return;
	for (size_t i = 0; i < p->n_sources; i++)
		ioctl(p->sources[i].leader, PERF_EVENT_IOC_DISABLE, 0);
	/* From here on the guest pays nothing. Closing the last descriptor of a tracepoint waits
	 * for every CPU to pass by (30 ms, and one after the other): nobody needs to wait for that.
	 */
	if (pthread_create(&thread, NULL, free_all, p) == 0)
		pthread_detach(thread);
	else
		free_all(p);
}

/* What errno of perf_event_open means here. */
static const char *meaning(int err)
{
	switch (err) {
	case EACCES:
	case EPERM:
		return "needs CAP_PERFMON and CAP_SYS_PTRACE (or root)";
	case EMFILE:
		return "no more descriptors (RLIMIT_NOFILE)";
	case ENOENT:
	case ENODEV:
	case ENOSYS:
		return "this kernel has no perf events";
	default:
		return strerror(err);
	}
}

/* The event that counts nothing but has the ring. */
static int open_leader(struct source *s, bool switches)
{
	struct perf_event_attr attr = attr_of(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_DUMMY);

	attr.disabled = 1;
	attr.task = 1;
	attr.context_switch = switches;
	s->leader = open_event(&attr, s->tid, -1);
	return s->leader < 0 ? -errno : 0;
}

static int map_ring(struct vh_perf *p, struct source *s)
{
	int err;

	/* Without CAP_IPC_LOCK the kernel gives little: then less must do, for this ring and those
	 * behind it. */
	while ((err = vh_ring_map(&s->ring, s->leader, p->ring_bytes)) == -EPERM &&
		p->ring_bytes > RING_MIN)
		p->ring_bytes /= 2;
	return err;
}

/* Opens it, with its records in the leader's ring; a negative errno. */
static int open_tracepoint(struct vh_perf *p, struct source *s, int tp)
{
	struct perf_event_attr attr = attr_of(PERF_TYPE_TRACEPOINT, p->formats[tp].id);
	bool limited = tp == VH_PERF_LIMITED;
	int group = limited ? -1 : s->leader; /* it is started and stopped apart */

	attr.disabled = limited;
	attr.read_format = p->tells_lost ? FORMAT_LOST : 0;
	int fd = open_event(&attr, s->tid, group);

	if (fd < 0 && errno == EINVAL && p->tells_lost) {
		p->tells_lost = false;
		attr.read_format = 0;
		fd = open_event(&attr, s->tid, group);
	}
	if (fd < 0)
		return -errno;
	if (ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, s->leader) == 0)
		return fd;
	int err = -errno;

	close(fd);
	return err;
}

/* All events of the set that there are; the number that could be opened, the last error in *err. */
static size_t open_tracepoints(struct vh_perf *p, struct source *s, uint32_t events, int *err)
{
	size_t opened = 0;

	for (int tp = 0; tp < VH_N_TP; tp++) {
		if (!(events >> tp & 1) || !p->formats[tp].usable)
			continue;
		s->fd[tp] = open_tracepoint(p, s, tp);
		if (s->fd[tp] >= 0) {
			opened++;
			continue;
		}
		*err = s->fd[tp];
		if (*err != -ESRCH && !p->failed[tp])
			p->failed[tp] = vh_strdup(meaning(-*err));
	}
	return opened;
}

static void start_limited(struct source *s)
{
	if (s->fd[VH_PERF_LIMITED] >= 0)
		ioctl(s->fd[VH_PERF_LIMITED], PERF_EVENT_IOC_REFRESH, VH_PERF_LIMIT);
	s->limited = 0;
	s->waits = false;
}

/* An event that ran into its limit never starts again (seen with Linux 6.18): a new one takes its
 * place, and is there before the old one is closed, for to close the last one of a tracepoint takes
 * long. */
static void replace_limited(struct vh_perf *p, struct source *s)
{
	int fd = open_tracepoint(p, s, VH_PERF_LIMITED);

	close(s->fd[VH_PERF_LIMITED]);
	s->fd[VH_PERF_LIMITED] = VH_MAX(fd, -1);
	s->lost[VH_PERF_LIMITED] = 0;
	start_limited(s);
}

struct vh_error *vh_perf_add(
	struct vh_perf *p, pid_t tid, uint32_t events, bool switches, size_t owner)
{
	struct source s = {.tid = tid, .owner = owner, .leader = -1, .waits = true};
	int err;

	memset(s.fd, 0xff, sizeof(s.fd));
	err = open_leader(&s, switches);
	if (!err)
		err = map_ring(p, &s);
	if (!err && open_tracepoints(p, &s, events, &err))
		err = 0;
	if (err) {
		close_source(&s);
		return vh_error_new(
			-err, "recording events of thread %d: %s", (int)tid, meaning(-err));
	}
	ioctl(s.leader, PERF_EVENT_IOC_ENABLE, 0);
	if (p->started && !p->stopped_ns)
		start_limited(&s);
	VH_PUSH(p->sources, p->n_sources) = s;
	return NULL;
}

/* The last of the thread's records of the limited event, where with those that wait in the ring its
 * limit is used up; else 0. */
static int64_t limit_reached_ns(struct vh_perf *p, struct source *s)
{
	const struct perf_event_header *header;
	uint64_t tail = s->ring.tail;
	unsigned n = s->limited;
	int64_t last_ns = 0;

	/* No record is smaller than 32 bytes. */
	if (s->fd[VH_PERF_LIMITED] < 0 || n + vh_ring_waiting(&s->ring) / 32 < VH_PERF_LIMIT)
		return 0;
	while (n < VH_PERF_LIMIT && (header = vh_ring_peek(&s->ring))) {
		struct vh_perf_record r;

		vh_perf_decode(header, &p->ids, p->formats, &r);
		if (r.kind == VH_PERF_TRACEPOINT && r.tp == VH_PERF_LIMITED) {
			n++;
			last_ns = r.time_ns;
		}
		vh_ring_take(&s->ring, header);
	}
	s->ring.tail = tail;
	return n < VH_PERF_LIMIT ? 0 : last_ns;
}

/* One thread's limit stops the event for all, so that counts of threads can be compared. */
static void stop_limited(struct vh_perf *p)
{
	for (size_t i = 0; i < p->n_sources; i++) {
		int64_t at_ns = limit_reached_ns(p, &p->sources[i]);

		if (at_ns && (!p->stopped_ns || at_ns < p->stopped_ns))
			p->stopped_ns = at_ns;
	}
	for (size_t i = 0; p->stopped_ns && i < p->n_sources; i++)
		if (p->sources[i].fd[VH_PERF_LIMITED] >= 0)
			ioctl(p->sources[i].fd[VH_PERF_LIMITED], PERF_EVENT_IOC_DISABLE, 0);
}

void vh_perf_renew(struct vh_perf *p)
{
	for (size_t i = 0; i < p->n_sources; i++) {
		struct source *s = &p->sources[i];

		if (s->waits)
			start_limited(s);
		else if (s->fd[VH_PERF_LIMITED] >= 0 && (p->stopped_ns || s->limited))
			replace_limited(p, s);
	}
	p->stopped_ns = 0;
	p->started = true;
}

int64_t vh_perf_stopped_ns(const struct vh_perf *p)
{
	return p->stopped_ns;
}

/* False where the record is too young for now. */
static bool drain_record(struct vh_perf *p, struct source *s, const struct vh_perf_record *r,
	int64_t until_ns, vh_perf_taker take, void *data)
{
	if (r->kind == VH_PERF_OTHER)
		return true;
	if (r->time_ns > until_ns)
		return false;
	if (r->kind == VH_PERF_LOST)
		s->lost_some = true;
	if (r->kind == VH_PERF_TRACEPOINT && r->tp == VH_PERF_LIMITED) {
		s->limited++;
		if (p->stopped_ns && r->time_ns > p->stopped_ns)
			return true;
	}
	take(data, s->owner, r);
	return true;
}

static void drain_source(
	struct vh_perf *p, struct source *s, int64_t until_ns, vh_perf_taker take, void *data)
{
	const struct perf_event_header *header;
	uint64_t broken = s->ring.broken;
	struct vh_perf_record r;

	while ((header = vh_ring_peek(&s->ring))) {
		vh_perf_decode(header, &p->ids, p->formats, &r);
		if (!drain_record(p, s, &r, until_ns, take, data))
			break;
		vh_ring_take(&s->ring, header);
	}
	vh_ring_give_back(&s->ring);
	if (s->ring.broken == broken)
		return;
	/* Nobody knows how many records it was. */
	r = (struct vh_perf_record){.kind = VH_PERF_LOST, .time_ns = until_ns, .lost = 1};
	take(data, s->owner, &r);
}

void vh_perf_drain(struct vh_perf *p, int64_t until_ns, vh_perf_taker take, void *data)
{
	int64_t now = vh_now_ns();
	size_t most = 0;

	for (size_t i = 0; i < p->n_sources; i++)
		most = VH_MAX(most, vh_ring_waiting(&p->sources[i].ring));
	if (!p->stopped_ns)
		stop_limited(p);
	for (size_t i = 0; i < p->n_sources; i++)
		drain_source(p, &p->sources[i], until_ns, take, data);
	/* By how far the fullest ring came since the last look, the next finds it a quarter full.
	 */
	double quarter = (double)p->ring_bytes / 4;
	double wait_ns =
		most ? (double)(now - p->drained_ns) * quarter / (double)most : (double)LOOK_MAX_NS;

	p->drained_ns = now;
	p->next_ns = now + (int64_t)VH_MAX(VH_MIN(wait_ns, LOOK_MAX_NS), LOOK_MIN_NS);
}

int64_t vh_perf_next_ns(const struct vh_perf *p)
{
	return p->next_ns;
}

const char *vh_perf_failed(const struct vh_perf *p, enum vh_tp tp)
{
	return p->failed[tp];
}

uint64_t vh_perf_event_lost(struct vh_perf *p, enum vh_tp tp)
{
	uint64_t sum = 0;

	if (!p->tells_lost)
		return 0;
	for (size_t i = 0; i < p->n_sources; i++) {
		struct source *s = &p->sources[i];
		uint64_t values[2]; /* count, lost */

		if (!s->lost_some || s->fd[tp] < 0 ||
			read(s->fd[tp], values, sizeof(values)) != sizeof(values))
			continue;
		sum += values[1] - s->lost[tp];
		s->lost[tp] = values[1];
	}
	return sum;
}

char *vh_perf_why_not(const struct vh_tp_format formats[VH_N_TP], pid_t tid)
{
	int err = ENOENT;

	for (int tp = 0; tp < VH_N_TP; tp++) {
		struct perf_event_attr attr = attr_of(PERF_TYPE_TRACEPOINT, formats[tp].id);

		if (!formats[tp].usable)
			continue;
		attr.disabled = 1;
		int fd = open_event(&attr, tid, -1);

		if (fd >= 0) {
			close(fd);
			return NULL;
		}
		err = errno;
		if (err == EACCES || err == EPERM)
			break;
	}
	return vh_strdup(meaning(err));
}
