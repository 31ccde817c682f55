/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmhang inside: what runs in a guest, by its own memory, read from outside. */
#include <errno.h>
#include <sys/stat.h>

#include "case/archive.h"
#include "cli/command.h"
#include "cli/inside.h"
#include "collect/vmlinux.h"

enum {
	KEY_DMESG = 256,
	KEY_FOLLOW,
	KEY_FOLDED,
	KEY_WINDOW,
	KEY_SAVE,
	KEY_PASSIVE,
	KEY_CONNECT,
	KEY_TIMEOUT,
	KEY_NO_STACKS,
	KEY_TASKS,
	KEY_VMLINUX,
	KEY_ANEW
};

#define FOLLOW_NS     (500 * VH_NS_PER_MS)
#define DEFAULT_DMESG 20
#define MAX_SAMPLES   (10 * 60 * VH_NS_PER_S)

static const struct argp_option argp_options[] = {
	{"dmesg", KEY_DMESG, "N", OPTION_ARG_OPTIONAL,
		"Show the last N lines of the kernel's log (20), or all of it (N \"all\", or left "
		"out); 0 for none",
		0},
	{"follow", KEY_FOLLOW, NULL, 0,
		"Show the kernel's log and what is added to it, until Ctrl-C or the VM's end", 0},
	{"tasks", KEY_TASKS, NULL, 0, "Show all tasks, not only those that wait", 0},
	{"no-stacks", KEY_NO_STACKS, NULL, 0, "Leave out the backtraces", 0},
	{"stacks-folded", KEY_FOLDED, NULL, 0,
		"Sample the vCPUs' backtraces, and print them for flamegraph.pl", 0},
	{"window", KEY_WINDOW, "TIME", 0, "Sample for TIME (5s)", 0},
	{"save", KEY_SAVE, "FILE", 0,
		"Write what was found, and the pages it was found in, to a case file", 0},
	{"anew", KEY_ANEW, NULL, 0,
		"Of a case file: look once more, at the pages that it kept, in place of showing "
		"what was found",
		0},
	{"json", 'j', NULL, 0, "Print all as JSON (docs/inside.schema.json)", 0},
	{"verbose", 'v', NULL, 0, "Add levels of the log, modules, and what it cost", 0},
	{"vmlinux", KEY_VMLINUX, "FILE", 0,
		"Show source lines too, by the debug information of the guest's kernel", 0},
	{"passive", KEY_PASSIVE, NULL, 0,
		"Do not ask the VM's monitor: search its memory (no backtraces of vCPUs)", 0},
	{"timeout", KEY_TIMEOUT, "TIME", 0, "Look for at most TIME (10s)", 0},
	{"no-libvirt", 'L', NULL, 0, "Do not ask libvirt", 0},
	{"connect", KEY_CONNECT, "URI", 0, "Ask this libvirt", 0},
	{0},
};

static int lines_of(const char *arg, struct argp_state *state)
{
	uint64_t n;

	if (!arg || strcmp(arg, "all") == 0)
		return VH_DMESG_ALL;
	if (!vh_parse_u64(vh_str(arg), 10, &n) || n > VH_INSIDE_MAX_DMESG)
		argp_error(state, "--dmesg: \"%s\" is neither a number nor \"all\"", arg);
	return (int)n;
}

static void check(const struct vh_inside_command *o, struct argp_state *state)
{
	if (!o->what)
		argp_error(state, "which VM, or which file? `vmhang list` lists the VMs");
	if (o->vmlinux && (o->follow || o->folded))
		argp_error(state, "--vmlinux is for backtraces");
	if (o->follow && (o->folded || o->json || o->save))
		argp_error(state, "--follow shows the log alone");
	if (o->folded && o->json)
		argp_error(state, "--stacks-folded is a format of its own");
	if (o->folded && o->look.passive)
		argp_error(state, "--stacks-folded needs the monitor, for the vCPUs' registers");
	if (o->window_ns && !o->folded)
		argp_error(state, "--window is for --stacks-folded");
	if (o->window_ns > MAX_SAMPLES)
		argp_error(state, "--window: at most ten minutes");
}

