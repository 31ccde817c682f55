/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * KVM's counters in debugfs: /sys/kernel/debug/kvm/PID-FD/ and vcpuN/ in it, one file a counter
 * (kernel virt/kvm/kvm_main.c kvm_create_vm_debugfs). A locked-down kernel refuses what may be
 * written, root included, and with it the counters that can be reset: only gauges of mode 0444 are
 * left (fs/debugfs/file.c debugfs_locked_down).
 */
#include <errno.h>

#include "collect/passive.h"

#define NAMES_CAP (256 * 1024)
#define FILES_MAX 8192

/* Sets status and detail of what was refused; `refused` of `all` files, or, 0 of 0, the directory.
 */
static void set_denied(struct vh_evidence *e, int err, size_t refused, size_t all)
{
	enum vh_status status = refused < all ? VH_TRUNCATED : vh_status_of_errno(err);

	if (err == EPERM && all)
		vh_evidence_fail(e, status, err,
			"kernel lockdown closes %zu of %zu counters in debugfs to everybody; QMP "
			"query-stats has them",
			refused, all);
	else if (err == EACCES)
		vh_evidence_fail(e, status, err, "only root may read debugfs");
	else
		vh_evidence_fail(e, status, err, "%s", strerror(err));
}

/* The VM's directory, "PID-FD"; NULL after a piece of evidence that says why. */
static char *vm_directory(struct vh_host *host, struct vh_case *c, enum vh_round round)
{
	vh_auto_mounts struct vh_mounts mounts = {0};
	vh_auto_reading struct vh_reading r = {0};
	vh_auto_free char *prefix = vh_asprintf("%d-", (int)c->vm->id.pid);
	struct vh_str line;

	vh_mounts_read(host, &mounts);
	const struct vh_mount *debugfs = vh_mounts_find(&mounts, "debugfs", NULL);

	if (!debugfs && vh_status_has_data(mounts.status)) {
		struct vh_evidence *e =
			vh_case_add(c, round, "kvm.stats", "vm", "/sys/kernel/debug/kvm");

		vh_evidence_fail(e, VH_ABSENT, ENOENT, "debugfs is not mounted");
		return NULL;
	}
	vh_auto_free char *kvm =
		vh_asprintf("%s/kvm", debugfs ? debugfs->point : "/sys/kernel/debug");

	vh_host_list(host, NAMES_CAP, &r, "%s", kvm);
	struct vh_str rest = {r.data, r.size};

	while (vh_next_line(&rest, &line))
		if (vh_str_starts(line, prefix))
			return vh_asprintf("%s/%.*s", kvm, (int)line.n, line.s);
	struct vh_evidence *e = vh_case_add(c, round, "kvm.stats", "vm", kvm);

	if (!vh_status_has_data(r.status)) {
		set_denied(e, r.err, 0, 0);
	} else {
		vh_evidence_fail(e, VH_ABSENT, ENOENT, "no VM of process %d is listed there",
			(int)c->vm->id.pid);
	}
	return NULL;
}

/* The counters of a directory as text; the number of files that were refused, their errno in *err.
 */
static size_t counters_text(const struct vh_batch *batch, struct vh_buf *text, int *err)
{
	size_t refused = 0;
	uint64_t number;

	for (size_t i = 0; i < batch->n_files; i++) {
		const struct vh_reading *out = &batch->files[i].out;
		struct vh_str value = vh_str_trim((struct vh_str){out->data, out->size});

		if (out->status == VH_DENIED) {
			*err = out->err;
			refused++;
		} else if (vh_status_has_data(out->status) && vh_parse_u64(value, 10, &number)) {
			vh_buf_printf(
				text, "%s %.*s\n", batch->wanted[i].subject, (int)value.n, value.s);
		}
	}
	return refused;
}

/* Reads the counters of one directory, and the names of its vcpuN directories into *vcpus. False
 * where every file is refused: then all of debugfs is. */
static bool add_counters(struct vh_host *host, struct vh_case *c, enum vh_round round,
	const char *subject, const char *directory, struct vh_buf *vcpus, size_t *files_left)
{
	vh_auto_reading struct vh_reading names = {0};
	vh_auto_batch struct vh_batch batch = {0};
	vh_auto_buf struct vh_buf text = {0};
	struct vh_str line;
	int err = 0;

	vh_host_list(host, NAMES_CAP, &names, "%s", directory);
	struct vh_str rest = {names.data, names.size};

	while (vh_next_line(&rest, &line) && batch.n_files < *files_left) {
		if (vh_str_starts(line, "vcpu")) {
			vh_buf_add(vcpus, line.s, line.n);
			vh_buf_putc(vcpus, '\n');
			continue;
		}
		vh_auto_free char *name = vh_str_dup(line);

		vh_batch_add(&batch, "kvm.stats", name, 64, "%s/%s", directory, name);
	}
	*files_left -= batch.n_files;
	vh_batch_read(host, &batch);
	size_t refused = counters_text(&batch, &text, &err);
	struct vh_evidence *e = vh_case_add(c, round, "kvm.stats", subject, directory);

	if (batch.n_files)
		e->at_ns = batch.files[0].out.at_ns - c->began_ns;
	if (!vh_status_has_data(names.status))
		vh_evidence_fail(e, names.status, names.err, "%s", strerror(names.err));
	else if (refused)
		set_denied(e, err, refused, batch.n_files);
	if (vh_status_has_data(e->status))
		vh_evidence_set_data(e, text.data, text.len);
	return !refused || refused < batch.n_files;
}

static void collect(struct vh_host *host, struct vh_case *c, enum vh_round round)
{
	vh_auto_buf struct vh_buf vcpus = {0}, none = {0};
	size_t files_left = FILES_MAX;
	struct vh_str line;

	if (!vh_round_is_look(round) || c->vm->accel == VH_ACCEL_TCG)
		return;
	vh_auto_free char *directory = vm_directory(host, c, round);

	if (!directory || !add_counters(host, c, round, "vm", directory, &vcpus, &files_left))
		return;
	struct vh_str rest = {vcpus.data, vcpus.len};

	while (files_left && vh_next_line(&rest, &line)) {
		vh_auto_free char *sub = vh_asprintf("%s/%.*s", directory, (int)line.n, line.s);
		vh_auto_free char *subject = vh_asprintf(
			"vcpu:%.*s", (int)(line.n - strlen("vcpu")), line.s + strlen("vcpu"));

		if (!add_counters(host, c, round, subject, sub, &none, &files_left))
			return;
	}
	if (!files_left && round == VH_FIRST)
		vh_collect_note(c, round,
			"KVM's statistics of the last vCPUs were left out: more than %d files",
			FILES_MAX);
}

const struct vh_collector vh_collect_kvmstats = {
	.name = "kvmstats",
	.of_process = true,
	.collect = collect,
};
