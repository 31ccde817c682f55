/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The QEMU command line (QEMU qemu-options.hx, softmmu/vl.c). */
#include "discover/discover.h"
#include "discover/qemu_parse.h"

#define MAX_ARGS       65536
#define MAX_VCPUS      65535
#define DEFAULT_MEMORY (128ULL << 20) /* MachineClass.default_ram_size of most machines */

typedef void option_handler(struct qemu_parse *q, struct vh_str arg);

static void set_text(char **where, const char *value)
{
	if (value)
		vh_replace(where, value);
}

static void on_name(struct qemu_parse *q, struct vh_str arg)
{
	auto_qemu_option struct qemu_option o;

	qemu_option_parse(arg, "guest", &o);
	set_text(&q->vm->name, qemu_option_get(&o, "guest"));
}

static void on_uuid(struct qemu_parse *q, struct vh_str arg)
{
	free(q->vm->uuid);
	q->vm->uuid = vh_str_dup(arg);
}

/* Topology: what is not given is 1; without "cpus" it is the product, or "maxcpus" (QEMU
 * hw/core/machine-smp.c). */
static void set_vcpus(struct qemu_parse *q, const struct qemu_option *o, const char *prefix)
{
	static const char *const levels[] = {
		"drawers", "books", "sockets", "dies", "clusters", "modules", "cores", "threads"};
	uint64_t product = 1, n;
	bool any = false;

	for (size_t i = 0; i < VH_ARRAY_SIZE(levels) + 2; i++) {
		const char *level = i < VH_ARRAY_SIZE(levels)    ? levels[i]
				    : i == VH_ARRAY_SIZE(levels) ? "maxcpus"
								 : "cpus";
		vh_auto_free char *key = vh_asprintf("%s%s", prefix, level);
		const char *value = qemu_option_get(o, key);

		if (!value || !vh_parse_u64(vh_str(value), 10, &n) || !n || n > MAX_VCPUS)
			continue;
		any = true;
		product = i < VH_ARRAY_SIZE(levels) ? VH_MIN(product * n, (uint64_t)MAX_VCPUS) : n;
	}
	if (any)
		q->vm->vcpus = (unsigned)product;
}

static void on_smp(struct qemu_parse *q, struct vh_str arg)
{
	auto_qemu_option struct qemu_option o;

	qemu_option_parse(arg, "cpus", &o);
	set_vcpus(q, &o, "");
}

/* "4G", "1.5G", "512" of `unit`; 0 where it is no size. */
static uint64_t parse_size(const char *text, uint64_t unit)
{
	static const char suffixes[] = "bkmgtpe";
	struct vh_str s = vh_str(text);
	double value;

	if (!s.n)
		return 0;
	char last = s.s[s.n - 1] | 0x20;
	const char *suffix = last >= 'a' && last <= 'z' ? strchr(suffixes, last) : NULL;

	if (suffix) {
		unit = 1ULL << (10 * (suffix - suffixes));
		s.n--;
	}
	uint64_t whole;

	if (vh_parse_u64(s, 10, &whole))
		return whole > UINT64_MAX / unit ? 0 : whole * unit;
	if (!vh_parse_double(s, &value) || !(value >= 0) || value * (double)unit >= 0x1p63)
		return 0;
	return (uint64_t)(value * (double)unit);
}

static void on_memory(struct qemu_parse *q, struct vh_str arg)
{
	auto_qemu_option struct qemu_option o;

	qemu_option_parse(arg, "size", &o);
	const char *size = qemu_option_get(&o, "size");

	if (size)
		q->vm->memory_bytes = parse_size(size, 1 << 20);
}

static void add_accel(struct qemu_parse *q, const char *accel)
{
	char *all = q->accel ? vh_asprintf("%s:%s", q->accel, accel) : vh_strdup(accel);

	free(q->accel);
	q->accel = all;
}

static void on_accel(struct qemu_parse *q, struct vh_str arg)
{
	auto_qemu_option struct qemu_option o;

	qemu_option_parse(arg, "accel", &o);
	const char *accel = qemu_option_get(&o, "accel");

	if (accel && (!q->accel || strlen(q->accel) < 256))
		add_accel(q, accel);
}

