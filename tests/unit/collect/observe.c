/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vh_collect as a whole: the order of the looks, and a process that goes away. */
#include "fixture.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sys/inotify.h>

static const struct vh_collect_options quick = {.window_ns = 20 * VH_NS_PER_MS, .passive = true};

static void two_looks_a_window_apart(void **state VH_UNUSED)
{
	struct fixture f = fixture_captured("stopped");
	struct vh_error *err = NULL;
	struct vh_case *c = vh_collect(f.host, f.c->vm, &quick, &err);
	vh_auto_free char *tid = vh_asprintf("tid:%d", (int)f.c->vm->id.pid);

	assert_null(err);
	assert_true(c->passive);
	assert_true(c->window_ns >= quick.window_ns);
	const struct vh_evidence *first = vh_case_find_data(c, "task.stat", tid, VH_FIRST);
	const struct vh_evidence *last = vh_case_find_data(c, "task.stat", tid, VH_LAST);

	assert_non_null(first);
	assert_non_null(last);
	assert_string_equal(first->data, last->data);
	/* The first look lies before the window's end, the last behind it. */
	assert_true(first->at_ns < c->window_ns);
	assert_true(last->at_ns >= c->window_ns);
	assert_string_equal(
		vh_case_find_data(c, "task.wchan", tid, VH_LAST)->data, "do_signal_stop");
	/* Once is once, and lies in the window; nobody was asked. */
	assert_non_null(vh_case_find_data(c, "proc.cmdline", "", VH_ONCE));
	assert_null(vh_case_find(c, "proc.cmdline", "", VH_LAST));
	assert_true(vh_case_find(c, "host.kmsg", "", VH_ONCE)->at_ns < last->at_ns);
	assert_null(vh_case_find(c, "vmhang.note", NULL, VH_N_ROUND));
	vh_case_foreach (c, e)
		assert_true(e->round == VH_FIRST || e->round == VH_ONCE || e->round == VH_LAST);
	vh_case_free(c);
	fixture_free(&f);
}

static void nothing_to_observe(void **state VH_UNUSED)
{
	struct fixture f = fixture_captured("stopped");
	struct vh_error *err = NULL;

	f.c->vm->id.start_ticks++;
	assert_null(vh_collect(f.host, f.c->vm, &quick, &err));
	assert_int_equal(err->code, ESRCH);
	assert_non_null(strstr(err->message, "another process"));
	vh_error_free(err);
	err = NULL;
	f.c->vm->id.pid = 1;
	assert_null(vh_collect(f.host, f.c->vm, &quick, &err));
	assert_int_equal(err->code, ESRCH);
	vh_error_free(err);
	fixture_free(&f);
}

/* Takes the VM's process away, or puts another one in its place, once the kernel log is read: that
 * is the last thing before the wait for the end of the window. */
struct ending {
	struct fixture *f;
	bool replaced;
	int inotify;
	int64_t done_ns; /* when it was gone */
};

static void *end_process(void *arg)
{
	struct ending *e = arg;
	char event[sizeof(struct inotify_event) + NAME_MAX + 1];

	if (read(e->inotify, event, sizeof(event)) <= 0)
		return NULL;
	if (e->replaced) {
		vh_auto_free char *next = vh_host_path(e->f->host, "/next");
		vh_auto_free char *stat = vh_host_path(e->f->host, "/proc/4711/stat");

		rename(next, stat);
	} else {
		vh_auto_free char *process = vh_host_path(e->f->host, "/proc/4711");
		vh_auto_free char *gone = vh_host_path(e->f->host, "/gone");

		rename(process, gone);
	}
	e->done_ns = vh_now_ns();
	return NULL;
}

/* NULL where the window was over before the process was gone, on a machine that is busy. */
static struct vh_case *try_ending(struct fixture *f, bool replaced, int64_t window_ns)
{
	const struct vh_collect_options options = {.window_ns = window_ns, .passive = true};
	static const char stat[] = "4711 (vm) S 1 1 1 0 -1 0 0 0 0 0 5 5 0 0 20 0 1 0 %d 0 0 0 1\n";
	struct ending ending = {.f = f, .replaced = replaced};
	struct vh_error *err = NULL;
	pthread_t thread;

	vh_auto_free char *mine = vh_asprintf(stat, 50000);
	vh_auto_free char *other = vh_asprintf(stat, 60000);

	fixture_put(f, "/proc/4711/stat", mine);
	fixture_put(f, "/proc/4711/task/4711/stat", mine);
	fixture_put(f, "/next", other);
	fixture_put(f, "/dev/kmsg", "");
	fixture_put(f, "/log", "last words\n");
	fixture_put(f, "/proc/loadavg", "1\n");
	f->c->vm->log_path = vh_strdup("/log");
	ending.inotify = inotify_init1(IN_CLOEXEC);
	vh_auto_free char *kmsg = vh_host_path(f->host, "/dev/kmsg");

