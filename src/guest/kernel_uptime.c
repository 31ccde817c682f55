/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long a kernel has been up, by its own clock: what /proc/uptime said at the last tick.
 *
 * The timekeeper (include/linux/timekeeper_internal.h) is brought up to date at each tick of the
 * CPU that keeps time, so this is the moment of that tick: some seconds ago where all CPUs idle
 * (NO_HZ), and the moment of the hang where that CPU has its interrupts off. It could be carried on
 * by the TSC, which cannot be read from outside. Jiffies are written at the same ticks, so they are
 * no better; they do for a kernel whose timekeeper is not found.
 */
#include "guest/kernel_search.h"

#define MAX_UPTIME (INT64_C(200) * 366 * 86400 * VH_NS_PER_S)
#define READINGS   4

struct clock_layout {
	uint32_t shift, xtime_nsec, base, offs_boot; /* in struct timekeeper */
};

/* One object of the core timekeeper: a sequence count, then struct timekeeper. "tk_core" up
 * to 6.16, from then on the first element of timekeeper_data[] (kernel/time/timekeeping.c). */
static bool find_timekeeper(const struct vh_kernel *k, uint64_t *seq, uint64_t *keeper)
{
	if (!vh_symbols_address(k->symbols, "tk_core", seq) &&
		!vh_symbols_address(k->symbols, "timekeeper_data", seq))
		return false;
	*keeper = *seq + vh_layout_offset(k->layout, "tk_data", "timekeeper", 8);
	return true;
}

/* Members, by BTF or as 4.18 and later have them; 6.13 moved what follows the first one. */
static struct clock_layout members(const struct vh_kernel *k)
{
	const struct vh_layout *l = k->layout;

	return (struct clock_layout){
		vh_layout_offset(l, "timekeeper", "tkr_mono.shift", 28),
		vh_layout_offset(l, "timekeeper", "tkr_mono.xtime_nsec", 32),
		vh_layout_offset(l, "timekeeper", "tkr_mono.base", 40),
		vh_layout_offset(
			l, "timekeeper", "offs_boot", vh_kernel_since(k, 6, 13) ? 96 : 152),
	};
}

static int64_t read_clock(const struct vh_kernel *k, uint64_t keeper, const struct clock_layout *c)
{
	uint64_t nsec, base, boot, sum;
	uint32_t shift;

	if (vh_space_u32(k->space, keeper + c->shift, &shift) || shift > 63 ||
		vh_space_u64(k->space, keeper + c->xtime_nsec, &nsec) ||
		vh_space_u64(k->space, keeper + c->base, &base) ||
		vh_space_u64(k->space, keeper + c->offs_boot, &boot))
		return -1;
	sum = base + (nsec >> shift) + boot;
	return sum <= (uint64_t)MAX_UPTIME ? (int64_t)sum : -1;
}

/* HZ is not told anywhere but by the length of a tick (kernel/time/ntp.c, up to 6.12). jiffies
 * begin five minutes before they wrap in 32 bits (INITIAL_JIFFIES). */
static int64_t by_jiffies(const struct vh_kernel *k)
{
	uint64_t jiffies, tick_ns, hz, ticks;

	if (vh_kernel_u64(k, "jiffies_64", &jiffies) || vh_kernel_u64(k, "tick_nsec", &tick_ns) ||
		tick_ns < VH_NS_PER_S / 10000 || tick_ns > VH_NS_PER_S / 10)
		return -1;
	hz = (VH_NS_PER_S + tick_ns / 2) / tick_ns;
	ticks = jiffies - (uint32_t)(-300 * (int64_t)hz);
	return ticks <= (uint64_t)MAX_UPTIME / tick_ns ? (int64_t)(ticks * tick_ns) : -1;
}

int64_t vh_kernel_uptime(const struct vh_kernel *k)
{
	struct clock_layout c = members(k);
	int64_t uptime = -1;
	uint64_t seq, keeper;

	if (!find_timekeeper(k, &seq, &keeper))
		return by_jiffies(k);
	/* A kernel that is stopped half-way through a change leaves an odd count: what is there is
	 * taken then. */
	for (int i = 0; i < READINGS; i++) {
		uint32_t before, after;

		if (vh_space_u32(k->space, seq, &before))
			break;
		uptime = read_clock(k, keeper, &c);
		if (!vh_space_u32(k->space, seq, &after) && before == after && !(before & 1))
			break;
	}
	return uptime >= 0 ? uptime : by_jiffies(k);
}