/* What is looked at, and how; false where the option is none of these. */
static bool parse_look(int key, char *arg, struct vh_inside_command *o, struct argp_state *state)
{
	switch (key) {
	case KEY_WINDOW:
		o->window_ns = vh_cli_duration(arg, "--window", state);
		if (o->window_ns < 100 * VH_NS_PER_MS)
			argp_error(state, "--window: at least 100 ms");
		return true;
	case KEY_TIMEOUT:
		o->look.deadline_ns = vh_cli_duration(arg, "--timeout", state);
		if (!o->look.deadline_ns)
			argp_error(state, "--timeout: it takes some time");
		return true;
	case KEY_PASSIVE:
		o->look.passive = true;
		return true;
	case 'L':
		o->look.no_libvirt = true;
		return true;
	case KEY_CONNECT:
		o->look.libvirt_uri = arg;
		return true;
	case KEY_SAVE:
		o->save = arg;
		return true;
	case KEY_ANEW:
		o->anew = true;
		return true;
	case KEY_VMLINUX:
		o->vmlinux = arg;
		return true;
	default:
		return false;
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct vh_inside_command *o = state->input;

	switch (key) {
	case KEY_DMESG:
		o->show.dmesg = lines_of(arg, state);
		return 0;
	case KEY_FOLLOW:
		o->follow = true;
		return 0;
	case KEY_TASKS:
		o->show.tasks = true;
		return 0;
	case KEY_NO_STACKS:
		o->show.stacks = false;
		return 0;
	case KEY_FOLDED:
		o->folded = true;
		return 0;
	case 'j':
		o->json = true;
		return 0;
	case 'v':
		o->show.verbose = true;
		return 0;
	case ARGP_KEY_ARG:
		if (o->what)
			argp_error(state, "one VM or file at a time");
		o->what = arg;
		return 0;
	case ARGP_KEY_END:
		check(o, state);
		return 0;
	default:
		return parse_look(key, arg, o, state) ? 0 : ARGP_ERR_UNKNOWN;
	}
}

static struct vh_inside *unreadable(const char *why)
{
	struct vh_inside *in = vh_inside_new(VH_INSIDE_UNREADABLE);

	in->why = vh_strdup(why);
	return in;
}

/* What a case says was found. */
static struct vh_inside *of_case(const struct vh_case *c, struct vh_error **err)
{
	const struct vh_evidence *e = vh_case_find_data(c, "guest.inside", NULL, VH_N_ROUND);
	const struct vh_evidence *tried = vh_case_find(c, "guest.inside", NULL, VH_N_ROUND);

	if (!e && !tried) {
		*err = vh_error_new(0, "the case has nothing of the inside of the guest");
		return NULL;
	}
	if (!e)
		return unreadable(tried->detail ? tried->detail : "it was not looked at");
	return vh_inside_parse(vh_evidence_text(e), err);
}

/* Takes in. */
static int show(const struct vh_inside_command *o, const struct vh_case *c, struct vh_inside *in)
{
	const struct vh_evidence *screen =
		c ? vh_case_find_data(c, "guest.screen", NULL, VH_N_ROUND) : NULL;
	struct vh_inside_show s = o->show;
	vh_auto_buf struct vh_buf text = {0};
	struct vh_error *err = o->vmlinux ? vh_vmlinux_add_lines(o->vmlinux, in) : NULL;
	int status = err ? vh_cli_fail(err) : vh_inside_exit_status(in);

	s.name = c && c->vm->name && *c->vm->name ? c->vm->name : o->what;
	s.screen = screen ? screen->data : NULL;
	s.width = vh_cli_width();
	s.colour = vh_cli_colour();
	if (o->json) {
		vh_auto_json struct json_object *json = vh_inside_json(in);

		vh_cli_print_json(json);
	} else if (o->folded && !status) {
		vh_inside_folded_text(in, &text);
	} else {
		vh_inside_text(in, &s, &text);
	}
	vh_cli_print(&text);
	vh_inside_free(in);
	return status;
}

static int show_case(const struct vh_inside_command *o, struct vh_case *c)
{
	struct vh_error *err = NULL;
	/* What was found is of several looks at running vCPUs, of which the pages keep one. */
	struct vh_inside *in = o->anew ? vh_inside_of_pages(c, &o->look) : of_case(c, &err);
	int status = in ? show(o, c, in) : vh_cli_fail(err);

	vh_case_free(c);
	return status;
}

static int look_at_file(const struct vh_inside_command *o)
{
	struct vh_case *c = NULL;
	struct vh_error *err;

	if (o->follow || o->folded || o->save)
		return vh_cli_fail(vh_error_new(EINVAL,
			"%s is a file: what is followed, sampled or saved is a VM", o->what));
	if (o->anew && vh_is_dump(o->what))
		return vh_cli_fail(vh_error_new(EINVAL, "--anew is for a case file"));
	if (vh_is_dump(o->what))
		return show(o, NULL, vh_inside_of_dump(o->what, &o->look));
	err = vh_case_load(o->what, &c);
	if (err && err->code == EMEDIUMTYPE) {
		vh_error_free(err);
		err = vh_error_new(0,
			"%s is neither a case file nor a dump of a guest (ELF, kdump) that vmhang "
			"reads",
			o->what);
	}
	return err ? vh_cli_fail(err) : show_case(o, c);
}

static int look_at_vm(struct vh_host *host, const struct vh_inside_command *o)
{
	struct vh_vm *vm = NULL;
	struct vh_error *err = vh_cli_find_vm(host, o->what, o->look.no_libvirt, &vm);
	int failed = 0;

	if (!err && o->anew)
		err = vh_error_new(EINVAL, "--anew is for a case file");
	if (err) {
		vh_vm_free(vm);
		return vh_cli_fail(err);
	}
	if (o->follow) {
		int status = vh_cli_follow(host, vm, o);

		vh_vm_free(vm);
		return status;
	}
	struct vh_case *c = vh_collect_inside(host, vm, &o->look);

	vh_vm_free(vm);
	if (o->save && (err = vh_case_save(c, o->save)))
		failed = vh_cli_fail(err) == EX_IOERR ? EX_IOERR : EX_CANTCREAT;

	struct vh_inside *in = of_case(c, &err);
	int status = in ? show(o, c, in) : vh_cli_fail(err);

	vh_case_free(c);
	return failed ? failed : status;
}

/* A regular file of that name, and no socket of a monitor. */
static bool is_file(const char *what)
{
	struct stat st;

	return stat(what, &st) == 0 && S_ISREG(st.st_mode);
}

static int inside(struct vh_inside_command *o)
{
	struct vh_explore_options *e = &o->look.explore;
	int status;

	e->dmesg = true;
	e->vcpus = !o->follow;
	e->tasks = !o->follow && !o->folded;
	if (o->folded)
		e->folded_ns = o->window_ns ? o->window_ns : 5 * VH_NS_PER_S;
	if (o->save)
		o->look.pages = VH_INSIDE_MAX_PAGES;
	if (is_file(o->what))
		return look_at_file(o);

	struct vh_host *host = vh_host_create(NULL);

	status = look_at_vm(host, o);
	vh_host_destroy(host);
	return status;
}

int vh_cmd_inside(int argc, char **argv)
{
	const struct argp argp = {.options = argp_options,
		.parser = parse,
		.args_doc = "VM|FILE",
		.doc = "Shows what runs inside of a Linux guest, read from its memory while it "
		       "runs "
		       "or hangs: its kernel's log, the backtrace of each vCPU, the tasks that "
		       "wait "
		       "and what for. The guest is not paused, needs no agent, and its kernel no "
		       "debug information.\v"
		       "VM is named as for `vmhang diagnose`; FILE is a case file that --save "
		       "wrote, "
		       "or a dump of a guest's memory (virsh dump --memory-only, "
		       "dump-guest-memory: ELF or kdump). All that is shown is what the guest "
		       "claims, and may hold its secrets. Times are like 500ms, 2s or 1m.\n\n"
		       "Exit status: 0 shown, 2 nothing could be read, 64 and up for errors."};
	struct vh_inside_command o = {
		.show = {.dmesg = DEFAULT_DMESG, .stacks = true}, .interval_ns = FOLLOW_NS};

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	return inside(&o);
}
