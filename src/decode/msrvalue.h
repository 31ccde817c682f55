/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the value of a model specific register says. */
#pragma once

#include "base/buf.h"

/* "base fee00000, on, boot CPU, xAPIC mode". False where vmhang knows nothing of that MSR's values;
 * then nothing is appended. Intel SDM vol. 4, AMD APM vol. 2; Linux
 * arch/x86/include/asm/msr-index.h and uapi/asm/kvm_para.h. */
bool vh_msr_value_text(uint64_t msr, uint64_t value, struct vh_buf *out);
/* False where the register could not hold that value (reserved bits): then a number that looks like
 * an access to it was something else. True where that is not known. */
bool vh_msr_value_fits(uint64_t msr, uint64_t value);
