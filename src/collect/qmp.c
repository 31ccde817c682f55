/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect/qmp.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

#include "collect/endpoint.h"

#define CHUNK 65536

struct vh_qmp {
	int fd;
	struct json_tokener *tokener;
	char *chunk;           /* what was received last */
	size_t begin, end;     /* the part of it that is not parsed yet */
	size_t message_bytes;  /* of the message that is being received */
	size_t message_values; /* ... and an upper bound of the values in it */
	size_t session_bytes;  /* received so far */
	uint64_t last_id;      /* of our questions; 0: not negotiated yet */
	size_t strays;         /* answers to questions that nobody asked */
	struct json_object *events[VH_QMP_MAX_EVENTS];
	size_t n_events, events_lost;
	enum vh_qmp_outcome broken; /* VH_QMP_OK while the session works */
	char *why;                  /* it does not */
};

/* How an outcome stands in the case: docs/evidence.md, "What became of the monitor". */
static const struct {
	enum vh_status status;
	int err;
} meanings[VH_QMP_N_OUTCOMES] = {
	[VH_QMP_OK] = {VH_OK, 0},
	[VH_QMP_NO_SOCKET] = {VH_ABSENT, ENOENT},
	[VH_QMP_DENIED] = {VH_DENIED, EACCES},
	[VH_QMP_REFUSED] = {VH_FAILED, ECONNREFUSED},
	[VH_QMP_BUSY] = {VH_FAILED, EAGAIN},
	[VH_QMP_UNCONNECTED] = {VH_FAILED, ENOTCONN},
	[VH_QMP_NO_GREETING] = {VH_TIMED_OUT, ETIMEDOUT},
	[VH_QMP_NO_ANSWER] = {VH_TIMED_OUT, ETIMEDOUT},
	[VH_QMP_CLOSED] = {VH_FAILED, ECONNRESET},
	[VH_QMP_NOT_QMP] = {VH_FAILED, EPROTO},
	[VH_QMP_TOO_MUCH] = {VH_FAILED, EPROTO},
	[VH_QMP_ERROR] = {VH_FAILED, EREMOTEIO},
};

void vh_qmp_answer_free(struct vh_qmp_answer *a)
{
	json_object_put(a->value);
	free(a->error_class);
	free(a->detail);
	*a = (struct vh_qmp_answer){0};
}

void vh_qmp_answer_set(struct vh_qmp_answer *a, enum vh_qmp_outcome outcome, const char *fmt, ...)
{
	va_list args;
	char *detail;

	va_start(args, fmt);
	detail = vh_vasprintf(fmt, args);
	va_end(args);
	free(a->detail);
	a->detail = detail;
	a->outcome = outcome;
	a->status = meanings[outcome].status;
	a->err = meanings[outcome].err;
}

void vh_qmp_answer_take(struct vh_qmp_answer *a, struct json_object *reply)
{
	struct json_object *value;

	if (json_object_is_type(reply, json_type_object) &&
		json_object_object_get_ex(reply, "return", &value)) {
		/* A null return value is still a value; keep it apart from none. */
		a->value = value ? json_object_get(value) : json_object_new_object();
		return;
	}
	struct json_object *error = vh_json_at(reply, "error", NULL);

	if (!error) {
		vh_qmp_answer_set(a, VH_QMP_NOT_QMP, "neither a return value nor an error came");
		return;
	}
	a->error_class = vh_strdup(vh_json_string(error, "class", "?"));
	vh_qmp_answer_set(a, VH_QMP_ERROR, "%s: %s", a->error_class,
		vh_json_string(error, "desc", "no description"));
	if (vh_streq(a->error_class, "CommandNotFound") ||
		vh_streq(a->error_class, "DeviceNotActive")) {
		a->status = VH_ABSENT;
		a->err = 0;
	}
}

static void session_break(struct vh_qmp *q, enum vh_qmp_outcome outcome, char *why)
{
	free(q->why);
	q->broken = outcome;
	q->why = why;
}

