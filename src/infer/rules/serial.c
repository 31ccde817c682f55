/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/serial.h"

void vh_next_read(struct vh_judgement *j, const struct vh_facts *f, const struct vh_fact *not_read)
{
	const struct vh_channel *ch = &f->model->channels[(size_t)not_read->value];
	const struct vh_fact *stopped = vh_fact(f, VH_FACT_CONSOLE_READER_STOPPED);

	if (stopped) {
		vh_auto_free char *go_on = vh_asprintf("kill -CONT %d", (int)stopped->value);

		vh_next(j, go_on, "let the reader go on, once it is clear who stopped it: %s",
			stopped->text);
	}
	if (ch->peer) {
		vh_auto_free char *look =
			vh_asprintf("ps -o pid,ppid,stat,wchan:25,etime,args -p %d", (int)ch->peer);

		vh_next(j, look,
			"see what the process at the other end does: it is connected, and does not "
			"read. What it does not read nobody else can: end it, and connect anew");
	} else {
		/* A path may hold anything, and must not come into a command. */
		vh_auto_free char *who = vh_asprintf(
			"lsof -n -E -p {pid} | awk '$4 ~ /^%lld[uw]/'", (long long)ch->fd);

		vh_next(j, who, "find who has the other end open, and should read");
		vh_next(j, NULL,
			"to see whether it goes on: read what stands in it for a moment; the guest "
			"goes on "
			"as soon as there is room");
	}
}
