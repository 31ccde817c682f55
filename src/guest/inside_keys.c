/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/inside_keys.h"

#include <limits.h>

/* In each table S is the struct that it describes. */
#define AT(member) offsetof(S, member)
#define TEXT(k, m)                                                                                 \
	{                                                                                          \
		.name = (k), .type = VH_KEY_TEXT, .at = AT(m), .most = VH_INSIDE_MAX_TEXT          \
	}
/* Of a symbol, a module, a program: KSYM_NAME_LEN of the kernel. */
#define NAME(k, m)                                                                                 \
	{                                                                                          \
		.name = (k), .type = VH_KEY_TEXT, .at = AT(m), .most = 512                         \
	}
#define HEX(k, m)                                                                                  \
	{                                                                                          \
		.name = (k), .type = VH_KEY_HEX, .at = AT(m), .most = UINT64_MAX                   \
	}
#define HEX_HAS(k, m, has)                                                                         \
	{                                                                                          \
		.name = (k), .type = VH_KEY_HEX_HAS, .at = AT(m), .extra = AT(has),                \
		.most = UINT64_MAX                                                                 \
	}
#define COUNT(k, m)                                                                                \
	{                                                                                          \
		.name = (k), .type = VH_KEY_COUNT, .at = AT(m), .most = UINT64_MAX                 \
	}
#define SIZE(k, m)                                                                                 \
	{                                                                                          \
		.name = (k), .type = VH_KEY_SIZE, .at = AT(m), .most = SIZE_MAX                    \
	}
#define SIGNED(k, m)                                                                               \
	{                                                                                          \
		.name = (k), .type = VH_KEY_SIGNED, .at = AT(m), .most = INT64_MAX                 \
	}
#define INT(k, m)                                                                                  \
	{                                                                                          \
		.name = (k), .type = VH_KEY_INT, .at = AT(m), .most = INT_MAX                      \
	}
#define UINT(k, m, max)                                                                            \
	{                                                                                          \
		.name = (k), .type = VH_KEY_UINT, .at = AT(m), .most = (max)                       \
	}
#define BOOL(k, m)                                                                                 \
	{                                                                                          \
		.name = (k), .type = VH_KEY_BOOL, .at = AT(m)                                      \
	}
#define BOOL_UNLESS(k, m, unknown)                                                                 \
	{                                                                                          \
		.name = (k), .type = VH_KEY_BOOL_UNLESS, .at = AT(m), .extra = AT(unknown)         \
	}
#define OBJECT(k, m, of)                                                                           \
	{                                                                                          \
		.name = (k), .type = VH_KEY_OBJECT, .at = AT(m), .shape = &(of)                    \
	}
#define ARRAY(k, m, count, of, max)                                                                \
	{                                                                                          \
		.name = (k), .type = VH_KEY_ARRAY, .at = AT(m), .extra = AT(count), .most = (max), \
		.shape = &(of)                                                                     \
	}
/* The names of an enumeration, by its number. */
#define NAMES(prefix)                                                                              \
	static const char *prefix##_text(int v)                                                    \
	{                                                                                          \
		return prefix##_name(v);                                                           \
	}
#define ENUM(k, m, prefix, max)                                                                    \
	{                                                                                          \
		.name = (k), .type = VH_KEY_ENUM, .at = AT(m), .most = (max)-1,                    \
		.name_of = prefix##_text, .parse = prefix##_parse                                  \
	}
#define SHAPE(table)                                                                               \
	{                                                                                          \
		.keys = (table), .n = VH_ARRAY_SIZE(table), .size = sizeof(S)                      \
	}

NAMES(vh_inside_outcome)
NAMES(vh_inside_method)
NAMES(vh_arch)
NAMES(vh_frame_kind)
NAMES(vh_blocked_on)
NAMES(vh_stage)

