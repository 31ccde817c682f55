/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "discover/libvirt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "discover/libvirt_agent.h"

/* A killed process ends at once unless the kernel holds it in an uninterruptible wait. */
#define REAP_NS (500 * VH_NS_PER_MS)

struct vh_libvirt {
	char *uri;
	pid_t agent; /* 0: none any more */
	struct vh_wire wire;
	char *given_up; /* why there is no agent any more; NULL while there is one */
};

char *vh_libvirt_default_uri(struct vh_host *host)
{
	static const char *const sockets[] = {
		"/run/libvirt/virtqemud-sock",
		"/run/libvirt/virtqemud-sock-ro",
		"/run/libvirt/libvirt-sock",
		"/run/libvirt/libvirt-sock-ro",
	};
	const char *run = getenv("XDG_RUNTIME_DIR");

	if (!vh_host_is_live(host))
		return NULL;
	if (getenv("VMHANG_LIBVIRT_URI"))
		return vh_strdup(getenv("VMHANG_LIBVIRT_URI"));
	if (getenv("LIBVIRT_DEFAULT_URI"))
		return vh_strdup(getenv("LIBVIRT_DEFAULT_URI"));
	for (size_t i = 0; i < VH_ARRAY_SIZE(sockets); i++)
		if (access(sockets[i], F_OK) == 0)
			return vh_strdup("qemu:///system");
	if (!run || geteuid() == 0)
		return NULL;
	vh_auto_free char *monolith = vh_asprintf("%s/libvirt/libvirt-sock", run);
	vh_auto_free char *modular = vh_asprintf("%s/libvirt/virtqemud-sock", run);

	return access(monolith, F_OK) == 0 || access(modular, F_OK) == 0
		       ? vh_strdup("qemu:///session")
		       : NULL;
}

/* What the child does between fork and _exit. glibc keeps malloc usable in the child of a process
 * with threads; nothing else of the parent is touched. */
static void agent_main(int fd, const char *uri, pid_t parent)
{
	sigset_t none;
	int null = open("/dev/null", O_RDWR);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "vmhang-libvirt");
	if (getppid() != parent)
		return;
	/* The program's handlers are not to run here. */
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	/* Ctrl-C is the parent's, which then ends us. */
	signal(SIGINT, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* libvirt must not write on our terminal, nor hold descriptors that it knows nothing of. */
	for (int i = 0; i <= 2; i++)
		dup2(null, i);
	dup2(fd, 3);
	syscall(SYS_close_range, 4, ~0U, 0);
	/* To look at a host is no reason to start a daemon on it. */
	setenv("LIBVIRT_AUTOSTART", "0", 1);
	vh_libvirt_agent_serve(3, uri);
}

/* Its wait status, 0 unknown. */
static int end_agent(struct vh_libvirt *lv)
{
	vh_auto_close int pidfd = -1;
	int status = 0;

	if (lv->wire.fd >= 0)
		close(lv->wire.fd);
	lv->wire.fd = -1;
	if (!lv->agent)
		return 0;
	pidfd = (int)syscall(SYS_pidfd_open, lv->agent, 0);
	kill(lv->agent, SIGKILL);
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	if (pidfd >= 0)
		poll(&p, 1, (int)(REAP_NS / VH_NS_PER_MS));
	while (waitpid(lv->agent, &status, pidfd >= 0 ? WNOHANG : 0) < 0 && errno == EINTR)
		;
	lv->agent = 0;
	return status;
}

static const char *call_name(const char *call)
{
	return strcmp(call, "open") ? call : "connection";
}

/* The wire failed: the agent is of no use any more. */
static struct vh_error *give_up(struct vh_libvirt *lv, const char *call, int err, int64_t waited_ns)
{
	int status = end_agent(lv);

	if (err == -ETIMEDOUT)
		lv->given_up = vh_asprintf("libvirt (%s) did not answer \"%s\" within %.1f s",
			lv->uri, call_name(call), (double)waited_ns / VH_NS_PER_S);
	else if (err == -EMSGSIZE)
		lv->given_up = vh_asprintf("libvirt (%s) answered \"%s\" with more than %d MiB",
			lv->uri, call_name(call), VH_WIRE_CAP >> 20);
	else
		lv->given_up = vh_asprintf("the libvirt client (%s) ended during \"%s\" (%s %d)",
			lv->uri, call_name(call), WIFSIGNALED(status) ? "signal" : "status",
			WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	struct vh_error *e = vh_error_new(0, "%s", lv->given_up);

	e->code = err == -ETIMEDOUT ? ETIMEDOUT : EREMOTEIO;
	return e;
}

/* The error that an answer tells of, or NULL. */
static struct vh_error *answered_error(struct vh_libvirt *lv, struct json_object *answer)
{
	int64_t code;

	if (!vh_json_i64(answer, "code", &code))
		return NULL;
	struct vh_error *e = vh_error_new(
		0, "libvirt (%s): %s", lv->uri, vh_json_string(answer, "message", "unknown error"));

	e->code = (int)code;
	return e;
}

struct vh_libvirt *vh_libvirt_open(
	const char *uri, struct vh_deadline deadline, struct vh_error **err)
{
	int pair[2];
	int64_t began = vh_now_ns();
	pid_t parent = getpid();

	*err = NULL;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		*err = vh_error_new(errno, "starting the libvirt client");
		return NULL;
	}
	struct vh_libvirt *lv = vh_alloc(sizeof(*lv));

