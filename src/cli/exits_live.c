/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The loop of `vmhang exits`: blocks in a pipe, or a screen with keys. */
#include "cli/exits_live.h"

#include <errno.h>

#include "cli/command.h"
#include "cli/terminal.h"

/* The vCPU before or behind that is shown, "all" being before the first. */
static int neighbour(const struct vh_exits *e, int vcpu, bool up)
{
	int best = VH_ALL_VCPUS;

	for (size_t i = 0; i < e->n_vcpus; i++) {
		int v = e->vcpus[i]->vcpu;

		if (!up && v > vcpu)
			return v;
		if (up && v < vcpu)
			best = v;
	}
	return up ? best : vcpu;
}

bool vh_exits_press(struct vh_exits_screen *s, const struct vh_exits *e, int key)
{
	switch (key) {
	case 'q':
	case 'Q':
		s->quit = true;
		return false;
	case 's':
		s->show.sort = (s->show.sort + 1) % VH_N_SORT;
		return true;
	case 'k':
		s->show.keys = !s->show.keys;
		return true;
	case 'p':
		s->paused = !s->paused;
		return true;
	case 'a':
		s->show.vcpu = VH_ALL_VCPUS;
		return true;
	case VH_PRESS_UP:
	case VH_PRESS_DOWN:
		if (!e)
			return false;
		s->show.vcpu = neighbour(e, s->show.vcpu, key == VH_PRESS_UP);
		return true;
	case VH_PRESS_REDRAW:
	case 'L' - '@': /* Ctrl-L */
		return true;
	default:
		if (key < '0' || key > '9' || !e || !vh_exits_of(e, key - '0'))
			return false;
		s->show.vcpu = key - '0';
		return true;
	}
}

static char *bottom_line(const struct vh_exits_screen *s, bool over)
{
	vh_auto_free char *vcpu =
		s->show.vcpu == VH_ALL_VCPUS ? vh_strdup("all") : vh_asprintf("%d", s->show.vcpu);

	if (!vh_terminal_has_keys())
		return vh_asprintf(" Ctrl-C ends%s", over ? " (no more intervals)" : "");
	return vh_asprintf(" q quit  s sort: %s  0-9 up down a vCPU: %s  k keys: %s  p %s%s",
		vh_exits_sort_name(s->show.sort), vcpu, s->show.keys ? "on" : "off",
		s->paused ? "PAUSED" : "pause", over ? "  (no more intervals)" : "");
}

/* True while the terminal takes it. */
static bool draw(struct vh_exits_screen *s, const struct vh_exits_interval *i, bool over)
{
	vh_auto_buf struct vh_buf text = {0};
	vh_auto_free char *bottom = bottom_line(s, over);
	unsigned lines;

	vh_terminal_size(&s->show.width, &lines);
	s->show.height = lines - 1;
	if (i)
		vh_exits_text(i->exits, &i->about, &s->show, &text);
	else
		vh_buf_puts(&text, "counting ...\n");
	return vh_terminal_draw(&text, bottom) == 0;
}

