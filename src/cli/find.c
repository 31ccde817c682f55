/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The VM that a command is about. */
#include <errno.h>

#include "cli/command.h"
#include "discover/discover.h"

/* What is wrong with that very process tells more than a list of other VMs. Takes err. */
static struct vh_error *find_process(
	struct vh_host *host, uint64_t pid, struct vh_error *err, struct vh_vm **vm)
{
	struct vh_error *own = NULL, *worse;

	*vm = vh_discover_pid(host, (pid_t)pid, &own);
	worse = *vm ? NULL : own->code == ESRCH ? err : own;
	/* For the exit status a process that is no VM is as good as none. */
	if (worse && worse == own && own->code == EINVAL)
		own->code = ESRCH;
	if (worse != err)
		vh_error_free(err);
	if (worse != own)
		vh_error_free(own);
	return worse;
}

struct vh_error *vh_cli_find_vm(
	struct vh_host *host, const char *what, bool no_libvirt, struct vh_vm **vm)
{
	const struct vh_discover_options discover = {.no_libvirt = no_libvirt};
	struct vh_vm_list list = {0};
	struct vh_error *err = vh_discover(host, &discover, &list);
	uint64_t pid;

	if (!err)
		err = vh_vm_select(&list, what, vm);
	vh_vm_list_free(&list);
	if (err && vh_parse_u64(vh_str(what), 10, &pid) && pid && pid <= INT32_MAX)
		return find_process(host, pid, err, vm);
	return err;
}
