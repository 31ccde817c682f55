/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The model: a case's raw evidence, decoded and joined. Pure: built from the case alone, so that it
 * is the same for a live VM and for its saved case. Whatever was not seen stays "not seen" (a has_
 * or seen flag, NULL, a negative number): absence never looks like zero.
 */
#pragma once

#include <math.h>

#include "base/pulse.h"
#include "case/case.h"
#include "decode/apic.h"
#include "decode/confidential.h"
#include "decode/console.h"
#include "decode/devices.h"
#include "decode/exits.h"
#include "decode/ghcb.h"
#include "decode/guestkernel.h"
#include "decode/jobs.h"
#include "decode/residue.h"
#include "decode/trust.h"
#include "guest/arm.h"
#include "guest/inside.h"
#include "guest/registers.h"

enum vh_role {
	VH_ROLE_OTHER,
	VH_ROLE_MAIN, /* main loop: tid == pid */
	VH_ROLE_VCPU,
	VH_ROLE_IOTHREAD,  /* "IO iothreadN" */
	VH_ROLE_MONITOR,   /* "IO mon_iothread" */
	VH_ROLE_VNC,       /* "vnc_worker" */
	VH_ROLE_WORKER,    /* thread pool: "worker", "pool-..." */
	VH_ROLE_MIGRATION, /* "live_migration", "multifdsend_N", "postcopy/...", "fault-default",
			      ... */
	VH_ROLE_RCU,       /* "call_rcu" */
	VH_ROLE_KERNEL, /* kernel threads that KVM put into the process: kvm-nx-lpage-re, vhost-N */
	VH_N_ROLE
};
const char *vh_role_name(enum vh_role role);

/* What a thread that does not run waits in, from state, wchan, stack and system call. */
enum vh_wait {
	VH_WAIT_UNKNOWN,
	VH_WAIT_NONE,       /* it runs */
	VH_WAIT_POLL,       /* poll, epoll, select: an event loop at rest */
	VH_WAIT_FUTEX,      /* a lock or condition in user space */
	VH_WAIT_KVM_HALT,   /* kvm_vcpu_block: a halted vCPU (or one waiting for SIPI) */
	VH_WAIT_STOPPED,    /* do_signal_stop: SIGSTOP */
	VH_WAIT_TRACED,     /* ptrace_stop */
	VH_WAIT_FROZEN,     /* cgroup freezer: __refrigerator, or get_signal with frozen 1 */
	VH_WAIT_FUSE,       /* request_wait_answer: a FUSE server that does not answer */
	VH_WAIT_USERFAULT,  /* handle_userfault: post-copy, a page that has not come */
	VH_WAIT_DISK,       /* io_schedule, folio_wait, blk_..., nfs, ...: storage in the kernel */
	VH_WAIT_SLEEP,      /* nanosleep: polls something itself, slowly */
	VH_WAIT_PIPE,       /* pipe_write, unix_stream_sendmsg, n_tty_write, ...: its reader */
	VH_WAIT_PEER,       /* pipe_read, recvmsg, accept: somebody who says nothing */
	VH_WAIT_CONNECT,    /* connect: somebody to take the connection */
	VH_WAIT_MEMORY,     /* reclaim, swap-in, memory cgroup limit */
	VH_WAIT_SPLIT_LOCK, /* split_lock_warn: throttled for split locks */
	VH_WAIT_KERNEL,     /* another wait in the kernel, by its name in wchan */
	VH_N_WAIT
};
const char *vh_wait_name(enum vh_wait wait);

#define VH_SYSCALL_RUNNING (-2) /* "running": on a CPU, or runnable, when read */
#define VH_SYSCALL_NONE    (-1) /* unknown, or blocked outside of a system call */

