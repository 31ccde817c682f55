/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The agent's side: runs in its own process and may be killed at any moment. */
#include "discover/libvirt_agent.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "config.h"

/* Nobody waits for the agent but its parent, which has the deadline. */
#define NO_DEADLINE ((struct vh_deadline){INT64_MAX / 2})

static struct json_object *failure(int code, const char *fmt, ...) VH_PRINTF(2, 3);
static struct json_object *failure(int code, const char *fmt, ...)
{
	struct json_object *o = json_object_new_object();
	va_list args;
	char *message;

	va_start(args, fmt);
	message = vh_vasprintf(fmt, args);
	va_end(args);
	vh_json_put_i64(o, "code", code);
	vh_json_put_text(o, "message", message);
	free(message);
	return o;
}

#if HAVE_LIBVIRT

#include <dlfcn.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "discover/libvirt_names.h"

/* What is used of libvirt.so.0; the types come from its headers, the code when it is needed. */
#define LIBVIRT_CALLS(X)                                                                           \
	X(virInitialize)                                                                           \
	X(virSetErrorFunc)                                                                         \
	X(virGetLastErrorMessage)                                                                  \
	X(virGetLastError)                                                                         \
	X(virConnectOpen)                                                                          \
	X(virConnectOpenReadOnly)                                                                  \
	X(virConnectListAllDomains)                                                                \
	X(virDomainLookupByUUIDString)                                                             \
	X(virDomainFree)                                                                           \
	X(virDomainGetName)                                                                        \
	X(virDomainGetUUIDString)                                                                  \
	X(virDomainGetID)                                                                          \
	X(virDomainGetState)                                                                       \
	X(virDomainGetControlInfo)                                                                 \
	X(virDomainGetXMLDesc)                                                                     \
	X(virDomainGetJobStats)                                                                    \
	X(virDomainListGetStats)                                                                   \
	X(virDomainStatsRecordListFree)                                                            \
	X(virTypedParamsFree)

struct agent {
	struct vh_wire wire;
	const char *uri;
	void *library;
	virConnectPtr look; /* read-only */
	virConnectPtr act;  /* read-write, for the monitor; opened when first needed */
#define DECLARE(call) __typeof__(call) *call;
	LIBVIRT_CALLS(DECLARE)
#undef DECLARE
	__typeof__(virDomainQemuMonitorCommand) *virDomainQemuMonitorCommand;
};

static void quiet(void *data VH_UNUSED, virErrorPtr error VH_UNUSED)
{
}

/* libvirt's last error as an answer. */
static struct json_object *last_error(struct agent *a, int fallback)
{
	virErrorPtr e = a->virGetLastError();
	int code = fallback;

	switch (e ? e->code : VIR_ERR_OK) {
	case VIR_ERR_NO_DOMAIN:
	case VIR_ERR_OPERATION_INVALID: /* "domain is not running" */
		code = ESRCH;
		break;
	case VIR_ERR_OPERATION_TIMEOUT: /* "cannot acquire state change lock" */
		code = EBUSY;
		break;
	case VIR_ERR_AUTH_FAILED:
	case VIR_ERR_AUTH_CANCELLED:
	case VIR_ERR_AUTH_UNAVAILABLE:
	case VIR_ERR_ACCESS_DENIED:
	case VIR_ERR_OPERATION_DENIED:
		code = EACCES;
		break;
	case VIR_ERR_NO_SUPPORT:
	case VIR_ERR_CONFIG_UNSUPPORTED:
	case VIR_ERR_OPERATION_UNSUPPORTED:
	case VIR_ERR_ARGUMENT_UNSUPPORTED:
		code = EOPNOTSUPP;
		break;
	case VIR_ERR_INVALID_ARG:
		code = EINVAL;
		break;
	default:
		break;
	}
	return failure(code, "%s", a->virGetLastErrorMessage());
}

static struct json_object *text_answer(const char *text)
{
	struct json_object *o = json_object_new_object();

	vh_json_put_text(o, "text", text);
	return o;
}

