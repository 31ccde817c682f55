/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of decode share while a model is built: one decode_X() a part of the model, called
 * by vh_model_build() in an order in which each part finds what it needs of the earlier ones.
 */
#pragma once

#include "decode/cpuset.h"

/* A case may come from anybody: more than these are ignored. */
#define VH_MAX_THREADS  4096
#define VH_MAX_VCPUS    4096 /* KVM_MAX_VCPUS of x86 at its largest */
#define VH_MAX_DRIVES   256
#define VH_MAX_COUNTERS 512
#define VH_MAX_EVENTS   256
#define VH_MAX_LOGS     64
#define VH_MAX_RIVALS   256
#define VH_MAX_CGROUPS  256

/* The case's evidence, sorted by source, subject, round and age, so that finding is cheap even in a
 * case of thousands of threads. */
struct vh_lookup {
	const struct vh_case *c;
	struct vh_found {
		const struct vh_evidence *e;
		size_t index; /* in the case */
	} * list;
	size_t n;
};
void vh_lookup_init(struct vh_lookup *l, const struct vh_case *c);
void vh_lookup_free(struct vh_lookup *l);
/* All of a source: l->list[begin] up to, not including, [end]; by subject, then round, then age. */
void vh_lookup_source(const struct vh_lookup *l, const char *source, size_t *begin, size_t *end);
/* All of a source and subject: by round, then age. */
void vh_lookup_subject(const struct vh_lookup *l, const char *source, const char *subject,
	size_t *begin, size_t *end);
/* The newest of that round, or of any (VH_N_ROUND: later rounds are newer); NULL where there is
 * none. */
const struct vh_found *vh_seek(
	const struct vh_lookup *l, const char *source, const char *subject, enum vh_round round);
/* The same where it has data. */
const struct vh_found *vh_seek_data(
	const struct vh_lookup *l, const char *source, const char *subject, enum vh_round round);
/* Its text, empty where there is none. */
struct vh_str vh_seek_text(
	const struct vh_lookup *l, const char *source, const char *subject, enum vh_round round);
/* The newest text of the window: of the last look, else of the first, else once. */
struct vh_str vh_seek_window(const struct vh_lookup *l, const char *source, const char *subject);
/* Its data as JSON; NULL where there is none or it is not JSON. The caller puts it. */
struct json_object *vh_seek_json(
	const struct vh_lookup *l, const char *source, const char *subject, enum vh_round round);

struct vh_decoder {
	struct vh_lookup in;
	struct vh_model *m;
	struct vh_pasted_rows *pasted; /* threads of a pasted text; NULL: there is none */
	double ticks_per_s;
	bool x86; /* system call numbers are those of x86-64 */
};

void vh_decode_confidential(struct vh_decoder *d);
void vh_decode_cgroup(struct vh_decoder *d);
void vh_decode_threads(struct vh_decoder *d);
void vh_decode_vcpus(struct vh_decoder *d); /* after threads: names them, sets their role */
void vh_decode_counters(struct vh_decoder *d);
void vh_decode_exits(struct vh_decoder *d);
void vh_decode_monitor(struct vh_decoder *d);
void vh_decode_pulse(struct vh_decoder *d);      /* after cgroup */
void vh_decode_vcpu_state(struct vh_decoder *d); /* after vcpus */
void vh_decode_protected(struct vh_decoder *d);  /* after vcpus, exits and monitor */
void vh_decode_locks(struct vh_decoder *d);      /* after vcpus */
void vh_decode_drives(struct vh_decoder *d);
void vh_decode_chardevs(struct vh_decoder *d);
void vh_decode_channels(struct vh_decoder *d); /* after chardevs */
void vh_channels_free(struct vh_model *m);
/* The next of the NUL-separated arguments of a command line. */
bool vh_next_argument(struct vh_str *rest, struct vh_str *argument);
/* True where an argument has key=value, in QEMU's form or as JSON. */
bool vh_argument_has(struct vh_str argument, const char *key, const char *value);
void vh_decode_servers(struct vh_decoder *d);    /* after chardevs */
void vh_decode_virtqueues(struct vh_decoder *d); /* after drives */
void vh_decode_jobs(struct vh_decoder *d);       /* migration, block jobs, dump */
void vh_jobs_free(struct vh_model *m);
void vh_decode_process(struct vh_decoder *d);
void vh_decode_host(struct vh_decoder *d);
void vh_decode_host_load(struct vh_decoder *d); /* after threads and host */
void vh_decode_inside(struct vh_decoder *d);
void vh_decode_logs(struct vh_decoder *d);
void vh_decode_screen(struct vh_decoder *d);       /* after logs: adds hits */
void vh_decode_inside_log(struct vh_decoder *d);   /* after logs and screen: adds and drops hits */
void vh_decode_guest_kernel(struct vh_decoder *d); /* after logs and screen */
void vh_guest_kernel_free(struct vh_guest_kernel *k);
void vh_decode_serial_full(struct vh_decoder *d); /* after monitor and vcpus */

/* By id, or NULL. */
struct vh_thread *vh_thread_find(const struct vh_model *m, int64_t tid);
struct vh_vcpu *vh_vcpu_find(const struct vh_model *m, uint64_t index);
/* threads.c: sets what a thread waits in from its samples; again once its role is known. */
void vh_thread_decide_wait(struct vh_thread *t);
void vh_thread_free(struct vh_thread *t);
/* wait.c: frozen as in struct vh_cgroup_view. */
enum vh_wait vh_wait_of(
	const struct vh_thread_sample *s, const char *blocked_on, int frozen, bool x86);
/* counters.c */
void vh_counters_free(struct vh_counters *c);
/* True where the value of "some avg10" was in a pressure file (kernel Documentation/accounting/
 * psi.rst). */
bool vh_pressure_some_avg10(struct vh_str text, double *value);

/* Between two times of a case, whose file may say anything. */
static inline double vh_seconds(int64_t from_ns, int64_t to_ns)
{
	return ((double)to_ns - (double)from_ns) / 1e9;
}

/* A number behind a prefix: ("vcpu:", "vcpu:12") is 12. */
bool vh_subject_number(const char *prefix, const char *subject, uint64_t *value);
/* logpatterns.c: what vmhang recognises in logs. */
struct vh_log_pattern {
	const char *id;
	unsigned kinds;        /* bits 1 << enum vh_log_kind */
	const char *needle[2]; /* both must be in the line; the second may be NULL */
	const char *not_with;  /* none of this in the line; NULL: any */
	enum {
		VH_LOG_ANYWHERE,
		VH_LOG_NEAR_END, /* a prompt: counts only among the last lines */
		VH_LOG_OURS      /* host: only where the line names the process or a thread */
	} where;
	const char *meaning;
};
extern const struct vh_log_pattern vh_log_patterns[];
extern const size_t vh_n_log_patterns;
/* True for the line with which firmware or a kernel begins to boot. */
bool vh_log_is_boot_banner(struct vh_str line);
