/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmhang check: what this host lets vmhang see, what is missing, and how to enable it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/uio.h>

#include "cli/command.h"
#include "collect/trace.h"
#include "decode/model.h"
#include "discover/libvirt.h"
#include "guest/unpack.h"

#define CAP_BYTES 65536

struct finding {
	bool ok;
	char *detail; /* what is there, or why it is not; NULL for none */
};

static struct finding good(char *detail)
{
	return (struct finding){true, detail};
}

static struct finding bad(char *why)
{
	return (struct finding){false, why};
}

static struct finding readable(struct vh_host *host, const char *path)
{
	vh_auto_reading struct vh_reading r = {0};

	vh_host_read(host, CAP_BYTES, &r, "%s", path);
	if (vh_status_has_data(r.status))
		return good(NULL);
	return bad(vh_asprintf("%s: %s", path, r.err ? strerror(r.err) : vh_status_name(r.status)));
}

static struct finding check_root(struct vh_host *host)
{
	(void)host;
	return geteuid() == 0 ? good(NULL) : bad(vh_asprintf("running as user %u", geteuid()));
}

static struct finding check_processes(struct vh_host *host)
{
	vh_auto_reading struct vh_reading r = {0};
	struct vh_str rest, line;

	vh_host_read(host, CAP_BYTES, &r, "/proc/self/mounts");
	rest = (struct vh_str){r.data ? r.data : "", r.size};
	while (vh_next_line(&rest, &line))
		if (vh_str_find(line, " /proc proc ") >= 0 && vh_str_find(line, "hidepid=") >= 0 &&
			vh_str_find(line, "hidepid=0") < 0 &&
			vh_str_find(line, "hidepid=off") < 0 && geteuid() != 0)
			return bad(vh_strdup("/proc is mounted with hidepid"));
	return good(NULL);
}

static struct finding check_stacks(struct vh_host *host)
{
	return readable(host, "/proc/self/stack");
}

/* Another process, like a VM's: as root any one is, and pid 1 may be a container's keeper. */
static pid_t other_process(void)
{
	return geteuid() == 0 ? getppid() : 1;
}

static struct finding check_syscalls(struct vh_host *host)
{
	vh_auto_free char *path = vh_asprintf("/proc/%d/syscall", (int)other_process());

	return readable(host, path);
}

static struct finding check_schedstat(struct vh_host *host)
{
	return readable(host, "/proc/self/schedstat");
}

static struct finding check_memory(struct vh_host *host)
{
	char byte;
	struct iovec local = {&byte, 1}, remote = {NULL, 1};

	(void)host;
	/* Nothing is mapped at 0: EFAULT says that only the address was wrong. Without the right
	 * it is EPERM (mm/process_vm_access.c, kernel/ptrace.c). */
	if (process_vm_readv(other_process(), &local, 1, &remote, 1, 0) >= 0 || errno == EFAULT)
		return good(NULL);
	return bad(vh_asprintf("process_vm_readv: %s", strerror(errno)));
}

static struct finding check_kmsg(struct vh_host *host)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	(void)host;
	if (fd < 0)
		return bad(vh_asprintf("/dev/kmsg: %s", strerror(errno)));
	close(fd);
	return good(NULL);
}

/* "none [integrity] confidentiality": the one in brackets counts. */
static char *lockdown(struct vh_host *host)
{
	vh_auto_reading struct vh_reading r = {0};
	struct vh_str rest, word;

	vh_host_read(host, 256, &r, "/sys/kernel/security/lockdown");
	rest = (struct vh_str){r.data ? r.data : "", r.size};
	while (vh_next_word(&rest, &word))
		if (word.n > 2 && word.s[0] == '[' && !vh_str_is(word, "[none]"))
			return vh_str_dup((struct vh_str){word.s + 1, word.n - 2});
	return NULL;
}

static struct finding check_kvm_stats(struct vh_host *host)
{
	vh_auto_reading struct vh_reading list = {0}, value = {0};
	vh_auto_free char *locked = lockdown(host);
	struct vh_str rest, name;

	vh_host_list(host, CAP_BYTES, &list, "/sys/kernel/debug/kvm");
	rest = (struct vh_str){list.data ? list.data : "", list.size};
	/* The directory may be listed where its files may not be read. */
	if (vh_status_has_data(list.status) && vh_next_line(&rest, &name))
		vh_host_read(host, 256, &value, "/sys/kernel/debug/kvm/%.*s", (int)name.n, name.s);
	if (vh_status_has_data(list.status) && (!value.err || value.err == EISDIR))
		return good(NULL);
	int err = value.err ? value.err : list.err;

