/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The QMP client and the whole session against tests/hosts/qmp_server.py, well-behaved and not. */
#include "collect/qmp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "collect/collect.h"
#include "collect/plan.h"
#include "tests/unit/casebuild.h"
#include "tests/unit/test.h"

/* The deadline of what must run into it, and what a loaded machine may take beyond it; and one that
 * nothing runs into. */
#define STEP_MS    250
#define SLACK_MS   2000
#define PATIENT_MS 20000
/* Where the server must have said something by a deadline that is to be met, it is given more time,
 * up to this often, before it counts as wrong: four times as much each time. */
#define TRIES 4
static const struct vh_collect_options patient = {
	.step_ns = PATIENT_MS * VH_NS_PER_MS, .monitor_ns = 3 * PATIENT_MS * VH_NS_PER_MS};

#define KVM "kvm-7.2-spin"
#define TCG "tcg-7.2-seabios"

/* A directory that stands for a host with process CASE_PID, and a server inside that process's
 * root. */
struct place {
	char *dir;
	struct vh_host *host;
	struct vh_guard *guard;
	pid_t server;
	int keep; /* the server ends when this is closed */
};

static void make_directories(const char *dir, const char *path)
{
	vh_auto_free char *all = vh_asprintf("%s%s", dir, path);

	for (char *p = all + strlen(dir) + 1; (p = strchr(p, '/')); p++) {
		*p = 0;
		mkdir(all, 0755);
		*p = '/';
	}
	mkdir(all, 0755);
}

static struct place place_new(void)
{
	struct place p = {.dir = vh_strdup("/tmp/vmhang-test-XXXXXX"), .keep = -1};

	assert_non_null(mkdtemp(p.dir));
	make_directories(p.dir, "/proc/4711/root/run");
	p.host = vh_host_create(p.dir);
	p.guard = vh_guard_create();
	return p;
}

