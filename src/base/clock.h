/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Time and deadlines. All times are nanoseconds of CLOCK_MONOTONIC unless a name says otherwise. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define VH_NS_PER_S  INT64_C(1000000000)
#define VH_NS_PER_MS INT64_C(1000000)
#define VH_NS_PER_US INT64_C(1000)

int64_t vh_now_ns(void);
int64_t vh_wall_clock_ns(void); /* CLOCK_REALTIME since the epoch */
int64_t vh_boot_clock_ns(void); /* CLOCK_BOOTTIME: the clock of starttime in /proc/PID/stat */
void vh_sleep_until_ns(int64_t at_ns);

/* A moment after which a wait is given up. */
struct vh_deadline {
	int64_t at_ns;
};
struct vh_deadline vh_deadline_in(int64_t ns);
/* The nearer of the two. */
struct vh_deadline vh_deadline_min(struct vh_deadline a, struct vh_deadline b);
int64_t vh_deadline_left_ns(struct vh_deadline d); /* never negative */
int vh_deadline_left_ms(struct vh_deadline d);     /* rounded up, for poll() */
bool vh_deadline_passed(struct vh_deadline d);
