/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Storage that does not answer, fails or is held back, told apart from a guest that is idle and
 * from storage that is slow. Live VMs in these states are in lab/scenarios/storage.py; the waits of
 * an NFS client and of a block device cannot be made there, and are here as those kernels show
 * them.
 */
#include "tests/unit/infer/judged.h"

#define DISK  "/machine/peripheral/disk0/virtio-backend"
#define QUEUE DISK ".0"

/* A guest that is halted and woken by its timer: idle, for all that its vCPU shows. */
static struct vh_case *idle(const char *file)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_halted_vcpu(c, 0, 100);
	case_status(c, "running", true);
	case_registers(c, 0, case_regs_linux(UINT64_C(0xffffffff81a00000), 0, true, true));
	VH_PUSH(c->vm->drives, c->vm->n_drives) =
		(struct vh_drive){.id = vh_strdup("disk"), .file = vh_strdup(file)};
	return c;
}

struct stats {
	unsigned reads, failed;
	double idle_s, busy_s;
};

static void put_stats(struct vh_case *c, enum vh_round round, struct stats s)
{
	vh_auto_free char *text = vh_asprintf(
		"[{\"device\":\"\",\"node-name\":\"disk\",\"qdev\":\"" DISK
		"\",\"stats\":{\"rd_operations\":%u,\"wr_operations\":0,\"flush_operations\":0,"
		"\"failed_rd_operations\":%u,\"rd_total_time_ns\":%.0f,\"idle_time_ns\":%.0f}}]",
		s.reads, s.failed, s.busy_s * 1e9, s.idle_s * 1e9);

	case_text(c, round, "qmp.query-blockstats", "", text);
}

struct ring {
	unsigned in_flight, taken, used;
	int offered, event; /* -1: not read */
};

static void put_ring(struct vh_case *c, enum vh_round round, struct ring r)
{
	vh_auto_free char *text = vh_asprintf(
		"{\"name\":\"virtio-blk\",\"inuse\":%u,\"last-avail-idx\":%u,\"used-idx\":%u,"
		"\"vring-num\":256,\"vring-desc\":65536}",
		r.in_flight, r.taken, r.used);

	case_text(c, round, "qmp.x-query-virtio-queue-status", QUEUE, text);
	if (r.offered < 0)
		return;
	vh_auto_free char *event =
		r.event < 0 ? vh_strdup("") : vh_asprintf("used-event %d\n", r.event);
	vh_auto_free char *memory = vh_asprintf("avail %d\nused %u\n%s", r.offered, r.used, event);

	case_text(c, round, "guest.vring", QUEUE, memory);
}

/* The same ring at both looks, and counters that stand still. */
static struct vh_case *ring_stands_still(const char *file, struct ring r)
{
	struct vh_case *c = idle(file);

	put_stats(c, VH_ASKED, (struct stats){.reads = 20, .idle_s = 5});
	put_stats(c, VH_ASKED_AGAIN, (struct stats){.reads = 20, .idle_s = 6});
	put_ring(c, VH_ASKED, r);
	put_ring(c, VH_ASKED_AGAIN, r);
	return c;
}

static void a_request_that_is_not_answered(void **state VH_UNUSED)
{
	struct ring waits = {1, 21, 20, 21, -1};

	EXPECT(ring_stands_still("/img/a.raw", waits), "storage-does-not-answer", BLOCKED, YES,
		VH_LIKELY);
	EXPECT(ring_stands_still("rbd:pool/a", waits), "storage-does-not-answer", BLOCKED, YES,
		VH_LIKELY);
	EXPECT(ring_stands_still("nbd:10.0.0.1:10809/a", waits), "nbd-server-stalled", BLOCKED, YES,
		VH_LIKELY);
}

