/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect/plan.h"

#include <stdarg.h>
#include <stdio.h>

#include "collect/mounts.h"

struct task {
	uint64_t tid;
	struct vh_procstat stat; /* state 0: not read */
	struct vh_str wchan, stack;
	uint64_t tracer;
	bool kvm_run; /* its system call is KVM_RUN */
};

/* The threads in one passive look. */
struct look {
	struct task *tasks;
	size_t n;
	bool named_vcpus; /* thread names or KVM_RUN tell vCPUs from others */
};

void vh_outlook_free(struct vh_outlook *o)
{
	for (size_t i = 0; i < VH_N_NEEDS; i++)
		free(o->against[i]);
	*o = (struct vh_outlook){0};
}

void vh_outlook_object(struct vh_outlook *o, enum vh_need need, const char *fmt, ...)
{
	va_list args;

	if (o->against[need])
		return;
	va_start(args, fmt);
	o->against[need] = vh_vasprintf(fmt, args);
	va_end(args);
}

/* The entry of a thread; evidence mostly comes in the order of the threads, so look near `hint`
 * before searching. */
static struct task *task_of(struct look *look, uint64_t tid, size_t *hint)
{
	for (size_t i = *hint; i < look->n && i < *hint + 2; i++)
		if (look->tasks[i].tid == tid)
			return &look->tasks[*hint = i];
	for (size_t i = 0; i < look->n; i++)
		if (look->tasks[i].tid == tid)
			return &look->tasks[*hint = i];
	*hint = look->n;
	struct task *t = &VH_PUSH(look->tasks, look->n);

	t->tid = tid;
	return t;
}

static void take_task(struct task *t, const char *source, struct vh_str text)
{
	struct vh_str value;

	if (vh_streq(source, "task.stat"))
		vh_procstat_parse(text, &t->stat);
	else if (vh_streq(source, "task.wchan"))
		t->wchan = vh_str_trim(text);
	else if (vh_streq(source, "task.stack"))
		t->stack = text;
	else if (vh_streq(source, "task.kvmfd"))
		t->kvm_run = true;
	else if (vh_streq(source, "task.status") && vh_status_field(text, "TracerPid", &value))
		vh_parse_u64(value, 10, &t->tracer);
}

static bool is_named_vcpu(const struct task *t)
{
	/* "CPU 0/KVM", "CPU 3/TCG": QEMU's names with debug-threads=on. */
	return t->kvm_run || (vh_prefix(t->stat.name, "CPU ") && strchr(t->stat.name, '/'));
}

static void look_take(struct look *look, const struct vh_case *c, enum vh_round round)
{
	size_t hint = 0;

	*look = (struct look){0};
	vh_case_foreach (c, e) {
		uint64_t tid;

		if (e->round != round || !vh_status_has_data(e->status) ||
			!vh_prefix(e->source, "task.") || !vh_prefix(e->subject, "tid:") ||
			!vh_parse_u64(vh_str(e->subject + 4), 10, &tid))
			continue;
		take_task(task_of(look, tid, &hint), e->source, vh_evidence_text(e));
	}
	for (size_t i = 0; i < look->n; i++)
		look->named_vcpus |= is_named_vcpu(&look->tasks[i]);
}

static const struct task *main_of(const struct look *look, const struct vh_case *c)
{
	for (size_t i = 0; i < look->n; i++)
		if (look->tasks[i].tid == (uint64_t)c->vm->id.pid)
			return &look->tasks[i];
	return NULL;
}

/* Kernel functions that a thread sleeps in (wchan) while it waits for a page or for storage;
 * prefixes. FUSE and userfaultfd sleep as S, most others as D. Linux 5.10 to 6.18. */
