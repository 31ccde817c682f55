/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Character devices (QEMU chardev/char.c), and the monitors and serial ports on them. */
#include "discover/qemu_parse.h"

static void chardev_free(struct qemu_chardev *c)
{
	free(c->id);
	free(c->kind);
	free(c->path);
	free(c->logfile);
	free(c->address);
}

/* A socket in either syntax. Where QEMU is the client nobody can connect to it. */
static void set_socket(struct qemu_chardev *c, const char *path, bool abstract, const char *host,
	const char *port, const char *fd, bool server)
{
	vh_replace(&c->kind, path ? "unix" : fd && !host ? "fd" : "tcp");
	vh_replace(&c->path, path);
	free(c->address);
	if (!server)
		c->address = vh_strdup("client");
	else if (fd)
		c->address = vh_asprintf("fd:%s", fd);
	else if (path)
		c->address = vh_asprintf("unix:%s%s", abstract ? "@" : "", path);
	else
		c->address = vh_asprintf(
			"tcp:%s:%s", host && host[0] ? host : "localhost", port ? port : "");
}

/* The first of several keys that has a value. */
static const char *first_of(const struct qemu_option *o, const char *const *keys)
{
	for (; *keys; keys++)
		if (qemu_option_get(o, *keys))
			return qemu_option_get(o, *keys);
	return NULL;
}
#define FIRST(o, ...) first_of((o), (const char *const[]){__VA_ARGS__, NULL})

/* Both the keys of -chardev and those of its JSON form (QEMU qapi/char.json ChardevOptions). */
static void chardev_from_option(const struct qemu_option *o, struct qemu_chardev *c)
{
	const char *kind = FIRST(o, "backend", "backend.type");
	const char *path = FIRST(o, "path", "backend.data.out", "backend.data.device",
		"backend.data.addr.data.path");

	c->id = vh_strdup(qemu_option_get(o, "id"));
	c->logfile = vh_strdup(FIRST(o, "logfile", "backend.data.logfile"));
	kind = kind ? kind : "";
	if (vh_streq(kind, "socket")) {
		const char *server = FIRST(o, "server", "backend.data.server");

		/* In JSON it is a server unless it says otherwise, in the other syntax it is not.
		 */
		set_socket(c, path, qemu_option_bool(o, "abstract", false),
			FIRST(o, "host", "backend.data.addr.data.host"),
			FIRST(o, "port", "backend.data.addr.data.port"),
			FIRST(o, "fd", "backend.data.addr.data.str"),
			server ? !vh_streq(server, "off") && !vh_streq(server, "no")
			       : qemu_option_get(o, "backend.type") != NULL);
		return;
	}
	vh_replace(&c->kind, vh_streq(kind, "pipe") ? "fifo" : kind);
	vh_replace(&c->address, kind);
	vh_replace(&c->path, path);
}

/* "host:port,server=on,..." behind "tcp:"; a host may be "[::1]". */
static void chardev_from_tcp(struct vh_str rest, struct qemu_chardev *c)
{
	struct vh_str where = rest;
	const char *comma = memchr(rest.s, ',', rest.n);

	if (comma)
		where.n = comma - rest.s;
	rest.s += where.n;
	rest.n -= where.n;
	if (rest.n) {
		rest.s++;
		rest.n--;
	}
	auto_qemu_option struct qemu_option o;
	const char *colon = where.n ? memrchr(where.s, ':', where.n) : NULL;
	vh_auto_free char *host = vh_strndup(where.s, colon ? (size_t)(colon - where.s) : 0);
	vh_auto_free char *port = vh_strndup(colon ? colon + 1 : where.s,
		colon ? (size_t)(where.s + where.n - colon - 1) : where.n);

	qemu_option_parse(rest, NULL, &o);
	set_socket(c, NULL, false, host, port, NULL, qemu_option_bool(&o, "server", false));
	vh_replace(&c->logfile, qemu_option_get(&o, "logfile"));
}

static struct vh_str behind(struct vh_str s, size_t n)
{
	return (struct vh_str){s.s + n, s.n - n};
}

/* A device string: QEMU's qemu_chr_parse_compat. "mon:" and "chardev:" are the caller's. */
static void chardev_from_string(struct vh_str text, struct qemu_chardev *c)
{
	static const char *const verbatim[] = {"file:", "pipe:"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(verbatim); i++) {
		if (!vh_str_starts(text, verbatim[i]))
			continue;
		struct vh_str path = behind(text, strlen(verbatim[i]));

		c->path = vh_str_dup(path);
		c->kind = vh_strdup(i ? "fifo" : "file");
		c->address = vh_strdup(c->kind);
		return;
	}
	if (vh_str_starts(text, "unix:")) {
		auto_qemu_option struct qemu_option o;

		qemu_option_parse(behind(text, 5), "path", &o);
		set_socket(c, qemu_option_get(&o, "path"), qemu_option_bool(&o, "abstract", false),
			NULL, NULL, qemu_option_get(&o, "fd"),
			qemu_option_bool(&o, "server", false));
		c->logfile = vh_strdup(qemu_option_get(&o, "logfile"));
		return;
	}
	if (vh_str_starts(text, "tcp:") || vh_str_starts(text, "telnet:")) {
		chardev_from_tcp(behind(text, vh_str_find(text, ":") + 1), c);
		return;
	}
	if (vh_str_starts(text, "/dev/")) {
		c->path = vh_str_dup(text);
		c->kind = vh_strdup("serial");
		c->address = vh_strdup("serial");
		return;
	}
	struct vh_str kind = text;

	for (size_t i = 0; i < text.n; i++)
		if (text.s[i] == ':' || text.s[i] == ',') {
			kind.n = i;
			break;
		}
	c->kind = vh_str_dup(kind);
	c->address = vh_str_dup(kind);
}

