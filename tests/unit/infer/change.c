/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What changes while it is looked at, and two troubles at once. */
#include "base/buf.h"
#include "tests/unit/infer/judged.h"

/* A pulse of 20 looks 50 ms apart: what the vCPU did before and since. */
struct did {
	double cpus;
	char state;
	const char *wchan;
};

static void put_pulse(struct vh_case *c, enum vh_round round, struct did before, struct did since)
{
	vh_auto_buf struct vh_buf text = {0};
	double run_ns = 0;

	for (int i = 0; i < 20; i++) {
		const struct did *d = i < 10 ? &before : &since;

		run_ns += d->cpus * 5e7;
		vh_buf_printf(&text, "%d 1 main %c 5 do_poll\n%d 2 vcpu %c %.0f %s\n", i * 50000000,
			d->state == 'T' ? 'T' : 'S', i * 50000000, d->state, run_ns, d->wchan);
	}
	case_text(c, round, "task.pulse", "", vh_buf_str(&text));
}

static const struct did ran = {1, 'R', "0"}, slept = {0.01, 'S', "kvm_vcpu_block"},
			held = {0, 'S', "futex_wait_queue"}, stopped = {0, 'T', "do_signal_stop"},
			silent = {0, 'S', "kvm_vcpu_block"};

static struct vh_case *idle(void)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_halted_vcpu(c, 0, 100);
	case_status(c, "running", true);
	case_registers(c, 0, case_regs_linux(UINT64_C(0xffffffff81c00000), 0, true, true));
	return c;
}

static struct vh_case *halted(void)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_halted_vcpu(c, 0, 0);
	case_status(c, "running", true);
	case_registers(c, 0, case_regs_linux(UINT64_C(0xffffffff81c00000), 0, false, true));
	return c;
}

#define CHANGED(c, hung_, text)                                                                    \
	do {                                                                                       \
		struct judged j = judge(c);                                                        \
                                                                                                   \
		assert_int_equal(j.v->hung, hung_);                                                \
		if (text)                                                                          \
			assert_string_equal(j.v->changed, text);                                   \
		else                                                                               \
			assert_null(j.v->changed);                                                 \
		drop(&j);                                                                          \
	} while (0)

static void a_vm_that_recovers_is_healthy_and_says_so(void **state VH_UNUSED)
{
	struct vh_case *c = idle();

	put_pulse(c, VH_ONCE, stopped, slept);
	CHANGED(c, VH_HUNG_NO,
		"until 0.5 s after vmhang began to look it was stopped, and it goes on since");
	c = idle();
	put_pulse(c, VH_ONCE, held, slept);
	CHANGED(c, VH_HUNG_NO,
		"until 0.5 s after vmhang began to look the VMM held its vCPUs, and it goes on "
		"since");
	/* All vCPUs slept in the one place, and do in another: also with no timer at all. */
	c = idle();
	put_pulse(c, VH_ONCE, held, silent);
	CHANGED(c, VH_HUNG_NO,
		"until 0.5 s after vmhang began to look the VMM held its vCPUs, and it goes on "
		"since");
}

static void a_vm_that_hangs_half_way_says_so(void **state VH_UNUSED)
{
	struct vh_case *c = halted();

	put_pulse(c, VH_ONCE, ran, silent);
	CHANGED(c, VH_HUNG_YES,
		"until 0.4 s after vmhang began to look it ran, and since then no vCPU does");
}

static void work_that_begins_or_ends_is_no_news(void **state VH_UNUSED)
{
	struct vh_case *c = idle();

	put_pulse(c, VH_ONCE, ran, slept);
	CHANGED(c, VH_HUNG_NO, (const char *)NULL);
	c = idle();
	put_pulse(c, VH_LAST, slept, slept);
	CHANGED(c, VH_HUNG_NO, (const char *)NULL);
}

static void what_turns_in_each_window_flaps(void **state VH_UNUSED)
{
	struct vh_case *c = halted();

	put_pulse(c, VH_ONCE, ran, silent);
	put_pulse(c, VH_LAST, silent, ran);
	struct judged j = judge(c);

	assert_non_null(vh_fact(j.facts, VH_FACT_FLAPS));
	assert_non_null(strstr(j.v->changed, "turned in each of two windows"));
	drop(&j);
}

/* TCG parks halted vCPUs where KVM's VMM holds them. */
static void under_tcg_a_halted_vcpu_was_not_held(void **state VH_UNUSED)
{
	struct vh_case *c = idle();

	c->vm->accel = VH_ACCEL_TCG;
	put_pulse(c, VH_ONCE, held, ran);
	struct judged j = judge(c);

	assert_null(vh_fact(j.facts, VH_FACT_WENT_ON));
	assert_non_null(vh_fact(j.facts, VH_FACT_TURNED));
	drop(&j);
}

/* To let it go on would bring nothing back: the guest has panicked. */
static void a_second_trouble_that_lasts_is_named(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_thread(c, (struct case_thread){.vcpu = 0, .state = 'S', .wchan = "futex_wait_queue"});
	case_status(c, "paused", false);
	case_text_always(c, "log.serial", "/var/log/web-07.serial",
		"[   12.3] Kernel panic - not syncing: Fatal exception\n"
		"[   12.4] ---[ end Kernel panic - not syncing: Fatal exception ]---\n");
	struct judged j = judge(c);

	assert_string_equal(j.v->cause->rule->id, "vm-paused");
	assert_non_null(j.v->also);
	assert_non_null(strstr(j.v->also, "panic"));
	drop(&j);
}

/* Resumed, it would pause again at once. */
static void a_full_disk_is_named_beside_a_pause(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_thread(c, (struct case_thread){.vcpu = 0, .state = 'S', .wchan = "futex_wait_queue"});
	case_status(c, "paused", false);
	case_text(c, VH_ASKED, "qmp.query-block", "",
		"[{\"device\": \"disk0\", \"io-status\": \"nospace\", \"inserted\": {\"file\": "
		"\"/srv/web-07.img\"}}]");
	struct judged j = judge(c);

	assert_string_equal(j.v->cause->rule->id, "vm-paused");
	assert_non_null(j.v->also);
	assert_non_null(strstr(j.v->also, "/srv/web-07.img) has no space left"));
	drop(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vm_that_recovers_is_healthy_and_says_so),
		cmocka_unit_test(a_vm_that_hangs_half_way_says_so),
		cmocka_unit_test(work_that_begins_or_ends_is_no_news),
		cmocka_unit_test(what_turns_in_each_window_flaps),
		cmocka_unit_test(under_tcg_a_halted_vcpu_was_not_held),
		cmocka_unit_test(a_second_trouble_that_lasts_is_named),
		cmocka_unit_test(a_full_disk_is_named_beside_a_pause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
