/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How diagnose and analyze print a report. */
#pragma once

#include "report/report.h"

struct vh_output {
	bool json, verbose;
};
/* The rows for both options in a command's table, with their keys. */
#define VH_OUTPUT_OPTIONS                                                                          \
	{"json", 'j', NULL, 0, "Print the report as JSON (docs/report.schema.json)", 0},           \
	{                                                                                          \
		"verbose", 'v', NULL, 0,                                                           \
			"Add the tables: threads, registers, counters, drives, cgroup, logs, "     \
			"evidence",                                                                \
			0                                                                          \
	}
/* Takes one of them; false for any other key. */
bool vh_output_option(struct vh_output *o, int key);
/* Prints the report and returns the exit status that it means. */
int vh_output_report(const struct vh_output *o, const struct vh_report *r);
