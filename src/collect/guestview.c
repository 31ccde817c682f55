/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect/guestview.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/uio.h>

#include "collect/session.h"

#define PAGE_PRESENT (UINT64_C(1) << 63) /* Documentation/admin-guide/mm/pagemap.rst */
/* guest.code: so many bytes before RIP and behind it, within RIP's page. */
#define CODE_BEFORE 32u
#define CODE_BEHIND 64u
#define GUEST_PAGE  4096u

struct memory_job {
	struct vh_job job;
	pid_t pid;
	uint64_t hva;
	size_t n;
	int result;
	uint8_t data[];
};

static void memory_job_destroy(struct vh_job *job)
{
	free(job);
}

/* Presence is asked first: reading an absent page would bring it into memory, or wait for whoever
 * serves it. */
static int pages_present(const struct memory_job *j)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), entry;
	vh_auto_free char *path = vh_asprintf("/proc/%d/pagemap", (int)j->pid);
	vh_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	for (uint64_t at = j->hva / page; at <= (j->hva + j->n - 1) / page; at++) {
		ssize_t n = pread(fd, &entry, sizeof(entry), (off_t)(at * sizeof(entry)));

		if (n < 0)
			return -errno;
		if (n != sizeof(entry) || !(entry & PAGE_PRESENT))
			return -ENODATA;
	}
	return 0;
}

static void memory_job_run(struct vh_job *job)
{
	struct memory_job *j = (struct memory_job *)job;
	struct iovec local = {j->data, j->n};
	struct iovec remote = {(void *)(uintptr_t)j->hva, j->n};

	j->result = pages_present(j);
	if (j->result)
		return;
	ssize_t n = process_vm_readv(j->pid, &local, 1, &remote, 1, 0);

	if (n != (ssize_t)j->n)
		j->result = n < 0 ? -errno : -EFAULT;
}

int vh_process_memory_read(struct vh_guard *guard, pid_t pid, uint64_t hva, void *to, size_t n,
	struct vh_deadline deadline)
{
	struct memory_job *j = vh_alloc(sizeof(*j) + n);

	j->job = (struct vh_job){.run = memory_job_run, .destroy = memory_job_destroy};
	j->pid = pid;
	j->hva = hva;
	j->n = n;
	if (!vh_guard_call(guard, &j->job, deadline))
		return -ETIMEDOUT;
	int result = j->result;

	if (!result)
		memcpy(to, j->data, n);
	j->job.destroy(&j->job);
	return result;
}

/* The hexadecimal number behind `key` in an HMP answer; false where QEMU said something else. */
static bool answered_number(const struct vh_qmp_answer *a, const char *key, uint64_t *value)
{
	struct vh_str text = vh_session_text(a), word;
	ssize_t at = vh_str_find(text, key);

	if (at < 0)
		return false;
	text.s += at + strlen(key);
	text.n -= at + strlen(key);
	if (!vh_next_word(&text, &word) || !vh_str_starts(word, "0x"))
		return false;
	return vh_parse_u64((struct vh_str){word.s + 2, word.n - 2}, 16, value);
}

bool vh_session_ask_number(struct vh_session *s, const char *command, uint64_t of, int64_t cpu,
	const char *key, struct vh_evidence *e, uint64_t *value)
{
	vh_auto_qmp_answer struct vh_qmp_answer a = {0};
	vh_auto_free char *line = vh_asprintf("%s 0x%llx", command, (unsigned long long)of);

	vh_session_ask_hmp(s, line, cpu, &a);
	if (answered_number(&a, key, value))
		return true;
	struct vh_str text = vh_str_trim(vh_session_text(&a));
	vh_auto_buf struct vh_buf said = {0};

	text.n = VH_MIN(text.n, (size_t)200);
	vh_escape(&said, text, false);
	if (a.outcome != VH_QMP_OK)
		vh_evidence_fail(e, a.status, a.err, "%s: %s", line, a.detail);
	else
		vh_evidence_fail(e, VH_ABSENT, 0, "%s: %s", line, vh_buf_str(&said));
	return false;
}

bool vh_session_read_hva(
	struct vh_session *s, uint64_t hva, void *to, size_t n, struct vh_evidence *e)
{
	struct vh_deadline step = vh_deadline_min(s->total, vh_deadline_in(s->step_ns));
	int err;

