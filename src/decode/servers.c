/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who serves the VM over sockets: the processes behind them, and which character devices belong to
 * vhost-user devices. */
#include "decode/decoder.h"

#define MAX_SERVERS 64

static bool is_stopped(const struct vh_procstat *stat)
{
	return stat->state == 'T' || stat->state == 't';
}

static void take_server(struct vh_decoder *d, const char *path)
{
	struct vh_procstat first = {0}, last = {0};

	if (!vh_procstat_parse(vh_seek_text(&d->in, "host.server", path, VH_ONCE), &first) ||
		!vh_procstat_parse(vh_seek_text(&d->in, "host.server", path, VH_LAST), &last) ||
		first.start_ticks != last.start_ticks)
		return;
	VH_PUSH(d->m->servers, d->m->n_servers) = (struct vh_server_view){.path = vh_strdup(path),
		.name = vh_strdup(last.name),
		.pid = last.id,
		.is_stopped = is_stopped(&first) && is_stopped(&last)};
}

/* The first word of an argument, "vhost-user-blk-pci,id=...", or of JSON: libvirt writes
 * {"driver":"vhost-user-fs-pci","chardev":"chr-vu-fs0"}. */
static char *device_name(struct vh_str argument)
{
	ssize_t at = vh_str_find(argument, "vhost-user");
	size_t n = 0;

	if (at < 0)
		return NULL;
	argument.s += at;
	argument.n -= (size_t)at;
	while (n < argument.n && !strchr(",\"' \n", argument.s[n]))
		n++;
	return vh_str_dup((struct vh_str){argument.s, n});
}

bool vh_argument_has(struct vh_str argument, const char *key, const char *value)
{
	vh_auto_free char *plain = vh_asprintf("%s=%s", key, value);
	vh_auto_free char *json = vh_asprintf("\"%s\":\"%s\"", key, value);
	ssize_t at = vh_str_find(argument, plain);
	size_t end = at < 0 ? 0 : (size_t)at + strlen(plain);

	if (at > 0 && argument.s[at - 1] == ',' && (end == argument.n || argument.s[end] == ','))
		return true;
	return vh_str_find(argument, json) >= 0;
}

bool vh_next_argument(struct vh_str *rest, struct vh_str *argument)
{
	size_t n = strnlen(rest->s, rest->n);

	if (!rest->n)
		return false;
	*argument = (struct vh_str){rest->s, n};
	rest->s += VH_MIN(n + 1, rest->n);
	rest->n -= VH_MIN(n + 1, rest->n);
	return true;
}

/* The vhost-user device that is served through a character device; NULL without one. */
static char *device_behind(struct vh_str cmdline, const char *label)
{
	struct vh_str argument;

	while (vh_next_argument(&cmdline, &argument))
		if (vh_str_find(argument, "vhost-user") >= 0 &&
			vh_argument_has(argument, "chardev", label))
			return device_name(argument);
	return NULL;
}

/* "socket,id=LABEL,path=PATH": QEMU 7.2 does not show the path of one that is connected. */
static bool serves_vhost_user(struct vh_str cmdline, const char *path)
{
	struct vh_str all = cmdline, argument, part;

	while (vh_next_argument(&cmdline, &argument)) {
		if (!vh_argument_has(argument, "path", path))
			continue;
		while (vh_next_part(&argument, ',', &part)) {
			if (!vh_str_starts(part, "id="))
				continue;
			vh_auto_free char *label =
				vh_str_dup((struct vh_str){part.s + 3, part.n - 3});
			vh_auto_free char *device = device_behind(all, label);

			if (device)
				return true;
		}
	}
	return false;
}

void vh_decode_servers(struct vh_decoder *d)
{
	struct vh_model *m = d->m;
	struct vh_str cmdline = vh_seek_text(&d->in, "proc.cmdline", "", VH_N_ROUND);
	size_t begin, end;

	vh_lookup_source(&d->in, "host.server", &begin, &end);
	for (size_t i = begin; i < end && m->n_servers < MAX_SERVERS; i++)
		if (i == begin || !vh_streq(d->in.list[i].e->subject, d->in.list[i - 1].e->subject))
			take_server(d, d->in.list[i].e->subject);
	for (size_t i = 0; i < m->n_servers; i++)
		m->servers[i].of_vhost_user = serves_vhost_user(cmdline, m->servers[i].path);
	for (size_t i = 0; i < m->n_chardevs; i++)
		m->chardevs[i].vhost_user = device_behind(cmdline, m->chardevs[i].label);
}
