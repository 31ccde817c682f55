/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report/shell.h"

#include <ctype.h>

static bool is_plain(char ch)
{
	return isalnum((unsigned char)ch) || (ch && strchr("_@%+=:,./-", ch));
}

void vh_shell_quote(struct vh_buf *out, const char *s)
{
	vh_auto_free char *shown = vh_escaped(s);
	bool plain = s[0], printable = strcmp(shown, s) == 0;

	for (const char *p = s; *p; p++)
		plain = plain && is_plain(*p);
	if (plain) {
		vh_buf_puts(out, s);
		return;
	}
	vh_buf_puts(out, printable ? "'" : "$'");
	for (const char *p = s; *p; p++) {
		if (*p == '\'')
			vh_buf_puts(out, printable ? "'\\''" : "\\'");
		else if (!printable && (*p == '\\' || !isprint((unsigned char)*p)))
			vh_buf_printf(out, "\\x%02x", (unsigned char)*p);
		else
			vh_buf_putc(out, *p);
	}
	vh_buf_putc(out, '\'');
}

static const char *log_path(const struct vh_model *m)
{
	for (size_t i = 0; i < m->n_logs; i++)
		if (m->logs[i].kind == VH_LOG_QEMU && m->logs[i].path)
			return m->logs[i].path;
	return m->vm->log_path ? m->vm->log_path : "QEMU-LOG";
}

char *vh_shell_command(const char *command, const struct vh_model *m)
{
	struct vh_buf out = {0};

	while (*command) {
		if (vh_prefix(command, "{pid}")) {
			vh_buf_printf(&out, "%d", (int)m->vm->id.pid);
			command += strlen("{pid}");
		} else if (vh_prefix(command, "{name}")) {
			vh_shell_quote(&out, m->vm->name ? m->vm->name : "");
			command += strlen("{name}");
		} else if (vh_prefix(command, "{log}")) {
			vh_shell_quote(&out, log_path(m));
			command += strlen("{log}");
		} else {
			vh_buf_putc(&out, *command++);
		}
	}
	return vh_buf_steal(&out);
}
