/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The commands of vmhang: a row each in commands.c, a file each beside it. A command parses its own
 * options with argp (argv[0] is "vmhang NAME" already), prints its answer to stdout and returns the
 * exit status. Errors go through vh_cli_fail() or vh_cli_complain(): nothing else writes to stderr.
 */
#pragma once

#include <argp.h>
#include <sysexits.h>

#include "base/json.h"
#include "case/vm.h"

struct vh_command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help; /* one line, for `vmhang --help` */
};
/* In the order of `vmhang --help`; ends with a row without a name. */
extern const struct vh_command vh_commands[];
const struct vh_command *vh_command_find(const char *name);

int vh_cmd_analyze(int argc, char **argv);
int vh_cmd_check(int argc, char **argv);
int vh_cmd_diagnose(int argc, char **argv);
int vh_cmd_exits(int argc, char **argv);
int vh_cmd_explain(int argc, char **argv);
int vh_cmd_inside(int argc, char **argv);
int vh_cmd_list(int argc, char **argv);

/* Prints "vmhang: MESSAGE" to stderr, escaped, frees err and returns the exit status it means. */
int vh_cli_fail(struct vh_error *err);
/* Prints "vmhang: ..." to stderr, escaped. */
void vh_cli_complain(const char *fmt, ...) VH_PRINTF(1, 2);
/* The sysexits status that an errno value means; 0, "what was read makes no sense", is
 * EX_DATAERR. */
int vh_cli_status_of_errno(int code);

/* The VM by any of its names, or, for a process that no list has, by its pid. */
struct vh_error *vh_cli_find_vm(
	struct vh_host *host, const char *what, bool no_libvirt, struct vh_vm **vm);

/* Columns of the terminal on stdout, between 60 and 120; 100 where it is none. */
unsigned vh_cli_width(void);
/* Whether stdout is a terminal that wants colour (https://no-color.org). */
bool vh_cli_colour(void);
/* Writes to stdout; main() reports what could not be written. */
void vh_cli_print(const struct vh_buf *text);
void vh_cli_print_json(struct json_object *o);
/* Flushes stdout; the errno value of what failed first, 0 for all was written. */
int vh_cli_finish_output(void);

/* "500ms", "2s", "1m", "0.5s", "90" (seconds): at least 0, at most a day. */
bool vh_duration_parse(struct vh_str s, int64_t *ns);
/* The same for an option of argp, whose usage error ends the program. */
int64_t vh_cli_duration(const char *arg, const char *option, struct argp_state *state);
