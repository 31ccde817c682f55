/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmhang explain: what a cause means, from the rule itself. */
#include "cli/command.h"
#include "report/report.h"

struct options {
	bool list;
	const char *id;
};

static const struct argp_option argp_options[] = {
	{"list", 'l', NULL, 0, "List all causes that vmhang knows", 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'l':
		o->list = true;
		return 0;
	case ARGP_KEY_ARG:
		if (o->id)
			argp_error(state, "one ID at a time");
		o->id = arg;
		return 0;
	case ARGP_KEY_END:
		if (!o->id && !o->list)
			argp_error(state, "which cause? `vmhang explain --list` lists them");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void list_causes(struct vh_buf *out)
{
	size_t width = 0;

	for (size_t i = 0; vh_rules[i]; i++)
		width = VH_MAX(width, strlen(vh_rules[i]->id));
	for (size_t i = 0; vh_rules[i]; i++)
		vh_buf_printf(out, "%-*s  %s\n", (int)width, vh_rules[i]->id, vh_rules[i]->title);
}

int vh_cmd_explain(int argc, char **argv)
{
	const struct argp argp = {.options = argp_options,
		.parser = parse,
		.args_doc = "ID\n--list",
		.doc = "Explains a cause: what it means, what shows it, and what to do."};
	struct options o = {0};
	vh_auto_buf struct vh_buf out = {0};

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	if (o.list)
		list_causes(&out);
	if (o.id) {
		const struct vh_rule *rule = vh_rule_find(o.id);

		if (!rule) {
			vh_cli_complain(
				"there is no cause \"%s\": `vmhang explain --list` lists them",
				o.id);
			return EX_USAGE;
		}
		vh_explain(rule, vh_cli_width(), &out);
	}
	vh_cli_print(&out);
	return 0;
}