static void on_machine(struct qemu_parse *q, struct vh_str arg)
{
	auto_qemu_option struct qemu_option o;

	qemu_option_parse(arg, "type", &o);
	set_text(&q->vm->machine, qemu_option_get(&o, "type"));
	set_text(&q->accel, qemu_option_get(&o, "accel"));
	set_text(&q->memory_backend, qemu_option_get(&o, "memory-backend"));
	set_text(&q->confidential_id, qemu_option_get(&o, "memory-encryption"));
	set_text(&q->confidential_id, qemu_option_get(&o, "confidential-guest-support"));
	set_vcpus(q, &o, "smp.");
	if (qemu_option_get(&o, "memory.size"))
		q->vm->memory_bytes = parse_size(qemu_option_get(&o, "memory.size"), 1);
}

static void on_object(struct qemu_parse *q, struct vh_str arg)
{
	auto_qemu_option struct qemu_option o;

	if (q->n_objects >= QEMU_MAX_ITEMS)
		return;
	qemu_option_parse(arg, "qom-type", &o);
	struct qemu_object *object = &VH_PUSH(q->objects, q->n_objects);
	const char *policy = qemu_option_get(&o, "policy"), *size = qemu_option_get(&o, "size");

	object->id = vh_strdup(qemu_option_get(&o, "id"));
	object->type = vh_strdup(qemu_option_get(&o, "qom-type"));
	object->policy = vh_strdup(policy ? policy : qemu_option_get(&o, "attributes"));
	object->size = size ? parse_size(size, 1) : 0;
	if (vh_streq(object->id, "masterKey0") && vh_streq(object->type, "secret")) {
		const char *file = qemu_option_get(&o, "file");

		q->vm->libvirt.managed = true;
		if (vh_prefix(file, "/var/lib/libvirt/qemu/"))
			vh_replace(&q->vm->libvirt.uri, "qemu:///system");
		else if (file && strstr(file, "/.config/libvirt/qemu/"))
			vh_replace(&q->vm->libvirt.uri, "qemu:///session");
	}
}

static void on_device(struct qemu_parse *q, struct vh_str arg)
{
	auto_qemu_option struct qemu_option o;

	qemu_option_parse(arg, "driver", &o);
	qemu_add_serial_device(q, &o);
	qemu_add_disk_device(q, &o);
}

static void on_chardev(struct qemu_parse *q, struct vh_str arg)
{
	qemu_add_chardev(q, arg);
	struct qemu_chardev *c = q->n_chardevs ? &q->chardevs[q->n_chardevs - 1] : NULL;

	if (c && (vh_streq(c->id, "charmonitor") || vh_prefix(c->path, "/var/lib/libvirt/qemu/") ||
			 vh_prefix(c->path, "/run/libvirt/qemu/")))
		q->vm->libvirt.managed = true;
}

static void on_serial(struct qemu_parse *q, struct vh_str arg)
{
	vh_auto_free char *label = vh_asprintf("serial%u", q->n_serial++);

	qemu_add_port(q, arg, false, VH_MONITOR_HMP, label);
}

static void on_debugcon(struct qemu_parse *q, struct vh_str arg)
{
	qemu_add_port(q, arg, false, VH_MONITOR_HMP, "debugcon");
}

static void on_qmp(struct qemu_parse *q, struct vh_str arg)
{
	qemu_add_port(q, arg, true, VH_MONITOR_QMP, NULL);
}

static void on_monitor(struct qemu_parse *q, struct vh_str arg)
{
	qemu_add_port(q, arg, true, VH_MONITOR_HMP, NULL);
}

static void on_log(struct qemu_parse *q, struct vh_str arg)
{
	free(q->vm->log_path);
	q->vm->log_path = vh_str_dup(arg);
}

static void on_incoming(struct qemu_parse *q, struct vh_str arg VH_UNUSED)
{
	q->vm->incoming = true;
}

static void on_action(struct qemu_parse *q, struct vh_str arg)
{
	auto_qemu_option struct qemu_option o;

	qemu_option_parse(arg, NULL, &o);
	q->vm->no_reboot |= qemu_option_is(&o, "reboot", "shutdown");
	q->vm->no_shutdown |= qemu_option_is(&o, "shutdown", "pause");
}

#define IMAGE(option, id)                                                                          \
	static void on_##option(struct qemu_parse *q, struct vh_str arg)                           \
	{                                                                                          \
		qemu_add_image(q, arg, id);                                                        \
	}
IMAGE(hda, "ide0-hd0")
IMAGE(hdb, "ide0-hd1")
IMAGE(hdc, "ide1-hd0")
IMAGE(hdd, "ide1-hd1")
IMAGE(cdrom, "ide1-cd0")
IMAGE(fda, "floppy0")
IMAGE(fdb, "floppy1")
IMAGE(pflash, NULL)
IMAGE(sd, "sd0")
IMAGE(mtdblock, "mtd0")

