/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pasted texts, by family of recognisers: text in, cases out, each judged and written down both
 * ways. With VH_FUZZ_FAMILY only that family is asked, so that the fuzzer does not lose itself in
 * the others. What must hold: nothing crashes; each case can be saved as JSON; the same text gives
 * the same cases.
 */
#include <assert.h>

#include "case/archive.h"
#include "fuzz.h"
#include "paste/recogniser.h"
#include "report/report.h"

#define FAMILY_all     vh_recognisers
#define FAMILY_threads threads
#define FAMILY_monitor monitor
#define FAMILY_virsh   virsh
#define FAMILY_proc    proc
#define FAMILY_exits   exits
#define FAMILY_logs    logs

static VH_UNUSED const struct vh_recogniser *const threads[] = {
	&vh_recognise_top, &vh_recognise_ps, &vh_recognise_command_line, NULL};
static VH_UNUSED const struct vh_recogniser *const monitor[] = {&vh_recognise_qmp,
	&vh_recognise_registers, &vh_recognise_arm_registers, &vh_recognise_hmp_status,
	&vh_recognise_hmp_cpus, &vh_recognise_hmp_lapic, &vh_recognise_hmp_mtree,
	&vh_recognise_hmp_block, &vh_recognise_hmp_other, NULL};
static VH_UNUSED const struct vh_recogniser *const virsh[] = {&vh_recognise_domain_xml,
	&vh_recognise_domstats, &vh_recognise_dominfo, &vh_recognise_virsh_list,
	&vh_recognise_domstate, NULL};
static VH_UNUSED const struct vh_recogniser *const proc[] = {&vh_recognise_proc_status,
	&vh_recognise_proc_stat, &vh_recognise_proc_stack, &vh_recognise_proc_wchan, NULL};
static VH_UNUSED const struct vh_recogniser *const exits[] = {&vh_recognise_perf_kvm_stat,
	&vh_recognise_kvm_stat, &vh_recognise_trace, &vh_recognise_top, NULL};
static VH_UNUSED const struct vh_recogniser *const logs[] = {&vh_recognise_libvirt_log,
	&vh_recognise_qemu_log, &vh_recognise_serial_log, &vh_recognise_kernel_log, NULL};

static struct vh_case **cases_of(const uint8_t *data, size_t size, size_t *n)
{
	struct vh_paste *p = vh_paste_new();

	p->recognisers = VH_FUZZ_FAMILY;
	vh_paste_add(p, "fuzz", (struct vh_str){(const char *)data, size});
	return vh_paste_finish(p, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n, again;
	struct vh_case **cases = cases_of(data, size, &n), **same = cases_of(data, size, &again);

	assert(n == again);
	for (size_t i = 0; i < n; i++) {
		vh_auto_json struct json_object *a = vh_case_to_json(cases[i]);
		vh_auto_json struct json_object *b = vh_case_to_json(same[i]);

		assert(json_object_equal(a, b));
		vh_case_free(same[i]);

		struct vh_report *r = vh_report_new(cases[i]);
		vh_auto_json struct json_object *json = vh_report_json(r);
		vh_auto_buf struct vh_buf text = {0};

		assert(json);
		vh_report_text(r, &(struct vh_text_options){.verbose = true}, &text);
		assert(vh_is_utf8((struct vh_str){text.data, text.len}));
		vh_report_free(r);
	}
	free(cases);
	free(same);
	return 0;
}
