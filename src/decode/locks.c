/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which lock a thread waits for, and which thread holds it: task.futex. */
#include "decode/decoder.h"

/* The thread that calls itself tid: in a container it counts there (NSpid of task.status, the
 * innermost is the last). */
static const struct vh_thread *thread_called(const struct vh_model *m, pid_t tid)
{
	const struct vh_thread *t = vh_thread_find(m, tid);

	if (t && (!t->own_tid || t->own_tid == tid))
		return t;
	for (size_t i = 0; i < m->n_threads; i++)
		if (m->threads[i]->own_tid == tid)
			return m->threads[i];
	return NULL;
}

static void take_own_tid(const struct vh_decoder *d, struct vh_thread *t)
{
	vh_auto_free char *subject = vh_asprintf("tid:%d", (int)t->tid);
	struct vh_str value, word;
	uint64_t number;

	if (!vh_status_field(vh_seek_window(&d->in, "task.status", subject), "NSpid", &value))
		return;
	while (vh_next_word(&value, &word))
		if (vh_parse_u64(word, 10, &number) && number <= INT32_MAX)
			t->own_tid = (pid_t)number;
}

/* "0x560458889b40 2 8441 0": address, word, owner, kind. A condition variable has no owner there:
 * what is no thread of the process is none. */
static void take_lock(const struct vh_decoder *d, struct vh_thread *t)
{
	vh_auto_free char *subject = vh_asprintf("tid:%d", (int)t->tid);
	struct vh_str rest = vh_seek_window(&d->in, "task.futex", subject), word;
	uint64_t address;
	int64_t number[2];

	if (!vh_next_word(&rest, &word) || !vh_parse_u64(word, 0, &address))
		return;
	for (int i = 0; i < 2; i++)
		if (!vh_next_word(&rest, &word) || !vh_parse_i64(word, 10, &number[i]))
			return;
	if (!number[0] || number[1] <= 0 || number[1] > INT32_MAX)
		return;
	const struct vh_thread *owner = thread_called(d->m, (pid_t)number[1]);

	if (!owner || owner == t)
		return;
	t->lock = address;
	t->lock_owner = owner->tid;
}

void vh_decode_locks(struct vh_decoder *d)
{
	for (size_t i = 0; i < d->m->n_threads; i++)
		take_own_tid(d, d->m->threads[i]);
	for (size_t i = 0; i < d->m->n_threads; i++)
		take_lock(d, d->m->threads[i]);
}