static void on_daemonize(struct qemu_parse *q, struct vh_str arg VH_UNUSED)
{
	q->extra->daemonized = true;
}

static void on_enable_kvm(struct qemu_parse *q, struct vh_str arg VH_UNUSED)
{
	vh_replace(&q->accel, "kvm");
}

static void on_pause(struct qemu_parse *q, struct vh_str arg VH_UNUSED)
{
	q->vm->start_paused = true;
}

static void on_preconfig(struct qemu_parse *q, struct vh_str arg VH_UNUSED)
{
	q->vm->preconfig = true;
}

static void on_no_reboot(struct qemu_parse *q, struct vh_str arg VH_UNUSED)
{
	q->vm->no_reboot = true;
}

static void on_no_shutdown(struct qemu_parse *q, struct vh_str arg VH_UNUSED)
{
	q->vm->no_shutdown = true;
}

static void on_nodefaults(struct qemu_parse *q, struct vh_str arg VH_UNUSED)
{
	q->nodefaults = true;
}

static void on_nographic(struct qemu_parse *q, struct vh_str arg VH_UNUSED)
{
	q->nographic = true;
}

static void on_no_vm(struct qemu_parse *q, struct vh_str arg VH_UNUSED)
{
	q->no_vm = true;
}

/* Options that take no argument; those without a handler are here so that the walk stays in step.
 */
static const struct option {
	const char *name;
	option_handler *handle;
} flags[] = {
	{"S", on_pause},
	{"enable-kvm", on_enable_kvm},
	{"no-reboot", on_no_reboot},
	{"no-shutdown", on_no_shutdown},
	{"nodefaults", on_nodefaults},
	{"nographic", on_nographic},
	{"h", on_no_vm},
	{"help", on_no_vm},
	{"version", on_no_vm},
	{"audio-help", on_no_vm},
	{"alt-grab", NULL},
	{"async-teardown", NULL},
	{"ctrl-grab", NULL},
	{"curses", NULL},
	{"daemonize", on_daemonize},
	{"enable-fips", NULL},
	{"enable-sync-profile", NULL},
	{"full-screen", NULL},
	{"localtime", NULL},
	{"mem-prealloc", NULL},
	{"no-acpi", NULL},
	{"no-fd-bootchk", NULL},
	{"no-frame", NULL},
	{"no-hpet", NULL},
	{"no-kvm", NULL},
	{"no-kvm-irqchip", NULL},
	{"no-kvm-pit", NULL},
	{"no-kvm-pit-reinjection", NULL},
	{"no-quit", NULL},
	{"no-user-config", NULL},
	{"nodefconfig", NULL},
	{"old-param", NULL},
	{"one-insn-per-tb", NULL},
	{"only-migratable", NULL},
	{"portrait", NULL},
	{"preconfig", on_preconfig},
	{"s", NULL},
	{"sdl", NULL},
	{"semihosting", NULL},
	{"singlestep", NULL},
	{"snapshot", NULL},
	{"usb", NULL},
	{"win2k-hack", NULL},
	{"xen-attach", NULL},
	{"xen-domid-restrict", NULL},
};

