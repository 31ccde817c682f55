/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Drives by HMP "info block" (QEMU block/monitor/block-hmp-cmds.c, print_block_info):
 * "virtio0 (#block123): /x.qcow2 (qcow2, read-only)", "ide1-cd0: [not inserted]", with rows below;
 * up to QEMU 1.5 all in one line: "ide0-hd0: removable=0 io-status=ok file=/x.img ro=0 drv=raw".
 */
#include "decode/pasted.h"

static const char not_inserted[] = "[not inserted]";

static struct vh_drive_view *drive_get(struct vh_model *m, struct vh_str name)
{
	vh_auto_free char *text = vh_str_dup(name);

	for (size_t i = 0; i < m->n_drives; i++)
		if (vh_streq(m->drives[i].name, text))
			return &m->drives[i];
	if (!name.n || name.n > 255 || m->n_drives >= VH_MAX_DRIVES)
		return NULL;
	VH_PUSH(m->drives, m->n_drives) =
		(struct vh_drive_view){.name = vh_strdup(text), .idle_ns = -1};
	return &m->drives[m->n_drives - 1];
}

/* What stands behind `key`, up to the first of the ends: names of files have blanks. */
static bool value_of(
	struct vh_str line, const char *key, const char *const ends[2], struct vh_str *value)
{
	ssize_t at = vh_str_find(line, key);

	if (at < 0)
		return false;
	*value = (struct vh_str){line.s + at + strlen(key), line.n - at - strlen(key)};
	for (size_t i = 0; i < 2; i++) {
		ssize_t stop = vh_str_find(*value, ends[i]);

		if (stop >= 0)
			value->n = (size_t)stop;
	}
	*value = vh_str_trim(*value);
	return value->n > 0;
}

static void set(char **field, struct vh_str value)
{
	free(*field);
	*field = vh_str_dup((struct vh_str){value.s, VH_MIN(value.n, 4096)});
}

/* "/x (y).qcow2 (qcow2, read-only)": the file is what stands before the last bracket. */
static void take_file(struct vh_drive_view *v, struct vh_str text)
{
	size_t n = text.n;

	if (!n || text.s[n - 1] != ')')
		return;
	while (n && text.s[n - 1] != '(')
		n--;
	if (n > 1)
		set(&v->file, vh_str_trim((struct vh_str){text.s, n - 1}));
}

/* A heading; NULL where it is none, or there is no name. A colon may stand in a file's name, but
 * behind ": ". */
static struct vh_drive_view *take_heading(struct vh_model *m, struct vh_str line)
{
	ssize_t colon = vh_str_find(line, ": ");
	struct vh_str value;

	if (colon <= 0)
		return NULL;
	struct vh_str name = {line.s, (size_t)colon};
	struct vh_str rest = vh_str_trim((struct vh_str){line.s + colon + 2, line.n - colon - 2});
	ssize_t node = vh_str_find(name, " (");

	if (node > 0)
		name.n = (size_t)node;
	struct vh_drive_view *v = drive_get(m, vh_str_trim(name));

	if (!v)
		return NULL;
	v->empty = vh_str_find(rest, not_inserted) >= 0;
	if (v->empty)
		vh_replace(&v->file, NULL);
	if (vh_str_find(rest, "removable=") < 0) {
		if (!v->empty)
			take_file(v, rest);
		return v;
	}
	static const char *const words[2] = {" ", " "};
	static const char *const behind_file[2] = {" backing_file=", " ro="};

	if (value_of(rest, "io-status=", words, &value))
		set(&v->io_status, value);
	if (!v->empty && value_of(rest, " file=", behind_file, &value))
		set(&v->file, value);
	return v;
}

static size_t indent_of(struct vh_str line)
{
	size_t n = 0;

	while (n < line.n && (line.s[n] == ' ' || line.s[n] == '\t'))
		n++;
	return n;
}

void vh_decode_pasted_drives(struct vh_decoder *d)
{
	static const char status[] = "I/O status:";
	size_t begin, end;

	vh_lookup_source(&d->in, "pasted.hmp-block", &begin, &end);
	for (size_t i = begin; i < end; i++) {
		struct vh_str text = vh_evidence_text(d->in.list[i].e), line;
		struct vh_drive_view *v = NULL;
		size_t indent = indent_of(text); /* of a heading: all of it may be indented */

		while (vh_next_line(&text, &line)) {
			struct vh_str trimmed = vh_str_trim(line);

			if (vh_str_starts(trimmed, status) && v)
				set(&v->io_status,
					vh_str_trim((struct vh_str){trimmed.s + sizeof(status) - 1,
						trimmed.n - (sizeof(status) - 1)}));
			else if (indent_of(line) <= indent)
				v = take_heading(d->m, trimmed);
		}
	}
}
