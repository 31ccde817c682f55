/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A kernel of a few structures, for tests and fuzz targets of what reads tasks: init (pid 1), a
 * kernel thread, and two processes, one of two threads, that wait for each other's mutex. CPU 0
 * runs pid 1.
 */
#pragma once

#include "guest/kernel.h"
#include "guest/modules.h"
#include "guest/unwind.h"
#include "tests/unit/guest/btfbuild.h"
#include "tests/unit/guest/image.h"

#define INIT_TASK "ffffffff82000000"
#define TASK_1    "ffff888000001000"
#define TASK_2    "ffff888000001200"
#define TASK_A    "ffff888000001400"
#define TASK_A2   "ffff888000001600"
#define TASK_B    "ffff888000001800"

#define TASK_TYPES                                                                                 \
	"struct list_head 10\n"                                                                    \
	"0 next 8\n"                                                                               \
	"8 prev 8\n"                                                                               \
	"struct thread_struct 10\n"                                                                \
	"8 sp 8\n"                                                                                 \
	"struct sched_entity 10\n"                                                                 \
	"8 exec_start 8\n"                                                                         \
	"struct task_struct 100\n"                                                                 \
	"0 __state 4\n"                                                                            \
	"8 stack 8\n"                                                                              \
	"10 tasks @list_head\n"                                                                    \
	"20 pid 4\n"                                                                               \
	"24 tgid 4\n"                                                                              \
	"28 thread_node @list_head\n"                                                              \
	"38 signal 8\n"                                                                            \
	"40 comm 1*10\n"                                                                           \
	"50 se @sched_entity\n"                                                                    \
	"60 thread @thread_struct\n"                                                               \
	"70 on_cpu 4\n"                                                                            \
	"74 cpu 4\n"                                                                               \
	"78 flags 4\n"                                                                             \
	"7c exit_state 4\n"                                                                        \
	"80 mm 8\n"                                                                                \
	"440 in_iowait :1\n"                                                                       \
	"struct signal_struct 20\n"                                                                \
	"0 thread_head @list_head\n"                                                               \
	"struct thread_union 1000\n"                                                               \
	"0 stack 8*200\n"                                                                          \
	"struct inactive_task_frame 10\n"                                                          \
	"0 bp 8\n"                                                                                 \
	"8 ret_addr 8\n"                                                                           \
	"struct rq 20\n"                                                                           \
	"0 nr_running 4\n"                                                                         \
	"8 clock 8\n"                                                                              \
	"10 clock_task 8\n"

#define LOCK_TYPES                                                                                 \
	"struct mutex 20\n"                                                                        \
	"0 owner 8\n"                                                                              \
	"10 wait_list @list_head\n"                                                                \
	"struct mutex_waiter 18\n"                                                                 \
	"0 list @list_head\n"                                                                      \
	"10 task 8\n"                                                                              \
	"struct rw_semaphore 28\n"                                                                 \
	"8 owner 8\n"                                                                              \
	"18 wait_list @list_head\n"                                                                \
	"struct rwsem_waiter 18\n"                                                                 \
	"0 list @list_head\n"                                                                      \
	"10 task 8\n"                                                                              \
	"struct swait_queue 18\n"                                                                  \
	"0 task 8\n"                                                                               \
	"8 task_list @list_head\n"                                                                 \
	"struct swait_queue_head 18\n"                                                             \
	"8 task_list @list_head\n"                                                                 \
	"struct completion 20\n"                                                                   \
	"0 done 4\n"                                                                               \
	"8 wait @swait_queue_head\n"                                                               \
	"struct wait_queue_entry 28\n"                                                             \
	"0 flags 4\n"                                                                              \
	"8 private 8\n"                                                                            \
	"18 entry @list_head\n"                                                                    \
	"struct wait_queue_head 18\n"                                                              \
	"8 head @list_head\n"                                                                      \
	"struct percpu_rw_semaphore 40\n"                                                          \
	"8 waiters @wait_queue_head\n"                                                             \
	"struct sb_writers d0\n"                                                                   \
	"0 frozen 4\n"                                                                             \
	"10 rw_sem 40*3\n"                                                                         \
	"struct file_system_type 8\n"                                                              \
	"0 name 8\n"                                                                               \
	"struct super_block 120\n"                                                                 \
	"8 s_type 8\n"                                                                             \
	"10 s_id 1*20\n"                                                                           \
	"30 s_writers @sb_writers\n"