	return bad(vh_asprintf("/sys/kernel/debug/kvm: %s%s%s", strerror(err),
		locked ? "; the kernel is locked down: " : "", locked ? locked : ""));
}

/* The best backend that can be used, and why not a better one. */
static struct finding check_exits(struct vh_host *host)
{
	static const char *const what[VH_N_TRACE_BACKEND] = {
		[VH_TRACE_BPF] = "by BPF programs in the kernel",
		[VH_TRACE_PERF] = "from the ring buffers of perf events",
		[VH_TRACE_STATISTICS] = "KVM's own statistics alone: no times, ports or addresses",
	};
	vh_auto_buf struct vh_buf not = {0};

	for (int i = 0; i < VH_N_TRACE_BACKEND; i++) {
		vh_auto_free char *why = vh_trace_why_not(host, (enum vh_trace_backend)i);

		if (why)
			vh_buf_printf(&not, "%s%s: %s", not .len ? "; " : "",
				vh_trace_backend_name((enum vh_trace_backend)i), why);
		else if (i == VH_TRACE_STATISTICS)
			return bad(vh_asprintf("%s (%s)", what[i], vh_buf_str(&not )));
		else
			return good(not .len
					    ? vh_asprintf("%s (not %s)", what[i], vh_buf_str(&not ))
					    : vh_strdup(what[i]));
	}
	return bad(vh_strdup(vh_buf_str(&not )));
}

static struct finding check_cgroups(struct vh_host *host)
{
	vh_auto_reading struct vh_reading r = {0};
	struct vh_str rest, line;
	size_t v1 = 0, v2 = 0;

	vh_host_read(host, CAP_BYTES, &r, "/proc/self/mounts");
	rest = (struct vh_str){r.data ? r.data : "", r.size};
	while (vh_next_line(&rest, &line)) {
		v1 += vh_str_find(line, " cgroup ") >= 0;
		v2 += vh_str_find(line, " cgroup2 ") >= 0;
	}
	if (!v1 && !v2)
		return bad(vh_strdup("no cgroup file system is mounted"));
	return good(vh_asprintf(
		"%s%s%s", v2 ? "version 2" : "", v1 && v2 ? " and " : "", v1 ? "version 1" : ""));
}

static struct finding check_pressure(struct vh_host *host)
{
	return readable(host, "/proc/pressure/cpu");
}

static struct finding check_kvm(struct vh_host *host)
{
	(void)host;
	if (access("/dev/kvm", R_OK | W_OK) == 0)
		return good(NULL);
	if (errno == EACCES || errno == EPERM)
		return good(vh_strdup("there, for others: vmhang does not open it"));
	return bad(vh_asprintf("/dev/kvm: %s", strerror(errno)));
}

static struct finding check_libvirt(struct vh_host *host)
{
	vh_auto_free char *uri = vh_libvirt_default_uri(host);
	struct vh_error *err = NULL;

	if (!uri)
		return bad(vh_strdup("no libvirt daemon has a socket here"));
	struct vh_libvirt *lv = vh_libvirt_open(uri, vh_deadline_in(2 * VH_NS_PER_S), &err);

	vh_libvirt_close(lv);
	if (lv)
		return good(vh_strdup(uri));
	char *why = vh_asprintf("%s: %s", uri, err->message);

	vh_error_free(err);
	return bad(why);
}

static struct finding check_disassembler(struct vh_host *host)
{
	const char *why = NULL;

	(void)host;
	return vh_disassembler_available(&why) ? good(NULL)
					       : bad(vh_strdup(why ? why : "not available"));
}

static struct finding check_unpacking(struct vh_host *host)
{
	const char *name, *why;

	(void)host;
	vh_unpack_load();
	return vh_unpack_lacks(VH_PACKINGS, &name, &why) ? bad(vh_asprintf("%s: %s", name, why))
							 : good(NULL);
}

