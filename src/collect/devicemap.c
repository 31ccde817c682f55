/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which devices a VM has where, asked alone: for `vmhang exits`, which asks nothing else. */
#include "collect/passive.h"
#include "collect/session.h"

static void ask(struct vh_session *s, const char *source)
{
	const struct vh_question *q = vh_plan_find(source, NULL);
	vh_auto_qmp_answer struct vh_qmp_answer a = {0};

	if (!q || vh_plan_objection(&s->outlook, q) || !vh_session_goes_on(s))
		return;
	vh_session_ask_hmp(s, q->line, -1, &a);
	vh_session_add(s, VH_ASKED, source, NULL, q->line, &a);
}

struct vh_case *vh_collect_device_map(struct vh_host *host, const struct vh_vm *vm,
	struct vh_str trace, const struct vh_collect_options *options)
{
	struct vh_case *c = vh_case_new(vh_vm_copy(vm));
	struct vh_session s;

	vh_evidence_set_data(
		vh_case_add(c, VH_LAST, "trace.exits", NULL, "kvm tracepoints"), trace.s, trace.n);
	/* What tells whether QEMU can be asked. */
	vh_collect_threads.collect(host, c, VH_FIRST);
	vh_collect_process.collect(host, c, VH_FIRST);
	vh_session_begin(&s, host, c, options);
	/* Nobody is connected to where the question would not be asked. */
	if (!vh_plan_objection(&s.outlook, vh_plan_find("hmp.info-mtree", NULL)) &&
		vh_session_open(&s)) {
		ask(&s, "hmp.info-mtree");
		ask(&s, "hmp.info-mtree-flat");
	}
	vh_session_end(&s);
	return c;
}