#define MEMORY_TYPES                                                                               \
	"struct rb_node 18\n"                                                                      \
	"8 rb_right 8\n"                                                                           \
	"10 rb_left 8\n"                                                                           \
	"struct vm_area_struct 60\n"                                                               \
	"0 vm_start 8\n"                                                                           \
	"8 vm_end 8\n"                                                                             \
	"10 vm_file 8\n"                                                                           \
	"18 vm_pgoff 8\n"                                                                          \
	"20 vm_rb @rb_node\n"                                                                      \
	"struct qstr 10\n"                                                                         \
	"8 name 8\n"                                                                               \
	"struct dentry 20\n"                                                                       \
	"0 d_parent 8\n"                                                                           \
	"8 d_name @qstr\n"                                                                         \
	"struct vfsmount 10\n"                                                                     \
	"0 mnt_root 8\n"                                                                           \
	"struct mount 30\n"                                                                        \
	"0 mnt_parent 8\n"                                                                         \
	"8 mnt_mountpoint 8\n"                                                                     \
	"10 mnt @vfsmount\n"                                                                       \
	"struct path 10\n"                                                                         \
	"0 mnt 8\n"                                                                                \
	"8 dentry 8\n"                                                                             \
	"struct file 20\n"                                                                         \
	"10 f_path @path\n"

#define MAPLE_TYPES                                                                                \
	"struct maple_tree 10\n"                                                                   \
	"8 ma_root 8\n"                                                                            \
	"struct maple_range_64 100\n"                                                              \
	"8 pivot 8*f\n"                                                                            \
	"80 slot 8*10\n"                                                                           \
	"struct maple_arange_64 100\n"                                                             \
	"8 pivot 8*9\n"                                                                            \
	"50 slot 8*a\n"                                                                            \
	"struct mm_struct 80\n"                                                                    \
	"0 mm_mt @maple_tree\n"                                                                    \
	"10 start_stack 8\n"                                                                       \
	"18 start_brk 8\n"                                                                         \
	"20 brk 8\n"                                                                               \
	"30 mmap_lock @rw_semaphore\n"

#define RB_TYPES                                                                                   \
	"struct rb_root 8\n"                                                                       \
	"0 rb_node 8\n"                                                                            \
	"struct mm_struct 40\n"                                                                    \
	"0 mm_rb @rb_root\n"                                                                       \
	"10 start_stack 8\n"

#define ALL_TYPES TASK_TYPES LOCK_TYPES MEMORY_TYPES MAPLE_TYPES

