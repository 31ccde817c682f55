/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The VM's pipes, sockets and terminals: which of them are its consoles and monitors, and which are
 * full because nobody reads. A channel is known by the path, the terminal or the peer that the VM's
 * arguments, or the monitor's list of character devices, name.
 */
#include "decode/decoder.h"

#define MAX_CHANNELS 256

struct row { /* a line of proc.channels */
	int64_t fd, pid;
	struct vh_str room, kind, state, name, address;
};

static bool next_row(struct vh_str *rest, struct row *r)
{
	struct vh_str line, fd, pid;

	while (vh_next_line(rest, &line))
		if (vh_next_part(&line, '\t', &fd) && vh_next_part(&line, '\t', &r->room) &&
			vh_next_part(&line, '\t', &r->kind) && vh_next_part(&line, '\t', &pid) &&
			vh_next_part(&line, '\t', &r->state) &&
			vh_next_part(&line, '\t', &r->name) &&
			vh_next_part(&line, '\t', &r->address) && vh_parse_i64(fd, 10, &r->fd) &&
			vh_parse_i64(pid, 10, &r->pid))
			return true;
	return false;
}

static bool same(struct vh_str a, struct vh_str b)
{
	return a.n == b.n && memcmp(a.s, b.s, a.n) == 0;
}

/* The same channel at the other look. */
static bool find_row(struct vh_str text, const struct row *wanted, struct row *r)
{
	while (next_row(&text, r))
		if (r->fd == wanted->fd && r->pid == wanted->pid && same(r->kind, wanted->kind) &&
			same(r->address, wanted->address))
			return true;
	return false;
}

/* The text has it as a word of its own: "/run/a" is in "unix:/run/a,server=on", not in "/run/ab". A
 * pipe's is opened as PATH.in and PATH.out, too. */
static bool has_address(struct vh_str text, const struct vh_channel *ch)
{
	size_t n = strlen(ch->address);
	ssize_t at;

	if (vh_streq(ch->kind, "pipe")) {
		if (n > 4 && strcmp(ch->address + n - 4, ".out") == 0)
			n -= 4;
		else if (n > 3 && strcmp(ch->address + n - 3, ".in") == 0)
			n -= 3;
	}
	vh_auto_free char *address = vh_strndup(ch->address, n);

	while (n > 1 && (at = vh_str_find(text, address)) >= 0) {
		size_t end = (size_t)at + n;

		if ((!at || strchr(":=\" ", text.s[at - 1])) &&
			(end == text.n || strchr(",\" ", text.s[end])))
			return true;
		text.s += end;
		text.n -= end;
	}
	return false;
}

/* What the monitor calls it. */
static char *told_label(const struct vh_model *m, const struct vh_channel *ch)
{
	for (size_t i = 0; i < m->n_chardevs; i++)
		if (has_address(vh_str(m->chardevs[i].filename), ch))
			return vh_strdup(m->chardevs[i].label);
	return NULL;
}

/* "socket,id=LABEL,..." */
static char *given_label(struct vh_str argument)
{
	struct vh_str part;

	while (vh_next_part(&argument, ',', &part))
		if (vh_str_starts(part, "id="))
			return vh_str_dup((struct vh_str){part.s + 3, part.n - 3});
	return NULL;
}

static enum vh_channel_use use_of_option(struct vh_str option)
{
	static const struct {
		const char *option;
		enum vh_channel_use use;
	} rows[] = {{"-serial", VH_USE_UART}, {"--serial", VH_USE_UART}, {"-qmp", VH_USE_MONITOR},
		{"-qmp-pretty", VH_USE_MONITOR}, {"-monitor", VH_USE_MONITOR},
		{"-mon", VH_USE_MONITOR}};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++)
		if (vh_str_is(option, rows[i].option))
			return rows[i].use;
	return VH_USE_OTHER;
}

