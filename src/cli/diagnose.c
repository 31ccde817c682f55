/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmhang diagnose: the main job. Find the VM, observe it, judge, report. */
#include <errno.h>
#include <signal.h>

#include "case/archive.h"
#include "cli/command.h"
#include "cli/report_out.h"
#include "collect/collect.h"
#include "discover/discover.h"

enum { KEY_WINDOW = 256, KEY_PASSIVE, KEY_SAVE, KEY_DEADLINE, KEY_CONNECT, KEY_ROOT, KEY_NO_TRACE };

struct options {
	const char *vm;
	const char *save;
	const char *root;
	struct vh_output output;
	struct vh_collect_options collect;
};

static const struct argp_option argp_options[] = {
	{"window", KEY_WINDOW, "TIME", 0, "Look twice, TIME apart (1s)", 0},
	{"passive", KEY_PASSIVE, NULL, 0,
		"Do not ask the VM's monitor: read only what does not touch the VM", 0},
	{"no-trace", KEY_NO_TRACE, NULL, 0, "Do not count the VM's exits over the window", 0},
	{"deadline", KEY_DEADLINE, "TIME", 0, "Ask the monitor for at most TIME (3s)", 0},
	{"no-libvirt", 'L', NULL, 0, "Do not ask libvirt", 0},
	{"connect", KEY_CONNECT, "URI", 0, "Ask this libvirt", 0},
	{"save", KEY_SAVE, "FILE", 0,
		"Write all that was seen to a case file, for `vmhang analyze`", 0},
	VH_OUTPUT_OPTIONS,
	{NULL, 0, NULL, 0, "Testing:", 1},
	{"root", KEY_ROOT, "DIR", 0, "Look at the captured host in DIR in place of this one", 1},
	{0},
};

/* The scheduler's tick is up to 10 ms, and shares of a window are given in per cent. */
#define WINDOW_MIN_NS (100 * VH_NS_PER_MS)

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case KEY_WINDOW:
		o->collect.window_ns = vh_cli_duration(arg, "--window", state);
		if (o->collect.window_ns < WINDOW_MIN_NS)
			argp_error(state,
				"--window: below 100 ms shares and rates of a window mean nothing");
		return 0;
	case KEY_PASSIVE:
		o->collect.passive = true;
		return 0;
	case KEY_NO_TRACE:
		o->collect.no_trace = true;
		return 0;
	case KEY_DEADLINE:
		o->collect.monitor_ns = vh_cli_duration(arg, "--deadline", state);
		if (!o->collect.monitor_ns)
			argp_error(state, "--deadline: to not ask at all there is --passive");
		return 0;
	case 'L':
		o->collect.no_libvirt = true;
		return 0;
	case KEY_CONNECT:
		o->collect.libvirt_uri = arg;
		return 0;
	case KEY_SAVE:
		o->save = arg;
		return 0;
	case KEY_ROOT:
		o->root = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (o->vm)
			argp_error(state, "one VM at a time");
		o->vm = arg;
		return 0;
	case ARGP_KEY_END:
		if (!o->vm)
			argp_error(state, "which VM? `vmhang list` lists them");
		return 0;
	default:
		return vh_output_option(&o->output, key) ? 0 : ARGP_ERR_UNKNOWN;
	}
}

/* Ctrl-C while the file is written would leave its temporary one: it comes a moment later. */
static struct vh_error *save(const struct vh_case *c, const char *path)
{
	sigset_t stop, old;

	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGHUP);
	sigprocmask(SIG_BLOCK, &stop, &old);
	struct vh_error *err = vh_case_save(c, path);

	sigprocmask(SIG_SETMASK, &old, NULL);
	return err;
}

static int diagnose(struct vh_host *host, const struct options *o)
{
	struct vh_vm *vm = NULL;
	struct vh_error *err = vh_cli_find_vm(host, o->vm, o->collect.no_libvirt, &vm);

	if (err)
		return vh_cli_fail(err);
	struct vh_case *c = vh_collect(host, vm, &o->collect, &err);

	vh_vm_free(vm);
	if (!c)
		return vh_cli_fail(err);
	/* Saved before it is judged: should that fail, the evidence is not lost. The verdict is
	 * told even where the case could not be saved. */
	int failed = 0;

	if (o->save && (err = save(c, o->save)))
		failed = vh_cli_fail(err) == EX_IOERR ? EX_IOERR : EX_CANTCREAT;
	struct vh_report *r = vh_report_new(c);
	int status = vh_output_report(&o->output, r);

	vh_report_free(r);
	return failed ? failed : status;
}

int vh_cmd_diagnose(int argc, char **argv)
{
	const struct argp argp = {.options = argp_options,
		.parser = parse,
		.args_doc = "VM",
		.doc = "Says what state a VM is in, why it hangs, on which evidence, and what to "
		       "do.\v"
		       "VM is its libvirt name, UUID or id, the pid of its process, the -name of a "
		       "QEMU, "
		       "or the path of its QMP socket. Times are like 500ms, 2s or 1m.\n\n"
		       "Exit status: 0 healthy, 1 hung, 2 could not tell, 64 and up for errors."};
	struct options o = {0};

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	struct vh_host *host = vh_host_create(o.root);
	int status = diagnose(host, &o);

	vh_host_destroy(host);
	return status;
}