/* One reading of a thread. Tick counts are of sysconf(_SC_CLK_TCK) on the host it was read on. */
struct vh_thread_sample {
	bool seen;     /* the thread was there (stat was read) */
	int64_t at_ns; /* when stat was read */
	struct vh_procstat stat;
	int64_t cpu_ns; /* used since it was created; -1 unknown */
	bool has_schedstat;
	int64_t sched_at_ns; /* when schedstat was read */
	uint64_t run_ns, wait_ns, slices;
	bool has_switches;
	uint64_t voluntary, involuntary;
	pid_t tracer;    /* 0 none */
	char *wchan;     /* "" or "0" unknown/running; NULL not read */
	char *stack;     /* kernel stack, a frame a line; NULL not read, "" empty */
	int64_t syscall; /* number, or VH_SYSCALL_*; x86-64 numbers */
	uint64_t args[6];
	bool has_syscall;
	bool in_kvm_run; /* ioctl(KVM_RUN) on a vCPU descriptor */
	enum vh_wait wait;
};

struct vh_thread {
	pid_t tid;
	char *name; /* unescaped */
	enum vh_role role;
	int vcpu;       /* index, or -1 */
	char *affinity; /* Cpus_allowed_list; NULL not read */
	struct vh_thread_sample first, last, after;

	/* Over the window (first to last); NAN where it cannot be said. */
	double run_share;     /* of one CPU: schedstat, else ticks */
	const char *share_of; /* of what, where it is not the window: "top's interval"; or NULL */
	double life_share;    /* of one CPU, since it began, as ps shows it; NAN unknown */
	double wait_share;    /* runnable, but not running */
	double user_share, system_share, guest_share; /* from ticks: coarse (10 ms) */
	double switches_per_s;                        /* voluntary */
	double major_faults_per_s;
	/* What it is blocked on, where its system call names a descriptor: "/mnt/x (fd 12)". */
	char *blocked_on;
	uint64_t lock;        /* address of the lock that it waits for; 0 none, or unknown */
	pid_t lock_owner;     /* the thread that holds it; 0 unknown */
	pid_t own_tid;        /* its number in its own pid namespace; 0 not read */
	bool waits_on_serial; /* for room in a serial or debug port's pipe, tty or socket */
	enum vh_wait wait; /* of the last sample, or of the first where both agree; for a vCPU the
			      one of most of its samples */
};

/* A KVM counter over the window it was sampled in. */
struct vh_counter {
	char *name;
	uint64_t first, last;
	bool has_last;
};
struct vh_counters {
	struct vh_counter *list;
	size_t n;
	double seconds; /* between the samples; 0 with one sample */
};
/* Rate per second; NAN where unknown. */
double vh_counter_rate(const struct vh_counters *c, const char *name);
/* Value at the last sample; -1 where unknown. */
int64_t vh_counter_value(const struct vh_counters *c, const char *name);

struct vh_code { /* the bytes around RIP, read from guest memory */
	bool seen;
	uint64_t address; /* linear, of the first byte: up to 32 bytes before RIP */
	uint8_t bytes[96];
	size_t n;
};
/* True where execution from rip never leaves the bytes but by an interrupt or a fault: instructions
 * that do not branch (NOP, PAUSE, HLT, IN, OUT, RDMSR, ...) and unconditional jumps, back to where
 * it was already. bits: of the code segment, 16, 32 or 64 (vh_registers_code_bits). */
bool vh_code_is_closed_loop(const struct vh_code *code, uint64_t rip, int bits);
/* True where execution from rip is sure to come to a PAUSE (f3 90), or has just come from one. */
bool vh_code_runs_pause(const struct vh_code *code, uint64_t rip, int bits);
/* True where execution from rip runs PAUSE, and the loop around it tests bit 3 of a word in memory
 * (TIF_NEED_RESCHED of Linux on x86): whoever runs it waits for a task that wants the CPU. */
bool vh_code_waits_for_task(const struct vh_code *code, uint64_t rip, int bits);

#define VH_MAX_GLIMPSES 16

