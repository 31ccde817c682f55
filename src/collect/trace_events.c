/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect/trace_events.h"

#include <errno.h>

#include "collect/mounts.h"
#include "collect/tracefs.h"

#define FORMAT_CAP  65536
#define ALL_NS      (3 * VH_NS_PER_S) /* until then a read that timed out is repeated */
#define MAX_NAMES   2
#define MAX_ALIASES 3

/*
 * Names and fields, Linux 5.4 to 7.2: x86's arch/x86/kvm/trace.h first, then arm64's
 * arch/arm64/kvm/trace_arm.h and trace_handle_exit.h; include/trace/events/kvm.h for both.
 */
struct row {
	const char *names[MAX_NAMES]; /* the first that exists */
	const char *fields[VH_TP_FIELDS][MAX_ALIASES];
	unsigned needed; /* so many of the first fields */
};
static const struct row rows[VH_N_TP] = {
	[VH_TP_EXIT] = {{"kvm:kvm_exit"},
		{{"exit_reason", "esr_ec"}, {"guest_rip", "vcpu_pc"}, {"isa"}, {"ret"}, {"info1"},
			{"info2"}},
		1},
	[VH_TP_ENTRY] = {{"kvm:kvm_entry"}, {{"rip", "guest_rip", "vcpu_pc"}}, 0},
	[VH_TP_FPU] = {{"kvm:kvm_fpu"}, {{"load"}}, 1},
	[VH_TP_USERSPACE_EXIT] = {{"kvm:kvm_userspace_exit"}, {{"reason"}, {"errno"}}, 1},
	[VH_TP_PIO] = {{"kvm:kvm_pio"}, {{"rw"}, {"port"}, {"size"}, {"count"}, {"val"}}, 3},
	[VH_TP_MMIO] = {{"kvm:kvm_mmio"}, {{"type"}, {"len"}, {"gpa"}, {"val"}}, 3},
	[VH_TP_FAST_MMIO] = {{"kvm:kvm_fast_mmio"}, {{"gpa"}}, 1},
	[VH_TP_MSR] = {{"kvm:kvm_msr"}, {{"write"}, {"ecx"}, {"data"}, {"exception"}}, 2},
	[VH_TP_CR] = {{"kvm:kvm_cr"}, {{"rw"}, {"cr"}, {"val"}}, 2},
	[VH_TP_CPUID] = {{"kvm:kvm_cpuid"}, {{"function"}, {"index"}}, 1},
	[VH_TP_HYPERCALL] = {{"kvm:kvm_hypercall", "kvm:kvm_hvc_arm64"}, {{"nr", "r0"}}, 1},
	[VH_TP_HV_HYPERCALL] = {{"kvm:kvm_hv_hypercall"}, {{"code"}}, 1},
	[VH_TP_XEN_HYPERCALL] = {{"kvm:kvm_xen_hypercall"}, {{"nr"}}, 1},
	[VH_TP_PAGE_FAULT] = {{"kvm:kvm_page_fault", "kvm:kvm_guest_fault"},
		{{"fault_address", "ipa"}, {"error_code", "hsr"}, {"guest_rip", "vcpu_pc"}}, 2},
	[VH_TP_INJ_VIRQ] = {{"kvm:kvm_inj_virq"}, {{"vector", "irq"}, {"soft"}, {"reinjected"}}, 1},
	[VH_TP_INJ_EXCEPTION] = {{"kvm:kvm_inj_exception"},
		{{"exception"}, {"has_error"}, {"error_code"}, {"reinjected"}}, 1},
	[VH_TP_APIC_IPI] = {{"kvm:kvm_apic_ipi"}, {{"icr_low"}, {"dest_id"}}, 2},
	[VH_TP_APIC_ACCEPT] = {{"kvm:kvm_apic_accept_irq"}, {{"apicid"}, {"vec"}, {"dm"}, {"tm"}},
		2},
	[VH_TP_EOI] = {{"kvm:kvm_eoi"}, {{"vector"}}, 1},
	[VH_TP_EMULATE] = {{"kvm:kvm_emulate_insn"}, {{"rip"}, {"csbase"}, {"failed"}}, 1},
	[VH_TP_VMGEXIT] = {{"kvm:kvm_vmgexit_enter"}, {{"exit_reason"}, {"info1"}}, 1},
	[VH_TP_VMGEXIT_MSR] = {{"kvm:kvm_vmgexit_msr_protocol_enter"}, {{"ghcb_gpa"}}, 1},
	[VH_TP_VCPU_WAKEUP] = {{"kvm:kvm_vcpu_wakeup"}, {{"ns"}, {"waited"}, {"valid"}}, 1},
	[VH_TP_SET_IRQ] = {{"kvm:kvm_set_irq"}, {{"gsi"}, {"level"}}, 2},
	[VH_TP_SCHED_SWITCH] = {{"sched:sched_switch"},
		{{"prev_pid"}, {"prev_state"}, {"next_pid"}}, 3},
	[VH_TP_SCHED_WAKEUP] = {{"sched:sched_wakeup"}, {{"pid"}}, 1},
};

