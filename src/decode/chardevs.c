/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The character devices as the monitor lists them: query-chardev (QEMU qapi/char.json). */
#include "decode/decoder.h"

#define MAX_CHARDEVS 256

void vh_decode_chardevs(struct vh_decoder *d)
{
	struct vh_model *m = d->m;
	vh_auto_json struct json_object *list =
		vh_seek_json(&d->in, "qmp.query-chardev", "", VH_N_ROUND);

	if (!json_object_is_type(list, json_type_array))
		return;
	for (size_t i = 0; i < VH_MIN(json_object_array_length(list), MAX_CHARDEVS); i++) {
		struct json_object *one = json_object_array_get_idx(list, i);
		const char *label = vh_json_string(one, "label", NULL);
		const char *filename = vh_json_string(one, "filename", NULL);

		if (!label || !filename)
			continue;
		VH_PUSH(m->chardevs, m->n_chardevs) =
			(struct vh_chardev_view){.label = vh_escaped(label),
				.filename = vh_escaped(filename),
				.frontend_open = vh_json_bool(one, "frontend-open", false)};
	}
}
