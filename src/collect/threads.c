/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The threads of the VM's process: proc(5), kernel fs/proc/base.c. Every file of a thread is read
 * right after the one before, so that its state, wait channel and system call belong together.
 */
#include <errno.h>
#include <inttypes.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "collect/locks.h"

#define THREADS_MAX 4096
#define LIST_CAP    (THREADS_MAX * 16)
#define STACK_CAP   (16 * 1024)
#define KVM_RUN     0xae80 /* _IO(KVMIO, 0x80), linux/kvm.h */

static const struct {
	const char *source, *name;
	size_t cap;
} thread_files[] = {
	{"task.stat", "stat", 4096},
	{"task.wchan", "wchan", 256},
	{"task.syscall", "syscall", 256},
	{"task.schedstat", "schedstat", 256},
	{"task.stack", "stack", STACK_CAP},
	{"task.status", "status", 16 * 1024},
};

/* System calls whose first argument is a descriptor that a thread can wait for. Event loops at rest
 * (poll, epoll_wait, select) are not among them: they wait for many. */
static const struct {
	const char *name;
	int x86_64,
		arm64; /* arch/x86/entry/syscalls/syscall_64.tbl, asm-generic/unistd.h; -1 none */
} fd_calls[] = {
	{"read", 0, 63},
	{"write", 1, 64},
	{"fstat", 5, 80},
	{"lseek", 8, 62},
	{"ioctl", 16, 29},
	{"pread64", 17, 67},
	{"pwrite64", 18, 68},
	{"readv", 19, 65},
	{"writev", 20, 66},
	{"sendfile", 40, 71},
	{"connect", 42, 203},
	{"accept", 43, 202},
	{"sendto", 44, 206},
	{"recvfrom", 45, 207},
	{"sendmsg", 46, 211},
	{"recvmsg", 47, 212},
	{"fcntl", 72, 25},
	{"flock", 73, 32},
	{"fsync", 74, 82},
	{"fdatasync", 75, 83},
	{"ftruncate", 77, 46},
	{"splice", 275, 76},
	{"sync_file_range", 277, 84},
	{"fallocate", 285, 47},
	{"accept4", 288, 242},
	{"preadv", 295, 69},
	{"pwritev", 296, 70},
	{"recvmmsg", 299, 243},
	{"syncfs", 306, 267},
	{"sendmmsg", 307, 269},
	{"copy_file_range", 326, 285},
	{"preadv2", 327, 286},
	{"pwritev2", 328, 287},
	{"io_uring_enter", 426, 426},
};
#ifdef __x86_64__
_Static_assert(SYS_ioctl == 16 && SYS_fdatasync == 75 && SYS_pwritev2 == 328 && SYS_splice == 275 &&
		       SYS_syncfs == 306 && SYS_copy_file_range == 326 && SYS_fallocate == 285,
	"fd_calls.x86_64");
#elif defined(__aarch64__)
_Static_assert(SYS_ioctl == 29 && SYS_fdatasync == 83 && SYS_pwritev2 == 287 && SYS_splice == 76 &&
		       SYS_syncfs == 267 && SYS_copy_file_range == 285 && SYS_fallocate == 47,
	"fd_calls.arm64");
#endif

enum isa { ISA_OTHER, ISA_X86_64, ISA_ARM64 };

/* The kernel's, which need not be ours in a captured host. /proc/sys/kernel/arch exists since Linux
 * 6.1. */
static enum isa isa_of(struct vh_host *host)
{
	vh_auto_reading struct vh_reading r = {0};

	vh_host_read(host, 64, &r, "/proc/sys/kernel/arch");
	struct vh_str arch = vh_str_trim((struct vh_str){r.data, r.size});

	if (vh_str_is(arch, "x86_64"))
		return ISA_X86_64;
	if (vh_str_is(arch, "aarch64"))
		return ISA_ARM64;
	if (r.status != VH_ABSENT || !vh_host_is_live(host))
		return ISA_OTHER;
#if defined(__x86_64__)
	return ISA_X86_64;
#elif defined(__aarch64__)
	return ISA_ARM64;
#else
	return ISA_OTHER;
#endif
}

/*
 * "NR ARG0 ... ARG5 SP PC" of a blocked thread: descriptor and kind of a call in fd_calls. A kernel
 * thread within the process (KVM's kvm-nx-lpage-re) shows its creator's call, KVM_RUN at that, but
 * has no program counter: it waits for nothing in user space's name.
 */
