/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The system calls that are left in the sandbox. Any other one ends it (SIGSYS). */
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>

#include "guest/sandbox.h"

/* Whatever their arguments: none of them reaches anything outside of the process. */
static const int free_calls[] = {
	/* Memory of malloc. */
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(futex),
	/* Time. */
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	/* The end; a signal handler's too, which a sanitizer has. */
	SCMP_SYS(exit_group),
	SCMP_SYS(rt_sigreturn),
	/* What abort() does first: an abort must not look like an attack. */
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
#if VH_SANITIZED
	SCMP_SYS(sched_yield),
	SCMP_SYS(sigaltstack),
#endif
};

#define ALLOW(call, n, ...) seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(call), n, __VA_ARGS__)

/* Numbers are ints: the upper half of the register is not looked at by the kernel. */
#define INT_IS(arg, value) SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, UINT32_MAX, (uint32_t)(value))

static int add_rules(scmp_filter_ctx f, int wire, const int *fds, size_t n_fds)
{
	int r = 0;

	for (size_t i = 0; i < VH_ARRAY_SIZE(free_calls) && r >= 0; i++)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, free_calls[i], 0);
	/* Memory that no file is behind, of our own, and in which no code can be; none of the huge
	 * pages that the host keeps for VMs. */
	if (r >= 0)
		r = ALLOW(mmap, 3, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
			SCMP_A3(SCMP_CMP_MASKED_EQ,
				MAP_ANONYMOUS | MAP_TYPE | MAP_HUGETLB | MAP_LOCKED,
				MAP_ANONYMOUS | MAP_PRIVATE),
			INT_IS(4, -1));
	/* malloc() itself asks for such where GLIBC_TUNABLES says so, and goes on without. */
	if (r >= 0)
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOMEM), SCMP_SYS(mmap), 1,
			SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_HUGETLB, MAP_HUGETLB));
	if (r >= 0)
		r = ALLOW(mprotect, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r >= 0)
		r = ALLOW(read, 1, INT_IS(0, wire));
	if (r >= 0)
		r = ALLOW(write, 1, INT_IS(0, wire));
	for (size_t i = 0; i < n_fds && r >= 0; i++)
		r = ALLOW(pread64, 1, INT_IS(0, fds[i]));
	/* abort() */
	if (r >= 0)
		r = ALLOW(tgkill, 2, INT_IS(0, getpid()), INT_IS(2, SIGABRT));
	/* What is said of no memory before that goes nowhere; a sanitizer's report is heard. */
	if (r >= 0 && wire != STDERR_FILENO)
		r = seccomp_rule_add(f, VH_SANITIZED ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EBADF),
			SCMP_SYS(write), 1, INT_IS(0, STDERR_FILENO));
	return r;
}

int vh_sandbox_filter(int wire, const int *fds, size_t n_fds)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = f ? 0 : -ENOMEM;

	/* Another architecture's system calls (x32, i386) as well. */
	if (r >= 0)
		r = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r >= 0)
		r = add_rules(f, wire, fds, n_fds);
	if (r >= 0)
		r = seccomp_load(f);
	if (f)
		seccomp_release(f);
	return r;
}