static const struct {
	const char *wchan;
	const char *what;
	bool storage;
} waits[] = {
	{"handle_userfault", "a page that another process must deliver (userfaultfd)", false},
	{"request_wait_answer", "a FUSE file system", true},
	{"fuse_", "a FUSE file system", true},
	{"__fuse_", "a FUSE file system", true},
	{"folio_wait_", "a page of a file", true},
	{"folio_lock", "a page of a file", true},
	{"__folio_lock", "a page of a file", true},
	{"wait_on_page", "a page of a file", true},
	{"__lock_page", "a page of a file", true},
	{"filemap_", "a page of a file", true},
	{"do_swap_page", "a page of the swap", true},
	{"io_schedule", "storage", true},
	{"bit_wait_io", "storage", true},
	{"blk_", "storage", true},
	{"blkdev_", "storage", true},
	{"submit_bio_wait", "storage", true},
	{"jbd2_", "storage (a file system's journal)", true},
	{"wait_transaction_locked", "storage (a file system's journal)", true},
	{"xfs_", "storage (XFS)", true},
	{"ext4_", "storage (ext4)", true},
	{"btrfs_", "storage (btrfs)", true},
	{"rpc_wait_bit", "NFS", true},
	{"nfs", "NFS", true},
	{"cifs_", "SMB", true},
	{"ceph_", "Ceph", true},
};

/* What a blocked thread waits for, or NULL; *storage tells whether a file is behind it. */
static const char *wait_of(const struct task *t, bool *storage)
{
	for (size_t i = 0; i < VH_ARRAY_SIZE(waits); i++) {
		*storage = waits[i].storage;
		if (vh_str_starts(t->wchan, waits[i].wchan))
			return waits[i].what;
	}
	*storage = true;
	return t->stat.state == 'D' ? "something that cannot be interrupted (state D)" : NULL;
}

/* A sleeping thread inside the page-fault handler waits for a page, whatever wchan says. */
static bool in_page_fault(const struct task *t)
{
	return t->stat.state != 'R' && (vh_str_find(t->stack, "handle_mm_fault") >= 0 ||
					       vh_str_find(t->stack, "faultin_page") >= 0);
}

static struct vh_str shown_wchan(const struct task *t)
{
	return t->wchan.n ? t->wchan : vh_str("?");
}

/* "thread 4711 (CPU 0/KVM)" with the name made fit for people. */
static char *thread_text(const struct task *t)
{
	vh_auto_free char *name = vh_escaped(t->stat.name);

	return vh_asprintf("thread %llu (%s)", (unsigned long long)t->tid, name);
}

static void object_to_silence(struct vh_outlook *o, const struct vh_case *c, const struct task *t)
{
	const struct vh_evidence *tasks = vh_case_find(c, "proc.tasks", NULL, VH_N_ROUND);

	if (tasks && tasks->status == VH_ABSENT) {
		vh_outlook_object(o, VH_NEED_CONTACT, "the process has ended");
		return;
	}
	if (!t)
		return;
	switch (t->stat.state) {
	case 'Z':
	case 'X':
		vh_outlook_object(o, VH_NEED_CONTACT, "the process has ended");
		break;
	case 'T':
		vh_outlook_object(o, VH_NEED_CONTACT,
			"the process is stopped (SIGSTOP, state T): it cannot answer before "
			"SIGCONT");
		break;
	case 't':
		vh_outlook_object(o, VH_NEED_CONTACT,
			"the main thread is held by a tracer (pid %llu, state t): it cannot answer",
			(unsigned long long)t->tracer);
		break;
	default:
		break;
	}
	if (vh_str_is(t->wchan, "__refrigerator") || vh_str_is(t->wchan, "do_freezer_trap"))
		vh_outlook_object(o, VH_NEED_CONTACT,
			"the process is frozen (its main thread waits in %.*s): it cannot answer",
			(int)t->wchan.n, t->wchan.s);
}

/* cgroup.FILE is named with and without the "cgroup." that the file itself starts with. */
static bool is_cgroup_file(const struct vh_evidence *e, const char *file)
{
	const char *name = vh_prefix(e->source, "cgroup.") ? e->source + 7 : "";

	return vh_streq(name, file) || (vh_prefix(file, "cgroup.") && vh_streq(name, file + 7));
}

static bool says_frozen(const struct vh_evidence *e)
{
	struct vh_str text = vh_str_trim(vh_evidence_text(e));
	uint64_t frozen;

	if (is_cgroup_file(e, "cgroup.events"))
		return vh_keyed_u64(text, "frozen", &frozen) && frozen == 1;
	if (is_cgroup_file(e, "cgroup.freeze"))
		return vh_str_is(text, "1");
	return is_cgroup_file(e, "freezer.state") && !vh_str_starts(text, "THAWED");
}