/* NULL, or an answer that says what is missing. */
static struct json_object *load(struct agent *a)
{
	a->library = dlopen("libvirt.so.0", RTLD_NOW | RTLD_GLOBAL);
	if (!a->library)
		return failure(EOPNOTSUPP, "libvirt is not installed: %s", dlerror());
#define LOAD(call)                                                                                 \
	a->call = (__typeof__(a->call))dlsym(a->library, #call);                                   \
	if (!a->call)                                                                              \
		return failure(EOPNOTSUPP, "this libvirt has no %s", #call);
	LIBVIRT_CALLS(LOAD)
#undef LOAD
	if (a->virInitialize() < 0)
		return last_error(a, EREMOTEIO);
	a->virSetErrorFunc(NULL, quiet);
	a->look = a->virConnectOpenReadOnly(a->uri);
	return a->look ? NULL : last_error(a, ENOTCONN);
}

static struct json_object *answer_domains(struct agent *a)
{
	virDomainPtr *domains = NULL;
	int n = a->virConnectListAllDomains(a->look, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

	if (n < 0)
		return last_error(a, EREMOTEIO);
	struct json_object *list = json_object_new_array();

	for (int i = 0; i < n; i++) {
		struct json_object *o = json_object_new_object();
		char uuid[VIR_UUID_STRING_BUFLEN] = "";
		int state = VIR_DOMAIN_NOSTATE, reason = 0;

		a->virDomainGetUUIDString(domains[i], uuid);
		vh_json_put_text(o, "name", a->virDomainGetName(domains[i]));
		vh_json_put_text(o, "uuid", uuid);
		vh_json_put_i64(o, "id", (int)a->virDomainGetID(domains[i]));
		if (a->virDomainGetState(domains[i], &state, &reason, 0) == 0) {
			vh_auto_free char *s = vh_libvirt_state_text(state);
			vh_auto_free char *r = vh_libvirt_reason_text(state, reason);

			vh_json_put_text(o, "state", s);
			vh_json_put_text(o, "reason", r);
		}
		json_object_array_add(list, o);
		a->virDomainFree(domains[i]);
	}
	free(domains);
	struct json_object *answer = json_object_new_object();

	json_object_object_add(answer, "domains", list);
	return answer;
}

static struct json_object *answer_xml(struct agent *a, virDomainPtr domain)
{
	vh_auto_free char *xml = a->virDomainGetXMLDesc(domain, 0);

	return xml ? text_answer(xml) : last_error(a, EREMOTEIO);
}

static struct json_object *answer_state(struct agent *a, virDomainPtr domain)
{
	vh_auto_buf struct vh_buf text = {0};
	virDomainControlInfo control;
	int state, reason;

	if (a->virDomainGetState(domain, &state, &reason, 0) < 0)
		return last_error(a, EREMOTEIO);
	vh_auto_free char *s = vh_libvirt_state_text(state);
	vh_auto_free char *r = vh_libvirt_reason_text(state, reason);

	vh_buf_printf(&text, "state %s\nreason %s\n", s, r);
	if (a->virDomainGetControlInfo(domain, &control, 0) == 0) {
		vh_auto_free char *c = vh_libvirt_control_text((int)control.state);

		vh_buf_printf(&text, "control %s\n", c);
		if (control.state == VIR_DOMAIN_CONTROL_ERROR) {
			vh_auto_free char *why =
				vh_libvirt_control_reason_text((int)control.details);

			vh_buf_printf(&text, "control-reason %s\n", why);
		}
		if (control.state != VIR_DOMAIN_CONTROL_OK)
			vh_buf_printf(&text, "control-ms %lld\n", control.stateTime);
	}
	return text_answer(vh_buf_str(&text));
}

static void put_params(struct vh_buf *text, virTypedParameterPtr params, int n)
{
	for (int i = 0; i < n; i++) {
		virTypedParameterPtr p = &params[i];

		/* A value may hold a newline (a path of a disk): escaped, a line stays a line. */
		vh_buf_printf(text, "%s ", p->field);
		switch (p->type) {
		case VIR_TYPED_PARAM_INT:
			vh_buf_printf(text, "%d", p->value.i);
			break;
		case VIR_TYPED_PARAM_UINT:
			vh_buf_printf(text, "%u", p->value.ui);
			break;
		case VIR_TYPED_PARAM_LLONG:
			vh_buf_printf(text, "%lld", p->value.l);
			break;
		case VIR_TYPED_PARAM_ULLONG:
			vh_buf_printf(text, "%llu", p->value.ul);
			break;
		case VIR_TYPED_PARAM_DOUBLE:
			vh_buf_printf(text, "%g", p->value.d);
			break;
		case VIR_TYPED_PARAM_BOOLEAN:
			vh_buf_printf(text, "%s", p->value.b ? "yes" : "no");
			break;
		case VIR_TYPED_PARAM_STRING:
			vh_escape(text, vh_str(p->value.s), false);
			break;
		default:
			vh_buf_printf(text, "?");
			break;
		}
		vh_buf_putc(text, '\n');
	}
}

static struct json_object *some_stats(struct agent *a, virDomainPtr domain, unsigned groups)
{
	vh_auto_buf struct vh_buf text = {0};
	virDomainPtr list[] = {domain, NULL};
	virDomainStatsRecordPtr *records = NULL;
	int n = a->virDomainListGetStats(
		list, groups, &records, VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT);

	if (n < 0)
		return last_error(a, EREMOTEIO);
	for (int i = 0; i < n; i++)
		put_params(&text, records[i]->params, records[i]->nparams);
	a->virDomainStatsRecordListFree(records);
	return text_answer(vh_buf_str(&text));
}

/* Those for which libvirt needs neither the job nor QEMU (its qemu_driver.c
 * qemuDomainGetStatsWorkers). */
static struct json_object *answer_stats(struct agent *a, virDomainPtr domain)
{
	return some_stats(a, domain,
		VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_CPU_TOTAL | VIR_DOMAIN_STATS_INTERFACE |
			VIR_DOMAIN_STATS_PERF);
}

static struct json_object *answer_all_stats(struct agent *a, virDomainPtr domain)
{
	return some_stats(a, domain, 0);
}

static struct json_object *answer_job(struct agent *a, virDomainPtr domain)
{
	static const char *const types[] = {
		[VIR_DOMAIN_JOB_NONE] = "none",
		[VIR_DOMAIN_JOB_BOUNDED] = "bounded",
		[VIR_DOMAIN_JOB_UNBOUNDED] = "unbounded",
		[VIR_DOMAIN_JOB_COMPLETED] = "completed",
		[VIR_DOMAIN_JOB_FAILED] = "failed",
		[VIR_DOMAIN_JOB_CANCELLED] = "cancelled",
	};
	vh_auto_buf struct vh_buf text = {0};
	virTypedParameterPtr params = NULL;
	int type = 0, n = 0;

	if (a->virDomainGetJobStats(domain, &type, &params, &n, 0) < 0)
		return last_error(a, EREMOTEIO);
	if (type >= 0 && (size_t)type < VH_ARRAY_SIZE(types))
		vh_buf_printf(&text, "type %s\n", types[type]);
	else
		vh_buf_printf(&text, "type %d\n", type);
	put_params(&text, params, n);
	a->virTypedParamsFree(params, n);
	return text_answer(vh_buf_str(&text));
}

/* NULL, or an answer that says why the monitor cannot be asked. */
static struct json_object *prepare_monitor(struct agent *a)
{
	if (!a->virDomainQemuMonitorCommand) {
		void *library = dlopen("libvirt-qemu.so.0", RTLD_NOW);

		if (!library)
			return failure(EOPNOTSUPP, "libvirt-qemu is not installed: %s", dlerror());
		a->virDomainQemuMonitorCommand = (__typeof__(a->virDomainQemuMonitorCommand))dlsym(
			library, "virDomainQemuMonitorCommand");
	}
	if (!a->virDomainQemuMonitorCommand)
		return failure(EOPNOTSUPP, "this libvirt has no virDomainQemuMonitorCommand");
	if (!a->act)
		a->act = a->virConnectOpen(a->uri);
	return a->act ? NULL : last_error(a, ENOTCONN);
}

static struct json_object *answer_monitor(struct agent *a, const char *uuid, const char *command)
{
	struct json_object *answer = prepare_monitor(a);
	vh_auto_free char *text = NULL;

	if (answer)
		return answer;
	virDomainPtr domain = a->virDomainLookupByUUIDString(a->act, uuid);

	if (!domain)
		return last_error(a, EREMOTEIO);
	if (a->virDomainQemuMonitorCommand(domain, command, &text, 0) < 0)
		answer = last_error(a, EREMOTEIO);
	else
		answer = text_answer(text);
	a->virDomainFree(domain);
	return answer;
}

static const struct {
	const char *call;
	struct json_object *(*answer)(struct agent *a, virDomainPtr domain);
} domain_calls[] = {
	{"xml", answer_xml},
	{"state", answer_state},
	{"stats", answer_stats},
	{"all-stats", answer_all_stats},
	{"job", answer_job},
};

static struct json_object *answer(struct agent *a, struct json_object *request)
{
	const char *call = vh_json_string(request, "call", "");
	const char *uuid = vh_json_string(request, "uuid", "");

	if (vh_streq(call, "domains"))
		return answer_domains(a);
	if (vh_streq(call, "monitor"))
		return answer_monitor(a, uuid, vh_json_string(request, "command", ""));
	for (size_t i = 0; i < VH_ARRAY_SIZE(domain_calls); i++) {
		if (!vh_streq(call, domain_calls[i].call))
			continue;
		virDomainPtr domain = a->virDomainLookupByUUIDString(a->look, uuid);

		if (!domain)
			return last_error(a, EREMOTEIO);
		struct json_object *o = domain_calls[i].answer(a, domain);

		a->virDomainFree(domain);
		return o;
	}
	return failure(EINVAL, "unknown call \"%s\"", call);
}

#else /* without libvirt's headers at build */

struct agent {
	struct vh_wire wire;
	const char *uri;
};

static struct json_object *load(struct agent *a VH_UNUSED)
{
	return failure(EOPNOTSUPP, "this vmhang was built without libvirt");
}

static struct json_object *answer(struct agent *a VH_UNUSED, struct json_object *request VH_UNUSED)
{
	return failure(EOPNOTSUPP, "this vmhang was built without libvirt");
}

#endif

void vh_libvirt_agent_serve(int fd, const char *uri)
{
	struct agent a = {.wire.fd = fd, .uri = uri};
	vh_auto_json struct json_object *hello = load(&a);

	if (!hello) {
		hello = json_object_new_object();
		vh_json_put_bool(hello, "ok", true);
	}
	if (vh_wire_send(&a.wire, hello, NO_DEADLINE) < 0)
		return;
	for (;;) {
		vh_auto_json struct json_object *request = NULL, *reply = NULL;

		if (vh_wire_receive(&a.wire, NO_DEADLINE, &request) < 0)
			return;
		reply = answer(&a, request);
		if (vh_wire_send(&a.wire, reply, NO_DEADLINE) < 0)
			return;
	}
}
