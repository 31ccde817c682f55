/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which kind of encrypted guest this is. Sources that contradict each other: what the machine
 * itself says goes before what it was told on its command line, and that before what its registers
 * look like.
 */
#include "decode/confidential.h"

#include "base/names.h"
#include "decode/decoder.h"
#include "decode/pasted.h"

#define SEV_POLICY_ES 0x4

static const char *const source_names[VH_N_CONF_SOURCE] = {
	[VH_CONF_BY_NOBODY] = "nobody",
	[VH_CONF_BY_MONITOR] = "monitor",
	[VH_CONF_BY_QUERY_SEV] = "query-sev",
	[VH_CONF_BY_COMMAND_LINE] = "command-line",
	[VH_CONF_BY_LIBVIRT] = "libvirt",
	[VH_CONF_BY_VMM_LOG] = "vmm-log",
	[VH_CONF_BY_REGISTERS] = "registers",
};
static const char *const source_titles[VH_N_CONF_SOURCE] = {
	[VH_CONF_BY_NOBODY] = "nobody",
	[VH_CONF_BY_MONITOR] = "the machine's own object (qom-get)",
	[VH_CONF_BY_QUERY_SEV] = "query-sev",
	[VH_CONF_BY_COMMAND_LINE] = "the command line",
	[VH_CONF_BY_LIBVIRT] = "libvirt (launchSecurity)",
	[VH_CONF_BY_VMM_LOG] = "the command line in the VMM's log",
	[VH_CONF_BY_REGISTERS] = "the form of the register dump alone",
};

const char *vh_conf_source_name(enum vh_conf_source source)
{
	return vh_name_of(source_names, VH_N_CONF_SOURCE, (int)source);
}

const char *vh_conf_source_title(enum vh_conf_source source)
{
	return vh_name_of(source_titles, VH_N_CONF_SOURCE, (int)source);
}

const char *vh_conf_title(enum vh_conf_kind kind)
{
	static const char *const titles[VH_N_CONF] = {
		[VH_CONF_NONE] = "not encrypted",
		[VH_CONF_SEV] = "SEV",
		[VH_CONF_SEV_ES] = "SEV-ES",
		[VH_CONF_SEV_SNP] = "SEV-SNP",
		[VH_CONF_TDX] = "TDX",
		[VH_CONF_OTHER] = "in a way that vmhang does not know",
	};

	return vh_name_of(titles, VH_N_CONF, (int)kind);
}

/* A bit of a policy, and what it says where it is set, and where it is not (NULL: nothing). SEV and
 * SNP: Linux include/linux/psp-sev.h, "Guest Policy"; SEV API specification (AMD 55766) table 2;
 * SEV-SNP firmware ABI (AMD 56860) table 9. TDX: Linux arch/x86/include/asm/shared/tdx.h. */
struct policy_bit {
	unsigned char number;
	const char *set, *clear;
};
static const struct policy_bit sev_bits[] = {
	{0, "no debugging", "debugging allowed"},
	{1, "keys not shared with other guests", NULL},
	{2, "SEV-ES", NULL},
	{3, "not to be sent to another platform", NULL},
	{4, "only within its domain", NULL},
	{5, "only to platforms with SEV", NULL},
};
static const struct policy_bit snp_bits[] = {
	{16, "SMT allowed", "no SMT"},
	{18, "migration agent allowed", NULL},
	{19, "debugging allowed", "no debugging"},
	{20, "one socket only", NULL},
	{21, "CXL allowed", NULL},
	{22, "AES-256-XTS only", NULL},
	{23, "no RAPL", NULL},
	{24, "ciphertext hidden", NULL},
	{25, "no page swapping", NULL},
};
static const struct policy_bit tdx_bits[] = {
	{0, "debugging allowed", "no debugging"},
	{4, "HGS+ profiling", NULL},
	{5, "performance profiling", NULL},
	{6, "PMT profiling", NULL},
	{16, "ICSSD", NULL},
	{27, "LASS", NULL},
	{28, "no #VE for pending pages", NULL},
	{29, "migratable", NULL},
	{30, "protection keys for supervisor pages", NULL},
	{31, "key locker", NULL},
	{62, "TPA", NULL},
	{63, "performance counters", NULL},
};

static void bits_text(uint64_t policy, const struct policy_bit *bits, size_t n, uint64_t known,
	struct vh_buf *out)
{
	for (size_t i = 0; i < n; i++) {
		bool set = policy >> bits[i].number & 1;
		const char *text = set ? bits[i].set : bits[i].clear;

		known |= UINT64_C(1) << bits[i].number;
		if (text)
			vh_buf_printf(out, "%s%s", out->len ? ", " : "", text);
	}
	for (unsigned number = 0; number < 64; number++)
		if (policy & ~known & UINT64_C(1) << number)
			vh_buf_printf(out, "%sbit %u", out->len ? ", " : "", number);
}

