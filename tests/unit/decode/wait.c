/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a thread waits in: wchan and stacks as seen in the scenarios of Linux 5.4 to 6.18. */
#include "decode/model.h"

#include "tests/unit/casebuild.h"
#include "tests/unit/test.h"

#define STACK_POLL                                                                                 \
	"[<0>] poll_schedule_timeout.constprop.0+0x37/0x90\n"                                      \
	"[<0>] do_sys_poll+0x400/0x590\n"                                                          \
	"[<0>] __x64_sys_ppoll+0xbb/0x180\n"                                                       \
	"[<0>] do_syscall_64+0x71/0x280\n"
#define STACK_FUTEX                                                                                \
	"[<0>] futex_do_wait+0x46/0x90\n"                                                          \
	"[<0>] __futex_wait+0x8a/0x100\n"                                                          \
	"[<0>] do_futex+0xfd/0x250\n"
#define STACK_HALT                                                                                 \
	"[<0>] kvm_vcpu_block+0x4d/0xb0 [kvm]\n"                                                   \
	"[<0>] kvm_vcpu_halt+0x9c/0x430 [kvm]\n"                                                   \
	"[<0>] kvm_arch_vcpu_ioctl_run+0x2c5/0x720 [kvm]\n"                                        \
	"[<0>] kvm_vcpu_ioctl+0x290/0x760 [kvm]\n"
#define STACK_FUSE_FAULT                                                                           \
	"[<0>] request_wait_answer+0x12b/0x210 [fuse]\n"                                           \
	"[<0>] __fuse_simple_request+0xd8/0x2c0 [fuse]\n"                                          \
	"[<0>] fuse_do_readfolio+0x11f/0x1e0 [fuse]\n"                                             \
	"[<0>] filemap_read_folio+0x3c/0xd0\n"                                                     \
	"[<0>] filemap_fault+0x6d7/0xb50\n"                                                        \
	"[<0>] __do_fault+0x33/0x110\n"                                                            \
	"[<0>] kvm_vcpu_ioctl+0x290/0x760 [kvm]\n"
#define STACK_RECLAIM                                                                              \
	"[<0>] shrink_node+0x5f1/0xb20\n"                                                          \
	"[<0>] do_try_to_free_pages+0xd8/0x4f0\n"                                                  \
	"[<0>] try_to_free_mem_cgroup_pages+0x10f/0x240\n"                                         \
	"[<0>] try_charge_memcg+0x1c2/0x640\n"                                                     \
	"[<0>] filemap_fault+0x6d7/0xb50\n"
#define STACK_SPLIT_LOCK                                                                           \
	"[<0>] msleep_interruptible+0x2f/0x40\n"                                                   \
	"[<0>] split_lock_warn+0xb2/0xf0\n"                                                        \
	"[<0>] handle_guest_split_lock+0x3a/0x90\n"                                                \
	"[<0>] vmx_handle_exit+0x14/0x790 [kvm_intel]\n"
#define STACK_NFS                                                                                  \
	"[<0>] rpc_wait_bit_killable+0x1e/0xb0 [sunrpc]\n"                                         \
	"[<0>] nfs_file_fsync+0x8c/0x190 [nfs]\n"
#define STACK_FUSE_EXPORT                                                                          \
	"[<0>] fuse_dev_do_read+0x2f1/0x8a0 [fuse]\n[<0>] fuse_dev_read+0x60/0x90 [fuse]\n"

static enum vh_wait wait_of(struct case_thread t, const char *frozen)
{
	struct vh_case *c = case_new(1);

	if (frozen)
		case_text_always(c, "cgroup.cgroup.events", "v2:/vm", frozen);
	case_thread(c, t);
	struct vh_model *m = vh_model_build(c);

	assert_int_equal(m->n_threads, 1);
	enum vh_wait wait = m->threads[0]->wait;

	assert_int_equal(m->threads[0]->last.wait, wait);
	vh_model_free(m);
	vh_case_free(c);
	return wait;
}

#define WRITE_7 "1 0x7 0x7f00 0x1000 0x0 0x0 0x0 0x7ffc0000 0x7f0000000004\n"
#define PREAD_7 "17 0x7 0x7f00 0x1000 0x0 0x0 0x0 0x7ffc0000 0x7f0000000004\n"
#define SLEEP   "230 0x0 0x0 0x7f00 0x0 0x0 0x0 0x7ffc0000 0x7f0000000004\n"

