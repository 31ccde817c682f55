/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect/tracefs.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/mount.h, which older headers lack. */
#define FSOPEN_CLOEXEC_FLAG  1
#define FSCONFIG_CREATE      6
#define FSMOUNT_CLOEXEC_FLAG 1
#define ATTRIBUTES           (1 | 2 | 4 | 8) /* read-only, nosuid, nodev, noexec */

int vh_tracefs_private(void)
{
	int fs = (int)syscall(SYS_fsopen, "tracefs", FSOPEN_CLOEXEC_FLAG);
	int root = -1, err;

	if (fs < 0)
		return -errno;
	if (syscall(SYS_fsconfig, fs, FSCONFIG_CREATE, NULL, NULL, 0) == 0)
		root = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC_FLAG, ATTRIBUTES);
	err = errno;
	close(fs);
	return root < 0 ? -err : root;
}
