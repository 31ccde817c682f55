/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/report_out.h"

#include "cli/command.h"

bool vh_output_option(struct vh_output *o, int key)
{
	o->json |= key == 'j';
	o->verbose |= key == 'v';
	return key == 'j' || key == 'v';
}

int vh_output_report(const struct vh_output *o, const struct vh_report *r)
{
	if (o->json) {
		vh_auto_json struct json_object *json = vh_report_json(r);

		vh_cli_print_json(json);
	} else {
		const struct vh_text_options options = {
			.verbose = o->verbose, .colour = vh_cli_colour(), .width = vh_cli_width()};
		vh_auto_buf struct vh_buf text = {0};

		vh_report_text(r, &options, &text);
		vh_cli_print(&text);
	}
	return vh_report_exit_status(r);
}
