/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One look into a VM's memory, as the collectors that do so share it. Internal to collect. */
#pragma once

#include "collect/inside.h"
#include "collect/session.h"
#include "guest/explorer.h"
#include "guest/rammap.h"

struct vh_look {
	struct vh_host *host;
	struct vh_case *c;
	struct vh_session *s; /* a monitor that answers; NULL: none */
	const struct vh_outlook *outlook;
	struct vh_inside_options options;

	int fds[2];                    /* /proc/PID/mem and pagemap */
	struct vh_ram ram[VH_MAX_RAM]; /* as the monitor tells; n_ram 0: it does not */
	size_t n_ram;
	char *registers; /* the first reading of all vCPUs; NULL: none */
	char *maps;      /* /proc/PID/maps, where it is needed */
	struct vh_pages pages;
};

#define VH_LOOK_INIT(...)                                                                          \
	{                                                                                          \
		__VA_ARGS__, .fds = { -1, -1 }                                                     \
	}
void vh_look_free(struct vh_look *l);

/* A session with the VM's monitor, where it may be asked and answers, else NULL; what is read
 * passively of its threads tells that. s is to be ended either way, and *collect lives as long. */
struct vh_session *vh_look_session(struct vh_session *s, struct vh_host *host, struct vh_case *c,
	const struct vh_inside_options *options, struct vh_collect_options *collect);
/* Opens what is to be read; false: e tells why not, or that the guest is encrypted. */
bool vh_look_begin(struct vh_look *l, struct vh_evidence *e);
void vh_look_explorer(struct vh_look *l, struct vh_explorer *out);
/* All of it: adds evidence guest.inside, and guest.pages where pages are wanted. */
void vh_look_take(struct vh_look *l, enum vh_round round);

/* --- Following a log over resets (inside_follow.c) ---------------------------------------------
 */

/* The last record that was told. */
struct vh_told {
	bool any;
	uint64_t seq, ts_ns;
	char *text;
	size_t n;
};
/*
 * in->dmesg[*from] and later are what is new in a log that was read from its begin: what was told
 * already is left out where it is the same log still, by the last record that was told; false: it
 * is another one, of which all is new.
 */
bool vh_told_goes_on(const struct vh_told *told, const struct vh_inside *in, size_t *from);
/* Takes the last of in's records, where there is one. */
void vh_told_take(struct vh_told *told, const struct vh_inside *in);
void vh_told_free(struct vh_told *told);
