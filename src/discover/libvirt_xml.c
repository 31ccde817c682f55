/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "discover/libvirt_xml.h"

static struct vh_str from(struct vh_str s, size_t at)
{
	return (struct vh_str){s.s + at, s.n - at};
}

/* &lt; and its like as what they stand for. */
static char *unescape(struct vh_str s)
{
	static const struct {
		const char *entity;
		char c;
	} entities[] = {
		{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&apos;", '\''}, {"&quot;", '"'}};
	struct vh_buf out = {0};

	while (s.n) {
		size_t length = 1;
		char c = s.s[0];

		for (size_t i = 0; c == '&' && i < VH_ARRAY_SIZE(entities); i++)
			if (vh_str_starts(s, entities[i].entity)) {
				c = entities[i].c;
				length = strlen(entities[i].entity);
				break;
			}
		vh_buf_putc(&out, c);
		s = from(s, length);
	}
	return vh_buf_steal(&out);
}

/* The value behind "<source path='" or another such start; NULL where it is not in `element`. */
static char *attribute(struct vh_str element, const char *start)
{
	ssize_t at = vh_str_find(element, start);

	if (at < 0)
		return NULL;
	struct vh_str value = from(element, at + strlen(start));
	const char *end = value.n ? memchr(value.s, '\'', value.n) : NULL;

	return end ? unescape((struct vh_str){value.s, end - value.s}) : NULL;
}

static void apply(struct vh_str element, struct vh_vm *vm)
{
	vh_auto_free char *alias = attribute(element, "<alias name='");
	vh_auto_free char *log = attribute(element, "<log file='");
	vh_auto_free char *source = attribute(element, "<source path='");
	bool file = vh_str_find(element, " type='file'") >= 0;

	for (size_t i = 0; alias && i < vm->n_serials; i++) {
		struct vh_serial *s = &vm->serials[i];

		if (!vh_prefix(s->label, "char") || strcmp(s->label + 4, alias))
			continue;
		if (log || (file && source))
			vh_replace(&s->path, log ? log : source);
	}
}

void vh_libvirt_xml_serials(struct vh_str xml, struct vh_vm *vm)
{
	static const char *const elements[][2] = {{"<serial ", "</serial>"},
		{"<console ", "</console>"}, {"<channel ", "</channel>"}};

	for (size_t i = 0; i < VH_ARRAY_SIZE(elements); i++) {
		struct vh_str rest = xml;
		ssize_t begin, end;

		while ((begin = vh_str_find(rest, elements[i][0])) >= 0) {
			rest = from(rest, begin);
			end = vh_str_find(rest, elements[i][1]);
			if (end < 0)
				break;
			apply((struct vh_str){rest.s, end}, vm);
			rest = from(rest, end);
		}
	}
}
