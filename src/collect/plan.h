/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the monitor is asked, in which order, and what must hold for each question. A question can
 * hang a VM or change it, so each row of the table names its needs, and the outlook tells from the
 * passive evidence just read which needs are not met, and why. Pure: touches no host.
 */
#pragma once

#include "case/case.h"

enum vh_need {
	VH_NEED_CONTACT,   /* the process can answer at all */
	VH_NEED_MAIN,      /* its main thread is not blocked */
	VH_NEED_IOTHREADS, /* no I/O thread is blocked (it may hold a drive's lock) */
	VH_NEED_VCPUS,     /* every vCPU thread can leave the guest and serve a request */
	VH_NEED_REGISTERS, /* a register query is safe, and gives something of the guest */
	VH_NEED_MEMORY,    /* guest memory is not encrypted */
	VH_NEED_ACCESS,    /* we can read the VM's memory from here */
	VH_NEED_X86,
	VH_NEED_KNOWN_CPU, /* the machine is an x86 or a 64-bit ARM one: memory can be read as Linux
			      lays it out */
	VH_NEED_SEV,       /* the guest is a SEV one: query-sev on another kind may abort QEMU */
	VH_NEED_STORAGE,   /* no thread waits on storage */
	VH_NEED_LOCAL_FILES, /* no drive sits on FUSE or a network file system */
	VH_NEED_DRIVES,      /* the drives' counters look healthy */
	VH_NEED_DEVICES, /* exits were counted that go to a device: its name is worth asking for */
	VH_NEED_FILE,    /* QEMU can write a file where we can read it */
	VH_NEED_MIGRATION, /* a migration goes on */
	VH_N_NEEDS
};

/* Why a need is not met, as a clause for people; NULL where it is. */
struct vh_outlook {
	char *against[VH_N_NEEDS];
	enum vh_conf_kind confidential;
};
/* From the newest passive look of the case, and its VM. */
void vh_outlook_take(struct vh_outlook *o, const struct vh_case *c);
void vh_outlook_free(struct vh_outlook *o);
/* Objects to a need, unless something already does. */
void vh_outlook_object(struct vh_outlook *o, enum vh_need need, const char *fmt, ...)
	VH_PRINTF(3, 4);

/* What is learned from the monitor itself. */
void vh_outlook_add_confidential(struct vh_outlook *o, enum vh_conf_kind kind);
/* QEMU's version, where it is known: a register query of a SEV-ES guest, which KVM may refuse,
 * stops the VM from 8.2 on; older ones ignore the refusal. */
void vh_outlook_add_version(struct vh_outlook *o, uint64_t major, uint64_t minor);
/* A migration goes on. */
void vh_outlook_add_migration(struct vh_outlook *o);
void vh_outlook_add_run_state(struct vh_outlook *o, const char *run_state);
/* mountinfo as in /proc/PID/mountinfo, whole; NULL: it could not be read. */
#define VH_PICTURE_DIRECTORY "/tmp" /* where QEMU may be asked to write its screen to */
void vh_outlook_add_mounts(
	struct vh_outlook *o, const struct vh_case *c, const struct vh_str *mountinfo);
/* Two answers of query-blockstats, either may be NULL. */
void vh_outlook_add_blockstats(
	struct vh_outlook *o, struct json_object *first, struct json_object *again);

enum vh_turn {
	VH_TURN_IDENTIFY, /* who are you */
	VH_TURN_SAMPLE,   /* twice, a moment apart */
	VH_TURN_ONCE,     /* between the two samples */
	VH_TURN_INSIDE,   /* behind both */
	VH_TURN_LAST,     /* what could hang a VM, when all else is in the case */
	VH_N_TURNS
};

struct vh_question {
	const char *source;    /* evidence source: "qmp.X" or "hmp.X"; else made by monitor.c */
	const char *subject;   /* of the evidence; NULL: "" or the vCPU's */
	const char *command;   /* QMP command, or NULL */
	const char *arguments; /* its arguments as JSON, or NULL */
	const char *line;      /* HMP command line, or NULL */
	enum vh_turn turn;
	unsigned needs; /* VH_NEEDS() of enum vh_need */
	bool per_vcpu;
};
extern const struct vh_question vh_questions[];
extern const size_t vh_n_questions;

/* Why this question must not be asked, or NULL. It lives in o. */
const char *vh_plan_objection(const struct vh_outlook *o, const struct vh_question *q);
/* The row of a source (and subject, unless NULL); NULL without one. */
const struct vh_question *vh_plan_find(const char *source, const char *subject);
