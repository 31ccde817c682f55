/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect/mounts.h"

#define MOUNTINFO_CAP (1024 * 1024)
#define MOUNTS_MAX    16384

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

void vh_mounts_parse(struct vh_str text, struct vh_mounts *out)
{
	struct vh_mount mount;
	struct vh_str line;

	*out = (struct vh_mounts){.status = VH_OK};
	while (out->n < MOUNTS_MAX && vh_next_line(&text, &line))
		if (parse_mount(line, &mount))
			VH_PUSH(out->list, out->n) = mount;
	if (text.n)
		out->status = VH_TRUNCATED;
}

void vh_mounts_read(struct vh_host *host, struct vh_mounts *out)
{
	vh_auto_reading struct vh_reading r = {0};

	vh_host_read(host, MOUNTINFO_CAP, &r, "/proc/self/mountinfo");
	vh_mounts_parse((struct vh_str){r.data, r.size}, out);
	out->status = r.status;
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

static bool lies_under(const char *path, const char *point)
{
	size_t n = strlen(point);

	if (vh_streq(point, "/"))
		return path[0] == '/';
	return vh_prefix(path, point) && (path[n] == '/' || !path[n]);
}

const struct vh_mount *vh_mounts_of_path(const struct vh_mounts *mounts, const char *path)
{
	const struct vh_mount *best = NULL;

	/* Of two mounts on one point the later one covers the earlier. */
	for (size_t i = 0; i < mounts->n; i++)
		if (lies_under(path, mounts->list[i].point) &&
			(!best || strlen(mounts->list[i].point) >= strlen(best->point)))
			best = &mounts->list[i];
	return best;
}