struct vh_vcpu {
	int index;
	struct vh_thread *thread;       /* NULL: not found */
	char *qom_path;                 /* NULL: not told */
	struct vh_registers regs[2];    /* asked, asked again; of x86 */
	struct vh_arm_registers arm[2]; /* the same, of 64-bit ARM */
	int halted; /* by what tells that without registers (info cpus); -1 not told */
	enum vh_status regs_status; /* why regs are not valid; VH_SKIPPED when not asked */
	bool regs_are_guest;    /* false: encrypted guest, the dump is not the guest's registers */
	enum vh_regime regime;  /* what its registers mean, one by one (vh_trust_of) */
	const char *regime_why; /* a sentence; NULL where they are the guest's */
	struct vh_kvm_state {   /* what KVM keeps of it: trace.vcpu */
		bool seen;
		int mp_state;      /* KVM_MP_STATE_* */
		bool is_protected; /* its state is encrypted */
		uint64_t cr0, cr4, efer;
		/* Bits that the guest changes without KVM's knowing: they may be old. */
		uint64_t cr0_owned, cr4_owned;
		uint64_t regs[17]; /* RAX RCX RDX RBX RSP RBP RSI RDI R8 .. R15 RIP */
		bool has_ghcb;
		uint64_t ghcb_gpa;
	} kvm_state;
	bool regs_by_kvm; /* regs are made of that, and not of a dump */
	bool has_ghcb_page;
	struct vh_ghcb_page ghcb_page; /* guest.ghcb */
	struct vh_residue residue; /* of VH_REGIME_GHCB: the last event that the guest asked for */
	/* Of every valid dump, in order: a busy vCPU is looked at more than twice. */
	struct vh_glimpse {
		uint64_t rip; /* linear; PC of ARM */
		int hlt;      /* -1: a dump of ARM does not tell */
		bool irqs_on, user_mode;
	} glimpses[VH_MAX_GLIMPSES];
	unsigned n_glimpses;
	struct vh_code code;
	struct vh_apic apic[2]; /* asked, asked again */
	struct vh_counters kvm;
};

enum vh_monitor_state {
	VH_MONITOR_NONE,      /* the VM has no monitor that we could use */
	VH_MONITOR_NOT_ASKED, /* --passive, or the process could not answer */
	VH_MONITOR_BUSY,      /* another client holds it: connected, no greeting */
	VH_MONITOR_REFUSED,   /* nobody listens, backlog full, no permission */
	VH_MONITOR_SILENT,    /* greeted or connected, but no answer to query-status */
	VH_MONITOR_BROKEN,    /* closed on us, an error, or what it said is not QMP */
	VH_MONITOR_ANSWERED,
	VH_N_MONITOR_STATE
};
const char *vh_monitor_state_name(enum vh_monitor_state state);

struct vh_monitor_view {
	enum vh_monitor_state state;
	char *address; /* the one used, or via libvirt: "libvirt qemu:///system" */
	char *why;     /* for anything but ANSWERED: in words */
	bool via_libvirt;
	char *run_state; /* query-status: "running", "paused", ...; NULL not told */
	bool running;
	bool greeted;
	int version[3];       /* major, minor, micro; -1 unknown */
	char *failed_command; /* the first command without an answer, after query-status */
	struct vh_event {
		char *name;
		char *text;
		int64_t at_ns;
	} * events; /* QMP events seen */
	size_t n_events;
};

/* Who serves a drive's requests, as far as its name tells. */
enum vh_backend {
	VH_BACKEND_UNKNOWN,
	VH_BACKEND_FILE, /* a file or block device of the host */
	VH_BACKEND_NBD,
	VH_BACKEND_RBD,
	VH_BACKEND_ISCSI,
	VH_BACKEND_OTHER_SERVER, /* gluster, ssh, http, nfs: */
	VH_N_BACKEND
};
enum vh_backend vh_backend_of(const char *file);

struct vh_drive_view {
	char *name; /* device or node */
	char *qdev; /* QOM path of the guest's device; NULL not told */
	char *file;
	bool empty;                            /* it holds no medium, as info block tells */
	char *io_status;                       /* "ok", "nospace", "failed"; NULL not told */
	uint64_t rd_ops[2], wr_ops[2], failed; /* asked, asked again */
	uint64_t failed_first;                 /* as failed, when asked first */
	uint64_t flush_ops[2];
	uint64_t busy_ns[2]; /* time of all requests that completed, added up */
	double seconds;      /* between the two; 0 with one */
	/* Limits set by QEMU's throttling, 0 none, and where it was told: reads, writes, both. */
	struct vh_throttle {
		bool seen;
		uint64_t iops[3], bps[3];
	} throttle;
	bool has_stats[2];
	int64_t idle_ns; /* since the last request completed; -1 unknown */
};

