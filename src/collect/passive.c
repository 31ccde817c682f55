/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect/passive.h"

#include <stdarg.h>
#include <stdio.h>

void vh_collect_note(struct vh_case *c, enum vh_round round, const char *fmt, ...)
{
	struct vh_evidence *e = vh_case_add(c, round, "vmhang.note", "", "");
	char *text;
	va_list args;

	va_start(args, fmt);
	text = vh_vasprintf(fmt, args);
	va_end(args);
	vh_evidence_set_data(e, text, strlen(text));
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
	char *path;
	va_list args;

	va_start(args, fmt);
	path = vh_vasprintf(fmt, args);
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
