/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a thread waits in: from its state, then from the kernel functions in its stack and wchan
 * (/proc/PID/task/TID), then, where the kernel did not tell those, from its system call. Function
 * names are those of Linux 5.4 to 6.18; suffixes that the compiler adds (".isra.0") are ignored.
 */
#include "base/names.h"
#include "decode/decoder.h"

static const char *const names[VH_N_WAIT] = {
	[VH_WAIT_UNKNOWN] = "unknown",
	[VH_WAIT_NONE] = "none",
	[VH_WAIT_POLL] = "poll",
	[VH_WAIT_FUTEX] = "futex",
	[VH_WAIT_KVM_HALT] = "kvm-halt",
	[VH_WAIT_STOPPED] = "stopped",
	[VH_WAIT_TRACED] = "traced",
	[VH_WAIT_FROZEN] = "frozen",
	[VH_WAIT_FUSE] = "fuse",
	[VH_WAIT_USERFAULT] = "userfault",
	[VH_WAIT_DISK] = "disk",
	[VH_WAIT_SLEEP] = "sleep",
	[VH_WAIT_PIPE] = "pipe",
	[VH_WAIT_PEER] = "peer",
	[VH_WAIT_CONNECT] = "connect",
	[VH_WAIT_MEMORY] = "memory",
	[VH_WAIT_SPLIT_LOCK] = "split-lock",
	[VH_WAIT_KERNEL] = "kernel",
};

const char *vh_wait_name(enum vh_wait wait)
{
	return vh_name_of(names, VH_ARRAY_SIZE(names), (int)wait);
}

/* A kernel function. The first row that is found anywhere in the stack or as wchan counts: what is
 * more telling stands further up, for a page fault on FUSE also waits for a page, and a system call
 * that polls may have faulted. */
