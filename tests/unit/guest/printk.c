/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's log, of both forms. */
#include "guest/printk.h"

#include <errno.h>

#include "tests/unit/guest/logimage.h"
#include "tests/unit/test.h"

static void assert_record(const struct vh_inside *in, size_t i, uint64_t seq, const char *text)
{
	assert_true(i < in->n_dmesg);
	assert_int_equal(in->dmesg[i].seq, seq);
	assert_string_equal(in->dmesg[i].text, text);
	assert_int_equal(in->dmesg[i].n, strlen(text));
}

static struct vh_inside *read_all(struct image *i, uint64_t from)
{
	int err;
	struct vh_inside *in = log_read(i, from, &err);

	assert_int_equal(err, 0);
	return in;
}

static void test_states(void **state)
{
	struct image *i = image_new(log_memory);
	struct log_build b;

	(void)state;
	log_begin(&b, i);
	log_add(&b, LOG_FINALIZED, 5, 0, "Linux version");
	log_record(&b, LOG_FINALIZED, 6, 1000, 0, 3, 3); /* empty */
	log_record(&b, LOG_FINALIZED, 6, 1500, 9, 1, 1); /* there was no room for its text */
	log_add(&b, LOG_COMMITTED, 4, 2000, "checking ... ");
	log_record(&b, LOG_RESERVED, 0, 0, 0, 3, 3); /* just begun */
	log_add(&b, LOG_RESERVED, 3, 2500, "part");
	log_end(&b);

	struct vh_inside *in = read_all(i, 0);

	assert_int_equal(in->n_dmesg, 4);
	assert_record(in, 0, 0, "Linux version");
	assert_true(in->dmesg[0].complete);
	assert_int_equal(in->dmesg[0].level, 5);
	assert_int_equal(in->dmesg[0].facility, 3);
	assert_record(in, 1, 1, "");
	assert_int_equal(in->dmesg[1].ts_ns, 1000);
	assert_record(in, 2, 3, "checking ... ");
	assert_false(in->dmesg[2].complete);
	assert_record(in, 3, 5, "part");
	assert_int_equal(in->dmesg_lost, 0);
	assert_int_equal(in->n_notes, 0);
	vh_inside_free(in);
	image_free(i);
}

static void test_empty(void **state)
{
	struct image *i = image_new(log_memory);
	struct log_build b;

	(void)state;
	log_begin(&b, i);
	log_end(&b);

	struct vh_inside *in = read_all(i, 0);

	assert_int_equal(in->n_dmesg, 0);
	assert_int_equal(in->n_notes, 0);
	vh_inside_free(in);
	image_free(i);
}

/* Ids overflow at their 62 bits, positions at their 64; texts go around their ring, and one that
 * ends just with it does not. */
static void test_wraps(void **state)
{
	for (unsigned n = 1; n < 60; n++) {
		struct image *i = image_new(log_memory);
		struct log_build b;
		char text[64];

		(void)state;
		log_begin(&b, i);
		b.text_at_48 = n % 2;
		for (unsigned k = 0; k < n; k++) {
			snprintf(text, sizeof(text), "%u %.*s", k, (int)(k * 7 % 40),
				"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz");
			log_add(&b, LOG_FINALIZED, 6, k, text);
		}
		log_end(&b);

		struct vh_inside *in = read_all(i, 0);

		assert_int_equal(in->n_notes, 0);
		assert_true(in->n_dmesg >= VH_MIN(n, 3));
		assert_int_equal(in->dmesg_lost + in->n_dmesg, n);
		for (size_t k = 0; k < in->n_dmesg; k++) {
			unsigned seq = (unsigned)(n - in->n_dmesg + k);

			snprintf(text, sizeof(text), "%u %.*s", seq, (int)(seq * 7 % 40),
				"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz");
			assert_record(in, k, seq, text);
		}
		vh_inside_free(in);
		image_free(i);
	}
}

/* Blocks of honest records do not overlap: together they are no more than their ring. */
static void test_overlapping(void **state)
{
	struct image *i = image_new(log_memory);
	struct log_build b;

	(void)state;
	log_begin(&b, i);
	for (unsigned k = 0; k < LOG_COUNT; k++) {
		uint64_t begin = b.lpos + k * 8;

		log_u64(&b, LOG_TEXT + k * 8, (b.id + 1) & LOG_IDS);
		log_record(&b, LOG_FINALIZED, 6, k, 192, begin, begin + 200);
	}
	b.lpos += LOG_SIZE;
	log_end(&b);

	struct vh_inside *in = read_all(i, 0);
	size_t bytes = 0;

	for (size_t k = 0; k < in->n_dmesg; k++)
		bytes += in->dmesg[k].n;
	assert_true(in->n_dmesg > 0);
	assert_true(bytes <= (size_t)2 * LOG_SIZE);
	assert_int_equal(in->n_notes, 1);
	vh_inside_free(in);
	image_free(i);
}