static const struct {
	struct case_thread t;
	enum vh_wait wait;
	const char *frozen;
} scenarios[] = {
	{{.state = 'R', .syscall = "running\n"}, VH_WAIT_NONE},
	{{.state = 'R', .wchan = "kvm_vcpu_block"}, VH_WAIT_NONE},
	{{.wchan = "kvm_vcpu_block", .syscall = CASE_KVM_RUN}, VH_WAIT_KVM_HALT},
	{{.wchan = "kvm_vcpu_block.isra.0"}, VH_WAIT_KVM_HALT},
	{{.stack = STACK_HALT}, VH_WAIT_KVM_HALT},
	{{.wchan = "do_sys_poll", .syscall = CASE_POLL}, VH_WAIT_POLL},
	{{.wchan = "poll_schedule_timeout.constprop.0", .stack = STACK_POLL}, VH_WAIT_POLL},
	{{.wchan = "ep_poll"}, VH_WAIT_POLL},
	{{.wchan = "futex_wait_queue_me"}, VH_WAIT_FUTEX}, /* 5.4 to 5.15 */
	{{.wchan = "futex_wait_queue"}, VH_WAIT_FUTEX},    /* 5.16 */
	{{.wchan = "futex_do_wait", .stack = STACK_FUTEX}, VH_WAIT_FUTEX},
	{{.state = 'T', .wchan = "do_signal_stop"}, VH_WAIT_STOPPED},
	{{.wchan = "do_signal_stop"}, VH_WAIT_STOPPED},
	{{.state = 't', .wchan = "ptrace_stop"}, VH_WAIT_TRACED},
	{{.state = 'D', .wchan = "__refrigerator"}, VH_WAIT_FROZEN},
	{{.wchan = "get_signal"}, VH_WAIT_FROZEN, "populated 1\nfrozen 1\n"},
	{{.wchan = "get_signal"}, VH_WAIT_KERNEL, "populated 1\nfrozen 0\n"},
	{{.wchan = "request_wait_answer"}, VH_WAIT_FUSE},
	{{.wchan = "request_wait_answer", .syscall = PREAD_7}, VH_WAIT_FUSE},
	{{.stack = STACK_FUSE_FAULT, .syscall = CASE_KVM_RUN}, VH_WAIT_FUSE},
	{{.stack = STACK_FUSE_EXPORT}, VH_WAIT_POLL},
	{{.wchan = "handle_userfault", .syscall = CASE_KVM_RUN}, VH_WAIT_USERFAULT},
	{{.wchan = "hrtimer_nanosleep", .syscall = SLEEP}, VH_WAIT_SLEEP},
	{{.wchan = "do_nanosleep"}, VH_WAIT_SLEEP},
	{{.wchan = "pipe_write", .syscall = WRITE_7}, VH_WAIT_PIPE},
	{{.wchan = "anon_pipe_write"}, VH_WAIT_PIPE}, /* 6.15 */
	{{.wchan = "unix_stream_read_generic"}, VH_WAIT_PEER},
	{{.wchan = "unix_wait_for_peer",
		 .stack = "[<0>] unix_wait_for_peer+0x9/0xf\n[<0>] unix_stream_connect+0x1/0x2\n"},
		VH_WAIT_CONNECT},
	{{.wchan = "sk_stream_wait_memory"}, VH_WAIT_PIPE},
	{{.wchan = "n_tty_write"}, VH_WAIT_PIPE},
	{{.state = 'D', .wchan = "shrink_node"}, VH_WAIT_MEMORY},
	{{.stack = STACK_RECLAIM}, VH_WAIT_MEMORY},
	{{.state = 'D', .wchan = "io_schedule"}, VH_WAIT_DISK},
	{{.state = 'D', .wchan = "folio_wait_bit_common"}, VH_WAIT_DISK},
	{{.state = 'D', .wchan = "wait_on_page_bit_common"}, VH_WAIT_DISK}, /* 5.4 */
	{{.state = 'D', .wchan = "jbd2_log_wait_commit"}, VH_WAIT_DISK},
	{{.state = 'D', .stack = STACK_NFS}, VH_WAIT_DISK},
	{{.stack = STACK_SPLIT_LOCK, .syscall = CASE_KVM_RUN}, VH_WAIT_SPLIT_LOCK},
	{{.wchan = "msleep_interruptible", .syscall = CASE_KVM_RUN}, VH_WAIT_SPLIT_LOCK},
	{{.wchan = "msleep_interruptible"}, VH_WAIT_KERNEL},
	{{.wchan = "wait_for_completion"}, VH_WAIT_KERNEL},
	/* wchan denied: by the system call */
	{{.syscall = CASE_POLL}, VH_WAIT_POLL},
	{{.syscall = CASE_FUTEX}, VH_WAIT_FUTEX},
	{{.syscall = SLEEP}, VH_WAIT_SLEEP},
	{{.syscall = PREAD_7}, VH_WAIT_DISK},
	{{.syscall = WRITE_7, .fd = "7\tpipe:[123]"}, VH_WAIT_PIPE},
	{{.syscall = WRITE_7, .fd = "7\t/dev/pts/3"}, VH_WAIT_PIPE},
	{{.syscall = WRITE_7, .fd = "7\t/var/disk.raw"}, VH_WAIT_DISK},
	{{.syscall = WRITE_7}, VH_WAIT_UNKNOWN},
	{{.syscall = CASE_KVM_RUN}, VH_WAIT_UNKNOWN},
	{{.syscall = "-1 0x7ffc 0x7f00\n"}, VH_WAIT_UNKNOWN},
	{{.wchan = ""}, VH_WAIT_UNKNOWN},
	{{.state = 'Z'}, VH_WAIT_UNKNOWN},
};

