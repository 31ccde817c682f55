/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Facts of storage: requests that are not answered, fail or are held back, and who does not answer.
 */
#include "infer/facts_build.h"

/* Storage that is merely slow gives back something within this time: a disk that spins up, or a
 * flush of much data, takes longer now and then, and is called likely at most. */
#define UNANSWERED_S 0.5
/* A request that waits so long on average makes a guest look hung. */
#define THROTTLED_S 0.5
/* A drive that completed nothing for so long is not used. */
#define UNUSED_NS (30 * INT64_C(1000000000))

static const char *name_of(const struct vh_drive_view *d)
{
	return d->name ? d->name : "?";
}

static char *file_text(const struct vh_drive_view *d)
{
	return d->file ? vh_asprintf(" (%s)", d->file) : vh_strdup("");
}

static const struct vh_drive_view *drive_of(const struct vh_facts *facts, const char *name)
{
	const struct vh_model *m = facts->model;

	for (size_t i = 0; name && i < m->n_drives; i++)
		if (vh_streq(m->drives[i].name, name))
			return &m->drives[i];
	return NULL;
}

/* --- Threads that wait ------------------------------------------------------------------------ */

/* A function of the kernel in the stack or as wchan: the name begins so, behind a blank or at the
 * begin of a line. */
static bool waits_in(const struct vh_thread_sample *s, const char *function)
{
	struct vh_str rest = vh_str(s->stack ? s->stack : ""), line;

	if (s->wchan && vh_prefix(s->wchan, function))
		return true;
	while (vh_next_line(&rest, &line)) {
		struct vh_str name = vh_str_trim(line);

		if (vh_str_starts(name, "[<")) {
			ssize_t at = vh_str_find(name, "] ");

			if (at < 0)
				continue;
			name.s += at + 2;
			name.n -= (size_t)at + 2;
		}
		if (vh_str_starts(name, function))
			return true;
	}
	return false;
}

static bool waits_in_any(const struct vh_thread_sample *s, const char *const *functions, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (waits_in(s, functions[i]))
			return true;
	return false;
}

/* fs/super.c: a writer waits for the file system to be thawed. vfs_write and its like take this
 * semaphore alone (file_start_write). */
static bool on_frozen_file_system(const struct vh_thread_sample *s)
{
	static const char *const frozen[] = {"__sb_start_write", "sb_start_write", "vfs_write",
		"vfs_iter_write", "vfs_iocb_iter_write", "vfs_fallocate", "do_iter_write",
		"aio_write", "io_write", "vfs_writev", "do_pwritev"};

	return s->wchan &&
	       (vh_prefix(s->wchan, "percpu_rwsem_wait") ||
		       vh_prefix(s->wchan, "__percpu_down_read") ||
		       vh_prefix(s->wchan, "__sb_start_write")) &&
	       (!s->stack || !s->stack[0] || waits_in_any(s, frozen, VH_ARRAY_SIZE(frozen)));
}

static bool on_nfs(const struct vh_thread_sample *s)
{
	static const char *const nfs[] = {"nfs", "rpc_", "__rpc_", "xprt_"};

	return waits_in_any(s, nfs, VH_ARRAY_SIZE(nfs));
}

static void silent_thread_fact(struct vh_facts *facts, const struct vh_thread *t)
{
	const struct vh_thread_sample *s = &t->last;
	enum vh_fact_id id = VH_FACT_DISK_SILENT;
	const char *who = "the host's storage does not answer";
	vh_auto_free char *on = t->blocked_on ? vh_asprintf(": %s", t->blocked_on) : vh_strdup("");

	if (on_frozen_file_system(s)) {
		id = VH_FACT_HOST_FILES_FROZEN;
		who = "a file system of the host is frozen";
	} else if (t->wait == VH_WAIT_FUSE) {
		id = VH_FACT_FUSE_SILENT;
		who = "a FUSE file system does not answer";
	} else if (on_nfs(s)) {
		id = VH_FACT_NFS_SILENT;
		who = "an NFS server does not answer";
	} else if (t->wait != VH_WAIT_DISK)
		return;
	struct vh_fact *f = vh_fact_add(facts, id, -1, t->tid,
		"%s: thread %d (%s) has waited in %s (state %c) during the whole window%s", who,
		(int)t->tid, t->name, s->wchan && s->wchan[0] ? s->wchan : "the kernel",
		s->stat.state, on);

	vh_fact_ground(facts, f, "task.wchan", vh_subject_tid(t->tid).s);
	vh_fact_ground(facts, f, "task.stack", vh_subject_tid(t->tid).s);
	vh_fact_ground(facts, f, "task.status", vh_subject_tid(t->tid).s);
	vh_fact_ground(facts, f, "task.fd", vh_subject_tid(t->tid).s);
}

