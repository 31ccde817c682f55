/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The VM's process as a whole: proc(5). */
#include "collect/passive.h"

#define CMDLINE_CAP   (1024 * 1024)
#define FD_MAX        4096
#define UNIX_CAP      (8 * 1024 * 1024)
#define UNIX_LINE_MAX 1024

static void add_oom(struct vh_host *host, struct vh_case *c, int pid)
{
	static const char *const names[] = {"oom_score", "oom_score_adj"};
	vh_auto_free char *where = vh_asprintf("/proc/%d/oom_score", pid);
	struct vh_evidence *e = vh_case_add(c, VH_ONCE, "proc.oom", "", where);
	vh_auto_buf struct vh_buf text = {0};

	for (size_t i = 0; i < VH_ARRAY_SIZE(names); i++) {
		vh_auto_reading struct vh_reading r = {0};

		vh_host_read(host, 64, &r, "/proc/%d/%s", pid, names[i]);
		if (!vh_status_has_data(r.status)) {
			vh_evidence_fail(e, r.status, r.err, "%s: %s", names[i], strerror(r.err));
			return;
		}
		vh_buf_printf(&text, "%s ", names[i]);
		struct vh_str value = vh_str_trim((struct vh_str){r.data, r.size});

		vh_buf_add(&text, value.s, value.n);
		vh_buf_putc(&text, '\n');
	}
	vh_evidence_set_data(e, text.data, text.len);
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The inodes of the "N\tsocket:[INODE]" lines of proc.fd, sorted. */
static uint64_t *socket_inodes(struct vh_str fds, size_t *n)
{
	uint64_t *inodes = NULL, inode;
	struct vh_str line, number;

	*n = 0;
	while (vh_next_line(&fds, &line)) {
		if (!vh_next_part(&line, '\t', &number) || !vh_str_starts(line, "socket:[") ||
			line.s[line.n - 1] != ']')
			continue;
		if (vh_parse_u64((struct vh_str){line.s + 8, line.n - 9}, 10, &inode))
			VH_PUSH(inodes, *n) = inode;
	}
	if (*n)
		qsort(inodes, *n, sizeof(*inodes), compare_u64);
	return inodes;
}

static bool is_monitor_path(const struct vh_vm *vm, struct vh_str path)
{
	for (size_t i = 0; path.n && i < vm->n_monitors; i++)
		if (vh_prefix(vm->monitors[i].address, "unix:") &&
			vh_str_is(path, vm->monitors[i].address + 5))
			return true;
	return false;
}

/* "Num RefCount Protocol Flags Type St Inode Path" (kernel net/unix/af_unix.c unix_seq_show) */
static bool is_of_vm(
	const struct vh_vm *vm, struct vh_str line, const uint64_t *inodes, size_t n_inodes)
{
	struct vh_str word = {0};
	uint64_t inode;

	for (int field = 0; field < 7; field++)
		if (!vh_next_word(&line, &word))
			return false;
	if (!vh_parse_u64(word, 10, &inode))
		return false;
	return is_monitor_path(vm, vh_str_trim(line)) ||
	       (n_inodes && bsearch(&inode, inodes, n_inodes, sizeof(*inodes), compare_u64));
}

static void add_unix(struct vh_host *host, struct vh_case *c, int pid, struct vh_str fds)
{
	vh_auto_free char *where = vh_asprintf("/proc/%d/net/unix", pid);
	vh_auto_reading struct vh_reading r = {0};
	vh_auto_buf struct vh_buf kept = {0};
	size_t n_inodes, n_kept = 0;
	struct vh_str line;

	vh_host_read(host, UNIX_CAP, &r, "%s", where);
	vh_auto_free uint64_t *inodes = socket_inodes(fds, &n_inodes);
	struct vh_str rest = {r.data, r.size};

	while (n_kept < UNIX_LINE_MAX && vh_next_line(&rest, &line)) {
		if (!is_of_vm(c->vm, line, inodes, n_inodes))
			continue;
		vh_buf_add(&kept, line.s, line.n);
		vh_buf_putc(&kept, '\n');
		n_kept++;
	}
	if (vh_status_has_data(r.status)) {
		if (rest.n)
			r.status = VH_TRUNCATED;
		free(r.data);
		r.size = kept.len;
		r.data = vh_buf_steal(&kept);
	}
	vh_case_add_reading(c, VH_ONCE, "proc.unix", "", where, &r);
}

/* Who traces it: the first tracer that its threads name. */
static void add_tracer(struct vh_host *host, struct vh_case *c)
{
	struct vh_str value;
	uint64_t pid = 0;

	vh_case_foreach (c, e) {
		if (e->round != VH_FIRST || strcmp(e->source, "task.status") ||
			!vh_status_field(vh_evidence_text(e), "TracerPid", &value) ||
			!vh_parse_u64(value, 10, &pid) || !pid || pid > INT32_MAX)
			continue;
		vh_auto_free char *subject = vh_asprintf("pid:%d", (int)pid);
		vh_auto_free char *path = vh_asprintf("/proc/%d/comm", (int)pid);

		vh_collect_file(host, c, VH_ONCE, "proc.tracer", subject, path);
		return;
	}
}

static void collect_once(struct vh_host *host, struct vh_case *c)
{
	int pid = (int)c->vm->id.pid;
	vh_auto_batch struct vh_batch batch = {0};
	vh_auto_free char *fd = vh_asprintf("/proc/%d/fd", pid);
	vh_auto_reading struct vh_reading r = {0};

	vh_batch_add(&batch, "proc.autogroup", "", 256, "/proc/%d/autogroup", pid);
	vh_batch_add(&batch, "proc.cgroup", "", VH_PROC_FILE_CAP, "/proc/%d/cgroup", pid);
	/* Last: it is the one that can block, behind the process's mmap lock. */
	vh_batch_add(&batch, "proc.cmdline", "", CMDLINE_CAP, "/proc/%d/cmdline", pid);
	vh_batch_read(host, &batch);
	vh_batch_to_case(&batch, c, VH_ONCE);
	add_oom(host, c, pid);
	add_tracer(host, c);
	vh_host_list_links(host, FD_MAX, &r, "%s", fd);
	struct vh_evidence *e = vh_case_add_reading(c, VH_ONCE, "proc.fd", "", fd, &r);

	add_unix(host, c, pid, vh_evidence_text(e));
}

static void collect(struct vh_host *host, struct vh_case *c, enum vh_round round)
{
	vh_auto_free char *status = vh_asprintf("/proc/%d/status", (int)c->vm->id.pid);

	if (round == VH_ONCE)
		collect_once(host, c);
	else if (vh_round_is_look(round))
		vh_collect_file(host, c, round, "proc.status", "", status);
}

const struct vh_collector vh_collect_process = {
	.name = "process",
	.of_process = true,
	.collect = collect,
};
