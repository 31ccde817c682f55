/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * VH_NS_PER_S + ts.tv_nsec;
}

int64_t vh_now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t vh_wall_clock_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t vh_boot_clock_ns(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

void vh_sleep_until_ns(int64_t at_ns)
{
	struct timespec ts = {.tv_sec = at_ns / VH_NS_PER_S, .tv_nsec = at_ns % VH_NS_PER_S};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

struct vh_deadline vh_deadline_in(int64_t ns)
{
	return (struct vh_deadline){.at_ns = vh_now_ns() + ns};
}

struct vh_deadline vh_deadline_min(struct vh_deadline a, struct vh_deadline b)
{
	return a.at_ns < b.at_ns ? a : b;
}

int64_t vh_deadline_left_ns(struct vh_deadline d)
{
	int64_t left = d.at_ns - vh_now_ns();

	return left > 0 ? left : 0;
}

int vh_deadline_left_ms(struct vh_deadline d)
{
	int64_t ms = (vh_deadline_left_ns(d) + VH_NS_PER_MS - 1) / VH_NS_PER_MS;

	return ms > INT_MAX ? INT_MAX : (int)ms;
}

bool vh_deadline_passed(struct vh_deadline d)
{
	return vh_now_ns() >= d.at_ns;
}
