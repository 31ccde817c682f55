/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The QMP client: connecting, and one question, against a server that is well-behaved or not. */
#include "tests/unit/collect/qmp_place.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

static struct vh_qmp *connect_to(
	struct place *p, const char *address, int64_t ms, struct vh_qmp_answer *a)
{
	return vh_qmp_connect(
		p->host, p->guard, CASE_PID, address, vh_deadline_in(ms * VH_NS_PER_MS), a);
}

/* --- One question ----------------------------------------------------------------------------- */

struct misbehaviour {
	const char *does; /* KEY=BEHAVIOUR of the server */
	enum vh_qmp_outcome greeting, answer;
	const char *words; /* in the detail */
	bool waits;        /* takes the whole deadline of the last step */
};

/* True where it did what the row says; what it did instead is in *got. */
static bool is_as_told(const struct misbehaviour *m, const struct vh_qmp_answer *greeting,
	const struct vh_qmp_answer *answer, char **got)
{
	const struct vh_qmp_answer *last = greeting->outcome == VH_QMP_OK ? answer : greeting;

	free(*got);
	*got = vh_asprintf("greeting %d, answer %d: %s", greeting->outcome, answer->outcome,
		last->detail ? last->detail : "-");
	return greeting->outcome == m->greeting && answer->outcome == m->answer &&
	       (!m->words || (last->detail && strstr(last->detail, m->words)));
}

/* One try, in which what is to run into a deadline has step_ms. */
static bool try_one(const struct misbehaviour *m, int64_t step_ms, char **got)
{
	struct place p = place_new();
	const char *behaviours[] = {m->does, NULL};
	vh_auto_qmp_answer struct vh_qmp_answer greeting = {0}, a = {0}, next = {0};
	bool greets = m->greeting == VH_QMP_OK;
	int64_t last_ms = m->waits ? step_ms : PATIENT_MS;

	serve(&p, "/run", "q", KVM, behaviours);
	int64_t began = vh_now_ns();
	struct vh_qmp *q = connect_to(&p, "unix:/run/q", greets ? PATIENT_MS : last_ms, &greeting);

	assert_int_equal(q != NULL, greeting.outcome == VH_QMP_OK);
	if (q) {
		began = vh_now_ns();
		vh_qmp_ask(q, "query-status", NULL, vh_deadline_in(last_ms * VH_NS_PER_MS), &a);
	}
	int64_t took_ms = (vh_now_ns() - began) / VH_NS_PER_MS;
	bool good = is_as_told(m, &greeting, &a, got);

	/* What need not wait does not wait for its deadline. */
	if (m->waits ? took_ms < last_ms - 5 || took_ms > last_ms + SLACK_MS
		     : took_ms >= PATIENT_MS)
		fail_msg("%s: took %lld ms", m->does, (long long)took_ms);
	if (q && a.outcome != VH_QMP_OK && a.outcome != VH_QMP_ERROR) {
		/* A session that broke says so at once. */
		began = vh_now_ns();
		vh_qmp_ask(
			q, "query-version", NULL, vh_deadline_in(PATIENT_MS * VH_NS_PER_MS), &next);
		assert_int_equal(next.outcome, a.outcome);
		assert_true(vh_now_ns() - began < PATIENT_MS * VH_NS_PER_MS);
	}
	vh_qmp_close(q);
	place_free(&p);
	return good;
}

static void check_one(const struct misbehaviour *m)
{
	vh_auto_free char *got = NULL;
	int64_t step_ms = STEP_MS;

	for (int try = 1; !try_one(m, step_ms, &got); try++, step_ms *= 4)
		if (!m->waits || try == TRIES)
			fail_msg("%s: %s", m->does, got);
}

static void misbehaving_greetings(void **state VH_UNUSED)
{
	static const struct misbehaviour rows[] = {
		{"greeting=stall", VH_QMP_NO_GREETING, 0, "no greeting within", true},
		{"greeting=half", VH_QMP_NOT_QMP, 0, "did not end", true},
		{"greeting=close", VH_QMP_CLOSED, 0, "closed the connection", false},
		{"greeting=half-close", VH_QMP_CLOSED, 0, "closed the connection", false},
		{"greeting=exit", VH_QMP_CLOSED, 0, "connection", false},
		{"greeting=garbage", VH_QMP_NOT_QMP, 0, "not QMP", false},
		{"greeting=list", VH_QMP_NOT_QMP, 0, "not an object", false},
		{"greeting=empty", VH_QMP_NOT_QMP, 0, "no QMP greeting", false},
		{"greeting=deep", VH_QMP_NOT_QMP, 0, "not QMP", false},
		{"greeting=long", VH_QMP_TOO_MUCH, 0, "exceeds", false},
		{"greeting=bytes", VH_QMP_OK, VH_QMP_OK, NULL, false},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++)
		check_one(&rows[i]);
}

