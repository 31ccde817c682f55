/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What was found in a guest's memory: filled by vh_explore() (explore.h), carried as JSON
 * (docs/inside-format.md) out of the sandbox, into the case and out of it, and read by decode.
 * Everything in it is a claim of the guest. Strings are not escaped: whoever shows them does that.
 */
#pragma once

#include "base/json.h"
#include "base/names.h"
#include "guest/registers.h"
#include "guest/secrets.h"

#define VH_INSIDE_SCHEMA "vmhang.inside/1"

/* Caps, of writing and of reading; what was cut is said in notes. */
#define VH_INSIDE_MAX_JSON    (16u << 20)
#define VH_INSIDE_MAX_OBJECTS (1u << 19) /* and lists: the caps below make 400,000 at most */
#define VH_INSIDE_MAX_VALUES  (1u << 21)
#define VH_INSIDE_MAX_DMESG   65536u
#define VH_INSIDE_MAX_TASKS   8192u
#define VH_INSIDE_MAX_STACKS  256u /* of tasks */
#define VH_INSIDE_MAX_FRAMES  64u
#define VH_INSIDE_MAX_MODULES 2000u
#define VH_INSIDE_MAX_NOTES   64u
#define VH_INSIDE_MAX_FOLDED  4096u

enum vh_inside_outcome {
	VH_INSIDE_LINUX,       /* a 64-bit Linux kernel was found and its symbols were read */
	VH_INSIDE_EARLY_LINUX, /* Linux, so early that not all of it is set up yet */
	VH_INSIDE_NO_LINUX,    /* memory was read, and no Linux was found: stage tells what runs */
	VH_INSIDE_ENCRYPTED,   /* not tried */
	VH_INSIDE_UNREADABLE,  /* the memory could not be read; why tells */
	VH_INSIDE_GAVE_UP, /* the sandboxed reader died, was silent, or what it said is not valid */
	VH_N_INSIDE_OUTCOME
};
VH_NAMES_DECLARE(vh_inside_outcome, enum vh_inside_outcome);

enum vh_inside_method {
	VH_INSIDE_BY_REGISTERS, /* page tables of a vCPU's CR3 */
	VH_INSIDE_BY_SCAN,      /* VMCOREINFO found in physical memory: no registers were needed */
	VH_N_INSIDE_METHOD
};
VH_NAMES_DECLARE(vh_inside_method, enum vh_inside_method);

enum vh_arch { VH_ARCH_X86_64, VH_ARCH_ARM64, VH_N_ARCH };
VH_NAMES_DECLARE(vh_arch, enum vh_arch);

enum vh_frame_kind {
	VH_FRAME_TOP,       /* where the vCPU or the sleeping task is */
	VH_FRAME_CALL,      /* a return address */
	VH_FRAME_INTERRUPT, /* what an interrupt or exception interrupted: registers were saved */
	VH_FRAME_USER,      /* user space, entered the kernel from there */
	VH_FRAME_GUESS,     /* found by scanning the stack: may be a left-over */
	VH_N_FRAME_KIND
};
VH_NAMES_DECLARE(vh_frame_kind, enum vh_frame_kind);

struct vh_frame {
	enum vh_frame_kind kind;
	uint64_t ip, sp;
	char *symbol;          /* NULL: none known */
	uint64_t offset, size; /* into the symbol, and of it; size 0 unknown */
	char *module;          /* NULL: the kernel itself */
	char *line;            /* of --vmlinux, as in collect/vmlinux.h; NULL without */
};

struct vh_backtrace { /* innermost first */
	struct vh_frame *frames;
	size_t n;
	char *end; /* why it ends where it does; NULL: at the stack's bottom, or at user space */
};

/* What a sleeping or spinning task waits for. */
enum vh_blocked_on {
	VH_BLOCKED_UNKNOWN,
	VH_BLOCKED_MUTEX,
	VH_BLOCKED_RWSEM,
	VH_BLOCKED_SPINLOCK,
	VH_BLOCKED_COMPLETION,
	VH_BLOCKED_IO, /* io_schedule */
	VH_BLOCKED_RCU,
	VH_BLOCKED_FILE_SERVER, /* NFS, CIFS, 9p, FUSE */
	VH_BLOCKED_FREEZE,      /* a frozen file system */
	VH_N_BLOCKED_ON
};
VH_NAMES_DECLARE(vh_blocked_on, enum vh_blocked_on);

struct vh_inside_lock {
	enum vh_blocked_on kind;
	uint64_t gva;       /* 0 unknown */
	char *symbol;       /* "module_mutex", "first [trouble]"; NULL unknown */
	int64_t holder_pid; /* -1 unknown */
	char *holder_comm;
};

struct vh_inside_task {
	int64_t pid, tgid;
	char *comm;
	char state;    /* as ps shows it: R S D I T t Z X P; '?' unknown */
	uint64_t raw;  /* task_struct.__state */
	bool killable; /* D, and SIGKILL ends it (TASK_WAKEKILL) */
	bool kernel_thread;
	bool on_cpu;
	int cpu;           /* it runs on, or ran last; -1 unknown */
	int64_t waited_ns; /* since it ran last; -1 unknown */
	struct vh_backtrace stack;
	struct vh_inside_lock lock;
};

