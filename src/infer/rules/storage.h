/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the rules of storage share. */
#pragma once

#include "infer/rules/common.h"

/* The file that the thread of a fact waits for, quoted for a shell; NULL where it is not known, or
 * cannot be pasted as it is. The caller frees it. */
char *vh_silent_file(const struct vh_facts *facts, const struct vh_fact *f);
/* A path quoted for a shell; NULL where it cannot be pasted as it is. */
char *vh_shell_path(const char *path);
/* The file or URL of the first drive with that backend, escaped; NULL without one. */
char *vh_served_by(const struct vh_facts *facts, enum vh_backend backend);
/* That the guest waits: the same for every storage that does not answer. */
void vh_weigh_waiting_guest(struct vh_judgement *j, const struct vh_facts *facts);
/* What must not be done meanwhile, and what follows when the storage is back. */
void vh_next_while_storage_is_silent(struct vh_judgement *j);
