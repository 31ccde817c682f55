/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's files, bounded, with a deadline, and re-rootable: with a root of "/captured" every
 * path below (/proc/..., /sys/..., a log file) is read from there, so a captured machine is a test.
 */
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"

struct vh_host;

/* root NULL or "" or "/" is this machine. */
struct vh_host *vh_host_create(const char *root);
void vh_host_destroy(struct vh_host *host);
bool vh_host_is_live(const struct vh_host *host); /* false when re-rooted */
/* root + path; the caller frees it. */
char *vh_host_path(const struct vh_host *host, const char *path);
/* The longest that one read may take; VH_READ_DEADLINE_NS unless set. */
void vh_host_set_read_deadline(struct vh_host *host, int64_t ns);
#define VH_READ_DEADLINE_NS (500 * VH_NS_PER_MS)

/* What became of one read. */
enum vh_status {
	VH_OK,
	VH_ABSENT,    /* not there */
	VH_DENIED,    /* permission, lockdown, or not supported for us */
	VH_TIMED_OUT, /* no answer within the deadline */
	VH_TRUNCATED, /* more than the cap: data holds what fitted */
	VH_FAILED,    /* any other error */
	VH_SKIPPED,   /* not asked, on purpose: the reason is in the detail */
	VH_LOST,      /* samples were lost */
	VH_N_STATUS
};
const char *vh_status_name(enum vh_status status);
int vh_status_parse(const char *name);
/* The status that an errno value means. */
enum vh_status vh_status_of_errno(int err);
/* True where there is data to look at. */
static inline bool vh_status_has_data(enum vh_status status)
{
	return status == VH_OK || status == VH_TRUNCATED || status == VH_LOST;
}

struct vh_reading {
	enum vh_status status;
	int err;                /* errno value behind the status, or 0 */
	char *data;             /* NUL-terminated; NULL without data */
	size_t size;            /* bytes of data */
	uint64_t total;         /* file size, where it is a regular file */
	uint64_t offset;        /* where data starts in the file */
	uint64_t device, inode; /* tails only: one file is the same pair under any name */
	int64_t mtime_ns;       /* CLOCK_REALTIME, regular files */
	int64_t at_ns;          /* when the read began */
	int64_t took_ns;
};
void vh_reading_free(struct vh_reading *r);
#define vh_auto_reading __attribute__((cleanup(vh_reading_free)))

/* Up to cap bytes from the start of a file. */
void vh_host_read(struct vh_host *host, size_t cap, struct vh_reading *out, const char *fmt, ...)
	VH_PRINTF(4, 5);
/* One small file of many. */
struct vh_file_read {
	char *path; /* without the root; the caller's */
	size_t cap;
	struct vh_reading out;
};
/*
 * vh_host_read of n files in their order, in as short a time as possible: a switch of threads per
 * 64 files instead of one each, which is what counts on a host that is out of CPU. A file that
 * blocks costs its deadline (after the third one a tenth of it) and is VH_TIMED_OUT; the others are
 * still read.
 */
void vh_host_read_many(struct vh_host *host, struct vh_file_read *files, size_t n);
/* The last cap bytes of a regular file; anything but a regular file is VH_FAILED with EINVAL and is
 * never opened for reading (a FIFO or a tty would lose what it holds). */
void vh_host_read_tail(struct vh_host *host, size_t cap, struct vh_reading *out, const char *fmt,
	...) VH_PRINTF(4, 5);
/* The target of a symbolic link as data. */
void vh_host_readlink(struct vh_host *host, struct vh_reading *out, const char *fmt, ...)
	VH_PRINTF(3, 4);
/* The names in a directory as data, one a line, sorted by number, then name; at most cap bytes. */
void vh_host_list(struct vh_host *host, size_t cap, struct vh_reading *out, const char *fmt, ...)
	VH_PRINTF(4, 5);
/* Directory of numbered links (/proc/PID/fd) as "N\ttarget" lines; at most max of them. */
void vh_host_list_links(struct vh_host *host, size_t max, struct vh_reading *out, const char *fmt,
	...) VH_PRINTF(4, 5);