static const struct row {
	const char *function; /* a '*' at its end: begins like this */
	enum vh_wait wait;
	bool only_in_kvm_run; /* too common a name to tell anything elsewhere */
} rows[] = {
	{"ptrace_stop", VH_WAIT_TRACED},
	{"do_signal_stop", VH_WAIT_STOPPED},
	{"do_jobctl_trap", VH_WAIT_STOPPED},
	{"__refrigerator", VH_WAIT_FROZEN},
	{"do_freezer_trap", VH_WAIT_FROZEN},
	{"handle_userfault", VH_WAIT_USERFAULT},
	/* arch/x86/kernel/cpu/: since 5.19 a split lock costs 10 ms and a semaphore */
	{"split_lock_warn", VH_WAIT_SPLIT_LOCK},
	{"handle_user_split_lock", VH_WAIT_SPLIT_LOCK},
	{"handle_guest_split_lock", VH_WAIT_SPLIT_LOCK},
	{"msleep_interruptible", VH_WAIT_SPLIT_LOCK, true},
	{"down_interruptible", VH_WAIT_SPLIT_LOCK, true},
	/* QEMU as a FUSE server (block exports) waits for requests here: at rest. */
	{"fuse_dev_do_read", VH_WAIT_POLL},
	{"request_wait_answer", VH_WAIT_FUSE},
	{"fuse_*", VH_WAIT_FUSE},
	{"__fuse_*", VH_WAIT_FUSE},
	{"kvm_vcpu_block", VH_WAIT_KVM_HALT},
	{"kvm_vcpu_halt", VH_WAIT_KVM_HALT},
	{"vcpu_block", VH_WAIT_KVM_HALT},
	{"kvm_vcpu_wfi", VH_WAIT_KVM_HALT},
	{"kvm_s390_handle_wait", VH_WAIT_KVM_HALT},
	{"kvmhv_run_single_vcpu", VH_WAIT_KVM_HALT},
	{"shrink_*", VH_WAIT_MEMORY},
	{"try_to_free_*", VH_WAIT_MEMORY},
	{"do_try_to_free_pages", VH_WAIT_MEMORY},
	{"throttle_direct_reclaim", VH_WAIT_MEMORY},
	{"reclaim_throttle", VH_WAIT_MEMORY},
	{"reclaim_high", VH_WAIT_MEMORY},
	{"mem_cgroup_*", VH_WAIT_MEMORY},
	{"__mem_cgroup_*", VH_WAIT_MEMORY},
	{"try_charge*", VH_WAIT_MEMORY},
	{"out_of_memory", VH_WAIT_MEMORY},
	{"do_swap_page", VH_WAIT_MEMORY},
	{"swap_read*", VH_WAIT_MEMORY},
	{"swapin_*", VH_WAIT_MEMORY},
	{"shmem_swapin*", VH_WAIT_MEMORY},
	{"__alloc_pages_slowpath", VH_WAIT_MEMORY},
	{"compact_zone*", VH_WAIT_MEMORY},
	{"migration_entry_wait*", VH_WAIT_MEMORY},
	{"congestion_wait", VH_WAIT_MEMORY},
	{"io_schedule*", VH_WAIT_DISK},
	{"blk_*", VH_WAIT_DISK},
	{"__blk_*", VH_WAIT_DISK},
	{"blkdev_*", VH_WAIT_DISK},
	{"__blkdev_*", VH_WAIT_DISK},
	{"folio_wait_*", VH_WAIT_DISK},
	{"__folio_lock*", VH_WAIT_DISK},
	{"wait_on_page_*", VH_WAIT_DISK},
	{"__lock_page*", VH_WAIT_DISK},
	{"__wait_on_buffer", VH_WAIT_DISK},
	{"bit_wait_io*", VH_WAIT_DISK},
	{"submit_bio_wait", VH_WAIT_DISK},
	{"rq_qos_wait", VH_WAIT_DISK},
	{"wbt_wait", VH_WAIT_DISK},
	{"balance_dirty_pages*", VH_WAIT_DISK},
	{"wb_wait_for_completion", VH_WAIT_DISK},
	{"dio_*", VH_WAIT_DISK},
	{"do_blockdev_direct_IO", VH_WAIT_DISK},
	{"__iomap_dio_rw", VH_WAIT_DISK},
	{"iomap_*", VH_WAIT_DISK},
	{"jbd2_*", VH_WAIT_DISK},
	{"wait_transaction_*", VH_WAIT_DISK},
	{"ext4_*", VH_WAIT_DISK},
	{"xfs_*", VH_WAIT_DISK},
	{"xlog_*", VH_WAIT_DISK},
	{"btrfs_*", VH_WAIT_DISK},
	{"nfs_*", VH_WAIT_DISK},
	{"nfs4_*", VH_WAIT_DISK},
	{"rpc_wait_bit_killable", VH_WAIT_DISK},
	{"__rpc_*", VH_WAIT_DISK},
	{"cifs_*", VH_WAIT_DISK},
	{"smb2_*", VH_WAIT_DISK},
	{"wait_for_response", VH_WAIT_DISK},
	{"ceph_*", VH_WAIT_DISK},
	{"rbd_*", VH_WAIT_DISK},
	{"p9_client_rpc", VH_WAIT_DISK},
	{"md_*", VH_WAIT_DISK},
	{"raid5_*", VH_WAIT_DISK},
	{"dm_*", VH_WAIT_DISK},
	{"filemap_fault", VH_WAIT_DISK},
	{"futex_*", VH_WAIT_FUTEX},
	{"__futex_*", VH_WAIT_FUTEX},
	{"do_futex", VH_WAIT_FUTEX},
	{"hrtimer_nanosleep", VH_WAIT_SLEEP},
	{"do_nanosleep", VH_WAIT_SLEEP},
	{"common_nsleep*", VH_WAIT_SLEEP},
	{"unix_stream_connect", VH_WAIT_CONNECT},
	{"__inet_stream_connect", VH_WAIT_CONNECT},
	{"inet_stream_connect", VH_WAIT_CONNECT},
	{"inet_wait_for_connect", VH_WAIT_CONNECT},
	{"vsock_connect", VH_WAIT_CONNECT},
	{"pipe_write", VH_WAIT_PIPE},
	{"anon_pipe_write", VH_WAIT_PIPE},
	{"pipe_read", VH_WAIT_PEER},
	{"anon_pipe_read", VH_WAIT_PEER},
	{"pipe_wait*", VH_WAIT_PIPE},
	{"wait_for_partner", VH_WAIT_PIPE},
	{"fifo_open", VH_WAIT_PIPE},
	{"unix_stream_read_generic", VH_WAIT_PEER},
	{"unix_stream_data_wait", VH_WAIT_PEER},
	{"unix_stream_recvmsg", VH_WAIT_PEER},
	{"unix_accept", VH_WAIT_PEER},
	{"unix_*", VH_WAIT_PIPE},
	{"sock_alloc_send_pskb", VH_WAIT_PIPE},
	{"sk_stream_wait_*", VH_WAIT_PIPE},
	{"sk_wait_data", VH_WAIT_PEER},
	{"__skb_wait_for_more_packets", VH_WAIT_PEER},
	{"tcp_sendmsg*", VH_WAIT_PIPE},
	{"tcp_recvmsg*", VH_WAIT_PEER},
	{"inet_csk_accept", VH_WAIT_PEER},
	{"n_tty_*", VH_WAIT_PIPE},
	{"tty_*", VH_WAIT_PIPE},
	{"file_tty_write", VH_WAIT_PIPE},
	{"do_sys_poll", VH_WAIT_POLL},
	{"do_poll", VH_WAIT_POLL},
	{"poll_schedule_timeout", VH_WAIT_POLL},
	{"do_select", VH_WAIT_POLL},
	{"core_sys_select", VH_WAIT_POLL},
	{"ep_poll", VH_WAIT_POLL},
	{"do_epoll_wait", VH_WAIT_POLL},
	{"do_epoll_pwait", VH_WAIT_POLL},
	{"read_events", VH_WAIT_POLL},
	{"io_cqring_wait*", VH_WAIT_POLL},
	{"eventfd_read", VH_WAIT_POLL},
	{"signalfd_dequeue", VH_WAIT_POLL},
	{"do_sigtimedwait", VH_WAIT_POLL},
	{"inotify_read", VH_WAIT_POLL},
};

