/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmhang analyze: the same verdict, offline, from a case file, or from what somebody pasted. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "case/archive.h"
#include "cli/command.h"
#include "cli/report_out.h"
#include "paste/paste.h"

#define KEY_SAVE 's'
/* The most that is read of one file; of text only the first 16 MiB are looked at. */
#define MAX_FILE (256U << 20)

struct options {
	struct vh_output output;
	const char *save;
	char **files;
	int n;
};

static const struct argp_option argp_options[] = {
	VH_OUTPUT_OPTIONS,
	{"save", KEY_SAVE, "FILE", 0,
		"Write what was found in texts to a case file, for `vmhang analyze`", 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case KEY_SAVE:
		o->save = arg;
		return 0;
	case ARGP_KEY_ARGS:
		o->files = state->argv + state->next;
		o->n = state->argc - state->next;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which file? A case file (`vmhang diagnose VM --save FILE` "
				  "writes one), a text with outputs of commands, or - for standard "
				  "input");
		return 0;
	default:
		return vh_output_option(&o->output, key) ? 0 : ARGP_ERR_UNKNOWN;
	}
}

/* What is analysed in one run: reports so far, and the texts, which are evidence together. */
struct run {
	const struct options *o;
	struct vh_paste *texts; /* NULL: none so far */
	bool many;              /* several reports may come: each gets a heading */
	size_t reports;
	int status;
};

/* Of several reports: an error first, then hung, then could not tell, then healthy. */
static int worse(int a, int b)
{
	static const int rank[] = {[0] = 0, [2] = 1, [1] = 2};
	int rank_a = a > 2 ? a : rank[a], rank_b = b > 2 ? b : rank[b];

	return rank_a >= rank_b ? a : b;
}

static void print_heading(struct run *run, const char *name)
{
	if (!run->many || run->o->output.json)
		return;
	vh_auto_buf struct vh_buf heading = {0};

	vh_buf_puts(&heading, run->reports ? "\n==> " : "==> ");
	vh_escape(&heading, vh_str(name), false);
	vh_buf_puts(&heading, " <==\n");
	vh_cli_print(&heading);
}

/* Takes c. */
static void report(struct run *run, const char *name, struct vh_case *c)
{
	struct vh_report *r = vh_report_new(c);

	print_heading(run, name);
	run->status = worse(run->status, vh_output_report(&run->o->output, r));
	run->reports++;
	vh_report_free(r);
}

/* All of a file or of standard input, up to MAX_FILE. */
static struct vh_error *read_all(const char *path, struct vh_buf *out)
{
	vh_auto_close int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO)
						      : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char *chunk = vh_alloc(1 << 16);
	ssize_t n = fd < 0 ? -1 : 0;

	while (fd >= 0 && out->len < MAX_FILE) {
		n = read(fd, chunk, 1 << 16);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		vh_buf_add(out, chunk, (size_t)n);
	}
	int err = errno;

	free(chunk);
	return n < 0 ? vh_error_new(err, "%s %s", fd < 0 ? "opening" : "reading", path) : NULL;
}

static void analyze(struct run *run, const char *path)
{
	vh_auto_buf struct vh_buf bytes = {0};
	const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
	struct vh_case *c = NULL;
	struct vh_error *err = read_all(path, &bytes);

	if (!err)
		err = vh_case_load_memory(name, vh_buf_str(&bytes), bytes.len, &c);
	/* No case file at all, so it is a text. One that is damaged, or newer, is no text. */
	if (err && err->code == EMEDIUMTYPE && bytes.len) {
		vh_error_free(err);
		if (!run->texts)
			run->texts = vh_paste_new();
		vh_paste_add(run->texts, name, (struct vh_str){bytes.data, bytes.len});
	} else if (err) {
		print_heading(run, name);
		run->status = worse(run->status, vh_cli_fail(err));
		run->reports++;
	} else {
		report(run, name, c);
	}
}

static void save(struct run *run, struct vh_case *const *cases, size_t n)
{
	struct vh_error *err = NULL;

	if (!run->o->save)
		return;
	if (n == 1)
		err = vh_case_save(cases[0], run->o->save);
	else if (n)
		err = vh_error_new(0,
			"the texts are about %zu VMs: a case file holds one; give the texts of one "
			"VM alone",
			n);
	else
		err = vh_error_new(
			0, "there is no text to save a case of: a case file is saved already");
	if (err)
		run->status = worse(run->status, vh_cli_fail(err));
}

static void finish_texts(struct run *run)
{
	struct vh_case **cases = NULL;
	size_t n = 0;

	if (run->texts)
		cases = vh_paste_finish(run->texts, &n);
	save(run, cases, n);
	if (run->texts && !n) {
		vh_cli_complain(
			"not a case file, and nothing in it is an output that vmhang knows (ps, "
			"top, perf kvm stat, info registers, QMP, virsh, /proc, logs; `man vmhang` "
			"lists them)");
		run->status = worse(run->status, EX_DATAERR);
	}
	run->many = run->reports || n > 1;
	for (size_t i = 0; i < n; i++) {
		vh_auto_free char *name = vh_strdup(cases[i]->vm->name);

		report(run, name && *name ? name : "pasted text", cases[i]);
	}
	free(cases);
}

int vh_cmd_analyze(int argc, char **argv)
{
	const struct argp argp = {.options = argp_options,
		.parser = parse,
		.args_doc = "FILE...",
		.doc = "Gives the verdict on the VM of a case file, as diagnose gave it, or on "
		       "what "
		       "somebody pasted into a mail, a ticket or a chat.\v"
		       "FILE is a case file that `vmhang diagnose VM --save FILE` wrote, or a text "
		       "with outputs of commands in any mix and order; - is standard input. Texts "
		       "are taken together: several of one VM are one case. Nothing in a text is "
		       "run. Of several case files and VMs each has its report, and the exit "
		       "status is the worst. With --json each report is a JSON text of its "
		       "own.\n\n"
		       "Exit status: 0 healthy, 1 hung, 2 could not tell, 64 and up for errors."};
	struct options o = {0};

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	struct run run = {.o = &o, .many = o.n > 1};

	for (int i = 0; i < o.n; i++)
		analyze(&run, o.files[i]);
	finish_texts(&run);
	return run.status;
}