static void a_drive_that_is_not_used_does_not_hang(void **state VH_UNUSED)
{
	struct ring quiet = {0, 20, 20, 20, 20};

	EXPECT(ring_stands_still("/img/a.raw", quiet), "guest-idle", IDLE, NO, VH_CERTAIN);
	EXPECT(ring_stands_still("nbd:10.0.0.1:10809/a", quiet), "guest-idle", IDLE, NO, VH_LIKELY);
}

/* Requests in flight at both looks, but others. */
static void slow_storage_is_not_silent(void **state VH_UNUSED)
{
	struct vh_case *c = idle("/img/a.raw");

	put_stats(c, VH_ASKED, (struct stats){.reads = 20, .idle_s = 0.01});
	put_stats(c, VH_ASKED_AGAIN, (struct stats){.reads = 23, .idle_s = 0.2});
	put_ring(c, VH_ASKED, (struct ring){4, 24, 20, 24, -1});
	put_ring(c, VH_ASKED_AGAIN, (struct ring){4, 27, 23, 27, -1});
	EXPECT(c, "guest-idle", IDLE, NO, VH_CERTAIN);
}

/* A moment between two looks is no time for storage. */
static void a_moment_is_not_long(void **state VH_UNUSED)
{
	struct vh_case *c = ring_stands_still("/img/a.raw", (struct ring){1, 21, 20, 21, -1});

	vh_case_foreach (c, e)
		if (e->round == VH_ASKED_AGAIN)
			e->at_ns = case_at_ns[VH_ASKED] + 105 * VH_NS_PER_MS;
	EXPECT(c, "guest-idle", IDLE, NO, VH_CERTAIN);
}

static void nbd_connect(struct vh_case *c)
{
	case_thread(c,
		(struct case_thread){
			.tid = CASE_PID + 99, .name = "nbd-connect", .wchan = "hrtimer_nanosleep"});
}

static void an_nbd_server_that_is_gone(void **state VH_UNUSED)
{
	struct vh_case *c =
		ring_stands_still("nbd:10.0.0.1:10809/a", (struct ring){1, 21, 20, 21, -1});

	nbd_connect(c);
	EXPECT(c, "nbd-server-gone", BLOCKED, YES, VH_CERTAIN);
	c = idle("nbd:10.0.0.1:10809/a");
	nbd_connect(c);
	put_stats(c, VH_ASKED, (struct stats){.reads = 20, .failed = 100});
	put_stats(c, VH_ASKED_AGAIN, (struct stats){.reads = 20, .failed = 150});
	EXPECT(c, "nbd-server-gone", BLOCKED, YES, VH_CERTAIN);
}

static struct vh_case *worker_waits(
	char state, const char *wchan, const char *stack, unsigned wakeups_per_s)
{
	struct vh_case *c = idle("/img/a.raw");

	case_thread(c, (struct case_thread){.tid = CASE_PID + 50,
			       .name = "worker",
			       .state = state,
			       .wchan = wchan,
			       .stack = stack,
			       .voluntary_per_s = wakeups_per_s,
			       .syscall = "18 0x9 0x7f 0x10000 0x8000 0x0 0x0 0x7f 0x7f\n",
			       .fd = "9\t/img/a.raw"});
	return c;
}

static void threads_tell_which_storage_is_silent(void **state VH_UNUSED)
{
	EXPECT(worker_waits('S', "request_wait_answer",
		       "[<0>] request_wait_answer+0x112/0x210\n[<0>] fuse_readahead+0x1/0x2\n", 0),
		"fuse-backend-stalled", BLOCKED, YES, VH_LIKELY);
	EXPECT(worker_waits('D', "percpu_rwsem_wait",
		       "[<0>] percpu_rwsem_wait+0x15f/0x1d0\n[<0>] vfs_write+0x3f0/0x450\n", 0),
		"host-filesystem-frozen", BLOCKED, YES, VH_CERTAIN);
	EXPECT(worker_waits('D', "rpc_wait_bit_killable",
		       "[<0>] rpc_wait_bit_killable+0x11/0x70 [sunrpc]\n"
		       "[<0>] __rpc_wait_for_completion_task+0x2d/0x40 [sunrpc]\n"
		       "[<0>] nfs4_proc_write_wait+0x1/0x2 [nfsv4]\n",
		       0),
		"nfs-server-silent", BLOCKED, YES, VH_LIKELY);
	EXPECT(worker_waits('D', "io_schedule",
		       "[<0>] io_schedule+0x46/0x70\n[<0>] blkdev_read_iter+0x1/0x2\n", 0),
		"storage-in-d-state", BLOCKED, YES, VH_LIKELY);
	/* Nothing but wchan could be read. */
	EXPECT(worker_waits('D', "percpu_rwsem_wait", NULL, 0), "host-filesystem-frozen", BLOCKED,
		YES, VH_CERTAIN);
}