static void object_to_freezing(struct vh_outlook *o, const struct vh_case *c, enum vh_round look)
{
	vh_case_foreach (c, e)
		if (e->round == look && vh_status_has_data(e->status) && e->size &&
			says_frozen(e)) {
			vh_auto_free char *group = vh_escaped(e->subject);

			vh_outlook_object(o, VH_NEED_CONTACT,
				"the cgroup %s is frozen: the process cannot answer before it is "
				"thawed",
				group);
		}
}

/* A main thread that waits now and waited when the window began is blocked; a single look may have
 * met an ordinary read. */
static void object_to_main(
	struct vh_outlook *o, const struct task *now, const struct task *before, bool single)
{
	bool storage;
	const char *what = now ? wait_of(now, &storage) : NULL;

	if (what && (single || (before && wait_of(before, &storage))))
		vh_outlook_object(o, VH_NEED_MAIN,
			"the main thread is blocked: it waits for %s in %.*s", what,
			(int)shown_wchan(now).n, shown_wchan(now).s);
}

static void object_to_vcpu(struct vh_outlook *o, const struct task *t)
{
	bool storage;
	const char *what = wait_of(t, &storage);
	vh_auto_free char *thread = thread_text(t);

	if (t->stat.state == 't' || t->stat.state == 'T' || t->tracer)
		vh_outlook_object(o, VH_NEED_VCPUS,
			"%s is traced (by pid %llu): a question to it would hang the monitor",
			thread, (unsigned long long)t->tracer);
	else if (what)
		vh_outlook_object(o, VH_NEED_VCPUS,
			"%s waits for %s in %.*s: a question to it could hang the monitor or "
			"change the VM",
			thread, what, (int)shown_wchan(t).n, shown_wchan(t).s);
	else if (in_page_fault(t))
		vh_outlook_object(o, VH_NEED_VCPUS,
			"%s waits inside a page fault: a question to it could hang the monitor",
			thread);
}

/* QEMU up to 9.0, then from 9.1; comm has 15 characters. */
static bool is_postcopy_thread(const char *name)
{
	return vh_prefix(name, "postcopy/") || vh_prefix(name, "fault-default") ||
	       vh_prefix(name, "mig/dst/fault") || vh_prefix(name, "mig/dst/listen") ||
	       vh_prefix(name, "mig/dst/preempt");
}

static void object_to_thread(struct vh_outlook *o, const struct task *t)
{
	bool storage;
	const char *what = wait_of(t, &storage);
	vh_auto_free char *thread = thread_text(t);

	if (is_postcopy_thread(t->stat.name))
		vh_outlook_object(o, VH_NEED_VCPUS,
			"post-copy migration runs (%s): a question to a vCPU that waits for a page "
			"can turn its wait into a spin",
			thread);
	if (!what || !storage)
		return;
	vh_outlook_object(o, VH_NEED_STORAGE, "%s waits for %s in %.*s", thread, what,
		(int)shown_wchan(t).n, shown_wchan(t).s);
	/* The monitor's own thread is an I/O thread too, but holds no drive. */
	if (vh_prefix(t->stat.name, "IO ") && !vh_prefix(t->stat.name, "IO mon_"))
		vh_outlook_object(o, VH_NEED_IOTHREADS,
			"the I/O %s waits for %s: it may hold the lock of a drive", thread, what);
}

static void object_to_userfaultfd(struct vh_outlook *o, const struct vh_case *c)
{
	const struct vh_evidence *fds = vh_case_find_data(c, "proc.fd", NULL, VH_N_ROUND);

	if (vh_str_find(vh_evidence_text(fds), "anon_inode:[userfaultfd]") >= 0)
		vh_outlook_object(o, VH_NEED_VCPUS,
			"the process has a userfaultfd (post-copy migration or a snapshot): a vCPU "
			"may wait for a page, and a question to it could hang or change the VM");
}

/* The kinds of keys in trace.exits whose numbers are ports or addresses (docs/trace-format.md). The
 * collector's own JSON is looked at as text: that is all that is to be known of it here. */
static bool sees_devices(const struct vh_case *c)
{
	static const char *const kinds[] = {"\"pio\"", "\"mmio\"", "\"fault\"", "\"nae\""};
	const struct vh_evidence *e = vh_case_find_data(c, "trace.exits", NULL, VH_N_ROUND);

	for (size_t i = 0; e && i < VH_ARRAY_SIZE(kinds); i++)
		if (vh_str_find(vh_evidence_text(e), kinds[i]) >= 0)
			return true;
	return false;
}

