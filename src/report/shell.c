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

/* The path of the monitor's socket as this machine sees it. */
static void put_socket(struct vh_buf *out, const struct vh_model *m)
{
	const char *address = m->monitor.address;

	for (size_t i = 0; !vh_prefix(address, "unix:") && i < m->vm->n_monitors; i++)
		if (m->vm->monitors[i].kind == VH_MONITOR_QMP)
			address = m->vm->monitors[i].address;
	if (!vh_prefix(address, "unix:")) {
		vh_buf_puts(out, "QMP-SOCKET");
		return;
	}
	address += strlen("unix:");
	vh_auto_free char *inside = vh_asprintf("/proc/%d/root%s", (int)m->vm->id.pid, address);

	vh_shell_quote(out, m->vm->in_container && address[0] == '/' ? inside : address);
}

static void put_pid(struct vh_buf *out, const struct vh_model *m)
{
	if (m->vm->id.pid > 0)
		vh_buf_printf(out, "%d", (int)m->vm->id.pid);
	else
		vh_buf_puts(out, "PID");
}

static void put_name(struct vh_buf *out, const struct vh_model *m)
{
	/* A pasted text may name neither; vmhang takes the pid, too. */
	if (m->vm->name && m->vm->name[0])
		vh_shell_quote(out, m->vm->name);
	else if (m->vm->id.pid > 0)
		put_pid(out, m);
	else
		vh_buf_puts(out, "VM");
}

static void put_log(struct vh_buf *out, const struct vh_model *m)
{
	vh_shell_quote(out, log_path(m));
}

static const struct {
	const char *word;
	void (*put)(struct vh_buf *out, const struct vh_model *m);
} words[] = {
	{"{pid}", put_pid},
	{"{name}", put_name},
	{"{log}", put_log},
	{"{socket}", put_socket},
};

char *vh_shell_command(const char *command, const struct vh_model *m)
{
	struct vh_buf out = {0};

	while (*command) {
		size_t i = 0;

		while (i < VH_ARRAY_SIZE(words) && !vh_prefix(command, words[i].word))
			i++;
		if (i < VH_ARRAY_SIZE(words)) {
			words[i].put(&out, m);
			command += strlen(words[i].word);
		} else {
			vh_buf_putc(&out, *command++);
		}
	}
	return vh_buf_steal(&out);
}