struct vh_chardev_view {        /* query-chardev */
	char *label, *filename; /* "gdb", "tcp:127.0.0.1:1234,server=on <-> 127.0.0.1:40112" */
	bool frontend_open;     /* the guest, or whatever in the VMM it serves, has it open */
	char *vhost_user;       /* the vhost-user device that it belongs to; NULL: to none */
};

/* A pipe, socket or terminal of the VM, for one of its consoles or monitors. */
enum vh_channel_use {
	VH_USE_OTHER, /* or not known */
	VH_USE_UART,
	VH_USE_VIRTIO_PORT,    /* who writes there waits while it is full */
	VH_USE_VIRTIO_CONSOLE, /* what is written there while it is full is lost */
	VH_USE_MONITOR
};
struct vh_channel {
	int64_t fd;
	enum vh_channel_use use;
	char *kind, *address; /* "unix", "/run/vm.serial" */
	char *label;          /* "serial0"; NULL not known */
	bool is_full;         /* at both looks there was no room */
	pid_t peer;           /* who connected, or was connected to; 0 not told */
	char *peer_name;      /* NULL: that process has ended, or could not be seen */
	bool peer_is_stopped; /* at both looks */
};

/* A process that serves the VM over a Unix socket. */
struct vh_server_view {
	char *path, *name;
	pid_t pid;
	bool of_vhost_user; /* it serves a vhost-user device; else a drive */
	bool is_stopped;    /* by a signal or a tracer, at both looks */
};

/* A queue of a virtio disk that QEMU serves itself. Indices count up modulo 65536. */
struct vh_queue {
	char *subject; /* of its evidence: "PATH.NUMBER" */
	char *device;  /* QOM path */
	char *drive;   /* name of the drive behind it; NULL: several, or not told */
	unsigned number;
	uint64_t size; /* entries of its ring */
	struct vh_queue_look {
		bool seen;
		int64_t at_ns;
		uint64_t in_flight;         /* taken by the device and not given back */
		uint16_t taken, used;       /* what the device took from the guest, and gave back */
		bool has_ring;              /* the guest's memory was read */
		uint16_t offered, returned; /* there: what the guest offers, what it was given */
		bool has_event;
		uint16_t event; /* it wants an interrupt when more than this was given */
	} looks[2];             /* asked, asked again (the newest) */
};

struct vh_cgroup_view {
	bool seen;
	char *path;         /* v2 path, or v1 paths by controller */
	int frozen;         /* 1, 0, -1 unknown */
	char *frozen_group; /* in whose files that was read: "v2:/a", "freezer:/a"; or NULL */
	bool has_quota;
	double quota_cpus;           /* cpu.max as CPUs; NAN unlimited/unknown */
	char *quota_group;           /* the group with it, as a path; or NULL */
	bool has_throttle;           /* two samples of cpu.stat */
	uint64_t periods, throttled; /* grown over the window */
	int64_t throttled_ns;        /* ditto */
	double weight; /* of CPU time against others: the least of its groups, 1 the default; NAN
			  unknown */
	char *weight_group;         /* the group with it, as a path; or NULL */
	int64_t memory_limit_bytes; /* -1 none or unknown */
	char *memory_group;         /* the group with that limit, as a path; or NULL */
	bool memory_limit_is_high;  /* it is memory.high: it slows, and never kills */
	int64_t memory_bytes;       /* -1 unknown */
	int64_t memory_max_events;  /* grown over the window: memory.events max, v1 failcnt; -1
				       unknown */
	int64_t oom_kills;          /* total; -1 unknown */
	/* Limits on the I/O of the cgroup or one above, as text: "7:0 reads 100 B a second"; NULL
	 * none. And whether the least of them is far below what any disk does. */
	char *io_limits;
	bool io_limit_is_low;
	double cpu_pressure_avg10, memory_pressure_avg10,
		io_pressure_avg10; /* "some"; NAN unknown */
};

