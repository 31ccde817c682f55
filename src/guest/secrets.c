/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/secrets.h"

#include "base/util.h"

#define MAX_SECRETS 64u
#define SHORT       5u /* bytes: of that length and less */

struct vh_secrets {
	struct vh_str value[MAX_SECRETS];
	size_t n;
};

struct vh_secrets *vh_secrets_new(void)
{
	return vh_alloc(sizeof(struct vh_secrets));
}

void vh_secrets_free(struct vh_secrets *s)
{
	for (size_t i = 0; s && i < s->n; i++)
		free((char *)s->value[i].s);
	free(s);
}

void vh_secrets_add(struct vh_secrets *s, struct vh_str value)
{
	if (!value.n || s->n == MAX_SECRETS)
		return;
	for (size_t i = 0; i < s->n; i++)
		if (s->value[i].n == value.n && memcmp(s->value[i].s, value.s, value.n) == 0)
			return;
	s->value[s->n++] = (struct vh_str){vh_str_dup(value), value.n};
}

static void hide(struct vh_str secret, char *data, size_t n)
{
	char *at = data, *end = data + n;

	while ((at = memmem(at, (size_t)(end - at), secret.s, secret.n))) {
		if (secret.n > SHORT || (at > data && at[-1] == '='))
			memset(at, '*', secret.n);
		at += secret.n;
	}
}

void vh_secrets_hide(const struct vh_secrets *s, void *data, size_t n)
{
	for (size_t i = 0; s && i < s->n; i++)
		hide(s->value[i], data, n);
}
