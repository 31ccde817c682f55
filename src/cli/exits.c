/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmhang exits: what makes a VM's vCPUs leave the guest, interval by interval. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/units.h"
#include "cli/command.h"
#include "cli/exits_live.h"
#include "decode/devices.h"
#include "report/timeline.h"

enum {
	KEY_INTERVAL = 256,
	KEY_VCPU,
	KEY_EVENT,
	KEY_BACKEND,
	KEY_SORT,
	KEY_NO_KEYS,
	KEY_SAVE,
	KEY_REPLAY,
	KEY_CONNECT,
	KEY_PASSIVE,
	KEY_RECORD,
	KEY_FOR
};

/* Below it the numbers are mostly of the interval's ends, and of vmhang. */
#define INTERVAL_MIN_NS (100 * VH_NS_PER_MS)
/* A timeline has every event, and there are millions. */
#define RECORD_NS     (2 * VH_NS_PER_S)
#define RECORD_MAX_NS (60 * VH_NS_PER_S)
/* For the names of devices, while the exits are counted on. */
#define ASK_NS (1000 * VH_NS_PER_MS)

struct options {
	const char *vm, *save, *replay, *record;
	int64_t record_ns; /* 0: RECORD_NS */
	bool passive;
	struct vh_exits_options show;
	struct vh_exits_run run;
	struct vh_trace_options trace;
};

static const struct argp_option argp_options[] = {
	{"interval", KEY_INTERVAL, "TIME", 0, "Count for TIME each (1s; at least 100ms)", 0},
	{"count", 'n', "N", 0, "End after N intervals", 0},
	{"vcpu", KEY_VCPU, "N", 0, "Show this vCPU alone", 0},
	{"event", KEY_EVENT, "EVENT", 0,
		"Rows are vmexit (exit reasons), mmio (addresses), ioport or msr", 0},
	{"sort", KEY_SORT, "ORDER", 0, "Sort rows by samples, time, mean, max or name", 0},
	{"no-keys", KEY_NO_KEYS, NULL, 0,
		"Leave out the ports, addresses and the like behind each row", 0},
	{"json", 'j', NULL, 0, "Print a JSON object a line and interval (docs/exits.schema.json)",
		0},
	{"backend", KEY_BACKEND, "NAME", 0,
		"Count by bpf, perf or statistics only (the best that works)", 0},
	{"save", KEY_SAVE, "FILE", 0, "Write what is counted to FILE as well", 0},
	{"replay", KEY_REPLAY, "FILE", 0, "Show what --save wrote, in place of a VM", 0},
	{"record", KEY_RECORD, "FILE", 0,
		"Write a timeline of all events to FILE, for ui.perfetto.dev, and show nothing", 0},
	{"for", KEY_FOR, "TIME", 0, "Record for TIME (2s; at most 1m)", 0},
	{"passive", KEY_PASSIVE, NULL, 0, "Do not ask the VM's monitor for its devices", 0},
	{"no-libvirt", 'L', NULL, 0, "Do not ask libvirt", 0},
	{"connect", KEY_CONNECT, "URI", 0, "Ask this libvirt", 0},
	{0},
};

static uint64_t number(const char *arg, const char *option, uint64_t least, uint64_t most,
	struct argp_state *state)
{
	uint64_t value = 0;

	if (!vh_parse_u64(vh_str(arg), 10, &value) || value < least || value > most)
		argp_error(state, "%s: \"%s\" is no number from %" PRIu64 " to %" PRIu64, option,
			arg, least, most);
	return value;
}

/* An index of a table of names; one that is not there ends the program. */
static int name(const char *arg, const char *option, int value, struct argp_state *state)
{
	if (value < 0)
		argp_error(state, "%s: there is no \"%s\" (see --help)", option, arg);
	return value;
}

