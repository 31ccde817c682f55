/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a sleeping task waits for. */
#include "guest/tasks_table.h"

#define TOP_FRAMES 12u /* a lock's own functions are among the innermost ones */

/* What a function tells that stands among the frames; a name that ends with "*" is a prefix. */
struct sign {
	const char *name;
	enum vh_blocked_on kind;
};

/* Locks' own functions: kernel/locking/. */
static const struct sign lock_signs[] = {
	{"__mutex_lock*", VH_BLOCKED_MUTEX},
	{"mutex_lock*", VH_BLOCKED_MUTEX},
	{"__ww_mutex_lock*", VH_BLOCKED_MUTEX},
	{"ww_mutex_lock*", VH_BLOCKED_MUTEX},
	{"rt_mutex_lock*", VH_BLOCKED_MUTEX},
	{"__rt_mutex_slowlock*", VH_BLOCKED_MUTEX},
	{"rt_mutex_slowlock*", VH_BLOCKED_MUTEX},
	{"rwsem_down_*", VH_BLOCKED_RWSEM},
	{"__rwsem_down_*", VH_BLOCKED_RWSEM},
	{"call_rwsem_down_*", VH_BLOCKED_RWSEM},
	{"down_read*", VH_BLOCKED_RWSEM},
	{"down_write*", VH_BLOCKED_RWSEM},
};

/* Of these first: up to 5.6 the wait within is that for a rw_semaphore. */
static const struct sign percpu_signs[] = {
	{"percpu_rwsem_wait", VH_BLOCKED_RWSEM},
	{"__percpu_down_read", VH_BLOCKED_RWSEM},
};

static const struct sign rcu_signs[] = {
	{"synchronize_rcu*", VH_BLOCKED_RCU},
	{"synchronize_srcu*", VH_BLOCKED_RCU},
	{"synchronize_sched*", VH_BLOCKED_RCU},
	{"__synchronize_srcu*", VH_BLOCKED_RCU},
	{"__wait_rcu_gp", VH_BLOCKED_RCU},
	{"_synchronize_rcu_expedited*", VH_BLOCKED_RCU},
	{"rcu_barrier*", VH_BLOCKED_RCU},
	{"_rcu_barrier*", VH_BLOCKED_RCU},
	{"srcu_barrier*", VH_BLOCKED_RCU},
};

/* By the name of the module, or of functions that are built in. */
static const char *const file_server_modules[] = {
	"nfs", "nfsv2", "nfsv3", "nfsv4", "sunrpc", "cifs", "9p", "9pnet", "fuse", "ceph"};
static const char *const file_server_functions[] = {"nfs_*", "nfs3_*", "nfs4_*",
	"rpc_wait_bit_killable", "rpc_execute*", "cifs_*", "smb2_*", "SMB2_*", "p9_client_*",
	"v9fs_*", "fuse_*", "__fuse_*", "ceph_*"};

static const struct sign io_signs[] = {
	{"io_schedule*", VH_BLOCKED_IO},
	{"bit_wait_io*", VH_BLOCKED_IO},
	{"wait_for_completion_io*", VH_BLOCKED_IO},
	{"submit_bio_wait", VH_BLOCKED_IO},
};

static const struct sign completion_signs[] = {
	{"wait_for_completion*", VH_BLOCKED_COMPLETION},
	{"__wait_for_common", VH_BLOCKED_COMPLETION},
};

static bool matches(const char *symbol, const char *name)
{
	size_t n = strlen(name);

	if (name[n - 1] == '*')
		return strncmp(symbol, name, n - 1) == 0;
	/* The compiler's copies: "__mutex_lock.constprop.0". */
	return strncmp(symbol, name, n) == 0 && (!symbol[n] || symbol[n] == '.');
}

