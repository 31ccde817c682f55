/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/command.h"

const struct vh_command vh_commands[] = {
	{"list", vh_cmd_list, "every virtual machine of this host, with a quick state"},
	{0},
};

const struct vh_command *vh_command_find(const char *name)
{
	for (const struct vh_command *c = vh_commands; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}