const char *vh_tp_name(enum vh_tp tp)
{
	return rows[tp].names[0];
}

const char *vh_tp_field_name(enum vh_tp tp, int position)
{
	return rows[tp].fields[position][0];
}

/* "offset:8" -> 8. */
static bool number_of(struct vh_str part, const char *key, uint64_t *value)
{
	size_t n = strlen(key);

	part = vh_str_trim(part);
	if (!vh_str_starts(part, key))
		return false;
	return vh_parse_u64((struct vh_str){part.s + n, part.n - n}, 10, value);
}

/* The name in a declaration as "unsigned int exit_reason"; arrays have none that is wanted. */
static struct vh_str name_in(struct vh_str declaration)
{
	size_t at = declaration.n;

	while (at && declaration.s[at - 1] != ' ' && declaration.s[at - 1] != '\t' &&
		declaration.s[at - 1] != '*')
		at--;
	return (struct vh_str){declaration.s + at, declaration.n - at};
}

/* "field:u32 isa;	offset:24;	size:4;	signed:0;" False where it is no plain number. */
static bool parse_field(struct vh_str line, struct vh_str *name, struct vh_tp_field *f)
{
	struct vh_str declaration, part;
	uint64_t offset, size, is_signed = 0;

	line = vh_str_trim(line);
	if (!vh_str_starts(line, "field:") || !vh_next_part(&line, ';', &declaration) ||
		!vh_next_part(&line, ';', &part) || !number_of(part, "offset:", &offset) ||
		!vh_next_part(&line, ';', &part) || !number_of(part, "size:", &size))
		return false;
	if (vh_next_part(&line, ';', &part))
		number_of(part, "signed:", &is_signed);
	if (offset > UINT16_MAX - 8 || (size != 1 && size != 2 && size != 4 && size != 8))
		return false;
	*name = name_in(declaration);
	*f = (struct vh_tp_field){(__u16)offset, (__u8)size, is_signed != 0};
	return true;
}

/* The position of a field of that name, by how early its name stands among the aliases; -1. */
static int position_of(const struct row *row, struct vh_str name, unsigned *alias)
{
	for (int i = 0; i < VH_TP_FIELDS; i++)
		for (*alias = 0; *alias < MAX_ALIASES && row->fields[i][*alias]; (*alias)++)
			if (vh_str_is(name, row->fields[i][*alias]))
				return i;
	return -1;
}

bool vh_tp_parse(
	enum vh_tp tp, struct vh_str text, uint32_t *id, struct vh_tp_layout *layout, char **why)
{
	const struct row *row = &rows[tp];
	unsigned best[VH_TP_FIELDS];
	struct vh_str line, name;
	struct vh_tp_field f;
	uint64_t number = 0;

	*layout = (struct vh_tp_layout){0};
	*why = NULL;
	memset(best, 0xff, sizeof(best));
	while (vh_next_line(&text, &line)) {
		unsigned alias;
		int i;

		if (vh_str_starts(line, "ID:"))
			number_of(line, "ID: ", &number);
		if (!parse_field(line, &name, &f))
			continue;
		i = position_of(row, name, &alias);
		if (i >= 0 && alias < best[i]) {
			best[i] = alias;
			layout->field[i] = f;
		}
	}
	*id = (uint32_t)number;
	if (!number || number > UINT16_MAX) { /* common_type has 16 bits */
		*why = vh_strdup("its format has no ID");
		return false;
	}
	for (unsigned i = 0; i < row->needed; i++)
		if (!layout->field[i].size) {
			*why = vh_asprintf("it has no field %s", row->fields[i][0]);
			return false;
		}
	return true;
}

/* Reads the format of one event under one of its names. */
static enum vh_status read_one(struct vh_host *host, const char *events,
	struct vh_deadline deadline, enum vh_tp tp, const char *full, struct vh_tp_format *out)
{
	vh_auto_reading struct vh_reading r = {0};
	const char *colon = strchr(full, ':');