static void test_perfect_fit(void **state)
{
	struct image *i = image_new(log_memory);
	struct log_build b;
	char text[LOG_SIZE / 2 - 8 + 1];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_begin(&b, i);
	log_add(&b, LOG_FINALIZED, 6, 1, text);
	log_add(&b, LOG_FINALIZED, 6, 2, text);
	log_end(&b);

	struct vh_inside *in = read_all(i, 0);

	assert_int_equal(in->n_dmesg, 2);
	assert_record(in, 1, 1, text);
	vh_inside_free(in);
	image_free(i);
}

static void test_from(void **state)
{
	struct image *i = image_new(log_memory);
	struct log_build b;

	(void)state;
	log_begin(&b, i);
	for (unsigned k = 0; k < 20; k++)
		log_add(&b, LOG_FINALIZED, 6, k, "line");
	log_end(&b);

	struct vh_inside *in = read_all(i, 18);

	assert_int_equal(in->n_dmesg, 2);
	assert_record(in, 0, 18, "line");
	assert_int_equal(in->dmesg_lost, 0);
	vh_inside_free(in);
	in = read_all(i, 20);
	assert_int_equal(in->n_dmesg, 0);
	vh_inside_free(in);
	in = read_all(i, 3);
	assert_int_equal(in->dmesg[0].seq, 12);
	assert_int_equal(in->dmesg_lost, 9);
	vh_inside_free(in);
	image_free(i);
}

static void test_lying_records(void **state)
{
	struct image *i = image_new(log_memory);
	struct log_build b;

	(void)state;
	log_begin(&b, i);
	for (unsigned k = 0; k < 6; k++)
		log_add(&b, LOG_FINALIZED, 6, k, "a line");
	log_end(&b);
	/* A length far behind its block; the id of another record in front of the text; a seq that
	 * is not of its slot; a block that is longer than the ring, and one that ends before it
	 * begins. */
	image_add(i, "u16 ffffffff82000410 ffff\n");
	image_add(i, "u64 ffffffff82000810 5\n");
	image_add(i, "u64 ffffffff820004b0 7\n");
	image_add(i, "u64 ffffffff82000258 ffffffffffffff08\n");
	image_add(i, "u64 ffffffff82000268 ffffffffffffff00 1ffff00\n");

	struct vh_inside *in = read_all(i, 0);

	assert_int_equal(in->n_dmesg, 2);
	assert_int_equal(in->dmesg[0].n, 8); /* with its padding */
	assert_record(in, 1, 5, "a line");
	assert_int_equal(in->n_notes, 1);
	assert_string_equal(in->notes[0], "4 records of the kernel's log are broken, or were "
					  "overwritten while they were read");
	vh_inside_free(in);
	image_free(i);
}

static void test_lying_ring(void **state)
{
	static const struct {
		const char *change;
		int err;
	} rings[] = {
		{"u32 ffffffff82000100 40\n", -EBADMSG},
		{"u32 ffffffff82000100 0\n", -EBADMSG},
		{"u32 ffffffff82000128 20\n", -EBADMSG},
		{"u64 ffffffff82000000 123\n", -ENXIO},
		{"u64 ffffffff82000000 fffffffffffffff0\n", -ENXIO},
	};

	(void)state;
	for (size_t k = 0; k < VH_ARRAY_SIZE(rings); k++) {
		struct image *i = image_new(log_memory);
		struct log_build b;
		int err;

		log_begin(&b, i);
		log_add(&b, LOG_FINALIZED, 6, k, "a line");
		log_end(&b);
		image_add(i, rings[k].change);

		struct vh_inside *in = log_read(i, 0, &err);

		assert_int_equal(err, rings[k].err);
		assert_int_equal(in->n_dmesg, 0);
		assert_int_equal(in->n_notes, 1);
		vh_inside_free(in);
		image_free(i);
	}
}

/* Descriptors that are nowhere: the log is empty, and a note says why. */
static void test_holes(void **state)
{
	struct image *i = image_new(log_memory);
	struct log_build b;

	(void)state;
	log_begin(&b, i);
	log_add(&b, LOG_FINALIZED, 6, 1, "a line");
	log_end(&b);
	image_add(i, "u64 ffffffff82000108 ffffffff90000000\n");

	struct vh_inside *in = read_all(i, 0);

	assert_int_equal(in->n_dmesg, 0);
	assert_int_equal(in->n_notes, 1);
	vh_inside_free(in);
	image_free(i);
}

