/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The page that a vCPU of a SEV-ES or SEV-SNP guest shares with its host (GHCB). Its address is the
 * GHCB MSR, which KVM keeps (trace.vcpu); the page is not encrypted, and lies in QEMU's own memory:
 * of an SNP guest only private pages are in guest_memfd. Not tested on hardware that has SEV.
 */
#include "base/clock.h"
#include "collect/session.h"

#define GHCB_BYTES 4096u
#define MAX_PAGES  8 /* the boot CPU's tells most */

static void read_page(struct vh_session *s, int64_t vcpu, uint64_t gpa)
{
	vh_auto_free char *subject = vh_asprintf("vcpu:%lld", (long long)vcpu);
	struct vh_evidence *e =
		vh_case_add(s->c, VH_ASKED, "guest.ghcb", subject, "HMP gpa2hva; process_vm_readv");
	int64_t now = vh_now_ns();
	uint8_t page[GHCB_BYTES];
	uint64_t hva;

	if (vh_session_ask_number(s, "gpa2hva", gpa, -1, " is ", e, &hva) &&
		vh_session_read_hva(s, hva, page, sizeof(page), e)) {
		vh_auto_buf struct vh_buf text = {0};

		for (size_t i = 0; i < sizeof(page); i++)
			vh_buf_printf(&text, "%02x", page[i]);
		vh_buf_putc(&text, '\n');
		vh_evidence_set_data(e, text.data, text.len);
	}
	vh_session_set_time(s, e, now);
}

void vh_session_read_ghcbs(struct vh_session *s)
{
	const struct vh_evidence *e = vh_case_find_data(s->c, "trace.vcpu", NULL, VH_N_ROUND);
	vh_auto_error struct vh_error *err = NULL;
	vh_auto_json struct json_object *o = e ? vh_json_parse(vh_evidence_text(e), &err) : NULL;
	struct json_object *list = vh_json_at(o, "vcpus", NULL);
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	if (s->outlook.against[VH_NEED_MAIN] || s->outlook.against[VH_NEED_ACCESS])
		return;
	for (size_t i = 0, pages = 0; i < n && pages < MAX_PAGES; i++) {
		struct json_object *vcpu = json_object_array_get_idx(list, i);
		const char *text = vh_json_string(vcpu, "ghcb_gpa", "");
		uint64_t gpa;
		int64_t index;

		/* Low bits: not an address, but a request of the MSR protocol. */
		if (!vh_parse_u64(vh_str(text), 0, &gpa) || !gpa || gpa % GHCB_BYTES ||
			!vh_json_i64(vcpu, "vcpu", &index) || !vh_session_goes_on(s))
			continue;
		pages++;
		read_page(s, index, gpa);
	}
}
