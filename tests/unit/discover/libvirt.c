/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The agent, against libvirt's own test driver and against a daemon that never answers. */
#include "discover/libvirt.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "discover/libvirt_agent.h"
#include "discover/libvirt_xml.h"
#include "tests/unit/test.h"

#define SOON vh_deadline_in(10 * VH_NS_PER_S)

/* No process may be left behind, dead or alive. */
static void assert_no_children(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* The agent's pid: CONFIG_PROC_CHILDREN tells; 0 without. */
static pid_t only_child(void)
{
	vh_auto_free char *path = vh_asprintf("/proc/self/task/%d/children", (int)getpid());
	FILE *f = fopen(path, "r");
	int pid;

	if (!f)
		return 0;
	assert_int_equal(fscanf(f, "%d", &pid), 1);
	fclose(f);
	return pid;
}

/* The driver that simulates a hypervisor in the client; NULL where there is no libvirt. (cmocka's
 * skip() counts as a failure in meson's reading of TAP.) */
static struct vh_libvirt *open_test_driver(void)
{
	struct vh_error *err = NULL;
	struct vh_libvirt *lv = vh_libvirt_open("test:///default", SOON, &err);

	if (err && err->code == EOPNOTSUPP) {
		vh_error_free(err);
		return NULL;
	}
	assert_null(err);
	return lv;
}

static void asks_the_test_driver(void **state VH_UNUSED)
{
	struct vh_libvirt *lv = open_test_driver();
	struct vh_libvirt_domains domains;
	char *text = NULL;

	if (!lv)
		return;
	assert_null(vh_libvirt_domains(lv, SOON, &domains));
	assert_int_equal(domains.n, 1);
	assert_string_equal(domains.list[0].name, "test");
	assert_string_equal(domains.list[0].state, "running");
	assert_int_equal(domains.list[0].id, 1);
	const char *uuid = domains.list[0].uuid;

	assert_null(vh_libvirt_xml(lv, uuid, SOON, &text));
	assert_non_null(strstr(text, "<name>test</name>"));
	free(text);
	assert_null(vh_libvirt_state(lv, uuid, SOON, &text));
	assert_string_equal(text, "state running\nreason unknown\ncontrol ok\n");
	free(text);
	assert_null(vh_libvirt_stats(lv, uuid, SOON, &text));
	assert_non_null(strstr(text, "state.state 1\n"));
	free(text);
	/* An error is no end: the next question is answered. */
	struct vh_error *err =
		vh_libvirt_monitor(lv, uuid, "{\"execute\":\"query-status\"}", SOON, &text);

	assert_int_equal(err->code, EOPNOTSUPP);
	assert_null(text);
	vh_error_free(err);
	err = vh_libvirt_xml(lv, "00000000-0000-0000-0000-000000000000", SOON, &text);
	assert_int_equal(err->code, ESRCH);
	vh_error_free(err);
	assert_null(vh_libvirt_xml(lv, uuid, SOON, &text));
	free(text);
	vh_libvirt_domains_free(&domains);
	vh_libvirt_close(lv);
	assert_no_children();
}

static void a_passed_deadline_ends_the_agent(void **state VH_UNUSED)
{
	struct vh_libvirt *lv = open_test_driver();
	struct vh_libvirt_domains domains;
	pid_t agent = lv ? only_child() : 0;

	if (!agent) {
		vh_libvirt_close(lv);
		return;
	}
	assert_int_equal(kill(agent, SIGSTOP), 0);
	struct vh_error *err = vh_libvirt_domains(lv, vh_deadline_in(VH_NS_PER_MS), &domains);

	assert_non_null(err);
	assert_int_equal(err->code, ETIMEDOUT);
	vh_error_free(err);
	assert_no_children();
	int64_t began = vh_now_ns();

	err = vh_libvirt_domains(lv, SOON, &domains);
	assert_true(vh_now_ns() - began < VH_NS_PER_S);
	assert_int_equal(err->code, ETIMEDOUT);
	assert_non_null(strstr(err->message, "not asked"));
	assert_non_null(strstr(err->message, "\"domains\""));
	vh_error_free(err);
	vh_libvirt_close(lv);
}

/* The address sanitizer wraps xdr_* of a libtirpc that is loaded only later, and then calls NULL.
 */
#if defined(__SANITIZE_ADDRESS__)
#define WITHOUT_XDR 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITHOUT_XDR 1
#endif
#endif
#ifndef WITHOUT_XDR
static void a_silent_daemon_costs_one_deadline(void **state VH_UNUSED)
{
	char dir[] = "/tmp/vmhang-test-XXXXXX";
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct vh_error *err = NULL;
	vh_auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_non_null(mkdtemp(dir));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/sock", dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 4), 0);
	vh_auto_free char *uri = vh_asprintf("qemu+unix:///system?socket=%s", address.sun_path);
	int64_t began = vh_now_ns();
	struct vh_libvirt *lv = vh_libvirt_open(uri, vh_deadline_in(VH_NS_PER_S), &err);
	int64_t took = vh_now_ns() - began;

	unlink(address.sun_path);
	rmdir(dir);
	assert_null(lv);
	assert_no_children();
	if (err->code == EOPNOTSUPP) {
		vh_error_free(err);
		return;
	}
	assert_non_null(strstr(err->message, "did not answer"));
	assert_int_equal(err->code, ETIMEDOUT);
	assert_true(took < 5 * VH_NS_PER_S);
	vh_error_free(err);
}
#endif

static void the_wire_is_bounded(void **state VH_UNUSED)
{
	int pair[2];
	struct json_object *o = NULL;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	struct vh_wire a = {.fd = pair[0]}, b = {.fd = pair[1]};

	assert_int_equal(vh_wire_receive(&b, vh_deadline_in(0), &o), -ETIMEDOUT);
	assert_int_equal(write(pair[0], "{\"a\":1}\n{\"b\"", 12), 12);
	assert_int_equal(vh_wire_receive(&b, SOON, &o), 0);
	assert_string_equal(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN), "{\"a\":1}");
	json_object_put(o);
	assert_int_equal(vh_wire_receive(&b, vh_deadline_in(0), &o), -ETIMEDOUT);
	assert_int_equal(write(pair[0], ":2}\nrubbish\n", 12), 12);
	assert_int_equal(vh_wire_receive(&b, SOON, &o), 0);
	json_object_put(o);
	assert_int_equal(vh_wire_receive(&b, SOON, &o), -EBADMSG);
	/* A peer that does not read, and one that is gone. */
	vh_auto_json struct json_object *big = json_object_new_object();
	vh_auto_free char *megabyte = vh_alloc(4 << 20);

	memset(megabyte, 'x', (4 << 20) - 1);
	vh_json_put_text(big, "text", megabyte);
	assert_int_equal(vh_wire_send(&a, big, vh_deadline_in(0)), -ETIMEDOUT);
	close(pair[1]);
	assert_int_equal(vh_wire_send(&a, big, SOON), -ECONNRESET);
	close(pair[0]);
	vh_buf_free(&a.pending);
	vh_buf_free(&b.pending);
}

