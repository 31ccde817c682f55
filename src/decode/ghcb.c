/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decode/ghcb.h"

#include <inttypes.h>

#include "decode/constants.h"

struct reason {
	unsigned char set, code;
	const char *text;
};

/* Linux arch/x86/include/asm/sev-common.h, 5.19 to 6.18: SEV_TERM_SET_GEN and SEV_TERM_SET_LINUX.
 */
static const struct reason reasons[] = {
	{0, 0, "a general request: the guest gave no reason"},
	{0, 1, "the host does not speak the guest's version of the GHCB protocol"},
	{0, 2, "the host does not offer what SEV-SNP needs"},
	{1, 0, "its GHCB page could not be registered"},
	{1, 1, "a page could not be made private or shared (page state change)"},
	{1, 2, "a page could not be validated (PVALIDATE)"},
	{1, 3, "it does not run at VMPL 0"},
	{1, 4, "the CPUID table does not hold"},
	{1, 5, "CPUID could not be asked of the hypervisor"},
	{1, 6, "the secrets page is not usable"},
	{1, 7, "there is no SVSM, though it runs below VMPL 0"},
	{1, 8, "the SVSM claims VMPL 0"},
	{1, 9, "the SVSM's calling area is not aligned"},
	{1, 10, "the secure TSC could not be set up"},
	{1, 11, "the SVSM's calling area could not be mapped"},
	{1, 12, "Secure AVIC failed"},
};

/* edk2 OvmfPkg/ResetVector/Ia32/AmdSev.asm: SevEsUnexpectedRespTerm and its like. */
static const struct reason ovmf_reasons[] = {
	{1, 1, "OVMF's reset vector met a #VC that was not CPUID"},
	{1, 2, "OVMF's reset vector got an answer that it did not expect"},
};

static const char *find(const struct reason *list, size_t n, uint64_t set, uint64_t code)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].set == set && list[i].code == code)
			return list[i].text;
	return NULL;
}

const char *vh_ghcb_termination_text(uint64_t set, uint64_t code)
{
	return find(reasons, VH_ARRAY_SIZE(reasons), set, code);
}

const char *vh_ghcb_ovmf_termination_text(uint64_t set, uint64_t code)
{
	return find(ovmf_reasons, VH_ARRAY_SIZE(ovmf_reasons), set, code);
}

const char *vh_ghcb_error_text(uint64_t code)
{
	/* Linux arch/x86/include/asm/sev-common.h: GHCB_ERR_*. */
	static const char *const errors[] = {
		[1] = "the GHCB's address was not registered",
		[2] = "the usage of the GHCB is not known",
		[3] = "the scratch area is not valid",
		[4] = "an input is missing",
		[5] = "an input is not valid",
		[6] = "the event is not valid",
	};

	return code < VH_ARRAY_SIZE(errors) ? errors[code] : NULL;
}

/* The hexadecimal number at the start of s, cut off it. */
static bool take_hex(struct vh_str *s, uint64_t *value)
{
	size_t n = 0;

	*s = vh_str_trim(*s);
	if (vh_str_starts(*s, "0x"))
		*s = (struct vh_str){s->s + 2, s->n - 2};
	while (n < s->n && strchr("0123456789abcdef", s->s[n]) && s->s[n])
		n++;
	bool ok = vh_parse_u64((struct vh_str){s->s, n}, 16, value);

	*s = (struct vh_str){s->s + n, s->n - n};
	return ok;
}

bool vh_ghcb_termination_parse(struct vh_str line, uint64_t *set, uint64_t *code)
{
	static const char key[] = "guest requested termination: ";
	ssize_t at = vh_str_find(line, key);
	uint64_t number;

	if (at < 0)
		return false;
	struct vh_str rest = {line.s + at + sizeof(key) - 1, line.n - (size_t)at - sizeof(key) + 1};

	if (vh_str_starts(rest, "reason ")) {
		/* SVM_VMGEXIT_TERM_REQUEST: set in bits 0 to 3, reason in bits 4 to 11 of
		 * SW_EXITINFO1 (Linux arch/x86/include/uapi/asm/svm.h,
		 * SVM_VMGEXIT_TERM_REASON). */
		rest = (struct vh_str){rest.s + 7, rest.n - 7};
		if (!take_hex(&rest, &number))
			return false;
		*set = number & 0xf;
		*code = number >> 4 & 0xff;
		return true;
	}
	if (!take_hex(&rest, set) || !vh_str_starts(rest, ":"))
		return false;
	rest = (struct vh_str){rest.s + 1, rest.n - 1};
	return take_hex(&rest, code);
}

