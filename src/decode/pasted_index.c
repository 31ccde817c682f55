/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was recognised in which text, and what was not (pasted.index). */
#include "decode/pasted.h"

#define MAX_FILES  64
#define MAX_BLOCKS 4096
#define MAX_UNREAD 256

static unsigned line_number(struct json_object *o, const char *key)
{
	uint64_t value = 0;

	vh_json_u64(o, key, &value);
	return (unsigned)VH_MIN(value, UINT32_MAX);
}

static void take_blocks(struct vh_pasted_file *f, struct json_object *list)
{
	for (size_t i = 0; json_object_is_type(list, json_type_array) &&
			   i < VH_MIN(json_object_array_length(list), MAX_BLOCKS);
		i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		VH_PUSH(f->blocks, f->n_blocks) = (struct vh_pasted_block){
			.from = line_number(o, "from"),
			.to = line_number(o, "to"),
			.by = vh_escaped(vh_json_string(o, "by", "?")),
			.sure = vh_escaped(vh_json_string(o, "sure", "shape")),
			.what = vh_escaped(vh_json_string(o, "what", "?")),
		};
	}
}

static void take_unread(struct vh_pasted_file *f, struct json_object *list)
{
	for (size_t i = 0; json_object_is_type(list, json_type_array) &&
			   i < VH_MIN(json_object_array_length(list), MAX_UNREAD);
		i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		VH_PUSH(f->unread, f->n_unread) = (struct vh_pasted_block){
			.from = line_number(o, "from"), .to = line_number(o, "to")};
	}
}

void vh_decode_pasted_index(struct vh_decoder *d)
{
	size_t begin, end;

	vh_lookup_source(&d->in, "pasted.index", &begin, &end);
	for (size_t i = begin; i < end && i < begin + MAX_FILES; i++) {
		vh_auto_error struct vh_error *err = NULL;
		vh_auto_json struct json_object *o =
			vh_json_parse(vh_evidence_text(d->in.list[i].e), &err);

		if (!json_object_is_type(o, json_type_object))
			continue;
		if (!d->m->pasted)
			d->m->pasted = vh_alloc(sizeof(*d->m->pasted));
		struct vh_pasted_file *f = &VH_PUSH(d->m->pasted->files, d->m->pasted->n_files);

		f->name = vh_escaped(vh_json_string(o, "file", ""));
		f->lines = line_number(o, "lines");
		f->cut = vh_json_bool(o, "cut", false);
		f->more = vh_json_bool(o, "more", false);
		take_blocks(f, vh_json_at(o, "blocks", NULL));
		take_unread(f, vh_json_at(o, "unread", NULL));
	}
}

void vh_pasted_view_free(struct vh_pasted_view *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < v->n_files; i++) {
		struct vh_pasted_file *f = &v->files[i];

		for (size_t k = 0; k < f->n_blocks; k++) {
			free(f->blocks[k].by);
			free(f->blocks[k].sure);
			free(f->blocks[k].what);
		}
		free(f->blocks);
		free(f->unread);
		free(f->name);
	}
	free(v->files);
	free(v);
}
