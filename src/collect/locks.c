/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A thread that waits for a lock of glibc's sleeps in FUTEX_WAIT on the lock's first word, which is
 * 2: held, and somebody waits (nptl/lowlevellock.h). Behind that word stand how often it was taken,
 * the thread that holds it, and its kind (struct __pthread_mutex_s of x86-64): so the lock itself
 * tells who holds it. QEMU takes its big lock so. Only these 20 bytes of the process are read, and
 * only where they are in memory.
 */
#include "collect/locks.h"

#include <errno.h>
#include <inttypes.h>

#include "base/guard.h"
#include "collect/guestview.h"

#define FUTEX_CALL            202  /* x86-64 */
#define FUTEX_WAIT_PRIVATE_OP 0x80 /* FUTEX_WAIT | FUTEX_PRIVATE_FLAG */
#define LOCK_CONTENDED        2
#define LOCKS_MAX             16
#define LOCK_DEADLINE_NS      (50 * VH_NS_PER_MS)

struct lock { /* struct __pthread_mutex_s, sysdeps/x86/nptl/bits/struct_mutex.h */
	int32_t word;
	uint32_t count;
	int32_t owner;
	uint32_t users;
	int32_t kind;
};

/* "202 ADDRESS 0x80 0x2 ..." */
static bool waits_for_lock(struct vh_str text, uint64_t *address)
{
	enum { CALL, ADDRESS, OPERATION, VALUE, N };
	uint64_t field[N];
	struct vh_str word;

	for (int i = 0; i < N; i++)
		if (!vh_next_word(&text, &word) || !vh_parse_u64(word, i ? 0 : 10, &field[i]))
			return false;
	*address = field[ADDRESS];
	return field[CALL] == FUTEX_CALL && field[OPERATION] == FUTEX_WAIT_PRIVATE_OP &&
	       field[VALUE] == LOCK_CONTENDED && field[ADDRESS];
}

static void add_lock(struct vh_guard *guard, struct vh_case *c, enum vh_round round,
	const char *subject, uint64_t address)
{
	struct vh_evidence *e = vh_case_add(c, round, "task.futex", subject, "process_vm_readv");
	int64_t began = vh_now_ns();
	struct lock lock;
	int err = vh_process_memory_read(guard, c->vm->id.pid, address, &lock, sizeof(lock),
		vh_deadline_in(LOCK_DEADLINE_NS));

	e->at_ns = began - c->began_ns;
	e->took_ns = vh_now_ns() - began;
	if (err) {
		vh_evidence_fail(
			e, vh_status_of_errno(-err), -err, "the lock at %#" PRIx64, address);
		return;
	}
	vh_auto_free char *text = vh_asprintf("%#" PRIx64 " %d %d %d\n", address, (int)lock.word,
		(int)lock.owner, (int)lock.kind);

	vh_evidence_set_data(e, text, strlen(text));
}

void vh_collect_locks(
	struct vh_host *host, struct vh_case *c, enum vh_round round, const struct vh_batch *batch)
{
	struct vh_guard *guard = NULL;
	size_t n = 0;
	uint64_t address;

	if (!vh_host_is_live(host))
		return;
	for (size_t i = 0; i < batch->n_files && n < LOCKS_MAX; i++) {
		const struct vh_file_read *file = &batch->files[i];

		if (strcmp(batch->wanted[i].source, "task.syscall") ||
			!vh_status_has_data(file->out.status) ||
			!waits_for_lock((struct vh_str){file->out.data, file->out.size}, &address))
			continue;
		if (!guard)
			guard = vh_guard_create();
		add_lock(guard, c, round, batch->wanted[i].subject, address);
		n++;
	}
	if (guard)
		vh_guard_destroy(guard);
}