	assert_true(inotify_add_watch(ending.inotify, kmsg, IN_OPEN) >= 0);
	assert_int_equal(pthread_create(&thread, NULL, end_process, &ending), 0);
	struct vh_case *c = vh_collect(f->host, f->c->vm, &options, &err);

	pthread_join(thread, NULL);
	close(ending.inotify);
	assert_null(err);
	if (ending.done_ns < c->began_ns + c->window_ns)
		return c;
	vh_case_free(c);
	return NULL;
}

static struct vh_case *collect_ending(struct fixture *f, bool replaced)
{
	for (int64_t window_ns = 200 * VH_NS_PER_MS; window_ns < 60 * VH_NS_PER_S; window_ns *= 4) {
		*f = fixture_empty();
		struct vh_case *c = try_ending(f, replaced, window_ns);

		if (c)
			return c;
		fixture_free(f);
	}
	fail_msg("the window was over before the process was gone, however long it was");
	return NULL;
}

static void check_gone(const struct vh_case *c, const char *why)
{
	const struct vh_evidence *first = vh_case_find(c, "proc.tasks", "", VH_FIRST);
	const struct vh_evidence *last = vh_case_find(c, "proc.tasks", "", VH_LAST);
	const struct vh_evidence *note = vh_case_find(c, "vmhang.note", "", VH_LAST);

	assert_int_equal(first->status, VH_OK);
	assert_int_equal(last->status, VH_ABSENT);
	assert_string_equal(last->detail, why);
	assert_non_null(strstr(note->data, why));
	/* Nothing of /proc/PID is read any more, for it may be another's; the rest is. */
	assert_null(vh_case_find(c, "task.stat", NULL, VH_LAST));
	assert_null(vh_case_find(c, "proc.status", NULL, VH_LAST));
	assert_non_null(vh_case_find_data(c, "host.loadavg", "", VH_LAST));
	assert_int_equal(vh_case_find(c, "log.qemu", "/log", VH_LAST)->status, VH_OK);
}

static void a_process_that_ends_in_the_window(void **state VH_UNUSED)
{
	struct fixture f;
	struct vh_case *c = collect_ending(&f, false);

	check_gone(c, "the process has ended");
	vh_case_free(c);
	fixture_free(&f);
}

static void a_pid_that_is_used_again(void **state VH_UNUSED)
{
	struct fixture f;
	struct vh_case *c = collect_ending(&f, true);

	check_gone(c, "its pid belongs to another process by now");
	vh_case_free(c);
	fixture_free(&f);
}

/* scripts/capture-host, on this very process: what it took reads as the live one does. */
static void what_capture_host_takes_is_what_is_read(void **state VH_UNUSED)
{
	struct fixture live = fixture_empty();
	const char *top = getenv("VH_SOURCE_ROOT");
	vh_auto_free char *tree = vh_asprintf("%s/tree", live.dir);
	vh_auto_free char *command = vh_asprintf(
		"%s/scripts/capture-host %d '%s'", top ? top : ".", (int)getpid(), tree);
	vh_auto_free char *subject = vh_asprintf("tid:%d", (int)getpid());
	static const char *const same[] = {
		"proc.cgroup", "proc.cmdline", "host.uname", "host.cpus"};

	assert_int_equal(system(command), 0);
	struct vh_host *hosts[] = {vh_host_create(NULL), vh_host_create(tree)};
	struct vh_case *cases[2];
	struct vh_error *err = NULL;

	assert_int_equal(vh_identity_read(hosts[0], getpid(), &live.c->vm->id), 0);
	for (int i = 0; i < 2; i++) {
		cases[i] = vh_collect(hosts[i], live.c->vm, &quick, &err);
		assert_null(err);
	}
	for (size_t i = 0; i < VH_ARRAY_SIZE(same); i++) {
		const struct vh_evidence *a = vh_case_find_data(cases[0], same[i], "", VH_ONCE);
		const struct vh_evidence *b = vh_case_find_data(cases[1], same[i], "", VH_ONCE);

		assert_true(a && b);
		assert_int_equal(a->size, b->size);
		assert_memory_equal(a->data, b->data, a->size);
	}
	for (int i = 0; i < 2; i++) {
		struct vh_procstat stat;
		const struct vh_evidence *e =
			vh_case_find_data(cases[i], "task.stat", subject, VH_LAST);

		assert_true(vh_procstat_parse(vh_evidence_text(e), &stat));
		assert_int_equal(stat.id, getpid());
		assert_int_equal(stat.start_ticks, live.c->vm->id.start_ticks);
		vh_case_free(cases[i]);
		vh_host_destroy(hosts[i]);
	}
	fixture_free(&live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_looks_a_window_apart),
		cmocka_unit_test(nothing_to_observe),
		cmocka_unit_test(a_process_that_ends_in_the_window),
		cmocka_unit_test(a_pid_that_is_used_again),
		cmocka_unit_test(what_capture_host_takes_is_what_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
