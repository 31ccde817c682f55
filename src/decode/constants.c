/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decode/constants.h"

struct row {
	uint64_t number;
	const char *name;
	enum vh_exit_means means;
};

static const struct row svm_rows[] = {
#define SVM(constant, code, name, means) {code, name, VH_MEANS_##means},
#define SVM_CODE(code, name, means)      {code, name, VH_MEANS_##means},
#include "decode/tables/svm.def"
};
static const struct row vmx_rows[] = {
#define VMX(constant, number, means)      {number, #constant, VH_MEANS_##means},
#define VMX_CODE(constant, number, means) {number, #constant, VH_MEANS_##means},
#include "decode/tables/vmx.def"
};
static const struct row arm64_rows[] = {
#define ESR_EC(constant, number, means) {number, #constant, VH_MEANS_##means},
#define ARM64_RET(constant, number, name, means)                                                   \
	{VH_ARM64_NO_TRAP + number, name, VH_MEANS_##means},
#include "decode/tables/arm64.def"
};
static const struct row pvm_rows[] = {
#define PVM(constant, number, name, means) {number, name, VH_MEANS_##means},
#include "decode/tables/pvm.def"
};
static const struct row kvm_exit_rows[] = {
#define KVM_EXIT(constant, number) {number, "KVM_EXIT_" #constant, VH_MEANS_OTHER},
#include "decode/tables/kvmexit.def"
};
static const struct row kvm_hc_rows[] = {
#define KVM_HC(constant, number) {number, #constant, VH_MEANS_HYPERCALL},
#include "decode/tables/kvmhc.def"
};
static const struct row hv_call_rows[] = {
#define HV_CALL(name, code) {code, #name, VH_MEANS_HYPERCALL},
#include "decode/tables/hvcall.def"
};
static const struct row xen_call_rows[] = {
#define XEN_CALL(name, number) {number, #name, VH_MEANS_HYPERCALL},
#include "decode/tables/xencall.def"
};
static const struct row tdvmcall_rows[] = {
#define TDVMCALL(name, leaf) {leaf, #name, VH_MEANS_NAE},
#include "decode/tables/tdvmcall.def"
};
static const struct row msr_rows[] = {
#define MSR(constant, number, name) {number, name, VH_MEANS_MSR},
#define MSR_CODE(number, name)      {number, name, VH_MEANS_MSR},
#include "decode/tables/msr.def"
};
static const struct row ghcb_msr_rows[] = {
#define GHCB_MSR(request, name) {request, name, VH_MEANS_NAE},
#include "decode/tables/ghcbmsr.def"
};

/* Tables are short, and a report asks for a few hundred names: no index. */
static const struct row *find(const struct row *rows, size_t n, uint64_t number)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].number == number)
			return &rows[i];
	return NULL;
}
#define FIND(rows, number) find(rows, VH_ARRAY_SIZE(rows), number)

static const char *name_of(const struct row *row)
{
	return row ? row->name : NULL;
}

/* Exit codes of SVM have become 64 bits wide (Linux 6.19); "invalid" is -1 in either width. */
static uint64_t svm_code(uint64_t code)
{
	return code & UINT32_MAX;
}

static const struct row *find_reason(enum vh_isa isa, uint64_t reason)
{
	switch (isa) {
	case VH_ISA_VMX:
		return FIND(vmx_rows, reason & 0xffff); /* above are flags */
	case VH_ISA_SVM:
		return FIND(svm_rows, svm_code(reason));
	case VH_ISA_ARM64:
		return FIND(arm64_rows, reason);
	case VH_ISA_PVM:
		return FIND(pvm_rows, reason);
	case VH_ISA_UNKNOWN:
	case VH_N_ISA:
		break;
	}
	return NULL;
}

const char *vh_exit_reason_name(enum vh_isa isa, uint64_t reason)
{
	return name_of(find_reason(isa, reason));
}

enum vh_exit_means vh_exit_means(enum vh_isa isa, uint64_t reason)
{
	const struct row *row = find_reason(isa, reason);

	if (isa == VH_ISA_VMX && reason & VH_VMX_FAILED_ENTRY)
		return VH_MEANS_FAILED_ENTRY;
	return row ? row->means : VH_MEANS_OTHER;
}

const char *vh_kvm_exit_name(uint64_t reason)
{
	return name_of(FIND(kvm_exit_rows, reason));
}

const char *vh_nae_name(uint64_t code)
{
	return name_of(FIND(svm_rows, svm_code(code)));
}

const char *vh_hypercall_name(uint64_t number)
{
	return name_of(FIND(kvm_hc_rows, number));
}

const char *vh_hv_call_name(uint64_t code)
{
	return name_of(FIND(hv_call_rows, code));
}

const char *vh_xen_call_name(uint64_t number)
{
	return name_of(FIND(xen_call_rows, number));
}

const char *vh_tdvmcall_name(uint64_t leaf)
{
	return name_of(FIND(tdvmcall_rows, leaf));
}

const char *vh_msr_name(uint64_t msr)
{
	return name_of(FIND(msr_rows, msr));
}

const char *vh_ghcb_msr_name(uint64_t request)
{
	return name_of(FIND(ghcb_msr_rows, request));
}

const char *vh_exception_name(uint64_t vector)
{
	static const char *const names[] = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM",
		"#DF", NULL, "#TS", "#NP", "#SS", "#GP", "#PF", NULL, "#MF", "#AC", "#MC", "#XM",
		"#VE", "#CP", NULL, NULL, NULL, NULL, NULL, NULL, "#HV", "#VC", "#SX"};

	return vector < VH_ARRAY_SIZE(names) ? names[vector] : NULL;
}