#define S struct vh_frame
static const struct vh_inside_key frame_keys[] = {
	ENUM("kind", kind, vh_frame_kind, VH_N_FRAME_KIND),
	HEX("ip", ip),
	HEX("sp", sp),
	NAME("symbol", symbol),
	COUNT("offset", offset),
	COUNT("size", size),
	NAME("module", module),
	{.name = "line", .type = VH_KEY_TEXT, .at = AT(line), .most = 1024},
};
static const struct vh_inside_shape frame_shape = SHAPE(frame_keys);
#undef S

#define S struct vh_backtrace
static const struct vh_inside_key stack_keys[] = {
	ARRAY("frames", frames, n, frame_shape, VH_INSIDE_MAX_FRAMES),
	{.name = "end", .type = VH_KEY_TEXT, .at = AT(end), .most = 4096},
};
static const struct vh_inside_shape stack_shape = SHAPE(stack_keys);
#undef S

#define S struct vh_inside_lock
static const struct vh_inside_key lock_keys[] = {
	ENUM("kind", kind, vh_blocked_on, VH_N_BLOCKED_ON),
	HEX("gva", gva),
	NAME("symbol", symbol),
	SIGNED("holder_pid", holder_pid),
	NAME("holder_comm", holder_comm),
};
static const struct vh_inside_shape lock_shape = SHAPE(lock_keys);
#undef S

#define S struct vh_inside_task
static const struct vh_inside_key task_keys[] = {
	SIGNED("pid", pid),
	SIGNED("tgid", tgid),
	NAME("comm", comm),
	{.name = "state", .type = VH_KEY_LETTER, .at = AT(state)},
	HEX("raw", raw),
	BOOL("killable", killable),
	BOOL("kernel_thread", kernel_thread),
	BOOL("on_cpu", on_cpu),
	INT("cpu", cpu),
	SIGNED("waited_ns", waited_ns),
	OBJECT("stack", stack, stack_shape),
	OBJECT("lock", lock, lock_shape),
};
static const struct vh_inside_shape task_shape = SHAPE(task_keys);
#undef S

#define S struct vh_inside_vcpu
static const struct vh_inside_key vcpu_keys[] = {
	INT("index", index),
	ENUM("stage", stage, vh_stage, VH_N_STAGE),
	ENUM("arch", arch, vh_arch, VH_N_ARCH),
	HEX("rip", rip),
	UINT("cpl", cpl, 3),
	BOOL("irqs_on", irqs_on),
	BOOL_UNLESS("halted", halted, halted_unknown),
	SIGNED("pid", pid),
	SIGNED("tgid", tgid),
	NAME("comm", comm),
	{.name = "mapping", .type = VH_KEY_TEXT, .at = AT(mapping), .most = 4096},
	COUNT("mapping_offset", mapping_offset),
	UINT("samples", samples, UINT_MAX),
	UINT("steady", steady, UINT_MAX),
	BOOL("same_rip", same_rip),
	BOOL("same_place", same_place),
	OBJECT("stack", stack, stack_shape),
	OBJECT("lock", lock, lock_shape),
	SIGNED("nr_running", nr_running),
	SIGNED("clock_lag_ns", clock_lag_ns),
};
static const struct vh_inside_shape vcpu_shape = SHAPE(vcpu_keys);
#undef S

#define S struct vh_inside_record
static const struct vh_inside_key record_keys[] = {
	COUNT("seq", seq),
	COUNT("ts_ns", ts_ns),
	UINT("level", level, UINT_MAX),
	UINT("facility", facility, UINT_MAX),
	BOOL("complete", complete),
	{.name = "text",
		.type = VH_KEY_BYTES,
		.must = true,
		.at = AT(text),
		.extra = AT(n),
		.most = VH_INSIDE_MAX_TEXT},
};
static const struct vh_inside_shape record_shape = SHAPE(record_keys);
#undef S