/* An upper bound of the values that n bytes of JSON hold: json-c makes an object of each. */
static size_t count_values(const char *s, size_t n)
{
	size_t values = 0;

	for (size_t i = 0; i < n; i++)
		values += s[i] == ',' || s[i] == '[' || s[i] == '{';
	return values;
}

/* Parses what is there. A whole message, or NULL: more is needed, or the session broke. */
static struct json_object *parse_some(struct vh_qmp *q)
{
	while (q->begin < q->end && !q->message_bytes && strchr("\r\n\t ", q->chunk[q->begin]))
		q->begin++;
	if (q->begin == q->end)
		return NULL;
	size_t n = q->end - q->begin;
	const char *s = q->chunk + q->begin;
	struct json_object *o = json_tokener_parse_ex(q->tokener, s, (int)n);
	enum json_tokener_error code = json_tokener_get_error(q->tokener);
	size_t used = code == json_tokener_continue ? n : json_tokener_get_parse_end(q->tokener);

	q->begin += used;
	q->message_bytes += used;
	q->message_values += count_values(s, used);
	if (code == json_tokener_continue) {
		if (q->message_bytes > VH_QMP_ANSWER_BYTES || q->message_values > VH_QMP_MAX_VALUES)
			session_break(q, VH_QMP_TOO_MUCH,
				vh_asprintf("one message exceeds %u bytes or %u values",
					VH_QMP_ANSWER_BYTES, VH_QMP_MAX_VALUES));
		return NULL;
	}
	q->message_bytes = q->message_values = 0;
	if (code == json_tokener_success && json_object_is_type(o, json_type_object))
		return o;
	session_break(q, VH_QMP_NOT_QMP,
		vh_asprintf("what came is not QMP: %s", code == json_tokener_success
								? "JSON, but not an object"
								: json_tokener_error_desc(code)));
	json_object_put(o);
	return NULL;
}

/* Waits for the socket; false when the deadline has passed. */
static bool wait_for(const struct vh_qmp *q, short events, struct vh_deadline deadline)
{
	struct pollfd p = {.fd = q->fd, .events = events};
	int ready;

	do {
		if (vh_deadline_passed(deadline))
			return false;
		ready = poll(&p, 1, vh_deadline_left_ms(deadline));
	} while (ready < 0 && errno == EINTR);
	return ready > 0;
}

