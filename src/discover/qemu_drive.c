/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Drives: -drive, -blockdev (a node each, or nested), and what -device says of them. */
#include "discover/qemu_parse.h"

/* The file behind a node: "filename" of it or of its nested protocol layers, or what comes nearest
 * (QEMU qapi/block-core.json BlockdevOptions). */
static char *file_of(const struct qemu_option *o)
{
	const char *file = NULL, *host, *image;

	for (size_t i = 0; !file && i < o->n; i++) {
		const char *key = o->pairs[i].key;

		while (vh_prefix(key, "file."))
			key += 5;
		if (vh_streq(key, "filename") || vh_streq(key, "url"))
			file = o->pairs[i].value;
	}
	if (file)
		return vh_strdup(file);
	for (int nested = 0; nested <= 1; nested++) {
		const char *(*get)(const struct qemu_option *, const char *) = qemu_option_get;

		if ((file = get(o, nested ? "file.server.path" : "server.path")))
			return vh_asprintf("nbd+unix:%s", file);
		host = get(o, nested ? "file.server.host" : "server.host");
		if (host) {
			const char *port = get(o, nested ? "file.server.port" : "server.port");
			const char *name = get(o, nested ? "file.export" : "export");

			return vh_asprintf(
				"nbd:%s:%s/%s", host, port ? port : "", name ? name : "");
		}
		image = get(o, nested ? "file.image" : "image");
		if (image) {
			const char *pool = get(o, nested ? "file.pool" : "pool");

			return vh_asprintf("rbd:%s/%s", pool ? pool : "", image);
		}
	}
	return NULL;
}

static struct qemu_node *new_node(struct qemu_parse *q)
{
	return q->n_nodes < QEMU_MAX_ITEMS ? &VH_PUSH(q->nodes, q->n_nodes) : NULL;
}

void qemu_add_drive(struct qemu_parse *q, struct vh_str arg)
{
	auto_qemu_option struct qemu_option o;
	struct qemu_node *n = new_node(q);

	if (!n)
		return;
	qemu_option_parse(arg, "file", &o);
	const char *id = qemu_option_get(&o, "id"), *node = qemu_option_get(&o, "node-name");
	const char *format = qemu_option_get(&o, "format"), *file = qemu_option_get(&o, "file");

	n->id = vh_strdup(id ? id : node);
	n->driver = vh_strdup(format ? format : qemu_option_get(&o, "driver"));
	n->werror = vh_strdup(qemu_option_get(&o, "werror"));
	n->file = file ? vh_strdup(file) : file_of(&o);
}

void qemu_add_blockdev(struct qemu_parse *q, struct vh_str arg)
{
	auto_qemu_option struct qemu_option o;
	struct qemu_node *n = new_node(q);

	if (!n)
		return;
	qemu_option_parse(arg, "driver", &o);
	n->id = vh_strdup(qemu_option_get(&o, "node-name"));
	n->driver = vh_strdup(qemu_option_get(&o, "driver"));
	n->child = vh_strdup(qemu_option_get(&o, "file"));
	n->backing = vh_strdup(qemu_option_get(&o, "backing"));
	n->file = file_of(&o);
}

void qemu_add_image(struct qemu_parse *q, struct vh_str file, const char *id)
{
	struct qemu_node *n = new_node(q);

	if (!n)
		return;
	n->id = vh_strdup(id);
	n->file = vh_str_dup(file);
}

void qemu_add_disk_device(struct qemu_parse *q, const struct qemu_option *o)
{
	const char *drive = qemu_option_get(o, "drive"), *werror = qemu_option_get(o, "werror");

	if (!drive || !werror || q->n_disks >= QEMU_MAX_ITEMS)
		return;
	struct qemu_disk *d = &VH_PUSH(q->disks, q->n_disks);

	d->drive = vh_strdup(drive);
	d->werror = vh_strdup(werror);
}

static struct qemu_node *find_node(const struct qemu_parse *q, const char *id)
{
	for (size_t i = 0; id && i < q->n_nodes; i++)
		if (vh_streq(q->nodes[i].id, id))
			return &q->nodes[i];
	return NULL;
}

/* The file that a node ends in; a chain that is longer than any real one, or a loop, ends in
 * nothing. */
static const char *file_under(const struct qemu_parse *q, const struct qemu_node *n)
{
	for (int depth = 0; n && depth < 16; depth++) {
		if (n->file)
			return n->file;
		n = find_node(q, n->child);
	}
	return NULL;
}

void qemu_join_drives(struct qemu_parse *q)
{
	for (size_t i = 0; i < q->n_nodes; i++) {
		struct qemu_node *child = find_node(q, q->nodes[i].child);
		struct qemu_node *backing = find_node(q, q->nodes[i].backing);

		if (child)
			child->is_child = true;
		if (backing)
			backing->is_child = true;
	}
	for (size_t i = 0; i < q->n_disks; i++) {
		struct qemu_node *n = find_node(q, q->disks[i].drive);

		if (n)
			vh_replace(&n->werror, q->disks[i].werror);
	}
	for (size_t i = 0; i < q->n_nodes; i++) {
		struct qemu_node *n = &q->nodes[i];

		if (n->is_child)
			continue;
		struct vh_drive *d = &VH_PUSH(q->vm->drives, q->vm->n_drives);

		d->id = vh_strdup(n->id);
		d->file = vh_strdup(file_under(q, n));
		d->format = vh_strdup(n->driver);
		d->werror = vh_strdup(n->werror);
	}
}

void qemu_free_drives(struct qemu_parse *q)
{
	for (size_t i = 0; i < q->n_nodes; i++) {
		free(q->nodes[i].id);
		free(q->nodes[i].driver);
		free(q->nodes[i].file);
		free(q->nodes[i].child);
		free(q->nodes[i].backing);
		free(q->nodes[i].werror);
	}
	for (size_t i = 0; i < q->n_disks; i++) {
		free(q->disks[i].drive);
		free(q->disks[i].werror);
	}
	free(q->nodes);
	free(q->disks);
}
