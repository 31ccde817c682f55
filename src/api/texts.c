/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cases from files and from pasted text. */
#include "api/handles.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "case/archive.h"
#include "paste/paste.h"

static struct vh_error *from_text(const char *name, struct vh_str text, size_t index, size_t *count,
	bool alone, struct vh_case **out)
{
	struct vh_paste *p = vh_paste_new();
	struct vh_error *err = NULL;
	size_t n;

	vh_paste_add(p, name, text);
	struct vh_case **cases = vh_paste_finish(p, &n);

	if (count)
		*count = n;
	if (!n)
		err = vh_error_new(ENODATA,
			"%s: neither a case file, nor a text with an output that vmhang knows",
			name);
	else if (alone && n > 1)
		err = vh_error_new(ENOTUNIQ, "%s is about %zu VMs", name, n);
	else if (index >= n)
		err = vh_error_new(EINVAL, "%s: VM %zu of %zu", name, index, n);
	for (size_t i = 0; i < n; i++)
		if (!err && i == index)
			*out = cases[i];
		else
			vh_case_free(cases[i]);
	free(cases);
	return err;
}

/* All of a file or of standard input. */
static struct vh_error *read_all(const char *path, struct vh_buf *out)
{
	vh_auto_close int fd = vh_streq(path, "-") ? dup(STDIN_FILENO)
						   : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char *chunk = vh_alloc(1 << 16);
	ssize_t n = fd < 0 ? -1 : 1;

	while (n && fd >= 0 && out->len < VH_CASE_MAX_UNPACKED) {
		n = read(fd, chunk, 1 << 16);
		if (n < 0 && errno != EINTR)
			break;
		if (n > 0)
			vh_buf_add(out, chunk, (size_t)n);
	}
	int code = errno;

	free(chunk);
	return n < 0 ? vh_error_new(code, "%s %s", fd < 0 ? "opening" : "reading", path) : NULL;
}

static struct vh_error *load(const char *path, struct vh_case **out)
{
	const char *name = vh_streq(path, "-") ? "standard input" : path;
	vh_auto_buf struct vh_buf bytes = {0};
	struct vh_error *err = read_all(path, &bytes);

	if (err)
		return err;
	err = vh_case_load_memory(name, vh_buf_str(&bytes), bytes.len, out);
	/* No case file at all, so it is a text. One that is damaged, or newer, is no text. */
	if (!err || err->code != EMEDIUMTYPE)
		return err;
	vh_error_free(err);
	return from_text(name, (struct vh_str){vh_buf_str(&bytes), bytes.len}, 0, NULL, true, out);
}

static vmhang_case *handle_of(struct vh_error *err, struct vh_case *c, vmhang_error **error)
{
	if (!vmhang_give(err, error))
		return NULL;
	vmhang_case *handle = vh_alloc(sizeof(*handle));

	handle->c = c;
	return handle;
}

vmhang_case *vmhang_case_load(const char *path, vmhang_error **error)
{
	struct vh_case *c = NULL;
	struct vh_error *err = load(path, &c);

	return handle_of(err, c, error);
}

vmhang_case *vmhang_case_from_text(const char *name, const char *text, size_t text_size,
	size_t index, size_t *count, vmhang_error **error)
{
	struct vh_case *c = NULL;
	struct vh_error *err = from_text(
		name, (struct vh_str){text ? text : "", text_size}, index, count, false, &c);

	return handle_of(err, c, error);
}
