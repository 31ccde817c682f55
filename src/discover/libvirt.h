/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt, asked in a way that cannot hang: every call runs in a forked child, the agent, which
 * loads libvirt.so.0 by itself and is killed and reaped when a call passes its deadline. After
 * that, every further call fails at once and says so. One agent belongs to one thread, which must
 * outlive it: should that thread die, the kernel kills the agent.
 *
 * The code of an error says what to make of it: ETIMEDOUT (no answer: itself evidence; also every
 * call after that one), EBUSY (another job holds the domain: libvirt's state change lock), ESRCH
 * (no such domain, or it does not run), EACCES, ENOTCONN (no connection), EOPNOTSUPP (this libvirt
 * cannot do it, or it is not installed or not built in), EINVAL (it refused the question),
 * EREMOTEIO (anything else that libvirt says).
 */
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/host.h"

struct vh_libvirt;

/* The URI to ask: VMHANG_LIBVIRT_URI, LIBVIRT_DEFAULT_URI, or qemu:///system (qemu:///session)
 * where the socket of a daemon is there; NULL where there is no sign of one, or host is re-rooted.
 */
char *vh_libvirt_default_uri(struct vh_host *host);

/* Starts an agent and opens a read-only connection. NULL and *err where that fails. */
struct vh_libvirt *vh_libvirt_open(
	const char *uri, struct vh_deadline deadline, struct vh_error **err);
/* Kills and reaps the agent. NULL is fine. */
void vh_libvirt_close(struct vh_libvirt *lv);
const char *vh_libvirt_uri(const struct vh_libvirt *lv);

struct vh_libvirt_domain {
	char *name;
	char *uuid;   /* lower case, with hyphens */
	int id;       /* -1: not running */
	char *state;  /* as virsh names it: running, idle, paused, "in shutdown", "shut off",
			 crashed,  pmsuspended; "state N" where it is unknown to us */
	char *reason; /* "booted", "i/o error", ...; "reason N" where it is unknown to us */
};
struct vh_libvirt_domains {
	struct vh_libvirt_domain *list;
	size_t n;
};
void vh_libvirt_domains_free(struct vh_libvirt_domains *domains);
/* All active domains. */
struct vh_error *vh_libvirt_domains(
	struct vh_libvirt *lv, struct vh_deadline deadline, struct vh_libvirt_domains *out);

/*
 * One domain, by UUID. *text is the caller's, NUL-terminated. The XML, state and job never wait for
 * QEMU nor for the domain's job lock.
 */
/* The live XML (virDomainGetXMLDesc). */
struct vh_error *vh_libvirt_xml(
	struct vh_libvirt *lv, const char *uuid, struct vh_deadline deadline, char **text);
/* `key value` lines: state, reason, control (ok, job, occupied, error), control-reason (where it is
 * an error), control-ms (how long control has been so). virDomainGetState and
 * virDomainGetControlInfo. */
struct vh_error *vh_libvirt_state(
	struct vh_libvirt *lv, const char *uuid, struct vh_deadline deadline, char **text);
/* `key value` lines of virDomainListGetStats, of the groups that libvirt knows without QEMU: state,
 * cpu, net, perf. */
struct vh_error *vh_libvirt_stats(
	struct vh_libvirt *lv, const char *uuid, struct vh_deadline deadline, char **text);
/*
 * The same of all groups, with NOWAIT: it does not wait for another job, and then leaves out what
 * only QEMU knows. But where no other job is there it takes the job itself and asks QEMU: if that
 * cannot answer this blocks, and libvirt keeps the domain's job after we are gone. Ask only where
 * QEMU has just answered.
 */
struct vh_error *vh_libvirt_all_stats(
	struct vh_libvirt *lv, const char *uuid, struct vh_deadline deadline, char **text);
/* `key value` lines of virDomainGetJobStats, after "type" (none, bounded, unbounded). It waits for
 * nobody unless a migration runs. */
struct vh_error *vh_libvirt_job(
	struct vh_libvirt *lv, const char *uuid, struct vh_deadline deadline, char **text);
/* One QMP command (JSON text) through virDomainQemuMonitorCommand, which needs a read-write
 * connection, opened with the first one. *answer is the server's whole reply: {"return": ...} or
 * {"error": ...}. The domain becomes "tainted" in libvirt's log. */
struct vh_error *vh_libvirt_monitor(struct vh_libvirt *lv, const char *uuid, const char *command,
	struct vh_deadline deadline, char **answer);
