/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmhang inside --follow: the guest's log, as "dmesg -w" in the guest would show it. */
#include <errno.h>
#include <signal.h>

#include "cli/command.h"
#include "cli/inside.h"

static volatile sig_atomic_t stopped;

static void stop(int number VH_UNUSED)
{
	stopped = 1;
}

struct follow {
	const struct vh_inside_command *o;
	bool begun, broken;
};

static bool print_records(void *self, const struct vh_inside *in)
{
	struct follow *f = self;
	vh_auto_buf struct vh_buf text = {0};
	size_t from = 0;

	/* Of what is there already as much as was asked for. */
	if (!f->begun && f->o->show.dmesg != VH_DMESG_ALL)
		from = in->n_dmesg - VH_MIN(in->n_dmesg, (size_t)f->o->show.dmesg);
	f->begun = true;
	for (; from < in->n_dmesg; from++)
		vh_inside_record_text(&in->dmesg[from], vh_cli_colour(), f->o->show.verbose, &text);
	if (text.len) {
		vh_cli_print(&text);
		/* A reader that has gone ends it. */
		f->broken = vh_cli_finish_output() != 0;
	}
	return !stopped && !f->broken;
}

int vh_cli_follow(struct vh_host *host, const struct vh_vm *vm, const struct vh_inside_command *o)
{
	/* Without SA_RESTART, so that a wait ends at once. */
	struct sigaction end = {.sa_handler = stop};
	struct follow f = {.o = o};

	sigaction(SIGINT, &end, NULL);
	sigaction(SIGTERM, &end, NULL);
	struct vh_error *err =
		vh_collect_follow(host, vm, &o->look, o->interval_ns, print_records, &f);
	bool ended = kill(vm->id.pid, 0) < 0 && errno == ESRCH;

	if (err && !f.begun) {
		vh_cli_fail(err);
		return 2;
	}
	if (err && !stopped && !f.broken && !ended)
		return vh_cli_fail(err);
	if (ended && !stopped && !f.broken)
		vh_cli_complain("the VM has ended");
	vh_error_free(err);
	return 0;
}