	/* A pid alone may be another process's by now. */
	if (!vh_identity_alive(s->host, &s->c->vm->id)) {
		vh_evidence_fail(e, VH_ABSENT, ESRCH, "the process has ended");
		return false;
	}
	err = vh_process_memory_read(s->guard, s->c->vm->id.pid, hva, to, n, step);
	if (err == -ENODATA)
		vh_evidence_fail(e, VH_ABSENT, ENODATA,
			"the page is not in the host's memory, and is not brought there for this");
	else if (err)
		vh_evidence_fail(e, vh_status_of_errno(-err), -err, "reading the VM's memory: %s",
			strerror(-err));
	return !err;
}

void vh_session_set_time(struct vh_session *s, struct vh_evidence *e, int64_t begin_ns)
{
	e->at_ns = begin_ns - s->c->began_ns;
	e->took_ns = vh_now_ns() - begin_ns;
}

void vh_session_read_code(struct vh_session *s, const struct vh_vcpu_view *v)
{
	vh_auto_free char *subject = vh_asprintf("vcpu:%lld", (long long)v->index);
	uint64_t offset = v->address % GUEST_PAGE;
	uint64_t begin = v->address - VH_MIN(offset, (uint64_t)CODE_BEFORE);
	size_t n =
		(size_t)(VH_MIN(offset + CODE_BEHIND, (uint64_t)GUEST_PAGE) - begin % GUEST_PAGE);
	uint8_t bytes[CODE_BEFORE + CODE_BEHIND];
	uint64_t gpa, hva;
	int64_t now = vh_now_ns();
	struct vh_evidence *e = vh_case_add(
		s->c, VH_ASKED, "guest.code", subject, "HMP gva2gpa, gpa2hva; process_vm_readv");

	if (vh_session_ask_number(s, "gva2gpa", begin, v->index, "gpa: ", e, &gpa) &&
		vh_session_ask_number(s, "gpa2hva", gpa, v->index, " is ", e, &hva) &&
		vh_session_read_hva(s, hva, bytes, n, e)) {
		vh_auto_buf struct vh_buf text = {0};

		vh_buf_printf(&text, "%llx\n", (unsigned long long)begin);
		for (size_t i = 0; i < n; i++)
			vh_buf_printf(&text, "%02x", bytes[i]);
		vh_buf_putc(&text, '\n');
		vh_evidence_set_data(e, text.data, text.len);
	}
	vh_session_set_time(s, e, now);
}

/*
 * Where the VGA's memory is mapped. The legacy window at 0xb8000 is no use: in text mode QEMU
 * traps it (gpa2hva: "is not RAM"). `info mtree -f` only reads QEMU's tables.
 */
static bool find_vram(struct vh_session *s, struct vh_evidence *e, uint64_t *gpa)
{
	vh_auto_qmp_answer struct vh_qmp_answer a = {0};

	vh_session_ask_hmp(s, "info mtree -f", -1, &a);
	struct vh_str rest = vh_session_text(&a), line, first;

	if (a.outcome != VH_QMP_OK) {
		vh_evidence_fail(e, a.status, a.err, "info mtree -f: %s", a.detail);
		return false;
	}
	while (vh_next_line(&rest, &line)) {
		ssize_t region = vh_str_find(line, ", ram): vga.vram");

		line = vh_str_trim(line);
		/* "00000000fd000000-00000000fdffffff (prio 1, ram): vga.vram"; "@offset" follows
		 * where only a part of it is mapped. */
		if (region < 0 || vh_str_find(line, "@") >= 0 ||
			!vh_next_part(&line, '-', &first) || !vh_parse_u64(first, 16, gpa))
			continue;
		return true;
	}
	vh_evidence_fail(e, VH_ABSENT, 0, "no VGA memory is mapped");
	return false;
}

void vh_session_read_screen(struct vh_session *s)
{
	int64_t now = vh_now_ns();
	struct vh_evidence *e = vh_case_add(
		s->c, VH_ASKED, "guest.screen", NULL, "HMP info mtree, gpa2hva; process_vm_readv");
	vh_auto_free uint8_t *vram = vh_alloc(VH_VGATEXT_BYTES);
	vh_auto_buf struct vh_buf text = {0};
	uint64_t gpa, hva;

	if (find_vram(s, e, &gpa) &&
		vh_session_ask_number(s, "gpa2hva", gpa, -1, " is ", e, &hva) &&
		vh_session_read_hva(s, hva, vram, VH_VGATEXT_BYTES, e)) {
		if (vh_vgatext_decode(vram, VH_VGATEXT_BYTES, &text)) {
			vh_evidence_set_data(e, vh_buf_str(&text), text.len);
			vh_evidence_set_number(e, "columns", VH_VGATEXT_COLUMNS);
		} else
			vh_evidence_fail(e, VH_ABSENT, 0, "the screen is not in text mode");
	}
	vh_session_set_time(s, e, now);
}