/* Options that take one. */
static const struct option options[] = {
	{"D", on_log},
	{"M", on_machine},
	{"accel", on_accel},
	{"action", on_action},
	{"blockdev", qemu_add_blockdev},
	{"cdrom", on_cdrom},
	{"chardev", on_chardev},
	{"debugcon", on_debugcon},
	{"device", on_device},
	{"drive", qemu_add_drive},
	{"fda", on_fda},
	{"fdb", on_fdb},
	{"hda", on_hda},
	{"hdb", on_hdb},
	{"hdc", on_hdc},
	{"hdd", on_hdd},
	{"incoming", on_incoming},
	{"m", on_memory},
	{"machine", on_machine},
	{"mon", qemu_add_mon},
	{"monitor", on_monitor},
	{"mtdblock", on_mtdblock},
	{"name", on_name},
	{"object", on_object},
	{"pflash", on_pflash},
	{"qmp", on_qmp},
	{"qmp-pretty", on_qmp},
	{"sd", on_sd},
	{"serial", on_serial},
	{"smp", on_smp},
	{"uuid", on_uuid},
	{"L", NULL},
	{"acpitable", NULL},
	{"add-fd", NULL},
	{"append", NULL},
	{"audio", NULL},
	{"audiodev", NULL},
	{"balloon", NULL},
	{"bios", NULL},
	{"boot", NULL},
	{"chroot", NULL},
	{"clock", NULL},
	{"compat", NULL},
	{"cpu", NULL},
	{"d", NULL},
	{"dfilter", NULL},
	{"display", NULL},
	{"dtb", NULL},
	{"dump-vmstate", NULL},
	{"echr", NULL},
	{"fsdev", NULL},
	{"fw_cfg", NULL},
	{"gdb", NULL},
	{"global", NULL},
	{"icount", NULL},
	{"initrd", NULL},
	{"iscsi", NULL},
	{"k", NULL},
	{"kernel", NULL},
	{"loadvm", NULL},
	{"mem-path", NULL},
	{"msg", NULL},
	{"net", NULL},
	{"netdev", NULL},
	{"nic", NULL},
	{"numa", NULL},
	{"option-rom", NULL},
	{"overcommit", NULL},
	{"parallel", NULL},
	{"pidfile", NULL},
	{"plugin", NULL},
	{"prom-env", NULL},
	{"readconfig", NULL},
	{"realtime", NULL},
	{"rotate", NULL},
	{"rtc", NULL},
	{"run-with", NULL},
	{"runas", NULL},
	{"sandbox", NULL},
	{"seed", NULL},
	{"semihosting-config", NULL},
	{"set", NULL},
	{"smbios", NULL},
	{"spice", NULL},
	{"tb-size", NULL},
	{"tpmdev", NULL},
	{"trace", NULL},
	{"usbdevice", NULL},
	{"vga", NULL},
	{"virtfs", NULL},
	{"vnc", NULL},
	{"watchdog", NULL},
	{"watchdog-action", NULL},
	{"writeconfig", NULL},
	{"xen-domid", NULL},
};

static const struct option *find(const struct option *table, size_t n, struct vh_str name)
{
	for (size_t i = 0; i < n; i++)
		if (vh_str_is(name, table[i].name))
			return &table[i];
	return NULL;
}

static bool asks_for_help(struct vh_str value)
{
	return vh_str_is(value, "help") || vh_str_is(value, "?") ||
	       (value.n > 5 && memcmp(value.s + value.n - 5, ",help", 5) == 0);
}

static void walk(struct qemu_parse *q, struct vh_str rest)
{
	struct vh_str arg, value = {0};

	for (unsigned n = 0; n < MAX_ARGS && vh_next_part(&rest, 0, &arg); n++) {
		if (!arg.n || arg.s[0] != '-' || arg.n == 1) {
			if (arg.n)
				qemu_add_image(q, arg, "ide0-hd0");
			continue;
		}
		size_t dashes = arg.n > 2 && arg.s[1] == '-' ? 2 : 1;
		struct vh_str name = {arg.s + dashes, arg.n - dashes};
		const struct option *o = find(flags, VH_ARRAY_SIZE(flags), name);

		if (o) {
			q->known++;
			if (o->handle)
				o->handle(q, value);
			continue;
		}
		o = find(options, VH_ARRAY_SIZE(options), name);
		if (!o) {
			/* Newer than we are: it has an argument if what follows looks like one. */
			q->unknown++;
			if (rest.n && rest.s[0] != '-')
				vh_next_part(&rest, 0, &value);
			continue;
		}
		q->known++;
		if (!vh_next_part(&rest, 0, &value))
			break;
		q->no_vm |= asks_for_help(value) && !vh_str_is(name, "name");
		if (o->handle)
			o->handle(q, value);
		value = (struct vh_str){0};
	}
}

static void judge_accel(struct qemu_parse *q, bool kvm_by_name)
{
	struct vh_str rest = vh_str(q->accel ? q->accel : kvm_by_name ? "kvm:tcg" : "tcg"), part;
	enum vh_accel first = VH_ACCEL_UNKNOWN;

	while (vh_next_part(&rest, ':', &part)) {
		bool tcg = vh_str_is(part, "tcg");
		enum vh_accel a = tcg                      ? VH_ACCEL_TCG
				  : vh_str_is(part, "kvm") ? VH_ACCEL_KVM
							   : VH_ACCEL_OTHER;

		if (first == VH_ACCEL_UNKNOWN)
			first = a;
		else if (first == VH_ACCEL_KVM && tcg)
			q->extra->tcg_too = true;
	}
	q->vm->accel = first;
}