struct vh_rival { /* a thread of the host that competes for a vCPU's CPU */
	pid_t tid, pid;
	char *name;
	char *policy; /* "FIFO", "RR", "DEADLINE", "OTHER" */
	int rt_priority, cpu;
	double run_share; /* over the window; NAN unknown */
};

bool vh_rival_is_realtime(const struct vh_rival *r);

struct vh_host_view {
	double cpu_pressure_avg10; /* NAN unknown */
	int cpus;                  /* online; 0 unknown */
	int kernel[2];             /* major, minor of its kernel; -1 unknown */
	struct vh_rival *rivals;
	size_t n_rivals;
	/* Threads of others that ran on the vCPUs' CPUs in the window, however little each of them
	 * got; those of them that are vCPUs, and of how many other VMs. */
	struct vh_crowd {
		size_t threads, vcpus, vms;
		double share; /* CPUs that they used in all */
	} crowd;
	int64_t running; /* threads that wanted a CPU, the least of both looks; -1 unknown */
	/* Shares of the time of the CPUs that vCPUs may use, over the window; NAN unknown. */
	double steal_share, irq_share, idle_share;
	struct vh_host_memory {
		int64_t total_bytes, available_bytes, swap_total_bytes, swap_free_bytes, huge_total,
			huge_free;     /* pages; all -1 unknown */
		double pressure_avg10; /* "some"; NAN unknown */
		/* A second, over the window; NAN unknown. */
		double swap_ins, swap_outs, direct_reclaims, major_faults, numa_faults,
			numa_migrations;
	} memory;
};

enum vh_log_kind { VH_LOG_QEMU, VH_LOG_SERIAL, VH_LOG_HOST_KERNEL, VH_N_LOG_KIND };

struct vh_log_hit {     /* a line that vmhang recognises */
	const char *id; /* stable: "kvm-internal-error", "kernel-panic", "no-bootable-device" */
	const char *meaning; /* a clause for people */
	char *line;          /* escaped, cut to 200 bytes */
	size_t evidence;     /* index of the log's evidence */
	enum vh_log_kind kind;
};

struct vh_log_view {
	enum vh_log_kind kind;
	char *path;
	enum vh_status status;
	uint64_t size_bytes;
	int64_t age_ns;      /* since the last byte, when read; -1 unknown */
	struct vh_str tail;  /* raw, hostile; lives in the case */
	bool grew;           /* between the first and the last sample */
	uint64_t grew_bytes; /* by so much; 0 where it did not, or was begun anew */
	size_t evidence;
};

struct vh_screen {
	enum { VH_SCREEN_NONE, VH_SCREEN_TEXT, VH_SCREEN_PICTURE } kind;
	char *text; /* raw rows, trailing blanks cut; hostile */
	size_t evidence;
};

struct vh_process_view {
	bool seen;
	bool dumps_core;   /* the kernel writes its memory away, for it crashed */
	pid_t killed;      /* a thread that was killed, and could not end all through the window: in
			      state D with SIGKILL pending, or left of an ended process; 0 none */
	bool died;         /* it ended (or became another process) during the observation */
	char state;        /* of the main thread at the last look */
	pid_t tracer;      /* of any thread, 0 none */
	char *tracer_name; /* its name; NULL not told */
	int stop_signal;   /* that stopped it; 0 unknown, or it is not stopped */
	int oom_score, oom_score_adj;  /* -1001 unknown */
	int64_t rss_bytes, swap_bytes; /* -1 unknown */
	double major_faults_per_s;     /* NAN unknown */
	int autogroup_nice;            /* -100 unknown */
	int64_t age_ns;                /* since it was started, when first looked at; -1 unknown */
	bool has_userfaultfd;
};

/* Where the VM turned while it was looked at, by its pulse (task.pulse). */
struct vh_turn_view {
	struct vh_turn turn;
	enum vh_wait waited, waits; /* what no vCPU ran for, before and since; UNKNOWN */
	int64_t before_ns;          /* how long before the case's begin that window began */
	size_t evidence;
};