static void misbehaving_answers(void **state VH_UNUSED)
{
	static const struct misbehaviour rows[] = {
		{"query-status=stall", VH_QMP_OK, VH_QMP_NO_ANSWER, "query-status got no answer",
			true},
		{"qmp_capabilities=stall", VH_QMP_OK, VH_QMP_NO_ANSWER, "no answer", true},
		{"qmp_capabilities=error", VH_QMP_OK, VH_QMP_NOT_QMP, "refused", false},
		{"query-status=half", VH_QMP_OK, VH_QMP_NO_ANSWER, "no answer", true},
		{"query-status=wrong-id", VH_QMP_OK, VH_QMP_NOT_QMP, "something else", true},
		{"query-status=no-id", VH_QMP_OK, VH_QMP_NOT_QMP, "something else", true},
		{"query-status=garbage", VH_QMP_OK, VH_QMP_NOT_QMP, "not QMP", false},
		{"query-status=list", VH_QMP_OK, VH_QMP_NOT_QMP, "not an object", false},
		{"query-status=deep", VH_QMP_OK, VH_QMP_NOT_QMP, "not QMP", false},
		{"query-status=bad-utf8", VH_QMP_OK, VH_QMP_NOT_QMP, "not QMP", false},
		{"query-status=close", VH_QMP_OK, VH_QMP_CLOSED, "closed", false},
		{"query-status=half-close", VH_QMP_OK, VH_QMP_CLOSED, "closed", false},
		{"query-status=exit", VH_QMP_OK, VH_QMP_CLOSED, "connection", false},
		{"query-status=error", VH_QMP_OK, VH_QMP_ERROR, "GenericError", false},
		{"query-status=events", VH_QMP_OK, VH_QMP_OK, NULL, false},
		{"query-status=strays", VH_QMP_OK, VH_QMP_OK, NULL, false},
		{"query-status=huge", VH_QMP_OK, VH_QMP_OK, NULL, false},
		{"query-status=empty", VH_QMP_OK, VH_QMP_OK, NULL, false},
		{"query-status=null", VH_QMP_OK, VH_QMP_OK, NULL, false},
		{"query-status=bytes", VH_QMP_OK, VH_QMP_OK, NULL, false},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++)
		check_one(&rows[i]);
}

/* What comes without end stops at a cap or at the deadline, whichever is first. */
static void floods(void **state VH_UNUSED)
{
	static const char *const does[] = {
		"query-status=flood", "query-status=long", "query-status=values"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(does); i++) {
		struct place p = place_new();
		const char *behaviours[] = {does[i], NULL};
		vh_auto_qmp_answer struct vh_qmp_answer greeting = {0}, a = {0};

		serve(&p, "/run", "q", KVM, behaviours);
		struct vh_qmp *q = connect_to(&p, "unix:/run/q", PATIENT_MS, &greeting);
		int64_t began = vh_now_ns();

		assert_non_null(q);
		vh_qmp_ask(q, "query-status", NULL, vh_deadline_in(PATIENT_MS * VH_NS_PER_MS), &a);
		assert_true(vh_now_ns() - began < (PATIENT_MS + SLACK_MS) * VH_NS_PER_MS);
		if (a.outcome != VH_QMP_TOO_MUCH && a.outcome != VH_QMP_NO_ANSWER)
			fail_msg("%s: %d: %s", does[i], a.outcome, a.detail);
		assert_null(a.value);
		assert_true(vh_qmp_n_events(q) <= VH_QMP_MAX_EVENTS);
		if (i == 0)
			assert_true(vh_qmp_events_lost(q) > 1000);
		vh_qmp_close(q);
		place_free(&p);
	}
}

static void events_are_kept_up_to_a_cap(void **state VH_UNUSED)
{
	struct place p = place_new();
	const char *behaviours[] = {"query-status=events", NULL};
	vh_auto_qmp_answer struct vh_qmp_answer greeting = {0}, a = {0};

	serve(&p, "/run", "q", KVM, behaviours);
	struct vh_qmp *q = connect_to(&p, "unix:/run/q", PATIENT_MS, &greeting);

	assert_non_null(q);
	vh_qmp_ask(q, "query-status", NULL, vh_deadline_in(PATIENT_MS * VH_NS_PER_MS), &a);
	assert_int_equal(a.outcome, VH_QMP_OK);
	assert_string_equal(vh_json_string(a.value, "status", ""), "running");
	assert_int_equal(vh_qmp_n_events(q), VH_QMP_MAX_EVENTS);
	assert_int_equal(vh_qmp_events_lost(q), 300 - VH_QMP_MAX_EVENTS);
	assert_string_equal(vh_json_string(vh_qmp_event(q, 0), "event", ""), "RTC_CHANGE");
	vh_qmp_close(q);
	place_free(&p);
}

