/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report/timeline.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "collect/timeline.h"
#include "report/timeline_slices.h"

#define SPAN_NS    (2 * VH_NS_PER_S)
#define CHUNK      (1u << 20) /* written at once */
#define TAIL_BYTES 65536u     /* of max_bytes, for what ends the file */
#define LOOK_NS    (20 * VH_NS_PER_MS)

struct writer {
	int fd;
	int err; /* errno of a write that failed */
	uint64_t max_bytes, bytes;
	bool full;
	bool some; /* an event is there: the next needs a comma */
	struct vh_buf buf;
	pid_t pid;
	int64_t began_ns;
	uint64_t events, lost;
	struct lane {
		struct writer *w;
		struct vh_timeline_thread thread;
		struct vh_slicer slicer;
	} * lanes;
	size_t n_lanes;
};

static void flush(struct writer *w)
{
	for (size_t done = 0; done < w->buf.len && !w->err;) {
		ssize_t n = write(w->fd, w->buf.data + done, w->buf.len - done);

		if (n < 0 && errno != EINTR)
			w->err = errno;
		else if (n > 0)
			done += (size_t)n;
	}
	w->bytes += w->buf.len;
	w->buf.len = 0;
}

/* --- Events ----------------------------------------------------------------------------------- */

/* Nanoseconds as the microseconds that the format wants. */
static void put_us(struct vh_buf *b, const char *key, int64_t ns)
{
	vh_buf_printf(b, ",\"%s\":%" PRId64 ".%03d", key, ns / 1000, (int)(ns % 1000));
}

/* Opens one event; false where no more fit. */
static bool begin_event(struct writer *w, char phase, pid_t tid, const char *name)
{
	if (w->full || w->bytes + w->buf.len > w->max_bytes - TAIL_BYTES) {
		w->full = true;
		return false;
	}
	if (w->buf.len > CHUNK)
		flush(w);
	vh_buf_printf(&w->buf, "%s{\"ph\":\"%c\",\"pid\":%d,\"tid\":%d,\"name\":\"%s\"",
		w->some ? ",\n" : "", phase, (int)w->pid, (int)tid, name);
	w->some = true;
	return true;
}

static void put_arg(struct vh_buf *b, bool *some, const char *key, uint64_t value)
{
	vh_buf_printf(b, "%s\"%s\":\"0x%" PRIx64 "\"", *some ? "," : ",\"args\":{", key, value);
	*some = true;
}

static void put_slice(void *data, const struct vh_slice *slice)
{
	struct lane *lane = data;
	struct writer *w = lane->w;
	int64_t from_ns = VH_MAX(slice->from_ns, w->began_ns);
	bool some = false;

	/* Where a thread is that is no vCPU was not asked. */
	if (lane->thread.vcpu < 0 && vh_streq(slice->name, VH_SLICE_UNKNOWN))
		return;
	if (slice->to_ns < from_ns || !begin_event(w, 'X', lane->thread.tid, slice->name))
		return;
	put_us(&w->buf, "ts", from_ns - w->began_ns);
	put_us(&w->buf, "dur", slice->to_ns - from_ns);
	if (slice->reason != VH_NO_REASON)
		put_arg(&w->buf, &some, "reason", slice->reason);
	if (slice->has_rip)
		put_arg(&w->buf, &some, "rip", slice->rip);
	if (slice->has_info) {
		put_arg(&w->buf, &some, "info1", slice->info1);
		put_arg(&w->buf, &some, "info2", slice->info2);
	}
	if (slice->has_err)
		put_arg(&w->buf, &some, "errno", slice->err);
	vh_buf_puts(&w->buf, some ? "}}" : "}");
}

static void put_instant(void *data, const struct vh_perf_record *r)
{
	struct lane *lane = data;
	struct writer *w = lane->w;
	bool some = false;

	if (r->kind == VH_PERF_TRACEPOINT && r->time_ns < w->began_ns)
		return;
	if (!begin_event(w, 'i', lane->thread.tid,
		    r->kind == VH_PERF_LOST   ? "events lost"
		    : r->kind == VH_PERF_EXIT ? "thread ended"
					      : strchr(vh_tp_name(r->tp), ':') + 1))
		return;
	put_us(&w->buf, "ts", VH_MAX(r->time_ns - w->began_ns, 0));
	vh_buf_puts(&w->buf, ",\"s\":\"t\"");
	if (r->kind == VH_PERF_LOST)
		put_arg(&w->buf, &some, "lost", r->lost);
	for (int i = 0; r->kind == VH_PERF_TRACEPOINT && i < VH_TP_FIELDS; i++)
		if (r->present >> i & 1)
			put_arg(&w->buf, &some, vh_tp_field_name(r->tp, i), r->value[i]);
	vh_buf_puts(&w->buf, some ? "}}" : "}");
}