	/* Nothing stalls there: a read that times out is that of a host which is out of CPU, and
	 * without kvm_exit there would be little to tell. */
	do {
		vh_reading_free(&r);
		vh_host_read(host, FORMAT_CAP, &r, "%s/%.*s/%s/format", events, (int)(colon - full),
			full, colon + 1);
	} while (r.status == VH_TIMED_OUT && !vh_deadline_passed(deadline));
	if (r.status == VH_ABSENT)
		return VH_ABSENT;
	free(out->name);
	out->name = vh_strdup(full);
	out->absent = false;
	if (vh_status_has_data(r.status)) {
		out->usable = vh_tp_parse(
			tp, (struct vh_str){r.data, r.size}, &out->id, &out->layout, &out->why);
	} else {
		out->err = r.err;
		out->why = vh_asprintf("its format cannot be read: %s", strerror(r.err));
	}
	return r.status;
}

/* Where tracefs is mounted; where it is not, a mount of our own, which lasts as long as *mount is
 * open. NULL: neither. */
static char *tracefs_of(struct vh_host *host, int *mount, char **why)
{
	vh_auto_mounts struct vh_mounts mounts = {0};

	vh_mounts_read(host, &mounts);
	const struct vh_mount *tracefs = vh_mounts_find(&mounts, "tracefs", NULL);

	if (tracefs || !vh_status_has_data(mounts.status))
		return vh_strdup(tracefs ? tracefs->point : "/sys/kernel/tracing");
	*mount = vh_host_is_live(host) ? vh_tracefs_private() : -ENOENT;
	if (*mount >= 0)
		return vh_asprintf("/proc/self/fd/%d", *mount);
	*why = vh_asprintf("tracefs is not mounted%s%s",
		vh_host_is_live(host) ? ", and may not be by us: " : "",
		vh_host_is_live(host) ? strerror(-*mount) : "");
	return NULL;
}

/* The directory of all events; NULL and *why where there is none for us. */
static char *events_directory(struct vh_host *host, int *mount, char **why)
{
	vh_auto_reading struct vh_reading names = {0};
	vh_auto_free char *tracefs = tracefs_of(host, mount, why);

	if (!tracefs)
		return NULL;
	vh_auto_free char *events = vh_asprintf("%s/events", tracefs);

	vh_host_list(host, FORMAT_CAP, &names, "%s/kvm", events);
	if (vh_status_has_data(names.status))
		return vh_strdup(events);
	if (names.status == VH_ABSENT)
		*why = vh_asprintf("there are no kvm events in %s", events);
	else
		*why = vh_asprintf("%s cannot be read: %s", events, strerror(names.err));
	return NULL;
}

char *vh_tp_read(struct vh_host *host, struct vh_tp_format out[VH_N_TP])
{
	struct vh_deadline deadline = vh_deadline_in(ALL_NS);
	char *why = NULL;
	vh_auto_close int mount = -1;
	vh_auto_free char *events = events_directory(host, &mount, &why);

	for (int tp = 0; tp < VH_N_TP; tp++) {
		out[tp] =
			(struct vh_tp_format){.name = vh_strdup(rows[tp].names[0]), .absent = true};
		for (int i = 0; events && i < MAX_NAMES && rows[tp].names[i]; i++)
			if (read_one(host, events, deadline, (enum vh_tp)tp, rows[tp].names[i],
				    &out[tp]) != VH_ABSENT)
				break;
	}
	return why;
}

void vh_tp_free(struct vh_tp_format formats[VH_N_TP])
{
	for (int tp = 0; tp < VH_N_TP; tp++) {
		free(formats[tp].name);
		free(formats[tp].why);
		formats[tp] = (struct vh_tp_format){0};
	}
}

bool vh_tp_value(const struct vh_tp_field *f, const void *raw, size_t n, uint64_t *value)
{
	const uint8_t *at = (const uint8_t *)raw + f->offset;
	uint64_t v = 0;

	*value = 0;
	if (!f->size || f->size > sizeof(v) || n < f->size || f->offset > n - f->size)
		return false;
	switch (f->size) {
	case 1:
		v = f->is_signed ? (uint64_t)(int8_t)at[0] : at[0];
		break;
	case 2: {
		uint16_t x;

		memcpy(&x, at, sizeof(x));
		v = f->is_signed ? (uint64_t)(int16_t)x : x;
		break;
	}
	case 4: {
		uint32_t x;

		memcpy(&x, at, sizeof(x));
		v = f->is_signed ? (uint64_t)(int32_t)x : x;
		break;
	}
	default:
		memcpy(&v, at, sizeof(v));
	}
	*value = v;
	return true;
}