	lv->uri = vh_strdup(uri);
	lv->wire.fd = pair[0];
	lv->agent = fork();
	if (lv->agent == 0) {
		agent_main(pair[1], uri, parent);
		_exit(0);
	}
	close(pair[1]);
	if (lv->agent < 0) {
		*err = vh_error_new(errno, "starting the libvirt client");
		lv->agent = 0;
	} else {
		vh_auto_json struct json_object *hello = NULL;
		int r = vh_wire_receive(&lv->wire, deadline, &hello);

		*err = r < 0 ? give_up(lv, "open", r, vh_now_ns() - began)
			     : answered_error(lv, hello);
	}
	if (*err) {
		vh_libvirt_close(lv);
		return NULL;
	}
	return lv;
}

void vh_libvirt_close(struct vh_libvirt *lv)
{
	if (!lv)
		return;
	end_agent(lv);
	vh_buf_free(&lv->wire.pending);
	free(lv->given_up);
	free(lv->uri);
	free(lv);
}

const char *vh_libvirt_uri(const struct vh_libvirt *lv)
{
	return lv->uri;
}

/* One question, one answer; *answer is the caller's to put where there is no error. */
static struct vh_error *ask(struct vh_libvirt *lv, const char *call, const char *uuid,
	const char *command, struct vh_deadline deadline, struct json_object **answer)
{
	vh_auto_json struct json_object *request = json_object_new_object();
	int64_t began = vh_now_ns();

	*answer = NULL;
	if (lv->given_up) {
		struct vh_error *e = vh_error_new(0, "not asked: %s", lv->given_up);

		e->code = ETIMEDOUT;
		return e;
	}
	vh_json_put_text(request, "call", call);
	if (uuid)
		vh_json_put_text(request, "uuid", uuid);
	if (command)
		vh_json_put_text(request, "command", command);
	int r = vh_wire_send(&lv->wire, request, deadline);

	if (r == 0)
		r = vh_wire_receive(&lv->wire, deadline, answer);
	if (r < 0)
		return give_up(lv, call, r, vh_now_ns() - began);
	struct vh_error *err = answered_error(lv, *answer);

	if (err) {
		json_object_put(*answer);
		*answer = NULL;
	}
	return err;
}

void vh_libvirt_domains_free(struct vh_libvirt_domains *domains)
{
	for (size_t i = 0; i < domains->n; i++) {
		free(domains->list[i].name);
		free(domains->list[i].uuid);
		free(domains->list[i].state);
		free(domains->list[i].reason);
	}
	free(domains->list);
	*domains = (struct vh_libvirt_domains){0};
}

struct vh_error *vh_libvirt_domains(
	struct vh_libvirt *lv, struct vh_deadline deadline, struct vh_libvirt_domains *out)
{
	vh_auto_json struct json_object *answer = NULL;
	struct vh_error *err = ask(lv, "domains", NULL, NULL, deadline, &answer);

	*out = (struct vh_libvirt_domains){0};
	if (err)
		return err;
	struct json_object *list = vh_json_at(answer, "domains", NULL);
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		struct vh_libvirt_domain *d = &VH_PUSH(out->list, out->n);
		int64_t id = -1;

		vh_json_i64(o, "id", &id);
		d->id = (int)id;
		d->name = vh_strdup(vh_json_string(o, "name", ""));
		d->uuid = vh_strdup(vh_json_string(o, "uuid", ""));
		d->state = vh_strdup(vh_json_string(o, "state", ""));
		d->reason = vh_strdup(vh_json_string(o, "reason", ""));
	}
	return NULL;
}

static struct vh_error *ask_text(struct vh_libvirt *lv, const char *call, const char *uuid,
	const char *command, struct vh_deadline deadline, char **text)
{
	vh_auto_json struct json_object *answer = NULL;
	struct vh_error *err = ask(lv, call, uuid, command, deadline, &answer);

	*text = NULL;
	if (!err)
		*text = vh_strdup(vh_json_string(answer, "text", ""));
	return err;
}

struct vh_error *vh_libvirt_xml(
	struct vh_libvirt *lv, const char *uuid, struct vh_deadline deadline, char **text)
{
	return ask_text(lv, "xml", uuid, NULL, deadline, text);
}

struct vh_error *vh_libvirt_state(
	struct vh_libvirt *lv, const char *uuid, struct vh_deadline deadline, char **text)
{
	return ask_text(lv, "state", uuid, NULL, deadline, text);
}

struct vh_error *vh_libvirt_stats(
	struct vh_libvirt *lv, const char *uuid, struct vh_deadline deadline, char **text)
{
	return ask_text(lv, "stats", uuid, NULL, deadline, text);
}

struct vh_error *vh_libvirt_all_stats(
	struct vh_libvirt *lv, const char *uuid, struct vh_deadline deadline, char **text)
{
	return ask_text(lv, "all-stats", uuid, NULL, deadline, text);
}

struct vh_error *vh_libvirt_job(
	struct vh_libvirt *lv, const char *uuid, struct vh_deadline deadline, char **text)
{
	return ask_text(lv, "job", uuid, NULL, deadline, text);
}

struct vh_error *vh_libvirt_monitor(struct vh_libvirt *lv, const char *uuid, const char *command,
	struct vh_deadline deadline, char **answer)
{
	return ask_text(lv, "monitor", uuid, command, deadline, answer);
}