/* Sixty-five thousand records are claimed, of which no page is there. */
static void test_lying_length(void **state)
{
	struct image *i = image_new(log_memory);
	struct log_build b;
	unsigned long pages = 0;

	(void)state;
	log_begin(&b, i);
	log_add(&b, LOG_FINALIZED, 6, 1, "a line");
	log_end(&b);
	image_add(i, "u64 ffffffff82000100 18 ffffffff90000000 ffffffffa0000000 1ffff 0\n");

	struct vh_inside *in = read_all(i, 0);

	assert_int_equal(in->n_dmesg, 0);
	assert_int_equal(in->n_notes, 1);
	pages = strtoul(in->notes[0], NULL, 10);
	assert_int_equal(pages, 65536 * (24 + 88) / 4096);
	/* Beside the ring itself and its text nothing was read. */
	assert_true(vh_memory_used(i->memory).bytes < 0x10000);
	vh_inside_free(in);
	image_free(i);
}

static void test_old(void **state)
{
	struct image *i = image_new(old_log_memory);
	uint32_t first = 0x380, at;

	(void)state;
	at = old_log_add(i, first, 1000, 5, "the first, with a dictionary", 20);
	/* No room for the next: a length of 0, and on at the start. */
	assert_true(at < 0x400 - 16);
	old_log_add(i, at, 0, 0, "", 0);
	image_put(i, LOG_TEXT + at + 8, "\0", 2);
	at = old_log_add(i, 0, 2000, 6, "the second", 0);
	at = old_log_add(i, at, 3000, 3, "", 0);
	old_log_set(i, first, at, 700, 703);
	image_add(i, "str ffffffff82001000 and an unfinished\n"
		     "u64 ffffffff820013e0 11 0 fa0\n"
		     "u8 ffffffff820013f8 4 0\n");

	struct vh_inside *in = read_all(i, 0);

	assert_int_equal(in->n_dmesg, 4);
	assert_record(in, 0, 700, "the first, with a dictionary");
	assert_int_equal(in->dmesg[0].level, 5);
	assert_int_equal(in->dmesg[0].facility, 3);
	assert_record(in, 1, 701, "the second");
	assert_int_equal(in->dmesg[1].ts_ns, 2000);
	assert_record(in, 2, 702, "");
	assert_record(in, 3, 703, "and an unfinished");
	assert_false(in->dmesg[3].complete);
	assert_int_equal(in->dmesg[3].level, 4);
	assert_int_equal(in->dmesg_lost, 700);
	assert_int_equal(in->n_notes, 0);
	vh_inside_free(in);
	in = read_all(i, 702);
	assert_int_equal(in->n_dmesg, 2);
	vh_inside_free(in);
	image_free(i);
}

static void test_old_lies(void **state)
{
	struct image *i = image_new(old_log_memory);
	uint32_t at;
	int err;

	(void)state;
	/* Lengths of 0 alone go around once. */
	old_log_set(i, 0x100, 0x200, 0, 9);
	struct vh_inside *in = read_all(i, 0);

	assert_int_equal(in->n_dmesg, 0);
	assert_int_equal(in->n_notes, 1);
	vh_inside_free(in);
	/* A text that is longer than its record. */
	at = old_log_add(i, 0, 1, 1, "sound", 0);
	old_log_add(i, at, 1, 1, "not sound", 0);
	image_put(i, LOG_TEXT + at + 10, "\xff", 1);
	old_log_set(i, 0, 0x3f0, 0, 9);
	in = read_all(i, 0);
	assert_int_equal(in->n_dmesg, 1);
	assert_string_equal(in->notes[0], "the kernel's log is broken behind record 0");
	vh_inside_free(in);
	/* Records that never come to the end. */
	for (at = 0; at < 0x400 - 24;)
		at = old_log_add(i, at, 1, 1, "1234", 0);
	old_log_set(i, 0, 0x3ff, 0, 9);
	in = read_all(i, 0);
	assert_true(in->n_dmesg <= 0x400 / 16 + 1);
	vh_inside_free(in);
	old_log_set(i, 0x400, 0, 0, 9);
	in = log_read(i, 0, &err);
	assert_int_equal(err, -EBADMSG);
	vh_inside_free(in);
	image_free(i);
}

static void test_none(void **state)
{
	struct image *i = image_new("map ffffffff82000000 2000000 1000 w\n");
	int err;
	struct vh_inside *in = log_read(i, 0, &err);

	(void)state;
	assert_int_equal(err, -ENOENT);
	assert_int_equal(in->n_notes, 1);
	vh_inside_free(in);
	image_free(i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_wraps),
		cmocka_unit_test(test_overlapping),
		cmocka_unit_test(test_perfect_fit),
		cmocka_unit_test(test_from),
		cmocka_unit_test(test_lying_records),
		cmocka_unit_test(test_lying_ring),
		cmocka_unit_test(test_holes),
		cmocka_unit_test(test_lying_length),
		cmocka_unit_test(test_old),
		cmocka_unit_test(test_old_lies),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
