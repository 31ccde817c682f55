/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who the VM is, from the evidence of its case, as discover does it for a live one. */
#include "discover/discover.h"
#include "paste/recogniser.h"

static void take_name(struct vh_vm *vm, struct vh_str name)
{
	if (!vm->name && name.n)
		vm->name = vh_str_dup(name);
}

/* What a QEMU command line told, where nothing better told it. The whole VM is read from it, for it
 * tells most. */
static void from_command_line(struct vh_vm *vm, struct vh_case *c)
{
	const struct vh_evidence *e = vh_case_find_data(c, "proc.cmdline", NULL, VH_N_ROUND);
	vh_auto_free char *name = vh_strdup(vm->name);

	if (!e || !vh_qemu_cmdline_parse(vh_evidence_text(e), vm))
		return;
	/* Where it has no -name, what libvirt or the text calls it. */
	if (name && !vm->name)
		vh_replace(&vm->name, name);
}

/* --- libvirt's XML -----------------------------------------------------------------------------
 */

/* The text between "<tag" ... ">" and "</tag>". */
static bool element(struct vh_str xml, const char *tag, struct vh_str *out)
{
	vh_auto_free char *open = vh_asprintf("<%s", tag), *close = vh_asprintf("</%s>", tag);
	ssize_t at = vh_str_find(xml, open);

	if (at < 0)
		return false;
	struct vh_str rest = {xml.s + at, xml.n - at};
	ssize_t begin = vh_str_find(rest, ">"), end = vh_str_find(rest, close);

	if (begin < 0 || end <= begin)
		return false;
	*out = vh_str_trim((struct vh_str){rest.s + begin + 1, end - begin - 1});
	return true;
}

static uint64_t unit_of(struct vh_str element_text, struct vh_str xml)
{
	static const struct {
		const char *name;
		uint64_t bytes;
	} units[] = {{"unit='KiB'", 1 << 10}, {"unit='MiB'", 1 << 20}, {"unit='GiB'", 1 << 30},
		{"unit='bytes'", 1}, {"unit='b'", 1}};
	size_t from = element_text.s - xml.s;
	struct vh_str before = {xml.s + (from > 40 ? from - 40 : 0), VH_MIN(from, 40)};

	for (size_t i = 0; i < VH_ARRAY_SIZE(units); i++)
		if (vh_str_find(before, units[i].name) >= 0)
			return units[i].bytes;
	return 1 << 10;
}

/* <launchSecurity type='sev'> with <policy>0x0007</policy> (libvirt formatdomain) */
static void take_security(struct vh_vm *vm, struct vh_str xml)
{
	ssize_t at = vh_str_find(xml, "<launchSecurity");
	struct vh_str policy;
	uint64_t bits = 0;

	if (at < 0)
		return;
	struct vh_str rest = {xml.s + at, xml.n - at};
	ssize_t end = vh_str_find(rest, ">");
	struct vh_str tag = {rest.s, end < 0 ? rest.n : (size_t)end};
	bool told = element(rest, "policy", &policy) && vh_parse_u64(policy, 0, &bits);

	if (vh_str_find(tag, "'sev-snp'") > 0 || vh_str_find(tag, "\"sev-snp\"") > 0)
		vm->confidential = VH_CONF_SEV_SNP;
	else if (vh_str_find(tag, "'sev'") > 0 || vh_str_find(tag, "\"sev\"") > 0)
		/* Policy bit 2: ES (linux/psp-sev.h). A policy that is not told forbids more. */
		vm->confidential = told && !(bits & 4) ? VH_CONF_SEV : VH_CONF_SEV_ES;
	else if (vh_str_find(tag, "'tdx'") > 0 || vh_str_find(tag, "\"tdx\"") > 0)
		vm->confidential = VH_CONF_TDX;
	else
		vm->confidential = VH_CONF_OTHER;
	if (told && !vm->conf_policy)
		vm->conf_policy = vh_str_dup((struct vh_str){policy.s, VH_MIN(policy.n, 32)});
}

static void from_xml(struct vh_vm *vm, const struct vh_case *c)
{
	const struct vh_evidence *e = vh_case_find_data(c, "libvirt.domain-xml", "", VH_N_ROUND);
	struct vh_str xml = vh_evidence_text(e), text;
	uint64_t number;

	if (!e)
		return;
	vm->vmm = VH_VMM_QEMU;
	vm->libvirt.managed = true;
	if (vh_str_find(xml, "type='kvm'") > 0 && vm->accel == VH_ACCEL_UNKNOWN)
		vm->accel = VH_ACCEL_KVM;
	if (element(xml, "name", &text))
		take_name(vm, text);
	if (!vm->uuid && element(xml, "uuid", &text))
		vm->uuid = vh_str_dup((struct vh_str){text.s, VH_MIN(text.n, 64)});
	if (!vm->vcpus && element(xml, "vcpu", &text) && vh_parse_u64(text, 10, &number) &&
		number <= 8192)
		vm->vcpus = (unsigned)number;
	if (!vm->memory_bytes && element(xml, "memory", &text) && vh_parse_u64(text, 10, &number) &&
		number <= UINT64_MAX >> 31)
		vm->memory_bytes = number * unit_of(text, xml);
	if (vm->confidential == VH_CONF_NONE)
		take_security(vm, xml);
}

/* --- virsh -------------------------------------------------------------------------------------
 */

