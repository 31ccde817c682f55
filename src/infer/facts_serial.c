/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Facts of the VM's consoles and monitors: who is at their other end, and whether he reads. */
#include "infer/facts_build.h"

/* "process 4711 (socat), which is stopped"; "" where nobody is known. */
static char *peer_text(const struct vh_channel *ch)
{
	if (!ch->peer)
		return vh_strdup("");
	if (!ch->peer_name)
		return vh_asprintf("; process %d connected it, and has ended since, or cannot be "
				   "seen from here",
			(int)ch->peer);
	return vh_asprintf("; at the other end is process %d (%s)%s", (int)ch->peer, ch->peer_name,
		ch->peer_is_stopped ? ", which is stopped (state T)" : "");
}

static void ground(struct vh_facts *facts, struct vh_fact *f, const struct vh_channel *ch)
{
	vh_fact_ground(facts, f, "proc.channels", NULL);
	if (ch->label)
		vh_fact_ground(facts, f, "qmp.query-chardev", NULL);
}

static void console_facts(struct vh_facts *facts, size_t i)
{
	const struct vh_channel *ch = &facts->model->channels[i];
	vh_auto_free char *peer = peer_text(ch);
	bool uart = ch->use == VH_USE_UART;
	const char *what = uart                            ? "serial port "
			   : ch->use == VH_USE_VIRTIO_PORT ? "the virtio port "
							   : "the virtio console ";
	/* QEMU hw/char/virtio-console.c, flush_buf: a port is throttled, a console is not. */
	const char *so = uart                            ? ""
			 : ch->use == VH_USE_VIRTIO_PORT ? ", and who writes there waits"
							 : ", and what is written there is lost";

	ground(facts,
		vh_fact_add(facts, uart ? VH_FACT_SERIAL_NOT_READ : VH_FACT_CONSOLE_NOT_READ, -1,
			(double)i, "nobody reads what comes out of %s%s (%s %s): it is full%s%s",
			what, ch->label ? ch->label : "", ch->kind, ch->address, so, peer),
		ch);
	if (ch->peer_name && ch->peer_is_stopped)
		ground(facts,
			vh_fact_add(facts, VH_FACT_CONSOLE_READER_STOPPED, -1, ch->peer,
				"process %d (%s), which should read from %s, is stopped (state T)",
				(int)ch->peer, ch->peer_name, ch->address),
			ch);
}

/* Of the monitors that vmhang would have used. */
static bool is_tried(const struct vh_model *m, const struct vh_channel *ch)
{
	for (size_t i = 0; i < m->vm->n_monitors; i++) {
		const struct vh_monitor_addr *a = &m->vm->monitors[i];

		if (a->kind == VH_MONITOR_QMP && vh_prefix(a->address, "unix:") &&
			vh_streq(a->address + strlen("unix:"), ch->address))
			return true;
	}
	return false;
}

static void monitor_facts(struct vh_facts *facts, const struct vh_channel *ch)
{
	const struct vh_model *m = facts->model;

	if (m->monitor.state != VH_MONITOR_BUSY || !ch->peer || !is_tried(m, ch) ||
		vh_fact(facts, VH_FACT_MONITOR_CLIENT))
		return;
	vh_auto_free char *who =
		ch->peer_name
			? vh_asprintf("process %d (%s)%s", (int)ch->peer, ch->peer_name,
				  ch->peer_is_stopped ? ", which is stopped (state T)," : "")
			: vh_asprintf("process %d, which has ended since, or cannot be seen from "
				      "here,",
				  (int)ch->peer);

	ground(facts,
		vh_fact_add(facts, VH_FACT_MONITOR_CLIENT, -1, ch->peer,
			"%s is connected to the monitor %s", who, ch->address),
		ch);
}

void vh_facts_of_serial(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	for (size_t i = 0; i < m->n_channels; i++) {
		const struct vh_channel *ch = &m->channels[i];

		if (ch->is_full && ch->use != VH_USE_OTHER && ch->use != VH_USE_MONITOR)
			console_facts(facts, i);
		monitor_facts(facts, ch);
	}
}
