/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What libvirt itself knows of the VM. The XML and the state wait for nobody. The job (while a
 * migration runs) and the statistics ask QEMU: where that does not answer, the call would take the
 * domain's job lock and keep it, even after its client has gone.
 */
#include <errno.h>

#include "collect/session.h"

typedef struct vh_error *(*reader)(
	struct vh_libvirt *lv, const char *uuid, struct vh_deadline deadline, char **text);

struct reading {
	const char *source;
	const char *where;
	reader read;
	enum vh_round round;
	bool asks_qemu;
};
static const struct reading readings[] = {
	{"libvirt.domain-xml", "virDomainGetXMLDesc", vh_libvirt_xml, VH_ONCE},
	{"libvirt.state", "virDomainGetState, virDomainGetControlInfo", vh_libvirt_state, VH_ASKED},
	{"libvirt.job", "virDomainGetJobStats", vh_libvirt_job, VH_ASKED, .asks_qemu = true},
};
/* The first statistics of a libvirtd cost it over a second, in which it keeps the monitor: they
 * come when nothing else is to be asked. */
static const struct reading statistics = {
	"libvirt.stats", "virDomainListGetStats", vh_libvirt_stats, VH_ASKED, .asks_qemu = true};

static enum vh_status status_of(const struct vh_error *err)
{
	return err->code == EBUSY ? VH_FAILED : vh_status_of_errno(err->code);
}

static bool open_libvirt(struct vh_session *s)
{
	const struct vh_vm *vm = s->c->vm;
	struct vh_deadline step = vh_deadline_min(s->total, vh_deadline_in(2 * s->step_ns));
	vh_auto_error struct vh_error *err = NULL;
	const char *uri = s->options->libvirt_uri ? s->options->libvirt_uri : vm->libvirt.uri;
	int64_t began = vh_now_ns();

	s->lv = vh_libvirt_open(uri ? uri : "qemu:///system", step, &err);
	if (s->lv)
		return true;
	struct vh_evidence *e =
		vh_case_add(s->c, VH_ASKED, "libvirt.state", NULL, uri ? uri : "qemu:///system");

	e->took_ns = vh_now_ns() - began;
	vh_evidence_fail(e, status_of(err), err->code, "%s", err->message);
	return false;
}

/* Why QEMU must not be asked even by libvirt, or NULL. */
static const char *objection(const struct vh_session *s)
{
	if (s->outlook.against[VH_NEED_CONTACT])
		return s->outlook.against[VH_NEED_CONTACT];
	return s->outlook.against[VH_NEED_MAIN] ? s->outlook.against[VH_NEED_MAIN] : s->over;
}

/* False after a time-out: the agent is gone, and would say the same of all that follows. */
static bool take(struct vh_session *s, const struct reading *r)
{
	if (r->asks_qemu && objection(s)) {
		vh_case_add_skipped(s->c, r->round, r->source, NULL, r->where, objection(s));
		return true;
	}
	struct vh_deadline step = vh_deadline_min(s->total, vh_deadline_in(s->step_ns));
	vh_auto_free char *text = NULL;
	int64_t began = vh_now_ns();
	vh_auto_error struct vh_error *err = r->read(s->lv, s->c->vm->uuid, step, &text);
	struct vh_evidence *e = vh_case_add(s->c, r->round, r->source, NULL, r->where);

	e->at_ns = began - s->c->began_ns;
	e->took_ns = vh_now_ns() - began;
	if (!err) {
		vh_evidence_set_data(e, text, strlen(text));
		return true;
	}
	vh_evidence_fail(e, status_of(err), err->code, "%s", err->message);
	return err->code != ETIMEDOUT;
}

void vh_session_ask_libvirt(struct vh_session *s)
{
	const struct vh_vm *vm = s->c->vm;

	if (!vm->libvirt.managed)
		return;
	if (s->options->no_libvirt || !vm->uuid) {
		vh_case_add_skipped(s->c, VH_ASKED, "libvirt.state", NULL, "libvirt",
			vm->uuid ? "libvirt was not to be asked"
				 : "the VM's UUID, by which libvirt knows it, is unknown");
		return;
	}
	if (!open_libvirt(s))
		return;
	for (size_t i = 0; i < VH_ARRAY_SIZE(readings); i++)
		if (!take(s, &readings[i]))
			break;
}

void vh_session_ask_libvirt_stats(struct vh_session *s)
{
	if (s->lv)
		take(s, &statistics);
}
