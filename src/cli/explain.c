/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmhang explain: what a cause means, from the rule itself. */
#include "cli/command.h"
#include "infer/verdict.h"
#include "report/wrap.h"

struct options {
	bool list;
	const char *id;
};

static const struct argp_option argp_options[] = {
	{"list", 'l', NULL, 0, "list all causes that vmhang knows", 0},
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

static void explain(const struct vh_rule *rule, struct vh_buf *out)
{
	const struct {
		const char *heading, *text;
	} parts[] = {
		{"Meaning", rule->meaning},
		{"What shows it", rule->shown_by},
		{"What to do", rule->what_to_do},
	};
	unsigned width = vh_cli_width();

	vh_buf_printf(out, "%s: %s\n", rule->id, rule->title);
	vh_buf_printf(out, "(%s; the VM is %s: %s)\n", vh_layer_name(rule->layer),
		vh_state_name(rule->state),
		rule->hung == VH_HUNG_YES  ? "hung"
		: rule->hung == VH_HUNG_NO ? "healthy"
					   : "hung or not, this alone does not tell");
	for (size_t i = 0; i < VH_ARRAY_SIZE(parts); i++) {
		if (!parts[i].text)
			continue;
		vh_buf_printf(out, "\n%s\n", parts[i].heading);
		vh_wrap(out, vh_str(parts[i].text), width, "  ", "  ");
	}
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
		explain(rule, &out);
	}
	vh_cli_print(&out);
	return 0;
}