static void xml_names_the_files(void **state VH_UNUSED)
{
	static const char xml[] =
		"<domain><devices><serial type='file'>\n"
		"  <source path='/log/a&amp;b&apos;s.log' append='off'/>\n"
		"  <target type='isa-serial' port='0'/>\n  <alias name='serial0'/>\n</serial>\n"
		"<console type='pty' tty='/dev/pts/1'>\n  <source path='/dev/pts/1'/>\n"
		"  <log file='/log/c' append='on'/>\n  <alias name='console1'/>\n</console>\n"
		"<serial type='pty'><source path='/dev/pts/2'/><alias name='serial1'/></serial>"
		"<serial type='file'><source path='/never-ends";
	static const char *const labels[] = {
		"charserial0", "charconsole1", "charserial1", "serial0"};
	struct vh_vm *vm = vh_vm_new();

	for (size_t i = 0; i < VH_ARRAY_SIZE(labels); i++) {
		struct vh_serial *s = &VH_PUSH(vm->serials, vm->n_serials);

		s->kind = vh_strdup("file");
		s->label = vh_strdup(labels[i]);
	}
	vh_libvirt_xml_serials(vh_str(xml), vm);
	assert_string_equal(vm->serials[0].path, "/log/a&b's.log");
	assert_string_equal(vm->serials[1].path, "/log/c");
	assert_null(vm->serials[2].path);
	assert_null(vm->serials[3].path);
	vh_vm_free(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_the_test_driver),
		cmocka_unit_test(a_passed_deadline_ends_the_agent),
#ifndef WITHOUT_XDR
		cmocka_unit_test(a_silent_daemon_costs_one_deadline),
#endif
		cmocka_unit_test(the_wire_is_bounded),
		cmocka_unit_test(xml_names_the_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