/* x86-64 system calls (arch/x86/entry/syscalls/syscall_64.tbl). */
static const struct {
	int64_t number;
	enum vh_wait wait;
} calls[] = {
	{7, VH_WAIT_POLL},     /* poll */
	{23, VH_WAIT_POLL},    /* select */
	{208, VH_WAIT_POLL},   /* io_getevents */
	{232, VH_WAIT_POLL},   /* epoll_wait */
	{270, VH_WAIT_POLL},   /* pselect6 */
	{271, VH_WAIT_POLL},   /* ppoll */
	{281, VH_WAIT_POLL},   /* epoll_pwait */
	{333, VH_WAIT_POLL},   /* io_pgetevents */
	{426, VH_WAIT_POLL},   /* io_uring_enter */
	{441, VH_WAIT_POLL},   /* epoll_pwait2 */
	{128, VH_WAIT_POLL},   /* rt_sigtimedwait */
	{202, VH_WAIT_FUTEX},  /* futex */
	{449, VH_WAIT_FUTEX},  /* futex_waitv */
	{35, VH_WAIT_SLEEP},   /* nanosleep */
	{230, VH_WAIT_SLEEP},  /* clock_nanosleep */
	{44, VH_WAIT_PIPE},    /* sendto */
	{42, VH_WAIT_CONNECT}, /* connect */
	{43, VH_WAIT_PEER},    /* accept */
	{288, VH_WAIT_PEER},   /* accept4 */
	{45, VH_WAIT_PEER},    /* recvfrom */
	{46, VH_WAIT_PIPE},    /* sendmsg */
	{47, VH_WAIT_PEER},    /* recvmsg */
	{74, VH_WAIT_DISK},    /* fsync */
	{75, VH_WAIT_DISK},    /* fdatasync */
	{17, VH_WAIT_DISK},    /* pread64 */
	{18, VH_WAIT_DISK},    /* pwrite64 */
	{209, VH_WAIT_DISK},   /* io_submit */
	{285, VH_WAIT_DISK},   /* fallocate */
	{295, VH_WAIT_DISK},   /* preadv */
	{296, VH_WAIT_DISK},   /* pwritev */
};

