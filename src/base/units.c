/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/units.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"

struct vh_unit_text vh_bytes_text(uint64_t bytes)
{
	static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	struct vh_unit_text t;
	double v = (double)bytes;
	size_t i = 0;

	while (v >= 1024 && i + 1 < VH_ARRAY_SIZE(unit)) {
		v /= 1024;
		i++;
	}
	snprintf(t.s, sizeof(t.s), i ? "%.1f %s" : "%.0f %s", v, unit[i]);
	return t;
}

struct vh_unit_text vh_duration_text(int64_t ns)
{
	struct vh_unit_text t;
	int64_t s = ns / VH_NS_PER_S;

	if (ns < 0)
		snprintf(t.s, sizeof(t.s), "%" PRId64 " ns", ns);
	else if (ns < VH_NS_PER_US)
		snprintf(t.s, sizeof(t.s), "%" PRId64 " ns", ns);
	else if (ns < VH_NS_PER_MS)
		snprintf(t.s, sizeof(t.s), "%.1f us", (double)ns / VH_NS_PER_US);
	else if (ns < VH_NS_PER_S)
		snprintf(t.s, sizeof(t.s), "%.1f ms", (double)ns / VH_NS_PER_MS);
	else if (s < 60)
		snprintf(t.s, sizeof(t.s), "%.1f s", (double)ns / VH_NS_PER_S);
	else if (s < 3600)
		snprintf(t.s, sizeof(t.s), "%" PRId64 " min %" PRId64 " s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(t.s, sizeof(t.s), "%" PRId64 " h %" PRId64 " min", s / 3600, s / 60 % 60);
	else
		snprintf(t.s, sizeof(t.s), "%" PRId64 " d %" PRId64 " h", s / 86400, s / 3600 % 24);
	return t;
}