#define S struct vh_inside_module
static const struct vh_inside_key module_keys[] = {
	NAME("name", name),
	HEX("gva", gva),
	COUNT("bytes", bytes),
};
static const struct vh_inside_shape module_shape = SHAPE(module_keys);
#undef S

#define S struct vh_inside_folded
static const struct vh_inside_key folded_keys[] = {
	TEXT("stack", stack),
	COUNT("times", times),
};
static const struct vh_inside_shape folded_shape = SHAPE(folded_keys);
#undef S

#define S struct vh_inside_step
static const struct vh_inside_key step_keys[] = {
	NAME("name", name),
	SIGNED("took_ns", took_ns),
	COUNT("bytes", bytes),
};
static const struct vh_inside_shape step_shape = SHAPE(step_keys);
#undef S

/* A list of plain texts: its elements are no objects. */
static const struct vh_inside_key note_keys[] = {
	{.type = VH_KEY_TEXT, .most = 4096},
};
static const struct vh_inside_shape note_shape = {note_keys, 1, sizeof(char *)};

#define S struct vh_inside_kernel
static const struct vh_inside_key kernel_keys[] = {
	NAME("release", release),
	TEXT("banner", banner),
	NAME("build_id", build_id),
	TEXT("command_line", command_line),
	SIGNED("uptime_ns", uptime_ns),
	HEX_HAS("taint", taint, has_taint),
	NAME("taint_text", taint_text),
	SIGNED("panic_cpu", panic_cpu),
	SIGNED("oops_in_progress", oops_in_progress),
	NAME("system_state", system_state),
	UINT("levels", levels, 5),
	BOOL("pti", pti),
	HEX("image", image),
	COUNT("image_bytes", image_bytes),
	HEX_HAS("kaslr_offset", kaslr_offset, has_kaslr_offset),
	SIZE("n_symbols", n_symbols),
	BOOL("has_btf", has_btf),
	BOOL("has_orc", has_orc),
	BOOL("layout_inferred", layout_inferred),
};
static const struct vh_inside_shape kernel_shape = SHAPE(kernel_keys);
#undef S

/* What matters most comes first: the writer stops taking rows when it has written enough. */
#define S struct vh_inside
static const struct vh_inside_key root_keys[] = {
	{.name = "outcome",
		.type = VH_KEY_ENUM,
		.must = true,
		.at = AT(outcome),
		.most = VH_N_INSIDE_OUTCOME - 1,
		.name_of = vh_inside_outcome_text,
		.parse = vh_inside_outcome_parse},
	{.name = "why", .type = VH_KEY_TEXT, .at = AT(why), .most = 4096},
	ENUM("method", method, vh_inside_method, VH_N_INSIDE_METHOD),
	ENUM("stage", stage, vh_stage, VH_N_STAGE),
	COUNT("bytes", bytes),
	COUNT("reads", reads),
	COUNT("absent", absent),
	SIGNED("took_ns", took_ns),
	COUNT("dmesg_lost", dmesg_lost),
	BOOL("has_tasks", has_tasks),
	OBJECT("kernel", kernel, kernel_shape),
	ARRAY("vcpus", vcpus, n_vcpus, vcpu_shape, VH_INSIDE_MAX_VCPUS),
	ARRAY("dmesg", dmesg, n_dmesg, record_shape, VH_INSIDE_MAX_DMESG),
	ARRAY("tasks", tasks, n_tasks, task_shape, VH_INSIDE_MAX_TASKS),
	ARRAY("modules", modules, n_modules, module_shape, VH_INSIDE_MAX_MODULES),
	ARRAY("folded", folded, n_folded, folded_shape, VH_INSIDE_MAX_FOLDED),
	ARRAY("steps", steps, n_steps, step_shape, VH_INSIDE_MAX_NOTES),
	ARRAY("notes", notes, n_notes, note_shape, VH_INSIDE_MAX_NOTES),
};
const struct vh_inside_shape vh_inside_shape_root = SHAPE(root_keys);
#undef S