/* read, write, readv, writev: it depends on what the descriptor is */
static bool is_read_or_write(int64_t number)
{
	return number == 0 || number == 1 || number == 19 || number == 20;
}

static bool is_channel(const char *what)
{
	return vh_prefix(what, "pipe:[") || vh_prefix(what, "socket:[") ||
	       vh_prefix(what, "/dev/pts/") || vh_prefix(what, "/dev/tty") ||
	       vh_prefix(what, "/dev/ptmx");
}

static bool function_is(struct vh_str name, const char *function)
{
	size_t n = strlen(function);

	if (n && function[n - 1] == '*')
		return name.n >= n - 1 && memcmp(name.s, function, n - 1) == 0;
	return vh_str_is(name, function);
}

/* "[<0>] pipe_write.isra.0+0x1a/0x20 [module]" or "pipe_write" is pipe_write. */
static struct vh_str function_name(struct vh_str line)
{
	struct vh_str name = vh_str_trim(line);

	if (vh_str_starts(name, "[<")) {
		const char *end = memchr(name.s, ']', name.n);

		if (end) {
			name.n -= (size_t)(end + 1 - name.s);
			name.s = end + 1;
		}
		name = vh_str_trim(name);
	}
	for (size_t i = 0; i < name.n; i++)
		if (name.s[i] == '.' || name.s[i] == '+' || name.s[i] == ' ')
			name.n = i;
	return name;
}

#define MAX_FRAMES 64

static enum vh_wait from_kernel(const struct vh_thread_sample *s, bool *known)
{
	struct vh_str rest = vh_str(s->stack ? s->stack : ""), line;
	struct vh_str frames[MAX_FRAMES + 1];
	size_t n = 0;

	while (n < MAX_FRAMES && vh_next_line(&rest, &line))
		frames[n++] = function_name(line);
	if (s->wchan && *s->wchan && !vh_streq(s->wchan, "0"))
		frames[n++] = function_name(vh_str(s->wchan));
	*known = n > 0;
	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++)
		for (size_t k = 0; k < n; k++)
			if (function_is(frames[k], rows[i].function) &&
				(s->in_kvm_run || !rows[i].only_in_kvm_run))
				return rows[i].wait;
	for (size_t k = 0; k < n; k++)
		if (vh_str_is(frames[k], "get_signal"))
			return VH_WAIT_FROZEN;
	return VH_WAIT_UNKNOWN;
}

static enum vh_wait from_call(const struct vh_thread_sample *s, const char *blocked_on)
{
	if (!s->has_syscall || s->syscall < 0)
		return VH_WAIT_UNKNOWN;
	if (is_read_or_write(s->syscall) && blocked_on)
		return !is_channel(blocked_on)               ? VH_WAIT_DISK
		       : s->syscall == 0 || s->syscall == 19 ? VH_WAIT_PEER
							     : VH_WAIT_PIPE;
	for (size_t i = 0; i < VH_ARRAY_SIZE(calls); i++)
		if (calls[i].number == s->syscall)
			return calls[i].wait;
	return VH_WAIT_UNKNOWN;
}

enum vh_wait vh_wait_of(
	const struct vh_thread_sample *s, const char *blocked_on, int frozen, bool x86)
{
	bool known;

	if (!s->seen)
		return VH_WAIT_UNKNOWN;
	switch (s->stat.state) {
	case 'R':
		return VH_WAIT_NONE;
	case 'T':
		return VH_WAIT_STOPPED;
	case 't':
		return VH_WAIT_TRACED;
	case 'Z':
	case 'X':
		return VH_WAIT_UNKNOWN;
	default:
		break;
	}
	enum vh_wait wait = from_kernel(s, &known);

	/* The v2 freezer holds a thread in get_signal (inlined do_freezer_trap), state S. */
	if (wait == VH_WAIT_FROZEN && frozen == 0)
		wait = VH_WAIT_KERNEL;
	if (wait == VH_WAIT_UNKNOWN && x86)
		wait = from_call(s, blocked_on);
	if (wait == VH_WAIT_UNKNOWN && known)
		wait = VH_WAIT_KERNEL;
	return wait;
}
