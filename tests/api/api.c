/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The public interface, from a program that has nothing but the shared library and its header. */
#include <vmhang/vmhang.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void a_case_file_gives_its_verdict(void **state)
{
	vmhang_error *error = NULL;
	vmhang_case *c = vmhang_case_load(TEST_CASE, &error);

	(void)state;
	assert_null(error);
	assert_non_null(c);
	vmhang_report *r = vmhang_report_new(c);
	const vmhang_text_options wide = {.size = sizeof(wide), .verbose = true, .width = 120};
	char *text = vmhang_report_text(r, NULL), *json = vmhang_report_json(r),
	     *verbose = vmhang_report_text(r, &wide);

	assert_int_equal(vmhang_report_status(r), 1);
	assert_string_equal(vmhang_report_cause(r), "boot-cpu-spins-aps-never-started");
	assert_int_equal(strncmp(text, "web 07: hung: ", 14), 0);
	assert_non_null(strstr(json, "\"schema\":\"vmhang.report/1\""));
	assert_null(strstr(text, "\nThreads\n"));
	assert_non_null(strstr(verbose, "\nThreads\n"));
	free(text);
	free(json);
	free(verbose);
	vmhang_report_free(r);
	vmhang_case_free(c);
}

static void a_case_is_saved_and_loaded(void **state)
{
	char path[] = "/tmp/vmhang-api-XXXXXX";
	int fd = mkstemp(path);
	vmhang_error *error = NULL;
	vmhang_case *c = vmhang_case_load(TEST_CASE, NULL), *again;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	assert_true(vmhang_case_save(c, path, &error));
	again = vmhang_case_load(path, &error);
	unlink(path);
	assert_non_null(again);
	vmhang_report *a = vmhang_report_new(c), *b = vmhang_report_new(again);
	char *json_a = vmhang_report_json(a), *json_b = vmhang_report_json(b);

	assert_string_equal(json_a, json_b);
	free(json_a);
	free(json_b);
	vmhang_report_free(a);
	vmhang_report_free(b);
	vmhang_case_free(c);
	vmhang_case_free(again);
}

static void assert_cause(vmhang_case *c, const char *cause)
{
	assert_non_null(c);
	vmhang_report *r = vmhang_report_new(c);

	assert_non_null(vmhang_report_cause(r));
	assert_string_equal(vmhang_report_cause(r), cause);
	vmhang_report_free(r);
	vmhang_case_free(c);
}

static const char two_vms[] = "100 root 20 0 1 1 1 S 0.0 0.0 0:05.12 qemu-system-x86\n"
			      "110 root 20 0 1 1 1 R 99.9 0.0 9:05.12 CPU 0/KVM\n"
			      "200 root 20 0 1 1 1 S 0.0 0.0 0:05.12 qemu-system-x86\n"
			      "210 root 20 0 1 1 1 S 0.3 0.0 9:05.12 CPU 0/KVM\n";

static void a_pasted_text_gives_its_verdict(void **state)
{
	static const char paused[] = "Help!\n(qemu) info status\nVM status: paused (io-error)\n";
	vmhang_error *error = NULL;
	size_t count = 77;

	(void)state;
	assert_cause(vmhang_case_load(TEST_TEXT, NULL), "firmware-spins");
	assert_cause(vmhang_case_from_text("mail", paused, sizeof(paused) - 1, 0, &count, &error),
		"paused-io-error");
	assert_null(error);
	assert_int_equal(count, 1);
	assert_null(vmhang_case_from_text("mail", paused, sizeof(paused) - 1, 1, NULL, &error));
	assert_int_equal(vmhang_error_code(error), EINVAL);
	vmhang_error_free(error);
	error = NULL;
	assert_null(vmhang_case_from_text("mail", "Help!\n", 6, 0, &count, &error));
	assert_int_equal(count, 0);
	assert_int_equal(vmhang_error_code(error), ENODATA);
	assert_non_null(strstr(vmhang_error_message(error), "mail"));
	vmhang_error_free(error);
	assert_null(vmhang_case_from_text("mail", NULL, 0, 0, NULL, NULL));
}

