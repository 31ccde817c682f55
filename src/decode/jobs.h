/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the VMM itself is busy with: a migration, block jobs, a dump. Each is asked twice, so that
 * what moves is told from what stands still. Names and texts are escaped.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* One answer of query-migrate (QEMU qapi/migration.json, 7.2 to 10.0). */
struct vh_migration_look {
	bool seen;      /* it was answered; without a status no migration was begun */
	int64_t at_ns;  /* when it was asked */
	char *status;   /* MigrationStatus: "active", "postcopy-paused", ...; NULL none */
	bool has_ram;   /* the source tells how far it is; the destination does not */
	uint64_t moved; /* bytes sent so far */
	uint64_t remaining_bytes, total_bytes;
	uint64_t dirty_bytes_per_s; /* what the guest changes, as of the last round */
	uint64_t rounds;            /* over all of its memory */
	double bytes_per_s;         /* what it is sent at */
	int64_t expected_downtime_ms, throttle_percent; /* -1 not told */
};
struct vh_migration_view {
	struct vh_migration_look looks[2]; /* asked, asked again */
	char *error;                       /* error-desc; NULL none */
	int64_t downtime_limit_ms;         /* query-migrate-parameters; -1 not told */
	int64_t max_bytes_per_s;           /* ditto; 0 unlimited, -1 not told */
};
/* The newest look; NULL where it was not answered. */
const struct vh_migration_look *vh_migration_last(const struct vh_migration_view *v);

struct vh_block_job {
	char *id, *type;                     /* "backup0"; "mirror", "commit", "stream", "backup" */
	char *status;                        /* JobStatus, newest; NULL not told */
	char *io_status;                     /* "ok", "failed", "nospace"; NULL not told */
	char *error;                         /* NULL none */
	uint64_t done_bytes[2], total_bytes; /* asked, asked again */
	bool has_done[2], paused, ready, by_hand; /* by_hand: must be finished by somebody */
	uint64_t bytes_per_s_limit;               /* 0 unlimited */
};
struct vh_jobs_view {
	int64_t at_ns[2]; /* when they were asked; 0 not asked */
	struct vh_block_job *list;
	size_t n;
};

struct vh_dump_view { /* query-dump */
	int64_t at_ns[2];
	char *status; /* newest: "none", "active", "completed", "failed"; NULL not told */
	uint64_t done_bytes[2], total_bytes;
	bool has_done[2];
};