static void check(const struct options *o, struct argp_state *state)
{
	if (o->replay && (o->vm || o->save))
		argp_error(state, "--replay shows a file: without a VM, and without --save");
	if (o->record && (o->replay || o->save))
		argp_error(state, "--record is of a VM, and alone");
	if (o->record_ns && !o->record)
		argp_error(state, "--for is for --record");
	if (!o->replay && !o->vm)
		argp_error(state, "which VM? `vmhang list` lists them");
}

/* What is shown, and how; false where the option is none of these. */
static bool parse_show(int key, const char *arg, struct options *o, struct argp_state *state)
{
	switch (key) {
	case KEY_VCPU:
		o->show.vcpu = (int)number(arg, "--vcpu", 0, VH_MAX_TRACED - 1, state);
		return true;
	case KEY_EVENT:
		o->show.of = (enum vh_exits_of)name(arg, "--event", vh_exits_of_parse(arg), state);
		return true;
	case KEY_SORT:
		o->show.sort =
			(enum vh_exits_sort)name(arg, "--sort", vh_exits_sort_parse(arg), state);
		return true;
	case KEY_NO_KEYS:
		o->show.keys = false;
		return true;
	default:
		return false;
	}
}

/* What is written to a file or read from one. */
static bool parse_file(int key, const char *arg, struct options *o, struct argp_state *state)
{
	switch (key) {
	case KEY_SAVE:
		o->save = arg;
		return true;
	case KEY_REPLAY:
		o->replay = arg;
		return true;
	case KEY_RECORD:
		o->record = arg;
		return true;
	case KEY_FOR:
		o->record_ns = vh_cli_duration(arg, "--for", state);
		if (!o->record_ns || o->record_ns > RECORD_MAX_NS)
			argp_error(state, "--for: more than nothing, and at most 1m");
		return true;
	default:
		return false;
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case KEY_INTERVAL:
		o->run.interval_ns = vh_cli_duration(arg, "--interval", state);
		if (o->run.interval_ns < INTERVAL_MIN_NS)
			argp_error(state, "--interval: at least 100ms");
		return 0;
	case 'n':
		o->run.count = number(arg, "--count", 1, UINT64_MAX, state);
		return 0;
	case KEY_BACKEND:
		o->trace.backends = 1U
				    << name(arg, "--backend", vh_trace_backend_parse(arg), state);
		return 0;
	case 'j':
		o->run.json = true;
		return 0;
	case KEY_PASSIVE:
		o->passive = true;
		return 0;
	case 'L':
		o->trace.no_libvirt = true;
		return 0;
	case KEY_CONNECT:
		o->trace.libvirt_uri = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (o->vm)
			argp_error(state, "one VM at a time");
		o->vm = arg;
		return 0;
	case ARGP_KEY_END:
		check(o, state);
		return 0;
	default:
		return parse_show(key, arg, o, state) || parse_file(key, arg, o, state)
			       ? 0
			       : ARGP_ERR_UNKNOWN;
	}
}

static int replay(struct options *o, struct vh_exits_source *s)
{
	s->replay = vh_streq(o->replay, "-") ? stdin : fopen(o->replay, "re");
	if (!s->replay)
		return vh_cli_fail(vh_error_new(errno, "opening %s", o->replay));
	int status = vh_exits_run(s, &o->run, &o->show);

	if (s->replay != stdin)
		fclose(s->replay);
	return status;
}

/* It tells what the guest did: the user's alone, like a case file. */
static struct vh_error *open_save(const char *path, FILE **file)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	*file = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (*file)
		return NULL;
	struct vh_error *err = vh_error_new(errno, "creating %s", path);

	if (fd >= 0)
		close(fd);
	return err;
}

/* Ends a recording early, but well. */
static volatile int stop_recording;

static void stop(int number)
{
	(void)number;
	stop_recording = 1;
}

