/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/command.h"

const struct vh_command vh_commands[] = {
	{"list", vh_cmd_list, "every virtual machine of this host, with a quick state"},
	{"diagnose", vh_cmd_diagnose, "what state a VM is in, why it hangs, and what to do"},
	{"inside", vh_cmd_inside,
		"a Linux guest's kernel log, backtraces and tasks, by its memory"},
	{"exits", vh_cmd_exits, "what makes a VM's vCPUs leave the guest, live"},
	{"analyze", vh_cmd_analyze, "the verdict offline, from a case file or pasted text"},
	{"explain", vh_cmd_explain, "what a cause means, what shows it, and what to do"},
	{"check", vh_cmd_check, "what this host lets vmhang see, and how to see more"},
	{0},
};

const struct vh_command *vh_command_find(const char *name)
{
	for (const struct vh_command *c = vh_commands; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}
