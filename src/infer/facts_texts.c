/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Facts of what was written: by the guest on its console and screen, by the VMM, by the host. */
#include "infer/facts_build.h"

#include <inttypes.h>

#include "decode/ghcb.h"

#define CLOCK_SETTLES_S 600

/* Said by what runs before an operating system does: once one runs, it is old. */
static bool is_of_firmware(const char *hit)
{
	static const char *const hits[] = {"no-bootable-device", "uefi-no-boot-option",
		"uefi-shell", "windows-boot-failed", "grub-prompt", "grub-rescue",
		"ovmf-mmio-encrypted", "ovmf-exception", "ovmf-assert", "disk-unreadable",
		"no-system-on-disk", "boot-failed"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(hits); i++)
		if (strcmp(hits[i], hit) == 0)
			return true;
	return false;
}

bool vh_system_runs(const struct vh_facts *facts)
{
	const struct vh_fact *stage = vh_fact_of(facts, VH_FACT_VCPU_STAGE, 0);

	return stage && !vh_stage_is_firmware((enum vh_stage)(int)stage->value);
}

/* Which fact a recognised line (src/decode/logpatterns.c) stands for. */
static const struct {
	const char *hit;
	enum vh_fact_id fact;
} rows[] = {
	{"no-bootable-device", VH_FACT_TEXT_NO_BOOT},
	{"uefi-no-boot-option", VH_FACT_TEXT_NO_BOOT},
	{"uefi-shell", VH_FACT_TEXT_NO_BOOT},
	{"kernel-panic", VH_FACT_TEXT_PANIC},
	{"no-root-fs", VH_FACT_TEXT_PANIC},
	{"systemd-freeze", VH_FACT_TEXT_INIT_FROZEN},
	{"windows-bugcheck", VH_FACT_TEXT_PANIC},
	{"soft-lockup", VH_FACT_TEXT_LOCKUP},
	{"hard-lockup", VH_FACT_TEXT_LOCKUP},
	{"rcu-stall", VH_FACT_TEXT_LOCKUP},
	{"hung-task", VH_FACT_TEXT_LOCKUP},
	{"windows-boot-failed", VH_FACT_TEXT_BOOT_PROMPT},
	{"grub-prompt", VH_FACT_TEXT_BOOT_PROMPT},
	{"grub-rescue", VH_FACT_TEXT_BOOT_PROMPT},
	{"initramfs-prompt", VH_FACT_TEXT_BOOT_PROMPT},
	{"emergency-mode", VH_FACT_TEXT_BOOT_PROMPT},
	{"dracut-prompt", VH_FACT_TEXT_BOOT_PROMPT},
	{"initramfs-prompt", VH_FACT_TEXT_INITRAMFS_SHELL},
	{"dracut-prompt", VH_FACT_TEXT_INITRAMFS_SHELL},
	{"emergency-mode", VH_FACT_TEXT_EMERGENCY_SHELL},
	{"waits-for-root", VH_FACT_TEXT_WAITS_FOR_ROOT},
	{"dracut-timeout", VH_FACT_TEXT_WAITS_FOR_ROOT},
	{"read-only-fs", VH_FACT_TEXT_READ_ONLY},
	{"guest-io-error", VH_FACT_TEXT_IO_ERROR},
	{"clock-trouble", VH_FACT_TEXT_CLOCK},
	{"boot-failed", VH_FACT_TEXT_TROUBLE},
	{"no-system-on-disk", VH_FACT_TEXT_TROUBLE},
	{"disk-unreadable", VH_FACT_TEXT_TROUBLE},
	{"kernel-oops", VH_FACT_TEXT_TROUBLE},
	{"kernel-bug", VH_FACT_TEXT_TROUBLE},
	{"guest-oom", VH_FACT_TEXT_TROUBLE},
	{"guest-io-error", VH_FACT_TEXT_TROUBLE},
	{"read-only-fs", VH_FACT_TEXT_TROUBLE},
	{"dracut-timeout", VH_FACT_TEXT_TROUBLE},
	{"login-prompt", VH_FACT_TEXT_LOGIN},
	{"ovmf-mmio-encrypted", VH_FACT_FIRMWARE_MMIO_ENCRYPTED},
	{"ovmf-exception", VH_FACT_FIRMWARE_EXCEPTION},
	{"ovmf-assert", VH_FACT_FIRMWARE_ASSERT},
	{"kvm-ended-guest", VH_FACT_KVM_ENDED_GUEST},
	{"tdx-fatal", VH_FACT_TDX_FATAL},
	{"ghcb-error", VH_FACT_GHCB_REFUSED},
	{"ccp-failed", VH_FACT_PLATFORM_FAILED},
	{"sev-failed", VH_FACT_PLATFORM_FAILED},
	{"tdx-failed", VH_FACT_PLATFORM_FAILED},
	{"kvm-internal-error", VH_FACT_LOG_INTERNAL_ERROR},
	{"kvm-entry-failed", VH_FACT_LOG_INTERNAL_ERROR},
	{"kvm-run-failed", VH_FACT_LOG_INTERNAL_ERROR},
	{"kvm-run-efault", VH_FACT_LOG_INTERNAL_ERROR},
	{"kvm-unknown-exit", VH_FACT_LOG_INTERNAL_ERROR},
};