static enum vh_blocked_on find_sign(
	const struct vh_backtrace *b, size_t most, const struct sign *signs, size_t n)
{
	for (size_t i = 0; i < b->n && i < most; i++) {
		const struct vh_frame *f = &b->frames[i];

		for (size_t k = 0; f->symbol && f->kind != VH_FRAME_GUESS && k < n; k++)
			if (matches(f->symbol, signs[k].name))
				return signs[k].kind;
	}
	return VH_BLOCKED_UNKNOWN;
}
#define SIGN(b, most, signs) find_sign(b, most, signs, VH_ARRAY_SIZE(signs))

/* Of those who serve files themselves, and share modules with the clients: threads of nfsd and of
 * NFS callbacks (net/sunrpc/svc*.c), the daemon of a FUSE file system. */
static const char *const servers[] = {
	"svc_*", "nfs_callback_*", "nfs4_callback_*", "nfs41_callback_*", "fuse_dev_*", "cuse_*"};

static bool is_server(const char *symbol)
{
	for (size_t i = 0; i < VH_ARRAY_SIZE(servers); i++)
		if (matches(symbol, servers[i]))
			return true;
	return false;
}

static bool is_client(const struct vh_frame *f)
{
	if (f->symbol && is_server(f->symbol))
		return false;
	for (size_t k = 0; f->module && k < VH_ARRAY_SIZE(file_server_modules); k++)
		if (strcmp(f->module, file_server_modules[k]) == 0)
			return true;
	for (size_t k = 0;
		f->symbol && f->kind != VH_FRAME_GUESS && k < VH_ARRAY_SIZE(file_server_functions);
		k++)
		if (matches(f->symbol, file_server_functions[k]))
			return true;
	return false;
}

static bool waits_for_file_server(const struct vh_backtrace *b)
{
	for (size_t i = 0; i < b->n; i++)
		if (is_client(&b->frames[i]))
			return true;
	return false;
}

/* --- Frozen file systems -------------------------------------------------------------------------
 */

/* "vda1 (ext4)", where a percpu_rw_semaphore is one of a super block's three, and it is frozen or
 * being so (struct sb_writers, linux/fs.h); else NULL. */
static char *frozen_name(struct vh_kernel *k, uint64_t sem)
{
	struct vh_field rw, frozen, id, type, name;
	uint32_t each;

	if (!vh_layout_field(k->layout, "super_block", "s_writers.rw_sem", &rw) ||
		!vh_layout_field(k->layout, "super_block", "s_writers.frozen", &frozen) ||
		!vh_layout_field(k->layout, "super_block", "s_id", &id) ||
		!vh_layout_sizeof(k->layout, "percpu_rw_semaphore", &each))
		return NULL;
	for (unsigned i = 0; i < 3; i++) {
		uint64_t sb = sem - rw.offset - (uint64_t)i * each, at;
		char device[33], fs[33] = "";
		uint16_t state = 0; /* an int, a short since 6.x: small either way */

		if (vh_space_read(k->space, sb + frozen.offset, &state, sizeof(state)) || !state ||
			state > 4 || vh_space_string(k->space, sb + id.offset, device, 33) <= 0 ||
			!vh_is_utf8(vh_str(device)))
			continue;
		if (vh_layout_field(k->layout, "super_block", "s_type", &type) &&
			vh_layout_field(k->layout, "file_system_type", "name", &name) &&
			!vh_space_u64(k->space, sb + type.offset, &at) &&
			!vh_space_u64(k->space, at + name.offset, &at))
			vh_space_string(k->space, at, fs, sizeof(fs));
		return *fs ? vh_asprintf("%s (%s)", device, fs) : vh_strdup(device);
	}
	return NULL;
}

/* A reader of a percpu_rw_semaphore that a writer keeps out: a frozen file system's, or another.
 * Up to 5.6 it waits in a rw_semaphore within, from 5.7 on in a queue. */
static void percpu_wait(
	struct vh_task_table *t, const struct vh_task_stack *s, struct vh_inside_lock *out)
{
	struct vh_kernel *k = t->k;
	uint32_t private = vh_layout_offset(k->layout, "wait_queue_entry", "private", 8);
	uint32_t entry = vh_layout_offset(k->layout, "wait_queue_entry", "entry", 24);
	struct vh_field f;
	uint64_t sem = 0;

