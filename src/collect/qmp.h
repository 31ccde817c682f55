/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A QMP client that cannot hang and cannot be fooled (QEMU docs/interop/qmp-spec). Whoever is at
 * the other end may stall, lie, flood, nest, or die: every call ends by its deadline, an answer
 * counts only with the id of its question, and what is taken in is capped.
 */
#pragma once

#include "base/clock.h"
#include "base/guard.h"
#include "base/host.h"
#include "base/json.h"

#define VH_QMP_ANSWER_BYTES  (16u << 20)  /* one message */
#define VH_QMP_SESSION_BYTES (64u << 20)  /* all of them */
#define VH_QMP_MAX_VALUES    (512u << 10) /* in one message: json-c needs up to 350 bytes each */
#define VH_QMP_MAX_EVENTS    256

enum vh_qmp_outcome {
	VH_QMP_OK,
	VH_QMP_NO_SOCKET,   /* no such socket, or an address that nobody can connect to */
	VH_QMP_DENIED,      /* not ours to use */
	VH_QMP_REFUSED,     /* nobody listens */
	VH_QMP_BUSY,        /* its backlog is full */
	VH_QMP_UNCONNECTED, /* another error of connect */
	VH_QMP_NO_GREETING, /* connected, but silent: another client holds it, or QEMU is stuck */
	VH_QMP_NO_ANSWER,   /* greeted, but this question got none by its deadline */
	VH_QMP_CLOSED,      /* the other end went away */
	VH_QMP_NOT_QMP,     /* what came is not QMP, or answers something else */
	VH_QMP_TOO_MUCH,    /* more than a cap above */
	VH_QMP_ERROR,       /* an error answer: error_class and detail */
	VH_QMP_N_OUTCOMES
};

struct vh_qmp_answer {
	enum vh_qmp_outcome outcome;
	int err;                   /* errno value that stands for the outcome in evidence */
	enum vh_status status;     /* and its status */
	struct json_object *value; /* "return" of an answer, or the greeting; NULL without */
	char *error_class;         /* "CommandNotFound" */
	char *detail;              /* a sentence without stop; NULL when all is well */
	int64_t at_ns;             /* CLOCK_MONOTONIC */
	int64_t took_ns;
};
void vh_qmp_answer_free(struct vh_qmp_answer *a);
#define vh_auto_qmp_answer __attribute__((cleanup(vh_qmp_answer_free)))
/* Fills in outcome, status, err and detail. */
void vh_qmp_answer_set(struct vh_qmp_answer *a, enum vh_qmp_outcome outcome, const char *fmt, ...)
	VH_PRINTF(3, 4);
/* Takes one reply ({"return": ...} or {"error": ...}) apart into a. */
void vh_qmp_answer_take(struct vh_qmp_answer *a, struct json_object *reply);

struct vh_qmp;

/*
 * Connects and waits for the greeting, which goes to *greeting as an answer. NULL where that did
 * not work out. The greeting proves nothing about QEMU's main loop: it may come from a thread of
 * its own.
 */
struct vh_qmp *vh_qmp_connect(struct vh_host *host, struct vh_guard *guard, pid_t pid,
	const char *address, struct vh_deadline deadline, struct vh_qmp_answer *greeting);
/* The same over a connected stream socket, which it takes. */
struct vh_qmp *vh_qmp_over_fd(int fd, struct vh_deadline deadline, struct vh_qmp_answer *greeting);
void vh_qmp_close(struct vh_qmp *q);

/*
 * One question and its answer. arguments is borrowed, NULL for none. The first question is preceded
 * by qmp_capabilities under the same deadline. Once an answer stayed out, or the stream broke,
 * every further question gets that outcome at once: QEMU answers in order, so waiting again is
 * futile.
 */
void vh_qmp_ask(struct vh_qmp *q, const char *command, struct json_object *arguments,
	struct vh_deadline deadline, struct vh_qmp_answer *a);

/* Events that came along, oldest first; those beyond VH_QMP_MAX_EVENTS are only counted. */
size_t vh_qmp_n_events(const struct vh_qmp *q);
struct json_object *vh_qmp_event(const struct vh_qmp *q, size_t i);
size_t vh_qmp_events_lost(const struct vh_qmp *q);