static enum vh_channel_use use_of_device(struct vh_str device)
{
	static const struct {
		const char *driver;
		enum vh_channel_use use;
	} rows[] = {{"isa-serial", VH_USE_UART}, {"pci-serial", VH_USE_UART},
		{"virtconsole", VH_USE_VIRTIO_CONSOLE}, {"virtserialport", VH_USE_VIRTIO_PORT}};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++)
		if (vh_str_find(device, rows[i].driver) >= 0)
			return rows[i].use;
	return VH_USE_OTHER;
}

/* What uses the character device of that label. */
static enum vh_channel_use use_of_label(struct vh_str cmdline, const char *label)
{
	vh_auto_free char *named = vh_asprintf("chardev:%s", label);
	struct vh_str option = {0}, argument;

	/* As QEMU names those of "-serial" and "-monitor" itself. */
	if (vh_prefix(label, "serial"))
		return VH_USE_UART;
	if (vh_prefix(label, "compat_monitor"))
		return VH_USE_MONITOR;
	for (; vh_next_argument(&cmdline, &argument); option = argument) {
		if (vh_str_is(argument, named))
			return use_of_option(option);
		if (!vh_argument_has(argument, "chardev", label))
			continue;
		return vh_str_is(option, "-mon") ? VH_USE_MONITOR : use_of_device(argument);
	}
	return VH_USE_OTHER;
}

static void find_use(struct vh_str cmdline, const struct vh_model *m, struct vh_channel *ch)
{
	struct vh_str rest = cmdline, option = {0}, argument;

	ch->label = told_label(m, ch);
	for (; !ch->label && vh_next_argument(&rest, &argument); option = argument) {
		if (!has_address(argument, ch))
			continue;
		ch->use = use_of_option(option);
		ch->label = given_label(argument);
		if (ch->use != VH_USE_OTHER)
			return;
	}
	if (ch->label)
		ch->use = use_of_label(cmdline, ch->label);
}

/* A terminal's number is nowhere in the arguments: it is known where there is but one. */
static void find_terminal(struct vh_str cmdline, const struct vh_model *m, struct vh_channel *ch)
{
	const struct vh_serial *only = NULL;
	size_t n = 0;

	for (size_t i = 0; i < m->vm->n_serials; i++)
		if (vh_streq(m->vm->serials[i].kind, "pty")) {
			only = &m->vm->serials[i];
			n++;
		}
	if (ch->label || n != 1 || !only->label || !vh_streq(ch->kind, "pty"))
		return;
	ch->label = vh_escaped(only->label);
	ch->use = use_of_label(cmdline, only->label);
}

void vh_decode_channels(struct vh_decoder *d)
{
	struct vh_model *m = d->m;
	struct vh_str cmdline = vh_seek_text(&d->in, "proc.cmdline", "", VH_N_ROUND);
	struct vh_str first = vh_seek_text(&d->in, "proc.channels", "", VH_FIRST);
	struct vh_str last = vh_seek_text(&d->in, "proc.channels", "", VH_LAST);
	struct row now, before;

	while (m->n_channels < MAX_CHANNELS && next_row(&last, &now)) {
		bool stays = find_row(first, &now, &before);
		struct vh_channel *ch = &VH_PUSH(m->channels, m->n_channels);

		ch->fd = now.fd;
		ch->kind = vh_str_dup(now.kind);
		ch->address = vh_str_dup(now.address);
		ch->is_full =
			stays && vh_str_is(now.room, "full") && vh_str_is(before.room, "full");
		ch->peer = (pid_t)now.pid;
		if (!vh_str_is(now.name, "-"))
			ch->peer_name = vh_str_dup(now.name);
		ch->peer_is_stopped = stays &&
				      (vh_str_is(now.state, "T") || vh_str_is(now.state, "t")) &&
				      same(now.state, before.state);
		find_use(cmdline, m, ch);
		find_terminal(cmdline, m, ch);
	}
}

void vh_channels_free(struct vh_model *m)
{
	for (size_t i = 0; i < m->n_channels; i++) {
		free(m->channels[i].kind);
		free(m->channels[i].address);
		free(m->channels[i].label);
		free(m->channels[i].peer_name);
	}
	free(m->channels);
}