void qemu_add_chardev(struct qemu_parse *q, struct vh_str arg)
{
	auto_qemu_option struct qemu_option o;

	qemu_option_parse(arg, "backend", &o);
	if (q->n_chardevs < QEMU_MAX_ITEMS)
		chardev_from_option(&o, &VH_PUSH(q->chardevs, q->n_chardevs));
}

static struct qemu_port *new_port(struct qemu_parse *q, bool monitor, const char *label)
{
	if (q->n_ports >= QEMU_MAX_ITEMS)
		return NULL;
	struct qemu_port *p = &VH_PUSH(q->ports, q->n_ports);

	p->monitor = monitor;
	p->kind = VH_MONITOR_HMP;
	p->label = vh_strdup(label);
	return p;
}

void qemu_add_mon(struct qemu_parse *q, struct vh_str arg)
{
	auto_qemu_option struct qemu_option o;

	qemu_option_parse(arg, "chardev", &o);
	struct qemu_port *p = new_port(q, true, NULL);

	if (!p)
		return;
	p->kind = qemu_option_is(&o, "mode", "control") ? VH_MONITOR_QMP : VH_MONITOR_HMP;
	p->chardev = vh_strdup(qemu_option_get(&o, "chardev"));
}

void qemu_add_port(struct qemu_parse *q, struct vh_str arg, bool monitor, enum vh_monitor_kind kind,
	const char *label)
{
	struct qemu_port *p = vh_str_is(arg, "none") ? NULL : new_port(q, monitor, label);

	if (!p)
		return;
	p->kind = kind;
	/* "mon:" shares a device with a monitor for people. */
	if (vh_str_starts(arg, "mon:"))
		arg = behind(arg, 4);
	if (vh_str_starts(arg, "chardev:"))
		p->chardev = vh_str_dup(behind(arg, 8));
	else
		chardev_from_string(arg, &p->own);
}

void qemu_add_serial_device(struct qemu_parse *q, const struct qemu_option *o)
{
	static const char *const drivers[] = {"isa-serial", "pci-serial", "pci-serial-2x",
		"pci-serial-4x", "isa-debugcon", "virtconsole", "virtserialport", "sclpconsole",
		"sclplmconsole", "spapr-vty", "usb-serial"};
	const char *driver = qemu_option_get(o, "driver");
	const char *chardev = qemu_option_get(o, "chardev");
	const char *name = qemu_option_get(o, "name"); /* of a virtserialport */
	bool serial = false;

	for (size_t i = 0; i < VH_ARRAY_SIZE(drivers); i++)
		serial |= vh_streq(driver, drivers[i]);
	/* Agents talk over these: no log of the guest. */
	if (!serial || !chardev || vh_prefix(name, "org.qemu.guest_agent") ||
		vh_prefix(name, "com.redhat.spice") || vh_prefix(name, "org.spice-space"))
		return;
	struct qemu_port *p =
		new_port(q, false, vh_streq(driver, "isa-debugcon") ? "debugcon" : chardev);

	if (p)
		p->chardev = vh_strdup(chardev);
}

static const struct qemu_chardev *find_chardev(const struct qemu_parse *q, const char *id)
{
	for (size_t i = 0; id && i < q->n_chardevs; i++)
		if (vh_streq(q->chardevs[i].id, id))
			return &q->chardevs[i];
	return NULL;
}

void qemu_join_ports(struct qemu_parse *q)
{
	struct vh_vm *vm = q->vm;

	for (size_t i = 0; i < q->n_ports; i++) {
		struct qemu_port *p = &q->ports[i];
		const struct qemu_chardev *c = p->chardev ? find_chardev(q, p->chardev) : &p->own;

		if (!c)
			continue;
		if (p->monitor) {
			struct vh_monitor_addr *m = &VH_PUSH(vm->monitors, vm->n_monitors);

			m->kind = p->kind;
			m->address = vh_strdup(c->address ? c->address : "");
			continue;
		}
		struct vh_serial *s = &VH_PUSH(vm->serials, vm->n_serials);
		bool writes = vh_streq(c->kind, "file") || vh_streq(c->kind, "fifo") ||
			      vh_streq(c->kind, "serial");

		s->kind = vh_strdup(c->kind ? c->kind : "");
		s->label = vh_strdup(p->label);
		s->path = vh_strdup(c->logfile ? c->logfile : writes ? c->path : NULL);
	}
}

void qemu_free_ports(struct qemu_parse *q)
{
	for (size_t i = 0; i < q->n_chardevs; i++)
		chardev_free(&q->chardevs[i]);
	for (size_t i = 0; i < q->n_ports; i++) {
		free(q->ports[i].label);
		free(q->ports[i].chardev);
		chardev_free(&q->ports[i].own);
	}
	free(q->chardevs);
	free(q->ports);
}