struct vh_inside_vcpu {
	int index;
	enum vh_arch arch;
	enum vh_stage stage; /* by its control registers */
	uint64_t rip;
	unsigned cpl; /* of arm64: 3 at EL0, else 0 */
	bool irqs_on, halted;
	bool halted_unknown; /* as of a dump, whose notes do not tell; halted is false then */
	/* Current task, by the kernel's own per-CPU variable; pid -1 and comm NULL: unknown. */
	int64_t pid, tgid;
	char *comm;
	/* User mode: what is mapped at RIP ("/usr/bin/foo", "[stack]", "[anon]"), and where in it.
	 */
	char *mapping;
	uint64_t mapping_offset;
	/* How often it was looked at; in how many of these nothing moved while its stack was read,
	 * so that the backtrace is of one moment; and whether RIP was the same in all. */
	unsigned samples, steady;
	bool same_rip;
	bool same_place; /* in one function, its stack pointer the same, in all: a loop */
	struct vh_backtrace stack;
	struct vh_inside_lock lock; /* a spin lock that it waits for */
	/* Its run queue. */
	int64_t nr_running;   /* -1 unknown */
	int64_t clock_lag_ns; /* of its run queue's clock behind the newest; -1 unknown */
};

struct vh_inside_record { /* of the kernel's log */
	uint64_t seq;
	uint64_t ts_ns; /* since boot, of the guest's clock */
	unsigned level, facility;
	bool complete; /* false: the kernel was still writing it */
	char *text;    /* may hold newlines */
	size_t n;
};

struct vh_inside_module {
	char *name;
	uint64_t gva, bytes;
};

struct vh_inside_kernel {
	char *release;      /* "6.1.0-49-amd64" */
	char *banner;       /* linux_banner, without its newline */
	char *build_id;     /* hexadecimal; NULL unknown */
	char *command_line; /* values of likely secrets masked */
	int64_t uptime_ns;  /* -1 unknown */
	uint64_t taint;     /* bits of tainted_mask */
	bool has_taint;
	char *taint_text;  /* "P O": letters of Documentation/admin-guide/tainted-kernels.rst */
	int64_t panic_cpu; /* the CPU that panicked; -1 none or unknown */
	int64_t oops_in_progress;    /* -1 unknown */
	char *system_state;          /* "booting", "running", "halt", ...; NULL unknown */
	unsigned levels;             /* of page tables */
	bool pti;                    /* a vCPU was met in the user half of its tables */
	uint64_t image, image_bytes; /* gva of its first mapped byte */
	uint64_t kaslr_offset;
	bool has_kaslr_offset;
	size_t n_symbols;
	bool has_btf, has_orc;
	bool layout_inferred; /* without BTF: offsets follow from init_task */
};

struct vh_inside_step { /* what it cost */
	char *name;
	int64_t took_ns;
	uint64_t bytes;
};

struct vh_inside {
	enum vh_inside_outcome outcome;
	char *why; /* a sentence without stop; NULL for VH_INSIDE_LINUX */
	enum vh_inside_method method;
	enum vh_stage stage; /* of the boot CPU */
	struct vh_inside_kernel kernel;
	struct vh_inside_record *dmesg; /* oldest first */
	size_t n_dmesg;
	uint64_t dmesg_lost; /* records before the first that were overwritten; by its seq */
	struct vh_inside_vcpu *vcpus;
	size_t n_vcpus;
	struct vh_inside_task *tasks;
	size_t n_tasks;
	bool has_tasks; /* the list was read; else n_tasks is not "none" */
	struct vh_inside_module *modules;
	size_t n_modules;
	struct vh_inside_folded {
		char *stack; /* "vCPU 0;swapper/0;start_kernel;...", outermost first */
		uint64_t times;
	} * folded;
	size_t n_folded;
	char **notes; /* what was cut, broken or could not be read: sentences */
	size_t n_notes;
	struct vh_inside_step *steps;
	size_t n_steps;
	uint64_t bytes, reads,
		absent; /* read of guest memory; reads that met pages that were absent */
	int64_t took_ns;
	/* Of the command line: for whoever keeps pages, and never written. NULL: none are known. */
	struct vh_secrets *secrets;
};

struct vh_inside *vh_inside_new(enum vh_inside_outcome outcome);
void vh_inside_free(struct vh_inside *in);
void vh_backtrace_free(struct vh_backtrace *b);
void vh_inside_note(struct vh_inside *in, const char *fmt, ...) VH_PRINTF(2, 3);
/* The task of that pid, or NULL. */
const struct vh_inside_task *vh_inside_task(const struct vh_inside *in, int64_t pid);

/* docs/inside-format.md. Bytes that are not UTF-8 become U+FFFD, what is beyond a cap is cut, and a
 * number that cannot be is unknown: vh_inside_from_json() takes whatever this gives. */
struct json_object *vh_inside_to_json(const struct vh_inside *in);
/* Checks everything: types, ranges, caps. NULL and *err ("tasks: [3]: pid: is too large") where it
 * is none. */
struct vh_inside *vh_inside_from_json(struct json_object *o, struct vh_error **err);
/* The same of text, which is refused before it is parsed where it holds more values than any guest
 * can fill, or is longer than VH_INSIDE_MAX_JSON: an empty object of 3 bytes takes 760 of memory.
 */
struct vh_inside *vh_inside_parse(struct vh_str text, struct vh_error **err);