void vh_outlook_take(struct vh_outlook *o, const struct vh_case *c)
{
	struct look now, before;
	enum vh_round round = VH_LAST;

	*o = (struct vh_outlook){0};
	look_take(&now, c, VH_LAST);
	look_take(&before, c, VH_FIRST);
	bool single = !now.n;

	if (single) {
		struct look t = now;

		now = before;
		before = t;
		round = VH_FIRST;
	}
	const struct task *main_now = main_of(&now, c);

	object_to_silence(o, c, main_now);
	object_to_freezing(o, c, round);
	object_to_main(o, main_now, main_of(&before, c), single);
	for (size_t i = 0; i < now.n; i++) {
		const struct task *t = &now.tasks[i];

		object_to_thread(o, t);
		/* Without names and KVM_RUN any thread but the main one may be a vCPU. */
		if (now.named_vcpus ? is_named_vcpu(t) : t != main_now)
			object_to_vcpu(o, t);
	}
	object_to_userfaultfd(o, c);
	vh_outlook_object(o, VH_NEED_SEV, "the guest is no SEV guest");
	if (!sees_devices(c))
		vh_outlook_object(o, VH_NEED_DEVICES, "no exit to a device was counted");
	vh_outlook_object(o, VH_NEED_MIGRATION, "no migration goes on");
	vh_outlook_add_confidential(o, c->vm->confidential);
	free(now.tasks);
	free(before.tasks);
}

void vh_outlook_add_confidential(struct vh_outlook *o, enum vh_conf_kind kind)
{
	if (kind == VH_CONF_NONE)
		return;
	o->confidential = kind;
	vh_outlook_object(o, VH_NEED_MEMORY,
		"the guest's memory is encrypted (%s): what is read there is ciphertext",
		vh_conf_kind_name(kind));
	if (vh_conf_hides_registers(kind))
		vh_outlook_object(o, VH_NEED_REGISTERS,
			"the guest is encrypted (%s): its registers are not to be had, and from "
			"QEMU 8.2 a failed register query stops the VM",
			vh_conf_kind_name(kind));
	if (kind == VH_CONF_SEV || kind == VH_CONF_SEV_ES || kind == VH_CONF_SEV_SNP) {
		free(o->against[VH_NEED_SEV]);
		o->against[VH_NEED_SEV] = NULL;
	} else {
		/* Whatever was told before: query-sev on a TDX guest may abort QEMU
		 * (target/i386/sev.c, sev_get_info casts the object whatever it is). */
		vh_outlook_object(o, VH_NEED_SEV, "the guest is no SEV guest");
	}
}

void vh_outlook_add_migration(struct vh_outlook *o)
{
	free(o->against[VH_NEED_MIGRATION]);
	o->against[VH_NEED_MIGRATION] = NULL;
}

/*
 * KVM refuses the registers of a SEV-ES guest (-EINVAL) on some kernels (from Linux 6.10 on, and
 * where that was backported). QEMU up to 8.1 goes on then (accel/kvm/kvm-all.c,
 * do_kvm_cpu_synchronize_state ignores the error); what it gets otherwise are CR0, CR4, EFER and
 * the last own event of the guest.
 */
void vh_outlook_add_version(struct vh_outlook *o, uint64_t major, uint64_t minor)
{
	if (o->confidential != VH_CONF_SEV_ES || !major || major > 8 || (major == 8 && minor > 1))
		return;
	free(o->against[VH_NEED_REGISTERS]);
	o->against[VH_NEED_REGISTERS] = NULL;
}

void vh_outlook_add_run_state(struct vh_outlook *o, const char *run_state)
{
	static const char *const moving[] = {"inmigrate", "postmigrate", "finish-migrate"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(moving); i++)
		if (vh_streq(run_state, moving[i]))
			vh_outlook_object(o, VH_NEED_VCPUS,
				"the VM migrates (run state %s): its vCPUs are not to be touched",
				run_state);
}