/* Fills the empty chunk; false at the deadline or when the session broke. */
static bool receive_some(struct vh_qmp *q, struct vh_deadline deadline)
{
	ssize_t n;

	for (;;) {
		/* The deadline counts even where there is always more to read. */
		if (!wait_for(q, POLLIN, deadline))
			return false;
		n = recv(q->fd, q->chunk, CHUNK, 0);
		if (n >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	if (n <= 0) {
		session_break(q, VH_QMP_CLOSED,
			n ? vh_asprintf("the connection broke: %s", strerror(errno))
			  : vh_strdup("QEMU closed the connection"));
		return false;
	}
	q->begin = 0;
	q->end = n;
	q->session_bytes += n;
	if (q->session_bytes <= VH_QMP_SESSION_BYTES)
		return true;
	session_break(q, VH_QMP_TOO_MUCH,
		vh_asprintf("more than %u bytes came in one session", VH_QMP_SESSION_BYTES));
	return false;
}

/* The next message, which is the caller's; NULL at the deadline or when the session broke. */
static struct json_object *receive(struct vh_qmp *q, struct vh_deadline deadline)
{
	while (q->broken == VH_QMP_OK) {
		struct json_object *o = parse_some(q);

		if (o)
			return o;
		if (q->broken != VH_QMP_OK)
			break;
		if (q->begin == q->end && !receive_some(q, deadline))
			break;
	}
	return NULL;
}

static bool send_all(struct vh_qmp *q, const char *s, size_t n, struct vh_deadline deadline)
{
	while (n) {
		ssize_t sent = send(q->fd, s, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent > 0) {
			s += sent;
			n -= sent;
		} else if (sent < 0 && errno == EAGAIN) {
			if (!wait_for(q, POLLOUT, deadline))
				return false;
		} else if (sent < 0 && errno != EINTR) {
			session_break(q, VH_QMP_CLOSED,
				vh_asprintf("the connection broke: %s", strerror(errno)));
			return false;
		}
	}
	return true;
}

static void keep_event(struct vh_qmp *q, struct json_object *event)
{
	if (q->n_events < VH_QMP_MAX_EVENTS) {
		q->events[q->n_events++] = event;
		return;
	}
	q->events_lost++;
	json_object_put(event);
}

/* The answer with this id, which is the caller's, or NULL. Events on the way are kept. */
static struct json_object *receive_answer(struct vh_qmp *q, uint64_t id, struct vh_deadline d)
{
	for (struct json_object *o; (o = receive(q, d));) {
		uint64_t got;

		if (vh_json_at(o, "event", NULL)) {
			keep_event(q, o);
			/* A flood must not outlive the deadline while one chunk after the other is
			 * there already. */
			if (vh_deadline_passed(d))
				break;
			continue;
		}
		if (vh_json_u64(o, "id", &got) && got == id)
			return o;
		q->strays++;
		json_object_put(o);
	}
	return NULL;
}

static uint64_t send_command(struct vh_qmp *q, const char *command, struct json_object *arguments,
	struct vh_deadline deadline)
{
	vh_auto_json struct json_object *o = json_object_new_object();
	size_t n;

	vh_json_put_text(o, "execute", command);
	if (arguments)
		json_object_object_add(o, "arguments", json_object_get(arguments));
	vh_json_put_u64(o, "id", ++q->last_id);
	const char *text = json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN, &n);
	vh_auto_free char *line = vh_asprintf("%s\n", text);

	send_all(q, line, n + 1, deadline);
	return q->last_id;
}

/* Says why no answer came, for this question and all that follow. */
static void give_up(struct vh_qmp *q, const char *command, int64_t waited_ns)
{
	if (q->broken != VH_QMP_OK)
		return;
	if (q->strays)
		session_break(q, VH_QMP_NOT_QMP,
			vh_asprintf("%s got no answer, but %zu answers to something else came",
				command, q->strays));
	else
		session_break(q, VH_QMP_NO_ANSWER,
			vh_asprintf("%s got no answer within %lld ms", command,
				(long long)(waited_ns / VH_NS_PER_MS)));
}

static bool negotiate(struct vh_qmp *q, struct vh_deadline deadline)
{
	if (q->last_id)
		return true;
	uint64_t id = send_command(q, "qmp_capabilities", NULL, deadline);
	vh_auto_json struct json_object *o = receive_answer(q, id, deadline);

	if (o && !vh_json_at(o, "return", NULL))
		session_break(q, VH_QMP_NOT_QMP,
			vh_asprintf("qmp_capabilities was refused: %s",
				vh_json_string(vh_json_at(o, "error", NULL), "desc", "?")));
	return o && q->broken == VH_QMP_OK;
}

void vh_qmp_ask(struct vh_qmp *q, const char *command, struct json_object *arguments,
	struct vh_deadline deadline, struct vh_qmp_answer *a)
{
	*a = (struct vh_qmp_answer){.at_ns = vh_now_ns()};
	vh_auto_json struct json_object *reply = NULL;

	if (q->broken == VH_QMP_OK && negotiate(q, deadline)) {
		uint64_t id = send_command(q, command, arguments, deadline);

		reply = receive_answer(q, id, deadline);
	}
	a->took_ns = vh_now_ns() - a->at_ns;
	if (reply) {
		vh_qmp_answer_take(a, reply);
		return;
	}
	give_up(q, command, a->took_ns);
	vh_qmp_answer_set(a, q->broken, "%s", q->why);
}

/* Takes the greeting; events may already come before it is read. */
static void take_greeting(struct vh_qmp *q, struct vh_deadline deadline, struct vh_qmp_answer *a)
{
	struct json_object *o = receive(q, deadline);

	if (o && json_object_is_type(vh_json_at(o, "QMP", NULL), json_type_object)) {
		a->value = o;
		return;
	}
	if (o) {
		vh_qmp_answer_set(a, VH_QMP_NOT_QMP, "what came first is no QMP greeting");
		json_object_put(o);
	} else if (q->broken != VH_QMP_OK)
		vh_qmp_answer_set(a, q->broken, "%s", q->why);
	else if (q->session_bytes)
		vh_qmp_answer_set(a, VH_QMP_NOT_QMP, "the greeting did not end by the deadline");
	else
		vh_qmp_answer_set(a, VH_QMP_NO_GREETING,
			"connected, but no greeting within %lld ms",
			(long long)((vh_now_ns() - a->at_ns) / VH_NS_PER_MS));
}

struct vh_qmp *vh_qmp_over_fd(int fd, struct vh_deadline deadline, struct vh_qmp_answer *greeting)
{
	struct vh_qmp *q = vh_alloc(sizeof(*q));

	*greeting = (struct vh_qmp_answer){.at_ns = vh_now_ns()};
	q->fd = fd;
	q->chunk = vh_alloc(CHUNK);
	q->tokener = json_tokener_new_ex(VH_JSON_MAX_DEPTH);
	json_tokener_set_flags(
		q->tokener, JSON_TOKENER_VALIDATE_UTF8 | JSON_TOKENER_ALLOW_TRAILING_CHARS);
	take_greeting(q, deadline, greeting);
	greeting->took_ns = vh_now_ns() - greeting->at_ns;
	if (greeting->outcome == VH_QMP_OK)
		return q;
	vh_qmp_close(q);
	return NULL;
}

static enum vh_qmp_outcome outcome_of_connect(int err)
{
	switch (err) {
	case ENOENT:
	case ENOTDIR:
	case ENOTSOCK:
	case EINVAL:
		return VH_QMP_NO_SOCKET;
	case EACCES:
	case EPERM:
		return VH_QMP_DENIED;
	case ECONNREFUSED:
		return VH_QMP_REFUSED;
	case EAGAIN:
		return VH_QMP_BUSY;
	default:
		return VH_QMP_UNCONNECTED;
	}
}

struct vh_qmp *vh_qmp_connect(struct vh_host *host, struct vh_guard *guard, pid_t pid,
	const char *address, struct vh_deadline deadline, struct vh_qmp_answer *greeting)
{
	vh_auto_free char *why = NULL;
	int64_t began = vh_now_ns();
	int fd = vh_endpoint_connect(host, guard, pid, address, deadline, &why);

	if (fd >= 0)
		return vh_qmp_over_fd(fd, deadline, greeting);
	*greeting = (struct vh_qmp_answer){.at_ns = began, .took_ns = vh_now_ns() - began};
	vh_qmp_answer_set(greeting, outcome_of_connect(-fd), "%s", why);
	greeting->err = -fd;
	return NULL;
}

void vh_qmp_close(struct vh_qmp *q)
{
	if (!q)
		return;
	close(q->fd);
	json_tokener_free(q->tokener);
	for (size_t i = 0; i < q->n_events; i++)
		json_object_put(q->events[i]);
	free(q->chunk);
	free(q->why);
	free(q);
}

size_t vh_qmp_n_events(const struct vh_qmp *q)
{
	return q->n_events;
}

struct json_object *vh_qmp_event(const struct vh_qmp *q, size_t i)
{
	return q->events[i];
}

size_t vh_qmp_events_lost(const struct vh_qmp *q)
{
	return q->events_lost;
}
