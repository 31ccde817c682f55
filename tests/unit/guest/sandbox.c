/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the sandboxed process cannot do, and what becomes of one that lies, is silent, or dies. */
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "guest/sandbox.h"

enum { HELLO = 1 };

static struct vh_deadline soon(void)
{
	return vh_deadline_in(5 * VH_NS_PER_S);
}

/* --- What is forbidden ------------------------------------------------------------------------
 */

static void do_open(void)
{
	open("/dev/null", O_RDONLY);
}
static void do_socket(void)
{
	socket(AF_UNIX, SOCK_STREAM, 0);
}
static void do_kill(void)
{
	kill(getppid(), 0);
}
static void do_kill_parent_thread(void)
{
	syscall(SYS_tgkill, 1, 1, SIGABRT);
}
static void do_kill_with_another_signal(void)
{
	syscall(SYS_tgkill, getpid(), getpid(), SIGSTOP);
}
static void do_map_code(void)
{
	mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
static void do_map_shared(void)
{
	mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}
static void do_map_file(void)
{
	mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0);
}
static void do_make_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(p, 4096, PROT_READ | PROT_EXEC);
}
static void do_fork(void)
{
	if (fork() == 0)
		_exit(0);
}
static void do_exec(void)
{
	execl("/bin/true", "true", NULL);
}
static void do_dup(void)
{
	dup(0);
}
static void do_poll_ptrace(void)
{
	syscall(SYS_ptrace, 0, 0, 0, 0);
}
static void do_read_memory_of_another(void)
{
	syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0);
}
static void do_pread_another(void)
{
	char c;

	if (pread(99, &c, 1, 0) < 0)
		return;
}
static void do_read_another(void)
{
	char c;

	if (read(99, &c, 1) < 0)
		return;
}
static void do_write_another(void)
{
	if (write(99, "x", 1) < 0)
		return;
}
/* The upper half of the register is no way around. */
static void do_read_wide(void)
{
	char c;

	syscall(SYS_pread64, 0x100000063L, &c, 1L, 0L);
}
#ifdef __x86_64__
/* Nor is x32, whose calls have a bit of their own: its openat. */
static void do_another_abi(void)
{
	syscall(0x40000000 | 257, -100, "/dev/null", 0);
}
#endif

static void run_it(void *self, int wire)
{
	void (*what)(void) = *(void (**)(void))self;

	vh_sandbox_put(wire, HELLO, "", 0);
	what();
	vh_sandbox_put(wire, HELLO, "still here", 10);
}

static void expect_killed(const char *name, void (*what)(void))
{
	struct vh_sandbox_plan plan = {.run = run_it, .self = &what};
	struct vh_sandbox s;
	uint32_t kind;
	size_t n;
	char *data = NULL;

	assert_null(vh_sandbox_start(&plan, &s));
	assert_int_equal(vh_sandbox_receive(&s, &kind, &data, &n, 100, soon()), 0);
	free(data);
	data = NULL;
	int r = vh_sandbox_receive(&s, &kind, &data, &n, 100, soon());
	char *how = vh_sandbox_end(&s);

	if (r != -ECONNRESET || !strstr(how, "SIGSYS"))
		fail_msg("%s: %d, %s", name, r, how);
	free(data);
	free(how);
}

static void forbidden_calls_end_it(void **state VH_UNUSED)
{
	static const struct {
		const char *name;
		void (*what)(void);
	} tries[] = {
		{"open", do_open},
		{"socket", do_socket},
		{"kill", do_kill},
		{"tgkill of another", do_kill_parent_thread},
		{"tgkill with another signal", do_kill_with_another_signal},
		{"mmap of code", do_map_code},
		{"mmap of a file", do_map_file},
		{"mmap that is shared", do_map_shared},
		{"mprotect to code", do_make_code},
		{"fork", do_fork},
		{"exec", do_exec},
		{"dup", do_dup},
		{"ptrace", do_poll_ptrace},
		{"process_vm_readv", do_read_memory_of_another},
		{"pread of another descriptor", do_pread_another},
		{"read of another descriptor", do_read_another},
		{"write to another descriptor", do_write_another},
		{"pread with a wide number", do_read_wide},
#ifdef __x86_64__
		{"another ABI", do_another_abi},
#endif
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(tries); i++)
		expect_killed(tries[i].name, tries[i].what);
}