/* QEMU block/nbd.c: a thread of this name tries to connect, and sleeps between two tries, up to 16
 * s. */
static bool reconnects(const struct vh_thread *t)
{
	return vh_streq(t->name, "nbd-connect") && t->first.seen && t->last.seen;
}

static void thread_facts(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	for (size_t i = 0; i < m->n_threads; i++) {
		const struct vh_thread *t = m->threads[i];

		if (reconnects(t)) {
			struct vh_fact *f = vh_fact_add(facts, VH_FACT_NBD_RECONNECTS, -1, t->tid,
				"the connection to an NBD server is lost: thread %d (%s) has tried "
				"to connect again during the whole window",
				(int)t->tid, t->name);

			vh_fact_ground(facts, f, "task.stat", vh_subject_tid(t->tid).s);
		}
		if (t->role != VH_ROLE_MAIN && t->role != VH_ROLE_VCPU &&
			t->role != VH_ROLE_KERNEL && vh_waits_all_the_time(t))
			silent_thread_fact(facts, t);
	}
}

/* --- Requests in virtio queues ---------------------------------------------------------------- */

static bool drive_moved(const struct vh_drive_view *d)
{
	return d && d->has_stats[0] && d->has_stats[1] &&
	       (d->rd_ops[0] != d->rd_ops[1] || d->wr_ops[0] != d->wr_ops[1] ||
		       d->flush_ops[0] != d->flush_ops[1] || d->failed != d->failed_first);
}

/* The name of the device in its QOM path: "/machine/peripheral/NAME/virtio-backend". */
static char *device_text(const struct vh_queue *q)
{
	struct vh_str path = vh_str(q->device);

	if (path.n > 15 && memcmp(path.s + path.n - 15, "/virtio-backend", 15) == 0)
		path.n -= 15;
	for (size_t i = path.n; i > 0; i--)
		if (path.s[i - 1] == '/') {
			path.s += i;
			path.n -= i;
			break;
		}
	return vh_str_dup(path);
}

static void ground_queue(struct vh_facts *facts, struct vh_fact *f, const struct vh_queue *q)
{
	vh_fact_ground(facts, f, "qmp.x-query-virtio-queue-status", q->subject);
	vh_fact_ground(facts, f, "guest.vring", q->subject);
}

static void unanswered_fact(struct vh_facts *facts, const struct vh_queue *q, double seconds)
{
	const struct vh_queue_look *a = &q->looks[0], *b = &q->looks[1];
	const struct vh_drive_view *d = drive_of(facts, q->drive);
	vh_auto_free char *device = device_text(q);
	vh_auto_free char *file = d ? file_text(d) : vh_strdup("");
	vh_auto_free char *last =
		d && d->idle_ns >= 0 && d->idle_ns > 2 * INT64_C(1000000000)
			? vh_asprintf("; its last answer was %.0f s ago", (double)d->idle_ns / 1e9)
			: vh_strdup("");

	if (!a->in_flight || !b->in_flight || a->used != b->used || drive_moved(d))
		return;
	struct vh_fact *f = vh_fact_add(facts,
		d && vh_backend_of(d->file) == VH_BACKEND_NBD ? VH_FACT_NBD_UNANSWERED
							      : VH_FACT_REQUEST_UNANSWERED,
		-1, seconds,
		"drive %s%s has %llu request%s of the guest in flight, and answered none for %.1f "
		"s%s",
		q->drive ? q->drive : device, file, (unsigned long long)b->in_flight,
		b->in_flight == 1 ? "" : "s", seconds, last);

	ground_queue(facts, f, q);
	vh_fact_ground(facts, f, "qmp.query-blockstats", NULL);
}

/* The guest offers more than the device has taken, and the device has nothing to do. */
static void kick_lost_fact(struct vh_facts *facts, const struct vh_queue *q, double seconds)
{
	const struct vh_queue_look *a = &q->looks[0], *b = &q->looks[1];
	vh_auto_free char *device = device_text(q);
	uint16_t waiting = (uint16_t)(b->offered - b->taken);

	if (!a->has_ring || !b->has_ring || a->in_flight || b->in_flight || a->taken != b->taken ||
		a->offered != b->offered || !waiting || waiting > q->size)
		return;
	struct vh_fact *f = vh_fact_add(facts, VH_FACT_REQUEST_NOT_TAKEN, -1, seconds,
		"the guest has put %u request%s into queue %u of disk %s, and the device, which "
		"has nothing else to do, has not taken %s for %.1f s",
		waiting, waiting == 1 ? "" : "s", q->number, device, waiting == 1 ? "it" : "them",
		seconds);

	ground_queue(facts, f, q);
}

