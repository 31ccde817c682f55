/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is mounted where. */
#pragma once

#include "base/host.h"

/* A mount of a mountinfo file (proc(5)). */
struct vh_mount {
	char *root;  /* of the mount within its file system */
	char *point; /* unescaped */
	char *type;
	char *options; /* of the file system: a v1 cgroup's controllers */
};
struct vh_mounts {
	struct vh_mount *list;
	size_t n;
	enum vh_status status;
};
/* Of this process; status is that of the reading. */
void vh_mounts_read(struct vh_host *host, struct vh_mounts *out);
/* Of a text; status is VH_TRUNCATED where there are more than 16384. */
void vh_mounts_parse(struct vh_str text, struct vh_mounts *out);
void vh_mounts_free(struct vh_mounts *mounts);
#define vh_auto_mounts __attribute__((cleanup(vh_mounts_free)))
/* The first mount of a type whose comma-separated options contain one; option NULL: any. */
const struct vh_mount *vh_mounts_find(
	const struct vh_mounts *mounts, const char *type, const char *option);
/* The mount that a path lies on, NULL unknown. Links in the path are not followed. */
const struct vh_mount *vh_mounts_of_path(const struct vh_mounts *mounts, const char *path);