/* --- What works ------------------------------------------------------------------------------- */

struct work {
	int fd;
};

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void run_work(void *self, int wire)
{
	struct work *w = self;
	char text[8] = "";
	size_t n = 0;
	uint32_t kind = 0;
	vh_auto_free char *asked = NULL;
	int many[5000] = {3, 1, 2};
	/* Enough to need memory of malloc's every kind, and threads' arenas too. */
	char *big = vh_alloc(64 << 20);

	for (int i = 0; i < 1000; i++)
		free(vh_alloc((size_t)i * 1000));
	big = vh_realloc_array(big, 1, 100 << 20);
	big[99 << 20] = 1;
	free(big);
	qsort(many, VH_ARRAY_SIZE(many), sizeof(*many), by_number);
	vh_sleep_until_ns(vh_now_ns() + VH_NS_PER_MS);
	if (pread(w->fd, text, 5, 0) != 5)
		return;
	vh_sandbox_put(wire, HELLO, text, 5);
	asked = vh_sandbox_get(wire, &kind, &n, 100);
	if (asked)
		vh_sandbox_put(wire, kind, asked, n);
}

static void reads_what_it_was_given(void **state VH_UNUSED)
{
	FILE *f = tmpfile();
	struct work w = {.fd = fileno(f)};
	struct vh_sandbox_plan plan = {.run = run_work, .self = &w, .fds = {w.fd}, .n_fds = 1};
	struct vh_sandbox s;
	uint32_t kind = 0;
	size_t n = 0;
	char *data = NULL;

	fputs("hello", f);
	fflush(f);
	assert_null(vh_sandbox_start(&plan, &s));
	assert_int_equal(vh_sandbox_receive(&s, &kind, &data, &n, 100, soon()), 0);
	assert_int_equal(kind, HELLO);
	assert_string_equal(data, "hello");
	free(data);
	assert_int_equal(vh_sandbox_send(&s, 7, "again", 5, soon()), 0);
	assert_int_equal(vh_sandbox_receive(&s, &kind, &data, &n, 100, soon()), 0);
	assert_int_equal(kind, 7);
	assert_string_equal(data, "again");
	free(data);
	/* It ends by itself. */
	assert_int_equal(vh_sandbox_receive(&s, &kind, &data, &n, 100, soon()), -ECONNRESET);
	char *how = vh_sandbox_end(&s);

	assert_string_equal(how, "it ended with status 0");
	free(how);
	fclose(f);
}

static void run_until_told(void *self VH_UNUSED, int wire)
{
	uint32_t kind;
	size_t n;

	vh_sandbox_put(wire, HELLO, "", 0);
	free(vh_sandbox_get(wire, &kind, &n, 100));
}

static void other_descriptors_are_closed(void **state VH_UNUSED)
{
	int number = open("/dev/zero", O_RDONLY), other = open("/dev/zero", O_RDONLY);
	struct vh_sandbox_plan plan = {.run = run_until_told, .fds = {number}, .n_fds = 1};
	struct vh_sandbox s;
	uint32_t kind = 0;
	size_t n = 0, open_fds = 0;
	char *data = NULL;

	assert_null(vh_sandbox_start(&plan, &s));
	assert_int_equal(vh_sandbox_receive(&s, &kind, &data, &n, 100, soon()), 0);
	vh_auto_free char *path = vh_asprintf("/proc/%d/fd", (int)s.pid);
	vh_auto_free char *kept = vh_asprintf("%d", number);
	DIR *dir = opendir(path);
	struct dirent *entry;
	bool has_kept = false;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.') {
			open_fds++;
			has_kept |= strcmp(entry->d_name, kept) == 0;
		}
	/* Only root may look at a process that is not dumpable. */
	if (dir) {
		assert_int_equal(open_fds, 2 + VH_SANITIZED);
		assert_true(has_kept);
		closedir(dir);
	}
	free(data);
	free(vh_sandbox_end(&s));
	close(number);
	close(other);
}

