/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect/passive.h"

#include <stdarg.h>
#include <stdio.h>

#define MOUNTINFO_CAP (1024 * 1024)
#define MOUNTS_MAX    16384

void vh_collect_note(struct vh_case *c, enum vh_round round, const char *fmt, ...)
{
	struct vh_evidence *e = vh_case_add(c, round, "vmhang.note", "", "");
	char *text = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	vh_evidence_set_data(e, text, text ? strlen(text) : 0);
	free(text);
}

struct vh_evidence *vh_collect_file(struct vh_host *host, struct vh_case *c, enum vh_round round,
	const char *source, const char *subject, const char *path)
{
	vh_auto_reading struct vh_reading r = {0};

	vh_host_read(host, VH_PROC_FILE_CAP, &r, "%s", path);
	return vh_case_add_reading(c, round, source, subject, path, &r);
}

void vh_batch_add(struct vh_batch *b, const char *source, const char *subject, size_t cap,
	const char *fmt, ...)
{
	char *path = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&path, fmt, args) < 0)
		path = vh_strdup("");
	va_end(args);
	VH_PUSH(b->files, b->n_files) = (struct vh_file_read){.path = path, .cap = cap};
	VH_PUSH(b->wanted, b->n_wanted) =
		(struct vh_wanted){.source = source, .subject = vh_strdup(subject)};
}

void vh_batch_read(struct vh_host *host, struct vh_batch *b)
{
	vh_host_read_many(host, b->files, b->n_files);
}

void vh_batch_to_case(struct vh_batch *b, struct vh_case *c, enum vh_round round)
{
	for (size_t i = 0; i < b->n_files; i++) {
		struct vh_file_read *f = &b->files[i];

		if (b->wanted[i].only_if_there && f->out.status == VH_ABSENT)
			continue;
		vh_case_add_reading(
			c, round, b->wanted[i].source, b->wanted[i].subject, f->path, &f->out);
	}
}

void vh_batch_free(struct vh_batch *b)
{
	for (size_t i = 0; i < b->n_files; i++) {
		vh_reading_free(&b->files[i].out);
		free(b->files[i].path);
		free(b->wanted[i].subject);
	}
	free(b->files);
	free(b->wanted);
	*b = (struct vh_batch){0};
}

/* Blanks, newlines and backslashes in mountinfo are octal: \040. */
static char *unescape_octal(struct vh_str s)
{
	struct vh_buf out = {0};

	for (size_t i = 0; i < s.n; i++) {
		uint64_t code;

		if (s.s[i] == '\\' && i + 3 < s.n &&
			vh_parse_u64((struct vh_str){s.s + i + 1, 3}, 8, &code) && code < 256) {
			vh_buf_putc(&out, (char)code);
			i += 3;
		} else {
			vh_buf_putc(&out, s.s[i]);
		}
	}
	return vh_buf_steal(&out);
}

/* "ID PARENT MAJ:MIN ROOT POINT OPTIONS [TAG...] - TYPE SOURCE SUPER-OPTIONS" */
static bool parse_mount(struct vh_str line, struct vh_mount *out)
{
	struct vh_str word, root = {0}, point = {0}, type, source, options;

	for (int field = 0; vh_next_word(&line, &word) && !vh_str_is(word, "-"); field++) {
		if (field == 3)
			root = word;
		else if (field == 4)
			point = word;
	}
	if (!point.n || !vh_next_word(&line, &type) || !vh_next_word(&line, &source))
		return false;
	/* A mount without a source has an empty field there. */
	if (!vh_next_word(&line, &options))
		options = source;
	*out = (struct vh_mount){
		unescape_octal(root), unescape_octal(point), vh_str_dup(type), vh_str_dup(options)};
	return true;
}

void vh_mounts_read(struct vh_host *host, struct vh_mounts *out)
{
	vh_auto_reading struct vh_reading r = {0};
	struct vh_mount mount;
	struct vh_str line;

	vh_host_read(host, MOUNTINFO_CAP, &r, "/proc/self/mountinfo");
	*out = (struct vh_mounts){.status = r.status};
	struct vh_str rest = {r.data, r.size};

	while (out->n < MOUNTS_MAX && vh_next_line(&rest, &line))
		if (parse_mount(line, &mount))
			VH_PUSH(out->list, out->n) = mount;
}

void vh_mounts_free(struct vh_mounts *mounts)
{
	for (size_t i = 0; i < mounts->n; i++) {
		free(mounts->list[i].root);
		free(mounts->list[i].point);
		free(mounts->list[i].type);
		free(mounts->list[i].options);
	}
	free(mounts->list);
	*mounts = (struct vh_mounts){0};
}

const struct vh_mount *vh_mounts_find(
	const struct vh_mounts *mounts, const char *type, const char *option)
{
	for (size_t i = 0; i < mounts->n; i++) {
		struct vh_str rest = vh_str(mounts->list[i].options), part;

		if (!vh_streq(mounts->list[i].type, type))
			continue;
		if (!option)
			return &mounts->list[i];
		while (vh_next_part(&rest, ',', &part))
			if (vh_str_is(part, option))
				return &mounts->list[i];
	}
	return NULL;
}
