/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "discover/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/guard.h"
#include "discover/qemu_parse.h"

#define BATCH 64
/* None of this can block but for want of a CPU, and a host without one is the very place to list
 * VMs on: be patient. */
#define LOOK_DEADLINE_NS (5 * VH_NS_PER_S)
/* A VMM opens /dev/kvm early: its descriptors have low numbers. An ordinary process is not searched
 * further than this; once a VM descriptor is found, the vCPUs are counted up to the second cap. */
#define FDS_SEARCHED 512
#define FDS_COUNTED  16384
#define VCPUS_MAX    8192

struct look_job {
	struct vh_job job;
	char *proc; /* "/captured/proc" */
	char own_mount_ns[64];
	size_t n;
	struct process list[BATCH];
};

static void process_free(struct process *p)
{
	free(p->exe);
	free(p->cwd);
	free(p->stdout);
}

static void look_destroy(struct vh_job *job)
{
	struct look_job *j = (struct look_job *)job;

	for (size_t i = 0; i < j->n; i++)
		process_free(&j->list[i]);
	free(j->proc);
	free(j);
}

/* The target of a link, or false and errno. */
static bool read_link(int dir, const char *name, char target[PATH_MAX])
{
	ssize_t n = readlinkat(dir, name, target, PATH_MAX - 1);

	if (n < 0)
		return false;
	target[n] = 0;
	return true;
}

static void read_stat(int dir, struct process *p)
{
	vh_auto_close int fd = openat(dir, "stat", O_RDONLY | O_CLOEXEC);
	char text[4096];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

	if (n > 0)
		vh_procstat_parse((struct vh_str){text, n}, &p->stat);
}

/* "anon_inode:kvm-vcpu:3" (virt/kvm/kvm_main.c create_vcpu_fd); without a number before Linux 4.18.
 */
static void note_kvm_link(struct process *p, const char *target, uint8_t seen[VCPUS_MAX / 8])
{
	uint64_t number;

	if (!vh_prefix(target, "anon_inode:") || !(target = strstr(target, "kvm-v")))
		return;
	if (vh_prefix(target, "kvm-vm")) {
		p->kvm_vm = true;
		return;
	}
	if (!vh_prefix(target, "kvm-vcpu"))
		return;
	p->kvm_vm = true;
	if (!vh_prefix(target, "kvm-vcpu:") || !vh_parse_u64(vh_str(target + 9), 10, &number)) {
		p->vcpus++;
		return;
	}
	if (number >= VCPUS_MAX || seen[number / 8] & (1 << number % 8))
		return;
	seen[number / 8] |= 1 << number % 8;
	p->vcpus++;
}

