/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What becomes of a sandboxed reader that was taken over: it lies, floods, is silent, or dies. */
#include "guest/explorer.h"

#include <fcntl.h>

#include "tests/unit/guest/image.h"
#include "tests/unit/test.h"

/* Frames as explorer.c has them. */
enum { WANT_REGISTERS = 1, REGISTERS, INSIDE, PAGES, RECORDS, MORE };

/* A lie is told where memory is opened: within the sandbox, before anything else is. */
struct liar {
	int wire;
	void (*lie)(struct liar *l);
	int asked; /* how often for registers; outside */
};

static bool open_lie(void *self, unsigned n VH_UNUSED, struct vh_explore_view *out VH_UNUSED)
{
	struct liar *l = self;

	l->lie(l);
	_exit(0);
}

static char *registers(void *self)
{
	struct liar *l = self;

	l->asked++;
	return vh_strdup("CPU#0\nRIP=ffffffff81000000 RFL=00000002 CPL=0 HLT=0\nCR0=80050033 "
			 "CR2=0 CR3=0000000001000000 CR4=000006f0\n");
}

/* The descriptor that the child's end of the socket pair will be. */
static int next_but_one(void)
{
	int first = dup(STDIN_FILENO), second = dup(STDIN_FILENO);

	close(first);
	close(second);
	return second;
}

static struct vh_explorer explorer_of(struct liar *l)
{
	return (struct vh_explorer){
		.open = open_lie,
		.registers = registers,
		.self = l,
		.options = {.dmesg = true},
		.budget_bytes = 1 << 20,
		.deadline_ns = 300 * VH_NS_PER_MS,
	};
}

static void say(struct liar *l, uint32_t kind, uint32_t size, const void *data, size_t n)
{
	struct vh_sandbox_head head = {kind, size};

	if (write(l->wire, &head, sizeof(head)) > 0 && n && write(l->wire, data, n) < 0)
		abort();
}

static void short_frame(struct liar *l)
{
	say(l, INSIDE, 100, "abc", 3);
}
static void huge_frame(struct liar *l)
{
	say(l, INSIDE, UINT32_MAX, "abc", 3);
}
static void long_frame(struct liar *l)
{
	say(l, INSIDE, VH_INSIDE_MAX_JSON + 1, "", 0);
	vh_sleep_until_ns(vh_now_ns() + 60 * VH_NS_PER_S);
}
static void garbage(struct liar *l)
{
	say(l, INSIDE, 5, "\xff\0{[\"", 5);
}
static void no_inside(struct liar *l)
{
	say(l, INSIDE, 2, "{}", 2);
}
static void unknown_kind(struct liar *l)
{
	say(l, 77, 2, "{}", 2);
}
static void records_unasked(struct liar *l)
{
	say(l, RECORDS, 2, "{}", 2);
}
static void silence(struct liar *l VH_UNUSED)
{
	vh_sleep_until_ns(vh_now_ns() + 60 * VH_NS_PER_S);
}
static void death(struct liar *l VH_UNUSED)
{
	abort();
}
static void break_out(struct liar *l VH_UNUSED)
{
	open("/etc/passwd", O_RDONLY);
}
static void half_a_head(struct liar *l)
{
	if (write(l->wire, "abc", 3) < 0)
		abort();
}
/* Asks and asks; the answers fill what the socket holds. */
static void endless_questions(struct liar *l)
{
	for (;;)
		say(l, WANT_REGISTERS, 0, "", 0);
}
static void pages_in_disorder(struct liar *l)
{
	vh_auto_free uint64_t *pages = vh_alloc(3 * 8 + 2 * VH_GUEST_PAGE);

	pages[0] = 2;
	pages[1] = 0x2000;
	pages[2] = 0x1000;
	say(l, PAGES, 3 * 8 + 2 * VH_GUEST_PAGE, pages, 3 * 8 + 2 * VH_GUEST_PAGE);
}
static void too_many_pages(struct liar *l)
{
	uint64_t n = UINT64_MAX / 4104;

	say(l, PAGES, 8, &n, 8);
}
static void pages_again(struct liar *l)
{
	uint64_t n = 0;

	say(l, PAGES, 8, &n, 8);
	say(l, PAGES, 8, &n, 8);
}