/* The device gave back what the guest asked to be told of, and the guest has not looked at it: a
 * driver moves used_event on when it has (virtio 1.2, 2.7.7.2). */
static void interrupt_lost_fact(struct vh_facts *facts, const struct vh_queue *q, double seconds)
{
	const struct vh_queue_look *a = &q->looks[0], *b = &q->looks[1];
	vh_auto_free char *device = device_text(q);
	uint16_t unseen = (uint16_t)(b->used - b->event);

	if (!a->has_event || !b->has_event || !a->has_ring || !b->has_ring || a->in_flight ||
		b->in_flight || a->used != b->used || a->event != b->event ||
		a->offered != b->offered || b->offered != b->used || b->returned != b->used ||
		!unseen || unseen > q->size)
		return;
	struct vh_fact *f = vh_fact_add(facts, VH_FACT_ANSWER_NOT_SEEN, -1, b->event,
		"disk %s has answered %u request%s in queue %u of which the guest asked to be "
		"told, and the guest has not looked at %s for %.1f s",
		device, unseen, unseen == 1 ? "" : "s", q->number, unseen == 1 ? "it" : "them",
		seconds);

	ground_queue(facts, f, q);
}

static void queue_facts(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	for (size_t i = 0; i < m->n_queues; i++) {
		const struct vh_queue *q = &m->queues[i];
		double seconds = (double)(q->looks[1].at_ns - q->looks[0].at_ns) / 1e9;

		if (!q->looks[0].seen || !q->looks[1].seen || seconds < UNANSWERED_S)
			continue;
		unanswered_fact(facts, q, seconds);
		kick_lost_fact(facts, q, seconds);
		interrupt_lost_fact(facts, q, seconds);
	}
	for (size_t i = 0; i < m->n_broken_devices; i++)
		vh_fact_ground(facts,
			vh_fact_add(facts, VH_FACT_VIRTIO_BROKEN, -1, NAN,
				"QEMU found a ring of %s broken, and serves it no longer",
				m->broken_devices[i]),
			"qmp.x-query-virtio-status", m->broken_devices[i]);
	const struct vh_log_hit *hit = vh_model_hit(m, "virtio-broken");

	if (hit)
		vh_fact_ground(facts,
			vh_fact_add(facts, VH_FACT_LOG_VIRTIO_BROKEN, -1, NAN, "the VMM's log: %s",
				hit->line),
			"log.qemu", NULL);
}

/* --- Processes that serve the VM -------------------------------------------------------------- */

static void server_facts(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	for (size_t i = 0; i < m->n_servers; i++) {
		const struct vh_server_view *s = &m->servers[i];

		if (!s->is_stopped)
			continue;
		struct vh_fact *f = vh_fact_add(facts,
			s->of_vhost_user ? VH_FACT_VHOST_USER_STOPPED : VH_FACT_SERVER_STOPPED, -1,
			s->pid, "process %d (%s), which serves %s, is stopped (state T)",
			(int)s->pid, s->name, s->path);

		vh_fact_ground(facts, f, "host.server", s->path);
	}
	for (size_t i = 0; i < m->n_chardevs; i++) {
		const struct vh_chardev_view *v = &m->chardevs[i];

		if (!v->vhost_user || !vh_prefix(v->filename, "disconnected:"))
			continue;
		struct vh_fact *f = vh_fact_add(facts, VH_FACT_VHOST_USER_GONE, -1, (double)i,
			"nobody serves %s (chardev %s): %s", v->vhost_user, v->label, v->filename);

		vh_fact_ground(facts, f, "qmp.query-chardev", NULL);
		vh_fact_ground(facts, f, "proc.cmdline", NULL);
	}
}

/* --- Drives ----------------------------------------------------------------------------------- */

static void failing_fact(struct vh_facts *facts, const struct vh_drive_view *d)
{
	vh_auto_free char *file = file_text(d);

	if (!d->has_stats[0] || !d->has_stats[1] || d->failed <= d->failed_first)
		return;
	bool some = d->rd_ops[0] != d->rd_ops[1] || d->wr_ops[0] != d->wr_ops[1];
	struct vh_fact *f = vh_fact_add(facts,
		some ? VH_FACT_SOME_REQUESTS_FAIL : VH_FACT_REQUESTS_FAIL, -1,
		(double)(d->failed - d->failed_first),
		"drive %s%s: %llu requests of the guest failed within %.1f s, %s, and %llu since "
		"it started",
		name_of(d), file, (unsigned long long)(d->failed - d->failed_first), d->seconds,
		some ? "others did not" : "and none succeeded", (unsigned long long)d->failed);

	vh_fact_ground(facts, f, "qmp.query-blockstats", NULL);
	vh_fact_ground(facts, f, "qmp.event", "BLOCK_IO_ERROR");
}

