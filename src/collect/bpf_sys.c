/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect/bpf_sys.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define MAX_CPUS 1024
/* The inode of the first pid namespace (include/linux/proc_ns.h PROC_PID_INIT_INO). */
#define INIT_PID_NAMESPACE 0xeffffffcU

static int sys_bpf(int command, union bpf_attr *attr)
{
	long r = syscall(SYS_bpf, command, attr, sizeof(*attr));

	return r < 0 ? -errno : (int)r;
}

static uint64_t address(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

int vh_bpf_attach_raw(int program, const char *tracepoint)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.raw_tracepoint.name = address(tracepoint);
	attr.raw_tracepoint.prog_fd = (uint32_t)program;
	return sys_bpf(BPF_RAW_TRACEPOINT_OPEN, &attr);
}

int vh_bpf_attach_classic(int program, uint32_t id)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr), .config = id};
	int fd = -1;

	/* The program runs on every CPU, whichever the event is of. */
	for (int cpu = 0; fd < 0 && cpu < MAX_CPUS; cpu++) {
		fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
		if (fd < 0 && errno != ENODEV && errno != EINVAL) /* that CPU is not online */
			return -errno;
	}
	if (fd < 0)
		return -ENODEV;
	if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, program) < 0) {
		int err = errno;

		close(fd);
		return -err;
	}
	return fd;
}

int vh_bpf_link_iter(int program, pid_t pid)
{
	/* union bpf_iter_link_info, of one task; older headers and kernels (before 6.1) lack it. */
	struct {
		uint32_t tid, pid, pid_fd, reserved;
	} task = {.pid = (uint32_t)pid};
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = (uint32_t)program;
	attr.link_create.attach_type = BPF_TRACE_ITER;
	attr.link_create.iter_info = address(&task);
	attr.link_create.iter_info_len = sizeof(task);
	int fd = sys_bpf(BPF_LINK_CREATE, &attr);

	if (fd >= 0)
		return fd;
	/* All processes then: the program looks at one alone. */
	attr.link_create.iter_info = 0;
	attr.link_create.iter_info_len = 0;
	return sys_bpf(BPF_LINK_CREATE, &attr);
}

int vh_bpf_open_iter(int link)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.iter_create.link_fd = (uint32_t)link;
	return sys_bpf(BPF_ITER_CREATE, &attr);
}

static int map_command(int command, int map, const void *key, const void *value)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)map;
	attr.key = address(key);
	attr.value = address(value);
	return sys_bpf(command, &attr);
}

int vh_bpf_update(int map, const void *key, const void *value)
{
	return map_command(BPF_MAP_UPDATE_ELEM, map, key, value);
}

int vh_bpf_lookup(int map, const void *key, void *value)
{
	return map_command(BPF_MAP_LOOKUP_ELEM, map, key, value);
}

int vh_bpf_delete(int map, const void *key)
{
	return map_command(BPF_MAP_DELETE_ELEM, map, key, NULL);
}

int vh_bpf_next_key(int map, const void *key, void *next)
{
	return map_command(BPF_MAP_GET_NEXT_KEY, map, key, next);
}

uint64_t vh_bpf_misses(int program)
{
	/* The start of struct bpf_prog_info up to recursion_misses; older headers end before. */
	struct {
		uint8_t before[208];
		uint64_t recursion_misses;
	} info = {0};
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = (uint32_t)program;
	attr.info.info_len = sizeof(info);
	attr.info.info = address(&info);
	return sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) < 0 ? 0 : info.recursion_misses;
}

void vh_bpf_raise_memlock(void)
{
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

	if (setrlimit(RLIMIT_MEMLOCK, &limit) == 0 || getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_MEMLOCK, &limit);
}

/* return 0; as a raw tracepoint's program. */
static int load_nothing(void)
{
	static const struct bpf_insn nothing[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT;
	attr.insns = address(nothing);
	attr.insn_cnt = VH_ARRAY_SIZE(nothing);
	attr.license = address("GPL");
	return sys_bpf(BPF_PROG_LOAD, &attr);
}

static bool is_locked_down(struct vh_host *host)
{
	vh_auto_reading struct vh_reading r = {0};

	vh_host_read(host, 256, &r, "/sys/kernel/security/lockdown");
	return r.data && vh_str_find((struct vh_str){r.data, r.size}, "[confidentiality]") >= 0;
}

char *vh_bpf_refused(struct vh_host *host)
{
	struct stat st;

	if (stat("/proc/self/ns/pid", &st) == 0 && st.st_ino != INIT_PID_NAMESPACE)
		return vh_strdup("vmhang runs in a pid namespace of its own, where threads have "
				 "other numbers than in the kernel: run it outside of the "
				 "container");
	if (is_locked_down(host))
		return vh_strdup("the kernel is locked down (confidentiality)");
	int fd = load_nothing();

	if (fd >= 0) {
		close(fd);
		return NULL;
	}
	if (fd == -EPERM || fd == -EACCES)
		return vh_strdup("the kernel does not let this user load BPF programs: it needs "
				 "root, or CAP_BPF and CAP_PERFMON");
	if (fd == -ENOSYS)
		return vh_strdup("this kernel has no BPF");
	return vh_asprintf("the kernel refuses BPF programs: %s", strerror(-fd));
}