/* The same percpu semaphore elsewhere is no freeze (cgroup_threadgroup_rwsem, cpu hotplug). */
static void another_semaphore_is_no_freeze(void **state VH_UNUSED)
{
	struct judged j = judge(worker_waits('D', "percpu_rwsem_wait",
		"[<0>] percpu_rwsem_wait+0x15f/0x1d0\n[<0>] cgroup_can_fork+0x1/0x2\n"
		"[<0>] copy_process+0x1/0x2\n",
		0));

	assert_null(vh_fact(j.facts, VH_FACT_HOST_FILES_FROZEN));
	drop(&j);
}

/* It was woken in between: another request, or pages that do come back. */
static void a_thread_that_goes_on_is_well(void **state VH_UNUSED)
{
	static const char *const waits[] = {
		"io_schedule", "request_wait_answer", "rpc_wait_bit_killable", "percpu_rwsem_wait"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(waits); i++) {
		struct judged j = judge(worker_waits('D', waits[i], NULL, 50));

		assert_int_not_equal(j.v->hung, VH_HUNG_YES);
		drop(&j);
	}
}

static void requests_that_fail(void **state VH_UNUSED)
{
	struct vh_case *c = idle("/img/a.raw");

	put_stats(c, VH_ASKED, (struct stats){.reads = 20, .failed = 100});
	put_stats(c, VH_ASKED_AGAIN, (struct stats){.reads = 20, .failed = 105});
	EXPECT(c, "storage-fails", RUNNING, YES, VH_LIKELY);
	/* A bad sector beside good ones; and what failed an hour ago. */
	c = idle("/img/a.raw");
	put_stats(c, VH_ASKED, (struct stats){.reads = 20, .failed = 100});
	put_stats(c, VH_ASKED_AGAIN, (struct stats){.reads = 40, .failed = 101});
	EXPECT(c, "guest-idle", IDLE, NO, VH_CERTAIN);
	c = idle("/img/a.raw");
	put_stats(c, VH_ASKED, (struct stats){.reads = 20, .failed = 100});
	put_stats(c, VH_ASKED_AGAIN, (struct stats){.reads = 20, .failed = 100});
	EXPECT(c, "guest-idle", IDLE, NO, VH_CERTAIN);
}

static struct vh_case *limited(unsigned iops, double busy_s, double idle_s)
{
	struct vh_case *c = idle("/img/a.raw");
	vh_auto_free char *block =
		vh_asprintf("[{\"device\":\"\",\"qdev\":\"" DISK
			    "\",\"inserted\":{\"node-name\":\"disk\",\"file\":\"/img/"
			    "a.raw\",\"iops\":%u,\"iops_rd\":0,\"iops_wr\":0,\"bps\":0}}]",
			iops);

	put_stats(c, VH_ASKED, (struct stats){.reads = 20, .idle_s = idle_s, .busy_s = busy_s});
	put_stats(
		c, VH_ASKED_AGAIN, (struct stats){.reads = 20, .idle_s = idle_s, .busy_s = busy_s});
	case_text(c, VH_ASKED, "qmp.query-block", "", block);
	return c;
}