static char *limits_text(const struct vh_throttle *t)
{
	static const char *const of[] = {" reads", " writes", ""};
	vh_auto_buf struct vh_buf b = {0};

	for (size_t i = 0; i < VH_ARRAY_SIZE(t->iops); i++) {
		if (t->iops[i])
			vh_buf_printf(&b, "%s%llu%s a second", b.len ? ", " : "",
				(unsigned long long)t->iops[i], *of[i] ? of[i] : " requests");
		if (t->bps[i])
			vh_buf_printf(&b, "%s%s a second%s", b.len ? ", " : "",
				vh_bytes_text(t->bps[i]).s,
				*of[i] ? (i ? " of writes" : " of reads") : "");
	}
	return vh_buf_steal(&b);
}

/* Seconds that a request takes: of those that completed between the two looks, else of all. */
static double mean_seconds(const struct vh_drive_view *d)
{
	uint64_t n[2];

	for (int i = 0; i < 2; i++)
		n[i] = d->rd_ops[i] + d->wr_ops[i] + d->flush_ops[i];
	if (d->has_stats[1] && n[1] > n[0] && d->busy_ns[1] >= d->busy_ns[0])
		return (double)(d->busy_ns[1] - d->busy_ns[0]) / 1e9 / (double)(n[1] - n[0]);
	return d->has_stats[0] && n[0] ? (double)d->busy_ns[0] / 1e9 / (double)n[0] : NAN;
}

static bool has_requests(const struct vh_facts *facts, const struct vh_drive_view *d)
{
	const struct vh_model *m = facts->model;

	for (size_t i = 0; i < m->n_queues; i++)
		if (vh_streq(m->queues[i].drive, d->name) && m->queues[i].looks[0].in_flight &&
			m->queues[i].looks[1].in_flight)
			return true;
	return false;
}

static bool is_virtio(const struct vh_facts *facts, const struct vh_drive_view *d)
{
	const struct vh_model *m = facts->model;

	for (size_t i = 0; i < m->n_queues; i++)
		if (vh_streq(m->queues[i].drive, d->name))
			return true;
	return false;
}

static void throttled_fact(struct vh_facts *facts, const struct vh_drive_view *d)
{
	vh_auto_free char *limits = limits_text(&d->throttle), *file = file_text(d);
	double takes = mean_seconds(d);
	bool waits = has_requests(facts, d);

	if (!limits || !limits[0])
		return;
	/* Of other than virtio disks it is not told what is in flight: there what was used lately
	 * is used. */
	if (is_virtio(facts, d) ? !waits : d->idle_ns < 0 || d->idle_ns > UNUSED_NS)
		return;
	if (isnan(takes) ? !waits : takes < THROTTLED_S)
		return;
	vh_auto_free char *how = isnan(takes) ? vh_strdup("none has completed yet")
					      : vh_asprintf("a request takes %.1f s", takes);
	struct vh_fact *f = vh_fact_add(facts, VH_FACT_DRIVE_THROTTLED, -1, takes,
		"drive %s%s is limited to %s, and %s", name_of(d), file, limits, how);

	vh_fact_ground(facts, f, "qmp.query-block", NULL);
	vh_fact_ground(facts, f, "qmp.query-blockstats", NULL);
}

void vh_facts_of_storage(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	thread_facts(facts);
	queue_facts(facts);
	server_facts(facts);
	if (m->cgroup.io_limits && m->cgroup.io_limit_is_low) {
		struct vh_fact *f = vh_fact_add(facts, VH_FACT_CGROUP_IO_LIMIT, -1, NAN,
			"a cgroup limits its I/O: %s", m->cgroup.io_limits);

		vh_fact_ground(facts, f, "cgroup.io.max", NULL);
		vh_fact_ground(facts, f, "cgroup.blkio.throttle.read_bps_device", NULL);
		vh_fact_ground(facts, f, "cgroup.blkio.throttle.write_bps_device", NULL);
		vh_fact_ground(facts, f, "cgroup.blkio.throttle.read_iops_device", NULL);
		vh_fact_ground(facts, f, "cgroup.blkio.throttle.write_iops_device", NULL);
	}
	for (size_t i = 0; i < m->n_drives; i++) {
		failing_fact(facts, &m->drives[i]);
		throttled_fact(facts, &m->drives[i]);
	}
}