static const struct qemu_object *find_object(const struct qemu_parse *q, const char *id)
{
	for (size_t i = 0; id && i < q->n_objects; i++)
		if (vh_streq(q->objects[i].id, id))
			return &q->objects[i];
	return NULL;
}

/* What the machine is said to be protected by. An object that no machine names protects nothing;
 * a name without an object that we know is taken for protection: its registers are not read. */
static void judge_confidential(struct qemu_parse *q)
{
	const struct qemu_object *o = find_object(q, q->confidential_id);
	struct vh_vm *vm = q->vm;
	uint64_t policy = 1; /* DEFAULT_SEV_POLICY of QEMU target/i386/sev.c: no ES */

	if (!q->confidential_id)
		return;
	vm->confidential = VH_CONF_OTHER;
	if (!o)
		return;
	set_text(&vm->conf_object, o->type);
	set_text(&vm->conf_policy, o->policy);
	if (vh_streq(o->type, "sev-guest")) {
		bool readable = !o->policy || vh_parse_u64(vh_str(o->policy), 0, &policy);

		/* A policy that we cannot read might have the ES bit. */
		vm->confidential = readable && !(policy & 4) ? VH_CONF_SEV : VH_CONF_SEV_ES;
	} else if (vh_streq(o->type, "sev-snp-guest")) {
		vm->confidential = VH_CONF_SEV_SNP;
	} else if (vh_streq(o->type, "tdx-guest")) {
		vm->confidential = VH_CONF_TDX;
	}
}

static void finish(struct qemu_parse *q)
{
	const struct qemu_object *backend = find_object(q, q->memory_backend);

	if (!q->vm->memory_bytes)
		q->vm->memory_bytes = backend && backend->size ? backend->size : DEFAULT_MEMORY;
	if (!q->vm->vcpus)
		q->vm->vcpus = 1;
	if (q->nographic && !q->n_serial && !q->nodefaults)
		qemu_add_port(q, vh_str("mon:stdio"), false, VH_MONITOR_HMP, "serial0");
	qemu_join_ports(q);
	qemu_join_drives(q);
	judge_confidential(q);
	if (q->vm->libvirt.managed && !q->vm->libvirt.uri)
		q->vm->libvirt.uri = vh_strdup("qemu:///system");
}

static void free_parse(struct qemu_parse *q)
{
	for (size_t i = 0; i < q->n_objects; i++) {
		free(q->objects[i].id);
		free(q->objects[i].type);
		free(q->objects[i].policy);
	}
	free(q->objects);
	free(q->accel);
	free(q->confidential_id);
	free(q->memory_backend);
	qemu_free_ports(q);
	qemu_free_drives(q);
}

bool qemu_is_program(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	const char *name = slash ? slash + 1 : path;

	/* Wrapped ones too: ".qemu-system-x86_64-wrapped", "qemu-system-x86_64 (deleted)". */
	return name && (strstr(name, "qemu-system-") || vh_prefix(name, "qemu-kvm") ||
			       vh_prefix(name, "qemu-dm") || vh_streq(name, "qemu") ||
			       vh_streq(name, "kvm") || vh_streq(name, "kvm (deleted)"));
}

/* libvirt starts a QEMU without a machine now and then, only to ask what it can do. */
static bool is_probe(const struct qemu_parse *q)
{
	return vh_streq(q->vm->machine, "none") && q->nodefaults && q->vm->start_paused;
}

bool qemu_cmdline_parse(struct vh_str args, struct vh_vm *vm, struct qemu_extra *extra)
{
	struct qemu_parse q = {.vm = vm, .extra = extra};
	struct vh_str program;

	*extra = (struct qemu_extra){0};
	if (!vh_next_part(&args, 0, &program))
		return false;
	vh_auto_free char *path = vh_str_dup(program);
	size_t n = strlen(path);

	walk(&q, args);
	/* By another name it must look like QEMU from end to end. */
	bool qemu = qemu_is_program(path) || (q.known >= 3 && q.known > 4 * q.unknown);

	qemu = qemu && !q.no_vm && !is_probe(&q);
	if (qemu) {
		vm->vmm = VH_VMM_QEMU;
		judge_accel(&q, n >= 3 && strcmp(path + n - 3, "kvm") == 0);
		finish(&q);
	}
	free_parse(&q);
	return qemu;
}

bool vh_qemu_cmdline_parse(struct vh_str args, struct vh_vm *vm)
{
	struct qemu_extra extra;

	return qemu_cmdline_parse(args, vm, &extra);
}