static void a_drive_at_its_limit(void **state VH_UNUSED)
{
	struct ring waits = {1, 21, 20, 21, -1}, quiet = {0, 20, 20, 20, -1};
	struct vh_case *c = limited(1, 20, 0.6);

	put_ring(c, VH_ASKED, waits);
	put_ring(c, VH_ASKED_AGAIN, waits);
	EXPECT(c, "drive-throttled", BLOCKED, YES, VH_LIKELY);
	/* The limit is there, and nothing waits for it. */
	c = limited(1, 20, 0.6);
	put_ring(c, VH_ASKED, quiet);
	put_ring(c, VH_ASKED_AGAIN, quiet);
	EXPECT(c, "guest-idle", IDLE, NO, VH_CERTAIN);
	/* A generous one. */
	c = limited(1000, 0.02, 0.1);
	put_ring(c, VH_ASKED, (struct ring){8, 28, 20, 28, -1});
	put_ring(c, VH_ASKED_AGAIN, (struct ring){8, 29, 21, 29, -1});
	EXPECT(c, "guest-idle", IDLE, NO, VH_CERTAIN);
	/* Not a virtio disk: used a moment ago, or long ago. */
	EXPECT(limited(1, 20, 0.6), "drive-throttled", BLOCKED, YES, VH_LIKELY);
	EXPECT(limited(1, 20, 100), "guest-idle", IDLE, NO, VH_CERTAIN);
}

static void which_side_of_the_ring_holds_it(void **state VH_UNUSED)
{
	EXPECT(ring_stands_still("/img/a.raw", (struct ring){0, 20, 20, 21, -1}),
		"lost-virtio-kick", BLOCKED, YES, VH_LIKELY);
	EXPECT(ring_stands_still("/img/a.raw", (struct ring){0, 20, 20, 20, 19}),
		"lost-virtio-interrupt", BLOCKED, YES, VH_LIKELY);
	/* Indices wrap. */
	EXPECT(ring_stands_still("/img/a.raw", (struct ring){0, 65535, 65535, 1, -1}),
		"lost-virtio-kick", BLOCKED, YES, VH_LIKELY);
	EXPECT(ring_stands_still("/img/a.raw", (struct ring){0, 2, 2, 2, 65534}),
		"lost-virtio-interrupt", BLOCKED, YES, VH_LIKELY);
	/* More than the ring holds is no ring, but a mark that is never used. */
	EXPECT(ring_stands_still("/img/a.raw", (struct ring){0, 900, 900, 900, 10}), "guest-idle",
		IDLE, NO, VH_CERTAIN);
	/* Such a mark may be 0, too. */
	struct judged j = judge(ring_stands_still("/img/a.raw", (struct ring){0, 20, 20, 20, 0}));

	assert_int_not_equal(j.v->hung, VH_HUNG_YES);
	drop(&j);
}

static void a_ring_that_qemu_gave_up(void **state VH_UNUSED)
{
	struct vh_case *c = idle("/img/a.raw");

	case_text(c, VH_ASKED, "qmp.x-query-virtio-status", DISK,
		"{\"name\":\"virtio-blk\",\"broken\":true}");
	EXPECT(c, "virtio-queue-broken", BLOCKED, YES, VH_CERTAIN);
	/* What QEMU once logged is not held against a device that works. */
	c = idle("/img/a.raw");
	case_text(c, VH_ASKED, "qmp.x-query-virtio-status", DISK,
		"{\"name\":\"virtio-blk\",\"broken\":false}");
	case_text_always(c, "log.qemu", "/log", "qemu: virtio: zero sized buffers\n");
	struct judged j = judge(c);

	assert_int_not_equal(j.v->hung, VH_HUNG_YES);
	drop(&j);
}

