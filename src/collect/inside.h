/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looking inside a guest (src/guest/explore.h, in a sandbox): of a running VM as a part of a
 * diagnosis or alone, of the pages that a case kept, of a dump. What was found is evidence
 * guest.inside, JSON as docs/inside-format.md has it; the pages that were read are guest.pages
 * where they are wanted.
 */
#pragma once

#include "collect/collect.h"
#include "guest/explore.h"

struct vh_inside_options {
	struct vh_explore_options explore;
	int64_t deadline_ns;   /* of the look itself; 0: VH_INSIDE_NS */
	uint64_t budget_bytes; /* of guest memory that is read; 0: VH_INSIDE_BYTES */
	size_t pages;          /* keeps so many of the pages that are read; 0: none */
	bool passive;          /* asks no monitor: what is there is found by scanning memory */
	int64_t step_ns;       /* of one question to the monitor; 0: VH_STEP_NS */
	bool no_libvirt;
	const char *libvirt_uri;
};
#define VH_INSIDE_NS    (10 * VH_NS_PER_S)
#define VH_INSIDE_BYTES (UINT64_C(4) << 30)
/* As many as a case file takes (VH_CASE_MAX_ATTACHMENT). */
#define VH_INSIDE_MAX_PAGES 16000u

/*
 * Looks into one VM, and at nothing else but what tells whether its monitor can be asked. The case
 * has evidence guest.inside, whatever came of it (its status tells where there was no look), and
 * guest.pages where pages were wanted. Never NULL.
 */
struct vh_case *vh_collect_inside(
	struct vh_host *host, const struct vh_vm *vm, const struct vh_inside_options *options);

/* The same as a part of a diagnosis that asks no monitor; what it may cost is limited. */
void vh_collect_inside_passively(
	struct vh_host *host, struct vh_case *c, const struct vh_collect_options *options);

/*
 * Follows the guest's log: records(self, news) is called with what is new each interval, first with
 * all from options->explore.dmesg_from on, until it returns false. A guest that is reset is
 * followed on into its next boot. An error where it could not begin or broke off: no Linux, the VM
 * ended, ...
 */
struct vh_follow_news {
	const struct vh_inside *in; /* lives as long as the call */
	size_t from;                /* in->dmesg[from] and later are new */
	bool begins;                /* a log begins with it; in may have the kernel */
	bool waits; /* the guest no longer runs what was followed; in->why tells what there is */
};
struct vh_follow_records {
	int64_t interval_ns;
	bool (*records)(void *self, const struct vh_follow_news *news);
	void *self;
};
struct vh_error *vh_collect_follow(struct vh_host *host, const struct vh_vm *vm,
	const struct vh_inside_options *options, const struct vh_follow_records *to);

/* Looks anew at the pages of a case (evidence guest.pages). Never NULL; outcome
 * VH_INSIDE_UNREADABLE and why where they cannot be used. */
bool vh_case_has_pages(const struct vh_case *c);
struct vh_inside *vh_inside_of_pages(
	const struct vh_case *c, const struct vh_inside_options *options);

/* Looks into a dump of a guest: an ELF file (dump-guest-memory) or kdump-compressed. Never NULL. */
bool vh_is_dump(const char *path);
struct vh_inside *vh_inside_of_dump(const char *path, const struct vh_inside_options *options);