static int record(const struct options *o, const struct vh_exits_source *s)
{
	const struct vh_timeline_options options = {.path = o->record,
		.for_ns = o->record_ns ? o->record_ns : RECORD_NS,
		.stop = &stop_recording};
	struct vh_timeline_result r = {0};
	vh_auto_buf struct vh_buf out = {0};

	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	signal(SIGHUP, stop);
	struct vh_error *err = vh_timeline_record(s->host, s->vm, &options, &r);

	if (err)
		return vh_cli_fail(err);
	vh_escape(&out, vh_str(o->record), false);
	vh_buf_printf(
		&out, ": %" PRIu64 " events in %s, ", r.events, vh_duration_text(r.span_ns).s);
	if (r.lost)
		vh_buf_printf(&out, "%" PRIu64 " more were lost", r.lost);
	else
		vh_buf_puts(&out, "none lost");
	vh_buf_printf(&out, ", %s%s; https://ui.perfetto.dev shows it\n", vh_bytes_text(r.bytes).s,
		r.full ? " (it ended there: no file is larger)" : "");
	vh_cli_print(&out);
	return 0;
}

static int without_kvm(const struct vh_vm *vm)
{
	vh_cli_complain("%s runs without KVM (tcg): it has no exits", vm->name);
	return EX_UNAVAILABLE;
}

static int trace(struct options *o, struct vh_exits_source *s)
{
	struct vh_error *err = NULL;

	if (s->vm->accel == VH_ACCEL_TCG)
		return without_kvm(s->vm);
	if (o->record)
		return record(o, s);
	if (o->save && (err = open_save(o->save, &s->save))) {
		vh_cli_fail(err);
		return EX_CANTCREAT;
	}
	s->trace = vh_trace_open(s->host, s->vm, &o->trace, &err);
	int status = s->trace ? vh_exits_run(s, &o->run, &o->show) : vh_cli_fail(err);

	vh_trace_close(s->trace);
	vh_case_free(s->answers);
	s->answers = NULL;
	if (s->save && fclose(s->save) != 0 && !status)
		status = vh_cli_fail(vh_error_new(errno, "writing %s", o->save));
	return status;
}

static int exits(struct options *o, struct vh_exits_source *s)
{
	struct vh_vm *vm = NULL;
	struct vh_error *err = vh_cli_find_vm(s->host, o->vm, o->trace.no_libvirt, &vm);

	if (err)
		return vh_cli_fail(err);
	s->vm = vm;
	int status = trace(o, s);

	vh_vm_free(vm);
	return status;
}

int vh_cmd_exits(int argc, char **argv)
{
	static const struct argp argp = {.options = argp_options,
		.parser = parse,
		.args_doc = "VM\n--replay FILE",
		.doc = "Shows what makes a VM's vCPUs leave the guest, as `perf kvm stat live` "
		       "does, "
		       "with the ports, addresses and MSRs behind it, and where the time of each "
		       "vCPU goes. The guest is not touched; the monitor is asked once, for "
		       "the names of devices.\v"
		       "On a terminal it is redrawn each interval and takes keys: q quit, s next "
		       "order, 0-9 or up and down a vCPU, a all, k keys on and off, p pause. In a "
		       "pipe it prints a block an interval.\n\n"
		       "Exit status: 0 at the end (also the VM's), 64 and up for errors."};
	struct options o = {
		.show = {.vcpu = VH_ALL_VCPUS, .keys = true}, .run = {.interval_ns = VH_NS_PER_S}};
	struct utsname name;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	o.show.colour = vh_cli_colour();
	o.show.width = vh_cli_width();
	struct vh_exits_source s = {.host = vh_host_create(NULL)};

	s.ask = (struct vh_collect_options){.passive = o.passive,
		.monitor_ns = ASK_NS,
		.no_libvirt = o.trace.no_libvirt,
		.libvirt_uri = o.trace.libvirt_uri};
	s.machine = uname(&name) == 0 ? name.machine : NULL;
	int status = o.replay ? replay(&o, &s) : exits(&o, &s);

	vh_devices_free(s.devices);
	vh_host_destroy(s.host);
	return status;
}