static void a_text_about_two_vms(void **state)
{
	static const char heading[] =
		"    PID USER PR NI VIRT RES SHR S  %CPU  %MEM     TIME+ COMMAND\n";
	char path[] = "/tmp/vmhang-api-XXXXXX", text[1024];
	int fd = mkstemp(path), n = snprintf(text, sizeof(text), "%s%s", heading, two_vms);
	vmhang_error *error = NULL;
	size_t count = 0;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, (size_t)n), n);
	close(fd);
	vmhang_case *c = vmhang_case_load(path, &error);

	unlink(path);
	assert_null(c);
	assert_int_equal(vmhang_error_code(error), ENOTUNIQ);
	vmhang_error_free(error);
	for (size_t i = 0; i < 2; i++) {
		c = vmhang_case_from_text("two", text, (size_t)n, i, &count, NULL);
		assert_non_null(c);
		assert_int_equal(count, 2);
		vmhang_case_free(c);
	}
}

static void errors_say_what_and_where(void **state)
{
	vmhang_error *error = NULL;
	vmhang_host *host = vmhang_host_new("/no/such/captured/host");

	(void)state;
	assert_null(vmhang_case_load("/no/such/file", &error));
	assert_int_equal(vmhang_error_code(error), 2);
	assert_non_null(strstr(vmhang_error_message(error), "/no/such/file"));
	vmhang_error_free(error);
	assert_null(vmhang_case_load("/no/such/file", NULL));
	error = NULL;
	assert_null(vmhang_list(host, NULL, &error));
	assert_non_null(error);
	vmhang_error_free(error);
	vmhang_host_free(host);
	vmhang_host_free(NULL);
	vmhang_case_free(NULL);
	vmhang_report_free(NULL);
	vmhang_vms_free(NULL);
	vmhang_error_free(NULL);
}

/* Built against an older header: the struct ends before the newer members, which are not read. */
static void a_shorter_options_struct_is_enough(void **state)
{
	const struct {
		size_t size;
		bool no_libvirt;
		char not_ours[64];
	} old = {.size = sizeof(size_t) + 1, .no_libvirt = true, .not_ours = "\xff\xff\xff\xff"};
	vmhang_host *host = vmhang_host_new(NULL);
	vmhang_error *error = NULL;
	size_t index = 77;
	vmhang_vms *vms = vmhang_list(host, (const vmhang_list_options *)&old, &error);

	(void)state;
	assert_non_null(vms);
	assert_false(vmhang_select(vms, "there is no VM of this name", &index, &error));
	assert_int_equal(index, 77);
	assert_non_null(strstr(vmhang_error_message(error), "there is no VM of this name"));
	vmhang_error_free(error);
	error = NULL;
	assert_null(vmhang_observe(host, vms, vmhang_vms_count(vms), NULL, &error));
	vmhang_error_free(error);
	error = NULL;
	assert_null(vmhang_exits_open(host, vms, vmhang_vms_count(vms), NULL, &error));
	assert_int_equal(vmhang_error_code(error), 22);
	vmhang_error_free(error);
	vmhang_exits_close(NULL);
	assert_null(vmhang_vms_name(vms, vmhang_vms_count(vms)));
	vmhang_vms_free(vms);
	vmhang_host_free(host);
}

static void every_cause_is_explained(void **state)
{
	size_t n = 0;

	(void)state;
	for (const char *id; (id = vmhang_cause_id(n)); n++) {
		char *text = vmhang_explain(id);

		assert_non_null(strstr(text, "\nMeaning\n"));
		assert_non_null(strstr(text, "\nWhat shows it\n"));
		assert_non_null(strstr(text, "\nWhat to do\n"));
		assert_int_equal(strncmp(text, id, strlen(id)), 0);
		free(text);
	}
	assert_true(n >= 20);
	assert_null(vmhang_explain("no-such-cause"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_case_file_gives_its_verdict),
		cmocka_unit_test(a_case_is_saved_and_loaded),
		cmocka_unit_test(a_pasted_text_gives_its_verdict),
		cmocka_unit_test(a_text_about_two_vms),
		cmocka_unit_test(errors_say_what_and_where),
		cmocka_unit_test(a_shorter_options_struct_is_enough),
		cmocka_unit_test(every_cause_is_explained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
