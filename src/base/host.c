/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/guard.h"
#include "base/names.h"

static const char *const status_names[VH_N_STATUS] = {
	[VH_OK] = "ok",
	[VH_ABSENT] = "absent",
	[VH_DENIED] = "denied",
	[VH_TIMED_OUT] = "timed-out",
	[VH_TRUNCATED] = "truncated",
	[VH_FAILED] = "failed",
	[VH_SKIPPED] = "skipped",
	[VH_LOST] = "lost",
};
VH_NAMES_DEFINE(vh_status, enum vh_status, status_names)

enum vh_status vh_status_of_errno(int err)
{
	switch (err) {
	case 0:
		return VH_OK;
	case ENOENT:
	case ESRCH:
	case ENOTDIR:
	case ENXIO:
		return VH_ABSENT;
	case EPERM:
	case EACCES:
	case EROFS:
	case EOPNOTSUPP:
		return VH_DENIED;
	case ETIMEDOUT:
	case EAGAIN:
		return VH_TIMED_OUT;
	default:
		return VH_FAILED;
	}
}

struct vh_host {
	char *root;
	struct vh_guard *guard;
	int64_t read_deadline_ns;
};

struct vh_host *vh_host_create(const char *root)
{
	struct vh_host *host = vh_alloc(sizeof(*host));

	host->root = vh_strdup(root && strcmp(root, "/") ? root : "");
	host->guard = vh_guard_create();
	host->read_deadline_ns = VH_READ_DEADLINE_NS;
	return host;
}

void vh_host_destroy(struct vh_host *host)
{
	if (!host)
		return;
	vh_guard_destroy(host->guard);
	free(host->root);
	free(host);
}

bool vh_host_is_live(const struct vh_host *host)
{
	return host->root[0] == 0;
}

char *vh_host_path(const struct vh_host *host, const char *path)
{
	return vh_asprintf("%s%s", host->root, path);
}

void vh_host_set_read_deadline(struct vh_host *host, int64_t ns)
{
	host->read_deadline_ns = ns;
}

void vh_reading_free(struct vh_reading *r)
{
	free(r->data);
	*r = (struct vh_reading){0};
}

/* A read as a job: everything it touches lives in it, for it may outlive the call. */
struct read_job {
	struct vh_job job;
	void (*read)(struct read_job *j);
	char *path;
	size_t cap;
	struct vh_reading result;
};

static void read_job_run(struct vh_job *job)
{
	struct read_job *j = (struct read_job *)job;

	j->read(j);
	if (j->result.err)
		j->result.status = vh_status_of_errno(j->result.err);
}

static void read_job_destroy(struct vh_job *job)
{
	struct read_job *j = (struct read_job *)job;

	vh_reading_free(&j->result);
	free(j->path);
	free(j);
}

VH_PRINTF(5, 0)
static void guarded_read(struct vh_host *host, void (*read)(struct read_job *j), size_t cap,
	struct vh_reading *out, const char *fmt, va_list args)
{
	char relative[PATH_MAX];
	struct read_job *j = vh_alloc(sizeof(*j));
	int64_t begin = vh_now_ns();

	vsnprintf(relative, sizeof(relative), fmt, args);
	j->job = (struct vh_job){.run = read_job_run, .destroy = read_job_destroy};
	j->read = read;
	j->path = vh_host_path(host, relative);
	j->cap = cap;
	*out = (struct vh_reading){.status = VH_TIMED_OUT, .err = ETIMEDOUT};
	if (vh_guard_call(host->guard, &j->job, vh_deadline_in(host->read_deadline_ns))) {
		*out = j->result;
		j->result = (struct vh_reading){0};
		j->job.destroy(&j->job);
	}
	out->at_ns = begin;
	out->took_ns = vh_now_ns() - begin;
}