/* --- What lies ---------------------------------------------------------------------------------
 */

static void run_huge(void *self VH_UNUSED, int wire)
{
	struct vh_sandbox_head head = {HELLO, UINT32_MAX};

	if (write(wire, &head, sizeof(head)) > 0)
		vh_sleep_until_ns(vh_now_ns() + 60 * VH_NS_PER_S);
}

static void run_short(void *self VH_UNUSED, int wire)
{
	struct vh_sandbox_head head = {HELLO, 100};

	if (write(wire, &head, sizeof(head)) > 0 && write(wire, "abc", 3) > 0)
		return;
}

static void run_half_a_head(void *self VH_UNUSED, int wire)
{
	if (write(wire, "abc", 3) > 0)
		return;
}

static void run_silent(void *self VH_UNUSED, int wire VH_UNUSED)
{
	vh_sleep_until_ns(vh_now_ns() + 60 * VH_NS_PER_S);
}

static void run_dead(void *self VH_UNUSED, int wire VH_UNUSED)
{
	abort();
}

static void run_greedy(void *self VH_UNUSED, int wire VH_UNUSED)
{
	/* In pieces of the heap's, and in such as are mapped; without a right to it, it is killed.
	 */
	for (size_t piece = 50000;; piece = piece < 1 << 24 ? 2 * piece : 50000) {
		volatile char *more = vh_alloc(piece);

		more[0] = 1;
	}
}

static void expect_end(
	void (*run)(void *self, int wire), int64_t wait_ns, int error, const char *told)
{
	struct vh_sandbox_plan plan = {.run = run, .memory_bytes = 256 << 20};
	struct vh_sandbox s;
	uint32_t kind = 0;
	size_t n = 0;
	char *data = NULL;

	assert_null(vh_sandbox_start(&plan, &s));
	assert_int_equal(
		vh_sandbox_receive(&s, &kind, &data, &n, 1000, vh_deadline_in(wait_ns)), error);
	int64_t began = vh_now_ns();
	char *how = vh_sandbox_end(&s);

	assert_true(vh_now_ns() - began < 2 * VH_NS_PER_S);
	if (!strstr(how, told))
		fail_msg("expected \"%s\", got \"%s\"", told, how);
	free(how);
	assert_int_equal(s.pid, 0);
	assert_int_equal(s.wire, -1);
}

static void liars_are_ended(void **state VH_UNUSED)
{
	int64_t long_ns = 10 * VH_NS_PER_S;

	expect_end(run_huge, long_ns, -EMSGSIZE, "SIGKILL");
	expect_end(run_short, long_ns, -ECONNRESET, "status 0");
	expect_end(run_half_a_head, long_ns, -ECONNRESET, "status 0");
	expect_end(run_silent, 50 * VH_NS_PER_MS, -ETIMEDOUT, "SIGKILL");
	expect_end(run_dead, long_ns, -ECONNRESET, "SIGABRT");
	if (!VH_SANITIZED)
		expect_end(run_greedy, long_ns, -ECONNRESET, "SIGABRT");
}

static void a_second_end_is_harmless(void **state VH_UNUSED)
{
	struct vh_sandbox s = {.pid = 0, .wire = -1};
	char *how = vh_sandbox_end(&s);

	assert_string_equal(how, "it is not there");
	free(how);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forbidden_calls_end_it),
		cmocka_unit_test(reads_what_it_was_given),
		cmocka_unit_test(other_descriptors_are_closed),
		cmocka_unit_test(liars_are_ended),
		cmocka_unit_test(a_second_end_is_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
