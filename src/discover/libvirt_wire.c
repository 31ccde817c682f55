/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "discover/libvirt_agent.h"

/* 0 when fd is ready, else -ETIMEDOUT. */
static int wait_for(int fd, short events, struct vh_deadline deadline)
{
	struct pollfd p = {.fd = fd, .events = events};

	for (;;) {
		int n = poll(&p, 1, vh_deadline_left_ms(deadline));

		if (n > 0)
			return 0;
		if (n == 0 || errno != EINTR)
			return -ETIMEDOUT;
	}
}

int vh_wire_send(struct vh_wire *w, struct json_object *o, struct vh_deadline deadline)
{
	const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
	vh_auto_buf struct vh_buf line = {0};

	vh_buf_puts(&line, text);
	if (line.len >= VH_WIRE_CAP)
		return -EMSGSIZE;
	vh_buf_putc(&line, '\n');
	for (size_t sent = 0; sent < line.len;) {
		ssize_t n =
			send(w->fd, line.data + sent, line.len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0)
			sent += n;
		else if (errno == EAGAIN && wait_for(w->fd, POLLOUT, deadline) < 0)
			return -ETIMEDOUT;
		else if (errno != EAGAIN && errno != EINTR)
			return -ECONNRESET;
	}
	return 0;
}

/* Takes the first line, of n bytes, off the pending ones. */
static int take_line(struct vh_wire *w, size_t n, struct json_object **o)
{
	vh_auto_error struct vh_error *err = NULL;

	*o = vh_json_parse((struct vh_str){w->pending.data, n}, &err);
	w->pending.len -= n + 1;
	memmove(w->pending.data, w->pending.data + n + 1, w->pending.len);
	return *o ? 0 : -EBADMSG;
}

int vh_wire_receive(struct vh_wire *w, struct vh_deadline deadline, struct json_object **o)
{
	size_t searched = 0;

	for (;;) {
		char chunk[16384];
		char *end = w->pending.len > searched ? memchr(w->pending.data + searched, '\n',
								w->pending.len - searched)
						      : NULL;

		if (end)
			return take_line(w, end - w->pending.data, o);
		searched = w->pending.len;
		if (searched >= VH_WIRE_CAP)
			return -EMSGSIZE;
		if (wait_for(w->fd, POLLIN, deadline) < 0)
			return -ETIMEDOUT;
		ssize_t n = recv(w->fd, chunk, sizeof(chunk), MSG_DONTWAIT);

		if (n > 0)
			vh_buf_add(&w->pending, chunk, n);
		else if (n == 0 || (errno != EAGAIN && errno != EINTR))
			return -ECONNRESET;
	}
}
