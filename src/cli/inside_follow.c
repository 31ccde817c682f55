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
	bool waits; /* for the guest to run a kernel again */
};

/* A boot that is not the first one. */
static void say_anew(const struct vh_inside *in)
{
	vh_auto_buf struct vh_buf release = {0};

	vh_escape(&release, vh_str(in->kernel.release ? in->kernel.release : ""), false);
	vh_cli_complain("the guest was reset: what follows is the log of its next boot%s%s",
		release.len ? ", of Linux " : "", vh_buf_str(&release));
}

static void say_waits(struct follow *f, const struct vh_inside *in)
{
	vh_auto_buf struct vh_buf why = {0};

	if (!f->waits) {
		vh_escape(&why, vh_str(in->why ? in->why : "no Linux was found"), false);
		vh_cli_complain(
			"the kernel that was followed is gone (%s); waiting for the next one",
			vh_buf_str(&why));
	}
	f->waits = true;
}

static void print_from(struct follow *f, const struct vh_inside *in, size_t from)
{
	vh_auto_buf struct vh_buf text = {0};

	for (; from < in->n_dmesg; from++)
		vh_inside_record_text(&in->dmesg[from], vh_cli_colour(), f->o->show.verbose, &text);
	if (!text.len)
		return;
	vh_cli_print(&text);
	/* A reader that has gone ends it. */
	f->broken = vh_cli_finish_output() != 0;
}

static bool print_records(void *self, const struct vh_follow_news *news)
{
	struct follow *f = self;
	const struct vh_inside *in = news->in;
	size_t from = news->from, most = (size_t)f->o->show.dmesg;

	if (news->waits) {
		say_waits(f, in);
		return !stopped;
	}
	/* Of what is there already as much as was asked for. */
	if (!f->begun && f->o->show.dmesg != VH_DMESG_ALL)
		from = VH_MAX(from, in->n_dmesg - VH_MIN(in->n_dmesg, most));
	if (f->begun && news->begins)
		say_anew(in);
	f->begun = true;
	f->waits = false;
	print_from(f, in, from);
	return !stopped && !f->broken;
}

int vh_cli_follow(struct vh_host *host, const struct vh_vm *vm, const struct vh_inside_command *o)
{
	/* Without SA_RESTART, so that a wait ends at once. */
	struct sigaction end = {.sa_handler = stop};
	struct follow f = {.o = o};
	struct vh_follow_records to = {o->interval_ns, print_records, &f};

	sigaction(SIGINT, &end, NULL);
	sigaction(SIGTERM, &end, NULL);
	struct vh_error *err = vh_collect_follow(host, vm, &o->look, &to);

	if (err && !f.begun) {
		vh_cli_fail(err);
		return 2;
	}
	if (err && !stopped && err->code != ESRCH)
		return vh_cli_fail(err);
	if (err && !stopped)
		vh_cli_complain("the VM has ended");
	vh_error_free(err);
	return 0;
}