/* File systems whose server can stall a stat. */
static bool is_remote(struct vh_str type)
{
	static const char *const names[] = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "9p",
		"virtiofs", "glusterfs", "afs", "lustre", "gpfs", "beegfs", "gfs2", "ocfs2",
		"orangefs", "pvfs2"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(names); i++)
		if (vh_str_is(type, names[i]))
			return true;
	return vh_str_starts(type, "fuse");
}

static void object_to_path(
	struct vh_outlook *o, enum vh_need need, const struct vh_mounts *mounts, const char *path)
{
	const struct vh_mount *mount = vh_mounts_of_path(mounts, path);

	if (!mount || !is_remote(vh_str(mount->type)))
		return;
	vh_auto_free char *shown = vh_escaped(path);

	vh_outlook_object(o, need, "%s lies on %s, which can stall: the question could hang the VM",
		shown, mount->type);
}

/* "nbd://host", "rbd:pool/x", "json:{...}": a block driver, not a file. */
static bool is_protocol(const char *file)
{
	size_t n = strcspn(file, ":/");

	return n && file[n] == ':' && !vh_prefix(file, "file:");
}

void vh_outlook_add_mounts(
	struct vh_outlook *o, const struct vh_case *c, const struct vh_str *mountinfo)
{
	const struct vh_evidence *fds = vh_case_find_data(c, "proc.fd", NULL, VH_N_ROUND);
	struct vh_str rest = vh_evidence_text(fds), line, number;

	vh_auto_mounts struct vh_mounts mounts = {.status = VH_ABSENT};

	if (mountinfo)
		vh_mounts_parse(*mountinfo, &mounts);
	if (mounts.status != VH_OK) {
		vh_outlook_object(o, VH_NEED_LOCAL_FILES,
			"the VM's mounts cannot be read, so its drives may lie on something that "
			"stalls");
		vh_outlook_object(o, VH_NEED_FILE, "the VM's mounts cannot be read");
		return;
	}
	object_to_path(o, VH_NEED_FILE, &mounts, VH_PICTURE_DIRECTORY);
	for (size_t i = 0; i < c->vm->n_drives; i++) {
		const char *file = c->vm->drives[i].file;
		vh_auto_free char *shown = vh_escaped(file);

		if (file && is_protocol(file))
			vh_outlook_object(o, VH_NEED_LOCAL_FILES,
				"the drive %s is not a local file: its server can stall", shown);
		else if (file)
			object_to_path(o, VH_NEED_LOCAL_FILES, &mounts,
				file + (vh_prefix(file, "file:") ? 5 : 0));
	}
	/* Open files have their links resolved, and hold the backing chain too. */
	while (vh_next_line(&rest, &line)) {
		if (!vh_next_part(&line, '\t', &number) || !vh_str_starts(line, "/"))
			continue;
		vh_auto_free char *path = vh_str_dup(line);

		object_to_path(o, VH_NEED_LOCAL_FILES, &mounts, path);
	}
}

static const char *const failures[] = {"failed_rd_operations", "failed_wr_operations",
	"failed_flush_operations", "failed_zone_append_operations"};

static uint64_t failures_of(struct json_object *drive)
{
	struct json_object *stats = vh_json_at(drive, "stats", NULL);
	uint64_t sum = 0, n;

	for (size_t i = 0; i < VH_ARRAY_SIZE(failures); i++)
		if (vh_json_u64(stats, failures[i], &n))
			sum += n;
	return sum;
}

void vh_outlook_add_blockstats(
	struct vh_outlook *o, struct json_object *first, struct json_object *again)
{
	struct json_object *last = again ? again : first;

	if (!json_object_is_type(last, json_type_array)) {
		vh_outlook_object(o, VH_NEED_DRIVES,
			"query-blockstats gave no answer, so the drives may be stuck");
		return;
	}
	if (!json_object_is_type(first, json_type_array))
		return;
	size_t n = VH_MIN(json_object_array_length(first), json_object_array_length(last));

	for (size_t i = 0; i < n; i++) {
		struct json_object *drive = json_object_array_get_idx(last, i);

		if (failures_of(drive) <= failures_of(json_object_array_get_idx(first, i)))
			continue;
		vh_auto_free char *name = vh_escaped(vh_json_string(drive, "device", "?"));

		vh_outlook_object(
			o, VH_NEED_DRIVES, "requests to the drive %s fail at this moment", name);
	}
}