/* A block or a line of JSON; the status to end with, or -1 to go on. */
static int print(const struct vh_exits_interval *i, const struct vh_exits_run *run,
	const struct vh_exits_options *show, bool first)
{
	vh_auto_buf struct vh_buf text = {0};

	if (run->json) {
		vh_auto_json struct json_object *o = vh_exits_json(i->exits, &i->about, show);

		vh_buf_puts(
			&text, json_object_to_json_string_ext(
				       o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		vh_buf_putc(&text, '\n');
	} else {
		vh_buf_puts(&text, first ? "" : "\n");
		vh_exits_text(i->exits, &i->about, show, &text);
	}
	vh_cli_print(&text);
	switch (vh_cli_finish_output()) {
	case 0:
		return -1;
	case EPIPE:
		return 0;
	default:
		return EX_IOERR; /* main() tells */
	}
}

static bool ended(const struct vh_exits_source *s)
{
	return s->vm && !vh_identity_alive(s->host, &s->vm->id);
}

static void say_ended(const struct vh_exits_source *s, const struct vh_exits_run *run)
{
	vh_auto_buf struct vh_buf line = {0};

	/* In JSON there is nothing but intervals. */
	if (run->json) {
		vh_cli_complain("%s (pid %d) has ended", s->vm->name, (int)s->vm->id.pid);
		return;
	}
	vh_escape(&line, vh_str(s->vm->name), false);
	vh_buf_printf(&line, " (pid %d) has ended\n", (int)s->vm->id.pid);
	vh_cli_print(&line);
}

/* Waits for the interval's end, or as long as the VM lives; keeps the trace going. */
static void wait_for_end(struct vh_exits_source *s, int64_t end_ns)
{
	while (!ended(s)) {
		int64_t next = vh_trace_refresh(s->trace), now = vh_now_ns();

		if (now >= end_ns)
			return;
		vh_sleep_until_ns(VH_MIN(end_ns, VH_MAX(next, now + VH_NS_PER_MS)));
	}
}

static int run_blocks(struct vh_exits_source *s, const struct vh_exits_run *run,
	const struct vh_exits_options *show)
{
	int64_t end_ns = vh_now_ns() + run->interval_ns;

	for (uint64_t n = 0; !run->count || n < run->count; n++) {
		struct vh_error *err = NULL;

		if (s->trace)
			wait_for_end(s, end_ns);
		bool over = ended(s);
		struct vh_exits_interval *i = vh_exits_source_read(s, &err);

		if (!i)
			return err ? vh_cli_fail(err) : 0;
		int status = print(i, run, show, n == 0);

		vh_exits_interval_free(i);
		if (status >= 0)
			return status;
		if (over) {
			say_ended(s, run);
			return 0;
		}
		/* What could not be done in time is not made up for. */
		end_ns = VH_MAX(end_ns, vh_now_ns()) + run->interval_ns;
	}
	return 0;
}

/* What a screen is made of, and what drives it. */
struct show {
	struct vh_exits_source *s;
	const struct vh_exits_run *run;
	struct vh_exits_screen screen;
	struct vh_exits_interval *shown;
	uint64_t n;
	int64_t end_ns;
	bool over; /* the VM or the file has ended, or the count was reached */
};

/* The interval that is over, drawn unless paused. */
static struct vh_error *next_interval(struct show *v)
{
	struct vh_error *err = NULL;
	bool last = ended(v->s);

	v->end_ns = VH_MAX(v->end_ns, vh_now_ns()) + v->run->interval_ns;
	/* A file waits; a VM does not. */
	if (v->screen.paused && v->s->replay)
		return NULL;
	struct vh_exits_interval *i = vh_exits_source_read(v->s, &err);

	v->n++;
	v->over = last || !i || (v->run->count && v->n >= v->run->count);
	if (i && v->screen.paused && !v->over) {
		vh_exits_interval_free(i);
	} else if (i) {
		vh_exits_interval_free(v->shown);
		v->shown = i;
	}
	return err;
}

/* Until the interval ends, keys. */
static bool pass_time(struct show *v)
{
	int64_t until = v->end_ns;

	if (v->s->trace) {
		int64_t next = vh_trace_refresh(v->s->trace);

		if (ended(v->s))
			return true;
		until = VH_MIN(until, VH_MAX(next, vh_now_ns() + VH_NS_PER_MS));
	}
	int key = vh_terminal_wait((struct vh_deadline){until});

	if (key != VH_PRESS_NONE &&
		vh_exits_press(&v->screen, v->shown ? v->shown->exits : NULL, key) &&
		!draw(&v->screen, v->shown, v->over))
		v->screen.quit = true;
	return vh_now_ns() >= v->end_ns;
}

static int run_screen(
	struct vh_exits_source *s, const struct vh_exits_run *run, struct vh_exits_options *show)
{
	struct show v = {.s = s, .run = run, .screen = {.show = *show}};
	struct vh_error *err = NULL;

	v.end_ns = s->trace ? vh_now_ns() + run->interval_ns : 0;
	vh_terminal_open();
	if (!draw(&v.screen, NULL, false))
		v.screen.quit = true;
	while (!v.screen.quit && !err) {
		/* A file's last interval stays until somebody has seen it. */
		if (v.over && (!s->replay || !vh_terminal_has_keys()))
			break;
		if (v.over)
			v.end_ns = INT64_MAX;
		if (!pass_time(&v) || v.screen.quit)
			continue;
		err = next_interval(&v);
		if (!err && !draw(&v.screen, v.shown, v.over))
			v.screen.quit = true;
	}
	vh_terminal_close();
	/* What was last seen is left on the screen where the VM, not the user, ended it. */
	if (v.shown && v.over && !v.screen.quit) {
		*show = v.screen.show;
		show->height = 0;
		show->width = vh_cli_width();
		print(v.shown, run, show, true);
	}
	if (!err && s->trace && ended(s))
		say_ended(s, run);
	vh_exits_interval_free(v.shown);
	return err ? vh_cli_fail(err) : 0;
}

int vh_exits_run(
	struct vh_exits_source *s, const struct vh_exits_run *run, struct vh_exits_options *show)
{
	if (!run->json && vh_terminal_usable())
		return run_screen(s, run, show);
	return run_blocks(s, run, show);
}
