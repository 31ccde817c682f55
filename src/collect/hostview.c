/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host around the VM. */
#include <sys/utsname.h>

#include "collect/passive.h"

#define MODULES_CAP 65536
#define STAT_CAP    (1024 * 1024)

/* /proc/sys/kernel has all of uname(2), and can be captured; `arch` only since Linux 6.1. */
static void add_uname(struct vh_host *host, struct vh_case *c)
{
	static const char *const names[] = {"ostype", "osrelease", "version", "arch"};
	struct vh_evidence *e = vh_case_add(c, VH_ONCE, "host.uname", "", "/proc/sys/kernel");
	vh_auto_buf struct vh_buf text = {0};
	struct utsname uts;
	bool live = vh_host_is_live(host) && uname(&uts) == 0;

	for (size_t i = 0; i < VH_ARRAY_SIZE(names); i++) {
		vh_auto_reading struct vh_reading r = {0};

		vh_host_read(host, 1024, &r, "/proc/sys/kernel/%s", names[i]);
		struct vh_str value = vh_str_trim((struct vh_str){r.data, r.size});

		if (!value.n)
			value = vh_str(live && i == 3 ? uts.machine : "unknown");
		vh_buf_add(&text, value.s, value.n);
		vh_buf_putc(&text, '\n');
	}
	vh_evidence_set_data(e, text.data, text.len);
}

/* Adds "module.parameter value" lines of one module; false where it is not loaded. */
static bool add_module(struct vh_host *host, const char *module, struct vh_buf *text)
{
	vh_auto_reading struct vh_reading r = {0};
	vh_auto_batch struct vh_batch batch = {0};
	struct vh_str line;

	vh_host_list(host, MODULES_CAP, &r, "/sys/module/%s/parameters", module);
	if (!vh_status_has_data(r.status))
		return false;
	struct vh_str rest = {r.data, r.size};

	while (vh_next_line(&rest, &line)) {
		vh_auto_free char *name = vh_str_dup(line);

		vh_batch_add(&batch, "host.kvm", name, 4096, "/sys/module/%s/parameters/%s", module,
			name);
	}
	vh_batch_read(host, &batch);
	for (size_t i = 0; i < batch.n_files; i++) {
		const struct vh_reading *out = &batch.files[i].out;
		struct vh_str value = vh_str_trim((struct vh_str){out->data, out->size});

		if (!vh_status_has_data(out->status))
			continue;
		vh_buf_printf(text, "%s.%s ", module, batch.wanted[i].subject);
		vh_buf_add(text, value.s, value.n);
		vh_buf_putc(text, '\n');
	}
	return true;
}

static void add_kvm_parameters(struct vh_host *host, struct vh_case *c)
{
	static const char *const modules[] = {"kvm", "kvm_intel", "kvm_amd"};
	struct vh_evidence *e =
		vh_case_add(c, VH_ONCE, "host.kvm", "", "/sys/module/kvm*/parameters");
	vh_auto_buf struct vh_buf text = {0};
	bool any = false;

	for (size_t i = 0; i < VH_ARRAY_SIZE(modules); i++)
		any |= add_module(host, modules[i], &text);
	if (any)
		vh_evidence_set_data(e, text.data, text.len);
	else
		vh_evidence_fail(e, VH_ABSENT, 0, "no kvm module shows parameters");
}

static void collect_once(struct vh_host *host, struct vh_case *c)
{
	vh_auto_free char *ticks = vh_asprintf("%ld", sysconf(_SC_CLK_TCK));
	struct vh_evidence *e =
		vh_case_add(c, VH_ONCE, "host.clock-ticks", "", "sysconf(_SC_CLK_TCK)");

	vh_evidence_set_data(e, ticks, strlen(ticks));
	add_uname(host, c);
	vh_collect_file(host, c, VH_ONCE, "host.cpus", "", "/sys/devices/system/cpu/online");
	vh_collect_file(host, c, VH_ONCE, "host.uptime", "", "/proc/uptime");
	add_kvm_parameters(host, c);
}

/* The counters of the CPUs: on a large host the lines of interrupts behind them are longer by far.
 */
static void add_stat(struct vh_host *host, struct vh_case *c, enum vh_round round)
{
	vh_auto_reading struct vh_reading r = {0};
	vh_auto_buf struct vh_buf kept = {0};
	struct vh_str line;

	vh_host_read(host, STAT_CAP, &r, "/proc/stat");
	struct vh_str rest = {r.data, r.size};

	while (vh_next_line(&rest, &line))
		if (vh_str_starts(line, "cpu") || vh_str_starts(line, "procs_")) {
			vh_buf_add(&kept, line.s, line.n);
			vh_buf_putc(&kept, '\n');
		}
	struct vh_evidence *e = vh_case_add_reading(c, round, "host.stat", "", "/proc/stat", &r);

	if (vh_status_has_data(e->status))
		vh_evidence_set_data(e, kept.data, kept.len);
}

static void collect(struct vh_host *host, struct vh_case *c, enum vh_round round)
{
	vh_auto_batch struct vh_batch batch = {0};

	if (round == VH_ONCE) {
		collect_once(host, c);
		return;
	}
	vh_batch_add(&batch, "host.loadavg", "", 256, "/proc/loadavg");
	vh_batch_add(&batch, "host.pressure.cpu", "", 1024, "/proc/pressure/cpu");
	vh_batch_add(&batch, "host.pressure.memory", "", 1024, "/proc/pressure/memory");
	vh_batch_add(&batch, "host.pressure.io", "", 1024, "/proc/pressure/io");
	vh_batch_add(&batch, "host.vmstat", "", 65536, "/proc/vmstat");
	vh_batch_add(&batch, "host.meminfo", "", 16384, "/proc/meminfo");
	vh_batch_read(host, &batch);
	vh_batch_to_case(&batch, c, round);
	add_stat(host, c, round);
}

const struct vh_collector vh_collect_hostview = {
	.name = "hostview",
	.collect = collect,
};
