/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables of rules and facts, and what the engine promises of every verdict. */
#include <ctype.h>

#include "infer/verdict.h"
#include "tests/unit/casebuild.h"
#include "tests/unit/test.h"

static bool is_kebab(const char *s)
{
	bool letter = false;

	for (; *s; s++) {
		if (!islower((unsigned char)*s) && !isdigit((unsigned char)*s) && *s != '-')
			return false;
		letter |= islower((unsigned char)*s);
	}
	return letter;
}

static void every_rule_is_explained(void **state VH_UNUSED)
{
	size_t n = 0;

	for (; vh_rules[n]; n++) {
		const struct vh_rule *r = vh_rules[n];

		assert_true(is_kebab(r->id));
		assert_ptr_equal(vh_rule_find(r->id), r); /* and no two of one id */
		assert_true(strlen(r->title) > 10);
		assert_true(strlen(r->meaning) > 40);
		assert_true(strlen(r->shown_by) > 30);
		assert_true(strlen(r->what_to_do) > 7);
		assert_int_not_equal(r->state, VH_STATE_UNKNOWN);
		assert_non_null(r->judge);
	}
	assert_true(n >= 20);
	assert_null(vh_rule_find("no-such-cause"));
}

/* No word of it was taken apart at the end of a line of source. */
static bool is_whole(const char *text)
{
	size_t n = strlen(text);

	for (size_t i = 1; i + 1 < n; i++)
		if (text[i] == '-' && text[i + 1] == ' ' && isalpha((unsigned char)text[i - 1]))
			return false;
	return strchr(".?)", text[n - 1]) && !strstr(text, "  ");
}

/* True where the rule comes back to the one it was first asked of, by what it includes. */
static bool includes_in_the_end(const struct vh_rule *rule, const struct vh_rule *first, int depth)
{
	for (size_t i = 0; rule->includes && rule->includes[i]; i++) {
		const struct vh_rule *next = vh_rule_find(rule->includes[i]);

		if (!next)
			fail_msg("%s includes %s, which is no cause", rule->id, rule->includes[i]);
		if (next == first || (depth && includes_in_the_end(next, first, depth - 1)))
			return true;
	}
	return false;
}

/* Two that include each other would both be hidden, or either by chance. */
static void what_a_rule_includes_is_there_and_ends(void **state VH_UNUSED)
{
	for (size_t i = 0; vh_rules[i]; i++) {
		const struct vh_rule *r = vh_rules[i];

		if (includes_in_the_end(r, r, 6))
			fail_msg("%s includes itself", r->id);
		if (!is_whole(r->meaning) || !is_whole(r->shown_by) || !is_whole(r->what_to_do))
			fail_msg("the page of %s", r->id);
		for (size_t k = 0; r->includes && r->includes[k]; k++)
			for (size_t n = 0; n < k; n++)
				assert_string_not_equal(r->includes[k], r->includes[n]);
	}
}

/* Whatever asks for a person says more than that it asks. */
static void prompts_have_causes_of_their_own(void **state VH_UNUSED)
{
	static const char *const exact[] = {"guest-initramfs-shell", "guest-emergency-shell",
		"grub-shell", "grub-rescue-prompt", "windows-boot-failed"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(exact); i++) {
		const struct vh_rule *r = vh_rule_find(exact[i]);
		bool found = false;

		assert_non_null(r);
		for (size_t k = 0; r->includes[k]; k++)
			found |= strcmp(r->includes[k], "guest-waits-at-prompt") == 0;
		assert_true(found);
	}
}

static void every_fact_has_a_name_of_its_own(void **state VH_UNUSED)
{
	for (int i = 0; i < VH_N_FACT; i++) {
		assert_true(is_kebab(vh_fact_name(i)));
		assert_true(strlen(vh_fact_meaning(i)) > 10);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(vh_fact_name(i), vh_fact_name(k));
	}
}

