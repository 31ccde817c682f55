/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/guard.h"
#include "base/host.h"
#include "tests/unit/test.h"

static char *scratch(void)
{
	char *dir = vh_strdup("/tmp/vmhang-test-XXXXXX");

	assert_non_null(mkdtemp(dir));
	return dir;
}

static void put(const char *dir, const char *name, const char *text)
{
	vh_auto_free char *path = vh_asprintf("%s/%s", dir, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void drop(char *dir)
{
	vh_auto_free char *command = vh_asprintf("rm -r '%s'", dir);

	assert_int_equal(system(command), 0);
	free(dir);
}

static void reads_are_bounded_and_rerooted(void **state VH_UNUSED)
{
	char *dir = scratch();
	struct vh_host *host = vh_host_create(dir);
	struct vh_reading r;

	put(dir, "log", "0123456789");
	assert_false(vh_host_is_live(host));
	vh_host_read(host, 10, &r, "/%s", "log");
	assert_int_equal(r.status, VH_OK);
	assert_string_equal(r.data, "0123456789");
	vh_reading_free(&r);
	vh_host_read(host, 4, &r, "/log");
	assert_int_equal(r.status, VH_TRUNCATED);
	assert_string_equal(r.data, "0123");
	vh_reading_free(&r);
	vh_host_read_tail(host, 4, &r, "/log");
	assert_int_equal(r.status, VH_OK);
	assert_string_equal(r.data, "6789");
	assert_int_equal(r.offset, 6);
	assert_int_equal(r.total, 10);
	vh_reading_free(&r);
	vh_host_read(host, 4, &r, "/none");
	assert_int_equal(r.status, VH_ABSENT);
	assert_int_equal(r.err, ENOENT);
	assert_null(r.data);
	vh_reading_free(&r);
	vh_host_destroy(host);
	drop(dir);
}

/* n requests for "/N" with the data "N", but no file 7. */
static struct vh_file_read *many(const char *dir, size_t n)
{
	struct vh_file_read *files = vh_alloc(n * sizeof(*files));

	for (size_t i = 0; i < n; i++) {
		vh_auto_free char *text = vh_asprintf("%zu", i);

		if (i != 7)
			put(dir, text, text);
		files[i].path = vh_asprintf("/%zu", i);
		files[i].cap = 2;
	}
	return files;
}

static void many_free(struct vh_file_read *files, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		vh_reading_free(&files[i].out);
		free(files[i].path);
	}
	free(files);
}

static void many_files_are_read_in_one_go(void **state VH_UNUSED)
{
	char *dir = scratch();
	struct vh_host *host = vh_host_create(dir);
	struct vh_file_read *files = many(dir, 150);

	vh_host_read_many(host, files, 0);
	vh_host_read_many(host, files, 150);
	assert_string_equal(files[0].out.data, "0");
	assert_string_equal(files[99].out.data, "99");
	assert_int_equal(files[99].out.status, VH_OK);
	assert_int_equal(files[7].out.status, VH_ABSENT);
	assert_int_equal(files[7].out.err, ENOENT);
	assert_null(files[7].out.data);
	assert_int_equal(files[149].out.status, VH_TRUNCATED);
	assert_string_equal(files[149].out.data, "14");
	assert_true(files[149].out.at_ns >= files[0].out.at_ns && files[0].out.at_ns > 0);
	many_free(files, 150);
	vh_host_destroy(host);
	drop(dir);
}

static void a_batch_given_up_is_whole(void **state VH_UNUSED)
{
	char *dir = scratch();
	struct vh_host *host = vh_host_create(dir);
	struct vh_file_read *files = many(dir, 150);

	/* No time at all: each file has its own data, or is timed out and has none. */
	vh_host_set_read_deadline(host, 0);
	vh_host_read_many(host, files, 150);
	for (size_t i = 0; i < 150; i++) {
		if (files[i].out.status == VH_TIMED_OUT) {
			assert_null(files[i].out.data);
			assert_int_equal(files[i].out.err, ETIMEDOUT);
		} else if (i != 7) {
			vh_auto_free char *want = vh_strndup(files[i].path + 1, 2);

			assert_string_equal(files[i].out.data, want);
		}
	}
	many_free(files, 150);
	vh_host_destroy(host);
	drop(dir);
}

static void names_are_sorted_by_number(void **state VH_UNUSED)
{
	char *dir = scratch();
	struct vh_host *host = vh_host_create(dir);
	struct vh_reading r;

	put(dir, "10", "");
	put(dir, "9", "");
	put(dir, "self", "");
	vh_host_list(host, 100, &r, "/");
	assert_string_equal(r.data, "9\n10\nself\n");
	vh_reading_free(&r);
	vh_host_list(host, 3, &r, "/");
	assert_int_equal(r.status, VH_TRUNCATED);
	assert_string_equal(r.data, "9\n");
	vh_reading_free(&r);
	vh_host_destroy(host);
	drop(dir);
}

static void a_fifo_is_no_log(void **state VH_UNUSED)
{
	char *dir = scratch();
	struct vh_host *host = vh_host_create(dir);
	vh_auto_free char *path = vh_asprintf("%s/fifo", dir);
	struct vh_reading r;

	assert_int_equal(mkfifo(path, 0600), 0);
	vh_host_read_tail(host, 4, &r, "/fifo");
	assert_int_equal(r.status, VH_FAILED);
	assert_int_equal(r.err, EINVAL);
	vh_reading_free(&r);
	vh_host_destroy(host);
	drop(dir);
}

struct stuck_job {
	struct vh_job job;
	int fd;
	bool *ran;
};

static void stuck_run(struct vh_job *job)
{
	struct stuck_job *j = (struct stuck_job *)job;
	char c;

	*j->ran = read(j->fd, &c, 1) == 0;
}

static void stuck_destroy(struct vh_job *job)
{
	close(((struct stuck_job *)job)->fd);
	free(job);
}

static void a_stuck_call_costs_its_deadline(void **state VH_UNUSED)
{
	struct vh_guard *guard = vh_guard_create();
	int pipes[2];
	static bool ran;
	struct stuck_job *j = vh_alloc(sizeof(*j));

	assert_int_equal(pipe(pipes), 0);
	*j = (struct stuck_job){{stuck_run, stuck_destroy}, pipes[0], &ran};
	int64_t begin = vh_now_ns();

	assert_false(vh_guard_call(guard, &j->job, vh_deadline_in(30 * VH_NS_PER_MS)));
	assert_true(vh_now_ns() - begin >= 30 * VH_NS_PER_MS);
	/* The next call gets another thread. */
	int devnull = open("/dev/null", O_RDONLY);
	static bool ran_too;
	struct stuck_job *k = vh_alloc(sizeof(*k));

	*k = (struct stuck_job){{stuck_run, stuck_destroy}, devnull, &ran_too};
	assert_true(vh_guard_call(guard, &k->job, vh_deadline_in(5 * VH_NS_PER_S)));
	assert_true(ran_too);
	k->job.destroy(&k->job);
	vh_guard_destroy(guard);
	/* The stuck one ends, destroys its job and itself. */
	close(pipes[1]);
	for (int i = 0; i < 500 && fcntl(pipes[0], F_GETFD) >= 0; i++)
		vh_sleep_until_ns(vh_now_ns() + 10 * VH_NS_PER_MS);
	assert_true(fcntl(pipes[0], F_GETFD) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_are_bounded_and_rerooted),
		cmocka_unit_test(many_files_are_read_in_one_go),
		cmocka_unit_test(a_batch_given_up_is_whole),
		cmocka_unit_test(names_are_sorted_by_number),
		cmocka_unit_test(a_fifo_is_no_log),
		cmocka_unit_test(a_stuck_call_costs_its_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