static void read_fds(int at, struct process *p, bool need_count)
{
	uint8_t seen[VCPUS_MAX / 8] = {0};
	char target[PATH_MAX];
	int fd = openat(at, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	p->fds_read = true;
	struct dirent *entry;

	for (int n = 0; (entry = readdir(dir)) && n < FDS_COUNTED; n++) {
		if (n >= FDS_SEARCHED && !p->kvm_vm)
			break;
		if (entry->d_name[0] != '.' && read_link(dirfd(dir), entry->d_name, target))
			note_kvm_link(p, target, seen);
		/* Enough where the command line tells the rest. */
		if (p->kvm_vm && p->vcpus && !need_count)
			break;
	}
	closedir(dir);
}

/* Working directory as the process names it: below its own root, where that is a chroot. */
static void read_cwd(int at, struct process *p)
{
	char cwd[PATH_MAX], root[PATH_MAX];

	if (!read_link(at, "cwd", cwd) || !read_link(at, "root", root))
		return;
	size_t n = strlen(root);

	if (n > 1 && strncmp(cwd, root, n) == 0 && (cwd[n] == '/' || !cwd[n]))
		p->cwd = vh_strdup(cwd[n] ? cwd + n : "/");
	else
		p->cwd = vh_strdup(cwd);
}

/* A process that was killed, while a thread of it cannot end: its first thread has no program and
 * no descriptors any more, that one still has. The directory of such a thread, or -1. */
static int thread_that_is_left(int at, struct process *p)
{
	int fd = openat(at, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC), left = -1;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	uint64_t tid;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	while (left < 0 && (entry = readdir(dir))) {
		if (!vh_parse_u64(vh_str(entry->d_name), 10, &tid) || tid > INT_MAX ||
			(pid_t)tid == p->pid)
			continue;
		left = openat(dirfd(dir), entry->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		p->thread = (pid_t)tid;
	}
	closedir(dir);
	return left;
}

static void look_at(struct look_job *j, struct process *p)
{
	static const char deleted[] = " (deleted)";
	char path[PATH_MAX], target[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%d", j->proc, (int)p->pid);
	vh_auto_close int at = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (at < 0) {
		p->err = ESRCH;
		return;
	}
	read_stat(at, p);
	vh_auto_close int left = p->stat.state == 'Z' ? thread_that_is_left(at, p) : -1;
	int of = left >= 0 ? left : at;

	if (!read_link(of, "exe", target)) {
		p->err = errno;
		/* Kernel threads have no program, zombies none any more. */
		p->kernel_thread = p->err == ENOENT || (p->stat.id && !p->stat.rss_pages);
		return;
	}
	size_t n = strlen(target), tail = sizeof(deleted) - 1;

	if (n > tail && strcmp(target + n - tail, deleted) == 0)
		target[n - tail] = 0; /* QEMU was updated under a running VM */
	p->exe = vh_strdup(target);
	bool qemu = qemu_is_program(p->exe);

	read_fds(of, p, !qemu);
	if (!qemu && !p->kvm_vm)
		return;
	p->in_other_mount_ns = read_link(of, "ns/mnt", target) && j->own_mount_ns[0] &&
			       strcmp(target, j->own_mount_ns) != 0;
	read_cwd(of, p);
	if (read_link(of, "fd/1", target))
		p->stdout = vh_strdup(target);
}

static void look_run(struct vh_job *job)
{
	struct look_job *j = (struct look_job *)job;

	for (size_t i = 0; i < j->n; i++)
		look_at(j, &j->list[i]);
}

/* Cuts up to BATCH process ids off *rest. */
static struct look_job *next_batch(struct vh_host *host, struct vh_str *rest, const char *mount_ns)
{
	struct look_job *j = vh_alloc(sizeof(*j));
	struct vh_str line;

	j->job = (struct vh_job){.run = look_run, .destroy = look_destroy};
	j->proc = vh_host_path(host, "/proc");
	snprintf(j->own_mount_ns, sizeof(j->own_mount_ns), "%s", mount_ns);
	while (j->n < BATCH && vh_next_line(rest, &line)) {
		uint64_t pid;

		if (vh_parse_u64(line, 10, &pid) && pid <= INT_MAX)
			j->list[j->n++].pid = (pid_t)pid;
	}
	return j;
}

static void look_at_all(
	struct vh_host *host, struct vh_str pids, const char *mount_ns, struct processes *out)
{
	struct vh_guard *guard = vh_guard_create();

	while (pids.n) {
		struct look_job *j = next_batch(host, &pids, mount_ns);
		size_t n = j->n;

		if (!vh_guard_call(guard, &j->job, vh_deadline_in(LOOK_DEADLINE_NS))) {
			out->lost += n;
			continue;
		}
		for (size_t i = 0; i < n; i++)
			VH_PUSH(out->list, out->n) = j->list[i];
		j->n = 0;
		j->job.destroy(&j->job);
	}
	vh_guard_destroy(guard);
}

/* The process ids as lines, or an error. */
static struct vh_error *list_pids(struct vh_host *host, struct vh_buf *pids)
{
	vh_auto_free char *path = vh_host_path(host, "/proc");
	DIR *dir = opendir(path);

	if (!dir)
		return vh_error_new(errno, "listing %s", path);
	for (struct dirent *entry; (entry = readdir(dir));)
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			vh_buf_printf(pids, "%s\n", entry->d_name);
	closedir(dir);
	return NULL;
}

struct vh_error *processes_look(struct vh_host *host, pid_t pid, struct processes *out)
{
	vh_auto_reading struct vh_reading own = {0};
	vh_auto_buf struct vh_buf pids = {0};
	struct vh_error *err = NULL;

	*out = (struct processes){0};
	if (pid > 0)
		vh_buf_printf(&pids, "%d\n", (int)pid);
	else
		err = list_pids(host, &pids);
	if (err)
		return err;
	vh_host_readlink(host, &own, "/proc/self/ns/mnt");
	look_at_all(host, (struct vh_str){pids.data, pids.len},
		vh_status_has_data(own.status) ? own.data : "", out);
	return NULL;
}

void processes_free(struct processes *p)
{
	for (size_t i = 0; i < p->n; i++)
		process_free(&p->list[i]);
	free(p->list);
	*p = (struct processes){0};
}
