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

/* Opens what is to be read; false: e tells why not, or that the guest is encrypted. */
bool vh_look_begin(struct vh_look *l, struct vh_evidence *e);
void vh_look_explorer(struct vh_look *l, struct vh_explorer *out);
/* All of it: adds evidence guest.inside, and guest.pages where pages are wanted. */
void vh_look_take(struct vh_look *l, enum vh_round round);