static void put_server(struct vh_case *c, enum vh_round round, const char *path, char state)
{
	vh_auto_free char *text = vh_asprintf(
		"99 (server) %c 1 99 99 0 -1 4194560 804 0 0 0 0 1 0 0 30 10 3 0 2490573 272764928 "
		"2267 18446744073709551615 1 1 1 0 0 0 268444224 4096 16387 0 0 0 17 1 0 0 0 0 0 0 "
		"0 0 0 0 0 0 0\n",
		state);

	case_text(c, round, "host.server", path, text);
}

static void a_server_that_is_stopped(void **state VH_UNUSED)
{
	struct ring waits = {1, 21, 20, 21, -1}, quiet = {0, 20, 20, 20, -1};
	struct vh_case *c = ring_stands_still("nbd+unix:/run/a.sock", waits);

	put_server(c, VH_ONCE, "/run/a.sock", 'T');
	put_server(c, VH_LAST, "/run/a.sock", 'T');
	EXPECT(c, "nbd-server-stalled", BLOCKED, YES, VH_CERTAIN);
	/* Stopped for a moment. */
	c = ring_stands_still("nbd+unix:/run/a.sock", waits);
	put_server(c, VH_ONCE, "/run/a.sock", 'T');
	put_server(c, VH_LAST, "/run/a.sock", 'S');
	EXPECT(c, "nbd-server-stalled", BLOCKED, YES, VH_LIKELY);
	/* Nobody has noticed. */
	c = ring_stands_still("nbd+unix:/run/a.sock", quiet);
	put_server(c, VH_ONCE, "/run/a.sock", 'T');
	put_server(c, VH_LAST, "/run/a.sock", 'T');
	EXPECT(c, "guest-idle", IDLE, NO, VH_LIKELY);
}

static struct vh_case *with_vhost_user(const char *filename)
{
	static const char arguments[] = "qemu\0-chardev\0socket,id=vu0,path=/run/v.sock\0-device\0"
					"vhost-user-fs-pci,tag=a,chardev=vu0";
	struct vh_case *c = idle("/img/a.raw");
	vh_auto_free char *chardevs =
		vh_asprintf("[{\"label\":\"vu\",\"filename\":\"disconnected:unix:/run/"
			    "x\",\"frontend-open\":true},"
			    "{\"label\":\"vu0\",\"filename\":\"%s\",\"frontend-open\":true}]",
			filename);

	case_data(c, VH_ONCE, "proc.cmdline", "", arguments, sizeof(arguments));
	case_text(c, VH_ASKED, "qmp.query-chardev", "", chardevs);
	return c;
}

static void a_vhost_user_backend(void **state VH_UNUSED)
{
	struct vh_case *c = with_vhost_user("disconnected:unix:/run/v.sock");

	EXPECT(c, "vhost-user-backend-gone", BLOCKED, YES, VH_CERTAIN);
	/* Connected; and a character device of another kind that nobody is connected to. */
	EXPECT(with_vhost_user("unix:"), "guest-idle", IDLE, NO, VH_CERTAIN);
	c = with_vhost_user("unix:");
	put_server(c, VH_ONCE, "/run/v.sock", 'T');
	put_server(c, VH_LAST, "/run/v.sock", 'T');
	EXPECT(c, "vhost-user-backend-stalled", BLOCKED, YES, VH_LIKELY);
	c = with_vhost_user("unix:");
	put_server(c, VH_ONCE, "/run/v.sock", 'S');
	put_server(c, VH_LAST, "/run/v.sock", 'S');
	EXPECT(c, "guest-idle", IDLE, NO, VH_CERTAIN);
}

