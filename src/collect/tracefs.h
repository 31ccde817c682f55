/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tracefs where nobody has mounted it. */
#pragma once

/* A mount of our own that is in no namespace and ends with the descriptor of its root, which is
 * returned; a negative errno where we may not (fsopen(2), Linux 5.2, CAP_SYS_ADMIN). */
int vh_tracefs_private(void);
