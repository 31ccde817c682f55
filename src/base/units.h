/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Quantities for people. The strings live in the buffer that is passed. */
#pragma once

#include "base/util.h"

struct vh_unit_text {
	char s[32];
};

/* 512 B, 2.0 MiB, 16.0 GiB */
struct vh_unit_text vh_bytes_text(uint64_t bytes);
/* 350 ns, 4.2 us, 12.0 ms, 3.4 s, 5 min 12 s, 6 h 44 min, 3 d 2 h */
struct vh_unit_text vh_duration_text(int64_t ns);