static void put_file(const struct place *p, const char *path, const char *text)
{
	vh_auto_free char *name = vh_asprintf("%s%s", p->dir, path);
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void put_link(const struct place *p, const char *path, const char *target)
{
	vh_auto_free char *name = vh_asprintf("%s%s", p->dir, path);

	unlink(name);
	assert_int_equal(symlink(target, name), 0);
}

/* Runs the server on socket `name` of a directory below the process's root. */
static void serve(struct place *p, const char *directory, const char *name, const char *script,
	const char *const behaviours[])
{
	const char *top = getenv("VH_SOURCE_ROOT");
	char real[PATH_MAX], word[8] = "";
	int in[2], out[2];

	assert_non_null(realpath(top ? top : ".", real));
	vh_auto_free char *program = vh_asprintf("%s/tests/hosts/qmp_server.py", real);
	vh_auto_free char *recorded = vh_asprintf("%s/tests/hosts/qmp/%s.json", real, script);
	vh_auto_free char *where = vh_asprintf("%s/proc/4711/root%s", p->dir, directory);
	const char *argv[16] = {"/usr/bin/python3", program, name, recorded};

	for (size_t i = 0; behaviours && behaviours[i]; i++)
		argv[4 + i] = behaviours[i];
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	p->server = fork();
	if (!p->server) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(in[0], 0);
		dup2(out[1], 1);
		/* The path may be longer than a sockaddr_un holds. */
		if (chdir(where) == 0)
			execv(argv[0], (char *const *)argv);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	p->keep = in[1];
	assert_int_equal(read(out[0], word, 6), 6);
	assert_string_equal(word, "ready\n");
	close(out[0]);
}

static void stop_server(struct place *p)
{
	if (p->keep >= 0)
		close(p->keep);
	p->keep = -1;
	if (p->server > 0)
		waitpid(p->server, NULL, 0);
	p->server = 0;
}

static void place_free(struct place *p)
{
	vh_auto_free char *command = vh_asprintf("rm -rf '%s'", p->dir);

	stop_server(p);
	vh_guard_destroy(p->guard);
	vh_host_destroy(p->host);
	assert_int_equal(system(command), 0);
	free(p->dir);
}

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

static int listen_unix(const struct place *p, const char *path, int backlog)
{
	vh_auto_free char *name = vh_asprintf("%s/proc/4711/root%s", p->dir, path);
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(strlen(name) < sizeof(at.sun_path));
	strcpy(at.sun_path, name);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	if (backlog >= 0)
		assert_int_equal(listen(fd, backlog), 0);
	return fd;
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

/* --- The whole session ------------------------------------------------------------------------ */

/* A running VM as the passive look saw it, asked through the server. */
static struct vh_case *ask(struct place *p, const struct vh_collect_options *options)
{
	struct vh_case *c = case_new(2);

	vh_replace(&c->vm->monitors[0].address, "unix:/run/q");
	case_main_thread(c);
	case_busy_vcpu(c, 0);
	case_busy_vcpu(c, 1);
	c->began_ns = vh_now_ns();
	vh_collect_monitor(p->host, c, options);
	return c;
}

static struct vh_evidence *expect(struct vh_case *c, const char *source, const char *subject,
	enum vh_round round, enum vh_status status)
{
	struct vh_evidence *e = vh_case_find(c, source, subject, round);

	if (!e)
		fail_msg("no %s %s", source, subject ? subject : "");
	if (e->status != status)
		fail_msg("%s is %s: %s", source, vh_status_name(e->status), e->detail);
	if (status == VH_SKIPPED)
		assert_non_null(e->detail);
	return e;
}

static size_t count(const struct vh_case *c, const char *source, const char *subject)
{
	size_t n = 0;

	vh_case_foreach (c, e)
		n += vh_streq(e->source, source) && vh_streq(e->subject, subject);
	return n;
}

static void a_session_with_kvm(void **state VH_UNUSED)
{
	struct place p = place_new();
	struct vh_case *c = NULL;

	put_file(&p, "/proc/4711/mountinfo", "21 1 254:0 / / rw - ext4 /dev/root rw\n");
	serve(&p, "/run", "q", KVM, NULL);
	/* The looks between the two are made where there is time for them. */
	for (int try = 0; try < 2 * TRIES; try++) {
		vh_case_free(c);
		c = ask(&p, &patient);
		if (count(c, "hmp.info-registers", "vcpu:0") > 2)
			break;
	}
	struct vh_evidence *e = expect(c, "qmp.greeting", "", VH_ASKED, VH_OK);

	assert_true(vh_prefix(e->data, "{\"QMP\":"));
	e = expect(c, "monitor.address", "", VH_ASKED, VH_OK);
	assert_string_equal(e->data, "unix:/run/q");
	e = expect(c, "qmp.query-status", "", VH_ASKED, VH_OK);
	assert_string_equal(
		e->data, "{\"status\":\"running\",\"singlestep\":false,\"running\":true}");
	expect(c, "qmp.query-status", "", VH_ASKED_AGAIN, VH_OK);
	e = expect(c, "qmp.qom-get", "/machine.confidential-guest-support", VH_ASKED, VH_OK);
	assert_string_equal(e->data, "\"\"");
	expect(c, "qmp.query-stats", "vcpu", VH_ASKED, VH_OK);
	expect(c, "qmp.query-stats", "vcpu", VH_ASKED_AGAIN, VH_OK);
	expect(c, "qmp.query-blockstats", "", VH_ASKED_AGAIN, VH_OK);
	expect(c, "qmp.query-balloon", "", VH_ASKED, VH_ABSENT);
	e = expect(c, "hmp.info-registers", "vcpu:1", VH_ASKED, VH_OK);
	assert_non_null(strstr(e->data, "CPU#1"));
	/* Two looks, and those between them of a vCPU that is not halted. */
	assert_in_range(count(c, "hmp.info-registers", "vcpu:0"), 3, 8);
	expect(c, "hmp.info-lapic", "vcpu:0", VH_ASKED, VH_OK);
	expect(c, "hmp.info-pic", "", VH_ASKED, VH_OK);
	e = expect(c, "guest.code", "", VH_ASKED, VH_SKIPPED);
	assert_non_null(strstr(e->detail, "captured host"));
	expect(c, "guest.screendump", "", VH_ASKED, VH_SKIPPED);
	expect(c, "qmp.query-block", "", VH_ASKED, VH_OK);
	assert_int_equal(count(c, "qmp.query-sev", ""), 0);
	assert_string_equal(c->evidence[c->n_evidence - 1]->source, "qmp.query-block");
	vh_case_free(c);
	place_free(&p);
}

/* QEMU 10.0 has other members in its answers, and no other questions. */
static void a_session_with_a_newer_qemu(void **state VH_UNUSED)
{
	struct place p = place_new();

	put_file(&p, "/proc/4711/mountinfo", "21 1 254:0 / / rw - ext4 /dev/root rw\n");
	serve(&p, "/run", "q", "kvm-10.0-seabios", NULL);
	struct vh_case *c = ask(&p, &patient);
	struct vh_evidence *e = expect(c, "qmp.query-status", "", VH_ASKED, VH_OK);

	assert_string_equal(e->data, "{\"status\":\"running\",\"running\":true}");
	expect(c, "qmp.query-stats", "vcpu", VH_ASKED_AGAIN, VH_OK);
	expect(c, "hmp.info-registers", "vcpu:1", VH_ASKED_AGAIN, VH_OK);
	expect(c, "qmp.query-block", "", VH_ASKED, VH_OK);
	vh_case_free(c);
	place_free(&p);
}

static void a_session_with_tcg(void **state VH_UNUSED)
{
	struct place p = place_new();

	serve(&p, "/run", "q", TCG, NULL);
	struct vh_case *c = ask(&p, &patient);

	expect(c, "qmp.query-status", "", VH_ASKED_AGAIN, VH_OK);
	expect(c, "hmp.info-registers", "vcpu:1", VH_ASKED_AGAIN, VH_OK);
	/* Its second vCPU is halted: nothing to watch between the two looks. */
	assert_int_equal(count(c, "hmp.info-registers", "vcpu:1"), 2);
	expect(c, "hmp.info-lapic", "vcpu:1", VH_ASKED, VH_OK);
	/* Without mountinfo the drives may lie anywhere. */
	expect(c, "qmp.query-block", "", VH_ASKED, VH_SKIPPED);
	vh_case_free(c);
	place_free(&p);
}

/* A case asked through a server with these behaviours, with this deadline of a question. Where the
 * evidence named is not as expected, the server was too slow: more time then. */
static struct vh_case *ask_until(struct place *p, const char *const behaviours[],
	const char *source, const char *subject, enum vh_status status)
{
	int64_t step_ms = STEP_MS;

	for (int try = 1;; try++, step_ms *= 4) {
		struct vh_collect_options options = {
			.step_ns = step_ms * VH_NS_PER_MS, .monitor_ns = PATIENT_MS * VH_NS_PER_MS};

		*p = place_new();
		serve(p, "/run", "q", KVM, behaviours);
		int64_t began = vh_now_ns();
		struct vh_case *c = ask(p, &options);
		int64_t took_ms = (vh_now_ns() - began) / VH_NS_PER_MS;
		const struct vh_evidence *e = vh_case_find(c, source, subject, VH_ASKED);

		/* What answers is no part of the deadline: the last question is. */
		if (e && e->status == status) {
			assert_in_range(
				took_ms, step_ms - 5, e->at_ns / VH_NS_PER_MS + step_ms + SLACK_MS);
			return c;
		}
		if (try == TRIES)
			fail_msg("%s: %s is %s", behaviours[0], source,
				e ? vh_status_name(e->status) : "missing");
		vh_case_free(c);
		place_free(p);
	}
}

/* One deadline for a monitor that is silent, however many questions there were. */
static void a_silent_monitor_costs_one_deadline(void **state VH_UNUSED)
{
	static const char *const does[] = {
		"qmp_capabilities=stall", "query-status=stall", "query-status=wrong-id"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(does); i++) {
		const char *behaviours[] = {does[i], NULL};
		struct place p;
		struct vh_case *c = ask_until(
			&p, behaviours, "qmp.query-status", "", i < 2 ? VH_TIMED_OUT : VH_FAILED);

		expect(c, "qmp.greeting", "", VH_ASKED, VH_OK);
		for (size_t k = 0; k < vh_n_questions; k++)
			if (!vh_streq(vh_questions[k].source, "qmp.query-status") &&
				!vh_streq(vh_questions[k].source, "qmp.query-sev"))
				expect(c, vh_questions[k].source, vh_questions[k].subject, VH_ASKED,
					VH_SKIPPED);
		vh_case_free(c);
		place_free(&p);
	}
}

/* No greeting: proc.unix tells whether somebody else is served. */
static void a_monitor_that_another_client_holds(void **state VH_UNUSED)
{
	static const struct {
		const char *unix_lines;
		enum vh_status status;
		const char *words;
	} rows[] = {
		{"0000000000000001: 00000002 00000000 00010000 0001 01 10811 /run/q\n"
		 "0000000000000002: 00000003 00000000 00000000 0001 03 47226 /run/q\n",
			VH_TIMED_OUT, "another client holds"},
		{"0000000000000001: 00000002 00000000 00010000 0001 01 10811 /run/q\n"
		 "0000000000000002: 00000003 00000000 00000000 0001 03 47226 /run/other\n",
			VH_FAILED, "does not accept"},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct place p = place_new();
		int fd = listen_unix(&p, "/run/q", 4);
		struct vh_collect_options options = {.step_ns = STEP_MS * VH_NS_PER_MS};
		struct vh_case *c = case_new(1);

		vh_replace(&c->vm->monitors[0].address, "unix:/run/q");
		case_main_thread(c);
		case_busy_vcpu(c, 0);
		case_text(c, VH_ONCE, "proc.unix", "", rows[i].unix_lines);
		vh_collect_monitor(p.host, c, &options);
		struct vh_evidence *e = expect(c, "qmp.greeting", "", VH_ASKED, rows[i].status);

		if (!strstr(e->detail, rows[i].words))
			fail_msg("row %zu: %s", i, e->detail);
		assert_null(vh_case_find(c, "qmp.query-status", NULL, VH_N_ROUND));
		expect(c, "qmp.query-block", "", VH_ASKED, VH_SKIPPED);
		vh_case_free(c);
		close(fd);
		place_free(&p);
	}
}

/* What is in the case stays; what comes after is skipped; the second monitor is not tried. */
static void a_vm_that_dies_half_way(void **state VH_UNUSED)
{
	struct place p = place_new();
	const char *behaviours[] = {"info registers=exit:2", NULL};

	serve(&p, "/run", "q", KVM, behaviours);
	struct vh_case *c = ask(&p, &patient);
	struct vh_evidence *e;

	expect(c, "qmp.query-status", "", VH_ASKED, VH_OK);
	expect(c, "hmp.info-registers", "vcpu:0", VH_ASKED, VH_OK);
	e = expect(c, "hmp.info-registers", "vcpu:1", VH_ASKED, VH_FAILED);
	assert_int_equal(e->err, ECONNRESET);
	e = expect(c, "qmp.query-block", "", VH_ASKED, VH_SKIPPED);
	vh_case_free(c);
	place_free(&p);
}

static void registers_that_never_come(void **state VH_UNUSED)
{
	const char *behaviours[] = {"info registers=stall:2", NULL};
	struct place p;
	struct vh_case *c = ask_until(&p, behaviours, "hmp.info-registers", "vcpu:1", VH_TIMED_OUT);

	expect(c, "hmp.info-registers", "vcpu:0", VH_ASKED, VH_OK);
	expect(c, "qmp.query-chardev", "", VH_ASKED, VH_SKIPPED);
	vh_case_free(c);
	place_free(&p);
}

/* Every answer late: the deadline of all questions together ends it. What the server needs for its
 * first answers on a loaded machine is no part of it. */
static bool try_total_deadline(bool last)
{
	struct place p = place_new();
	const char *behaviours[] = {"info registers=slow", "query-name=slow", "query-uuid=slow",
		"query-chardev=slow", NULL};
	struct vh_collect_options options = {
		.step_ns = PATIENT_MS * VH_NS_PER_MS, .monitor_ns = 500 * VH_NS_PER_MS};

	serve(&p, "/run", "q", KVM, behaviours);
	int64_t began = vh_now_ns();
	struct vh_case *c = ask(&p, &options);

	assert_true(vh_now_ns() - began < (500 + SLACK_MS) * VH_NS_PER_MS);
	expect(c, "qmp.query-block", "", VH_ASKED, VH_SKIPPED);
	bool in_time = vh_case_find_data(c, "hmp.info-registers", "vcpu:0", VH_ASKED);

	if (in_time || last) {
		expect(c, "qmp.query-status", "", VH_ASKED, VH_OK);
		expect(c, "hmp.info-registers", "vcpu:0", VH_ASKED, VH_OK);
	}
	vh_case_free(c);
	place_free(&p);
	return in_time;
}

static void the_total_deadline_ends_it(void **state VH_UNUSED)
{
	for (int try = 1; !try_total_deadline(try == 2 * TRIES); try++)
		;
}

/* An old QEMU lacks commands; an error answer is no end of the session. */
static void errors_are_answers(void **state VH_UNUSED)
{
	struct place p = place_new();
	const char *behaviours[] = {"query-stats vm=error", "query-uuid=error", NULL};

	serve(&p, "/run", "q", KVM, behaviours);
	struct vh_case *c = ask(&p, &patient);
	struct vh_evidence *e = expect(c, "qmp.query-uuid", "", VH_ASKED, VH_FAILED);

	/* QEMU's words are made fit for a terminal. */
	assert_string_equal(e->detail, "GenericError: no \\x1b[31mluck");
	expect(c, "qmp.query-stats", "vm", VH_ASKED, VH_FAILED);
	expect(c, "qmp.query-stats", "vcpu", VH_ASKED, VH_OK);
	vh_case_free(c);
	place_free(&p);
}

/* What is held does not change: one look, without a gap, and query-block to see which drive. */
static void a_paused_vm_is_asked_once(void **state VH_UNUSED)
{
	struct place p = place_new();
	const char *behaviours[] = {"query-status=io-error", NULL};

	put_file(&p, "/proc/4711/mountinfo", "21 1 254:0 / / rw - ext4 /dev/root rw\n");
	serve(&p, "/run", "q", KVM, behaviours);
	struct vh_case *c = ask(&p, &patient);

	expect(c, "hmp.info-registers", "vcpu:0", VH_ASKED, VH_OK);
	expect(c, "qmp.query-block", "", VH_ASKED, VH_OK);
	vh_case_foreach (c, e)
		assert_int_not_equal(e->round, VH_ASKED_AGAIN);
	vh_case_free(c);
	place_free(&p);
}

static void nobody_to_ask(void **state VH_UNUSED)
{
	static const struct {
		enum vh_vmm vmm;
		const char *address;
		enum vh_monitor_kind kind;
		bool managed;
		const char *words;
	} rows[] = {
		{VH_VMM_QEMU, NULL, 0, false, "has no monitor"},
		{VH_VMM_QEMU, "stdio", VH_MONITOR_HMP, false, "(hmp, stdio)"},
		{VH_VMM_QEMU, "unix:/run/hmp", VH_MONITOR_HMP, false, "-qmp unix:"},
		{VH_VMM_QEMU, "fd:9", VH_MONITOR_QMP, false, "(qmp, fd:9)"},
		{VH_VMM_QEMU, "unix:/var/lib/libvirt/qemu/domain-1-x/monitor.sock", VH_MONITOR_QMP,
			true, "libvirt holds the monitor"},
		{VH_VMM_FIRECRACKER, NULL, 0, false, "firecracker has no QMP"},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct place p = place_new();
		struct vh_collect_options options = {.no_libvirt = true};
		struct vh_case *c = case_new(1);

		case_main_thread(c);
		c->vm->vmm = rows[i].vmm;
		c->vm->libvirt.managed = rows[i].managed;
		c->vm->monitors[0].kind = rows[i].kind;
		vh_replace(&c->vm->monitors[0].address, rows[i].address);
		if (!rows[i].address)
			c->vm->n_monitors = 0;
		vh_collect_monitor(p.host, c, &options);
		struct vh_evidence *e = expect(c, "qmp.greeting", "", VH_ASKED, VH_ABSENT);

		assert_int_equal(e->err, 0);
		if (!strstr(e->detail, rows[i].words))
			fail_msg("row %zu: %s", i, e->detail);
		assert_null(vh_case_find(c, "qmp.query-status", NULL, VH_N_ROUND));
		vh_case_free(c);
		place_free(&p);
	}
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
		cmocka_unit_test(a_session_with_kvm),
		cmocka_unit_test(a_session_with_a_newer_qemu),
		cmocka_unit_test(a_session_with_tcg),
		cmocka_unit_test(a_silent_monitor_costs_one_deadline),
		cmocka_unit_test(a_monitor_that_another_client_holds),
		cmocka_unit_test(a_vm_that_dies_half_way),
		cmocka_unit_test(registers_that_never_come),
		cmocka_unit_test(the_total_deadline_ends_it),
		cmocka_unit_test(errors_are_answers),
		cmocka_unit_test(a_paused_vm_is_asked_once),
		cmocka_unit_test(nobody_to_ask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
