/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmhang: why does this virtual machine hang? Finds the command and runs it. */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>

#include "cli/command.h"

/* argp looks for it by this name. */
__attribute__((visibility("default"))) const char *argp_program_version = "vmhang " VH_VERSION;

static const char doc[] =
	"Says what state a virtual machine is in, why it hangs, on which evidence, and what to do."
	"\v"; /* what follows is made from the table of commands */

static char *help(int key, const char *text, void *input)
{
	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	struct vh_buf out = {0};

	vh_buf_puts(&out, "Commands:\n");
	for (const struct vh_command *c = vh_commands; c->name; c++)
		vh_buf_printf(&out, "  %-10s %s\n", c->name, c->help);
	vh_buf_puts(&out, "\n`vmhang` alone is `vmhang list`. `vmhang COMMAND --help` tells more.");
	return vh_buf_steal(&out);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	int *command = state->input;

	(void)arg;
	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	/* What follows the command's name is the command's. */
	*command = state->next - 1;
	state->next = state->argc;
	return 0;
}

static int unknown_command(const char *name)
{
	vh_cli_complain(
		"there is no command \"%s\": `vmhang --help` lists them, `vmhang diagnose %s`"
		" looks at a VM of that name",
		name, name);
	return EX_USAGE;
}

/* Everything was written, or says why not; at exit, for argp ends the program itself after --help.
 * A reader that went away (`| head`) had enough. */
static void close_stdout(void)
{
	int err = vh_cli_finish_output();

	if (!err || err == EPIPE)
		return;
	vh_cli_complain("writing to standard output: %s", strerror(err));
	_exit(EX_IOERR);
}

static void interrupted(int number)
{
	_exit(128 + number);
}

int main(int argc, char **argv)
{
	const struct argp argp = {.parser = parse,
		.args_doc = "COMMAND [ARGUMENT...]",
		.doc = doc,
		.help_filter = help};
	char own_name[] = "vmhang";
	int at = 0;

	setlocale(LC_CTYPE, "");
	argp_err_exit_status = EX_USAGE;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, interrupted);
	atexit(close_stdout);
	if (!argc)
		return EX_USAGE;
	argv[0] = own_name;
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &at);
	const char *name = at ? argv[at] : "list";
	const struct vh_command *command = vh_command_find(name);

	if (!command)
		return unknown_command(name);
	vh_auto_free char *called = vh_asprintf("vmhang %s", name);
	char *alone[] = {called, NULL};

	if (!at)
		return command->run(1, alone);
	argv[at] = called;
	return command->run(argc - at, argv + at);
}