static void an_outer_cause_hides_the_inner_ones(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	case_thread(c, (struct case_thread){.tid = CASE_PID,
			       .name = "qemu-system-x86",
			       .state = 'T',
			       .wchan = "do_signal_stop"});
	case_thread(c, (struct case_thread){.vcpu = 0, .state = 'T', .wchan = "do_signal_stop"});
	case_status(c, "paused", false);
	struct vh_model *m = vh_model_build(c);
	struct vh_facts *facts = vh_facts_build(m);
	struct vh_verdict *v = vh_judge(facts);

	assert_string_equal(v->cause->rule->id, "process-stopped");
	assert_int_equal(v->n_causes, 1);
	vh_verdict_free(v);
	vh_facts_free(facts);
	vh_model_free(m);
	vh_case_free(c);
}

static void facts_name_their_evidence(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_busy_vcpu(c, 0);
	struct vh_model *m = vh_model_build(c);
	struct vh_facts *facts = vh_facts_build(m);
	const struct vh_fact *busy = vh_fact_of(facts, VH_FACT_VCPU_BUSY, 0);

	assert_non_null(busy);
	assert_true(busy->value > 0.97 && busy->value < 1);
	assert_true(busy->n_evidence > 0);
	for (size_t i = 0; i < busy->n_evidence; i++) {
		assert_string_equal(c->evidence[busy->evidence[i]]->source, "task.schedstat");
		assert_string_equal(c->evidence[busy->evidence[i]]->subject, "tid:4721");
	}
	assert_null(vh_fact_of(facts, VH_FACT_VCPU_BUSY, 1));
	vh_facts_free(facts);
	vh_model_free(m);
	vh_case_free(c);
}

static void facts_are_escaped(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_thread(c, (struct case_thread){.tid = CASE_PID + 5,
			       .name = "w\x1b[2J",
			       .state = 'D',
			       .wchan = "io_schedule"});
	struct vh_model *m = vh_model_build(c);
	struct vh_facts *facts = vh_facts_build(m);
	const struct vh_fact *f = vh_fact(facts, VH_FACT_THREAD_ON_STORAGE);

	assert_non_null(f);
	assert_null(strchr(f->text, 0x1b));
	assert_non_null(strstr(f->text, "\\x1b[2J"));
	vh_facts_free(facts);
	vh_model_free(m);
	vh_case_free(c);
}

static void what_was_denied_is_said_once(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(2);

	case_main_thread(c);
	case_busy_vcpu(c, 0);
	case_busy_vcpu(c, 1);
	for (int i = 0; i < 2; i++) {
		vh_auto_free char *subject = vh_asprintf("tid:%d", CASE_PID + 10 + i);

		case_fail(c, VH_FIRST, "task.stack", subject, VH_DENIED, 1,
			"Operation not permitted");
		case_fail(
			c, VH_LAST, "task.stack", subject, VH_DENIED, 1, "Operation not permitted");
	}
	struct vh_model *m = vh_model_build(c);
	struct vh_facts *facts = vh_facts_build(m);
	struct vh_verdict *v = vh_judge(facts);
	size_t said = 0;

	for (size_t i = 0; i < v->n_not_seen; i++) {
		if (v->not_seen[i].status != VH_DENIED)
			continue;
		said++;
		assert_string_equal(v->not_seen[i].what, "kernel stacks of 2 threads");
		assert_string_equal(v->not_seen[i].how, "run vmhang as root");
	}
	assert_int_equal(said, 1);
	assert_null(v->cause);
	assert_true(v->n_next > 0);
	vh_verdict_free(v);
	vh_facts_free(facts);
	vh_model_free(m);
	vh_case_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rule_is_explained),
		cmocka_unit_test(prompts_have_causes_of_their_own),
		cmocka_unit_test(what_a_rule_includes_is_there_and_ends),
		cmocka_unit_test(every_fact_has_a_name_of_its_own),
		cmocka_unit_test(an_outer_cause_hides_the_inner_ones),
		cmocka_unit_test(facts_name_their_evidence),
		cmocka_unit_test(facts_are_escaped),
		cmocka_unit_test(what_was_denied_is_said_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