/* Reads at most cap bytes of fd; one byte more tells whether that was all. */
static void read_fd(struct read_job *j, int fd)
{
	struct vh_buf buf = {0};
	char chunk[16384];
	int overtaken = 0;

	while (buf.len <= j->cap) {
		size_t want = VH_MIN(sizeof(chunk), j->cap + 1 - buf.len);
		ssize_t n = read(fd, chunk, want);

		if (n < 0 && errno == EINTR)
			continue;
		/* /dev/kmsg was overwritten where we read; the next read goes on behind the gap
		 * (Documentation/ABI/testing/dev-kmsg). */
		if (n < 0 && errno == EPIPE && overtaken++ < 16)
			continue;
		if (n < 0)
			j->result.err = errno;
		if (n <= 0)
			break;
		vh_buf_add(&buf, chunk, n);
	}
	if (j->result.err && !buf.len) {
		vh_buf_free(&buf);
		return;
	}
	j->result.err = 0;
	if (buf.len > j->cap) {
		j->result.status = VH_TRUNCATED;
		buf.len = j->cap;
		buf.data[buf.len] = 0;
	}
	j->result.size = buf.len;
	j->result.data = vh_buf_steal(&buf);
}

static void read_start(struct read_job *j)
{
	vh_auto_close int fd = open(j->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		j->result.err = errno;
	else
		read_fd(j, fd);
}

static void read_tail(struct read_job *j)
{
	struct stat st;
	/* O_PATH first: opening a FIFO or a tty could already change it. */
	vh_auto_close int at = open(j->path, O_PATH | O_CLOEXEC);

	if (at < 0 || fstat(at, &st) < 0) {
		j->result.err = errno;
		return;
	}
	if (!S_ISREG(st.st_mode)) {
		j->result.err = EINVAL;
		return;
	}
	char self[64];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", at);
	vh_auto_close int fd = open(self, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		j->result.err = errno;
		return;
	}
	j->result.total = st.st_size;
	j->result.device = st.st_dev;
	j->result.inode = st.st_ino;
	j->result.mtime_ns = st.st_mtim.tv_sec * VH_NS_PER_S + st.st_mtim.tv_nsec;
	if ((uint64_t)st.st_size > j->cap)
		j->result.offset = st.st_size - j->cap;
	if (lseek(fd, j->result.offset, SEEK_SET) < 0) {
		j->result.err = errno;
		return;
	}
	read_fd(j, fd);
	/* A tail is not a truncated reading: what is left out is said by offset. */
	if (j->result.status == VH_TRUNCATED)
		j->result.status = VH_OK;
}

static void read_link(struct read_job *j)
{
	char target[PATH_MAX];
	ssize_t n = readlink(j->path, target, sizeof(target) - 1);

	if (n < 0) {
		j->result.err = errno;
		return;
	}
	j->result.data = vh_strndup(target, n);
	j->result.size = n;
}

/* Numbers by value, then everything else by name. */
static int compare_names(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;
	uint64_t u, v;
	bool nx = vh_parse_u64(vh_str(x), 10, &u), ny = vh_parse_u64(vh_str(y), 10, &v);

	if (nx && ny)
		return u < v ? -1 : u > v;
	if (nx != ny)
		return nx ? -1 : 1;
	return strcmp(x, y);
}

/* All names of a directory, sorted; NULL and j->result.err on failure. */
static char **directory_names(struct read_job *j, size_t *n)
{
	DIR *dir = opendir(j->path);
	char **names = NULL;

	*n = 0;
	if (!dir) {
		j->result.err = errno;
		return NULL;
	}
	for (struct dirent *entry; (entry = readdir(dir));)
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			VH_PUSH(names, *n) = vh_strdup(entry->d_name);
	closedir(dir);
	if (*n)
		qsort(names, *n, sizeof(*names), compare_names);
	return names;
}

static void read_directory(struct read_job *j, bool links)
{
	size_t n, taken = 0;
	char **names = directory_names(j, &n);
	struct vh_buf buf = {0};

	for (size_t i = 0; i < n; i++) {
		if ((links ? taken : buf.len + strlen(names[i]) + 1) >= j->cap) {
			j->result.status = VH_TRUNCATED;
			break;
		}
		taken++;
		if (!links) {
			vh_buf_printf(&buf, "%s\n", names[i]);
			continue;
		}
		char target[PATH_MAX];
		vh_auto_free char *path = vh_asprintf("%s/%s", j->path, names[i]);
		ssize_t length = readlink(path, target, sizeof(target) - 1);

		if (length >= 0) {
			vh_buf_printf(&buf, "%s\t", names[i]);
			vh_escape(&buf, (struct vh_str){target, length}, false);
			vh_buf_putc(&buf, '\n');
		}
	}
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
	if (j->result.err)
		return;
	j->result.size = buf.len;
	j->result.data = vh_buf_steal(&buf);
}

static void read_names(struct read_job *j)
{
	read_directory(j, false);
}

static void read_links(struct read_job *j)
{
	read_directory(j, true);
}

void vh_host_read(struct vh_host *host, size_t cap, struct vh_reading *out, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	guarded_read(host, read_start, cap, out, fmt, args);
	va_end(args);
}

/* Several reads as one job. The caller and the guard hold it: the guard may keep it for long. */
#define BATCH_MAX 64
struct batch_job {
	struct vh_job job;
	atomic_int refs;
	atomic_size_t done; /* reads[0 .. done) are finished and no longer the worker's */
	size_t n;
	struct read_job reads[BATCH_MAX];
};

static void batch_unref(struct vh_job *job)
{
	struct batch_job *b = (struct batch_job *)job;

	if (atomic_fetch_sub(&b->refs, 1) > 1)
		return;
	for (size_t i = 0; i < b->n; i++) {
		vh_reading_free(&b->reads[i].result);
		free(b->reads[i].path);
	}
	free(b);
}

static void batch_run(struct vh_job *job)
{
	struct batch_job *b = (struct batch_job *)job;

	/* One reference left: the caller has given up. */
	for (size_t i = 0; i < b->n && atomic_load(&b->refs) > 1; i++) {
		struct read_job *j = &b->reads[i];

		j->result.at_ns = vh_now_ns();
		read_start(j);
		if (j->result.err)
			j->result.status = vh_status_of_errno(j->result.err);
		j->result.took_ns = vh_now_ns() - j->result.at_ns;
		atomic_store(&b->done, i + 1);
	}
}

/* So many files may cost their whole deadline, each further one a tenth of it. */
#define PATIENT_WITH 3

/* Reads up to BATCH_MAX files; returns how many have a result, at least one. */
static size_t read_batch(
	struct vh_host *host, struct vh_file_read *files, size_t n, int64_t deadline_ns)
{
	struct batch_job *b = vh_alloc(sizeof(*b));
	int64_t begin = vh_now_ns();

	b->job = (struct vh_job){.run = batch_run, .destroy = batch_unref};
	atomic_store(&b->refs, 2);
	b->n = VH_MIN(n, (size_t)BATCH_MAX);
	for (size_t i = 0; i < b->n; i++) {
		b->reads[i].path = vh_host_path(host, files[i].path);
		b->reads[i].cap = files[i].cap;
	}
	bool all = vh_guard_call(host->guard, &b->job, vh_deadline_in(deadline_ns));
	size_t done = all ? b->n : atomic_load(&b->done);

	for (size_t i = 0; i < done; i++) {
		files[i].out = b->reads[i].result;
		b->reads[i].result = (struct vh_reading){0};
	}
	if (done < b->n)
		files[done++].out = (struct vh_reading){.status = VH_TIMED_OUT,
			.err = ETIMEDOUT,
			.at_ns = begin,
			.took_ns = vh_now_ns() - begin};
	if (all)
		batch_unref(&b->job);
	batch_unref(&b->job);
	return done;
}

void vh_host_read_many(struct vh_host *host, struct vh_file_read *files, size_t n)
{
	size_t stuck = 0;

	for (size_t done = 0; done < n;) {
		/* A host with a few files that block has more of them, and is not merely slow. */
		bool patient = stuck < PATIENT_WITH;
		size_t read = read_batch(host, files + done, n - done,
			patient ? host->read_deadline_ns : host->read_deadline_ns / 10);

		stuck += files[done + read - 1].out.status == VH_TIMED_OUT;
		done += read;
	}
}

void vh_host_read_tail(
	struct vh_host *host, size_t cap, struct vh_reading *out, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	guarded_read(host, read_tail, cap, out, fmt, args);
	va_end(args);
}

void vh_host_readlink(struct vh_host *host, struct vh_reading *out, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	guarded_read(host, read_link, PATH_MAX, out, fmt, args);
	va_end(args);
}

void vh_host_list(struct vh_host *host, size_t cap, struct vh_reading *out, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	guarded_read(host, read_names, cap, out, fmt, args);
	va_end(args);
}

void vh_host_list_links(
	struct vh_host *host, size_t max, struct vh_reading *out, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	guarded_read(host, read_links, max, out, fmt, args);
	va_end(args);
}
