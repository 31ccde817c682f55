/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A look into a dump of a guest's memory. The file is opened here, and read in the sandbox. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "collect/inside.h"
#include "guest/dump.h"
#include "guest/explorer.h"
#include "guest/unpack.h"

struct dump_look {
	int fd;
	enum vh_dump_kind kind;
};

static enum vh_dump_kind kind_of(int fd)
{
	char head[VH_DUMP_HEAD];
	struct stat st;

	/* Reading of a FIFO or a terminal would take what its reader waits for. */
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return VH_DUMP_NONE;
	ssize_t n = pread(fd, head, sizeof(head), 0);

	return n < 0 ? VH_DUMP_NONE : vh_dump_kind_of(head, (size_t)n);
}

bool vh_is_dump(const char *path)
{
	vh_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	return kind_of(fd) != VH_DUMP_NONE;
}

/* Within the sandbox. */
static bool open_dump(void *self, unsigned n, struct vh_explore_view *out)
{
	const struct dump_look *l = self;
	struct vh_dump d;

	if (n)
		return false;
	if (l->kind == VH_DUMP_ELF)
		vh_dump_open_elf(l->fd, &d);
	else
		vh_dump_open_kdump(l->fd, &d);
	*out = (struct vh_explore_view){d.memory, d.cpus, d.n_cpus, d.why, d.note};
	return true;
}

static struct vh_inside *unreadable(const char *fmt, ...) VH_PRINTF(1, 2);
static struct vh_inside *unreadable(const char *fmt, ...)
{
	struct vh_inside *in = vh_inside_new(VH_INSIDE_UNREADABLE);
	va_list args;

	va_start(args, fmt);
	in->why = vh_vasprintf(fmt, args);
	va_end(args);
	return in;
}

struct vh_inside *vh_inside_of_dump(const char *path, const struct vh_inside_options *options)
{
	vh_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct dump_look l = {.fd = fd, .kind = kind_of(fd)};

	if (fd < 0)
		return unreadable("the dump cannot be opened: %s", strerror(errno));
	if (l.kind == VH_DUMP_NONE)
		return unreadable("the file is no dump of a guest's memory");
	if (l.kind == VH_DUMP_KDUMP)
		vh_unpack_load();
	struct vh_explorer explorer = {
		.open = open_dump,
		.fds = {fd},
		.n_fds = 1,
		.self = &l,
		.options = options->explore,
		.budget_bytes = options->budget_bytes ? options->budget_bytes : VH_INSIDE_BYTES,
		.deadline_ns = options->deadline_ns ? options->deadline_ns : VH_INSIDE_NS,
	};

	return vh_explorer_run(&explorer, NULL);
}
