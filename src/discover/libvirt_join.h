/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What libvirt knows of the VMs that were found. Internal to discover. */
#pragma once

#include "discover/discover.h"

/* Asks libvirt, if there is a sign of it, and joins its domains with the processes in list: by
 * UUID, else by name or pid file. What could not be asked or joined becomes a note. */
void libvirt_join(struct vh_host *host, int64_t deadline_ns, struct vh_vm_list *list);