	out->kind = VH_BLOCKED_RWSEM;
	if (vh_layout_field(k->layout, "percpu_rw_semaphore", "waiters.head", &f)) {
		uint64_t head = vh_task_queue(t, s, private, entry);

		sem = head ? head - f.offset : 0;
	} else if (vh_layout_field(k->layout, "percpu_rw_semaphore", "rw_sem", &f) &&
		   vh_task_lock(t, s, VH_BLOCKED_RWSEM, out)) {
		sem = out->gva - f.offset;
		free(out->symbol);
		out->symbol = NULL;
	}
	if (!sem)
		return;
	char *name = frozen_name(k, sem);

	out->kind = name ? VH_BLOCKED_FREEZE : VH_BLOCKED_RWSEM;
	out->gva = sem;
	out->symbol = name ? name : vh_task_lock_name(k, sem);
}

/* struct completion: {done, wait {lock, task_list}} of swait_queue entries from 5.7 on, of
 * wait_queue_entry before. */
static void completion_wait(
	struct vh_task_table *t, const struct vh_task_stack *s, struct vh_inside_lock *out)
{
	struct vh_layout *l = t->k->layout;
	struct vh_field f;
	uint64_t head = 0;

	if (vh_layout_field(l, "completion", "wait.task_list", &f))
		head = vh_task_queue(t, s, vh_layout_offset(l, "swait_queue", "task", 0),
			vh_layout_offset(l, "swait_queue", "task_list", 8));
	else if (vh_layout_field(l, "completion", "wait.head", &f))
		head = vh_task_queue(t, s, vh_layout_offset(l, "wait_queue_entry", "private", 8),
			vh_layout_offset(l, "wait_queue_entry", "entry", 24));
	if (!head)
		return;
	out->gva = head - f.offset;
	out->symbol = vh_task_lock_name(t->k, out->gva);
}

/* Frames behind the innermost that are not guessed. */
static bool has_callers(const struct vh_backtrace *b)
{
	return b->n > 1 && b->frames[1].kind != VH_FRAME_GUESS;
}

void vh_task_wait(
	struct vh_task_table *t, const struct vh_task_stack *s, struct vh_inside_lock *out)
{
	enum vh_blocked_on kind = SIGN(s->frames, TOP_FRAMES, lock_signs);

	*out = (struct vh_inside_lock){.holder_pid = -1};
	if (SIGN(s->frames, TOP_FRAMES, percpu_signs) != VH_BLOCKED_UNKNOWN) {
		percpu_wait(t, s, out);
		return;
	}
	/* What a lock's own function, or the task itself, says goes before all else. */
	if (kind != VH_BLOCKED_UNKNOWN || s->row->blocker || s->row->blocked_on ||
		s->row->pi_blocked_on) {
		out->kind = kind;
		if (vh_task_lock(t, s, kind, out) || kind != VH_BLOCKED_UNKNOWN)
			return;
	}
	if (SIGN(s->frames, s->frames->n, rcu_signs) != VH_BLOCKED_UNKNOWN)
		out->kind = VH_BLOCKED_RCU;
	else if (waits_for_file_server(s->frames))
		out->kind = VH_BLOCKED_FILE_SERVER;
	else if (s->row->in_iowait || SIGN(s->frames, TOP_FRAMES, io_signs) != VH_BLOCKED_UNKNOWN)
		out->kind = VH_BLOCKED_IO;
	else
		out->kind = SIGN(s->frames, TOP_FRAMES, completion_signs);
	if (out->kind == VH_BLOCKED_COMPLETION)
		completion_wait(t, s, out);
	/* Without frames that are certain, what lies on the stack must do. */
	if (out->kind == VH_BLOCKED_UNKNOWN && !has_callers(s->frames))
		vh_task_lock(t, s, VH_BLOCKED_UNKNOWN, out);
}
