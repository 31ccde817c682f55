/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads what KVM keeps of the vCPUs of one VM, without an exit, without a signal to it, and without
 * asking its VMM: an iterator over the files of the VMM's process, of which those of a vCPU
 * ("anon_inode:kvm-vcpu:0") have the kvm_vcpu behind them. Linux 5.8 and later, x86.
 *
 * Only what is read is declared; libbpf fits the offsets to the running kernel (CO-RE). The part of
 * SEV (ghcb_gpa, guest_state_protected) has not been tested on hardware that has it.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "bpf/vcpu.h"

const volatile struct vh_vcpu_config config = {};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct mm_struct;
struct task_struct {
	int pid, tgid;
	struct mm_struct *mm;
};
struct qstr {
	const unsigned char *name;
};
struct dentry {
	struct qstr d_name;
};
struct path {
	struct dentry *dentry;
};
struct file {
	struct path f_path;
	void *private_data;
};
struct seq_file;
struct bpf_iter_meta {
	struct seq_file *seq;
};
struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};
struct kvm {
	struct mm_struct *mm;
};
struct kvm_vcpu_arch {
	unsigned long regs[VH_N_VCPU_REGS];
	unsigned long cr0, cr0_guest_owned_bits, cr4, cr4_guest_owned_bits;
	__u64 efer;
	int mp_state;
	bool guest_state_protected;
};
struct kvm_vcpu {
	struct kvm *kvm;
	int vcpu_id, vcpu_idx;
	struct kvm_vcpu_arch arch;
};
struct vmcb_control_area {
	__u64 ghcb_gpa;
};
struct vmcb {
	struct vmcb_control_area control;
};
struct vcpu_svm {
	struct kvm_vcpu vcpu;
	struct vmcb *vmcb;
};
#pragma clang attribute pop

/* Of the first 12 characters: a file's name is anybody's, so that more is looked at below. */
static bool is_named_vcpu(const struct file *file)
{
	static const char want[] = "kvm-vcpu";
	char name[sizeof(want)] = {};
	const struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);

	bpf_probe_read_kernel(name, sizeof(name) - 1, BPF_CORE_READ(dentry, d_name.name));
	for (unsigned i = 0; i < sizeof(want) - 1; i++)
		if (name[i] != want[i])
			return false;
	return true;
}

static void read_ghcb(const struct kvm_vcpu *vcpu, struct vh_vcpu_record *r)
{
	const struct vcpu_svm *svm;
	const struct vmcb *vmcb;

	if (!config.svm || !(r->flags & VH_VCPU_PROTECTED) ||
		!bpf_core_type_exists(struct vcpu_svm) ||
		!bpf_core_field_exists(struct vmcb_control_area, ghcb_gpa))
		return;
	svm = (const void *)vcpu - bpf_core_field_offset(struct vcpu_svm, vcpu);
	vmcb = BPF_CORE_READ(svm, vmcb);
	if (bpf_core_read(&r->ghcb_gpa, sizeof(r->ghcb_gpa), &vmcb->control.ghcb_gpa) == 0)
		r->flags |= VH_VCPU_HAS_GHCB;
}

SEC("iter/task_file")
int read_vcpus(struct bpf_iter__task_file *ctx)
{
	struct vh_vcpu_record r = {.magic = VH_VCPU_MAGIC};
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	const struct kvm_vcpu *vcpu;

	/* All threads share the files: once, of the main one. */
	if (!task || !file || (__u32)task->tgid != config.tgid || task->pid != task->tgid)
		return 0;
	if (!bpf_core_field_exists(struct kvm_vcpu_arch, cr0) || !is_named_vcpu(file))
		return 0;
	vcpu = BPF_CORE_READ(file, private_data);
	/* A file of another kind that bears the name has no VM of this process behind it. */
	if (!vcpu || BPF_CORE_READ(vcpu, kvm, mm) != BPF_CORE_READ(task, mm))
		return 0;
	r.id = BPF_CORE_READ(vcpu, vcpu_id);
	r.index = r.id;
	if (bpf_core_field_exists(vcpu->vcpu_idx))
		r.index = BPF_CORE_READ(vcpu, vcpu_idx);
	r.mp_state = BPF_CORE_READ(vcpu, arch.mp_state);
	r.cr0 = BPF_CORE_READ(vcpu, arch.cr0);
	r.cr4 = BPF_CORE_READ(vcpu, arch.cr4);
	r.efer = BPF_CORE_READ(vcpu, arch.efer);
	r.cr0_owned = BPF_CORE_READ(vcpu, arch.cr0_guest_owned_bits);
	r.cr4_owned = BPF_CORE_READ(vcpu, arch.cr4_guest_owned_bits);
	bpf_core_read(r.regs, sizeof(r.regs), &vcpu->arch.regs);
	if (bpf_core_field_exists(vcpu->arch.guest_state_protected) &&
		BPF_CORE_READ(vcpu, arch.guest_state_protected))
		r.flags |= VH_VCPU_PROTECTED;
	read_ghcb(vcpu, &r);
	bpf_seq_write(ctx->meta->seq, &r, sizeof(r));
	return 0;
}

char _license[] SEC("license") = "GPL";
