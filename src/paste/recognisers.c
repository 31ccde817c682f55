/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every recogniser, in the order in which they are asked: what names itself goes before what is
 * known by its form, and what is longer before what may stand within it. */
#include "paste/recogniser.h"

const struct vh_recogniser *const vh_recognisers[] = {
	&vh_recognise_qmp,
	&vh_recognise_domain_xml,
	&vh_recognise_libvirt_log,
	&vh_recognise_perf_kvm_stat,
	&vh_recognise_kvm_stat,
	&vh_recognise_top,
	&vh_recognise_ps,
	&vh_recognise_command_line,
	&vh_recognise_registers,
	&vh_recognise_arm_registers,
	&vh_recognise_hmp_status,
	&vh_recognise_hmp_cpus,
	&vh_recognise_hmp_lapic,
	&vh_recognise_hmp_mtree,
	&vh_recognise_hmp_block,
	&vh_recognise_hmp_other,
	&vh_recognise_domstats,
	&vh_recognise_proc_status,
	&vh_recognise_dominfo,
	&vh_recognise_virsh_list,
	&vh_recognise_domstate,
	&vh_recognise_proc_stat,
	&vh_recognise_proc_stack,
	&vh_recognise_proc_wchan,
	&vh_recognise_trace,
	&vh_recognise_qemu_log,
	&vh_recognise_serial_log,
	&vh_recognise_kernel_log,
	NULL,
};
