/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "discover/libvirt_names.h"

#include "base/util.h"
#include "config.h"

#if HAVE_LIBVIRT

#include <libvirt/libvirt.h>

static const char *const states[] = {
	[VIR_DOMAIN_NOSTATE] = "no state",
	[VIR_DOMAIN_RUNNING] = "running",
	[VIR_DOMAIN_BLOCKED] = "idle",
	[VIR_DOMAIN_PAUSED] = "paused",
	[VIR_DOMAIN_SHUTDOWN] = "in shutdown",
	[VIR_DOMAIN_SHUTOFF] = "shut off",
	[VIR_DOMAIN_CRASHED] = "crashed",
	[VIR_DOMAIN_PMSUSPENDED] = "pmsuspended",
};

static const char *const running[] = {
	[VIR_DOMAIN_RUNNING_UNKNOWN] = "unknown",
	[VIR_DOMAIN_RUNNING_BOOTED] = "booted",
	[VIR_DOMAIN_RUNNING_MIGRATED] = "migrated",
	[VIR_DOMAIN_RUNNING_RESTORED] = "restored",
	[VIR_DOMAIN_RUNNING_FROM_SNAPSHOT] = "from snapshot",
	[VIR_DOMAIN_RUNNING_UNPAUSED] = "unpaused",
	[VIR_DOMAIN_RUNNING_MIGRATION_CANCELED] = "migration canceled",
	[VIR_DOMAIN_RUNNING_SAVE_CANCELED] = "save canceled",
	[VIR_DOMAIN_RUNNING_WAKEUP] = "event wakeup",
	[VIR_DOMAIN_RUNNING_CRASHED] = "crashed",
	[VIR_DOMAIN_RUNNING_POSTCOPY] = "post-copy",
};

static const char *const paused[] = {
	[VIR_DOMAIN_PAUSED_UNKNOWN] = "unknown",
	[VIR_DOMAIN_PAUSED_USER] = "user",
	[VIR_DOMAIN_PAUSED_MIGRATION] = "migrating",
	[VIR_DOMAIN_PAUSED_SAVE] = "saving",
	[VIR_DOMAIN_PAUSED_DUMP] = "dumping",
	[VIR_DOMAIN_PAUSED_IOERROR] = "i/o error",
	[VIR_DOMAIN_PAUSED_WATCHDOG] = "watchdog",
	[VIR_DOMAIN_PAUSED_FROM_SNAPSHOT] = "from snapshot",
	[VIR_DOMAIN_PAUSED_SHUTTING_DOWN] = "shutting down",
	[VIR_DOMAIN_PAUSED_SNAPSHOT] = "creating snapshot",
	[VIR_DOMAIN_PAUSED_CRASHED] = "crashed",
	[VIR_DOMAIN_PAUSED_STARTING_UP] = "starting up",
	[VIR_DOMAIN_PAUSED_POSTCOPY] = "post-copy",
	[VIR_DOMAIN_PAUSED_POSTCOPY_FAILED] = "post-copy failed",
};

static const char *const shutdown_[] = {
	[VIR_DOMAIN_SHUTDOWN_UNKNOWN] = "unknown",
	[VIR_DOMAIN_SHUTDOWN_USER] = "user",
};

static const char *const shutoff[] = {
	[VIR_DOMAIN_SHUTOFF_UNKNOWN] = "unknown",
	[VIR_DOMAIN_SHUTOFF_SHUTDOWN] = "shutdown",
	[VIR_DOMAIN_SHUTOFF_DESTROYED] = "destroyed",
	[VIR_DOMAIN_SHUTOFF_CRASHED] = "crashed",
	[VIR_DOMAIN_SHUTOFF_MIGRATED] = "migrated",
	[VIR_DOMAIN_SHUTOFF_SAVED] = "saved",
	[VIR_DOMAIN_SHUTOFF_FAILED] = "failed",
	[VIR_DOMAIN_SHUTOFF_FROM_SNAPSHOT] = "from snapshot",
	[VIR_DOMAIN_SHUTOFF_DAEMON] = "daemon",
};

static const char *const crashed[] = {
	[VIR_DOMAIN_CRASHED_UNKNOWN] = "unknown",
	[VIR_DOMAIN_CRASHED_PANICKED] = "panicked",
};

static const char *const controls[] = {
	[VIR_DOMAIN_CONTROL_OK] = "ok",
	[VIR_DOMAIN_CONTROL_JOB] = "job",
	[VIR_DOMAIN_CONTROL_OCCUPIED] = "occupied",
	[VIR_DOMAIN_CONTROL_ERROR] = "error",
};

static const char *const control_reasons[] = {
	[VIR_DOMAIN_CONTROL_ERROR_REASON_NONE] = "none",
	[VIR_DOMAIN_CONTROL_ERROR_REASON_UNKNOWN] = "unknown",
	[VIR_DOMAIN_CONTROL_ERROR_REASON_MONITOR] = "monitor",
	[VIR_DOMAIN_CONTROL_ERROR_REASON_INTERNAL] = "internal",
};

struct table {
	const char *const *names;
	size_t n;
};
#define TABLE(names)                                                                               \
	{                                                                                          \
		names, VH_ARRAY_SIZE(names)                                                        \
	}
static const struct table reasons[] = {
	[VIR_DOMAIN_RUNNING] = TABLE(running),
	[VIR_DOMAIN_PAUSED] = TABLE(paused),
	[VIR_DOMAIN_SHUTDOWN] = TABLE(shutdown_),
	[VIR_DOMAIN_SHUTOFF] = TABLE(shutoff),
	[VIR_DOMAIN_CRASHED] = TABLE(crashed),
};

static char *text(struct table t, const char *what, int value)
{
	return value >= 0 && (size_t)value < t.n && t.names[value]
		       ? vh_strdup(t.names[value])
		       : vh_asprintf("%s %d", what, value);
}

char *vh_libvirt_state_text(int state)
{
	return text((struct table)TABLE(states), "state", state);
}

char *vh_libvirt_reason_text(int state, int reason)
{
	struct table none = {0};
	bool known = state >= 0 && (size_t)state < VH_ARRAY_SIZE(reasons);

	if (reason == 0)
		return vh_strdup("unknown"); /* 0 is that in every one of them */
	return text(known ? reasons[state] : none, "reason", reason);
}

char *vh_libvirt_control_text(int control)
{
	return text((struct table)TABLE(controls), "control", control);
}

char *vh_libvirt_control_reason_text(int reason)
{
	return text((struct table)TABLE(control_reasons), "reason", reason);
}

#else

char *vh_libvirt_state_text(int state)
{
	return vh_asprintf("state %d", state);
}

char *vh_libvirt_reason_text(int state VH_UNUSED, int reason)
{
	return vh_asprintf("reason %d", reason);
}

char *vh_libvirt_control_text(int control)
{
	return vh_asprintf("control %d", control);
}

char *vh_libvirt_control_reason_text(int reason)
{
	return vh_asprintf("reason %d", reason);
}

#endif