static void from_dominfo(struct vh_vm *vm, const struct vh_case *c)
{
	struct vh_str text =
		vh_evidence_text(vh_case_find_data(c, "pasted.dominfo", "", VH_N_ROUND));
	struct vh_str value, word;
	uint64_t number;

	if (!text.n)
		return;
	vm->libvirt.managed = true;
	if (vh_status_field(text, "Name", &value))
		take_name(vm, value);
	if (!vm->uuid && vh_status_field(text, "UUID", &value))
		vm->uuid = vh_str_dup(value);
	if (!vm->vcpus && vh_status_field(text, "CPU(s)", &value) &&
		vh_parse_u64(value, 10, &number) && number <= 8192)
		vm->vcpus = (unsigned)number;
	if (!vm->memory_bytes && vh_status_field(text, "Max memory", &value) &&
		vh_next_word(&value, &word) && vh_parse_u64(word, 10, &number) &&
		number < UINT64_MAX >> 10)
		vm->memory_bytes = number << 10;
	if (!vm->libvirt.state && vh_status_field(text, "State", &value))
		vm->libvirt.state = vh_str_dup((struct vh_str){value.s, VH_MIN(value.n, 64)});
}

/* "paused (I/O error)" */
static void from_domstate(struct vh_vm *vm, const struct vh_case *c)
{
	const struct vh_evidence *e = vh_case_find_data(c, "pasted.domstate", "", VH_N_ROUND);
	struct vh_str text, state;

	if (!e)
		e = vh_case_find_data(c, "pasted.virsh-list", "", VH_N_ROUND);
	if (!e)
		return;
	text = vh_str_trim(vh_evidence_text(e));
	vm->libvirt.managed = true;
	if (vh_next_part(&text, '(', &state))
		vh_replace(&vm->libvirt.state, "");
	free(vm->libvirt.state);
	vm->libvirt.state = vh_str_dup(vh_str_trim(state));
	text = vh_str_trim(text);
	if (text.n > 1 && text.s[text.n - 1] == ')') {
		free(vm->libvirt.reason);
		vm->libvirt.reason = vh_str_dup((struct vh_str){text.s, text.n - 1});
	}
}

static void from_domstats(struct vh_vm *vm, const struct vh_case *c)
{
	struct vh_str text =
		vh_evidence_text(vh_case_find_data(c, "pasted.domstats", "", VH_N_ROUND));
	struct vh_str line, key;
	uint64_t number;

	if (text.n)
		vm->libvirt.managed = true;
	while (vh_next_line(&text, &line)) {
		line = vh_str_trim(line);
		if (!vh_next_part(&line, '=', &key) || !vh_parse_u64(line, 10, &number))
			continue;
		if (vh_str_is(key, "vcpu.current") && !vm->vcpus && number <= 8192)
			vm->vcpus = (unsigned)number;
		if (vh_str_is(key, "balloon.maximum") && !vm->memory_bytes &&
			number < UINT64_MAX >> 10)
			vm->memory_bytes = number << 10;
	}
}

/* --- the rest ----------------------------------------------------------------------------------
 */

/* Threads that bear a vCPU's name tell the VMM and the accelerator. */
static void from_threads(struct vh_vm *vm, const struct vh_case *c)
{
	static const char *const sources[] = {
		"pasted.ps", "pasted.top", "pasted.process", "task.stat"};

	vh_case_foreach (c, e) {
		bool threads = vh_streq(e->source, "hmp.info-registers");

		for (size_t i = 0; i < VH_ARRAY_SIZE(sources); i++)
			threads |= vh_streq(e->source, sources[i]);
		struct vh_str text = vh_evidence_text(e);

		if (!threads)
			continue;
		if (vh_str_find(text, "qemu") >= 0 || vh_str_find(text, "CPU 0/") >= 0 ||
			vh_str_starts(text, "EAX=") || vh_str_starts(text, "RAX=") ||
			vh_str_starts(vh_str_trim(text), "PC="))
			vm->vmm = VH_VMM_QEMU;
		if (vm->accel == VH_ACCEL_UNKNOWN && vh_str_find(text, "/KVM") > 0)
			vm->accel = VH_ACCEL_KVM;
		if (vm->accel == VH_ACCEL_UNKNOWN && vh_str_find(text, "/TCG") > 0)
			vm->accel = VH_ACCEL_TCG;
	}
	if (vm->accel == VH_ACCEL_UNKNOWN &&
		(vh_case_find(c, "pasted.perf-kvm-stat", NULL, VH_N_ROUND) ||
			vh_case_find(c, "pasted.trace", NULL, VH_N_ROUND)))
		vm->accel = VH_ACCEL_KVM;
}

/* A VM that libvirt was asked about is libvirt's, whatever else the text has. */
static void from_commands(struct vh_vm *vm, const struct vh_case *c)
{
	if (vh_case_find(c, "pasted.virsh-list", NULL, VH_N_ROUND))
		vm->libvirt.managed = true;
}

void vh_paste_describe(struct vh_vm *vm, struct vh_case *c)
{
	from_command_line(vm, c);
	from_xml(vm, c);
	from_dominfo(vm, c);
	from_domstats(vm, c);
	from_domstate(vm, c);
	from_threads(vm, c);
	from_commands(vm, c);
	if (!vm->name)
		vm->name = vh_strdup("");
}
