/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's screen: the same texts are looked for as on its serial console. */
#include "decode/decoder.h"
#include "decode/logscan.h"

/* Without the blanks at the end of each row and the empty rows at the end. */
static char *trimmed_rows(struct vh_str text)
{
	struct vh_buf out = {0};
	size_t used = 0;
	struct vh_str line;

	while (vh_next_line(&text, &line)) {
		while (line.n && (line.s[line.n - 1] == ' ' || line.s[line.n - 1] == '\0'))
			line.n--;
		vh_buf_add(&out, line.s, line.n);
		if (line.n)
			used = out.len;
		vh_buf_putc(&out, '\n');
	}
	char *rows = vh_strndup(vh_buf_str(&out), used);

	vh_buf_free(&out);
	return rows;
}

void vh_decode_screen(struct vh_decoder *d)
{
	struct vh_screen *s = &d->m->screen;
	const struct vh_found *text = vh_seek_data(&d->in, "guest.screen", "", VH_N_ROUND);
	const struct vh_found *picture = vh_seek_data(&d->in, "guest.screendump", "", VH_N_ROUND);

	if (text) {
		s->kind = VH_SCREEN_TEXT;
		s->text = trimmed_rows(vh_evidence_text(text->e));
		s->evidence = text->index;
		vh_log_scan(d->m, vh_str(s->text), VH_LOG_SERIAL, text->index);
		vh_log_forget_earlier_lives(d->m, text->index);
	} else if (picture) {
		s->kind = VH_SCREEN_PICTURE;
		s->evidence = picture->index;
	}
}
