/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One conversation with a VM's monitor, directly or through libvirt: asks, puts the answers into
 * the case, and knows when to stop. Internal to the collectors that touch the VM.
 */
#pragma once

#include "collect/collect.h"
#include "collect/plan.h"
#include "collect/qmp.h"
#include "discover/libvirt.h"

/* What is needed of a register dump to go on asking; decoding it is decode's. */
struct vh_vcpu_view {
	int64_t index;    /* QEMU's cpu-index */
	bool known;       /* a dump was read */
	bool halted;      /* HLT=1 */
	bool moved;       /* its RIP was in different pages: more than one small loop */
	uint64_t rip;     /* RIP, EIP */
	uint64_t cr3;     /* with the address, names the code */
	uint64_t address; /* linear: CS base + RIP */
	unsigned dumps;   /* read so far */
};
/* Takes one `info registers` text of x86. */
void vh_vcpu_view_take(struct vh_vcpu_view *v, struct vh_str text);

/* What is needed of a virtio queue to know whether to look once more; decoding it is decode's. */
struct vh_queue_view {
	char *path; /* QOM path of the device */
	unsigned number;
	bool rings_are_plain; /* split, and at guest-physical addresses */
	bool has_events;      /* the guest says when it wants to be interrupted */
	bool idle;            /* the guest does not use it */
	bool looked;
	bool waits; /* something in it did not move between the last two looks */
	uint64_t descriptors, in_use, taken, used;
	uint64_t untaken; /* how far the guest has filled it */
	uint64_t unseen;  /* answers that it wants to be told of, and has not looked at */
};

struct vh_session {
	struct vh_host *host;
	struct vh_case *c;
	const struct vh_collect_options *options;
	struct vh_guard *guard;
	struct vh_deadline total; /* of everything */
	int64_t step_ns;          /* of one question */
	struct vh_outlook outlook;
	struct vh_qmp *qmp;    /* one of these two */
	struct vh_libvirt *lv; /* (also open beside qmp for libvirt's own evidence) */
	bool through_libvirt;
	bool unaskable; /* there is no monitor that anybody could ask */
	char *over;     /* why nothing more is asked; NULL while it goes on */
	struct vh_vcpu_view *vcpus;
	size_t n_vcpus;
	bool running;                      /* the vCPUs are let run: a second look can differ */
	uint64_t major, minor;             /* QEMU's version; 0 unknown */
	struct json_object *blockstats[2]; /* asked, asked again */
	struct vh_queue_view *queues;
	size_t n_queues;
};

/* Takes the passive evidence into account and opens nothing. */
void vh_session_begin(struct vh_session *s, struct vh_host *host, struct vh_case *c,
	const struct vh_collect_options *options);
/* Connects. False where there is nobody to ask: the case says why, and s->over is set. */
bool vh_session_open(struct vh_session *s);
void vh_session_end(struct vh_session *s);

/* Who it is, once it is open: its state, version, vCPUs, and whether it is encrypted; false:
 * s->over tells why it does not go on. */
bool vh_session_identify(struct vh_session *s);

/* libvirt's own view of the VM (src/collect/libvirt.c). */
void vh_session_ask_libvirt(struct vh_session *s);
/* Its statistics: the last that is asked. */
void vh_session_ask_libvirt_stats(struct vh_session *s);

/* qom-get; a property that this version does not have is absent. */
void vh_session_ask_property(
	struct vh_session *s, const char *path, const char *property, struct vh_qmp_answer *a);
/* The queues of virtio disks (src/collect/virtio.c): finds them, looks at each, and tells whether
 * in one of them nothing moved between the last two looks though something is in it. */
void vh_session_find_queues(struct vh_session *s);
void vh_session_look_at_queues(struct vh_session *s, enum vh_round round);
bool vh_session_queue_waits(const struct vh_session *s);
void vh_session_free_queues(struct vh_session *s);

/* True while another question makes sense; else s->over tells why not. */
bool vh_session_goes_on(struct vh_session *s);
/* One QMP command within the step's deadline; arguments are borrowed. */
void vh_session_ask(struct vh_session *s, const char *command, struct json_object *arguments,
	struct vh_qmp_answer *a);
/* One HMP line, as seen from a vCPU (-1: any). The answer's value is a string. */
void vh_session_ask_hmp(
	struct vh_session *s, const char *line, int64_t cpu, struct vh_qmp_answer *a);
/* The text of such an answer; empty where it is none. */
struct vh_str vh_session_text(const struct vh_qmp_answer *a);
/* Adds an answer to the case; where as "QMP query-status". */
struct vh_evidence *vh_session_add(struct vh_session *s, enum vh_round round, const char *source,
	const char *subject, const char *where, const struct vh_qmp_answer *a);

/* Asks what the VMM is busy with once more, and until it moves (src/collect/progress.c). */
void vh_session_watch_progress(struct vh_session *s);
/* True where query-migrate was answered with a migration that goes on. */
bool vh_session_migrates(const struct vh_session *s);

/* For those that read the guest's memory. HMP `command of` for the number behind key; otherwise e
 * tells what QEMU said instead. */
bool vh_session_ask_number(struct vh_session *s, const char *command, uint64_t of, int64_t cpu,
	const char *key, struct vh_evidence *e, uint64_t *value);
/* Reads QEMU's memory; otherwise e tells why not. */
bool vh_session_read_hva(
	struct vh_session *s, uint64_t hva, void *to, size_t n, struct vh_evidence *e);
/* Evidence that was read between begin_ns and now. */
void vh_session_set_time(struct vh_session *s, struct vh_evidence *e, int64_t begin_ns);
/* guest.code of one vCPU, guest.screen (src/collect/guestview.c). */
void vh_session_read_code(struct vh_session *s, const struct vh_vcpu_view *v);
void vh_session_read_screen(struct vh_session *s);
/* guest.ghcb of the vCPUs of an encrypted guest, by the addresses in trace.vcpu (src/collect/
 * ghcbview.c); nothing where there are none. */
void vh_session_read_ghcbs(struct vh_session *s);
/* guest.inside (src/collect/inside_diagnose.c), with the monitor or by a scan of the VM's memory.
 */
void vh_session_look_inside(struct vh_session *s, bool ask);
/* guest.screendump (src/collect/screendump.c); the first names what forbids it. */
void vh_session_object_to_screendump(struct vh_session *s);
void vh_session_take_screendump(struct vh_session *s);