/* What the guest waits for must be its last words; a lockup that was reported stays true for a
 * while. */
static bool is_known(enum vh_fact_id fact, const struct vh_log_hit *hit)
{
	switch (fact) {
	case VH_FACT_LOG_INTERNAL_ERROR:
	case VH_FACT_KVM_ENDED_GUEST:
	case VH_FACT_TDX_FATAL:
		return hit->kind == VH_LOG_QEMU;
	case VH_FACT_GHCB_REFUSED:
	case VH_FACT_PLATFORM_FAILED:
		return hit->kind == VH_LOG_HOST_KERNEL;
	default:
		return hit->kind == VH_LOG_SERIAL;
	}
}

static void add(struct vh_facts *facts, enum vh_fact_id id, const struct vh_log_hit *hit)
{
	const struct vh_fact *earlier = vh_fact(facts, id);

	/* The first of each kind is enough to say it, the rest is in the verbose report. */
	if (earlier && id != VH_FACT_HOST_LOG)
		return;
	struct vh_fact *f = vh_fact_add(facts, id, -1, NAN, "%s: \"%s\"", hit->meaning, hit->line);

	VH_PUSH(f->evidence, f->n_evidence) = hit->evidence;
}

/* The line names no guest: the newest of them, of the time since this VM was started. */
static bool add_termination(struct vh_facts *facts, const struct vh_log_hit *hit)
{
	uint64_t set, code;

	if (!vh_streq(hit->id, "sev-terminated") ||
		!vh_ghcb_termination_parse(vh_str(hit->line), &set, &code))
		return false;
	const char *why = vh_ghcb_termination_text(set, code);
	const char *ovmf = vh_ghcb_ovmf_termination_text(set, code);
	struct vh_fact *f =
		vh_fact_add(facts, VH_FACT_GUEST_TERMINATED, -1, (double)(set * 256 + code),
			"an encrypted guest on this host asked to be terminated (reason %" PRIu64
			":%" PRIu64 "): %s%s%s: \"%s\"",
			set, code, why ? why : "a reason that vmhang does not know",
			ovmf ? "; of firmware: " : "", ovmf ? ovmf : "", hit->line);

	VH_PUSH(f->evidence, f->n_evidence) = hit->evidence;
	return true;
}

/* A kernel that panicked runs no program any more: what says so is of an earlier one, behind which
 * another was started (kdump, kexec), or was printed by a program. */
static bool is_overtaken(const struct vh_facts *facts, const struct vh_log_hit *hit)
{
	const struct vh_fact *user = vh_fact(facts, VH_FACT_VCPU_USER_MODE);

	return user && vh_system_runs(facts) && !facts->model->pasted &&
	       (vh_streq(hit->id, "kernel-panic") || vh_streq(hit->id, "no-root-fs"));
}

/* Clocks disagree for a while, and then Linux has taken another: what its log tells of weeks ago,
 * or of its boot, says nothing of now. A guest whose clock stands counts no time, and it stays new.
 */
static bool is_long_ago(const struct vh_facts *facts, const struct vh_log_hit *hit)
{
	const struct vh_model *m = facts->model;
	struct vh_str rest = vh_str(hit->line), stamp;
	double seconds;

	if (!vh_streq(hit->id, "clock-trouble") || hit->kind != VH_LOG_SERIAL || !m->inside ||
		m->inside->kernel.uptime_ns < 0 || !vh_str_starts(rest, "["))
		return false;
	rest = (struct vh_str){rest.s + 1, rest.n - 1};
	return vh_next_part(&rest, ']', &stamp) && vh_parse_double(vh_str_trim(stamp), &seconds) &&
	       (double)m->inside->kernel.uptime_ns / 1e9 - seconds > CLOCK_SETTLES_S;
}

void vh_facts_of_texts(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	for (size_t i = 0; i < m->n_hits; i++) {
		const struct vh_log_hit *hit = &m->hits[i];
		bool found = add_termination(facts, hit);

		if ((vh_system_runs(facts) && is_of_firmware(hit->id)) ||
			is_overtaken(facts, hit) || is_long_ago(facts, hit))
			continue;
		if (hit->kind == VH_LOG_SERIAL && vh_text_is_over(facts, hit->id))
			continue;
		for (size_t k = 0; k < VH_ARRAY_SIZE(rows); k++)
			if (strcmp(rows[k].hit, hit->id) == 0 && is_known(rows[k].fact, hit)) {
				add(facts, rows[k].fact, hit);
				found = true;
			}
		if (!found && hit->kind == VH_LOG_QEMU)
			add(facts, VH_FACT_LOG_VMM_ERROR, hit);
		else if (!found && hit->kind == VH_LOG_HOST_KERNEL)
			add(facts, VH_FACT_HOST_LOG, hit);
	}
}