/* The text as a JSON string. */
static void put_text(struct vh_buf *b, const char *text)
{
	vh_auto_free char *shown = vh_escaped(text);
	vh_auto_json struct json_object *o = vh_json_text(vh_str(shown));

	vh_buf_puts(b, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
}

/* A name of the process (tid 0: its own) for the viewer. */
static void put_name(struct writer *w, pid_t tid, const char *name)
{
	if (!begin_event(w, 'M', tid ? tid : w->pid, tid ? "thread_name" : "process_name"))
		return;
	vh_buf_puts(&w->buf, ",\"args\":{\"name\":");
	put_text(&w->buf, name);
	vh_buf_puts(&w->buf, "}}");
}

static void put_order(struct writer *w, pid_t tid, size_t order)
{
	if (begin_event(w, 'M', tid, "thread_sort_index"))
		vh_buf_printf(&w->buf, ",\"args\":{\"sort_index\":%zu}}", order);
}

/* --- The recording ---------------------------------------------------------------------------- */

static void take(void *data, size_t thread, const struct vh_perf_record *r)
{
	struct writer *w = data;

	w->events += r->kind == VH_PERF_TRACEPOINT && r->time_ns >= w->began_ns;
	if (r->kind == VH_PERF_LOST)
		w->lost += r->lost;
	vh_slicer_take(&w->lanes[thread].slicer, r);
}

static void begin_lanes(struct writer *w, const struct vh_timeline *t, const struct vh_vm *vm)
{
	const struct vh_timeline_thread *threads = vh_timeline_threads(t, &w->n_lanes);
	vh_auto_free char *vm_name = vh_asprintf("%s (pid %d)", vm->name, (int)vm->id.pid);

	w->lanes = vh_alloc(w->n_lanes * sizeof(*w->lanes));
	vh_buf_puts(&w->buf, "{\"traceEvents\":[\n");
	put_name(w, 0, vm_name);
	for (size_t i = 0; i < w->n_lanes; i++) {
		struct lane *lane = &w->lanes[i];
		vh_auto_free char *name = threads[i].vcpu >= 0
						  ? vh_asprintf("vCPU %d", threads[i].vcpu)
						  : vh_strdup(threads[i].name);

		lane->w = w;
		lane->thread = threads[i];
		lane->slicer = (struct vh_slicer){
			.slice = put_slice, .instant = put_instant, .data = lane};
		put_name(w, threads[i].tid, name);
		put_order(w, threads[i].tid, i);
	}
}

static void end_file(struct writer *w, const struct vh_timeline *t, const struct vh_vm *vm,
	int64_t end_ns, bool stopped)
{
	int64_t limited_ns = vh_timeline_stopped_ns(t);
	struct vh_buf *b = &w->buf;

	vh_buf_puts(b,
		"\n],\n\"displayTimeUnit\":\"ns\",\n\"otherData\":{\"tool\":\"vmhang " VH_VERSION
		"\",\"vm\":");
	put_text(b, vm->name);
	vh_buf_printf(b,
		",\"pid\":%d,\"span_ns\":%" PRId64 ",\"events\":%" PRIu64 ",\"lost\":%" PRIu64,
		(int)vm->id.pid, end_ns - w->began_ns, w->events, w->lost);
	if (w->full)
		vh_buf_printf(b,
			",\"ended_early\":\"the file is as large as it may become, %" PRIu64
			" bytes\"",
			w->max_bytes);
	else if (stopped)
		vh_buf_puts(b, ",\"ended_early\":\"it was stopped\"");
	if (limited_ns)
		vh_buf_printf(b,
			",\"kvm_emulate_insn\":\"comes too often, recorded for the first %" PRId64
			" ns only\"",
			VH_MAX(limited_ns - w->began_ns, 0));
	vh_buf_puts(b, "}}\n");
	flush(w);
}

static bool wants_stop(const struct vh_timeline_options *options)
{
	return options->stop && *options->stop;
}

static void record(struct writer *w, struct vh_timeline *t, const struct vh_vm *vm,
	const struct vh_timeline_options *options, struct vh_timeline_result *result)
{
	int64_t end_ns, now;
	bool stopped = false;

	w->pid = vm->id.pid;
	w->began_ns = vh_timeline_began_ns(t);
	end_ns = w->began_ns + (options->for_ns ? options->for_ns : SPAN_NS);
	begin_lanes(w, t, vm);
	do {
		now = VH_MIN(vh_now_ns(), end_ns);
		stopped = wants_stop(options);
		int64_t next_ns = vh_timeline_drain(t, now, take, w);

		if (now < end_ns && !stopped)
			vh_sleep_until_ns(VH_MIN(VH_MIN(next_ns, end_ns), vh_now_ns() + LOOK_NS));
	} while (now < end_ns && !stopped && !w->full && !w->err);
	for (size_t i = 0; i < w->n_lanes; i++)
		vh_slicer_end(&w->lanes[i].slicer, now);
	end_file(w, t, vm, now, stopped && now < end_ns);
	*result = (struct vh_timeline_result){.span_ns = now - w->began_ns,
		.events = w->events,
		.lost = w->lost,
		.bytes = w->bytes,
		.full = w->full};
	free(w->lanes);
	vh_buf_free(&w->buf);
}

struct vh_error *vh_timeline_record(struct vh_host *host, const struct vh_vm *vm,
	const struct vh_timeline_options *options, struct vh_timeline_result *result)
{
	struct writer w = {
		.max_bytes = options->max_bytes ? options->max_bytes : VH_TIMELINE_BYTES};
	struct vh_error *err = NULL;
	struct stat st;

	*result = (struct vh_timeline_result){0};
	w.max_bytes = VH_MAX(w.max_bytes, (uint64_t)2 * TAIL_BYTES);
	if (lstat(options->path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return vh_error_new(S_ISDIR(st.st_mode) ? EISDIR : EINVAL,
			"writing the timeline to %s, which is no file", options->path);
	vh_auto_free char *temporary = vh_asprintf("%s.XXXXXX", options->path);
	vh_auto_close int fd = mkostemp(temporary, O_CLOEXEC);

	if (fd < 0)
		return vh_error_new(
			errno, "writing the timeline: creating a file beside %s", options->path);
	struct vh_timeline *t = vh_timeline_open(host, vm, &err);

	w.fd = fd;
	if (t)
		record(&w, t, vm, options, result);
	vh_timeline_close(t);
	if (!t)
		err = vh_error_prefix(err, "recording a timeline");
	else if (w.err || fsync(fd) < 0 || rename(temporary, options->path) < 0)
		err = vh_error_new(
			w.err ? w.err : errno, "writing the timeline to %s", options->path);
	if (err)
		unlink(temporary);
	return err;
}
