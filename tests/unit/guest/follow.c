/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A log that is followed until its kernel is gone, began anew, or stands. */
#include "guest/explore.h"

#define LOG_GVA UINT64_C(0xffffffff83000000)
#include "tests/unit/guest/logimage.h"
#include "tests/unit/guest/tinykernel.h"
#include "tests/unit/test.h"

#define BANNER "ffffffff8200f000"

struct follower {
	struct image *image;
	struct log_build log;
	void (*change)(struct follower *f); /* after the second look */
	unsigned looks;
	size_t records;
	char *why; /* of the last that was told; NULL: it is Linux */
};

/* The pages are given to the memory as they lie, so a change must not move them. */
static void add_record(struct follower *f, const char *text)
{
	log_add(&f->log, LOG_FINALIZED, 6, 1000 * f->log.seq, text);
	log_end(&f->log);
}

static bool emit(void *self, const struct vh_inside *in)
{
	struct follower *f = self;

	f->looks++;
	f->records += in->n_dmesg;
	vh_replace(&f->why, in->outcome == VH_INSIDE_LINUX ? NULL : in->why);
	if (f->looks == 1) {
		assert_string_equal(in->kernel.release, "6.1.0-9-amd64");
		assert_int_equal(in->n_dmesg, 2);
		add_record(f, "three");
	}
	if (f->looks == 2) {
		assert_int_equal(in->n_dmesg, 1);
		assert_memory_equal(in->dmesg[0].text, "three", 5);
		f->change(f);
	}
	return f->looks < 1000;
}

static void renew(void *self VH_UNUSED)
{
}

static void follow(struct follower *f, int64_t stands_ns)
{
	struct vh_cpu cpu = tiny_cpu(0, IMAGE_TABLES);
	struct vh_explore_options options = {.dmesg = true};
	struct vh_explore_follow how = {VH_NS_PER_MS, stands_ns, renew, emit, f};

	f->image = tiny_image(KALLSYMS_5_4);
	image_add(f->image, "map ffffffff83000000 3100000 2000 w\n"
			    "u64 ffffffff83000000 ffffffff83000100\n"
			    "str ffff88800300006a SYMBOL(prb)=ffffffff83000000\n"
			    "hex ffff888003000069 0a\n");
	log_begin(&f->log, f->image);
	add_record(f, "one");
	add_record(f, "two");
	image_done(f->image);
	struct vh_explore_input input = {.memory = f->image->memory, .cpus = &cpu, .n_cpus = 1};

	assert_null(vh_explore_follow(&input, &options, &how));
	image_free(f->image);
}

static void check(void (*change)(struct follower *f), int64_t stands_ns, const char *why)
{
	struct follower f = {.change = change};

	follow(&f, stands_ns);
	assert_non_null(f.why);
	assert_string_equal(f.why, why);
	assert_int_equal(f.records, 3);
	free(f.why);
}

/* Without KASLR the next boot's log lies where the one before did. */
static void next_boot(struct follower *f)
{
	log_begin(&f->log, f->image);
	add_record(f, "a next boot");
}

static void log_begins_anew(void **state VH_UNUSED)
{
	check(next_boot, 0, "its log began anew");
}

static void overwrite(struct follower *f)
{
	image_add(f->image, "str " BANNER " something else\n");
}

static void banner_is_overwritten(void **state VH_UNUSED)
{
	check(overwrite, 0, "where its kernel was is something else");
}

/* The firmware cleared the page tables: what was translated before is not to be believed. */
static void unmap(struct follower *f)
{
	memset(image_page(f->image, IMAGE_TABLES), 0, 4096);
}

static void tables_are_gone(void **state VH_UNUSED)
{
	check(unmap, 0, "where its kernel was is something else");
}

static void nothing(struct follower *f VH_UNUSED)
{
}

static void nothing_moves(void **state VH_UNUSED)
{
	check(nothing, 20 * VH_NS_PER_MS, "neither its clock nor its log moves");
}

/* As long as nobody minds that it stands. */
static void a_hang_is_followed(void **state VH_UNUSED)
{
	struct follower f = {.change = nothing};

	follow(&f, 0);
	assert_null(f.why);
	assert_int_equal(f.looks, 1000);
	assert_int_equal(f.records, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(log_begins_anew),
		cmocka_unit_test(banner_is_overwritten),
		cmocka_unit_test(tables_are_gone),
		cmocka_unit_test(nothing_moves),
		cmocka_unit_test(a_hang_is_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