static void api_text(unsigned major, unsigned minor, struct vh_buf *out)
{
	if (major || minor)
		vh_buf_printf(
			out, "%sfirmware API %u.%u or later", out->len ? ", " : "", major, minor);
}

void vh_conf_policy_text(enum vh_conf_kind kind, uint64_t policy, struct vh_buf *out)
{
	switch (kind) {
	case VH_CONF_SEV:
	case VH_CONF_SEV_ES:
		bits_text(policy, sev_bits, VH_ARRAY_SIZE(sev_bits), UINT64_C(0xffff0000), out);
		api_text(policy >> 16 & 0xff, policy >> 24 & 0xff, out);
		break;
	case VH_CONF_SEV_SNP: /* bit 17 must be one */
		bits_text(policy, snp_bits, VH_ARRAY_SIZE(snp_bits), UINT64_C(0x2ffff), out);
		api_text(policy >> 8 & 0xff, policy & 0xff, out);
		break;
	case VH_CONF_TDX:
		bits_text(policy, tdx_bits, VH_ARRAY_SIZE(tdx_bits), 0, out);
		break;
	default:
		break;
	}
}

int vh_conf_debug_allowed(enum vh_conf_kind kind, uint64_t policy)
{
	switch (kind) {
	case VH_CONF_SEV:
	case VH_CONF_SEV_ES:
		return !(policy & 1);
	case VH_CONF_SEV_SNP:
		return policy >> 19 & 1;
	case VH_CONF_TDX:
		return policy & 1;
	default:
		return -1;
	}
}

enum vh_conf_kind vh_conf_of_type(const char *type, bool has_policy, uint64_t policy)
{
	if (vh_streq(type, "sev-guest"))
		return !has_policy || (policy & SEV_POLICY_ES) ? VH_CONF_SEV_ES : VH_CONF_SEV;
	if (vh_streq(type, "sev-snp-guest"))
		return VH_CONF_SEV_SNP;
	if (vh_streq(type, "tdx-guest"))
		return VH_CONF_TDX;
	return VH_CONF_OTHER;
}

/* --- Who says so ------------------------------------------------------------------------------ */

static void take(struct vh_model *m, enum vh_conf_kind kind, enum vh_conf_source source,
	const struct vh_found *f)
{
	m->confidential = kind;
	m->conf.source = source;
	m->conf.evidence = f ? f->index : SIZE_MAX;
}

static void take_policy(struct vh_conf_view *v, uint64_t policy)
{
	v->has_policy = true;
	v->policy = policy;
}

/* The value of a property of the confidential object, as an integer; false where not told. */
static bool property(
	const struct vh_decoder *d, const char *path, const char *name, uint64_t *value)
{
	vh_auto_free char *subject = vh_asprintf("%s.%s", path, name);
	vh_auto_json struct json_object *o =
		vh_seek_json(&d->in, "qmp.qom-get", subject, VH_N_ROUND);

	if (!json_object_is_type(o, json_type_int))
		return false;
	*value = json_object_get_uint64(o);
	return true;
}

/* qom-get of /machine.confidential-guest-support is the object's path; then its type and policy are
 * asked. */
static bool from_monitor(struct vh_decoder *d)
{
	struct vh_model *m = d->m;
	vh_auto_json struct json_object *path = vh_seek_json(
		&d->in, "qmp.qom-get", "/machine.confidential-guest-support", VH_N_ROUND);
	uint64_t policy;

	if (!json_object_is_type(path, json_type_string) || !*json_object_get_string(path))
		return false;
	const char *at = json_object_get_string(path);
	vh_auto_free char *type_of = vh_asprintf("%s.type", at);
	const struct vh_found *f = vh_seek_data(&d->in, "qmp.qom-get", type_of, VH_N_ROUND);
	vh_auto_json struct json_object *type =
		vh_seek_json(&d->in, "qmp.qom-get", type_of, VH_N_ROUND);

	if (!json_object_is_type(type, json_type_string))
		return false;
	const char *name = json_object_get_string(type);

	if (property(d, at, vh_streq(name, "tdx-guest") ? "attributes" : "policy", &policy))
		take_policy(&m->conf, policy);
	enum vh_conf_kind kind = vh_conf_of_type(name, m->conf.has_policy, m->conf.policy);

	/* Its policy was not told: the command line may have. */
	if (vh_streq(name, "sev-guest") && !m->conf.has_policy &&
		(m->vm->confidential == VH_CONF_SEV || m->vm->confidential == VH_CONF_SEV_ES))
		kind = m->vm->confidential;
	free(m->conf.object);
	m->conf.object = vh_escaped(name);
	take(m, kind, VH_CONF_BY_MONITOR, f);
	return true;
}