static bool waits_on_fd(enum isa isa, struct vh_str text, int *fd, bool *kvm_run)
{
	enum { FD = 1, REQUEST = 2, PC = 8 };
	uint64_t field[PC + 1];
	struct vh_str word;

	for (int i = 0; i <= PC; i++)
		if (!vh_next_word(&text, &word) || !vh_parse_u64(word, i ? 0 : 10, &field[i]))
			return false;
	if (isa == ISA_OTHER || !field[PC])
		return false;
	/* The kernel takes a descriptor's low 32 bits. */
	*fd = (int)(uint32_t)field[FD];
	for (size_t i = 0; *fd >= 0 && i < VH_ARRAY_SIZE(fd_calls); i++) {
		int call = isa == ISA_X86_64 ? fd_calls[i].x86_64 : fd_calls[i].arm64;

		if (call < 0 || field[0] != (uint64_t)call)
			continue;
		*kvm_run =
			!strcmp(fd_calls[i].name, "ioctl") && (uint32_t)field[REQUEST] == KVM_RUN;
		return true;
	}
	return false;
}

static void add_waited_fd(struct vh_host *host, struct vh_case *c, enum vh_round round,
	const char *subject, int fd, bool kvm_run)
{
	vh_auto_free char *path = vh_asprintf("/proc/%d/fd/%d", (int)c->vm->id.pid, fd);
	vh_auto_reading struct vh_reading r = {0};

	vh_host_readlink(host, &r, "%s", path);
	if (kvm_run || !vh_status_has_data(r.status)) {
		vh_case_add_reading(
			c, round, kvm_run ? "task.kvmfd" : "task.fd", subject, path, &r);
		return;
	}
	vh_auto_buf struct vh_buf line = {0};

	vh_buf_printf(&line, "%d\t", fd);
	vh_escape(&line, (struct vh_str){r.data, r.size}, false);
	free(r.data);
	r.size = line.len;
	r.data = vh_buf_steal(&line);
	vh_case_add_reading(c, round, "task.fd", subject, path, &r);
}

/* Cuts the list after THREADS_MAX ids. */
static void cap_list(struct vh_case *c, enum vh_round round, struct vh_reading *list)
{
	struct vh_str rest = {list->data, list->size}, line;

	for (size_t n = 0; n < THREADS_MAX && vh_next_line(&rest, &line); n++)
		;
	if (!rest.n && list->status != VH_TRUNCATED)
		return;
	list->status = VH_TRUNCATED;
	list->size -= rest.n;
	list->data[list->size] = 0;
	vh_collect_note(c, round, "the process has more than %d threads: the others were not read",
		THREADS_MAX);
}

/* What the blocked threads wait for, from the task.syscall in the batch. */
static void add_waited_fds(
	struct vh_host *host, struct vh_case *c, enum vh_round round, const struct vh_batch *b)
{
	enum isa isa = isa_of(host);
	int fd;
	bool kvm_run;

	for (size_t i = 0; i < b->n_files; i++)
		if (!strcmp(b->wanted[i].source, "task.syscall") &&
			vh_status_has_data(b->files[i].out.status) &&
			waits_on_fd(isa,
				(struct vh_str){b->files[i].out.data, b->files[i].out.size}, &fd,
				&kvm_run))
			add_waited_fd(host, c, round, b->wanted[i].subject, fd, kvm_run);
}

static void collect(struct vh_host *host, struct vh_case *c, enum vh_round round)
{
	int pid = (int)c->vm->id.pid;
	vh_auto_free char *where = vh_asprintf("/proc/%d/task", pid);
	vh_auto_reading struct vh_reading list = {0};
	vh_auto_batch struct vh_batch batch = {0};
	struct vh_str line;

	if (!vh_round_is_look(round))
		return;
	vh_host_list(host, LIST_CAP, &list, "%s", where);
	if (vh_status_has_data(list.status))
		cap_list(c, round, &list);
	struct vh_str rest = {list.data, list.size};

	while (vh_next_line(&rest, &line)) {
		vh_auto_free char *tid = vh_str_dup(line);
		vh_auto_free char *subject = vh_asprintf("tid:%s", tid);

		for (size_t i = 0; i < VH_ARRAY_SIZE(thread_files); i++)
			vh_batch_add(&batch, thread_files[i].source, subject, thread_files[i].cap,
				"%s/%s/%s", where, tid, thread_files[i].name);
	}
	vh_batch_read(host, &batch);
	vh_case_add_reading(c, round, "proc.tasks", "", where, &list);
	add_waited_fds(host, c, round, &batch);
	vh_collect_locks(host, c, round, &batch);
	vh_batch_to_case(&batch, c, round);
}

const struct vh_collector vh_collect_threads = {
	.name = "threads",
	.of_process = true,
	.collect = collect,
};
