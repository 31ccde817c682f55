/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "discover/other_vmm.h"

#include "discover/qemu_option.h"

static const struct {
	const char *program; /* the name begins with it: "firecracker-v1.7.0-x86_64" */
	bool whole;          /* and is no longer */
	enum vh_vmm vmm;
} programs[] = {
	{"cloud-hypervisor", false, VH_VMM_CLOUD_HYPERVISOR},
	{"firecracker", false, VH_VMM_FIRECRACKER}, {"crosvm", false, VH_VMM_CROSVM},
	{"lkvm", false, VH_VMM_KVMTOOL}, {"kvmtool", false, VH_VMM_KVMTOOL},
	{"vm", true, VH_VMM_KVMTOOL}, /* lkvm's other name */
};

/* Options that are of interest, each "--option VALUE" or "--option=VALUE". */
static const struct {
	enum vh_vmm vmm;
	const char *option;
	enum { NAME, MEBIBYTES, SIZE } what;
} options[] = {
	{VH_VMM_CLOUD_HYPERVISOR, "--memory", SIZE},
	{VH_VMM_FIRECRACKER, "--id", NAME},
	{VH_VMM_CROSVM, "--name", NAME},
	{VH_VMM_CROSVM, "--mem", MEBIBYTES},
	{VH_VMM_CROSVM, "-m", MEBIBYTES},
	{VH_VMM_KVMTOOL, "--name", NAME},
	{VH_VMM_KVMTOOL, "-n", NAME},
	{VH_VMM_KVMTOOL, "--mem", MEBIBYTES},
	{VH_VMM_KVMTOOL, "-m", MEBIBYTES},
};

enum vh_vmm vmm_of_program(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	const char *name = slash ? slash + 1 : path;

	for (size_t i = 0; name && i < VH_ARRAY_SIZE(programs); i++)
		if (programs[i].whole ? vh_streq(name, programs[i].program)
				      : vh_prefix(name, programs[i].program))
			return programs[i].vmm;
	return VH_VMM_OTHER;
}

/* "512M", "4G", bytes without a suffix. */
static uint64_t size_of(struct vh_str s)
{
	static const char suffixes[] = "bkmgt";
	const char *suffix = s.n ? strchr(suffixes, s.s[s.n - 1] | 0x20) : NULL;
	uint64_t value, unit = 1;

	if (suffix && *suffix) {
		unit = 1ULL << (10 * (suffix - suffixes));
		s.n--;
	}
	return vh_parse_u64(s, 10, &value) && value <= UINT64_MAX / unit ? value * unit : 0;
}

static void apply(struct vh_vm *vm, int what, struct vh_str value)
{
	auto_qemu_option struct qemu_option o;
	uint64_t number;

	/* "size=512M,shared=on" and "size=512" are of the same make as QEMU's. */
	qemu_option_parse(value, "size", &o);
	struct vh_str size = vh_str(qemu_option_get(&o, "size"));

	if (what == NAME) {
		free(vm->name);
		vm->name = vh_str_dup(value);
	} else if (what == MEBIBYTES) {
		if (vh_parse_u64(size, 10, &number) && number < 1ULL << 40)
			vm->memory_bytes = number << 20;
		else
			vm->memory_bytes = size_of(size);
	} else {
		vm->memory_bytes = size_of(size);
	}
}

void vmm_cmdline_parse(struct vh_str args, struct vh_vm *vm)
{
	struct vh_str arg, value;

	for (int n = 0; n < 65536 && vh_next_part(&args, 0, &arg); n++)
		for (size_t i = 0; i < VH_ARRAY_SIZE(options); i++) {
			size_t length = strlen(options[i].option);

			if (options[i].vmm != vm->vmm || !vh_str_starts(arg, options[i].option))
				continue;
			if (arg.n > length && arg.s[length] == '=')
				value = (struct vh_str){arg.s + length + 1, arg.n - length - 1};
			else if (arg.n > length || !vh_next_part(&args, 0, &value))
				continue;
			apply(vm, options[i].what, value);
			break;
		}
}