static void a_limit_of_the_cgroup(void **state VH_UNUSED)
{
	static const char stack[] = "[<0>] io_schedule+0x46/0x70\n[<0>] blkdev_read_iter+0x1/0x2\n";
	struct vh_case *c = worker_waits('D', "io_schedule", stack, 0);

	case_text_always(c, "cgroup.io.max", "v2:/vm", "7:0 rbps=100 wbps=max riops=max wiops=9\n");
	EXPECT(c, "cgroup-io-limit", BLOCKED, YES, VH_LIKELY);
	c = worker_waits('D', "io_schedule", stack, 0);
	case_text_always(c, "cgroup.blkio.throttle.read_iops_device", "v1:blkio:/vm", "7:0 1\n");
	EXPECT(c, "cgroup-io-limit", BLOCKED, YES, VH_LIKELY);
	/* A generous one, none, and one that nobody waits for. */
	c = worker_waits('D', "io_schedule", stack, 0);
	case_text_always(c, "cgroup.io.max", "v2:/vm", "7:0 rbps=100000000\n");
	EXPECT(c, "storage-in-d-state", BLOCKED, YES, VH_LIKELY);
	c = worker_waits('D', "io_schedule", stack, 0);
	case_text_always(c, "cgroup.io.max", "v2:/vm", "\n");
	EXPECT(c, "storage-in-d-state", BLOCKED, YES, VH_LIKELY);
	c = idle("/img/a.raw");
	case_text_always(c, "cgroup.io.max", "v2:/vm", "7:0 rbps=100\n");
	EXPECT(c, "guest-idle", IDLE, NO, VH_CERTAIN);
}

static void hostile_rings_are_refused(void **state VH_UNUSED)
{
	static const char *const bad[] = {"[]", "{", "{\"vring-num\":0,\"inuse\":1}",
		"{\"vring-num\":256,\"inuse\":1,\"last-avail-idx\":99999,\"used-idx\":1}",
		"{\"vring-num\":256,\"inuse\":-1,\"last-avail-idx\":9,\"used-idx\":1}"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(bad); i++) {
		struct vh_case *c = idle("/img/a.raw");

		case_text(c, VH_ASKED, "qmp.x-query-virtio-queue-status", QUEUE, bad[i]);
		case_text(c, VH_ASKED_AGAIN, "qmp.x-query-virtio-queue-status", QUEUE, bad[i]);
		case_text(c, VH_ASKED, "qmp.x-query-virtio-queue-status", "no number", bad[i]);
		EXPECT(c, "guest-idle", IDLE, NO, VH_CERTAIN);
	}
}

static void a_full_disk_and_another_error(void **state VH_UNUSED)
{
	static const struct {
		const char *io_status, *cause;
	} rows[] = {{"nospace", "paused-no-space"}, {"failed", "paused-io-error"},
		{"ok", "paused-io-error"}};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_case *c = idle("/img/a.raw");
		vh_auto_free char *block = vh_asprintf(
			"[{\"device\":\"disk\",\"io-status\":\"%s\"}]", rows[i].io_status);

		case_status(c, "io-error", false);
		case_text(c, VH_ASKED, "qmp.query-block", "", block);
		EXPECT(c, rows[i].cause, PAUSED, YES, VH_CERTAIN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_that_is_not_answered),
		cmocka_unit_test(a_drive_that_is_not_used_does_not_hang),
		cmocka_unit_test(slow_storage_is_not_silent),
		cmocka_unit_test(a_moment_is_not_long),
		cmocka_unit_test(an_nbd_server_that_is_gone),
		cmocka_unit_test(threads_tell_which_storage_is_silent),
		cmocka_unit_test(another_semaphore_is_no_freeze),
		cmocka_unit_test(a_thread_that_goes_on_is_well),
		cmocka_unit_test(requests_that_fail),
		cmocka_unit_test(a_drive_at_its_limit),
		cmocka_unit_test(which_side_of_the_ring_holds_it),
		cmocka_unit_test(a_ring_that_qemu_gave_up),
		cmocka_unit_test(a_server_that_is_stopped),
		cmocka_unit_test(a_vhost_user_backend),
		cmocka_unit_test(a_limit_of_the_cgroup),
		cmocka_unit_test(hostile_rings_are_refused),
		cmocka_unit_test(a_full_disk_and_another_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