/* What a pasted text held, by line. */
struct vh_pasted_block {
	unsigned from, to; /* lines, from 1 */
	char *by, *sure,
		*what; /* recogniser, how it was known, in words; NULL of what was not read */
};
struct vh_pasted_file {
	char *name;
	unsigned lines;
	bool cut, more; /* longer than is looked at; more blocks than are kept */
	struct vh_pasted_block *blocks, *unread;
	size_t n_blocks, n_unread;
};
struct vh_pasted_view {
	struct vh_pasted_file *files;
	size_t n_files;
};

struct vh_model {
	const struct vh_case *c; /* outlives the model */
	const struct vh_vm *vm;
	struct vh_process_view process;
	struct vh_thread **threads; /* main first, then by tid */
	size_t n_threads;
	struct vh_vcpu **vcpus; /* by index */
	size_t n_vcpus;
	struct vh_counters vm_kvm; /* counters of the VM as a whole */
	struct vh_monitor_view monitor;
	struct vh_drive_view *drives;
	size_t n_drives;
	struct vh_chardev_view *chardevs; /* as the monitor lists them */
	size_t n_chardevs;
	struct vh_channel *channels;
	size_t n_channels;
	struct vh_server_view *servers;
	size_t n_servers;
	struct vh_queue *queues;
	size_t n_queues;
	char **broken_devices; /* virtio devices whose ring QEMU found broken: QOM paths */
	size_t n_broken_devices;
	struct vh_migration_view migration;
	struct vh_jobs_view jobs;
	struct vh_dump_view dump;
	struct vh_cgroup_view cgroup;
	struct vh_host_view host;
	/* In the window before, which was given up for it, and in the window itself. */
	struct vh_turn_view turned_before, turned;
	struct vh_log_view *logs;
	size_t n_logs;
	struct vh_log_hit *hits;
	size_t n_hits;
	struct vh_screen screen;
	struct vh_inside *inside; /* what was found in the guest's memory; NULL: nothing was */
	size_t inside_evidence;
	struct vh_dmesg_view {
		char *text;     /* "[  1.234567] line"; NULL: it was not read. Raw, hostile */
		int64_t age_ns; /* of its newest line, by the guest's clock; -1 unknown */
		bool is_whole;  /* from the kernel's start on */
	} dmesg;
	/* Of the kernel whose log was read in memory; else of the last that wrote to a console. */
	struct vh_guest_kernel guest_kernel;
	struct vh_boots boots;          /* of the serial console that shows most of them */
	enum vh_conf_kind confidential; /* as far as anything tells it */
	struct vh_conf_view conf;       /* who told that, and its policy */
	struct vh_exits *exits;         /* NULL: nothing counted them */
	struct vh_pic pic[2];           /* asked, asked again */
	struct vh_devices *devices;     /* NULL: the monitor did not tell */
	struct vh_pasted_view *pasted;  /* NULL: the case is of a live VM */
	bool serial_full; /* a vCPU or main thread writes to a descriptor that is a serial/debug
			     port */
};

struct vh_model *vh_model_build(const struct vh_case *c);
void vh_model_free(struct vh_model *m);
struct vh_thread *vh_model_main_thread(const struct vh_model *m); /* NULL: not seen */
/* First hit of that id, or NULL. */
const struct vh_log_hit *vh_model_hit(const struct vh_model *m, const char *id);
/* Evidence of a source about a subject, any round, newest first: its index, or SIZE_MAX. */
size_t vh_model_evidence(const struct vh_model *m, const char *source, const char *subject);

/* Disassembles the code at a vCPU's RIP, an instruction a line ("  ffffff03: pause", with "> " at
 * RIP itself), up to the first that never goes on, and at most max lines. It begins at from, which
 * must be an instruction before RIP (vh_code_loop_start), or at RIP where from is not in the bytes
 * before it. False without capstone or without bytes. */
bool vh_disassemble(const struct vh_code *code, const struct vh_registers *regs, uint64_t from,
	size_t max, struct vh_buf *out);
/* The lowest address not far before RIP that the vCPU was seen at: where its loop begins, as far as
 * that is known. */
uint64_t vh_code_loop_start(const struct vh_vcpu *vcpu, uint64_t rip);
bool vh_disassembler_available(const char **why);