static void numbers_beyond_64_bits_do_no_harm(void **state VH_UNUSED)
{
	struct place p = place_new();
	const char *behaviours[] = {"query-status=huge", NULL};
	vh_auto_qmp_answer struct vh_qmp_answer greeting = {0}, a = {0};
	uint64_t b = 0;

	serve(&p, "/run", "q", KVM, behaviours);
	struct vh_qmp *q = connect_to(&p, "unix:/run/q", PATIENT_MS, &greeting);

	assert_non_null(q);
	vh_qmp_ask(q, "query-status", NULL, vh_deadline_in(PATIENT_MS * VH_NS_PER_MS), &a);
	assert_string_equal(vh_json_string(a.value, "status", ""), "running");
	assert_true(vh_json_u64(a.value, "b", &b));
	assert_true(b == UINT64_MAX);
	vh_qmp_close(q);
	place_free(&p);
}

/* --- Connecting ------------------------------------------------------------------------------- */

static void expect_connect(
	struct place *p, const char *address, enum vh_qmp_outcome outcome, int err)
{
	vh_auto_qmp_answer struct vh_qmp_answer a = {0};
	int64_t ms = outcome == VH_QMP_NO_GREETING ? STEP_MS : PATIENT_MS, began = vh_now_ns();
	struct vh_qmp *q = connect_to(p, address, ms, &a);

	if (a.outcome != outcome || a.err != err)
		fail_msg("%s: outcome %d, err %d: %s", address, a.outcome, a.err, a.detail);
	assert_true(vh_now_ns() - began < (ms + SLACK_MS) * VH_NS_PER_MS);
	assert_int_equal(q != NULL, outcome == VH_QMP_OK);
	vh_qmp_close(q);
}

static void sockets_that_cannot_be_connected(void **state VH_UNUSED)
{
	struct place p = place_new();
	int dead = listen_unix(&p, "/run/dead", -1);

	put_file(&p, "/proc/4711/root/run/plain", "");
	expect_connect(&p, "unix:/run/none", VH_QMP_NO_SOCKET, ENOENT);
	expect_connect(&p, "unix:/run/plain/x", VH_QMP_NO_SOCKET, ENOTDIR);
	expect_connect(&p, "unix:/run/plain", VH_QMP_NO_SOCKET, ENOTSOCK);
	expect_connect(&p, "unix:/run/dead", VH_QMP_REFUSED, ECONNREFUSED);
	expect_connect(&p, "stdio", VH_QMP_NO_SOCKET, EINVAL);
	expect_connect(&p, "unix:", VH_QMP_NO_SOCKET, EINVAL);
	expect_connect(&p, "tcp:192.0.2.1:4444", VH_QMP_NO_SOCKET, EINVAL);
	expect_connect(&p, "tcp:example.org:4444", VH_QMP_NO_SOCKET, EINVAL);
	expect_connect(&p, "tcp:127.0.0.1:0", VH_QMP_NO_SOCKET, EINVAL);
	close(dead);
	place_free(&p);
}

static void a_socket_of_somebody_else(void **state VH_UNUSED)
{
	struct place p = place_new();
	int fd = listen_unix(&p, "/run/q", 1);

	if (geteuid() != 0)
		skip();
	assert_int_equal(seteuid(65534), 0);
	expect_connect(&p, "unix:/run/q", VH_QMP_DENIED, EACCES);
	assert_int_equal(seteuid(0), 0);
	close(fd);
	place_free(&p);
}

/* Two VMs of one socket path: the later one has it. */
static void a_socket_that_another_process_took_over(void **state VH_UNUSED)
{
	struct place p = place_new();
	int fd = listen_unix(&p, "/run/q", 4);
	vh_auto_free char *address = vh_asprintf("unix:%s/proc/4711/root/run/q", p.dir);

	vh_host_destroy(p.host);
	p.host = vh_host_create(NULL);
	for (int other = 0; other < 2; other++) {
		vh_auto_qmp_answer struct vh_qmp_answer a = {0};

		assert_null(vh_qmp_connect(p.host, p.guard, other ? getppid() : getpid(), address,
			vh_deadline_in(STEP_MS * VH_NS_PER_MS), &a));
		assert_int_equal(a.outcome, other ? VH_QMP_UNCONNECTED : VH_QMP_NO_GREETING);
		assert_int_equal(a.err, other ? ENOTCONN : ETIMEDOUT);
	}
	close(fd);
	place_free(&p);
}