/* Offsets of struct ghcb. */
#define AT_RAX         0x1f8
#define AT_RCX         0x308
#define AT_RDX         0x310
#define AT_RBX         0x318
#define AT_EXIT_CODE   0x390
#define AT_EXIT_INFO_1 0x398
#define AT_EXIT_INFO_2 0x3a0
#define AT_SCRATCH     0x3a8
#define AT_BUFFER      0x800 /* behind the save area */
#define AT_VERSION     0xffa
#define AT_USAGE       0xffc

static uint64_t word(const uint8_t *page, size_t at, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = bytes; i--;)
		value = value << 8 | page[at + i];
	return value;
}

bool vh_ghcb_page_parse(const void *data, size_t size, struct vh_ghcb_page *out)
{
	const uint8_t *page = data;

	*out = (struct vh_ghcb_page){0};
	if (size != VH_GHCB_PAGE_BYTES)
		return false;
	*out = (struct vh_ghcb_page){
		.rax = word(page, AT_RAX, 8),
		.rbx = word(page, AT_RBX, 8),
		.rcx = word(page, AT_RCX, 8),
		.rdx = word(page, AT_RDX, 8),
		.exit_code = word(page, AT_EXIT_CODE, 8),
		.exit_info_1 = word(page, AT_EXIT_INFO_1, 8),
		.exit_info_2 = word(page, AT_EXIT_INFO_2, 8),
		.scratch = word(page, AT_SCRATCH, 8),
		.version = (uint16_t)word(page, AT_VERSION, 2),
		.usage = (uint32_t)word(page, AT_USAGE, 4),
		.cleared = true,
	};
	for (size_t i = 0; i < AT_BUFFER && out->cleared; i++)
		out->cleared = !page[i];
	/* Versions are small; anything else is a page of something else. */
	return out->usage == 0 && out->version <= 16;
}

void vh_ghcb_page_text(const struct vh_ghcb_page *page, struct vh_buf *out)
{
	const char *name = vh_nae_name(page->exit_code);
	const char *msr = vh_msr_name(page->rcx);

	if (page->cleared) {
		vh_buf_puts(out, "nothing: it was cleared for an event that did not come");
		return;
	}
	if (name)
		vh_buf_puts(out, name);
	else
		vh_buf_printf(out, "event %" PRIx64, page->exit_code);
	switch (page->exit_code) {
	case 0x72: /* SVM_EXIT_CPUID: RAX and RCX have the answer by now */
		break;
	case 0x7b: /* SVM_EXIT_IOIO: the port is in bits 16 to 31 (AMD APM vol. 2, 15.10.2) */
		vh_buf_printf(out, " port %" PRIx64 ", %s", page->exit_info_1 >> 16 & 0xffff,
			page->exit_info_1 & 1 ? "in" : "out");
		break;
	case 0x7c:
		if (msr)
			vh_buf_printf(out, " %s", msr);
		else
			vh_buf_printf(out, " %" PRIx64, page->rcx);
		vh_buf_printf(out, ", %s", page->exit_info_1 & 1 ? "write" : "read");
		break;
	case 0x80000001:
	case 0x80000002:
		vh_buf_printf(out, " at %" PRIx64, page->exit_info_1);
		break;
	default:
		break;
	}
	if (page->exit_info_1 == 2 && vh_ghcb_error_text(page->exit_info_2))
		vh_buf_printf(
			out, " (the host refused it: %s)", vh_ghcb_error_text(page->exit_info_2));
}