/* What query-sev tells beside the kind: QEMU qapi/misc-target.json (misc-i386.json), SevInfo. */
static void take_sev_info(struct vh_conf_view *v, struct json_object *info)
{
	const char *state = vh_json_string(info, "state", NULL);
	static const char *const keys[] = {"api-major", "api-minor", "build-id"};
	int *const numbers[] = {&v->api_major, &v->api_minor, &v->build};
	int64_t n;

	if (state)
		v->launch = vh_escaped(state);
	for (size_t i = 0; i < VH_ARRAY_SIZE(keys); i++)
		if (vh_json_i64(info, keys[i], &n) && n >= 0 && n < 100000)
			*numbers[i] = (int)n;
	if (vh_json_i64(info, "handle", &n) && n >= 0)
		v->handle = n;
}

/* Flat up to QEMU 9.0; from 9.1 a union by sev-type, on the wire still one object: "sev" (which is
 * SEV-ES too) has policy and handle, "sev-snp" has snp-policy. Where enabled is false the rest
 * means nothing. */
static bool from_query_sev(struct vh_decoder *d)
{
	struct vh_model *m = d->m;
	const struct vh_found *f = vh_seek_data(&d->in, "qmp.query-sev", "", VH_N_ROUND);
	vh_auto_json struct json_object *info =
		vh_seek_json(&d->in, "qmp.query-sev", "", VH_N_ROUND);
	bool snp = vh_streq(vh_json_string(info, "sev-type", NULL), "sev-snp");
	uint64_t policy;

	if (!json_object_is_type(vh_json_at(info, "enabled", NULL), json_type_boolean))
		return false;
	if (!vh_json_bool(info, "enabled", false)) {
		m->conf.denied = true;
		return false;
	}
	take_sev_info(&m->conf, info);
	if (vh_json_u64(info, snp ? "snp-policy" : "policy", &policy))
		take_policy(&m->conf, policy);
	if (m->conf.source == VH_CONF_BY_MONITOR) {
		/* Its policy may have been told here alone. */
		if (!snp && vh_streq(m->conf.object, "sev-guest"))
			m->confidential =
				vh_conf_of_type("sev-guest", m->conf.has_policy, m->conf.policy);
		return true;
	}
	take(m,
		vh_conf_of_type(
			snp ? "sev-snp-guest" : "sev-guest", m->conf.has_policy, m->conf.policy),
		VH_CONF_BY_QUERY_SEV, f);
	return true;
}

/* The number behind a key: ("policy", "\"policy\":5,") is 5; also policy=0x5, <policy>0x5<. */
static bool number_behind(struct vh_str text, const char *key, uint64_t *value)
{
	ssize_t at = vh_str_find(text, key);
	size_t i, begin;

	if (at < 0)
		return false;
	i = (size_t)at + strlen(key);
	while (i < text.n && strchr("\"'=:> ", text.s[i]))
		i++;
	for (begin = i; i < text.n && strchr("0123456789abcdefABCDEFxX", text.s[i]);)
		i++;
	return vh_parse_u64((struct vh_str){text.s + begin, i - begin}, 0, value);
}

static void take_element(struct vh_decoder *d, struct vh_str element, enum vh_conf_source source,
	const char *type, const struct vh_found *f)
{
	struct vh_model *m = d->m;
	uint64_t policy = 1; /* of a SEV guest that was given none: QEMU target/i386/sev.c */
	bool told = number_behind(element, "policy", &policy) ||
		    (vh_streq(type, "tdx-guest") && number_behind(element, "attributes", &policy));

	if (told)
		take_policy(&m->conf, policy);
	free(m->conf.object);
	m->conf.object = vh_strdup(type);
	take(m, vh_conf_of_type(type, vh_streq(type, "sev-guest") || told, policy), source, f);
}