static void a_full_backlog_is_busy(void **state VH_UNUSED)
{
	struct place p = place_new();
	int listener = listen_unix(&p, "/run/q", 0), waiting[8];
	struct sockaddr_un at;
	socklen_t size = sizeof(at);
	size_t n = 0;

	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &size), 0);
	/* Nobody accepts: one fits, the next is told to come again. */
	for (; n < VH_ARRAY_SIZE(waiting); n++) {
		waiting[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (connect(waiting[n], (struct sockaddr *)&at, size) < 0)
			break;
	}
	assert_in_range(n, 1, VH_ARRAY_SIZE(waiting) - 1);
	expect_connect(&p, "unix:/run/q", VH_QMP_BUSY, EAGAIN);
	for (size_t i = 0; i <= n; i++)
		close(waiting[i]);
	close(listener);
	place_free(&p);
}

static void tcp_on_this_machine(void **state VH_UNUSED)
{
	struct place p = place_new();
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	vh_auto_free char *numeric = vh_asprintf("tcp:127.0.0.1:%u", ntohs(at.sin_port));
	vh_auto_free char *named = vh_asprintf("tcp:localhost:%u", ntohs(at.sin_port));
	vh_auto_free char *any = vh_asprintf("tcp::%u", ntohs(at.sin_port));

	expect_connect(&p, numeric, VH_QMP_REFUSED, ECONNREFUSED);
	assert_int_equal(listen(fd, 4), 0);
	expect_connect(&p, numeric, VH_QMP_NO_GREETING, ETIMEDOUT);
	expect_connect(&p, named, VH_QMP_NO_GREETING, ETIMEDOUT);
	expect_connect(&p, any, VH_QMP_NO_GREETING, ETIMEDOUT);
	/* Of a VM in another network namespace it would be somebody else's. */
	make_directories(p.dir, "/proc/4711/ns");
	make_directories(p.dir, "/proc/self/ns");
	put_link(&p, "/proc/self/ns/net", "net:[1]");
	put_link(&p, "/proc/4711/ns/net", "net:[1]");
	expect_connect(&p, numeric, VH_QMP_NO_GREETING, ETIMEDOUT);
	put_link(&p, "/proc/4711/ns/net", "net:[2]");
	expect_connect(&p, numeric, VH_QMP_NO_SOCKET, EINVAL);
	close(fd);
	place_free(&p);
}

/* A path longer than sun_path, and one through an absolute link that means the VM's own root. */
static void paths_of_containers(void **state VH_UNUSED)
{
	struct place p = place_new();
	char part[61], path[320] = "/run";

	memset(part, 'd', 60);
	part[60] = 0;
	for (int i = 0; i < 4; i++) {
		strcat(path, "/");
		strcat(path, part);
	}
	vh_auto_free char *inside = vh_asprintf("/proc/4711/root%s", path);
	vh_auto_free char *address = vh_asprintf("unix:%s/q", path);
	vh_auto_free char *link = vh_asprintf("%s/proc/4711/root/link", p.dir);
	vh_auto_free char *through = vh_asprintf("unix:/link/%s/%s/%s/q", part, part, part);

	make_directories(p.dir, inside);
	path[strlen("/run/") + 60] = 0;
	assert_int_equal(symlink(path, link), 0);
	path[strlen("/run/") + 60] = '/';
	serve(&p, path, "q", KVM, NULL);
	expect_connect(&p, address, VH_QMP_OK, 0);
	expect_connect(&p, through, VH_QMP_OK, 0);
	place_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(misbehaving_greetings),
		cmocka_unit_test(misbehaving_answers),
		cmocka_unit_test(floods),
		cmocka_unit_test(events_are_kept_up_to_a_cap),
		cmocka_unit_test(numbers_beyond_64_bits_do_no_harm),
		cmocka_unit_test(sockets_that_cannot_be_connected),
		cmocka_unit_test(a_socket_of_somebody_else),
		cmocka_unit_test(a_socket_that_another_process_took_over),
		cmocka_unit_test(a_full_backlog_is_busy),
		cmocka_unit_test(tcp_on_this_machine),
		cmocka_unit_test(paths_of_containers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
