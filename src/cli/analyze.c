/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmhang analyze: the same verdict, offline, from a case file. */
#include <errno.h>
#include <stdio.h>

#include "case/archive.h"
#include "cli/command.h"
#include "cli/report_out.h"

struct options {
	struct vh_output output;
	char **files;
	int n;
};

static const struct argp_option argp_options[] = {
	VH_OUTPUT_OPTIONS,
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_ARGS:
		o->files = state->argv + state->next;
		o->n = state->argc - state->next;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which case file? `vmhang diagnose VM --save FILE` writes one");
		return 0;
	default:
		return vh_output_option(&o->output, key) ? 0 : ARGP_ERR_UNKNOWN;
	}
}

static int fail(struct vh_error *err)
{
	/* The likely mistake: what design and issue promise for later. */
	if (err->code != EMEDIUMTYPE)
		return vh_cli_fail(err);
	vh_cli_complain(
		"%s. analyze reads the case files that `vmhang diagnose VM --save FILE` writes; "
		"it does not read pasted command output (ps, top, info registers, logs) yet",
		err->message);
	vh_error_free(err);
	return EX_DATAERR;
}

static int analyze(const struct options *o, const char *file)
{
	struct vh_case *c = NULL;
	struct vh_error *err = vh_case_load(file, &c);

	if (err)
		return fail(err);
	struct vh_report *r = vh_report_new(c);
	int status = vh_output_report(&o->output, r);

	vh_report_free(r);
	return status;
}

/* Of several files: an error first, then hung, then could not tell, then healthy. */
static int worse(int a, int b)
{
	static const int rank[] = {[0] = 0, [2] = 1, [1] = 2};
	int rank_a = a > 2 ? a : rank[a], rank_b = b > 2 ? b : rank[b];

	return rank_a >= rank_b ? a : b;
}

int vh_cmd_analyze(int argc, char **argv)
{
	const struct argp argp = {.options = argp_options,
		.parser = parse,
		.args_doc = "FILE...",
		.doc = "Gives the verdict on the VM of a case file, as diagnose gave it.\v"
		       "FILE is a case file that `vmhang diagnose VM --save FILE` wrote; - is "
		       "standard "
		       "input. Of several files each has its report, and the exit status is the "
		       "worst. With --json each report is a JSON text of its own.\n\n"
		       "Exit status: 0 healthy, 1 hung, 2 could not tell, 64 and up for errors."};
	struct options o = {0};
	int status = 0;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	for (int i = 0; i < o.n; i++) {
		if (o.n > 1 && !o.output.json) {
			vh_auto_buf struct vh_buf heading = {0};

			vh_buf_puts(&heading, i ? "\n==> " : "==> ");
			vh_escape(&heading, vh_str(o.files[i]), false);
			vh_buf_puts(&heading, " <==\n");
			vh_cli_print(&heading);
		}
		status = worse(status, analyze(&o, o.files[i]));
	}
	return status;
}
