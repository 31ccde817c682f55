/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a cause means, from the rule itself. */
#include "report/report.h"
#include "report/wrap.h"

void vh_explain(const struct vh_rule *rule, unsigned width, struct vh_buf *out)
{
	const struct {
		const char *heading, *text;
	} parts[] = {
		{"Meaning", rule->meaning},
		{"What shows it", rule->shown_by},
		{"What to do", rule->what_to_do},
	};

	vh_buf_printf(out, "%s: %s\n", rule->id, rule->title);
	vh_buf_printf(out, "(%s; state %s; %s)\n", vh_layer_name(rule->layer),
		vh_state_name(rule->state),
		rule->hung == VH_HUNG_YES  ? "hung"
		: rule->hung == VH_HUNG_NO ? "healthy"
					   : "whether that is a hang, it does not tell");
	for (size_t i = 0; i < VH_ARRAY_SIZE(parts); i++) {
		if (!parts[i].text)
			continue;
		vh_buf_printf(out, "\n%s\n", parts[i].heading);
		vh_wrap(out, vh_str(parts[i].text), width ? width : VH_DEFAULT_WIDTH, "  ", "  ");
	}
}
