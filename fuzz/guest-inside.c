/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a sandbox, or a file, says that it found in a guest: JSON as the input is. What must hold:
 * nothing crashes; what is taken is written to the same again, and below the cap.
 */
#include <assert.h>

#include "fuzz.h"
#include "guest/inside.h"

static char *written(const struct vh_inside *in)
{
	vh_auto_json struct json_object *o = vh_inside_to_json(in);

	return vh_strdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	vh_auto_error struct vh_error *err = NULL;
	vh_auto_json struct json_object *o =
		vh_json_parse((struct vh_str){(const char *)data, size}, &err);

	if (err)
		return 0;

	struct vh_inside *in = vh_inside_from_json(o, &err);

	assert(!in == !!err);
	if (!in)
		return 0;

	vh_auto_free char *once = written(in);
	vh_auto_json struct json_object *again = vh_json_parse(vh_str(once), &err);

	assert(!err && strlen(once) < VH_INSIDE_MAX_JSON);

	struct vh_inside *back = vh_inside_from_json(again, &err);

	assert(back);

	vh_auto_free char *twice = written(back);

	assert(vh_streq(once, twice));
	vh_inside_free(back);
	vh_inside_free(in);
	return 0;
}
