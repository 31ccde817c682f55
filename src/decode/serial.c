/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Does a vCPU hang on a serial or debug port whose reader does not read? QEMU's chardev layer
 * (chardev/char.c, qemu_chr_write_buffer and qemu_chr_write_log) answers EAGAIN of a full pipe with
 * usleep(100) and another try, for ever, with the big lock held: thousands of naps a second.
 */
#include <errno.h>

#include "decode/decoder.h"

#define NAPS_PER_S 1000

static bool is_channel_kind(const char *kind)
{
	static const char *const kinds[] = {"pipe", "fifo", "pty", "tty", "unix", "socket", "tcp",
		"telnet", "websocket", "stdio", "serial", "console"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(kinds); i++)
		if (vh_streq(kind, kinds[i]))
			return true;
	return false;
}

/* A "file" that turned out to be none: the collector does not read such (docs/evidence.md). */
static bool is_special_file(const struct vh_decoder *d, const struct vh_serial *s)
{
	const struct vh_found *f =
		s->path ? vh_seek(&d->in, "log.serial", s->path, VH_FIRST) : NULL;

	return f &&
	       (f->e->status == VH_SKIPPED || (f->e->status == VH_FAILED && f->e->err == EINVAL));
}

static bool can_fill_up(const struct vh_decoder *d)
{
	for (size_t i = 0; i < d->m->vm->n_serials; i++)
		if (is_channel_kind(d->m->vm->serials[i].kind) ||
			is_special_file(d, &d->m->vm->serials[i]))
			return true;
	return false;
}

/* True where what a thread is blocked on ("/x (fd 7)") belongs to the serial port. */
static bool is_of(const char *on, const struct vh_serial *s)
{
	static const struct {
		const char *kind, *target;
	} anonymous[] = {
		{"unix", "socket:["},
		{"socket", "socket:["},
		{"tcp", "socket:["},
		{"telnet", "socket:["},
		{"websocket", "socket:["},
		{"stdio", "pipe:["},
		{"stdio", "/dev/pts/"},
		{"pty", "/dev/ptmx"},
		{"pty", "/dev/pts/"},
	};
	size_t n = s->path ? strlen(s->path) : 0;

	/* A pipe backend opens PATH.in and PATH.out where they are there. */
	if (n && strncmp(on, s->path, n) == 0 && (on[n] == ' ' || on[n] == '.'))
		return true;
	for (size_t i = 0; i < VH_ARRAY_SIZE(anonymous); i++)
		if (vh_streq(s->kind, anonymous[i].kind) && vh_prefix(on, anonymous[i].target))
			return true;
	return false;
}

/* write, writev, sendto, sendmsg on x86-64; without the call, the wait says it. */
static bool writes(const struct vh_decoder *d, const struct vh_thread *t)
{
	const struct vh_thread_sample *s = t->last.seen ? &t->last : &t->first;

	if (!s->has_syscall || !d->x86)
		return s->wait == VH_WAIT_PIPE;
	return s->syscall == 1 || s->syscall == 20 || s->syscall == 44 || s->syscall == 46;
}

static bool blocked_in_write(const struct vh_decoder *d, const struct vh_thread *t)
{
	if (!t->blocked_on || t->wait == VH_WAIT_NONE || !writes(d, t))
		return false;
	/* A log file on storage that does not answer: reading it would not help. */
	if (t->wait == VH_WAIT_FUSE || t->wait == VH_WAIT_DISK)
		return false;
	for (size_t i = 0; i < d->m->vm->n_serials; i++)
		if (is_of(t->blocked_on, &d->m->vm->serials[i]))
			return true;
	return false;
}

static bool naps(const struct vh_decoder *d, const struct vh_thread *t)
{
	const struct vh_thread_sample *looks[] = {&t->first, &t->last, &t->after};
	bool sleeps = false, in_guest = false;

	for (size_t i = 0; i < VH_ARRAY_SIZE(looks); i++) {
		sleeps |= looks[i]->wait == VH_WAIT_SLEEP;
		in_guest |= looks[i]->in_kvm_run;
	}
	/* Between two naps it runs for a moment, and each look may meet it so. */
	if (!sleeps && (in_guest || d->m->monitor.state != VH_MONITOR_SILENT))
		return false;
	return t->role == VH_ROLE_VCPU && t->switches_per_s > NAPS_PER_S &&
	       d->m->monitor.state != VH_MONITOR_ANSWERED && can_fill_up(d);
}

void vh_decode_serial_full(struct vh_decoder *d)
{
	for (size_t i = 0; i < d->m->n_threads; i++) {
		struct vh_thread *t = d->m->threads[i];

		if (t->role == VH_ROLE_VCPU || t->role == VH_ROLE_MAIN)
			t->waits_on_serial = blocked_in_write(d, t) || naps(d, t);
		d->m->serial_full |= t->waits_on_serial;
	}
}