static void each_scenario_by_its_wait(void **state VH_UNUSED)
{
	for (size_t i = 0; i < VH_ARRAY_SIZE(scenarios); i++) {
		enum vh_wait wait = wait_of(scenarios[i].t, scenarios[i].frozen);

		if (wait != scenarios[i].wait)
			print_error("row %zu: %s\n", i, vh_wait_name(wait));
		assert_string_equal(vh_wait_name(wait), vh_wait_name(scenarios[i].wait));
	}
}

/* A vCPU counts as what it mostly does; another thread as what it did last. */
static void most_samples_decide_for_a_vcpu(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	case_halted_vcpu(c, 0, 18);
	case_thread(c, (struct case_thread){.tid = 99, .name = "worker", .wchan = "futex_do_wait"});
	for (int i = 0; i < 2; i++) {
		struct vh_evidence *e =
			vh_case_find(c, "task.stat", i ? "tid:99" : "tid:4721", VH_LAST);
		char *s = strchr(e->data, ')');

		s[2] = 'R';
	}
	struct vh_model *m = vh_model_build(c);

	assert_int_equal(m->vcpus[0]->thread->last.wait, VH_WAIT_NONE);
	assert_int_equal(m->vcpus[0]->thread->wait, VH_WAIT_KVM_HALT);
	assert_int_equal(m->threads[0]->role, VH_ROLE_WORKER);
	assert_int_equal(m->threads[0]->wait, VH_WAIT_NONE);
	vh_model_free(m);
	vh_case_free(c);
}

/* arm64 has other numbers: 271 is no poll there, and ioctl is 29. */
static void other_machines_have_other_numbers(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	case_text(c, VH_ONCE, "host.uname", "", "Linux\n6.1.0\n#1 SMP\naarch64\n");
	case_thread(c, (struct case_thread){.syscall = CASE_POLL});
	case_thread(c, (struct case_thread){
			       .vcpu = 1, .syscall = "29 0xd 0xae80 0x0 0x0 0x0 0x0 0x1 0x2\n"});
	struct vh_model *m = vh_model_build(c);

	assert_int_equal(m->vcpus[0]->thread->wait, VH_WAIT_UNKNOWN);
	assert_true(m->vcpus[1]->thread->last.in_kvm_run);
	vh_model_free(m);
	vh_case_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_scenario_by_its_wait),
		cmocka_unit_test(most_samples_decide_for_a_vcpu),
		cmocka_unit_test(other_machines_have_other_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