/* state, stack; tasks; pid, tgid; thread_node, signal; comm; exec_start; sp; on_cpu, cpu, flags */
#define TASK_IMAGE                                                                                 \
	"map ffffffff81000000 1000000 1000 x\n"                                                    \
	"map ffffffff82000000 2000000 1000 w\n"                                                    \
	"map ffff888000001000 1000 8000 w\n"                                                       \
	"symbol _stext ffffffff81000000 T\n"                                                       \
	"symbol _etext ffffffff81001000 T\n"                                                       \
	"symbol __mutex_lock.constprop.0 ffffffff81000100 t\n"                                     \
	"symbol rwsem_down_write_slowpath ffffffff81000200 t\n"                                    \
	"symbol __wait_for_common ffffffff81000300 t\n"                                            \
	"symbol io_schedule ffffffff81000400 t\n"                                                  \
	"symbol percpu_rwsem_wait ffffffff81000500 t\n"                                            \
	"symbol native_queued_spin_lock_slowpath ffffffff81000600 t\n"                             \
	"symbol synchronize_rcu ffffffff81000700 t\n"                                              \
	"symbol init_task " INIT_TASK " D\n"                                                       \
	"symbol first ffffffff82000400 D\n"                                                        \
	"symbol second ffffffff82000420 D\n"                                                       \
	"symbol third ffffffff82000440 D\n"                                                        \
	"symbol nr_cpu_ids ffffffff82000800 D\n"                                                   \
	"u32 ffffffff82000800 2\n"                                                                 \
	"symbol __per_cpu_offset ffffffff82000810 D\n"                                             \
	"u64 ffffffff82000810 0 100\n"                                                             \
	"symbol current_task ffffffff82000900 D\n"                                                 \
	"u64 ffffffff82000900 " TASK_1 "\n"                                                        \
	"u64 ffffffff82000a00 " INIT_TASK "\n"                                                     \
	"symbol runqueues ffffffff82000940 D\n"                                                    \
	"u64 ffffffff82000940 3 5000000000 4f00000000\n"                                           \
	"u64 ffffffff82000a40 0 4000000000 4000000000\n"                                           \
	"symbol the_end ffffffff82000ff8 D\n"                                                      \
	"str ffffffff82000040 swapper/0\n"                                                         \
	"u64 ffffffff82000010 ffff888000001010 ffff888000001810\n"                                 \
	"u64 ffff888000001000 0 ffff888000002000 ffff888000001210 ffffffff82000010\n"              \
	"u32 ffff888000001020 1 1\n"                                                               \
	"u64 ffff888000001028 ffff888000001c00 ffff888000001c00 ffff888000001c00\n"                \
	"u64 ffff888000001c00 ffff888000001028 ffff888000001028\n"                                 \
	"str ffff888000001040 init\n"                                                              \
	"u64 ffff888000001058 4e00000000\n"                                                        \
	"u64 ffff888000001068 ffff888000002f00\n"                                                  \
	"u32 ffff888000001070 1 0\n"                                                               \
	"u64 ffff888000001080 ffff888000007000\n"                                                  \
	"u64 ffff888000001200 402 ffff888000003000 ffff888000001410 ffff888000001010\n"            \
	"u32 ffff888000001220 2 2\n"                                                               \
	"u64 ffff888000001228 ffff888000001c20 ffff888000001c20 ffff888000001c20\n"                \
	"u64 ffff888000001c20 ffff888000001228 ffff888000001228\n"                                 \
	"str ffff888000001240 kthreadd\n"                                                          \
	"u64 ffff888000001258 1000000000\n"                                                        \
	"u64 ffff888000001268 ffff888000003f00\n"                                                  \
	"u32 ffff888000001270 0 1 200000\n"                                                        \
	"u64 ffff888000001400 2 ffff888000004000 ffff888000001810 ffff888000001210\n"              \
	"u32 ffff888000001420 64 64\n"                                                             \
	"u64 ffff888000001428 ffff888000001628 ffff888000001c40 ffff888000001c40\n"                \
	"u64 ffff888000001c40 ffff888000001428 ffff888000001628\n"                                 \
	"str ffff888000001440 a\n"                                                                 \
	"u64 ffff888000001458 3000000000\n"                                                        \
	"u64 ffff888000001468 ffff888000004f00\n"                                                  \
	"u32 ffff888000001470 0 1\n"                                                               \
	"u64 ffff888000001480 ffff888000007000\n"                                                  \
	"u64 ffff888000001600 1 ffff888000005000 0 0\n"                                            \
	"u32 ffff888000001620 65 64\n"                                                             \
	"u64 ffff888000001628 ffff888000001c40 ffff888000001428 ffff888000001c40\n"                \
	"str ffff888000001640 a/second\n"                                                          \
	"u64 ffff888000001658 3800000000\n"                                                        \
	"u64 ffff888000001668 ffff888000005f00\n"                                                  \
	"u64 ffff888000001680 ffff888000007000\n"                                                  \
	"u64 ffff888000001800 102 ffff888000006000 ffffffff82000010 ffff888000001410\n"            \
	"u32 ffff888000001820 c8 c8\n"                                                             \
	"u64 ffff888000001828 ffff888000001c60 ffff888000001c60 ffff888000001c60\n"                \
	"u64 ffff888000001c60 ffff888000001828 ffff888000001828\n"                                 \
	"str ffff888000001840 b\n"                                                                 \
	"u64 ffff888000001868 ffff888000006f00\n"                                                  \
	"u64 ffff888000001880 ffff888000007000\n" /* first is a's, with a flag, and b waits for    \
						     it; second is b's, and a waits for it. */     \
	"u64 ffffffff82000400 ffff888000001401 0 ffff888000006f40 ffff888000006f40\n"              \
	"u64 ffffffff82000420 ffff888000001801 0 ffff888000004f40 ffff888000004f40\n"              \
	"u64 ffff888000004f00 0 ffffffff81000110\n"                                                \
	"u64 ffff888000004f40 ffffffff82000430 ffffffff82000430 " TASK_A "\n"                      \
	"u64 ffff888000006f00 0 ffffffff81000110\n"                                                \
	"u64 ffff888000006f40 ffffffff82000410 ffffffff82000410 " TASK_B "\n"

struct task_image {
	struct image *i;
	struct vh_kernel k;
	struct vh_inside *in;
	struct vh_range range;
};

/* types NULL: no BTF */
static inline void task_image_open(struct task_image *t, struct image *i, const char *types)
{
	char *why;

	*t = (struct task_image){.i = image_done(i), .in = vh_inside_new(VH_INSIDE_LINUX)};
	t->range = (struct vh_range){.gva = 0xffffffff81000000, .bytes = 0x1001000};
	t->k = (struct vh_kernel){
		.space = i->space,
		.symbols = image_symbols(i),
		.ranges = &t->range,
		.n_ranges = 1,
		.stext = 0xffffffff81000000,
		.etext = 0xffffffff81001000,
	};
	if (types) {
		struct vh_buf section = btf_build(types);

		vh_guest_btf_parse(section.data, section.len, &t->k.btf, &why);
		vh_buf_free(&section);
	}
	t->k.layout = vh_layout_new(t->k.btf, NULL);
	t->k.modules = vh_modules_read(&t->k, t->in);
	t->k.unwinder = vh_unwinder_new(&t->k, t->in);
	while (t->in->n_notes)
		free(t->in->notes[--t->in->n_notes]);
}

static inline void task_image_close(struct task_image *t)
{
	vh_unwinder_free(t->k.unwinder);
	vh_modules_free(t->k.modules);
	vh_layout_free(t->k.layout);
	vh_guest_btf_free(t->k.btf);
	vh_symbols_free(t->k.symbols);
	vh_inside_free(t->in);
	image_free(t->i);
}
