/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

struct vh_error *vh_error_new(int code, const char *fmt, ...)
{
	struct vh_error *err = vh_alloc(sizeof(*err));
	va_list args;

	va_start(args, fmt);
	vh_auto_free char *what = vh_vasprintf(fmt, args);
	va_end(args);
	err->code = code;
	err->message = code ? vh_asprintf("%s: %s", what, strerror(code)) : vh_strdup(what);
	return err;
}

struct vh_error *vh_error_prefix(struct vh_error *err, const char *fmt, ...)
{
	va_list args;

	if (!err)
		return NULL;
	va_start(args, fmt);
	vh_auto_free char *what = vh_vasprintf(fmt, args);
	va_end(args);
	char *message = vh_asprintf("%s: %s", what, err->message);

	free(err->message);
	err->message = message;
	return err;
}

void vh_error_free(struct vh_error *err)
{
	if (!err)
		return;
	free(err->message);
	free(err);
}