static const struct check {
	const char *id;
	const char *what;
	const char *without; /* what vmhang does not see then */
	const char *how;
	struct finding (*run)(struct vh_host *host);
} checks[] = {
	{"root", "running as root", "most of what follows, and VMs of other users",
		"run vmhang as root", check_root},
	{"processes", "processes of all users", "VMs of other users",
		"run vmhang as root, or mount /proc without hidepid", check_processes},
	{"stacks", "kernel stacks of threads", "in what exactly a blocked thread waits",
		"run vmhang as root (CAP_SYS_ADMIN), on a kernel with CONFIG_STACKTRACE",
		check_stacks},
	{"syscalls", "system calls of threads", "which file a blocked thread waits for",
		"run vmhang as root (CAP_SYS_PTRACE)", check_syscalls},
	{"schedstat", "scheduler statistics of threads", "how long a vCPU waits for a CPU",
		"use a kernel with CONFIG_SCHED_INFO", check_schedstat},
	{"memory", "memory of other processes",
		"the code at RIP and the text screen, which tell a waiting loop from work",
		"run vmhang as root (CAP_SYS_PTRACE)", check_memory},
	{"kmsg", "the kernel's log", "what the kernel says about KVM, memory and disks",
		"run vmhang as root, or set kernel.dmesg_restrict=0", check_kmsg},
	{"kvm-stats", "KVM statistics in debugfs",
		"exit rates of VMs without a QMP monitor (others tell them by query-stats)",
		"mount debugfs at /sys/kernel/debug and run as root; a kernel locked down for "
		"secure "
		"boot does not give them",
		check_kvm_stats},
	{"exits", "counting of VM exits",
		"whether a guest runs, what it asks the hypervisor for, how often, and where",
		"run vmhang as root, on a kernel with CONFIG_BPF_SYSCALL and tracefs mounted, and "
		"install libbpf",
		check_exits},
	{"cgroups", "cgroups", "quotas, limits and freezing", "mount the cgroup file systems",
		check_cgroups},
	{"pressure", "pressure stall information", "whether the host is short of CPU time",
		"use a kernel with CONFIG_PSI and boot it with psi=1", check_pressure},
	{"kvm", "/dev/kvm", "nothing: but VMs cannot use KVM here",
		"load the module kvm_intel or "
		"kvm_amd, and enable "
		"virtualization in the firmware",
		check_kvm},
	{"libvirt", "libvirt", "names and monitors of libvirt's VMs, where there are any",
		"start libvirtd or virtqemud, and install libvirt.so.0", check_libvirt},
	{"disassembler", "disassembly (capstone)", "the instructions at RIP", "install libcapstone",
		check_disassembler},
	{"dumps", "dumps of every compression", "the inside of guests whose dump's pages need it",
		"install liblzo2, libsnappy and libzstd", check_unpacking},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	if (key != 'j')
		return ARGP_ERR_UNKNOWN;
	*(bool *)state->input = true;
	return 0;
}

static void put_text(struct vh_buf *out, const struct check *c, const struct finding *f)
{
	vh_buf_printf(out, "%-8s %s", f->ok ? "ok" : "missing", c->what);
	if (f->detail) {
		vh_buf_puts(out, ": ");
		vh_escape(out, vh_str(f->detail), false);
	}
	vh_buf_putc(out, '\n');
	if (!f->ok)
		vh_buf_printf(out, "           not seen: %s\n           to see it: %s\n",
			c->without, c->how);
}

static struct json_object *json_row(const struct check *c, const struct finding *f)
{
	struct json_object *o = json_object_new_object();

	vh_json_put_text(o, "id", c->id);
	vh_json_put_text(o, "what", c->what);
	vh_json_put_bool(o, "ok", f->ok);
	vh_json_put_text(o, "detail", f->detail);
	vh_json_put_text(o, "without", f->ok ? NULL : c->without);
	vh_json_put_text(o, "how", f->ok ? NULL : c->how);
	return o;
}

int vh_cmd_check(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{"json", 'j', NULL, 0, "Print it as JSON", 0}, {0}};
	const struct argp argp = {.options = options,
		.parser = parse,
		.doc = "Tells what this host lets vmhang see, what is missing, and how to enable "
		       "it."};
	struct json_object *list = json_object_new_array();
	vh_auto_json struct json_object *o = json_object_new_object();
	vh_auto_buf struct vh_buf out = {0};
	bool json = false;

	argp_parse(&argp, argc, argv, 0, NULL, &json);
	struct vh_host *host = vh_host_create(NULL);

	for (size_t i = 0; i < VH_ARRAY_SIZE(checks); i++) {
		struct finding f = checks[i].run(host);

		put_text(&out, &checks[i], &f);
		json_object_array_add(list, json_row(&checks[i], &f));
		free(f.detail);
	}
	vh_host_destroy(host);
	vh_json_put_text(o, "schema", "vmhang.check/1");
	vh_json_put_text(o, "tool", "vmhang " VH_VERSION);
	json_object_object_add(o, "checks", list);
	if (json)
		vh_cli_print_json(o);
	else
		vh_cli_print(&out);
	return 0;
}