/* libvirt docs/formatdomain.rst, "Launch Security": type sev, sev-snp, tdx, s390-pv. */
static bool from_libvirt(struct vh_decoder *d)
{
	static const struct {
		const char *start, *type;
	} rows[] = {{"type='sev'", "sev-guest"}, {"type='sev-snp'", "sev-snp-guest"},
		{"type='tdx'", "tdx-guest"}, {"type='s390-pv'", "s390-pv-guest"},
		{"type=\"sev\"", "sev-guest"}, {"type=\"sev-snp\"", "sev-snp-guest"},
		{"type=\"tdx\"", "tdx-guest"}};
	const struct vh_found *f = vh_seek_data(&d->in, "libvirt.domain-xml", "", VH_N_ROUND);
	struct vh_str xml = vh_evidence_text(f ? f->e : NULL);
	ssize_t begin = vh_str_find(xml, "<launchSecurity"), end;

	if (begin < 0)
		return false;
	xml = (struct vh_str){xml.s + begin, xml.n - (size_t)begin};
	end = vh_str_find(xml, "</launchSecurity>");
	if (end < 0)
		end = vh_str_find(xml, "/>");
	xml.n = end < 0 ? VH_MIN(xml.n, 200) : (size_t)end;
	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++)
		if (vh_str_find(xml, rows[i].start) >= 0) {
			take_element(d, xml, VH_CONF_BY_LIBVIRT, rows[i].type, f);
			return true;
		}
	return false;
}

/* libvirt writes the command line into the VMM's log: -object '{"qom-type":"sev-guest",...}', or
 * -object sev-guest,id=...; an object that no machine names protects nothing. */
static bool from_log_line(struct vh_decoder *d, struct vh_str line, const struct vh_found *f)
{
	static const char *const types[] = {"sev-snp-guest", "sev-guest", "tdx-guest"};

	if (vh_str_find(line, "confidential-guest-support=") < 0 &&
		vh_str_find(line, "memory-encryption=") < 0)
		return false;
	for (size_t i = 0; i < VH_ARRAY_SIZE(types); i++) {
		ssize_t at = vh_str_find(line, types[i]);

		if (at < 0)
			continue;
		struct vh_str rest = {line.s + at, line.n - (size_t)at};
		ssize_t end = vh_str_find(rest, " -");

		rest.n = end < 0 ? rest.n : (size_t)end;
		take_element(d, rest, VH_CONF_BY_VMM_LOG, types[i], f);
		return true;
	}
	return false;
}

static bool from_vmm_log(struct vh_decoder *d)
{
	size_t begin, end;
	bool found = false;

	vh_lookup_source(&d->in, "log.qemu", &begin, &end);
	for (size_t i = begin; i < end; i++) {
		struct vh_str rest = vh_evidence_text(d->in.list[i].e), line, whole = {NULL, 0};

		/* Its lines end in " \": the command line is what such lines hang together. */
		while (vh_next_line(&rest, &line)) {
			bool goes_on = line.n && line.s[line.n - 1] == '\\';

			if (!whole.s)
				whole.s = line.s;
			whole.n = (size_t)(line.s + line.n - whole.s);
			if (goes_on)
				continue;
			found |= from_log_line(d, whole, &d->in.list[i]);
			whole = (struct vh_str){NULL, 0};
		}
	}
	return found;
}

/* "info sev", as somebody pasted it. */
static bool from_info_sev(struct vh_decoder *d)
{
	enum vh_conf_kind kind;

	if (!vh_pasted_sev(d, &kind))
		return false;
	d->m->conf.denied = kind == VH_CONF_NONE;
	if (!d->m->conf.denied)
		take(d->m, kind, VH_CONF_BY_QUERY_SEV,
			vh_seek_data(&d->in, "pasted.hmp-sev", "", VH_N_ROUND));
	return !d->m->conf.denied;
}

static bool from_vm(struct vh_decoder *d)
{
	struct vh_model *m = d->m;
	uint64_t policy;

	if (m->vm->confidential == VH_CONF_NONE)
		return false;
	m->conf.object = m->vm->conf_object ? vh_escaped(m->vm->conf_object) : NULL;
	if (m->vm->conf_policy && vh_parse_u64(vh_str(m->vm->conf_policy), 0, &policy))
		take_policy(&m->conf, policy);
	take(m, m->vm->confidential, VH_CONF_BY_COMMAND_LINE,
		vh_seek(&d->in, "proc.cmdline", "", VH_N_ROUND));
	return true;
}

void vh_decode_confidential(struct vh_decoder *d)
{
	struct vh_conf_view *v = &d->m->conf;

	*v = (struct vh_conf_view){
		.api_major = -1, .api_minor = -1, .build = -1, .handle = -1, .evidence = SIZE_MAX};
	d->m->confidential = VH_CONF_NONE;
	/* Weakest first: what follows takes its place. */
	if (!from_vm(d) && !from_libvirt(d))
		from_vmm_log(d);
	bool monitor = from_monitor(d);

	if (!from_query_sev(d) && !from_info_sev(d) && v->denied && !monitor) {
		free(v->object);
		v->object = NULL;
		v->has_policy = false;
		take(d->m, VH_CONF_NONE, VH_CONF_BY_QUERY_SEV,
			vh_seek_data(&d->in, "qmp.query-sev", "", VH_N_ROUND));
	}
}