static void lies(void **state VH_UNUSED)
{
	static const struct {
		void (*lie)(struct liar *l);
		const char *told;
	} rows[] = {
		{short_frame, "status 0"},
		{huge_frame, "more than it may"},
		{long_frame, ""},
		{garbage, "not valid"},
		{no_inside, "not valid"},
		{unknown_kind, "not asked for"},
		{records_unasked, "not asked for"},
		{silence, "answer within 0."},
		{death, "SIGABRT"},
		{break_out, "SIGSYS"},
		{half_a_head, "status 0"},
		{endless_questions, "did not answer"},
		{pages_in_disorder, "disorder"},
		{too_many_pages, "disorder"},
		{pages_again, "not asked for"},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct liar l = {.wire = next_but_one(), .lie = rows[i].lie};
		struct vh_explorer e = explorer_of(&l);
		struct vh_pages pages;
		int64_t began = vh_now_ns();
		const char *told = rows[i].told;

		e.keep_pages = 10;
		struct vh_inside *in = vh_explorer_run(&e, &pages);

		assert_int_equal(in->outcome, VH_INSIDE_GAVE_UP);
		if (!strstr(in->why, told))
			fail_msg("row %zu: \"%s\", not \"%s\"", i, in->why, told);
		assert_true(vh_now_ns() - began < 5 * VH_NS_PER_S);
		assert_int_equal(pages.n, 0);
		vh_pages_free(&pages);
		vh_inside_free(in);
	}
}

static bool count_records(void *self, const struct vh_inside *in VH_UNUSED)
{
	++*(int *)self;
	return true;
}

static void lies_to_a_follower(void **state VH_UNUSED)
{
	static void (*const rows[])(struct liar * l) = {short_frame, huge_frame, garbage, no_inside,
		unknown_kind, silence, death, break_out, endless_questions};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct liar l = {.wire = next_but_one(), .lie = rows[i]};
		struct vh_explorer e = explorer_of(&l);
		int told = 0;
		struct vh_explorer_records to = {
			.interval_ns = 10 * VH_NS_PER_MS, .records = count_records, .self = &told};
		struct vh_inside *in = vh_explorer_follow(&e, &to);

		assert_int_equal(in->outcome, VH_INSIDE_GAVE_UP);
		assert_int_equal(told, 0);
		vh_inside_free(in);
	}
}

/* --- The truth ---------------------------------------------------------------------------------
 */

static bool open_image(void *self, unsigned n, struct vh_explore_view *out)
{
	struct image *i = self;

	if (n)
		return false;
	out->memory = vh_memory_of_pages(i->gpa, i->n, i->data);
	return true;
}

static void memory_without_a_kernel(void **state VH_UNUSED)
{
	struct image *i = image_new("map ffffffff81000000 1000000 2000 x\n"
				    "str ffffffff81000000 nothing of a kernel\n");
	struct vh_explorer e = {.open = open_image,
		.self = i,
		.options = {.dmesg = true, .vcpus = true, .tasks = true},
		.budget_bytes = 16 << 20,
		.deadline_ns = 5 * VH_NS_PER_S,
		.keep_pages = 100};
	struct vh_pages pages;
	struct vh_inside *in = vh_explorer_run(&e, &pages);

	assert_true(in->outcome == VH_INSIDE_NO_LINUX || in->outcome == VH_INSIDE_UNREADABLE);
	assert_non_null(in->why);
	/* What was read of it is what there is. */
	for (size_t k = 0; k < pages.n; k++)
		assert_int_equal(pages.gpa[k].a % VH_GUEST_PAGE, 0);
	vh_pages_free(&pages);
	vh_inside_free(in);
	image_free(i);
}

static bool open_nothing(
	void *self VH_UNUSED, unsigned n VH_UNUSED, struct vh_explore_view *out VH_UNUSED)
{
	return false;
}

static bool open_unreadable(void *self VH_UNUSED, unsigned n, struct vh_explore_view *out)
{
	out->why = n ? NULL : vh_strdup("it is torn");
	return !n;
}

static void nothing_to_look_at(void **state VH_UNUSED)
{
	struct vh_explorer e = {
		.open = open_nothing, .budget_bytes = 1, .deadline_ns = 5 * VH_NS_PER_S};
	struct vh_inside *in = vh_explorer_run(&e, NULL);

	assert_int_equal(in->outcome, VH_INSIDE_UNREADABLE);
	assert_non_null(in->why);
	vh_inside_free(in);
	e.open = open_unreadable;
	in = vh_explorer_run(&e, NULL);
	assert_int_equal(in->outcome, VH_INSIDE_UNREADABLE);
	assert_string_equal(in->why, "it is torn");
	vh_inside_free(in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lies),
		cmocka_unit_test(lies_to_a_follower),
		cmocka_unit_test(memory_without_a_kernel),
		cmocka_unit_test(nothing_to_look_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
