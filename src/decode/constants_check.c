/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Holds the tables against the kernel's headers, at compile time, whatever their age: each constant
 * of a table is first an enumerator with our number; the headers come after that and define theirs
 * as macros of the same names, which then hide the enumerators. So a constant that the header has
 * is compared, and one that it has not (yet) compares with itself.
 * tests/unit/decode/tables.py proves that a wrong row does not compile, and that no row is missing.
 */
#include <stdint.h>

/* SVM, VMX: of x86 hosts; their headers are there only on those. */
enum {
#define SVM(constant, code, name, means) SVM_##constant = code,
#define SVM_CODE(code, name, means)
#include "decode/tables/svm.def"
#define VMX(constant, number, means) EXIT_REASON_##constant = number,
#define VMX_CODE(constant, number, means)
#include "decode/tables/vmx.def"
#define KVM_EXIT(constant, number) KVM_EXIT_##constant = number,
#include "decode/tables/kvmexit.def"
#define KVM_HC(constant, number) KVM_HC_##constant = number,
#include "decode/tables/kvmhc.def"
#define MSR(constant, number, name) MSR_KVM_##constant = number,
#define MSR_CODE(number, name)
#include "decode/tables/msr.def"
};
#undef SVM
#undef VMX
#undef KVM_EXIT
#undef KVM_HC
#undef MSR

#include <linux/kvm.h>
#include <linux/kvm_para.h>
#if __has_include(<asm/svm.h>)
#include <asm/svm.h>
#endif
#if __has_include(<asm/vmx.h>)
#include <asm/vmx.h>
#endif

/* Exit codes of SVM are 64 bits wide in newer headers. */
#define SAME(ours, kernels)                                                                        \
	_Static_assert((uint32_t)(ours) == (uint32_t)(kernels), #kernels " is another number");
#define SVM(constant, code, name, means) SAME(code, SVM_##constant)
#include "decode/tables/svm.def"
#define VMX(constant, number, means) SAME(number, EXIT_REASON_##constant)
#include "decode/tables/vmx.def"
#define KVM_EXIT(constant, number) SAME(number, KVM_EXIT_##constant)
#include "decode/tables/kvmexit.def"
#define KVM_HC(constant, number) SAME(number, KVM_HC_##constant)
#include "decode/tables/kvmhc.def"
#define MSR(constant, number, name) SAME(number, MSR_KVM_##constant)
#include "decode/tables/msr.def"
