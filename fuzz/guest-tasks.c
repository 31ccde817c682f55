/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tasks in a guest's memory. The first byte chooses the kernel's types (two kinds of memory maps, a
 * mutex whose waiters have no head, none at all); then the input is aimed at a small image that is
 * right, twelve bytes a time: which word is written, and what: a value, or an address in the image,
 * of which wild ones would not lead far. What must hold: nothing crashes; the budget is kept; no
 * task is told twice, and no more stacks than there may be.
 */
#include <assert.h>

#include "fuzz.h"
#include "guest/tasks.h"
#include "pristine.h"
#include "tests/unit/guest/taskimage.h"

#define BUDGET (UINT64_C(64) << 20)

static const char headless[] = TASK_TYPES "struct mutex 20\n"
					  "0 owner 8\n"
					  "10 first_waiter 8\n"
					  "struct mutex_waiter 18\n"
					  "0 list @list_head\n"
					  "10 task 8\n";
static const char *const types[] = {
	ALL_TYPES, TASK_TYPES LOCK_TYPES MEMORY_TYPES RB_TYPES, headless, NULL, ALL_TYPES};

/* Maps, files and a process's memory, so that the input can lead there. */
static const char more[] =
	"u64 ffff888000007000 ffff8880000072a0 ffff888000007280\n"
	"u64 ffff888000007200 400000 500000 ffff888000007300 2\n"
	"u64 ffff888000007280 7ff000 800000 0 0\n"
	"u64 ffff8880000072b0 ffff888000007220\n"
	"u64 ffff888000007310 ffff888000007350 ffff888000007400\n"
	"u64 ffff888000007340 ffff888000007340 ffff888000007400 ffff888000007440\n"
	"u64 ffff888000007400 ffff888000007440 0 ffff888000007500\n"
	"u64 ffff888000007440 ffff888000007440 0 ffff888000007500\n"
	"str ffff888000007500 prog\n"
	"u64 ffff888000008008 ffff888000008200\n";

/* What no input changes, and the image, are made once. */
static struct pristine kept;
static size_t n_pages; /* of the image, below its page tables: these have a target of their own */
static struct vh_symbols *symbols;
static struct vh_btf *btf[VH_ARRAY_SIZE(types)];
static struct vh_range range = {.gva = 0xffffffff81000000, .bytes = 0x1001000};

static void aim(const uint8_t *data)
{
	uint32_t where;
	uint64_t value;

	memcpy(&where, data, sizeof(where));
	memcpy(&value, data + 4, sizeof(value));
	if (value >> 62 == 2)
		value = UINT64_C(0xffff888000001000) + (value & 0x7fff);
	else if (value >> 62 == 1)
		value = UINT64_C(0xffffffff82000000) + (value & 0xfff);
	pristine_write(&kept, where / 512 % n_pages * VH_GUEST_PAGE + where % 512 * 8, &value, 8);
}

static void check(const struct vh_inside *in)
{
	size_t stacks = 0;

	assert(in->n_tasks <= VH_INSIDE_MAX_TASKS);
	for (size_t i = 0; i < in->n_tasks; i++) {
		const struct vh_inside_task *t = &in->tasks[i];

		assert(t->pid > 0 && t->comm && strlen(t->comm) <= 16);
		assert(t->stack.n <= VH_INSIDE_MAX_FRAMES);
		assert(t->lock.holder_pid >= -1);
		stacks += t->stack.n != 0;
	}
	assert(stacks <= VH_INSIDE_MAX_STACKS);
}

static void read_all(struct task_image *t, uint64_t rip)
{
	static const char *const tops[] = {
		"native_queued_spin_lock_slowpath", "queued_write_lock_slowpath"};
	struct vh_registers r = {.rdi = rip, .rbx = UINT64_C(0xffffffff82000400)};

	for (int i = 0; i < 2; i++) {
		struct vh_inside_vcpu *v = &VH_PUSH(t->in->vcpus, t->in->n_vcpus);
		struct vh_frame *f;

		*v = (struct vh_inside_vcpu){.index = i, .pid = -1, .rip = rip};
		v->lock.holder_pid = -1;
		f = &VH_PUSH(v->stack.frames, v->stack.n);
		f->symbol = vh_strdup(tops[i]);
	}
	vh_tasks_of_vcpus(&t->k, t->in);
	vh_tasks_read(&t->k, t->in);
	for (int i = 0; i < 2; i++) {
		vh_tasks_spin(&t->k, &r, &t->in->vcpus[i]);
		t->in->vcpus[i].cpl = 3;
		vh_tasks_mapping(&t->k, &t->in->vcpus[i]);
		t->in->vcpus[i].rip = 0x412345;
		vh_tasks_mapping(&t->k, &t->in->vcpus[i]);
	}
}

static void prepare(void)
{
	struct image *image = image_new(TASK_IMAGE);
	char *why;

	image_add(image, more);
	symbols = image_symbols(image);
	pristine_keep(&kept, image);
	n_pages = pristine_page(&kept, IMAGE_TABLES) / VH_GUEST_PAGE;
	for (size_t i = 0; i < VH_ARRAY_SIZE(types); i++) {
		struct vh_buf section = btf_build(types[i] ? types[i] : "struct none 8\n0 a 8\n");

		if (types[i])
			vh_guest_btf_parse(section.data, section.len, &btf[i], &why);
		vh_buf_free(&section);
	}
}

static void begin(struct task_image *t, struct image *i, struct vh_btf *b)
{
	*t = (struct task_image){.i = image_done(i), .in = vh_inside_new(VH_INSIDE_LINUX)};
	t->k = (struct vh_kernel){
		.space = i->space,
		.symbols = symbols,
		.ranges = &range,
		.n_ranges = 1,
		.btf = b,
		.layout = vh_layout_new(b, NULL),
		.stext = 0xffffffff81000000,
		.etext = 0xffffffff81001000,
	};
	t->k.modules = vh_modules_read(&t->k, t->in);
	t->k.unwinder = vh_unwinder_new(&t->k, t->in);
}

static void end(struct task_image *t)
{
	vh_unwinder_free(t->k.unwinder);
	vh_modules_free(t->k.modules);
	vh_layout_free(t->k.layout);
	vh_inside_free(t->in);
	pristine_restore(&kept);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct task_image t;
	uint64_t rip = 0;
	int64_t pids[4];

	if (!size)
		return 0;
	if (!kept.i)
		prepare();
	for (const uint8_t *at = data + 1; size - (size_t)(at - data) >= 12; at += 12) {
		aim(at);
		memcpy(&rip, at + 4, sizeof(rip));
	}
	begin(&t, kept.i, btf[data[0] % VH_ARRAY_SIZE(types)]);
	vh_memory_set_budget(t.i->memory, BUDGET, (struct vh_deadline){INT64_MAX});
	read_all(&t, rip);
	check(t.in);
	vh_inside_deadlock(t.in, pids, 4);
	assert(vh_memory_used(t.i->memory).bytes <= BUDGET);
	end(&t);
	return 0;
}
