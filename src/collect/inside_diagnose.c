/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The look inside the guest as a part of a diagnosis: what it may cost there. */
#include "collect/look.h"

/* Of a guest whose registers lead to its kernel: 10 MB and 50 ms, on a host at rest. Of one with
 * many threads for each CPU twenty times that: without the look the answer is less sure. */
#define ASKED_NS    VH_NS_PER_S
#define ASKED_BYTES (UINT64_C(64) << 20)
/* Where its memory has to be searched. */
#define SCANNED_NS    VH_NS_PER_S
#define SCANNED_BYTES (UINT64_C(2) << 30)

/* A VMM for another architecture names it. */
static void object_to_architecture(struct vh_session *s)
{
	const char *exe = s->c->vm->exe;
	const char *name = exe ? strstr(exe, "qemu-system-") : NULL;

	if (name && !strstr(name, "x86_64") && !strstr(name, "i386") && !strstr(name, "aarch64"))
		vh_outlook_object(&s->outlook, VH_NEED_KNOWN_CPU,
			"only x86-64 and 64-bit ARM can be looked into");
}

void vh_session_look_inside(struct vh_session *s, bool ask)
{
	struct vh_inside_options options = {
		.explore = {.dmesg = true, .vcpus = true, .tasks = true},
		.deadline_ns = ASKED_NS,
		.budget_bytes = ASKED_BYTES,
		.passive = !ask,
	};
	const struct vh_question *registers = vh_plan_find("hmp.info-registers", NULL);

	object_to_architecture(s);
	if (ask && !s->outlook.against[VH_NEED_X86] && !vh_plan_objection(&s->outlook, registers)) {
		/* Where they lead to no Linux there is none, mostly. QEMU tells none of ARM that
		 * lead to page tables. */
		options.explore.kernel.no_scan = true;
	} else {
		options.deadline_ns = SCANNED_NS;
		options.budget_bytes = SCANNED_BYTES;
	}
	struct vh_look l = VH_LOOK_INIT(.host = s->host, .c = s->c, .s = ask ? s : NULL,
		.outlook = &s->outlook, .options = options);

	vh_look_take(&l, s->c->passive ? VH_LAST : VH_ASKED);
	vh_look_free(&l);
}

void vh_collect_inside_passively(
	struct vh_host *host, struct vh_case *c, const struct vh_collect_options *options)
{
	struct vh_session s;

	vh_session_begin(&s, host, c, options);
	vh_session_look_inside(&s, false);
	vh_session_end(&s);
}
