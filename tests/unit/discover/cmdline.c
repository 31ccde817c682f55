/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "discover/discover.h"
#include "tests/unit/test.h"

/* Parses a NULL-terminated list of arguments; NULL where it is no VM. The caller frees it. */
static struct vh_vm *parse(const char *const *args)
{
	vh_auto_buf struct vh_buf text = {0};
	struct vh_vm *vm = vh_vm_new();

	for (; *args; args++)
		vh_buf_add(&text, *args, strlen(*args) + 1);
	if (vh_qemu_cmdline_parse((struct vh_str){vh_buf_str(&text), text.len}, vm))
		return vm;
	vh_vm_free(vm);
	return NULL;
}
#define PARSE(...) parse((const char *const[]){__VA_ARGS__, NULL})
#define QEMU(...)  PARSE("qemu-system-x86_64", __VA_ARGS__)

static void libvirt_11_in_json(void **state VH_UNUSED)
{
	struct vh_vm *vm = PARSE("/usr/bin/qemu-system-x86_64", "-name",
		"guest=db-1,debug-threads=on", "-S", "-object",
		"{\"qom-type\":\"secret\",\"id\":\"masterKey0\",\"format\":\"raw\",\"file\":"
		"\"/var/lib/libvirt/qemu/domain-3-db-1/master-key.aes\"}",
		"-machine", "pc-q35-9.2,usb=off,smm=on,memory-backend=pc.ram,hpet=off", "-accel",
		"kvm", "-m", "size=8388608k", "-object",
		"{\"qom-type\":\"memory-backend-ram\",\"id\":\"pc.ram\",\"size\":8589934592}",
		"-smp", "8,maxcpus=16,sockets=2,dies=1,clusters=1,cores=4,threads=2", "-uuid",
		"36d77b0b-0ad7-4c5a-bd0d-3b2b62d4ff10", "-no-user-config", "-nodefaults",
		"-chardev", "socket,id=charmonitor,fd=32,server=on,wait=off", "-mon",
		"chardev=charmonitor,id=monitor,mode=control", "-no-shutdown", "-blockdev",
		"{\"driver\":\"nbd\",\"server\":{\"type\":\"inet\",\"host\":\"10.0.0.2\","
		"\"port\":\"10809\"},\"export\":\"db\",\"node-name\":\"libvirt-2-storage\"}",
		"-blockdev",
		"{\"node-name\":\"libvirt-2-format\",\"driver\":\"raw\",\"file\":"
		"\"libvirt-2-storage\"}",
		"-device",
		"{\"driver\":\"scsi-hd\",\"bus\":\"scsi0.0\",\"drive\":\"libvirt-2-format\",\"id\":"
		"\"scsi0-0-0-0\",\"werror\":\"enospc\"}",
		"-chardev", "socket,id=charchannel0,fd=33,server=on,wait=off", "-device",
		"{\"driver\":\"virtserialport\",\"bus\":\"virtio-serial0.0\",\"chardev\":"
		"\"charchannel0\",\"id\":\"channel0\",\"name\":\"org.qemu.guest_agent.0\"}",
		"-chardev", "pty,id=charserial0,logfile=/dev/fdset/1,logappend=on", "-device",
		"{\"driver\":\"isa-serial\",\"chardev\":\"charserial0\",\"id\":\"serial0\"}",
		"-sandbox", "on,obsolete=deny", "-msg", "timestamp=on");

	assert_non_null(vm);
	assert_string_equal(vm->name, "db-1");
	assert_string_equal(vm->uuid, "36d77b0b-0ad7-4c5a-bd0d-3b2b62d4ff10");
	assert_string_equal(vm->machine, "pc-q35-9.2");
	assert_int_equal(vm->accel, VH_ACCEL_KVM);
	assert_int_equal(vm->vcpus, 8);
	assert_true(vm->memory_bytes == 8ULL << 30);
	assert_true(vm->libvirt.managed);
	assert_string_equal(vm->libvirt.uri, "qemu:///system");
	assert_true(vm->start_paused);
	assert_true(vm->no_shutdown);
	assert_false(vm->no_reboot);
	assert_int_equal(vm->n_monitors, 1);
	assert_int_equal(vm->monitors[0].kind, VH_MONITOR_QMP);
	assert_string_equal(vm->monitors[0].address, "fd:32");
	/* The agent's channel is no serial port. */
	assert_int_equal(vm->n_serials, 1);
	assert_string_equal(vm->serials[0].kind, "pty");
	assert_string_equal(vm->serials[0].label, "charserial0");
	assert_int_equal(vm->n_drives, 1);
	assert_string_equal(vm->drives[0].id, "libvirt-2-format");
	assert_string_equal(vm->drives[0].file, "nbd:10.0.0.2:10809/db");
	assert_string_equal(vm->drives[0].format, "raw");
	assert_string_equal(vm->drives[0].werror, "enospc");
	vh_vm_free(vm);
}

static void proxmox(void **state VH_UNUSED)
{
	struct vh_vm *vm = PARSE("/usr/bin/kvm", "-id", "104", "-name", "mail,debug-threads=on",
		"-no-shutdown", "-chardev",
		"socket,id=qmp,path=/var/run/qemu-server/104.qmp,server=on,wait=off", "-mon",
		"chardev=qmp,mode=control", "-chardev",
		"socket,id=qmp-event,path=/var/run/qmeventd.sock,reconnect=5", "-mon",
		"chardev=qmp-event,mode=control", "-pidfile", "/var/run/qemu-server/104.pid",
		"-daemonize", "-smbios", "type=1,uuid=5b4f5c3e-0f6e-4b2f-8d3a-2f4a5f0d1c11", "-smp",
		"4,sockets=1,cores=4,maxcpus=4", "-nodefaults", "-cpu", "host", "-m", "4096",
		"-drive",
		"file=/dev/pve/vm-104-disk-0,if=none,id=drive-scsi0,format=raw,cache=none,"
		"aio=io_uring,detect-zeroes=on",
		"-device", "scsi-hd,bus=scsihw0.0,drive=drive-scsi0,id=scsi0,bootindex=100");

	assert_non_null(vm);
	assert_string_equal(vm->name, "mail");
	assert_int_equal(vm->accel, VH_ACCEL_KVM); /* by the name of the program */
	assert_int_equal(vm->vcpus, 4);
	assert_true(vm->memory_bytes == 4ULL << 30);
	assert_false(vm->libvirt.managed);
	assert_int_equal(vm->n_monitors, 2);
	assert_string_equal(vm->monitors[0].address, "unix:/var/run/qemu-server/104.qmp");
	assert_string_equal(vm->monitors[1].address, "client");
	assert_int_equal(vm->n_drives, 1);
	assert_string_equal(vm->drives[0].file, "/dev/pve/vm-104-disk-0");
	assert_string_equal(vm->drives[0].id, "drive-scsi0");
	vh_vm_free(vm);
}

static void plain_old_syntax(void **state VH_UNUSED)
{
	struct vh_vm *vm = QEMU("-enable-kvm", "-m", "512", "-name", "a,,b c/d", "-hda",
		"/img/x,y.img", "-cdrom", "/iso/z.iso", "-qmp", "unix:/tmp/q,server,nowait",
		"-qmp-pretty", "tcp:localhost:4444,server=on,wait=off", "-monitor", "stdio",
		"-serial", "file:/tmp/a,b.log", "-serial", "mon:unix:/tmp/s,server=on", "-serial",
		"pipe:/tmp/fifo", "-serial", "none", "-debugcon", "file:/tmp/debug", "-D",
		"/tmp/q.log", "-no-reboot", "-incoming", "defer", "-S");

	assert_non_null(vm);
	assert_string_equal(vm->name, "a,b c/d");
	assert_true(vm->memory_bytes == 512ULL << 20);
	assert_int_equal(vm->vcpus, 1);
	assert_int_equal(vm->n_monitors, 3);
	assert_string_equal(vm->monitors[0].address, "unix:/tmp/q");
	assert_string_equal(vm->monitors[1].address, "tcp:localhost:4444");
	assert_int_equal(vm->monitors[1].kind, VH_MONITOR_QMP);
	assert_string_equal(vm->monitors[2].address, "stdio");
	assert_int_equal(vm->monitors[2].kind, VH_MONITOR_HMP);
	assert_int_equal(vm->n_serials, 4);
	assert_string_equal(vm->serials[0].path, "/tmp/a,b.log");
	assert_string_equal(vm->serials[1].kind, "unix");
	assert_null(vm->serials[1].path);
	assert_string_equal(vm->serials[1].label, "serial1");
	assert_string_equal(vm->serials[2].kind, "fifo");
	assert_string_equal(vm->serials[2].path, "/tmp/fifo");
	assert_string_equal(vm->serials[3].label, "debugcon");
	assert_string_equal(vm->log_path, "/tmp/q.log");
	assert_int_equal(vm->n_drives, 2);
	assert_string_equal(vm->drives[0].file, "/img/x,y.img");
	assert_string_equal(vm->drives[1].id, "ide1-cd0");
	assert_true(vm->no_reboot && vm->incoming && vm->start_paused);
	vh_vm_free(vm);
}

static void openstack(void **state VH_UNUSED)
{
	struct vh_vm *vm = PARSE("/usr/libexec/qemu-kvm", "-name",
		"guest=instance-0000002a,debug-threads=on", "-S", "-object",
		"secret,id=masterKey0,format=raw,file=/var/lib/libvirt/qemu/"
		"domain-42-instance-0000002a/master-key.aes",
		"-machine", "pc-q35-rhel8.6.0,accel=kvm,usb=off,dump-guest-core=off", "-m", "2048",
		"-smp", "2,sockets=2,dies=1,cores=1,threads=1", "-uuid",
		"b1b3b4b0-5f5c-4bd5-bd2a-6f37f2bd6a31", "-smbios",
		"type=1,manufacturer=Red Hat,product=OpenStack Compute", "-chardev",
		"socket,id=charmonitor,fd=40,server=on,wait=off", "-mon",
		"chardev=charmonitor,id=monitor,mode=control", "-blockdev",
		"driver=rbd,pool=vms,image=b1b3b4b0_disk,node-name=libvirt-1-storage", "-blockdev",
		"driver=raw,node-name=libvirt-1-format,file=libvirt-1-storage", "-add-fd",
		"set=0,fd=42", "-chardev", "pty,id=charserial0,logfile=/dev/fdset/0,logappend=on",
		"-device", "isa-serial,chardev=charserial0,id=serial0");

	assert_non_null(vm);
	assert_true(vm->libvirt.managed);
	assert_int_equal(vm->accel, VH_ACCEL_KVM);
	assert_int_equal(vm->n_drives, 1);
	assert_string_equal(vm->drives[0].file, "rbd:vms/b1b3b4b0_disk");
	assert_int_equal(vm->n_serials, 1);
	vh_vm_free(vm);
}

static void check_smp(const char *smp, unsigned expected)
{
	struct vh_vm *vm = QEMU("-smp", smp);

	assert_non_null(vm);
	assert_int_equal(vm->vcpus, expected);
	vh_vm_free(vm);
}

static void vcpus_in_every_syntax(void **state VH_UNUSED)
{
	check_smp("4", 4);
	check_smp("cpus=3", 3);
	check_smp("2,maxcpus=8", 2);
	check_smp("maxcpus=8", 8);
	check_smp("sockets=2,cores=3,threads=2", 12);
	check_smp("sockets=2,dies=2,cores=2,threads=1,maxcpus=8", 8);
	check_smp("{\"cpus\":6,\"sockets\":6}", 6);
	check_smp("0", 1);
	check_smp("99999999999999999999", 1);
	check_smp("sockets=60000,cores=60000", 65535);
	check_smp("", 1);
}

static void check_memory(const char *m, uint64_t expected)
{
	struct vh_vm *vm = QEMU("-m", m);

	assert_non_null(vm);
	assert_true(vm->memory_bytes == expected);
	vh_vm_free(vm);
}

static void memory_in_every_syntax(void **state VH_UNUSED)
{
	check_memory("256", 256ULL << 20);
	check_memory("4G", 4ULL << 30);
	check_memory("4096M,slots=2,maxmem=16G", 4ULL << 30);
	check_memory("size=1048576k", 1ULL << 30);
	check_memory("1.5G", 3ULL << 29);
	check_memory("2t", 2ULL << 40);
	/* What makes no sense is the default, as an absent -m. */
	check_memory("99999999999G", 128ULL << 20);
	check_memory("x", 128ULL << 20);
	struct vh_vm *vm = QEMU("-machine", "q35,memory-backend=ram", "-object",
		"memory-backend-memfd,id=ram,size=3G,share=on");

	assert_true(vm->memory_bytes == 3ULL << 30);
	vh_vm_free(vm);
}

static void check_accel(enum vh_accel expected, const char *option, const char *value)
{
	struct vh_vm *vm = QEMU(option, value);

	assert_non_null(vm);
	assert_int_equal(vm->accel, expected);
	vh_vm_free(vm);
}

static void accelerators(void **state VH_UNUSED)
{
	check_accel(VH_ACCEL_KVM, "-accel", "kvm,dirty-ring-size=4096");
	check_accel(VH_ACCEL_KVM, "-machine", "pc,accel=kvm:tcg");
	check_accel(VH_ACCEL_TCG, "-machine", "accel=tcg:kvm");
	check_accel(VH_ACCEL_TCG, "-accel", "tcg,thread=multi");
	check_accel(VH_ACCEL_OTHER, "-accel", "xen");
	check_accel(VH_ACCEL_TCG, "-m", "1G");
	check_accel(VH_ACCEL_KVM, "-accel", "{\"accel\":\"kvm\"}");
}

static enum vh_conf_kind confidential(const char *machine, const char *object, const char **policy)
{
	static char kept[64];
	struct vh_vm *vm = QEMU("-machine", machine, "-object", object);

	assert_non_null(vm);
	enum vh_conf_kind kind = vm->confidential;

	strncpy(kept, vm->conf_policy ? vm->conf_policy : "", sizeof(kept) - 1);
	*policy = kept;
	vh_vm_free(vm);
	return kind;
}

static void confidential_guests(void **state VH_UNUSED)
{
	static const struct {
		const char *machine, *object;
		enum vh_conf_kind kind;
		const char *policy;
	} rows[] = {
		{"q35,memory-encryption=s", "sev-guest,id=s,cbitpos=47", VH_CONF_SEV, ""},
		{"q35,memory-encryption=s", "sev-guest,id=s,policy=0x3", VH_CONF_SEV, "0x3"},
		{"q35,confidential-guest-support=s", "sev-guest,id=s,policy=0x5", VH_CONF_SEV_ES,
			"0x5"},
		{"q35,confidential-guest-support=s",
			"{\"qom-type\":\"sev-guest\",\"id\":\"s\",\"policy\":7}", VH_CONF_SEV_ES,
			"7"},
		{"q35,confidential-guest-support=s", "sev-snp-guest,id=s,policy=0x30000",
			VH_CONF_SEV_SNP, "0x30000"},
		{"q35,confidential-guest-support=s", "{\"qom-type\":\"tdx-guest\",\"id\":\"s\"}",
			VH_CONF_TDX, ""},
		{"s390,confidential-guest-support=s", "s390-pv-guest,id=s", VH_CONF_OTHER, ""},
		/* Not to be trusted: the dump may not be the guest's. */
		{"q35,confidential-guest-support=s", "sev-guest,id=s,policy=secret", VH_CONF_SEV_ES,
			"secret"},
		{"q35,confidential-guest-support=other", "sev-guest,id=s", VH_CONF_OTHER, ""},
		/* An object that no machine uses. */
		{"q35", "sev-guest,id=s,policy=5", VH_CONF_NONE, ""},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		const char *policy;

		assert_int_equal(
			confidential(rows[i].machine, rows[i].object, &policy), rows[i].kind);
		assert_string_equal(policy, rows[i].policy);
	}
}

static void chardevs_in_every_syntax(void **state VH_UNUSED)
{
	struct vh_vm *vm = QEMU("-chardev",
		"{\"id\":\"j\",\"backend\":{\"type\":\"socket\",\"data\":{\"addr\":{\"type\":"
		"\"unix\",\"data\":{\"path\":\"/run/j\"}},\"wait\":false}}}",
		"-mon", "{\"chardev\":\"j\",\"mode\":\"control\"}", "-chardev",
		"file,id=f,path=/log/a,,b,append=on", "-serial", "chardev:f", "-chardev",
		"ringbuf,id=r,logfile=/log/r", "-device", "virtconsole,chardev=r", "-mon",
		"r,mode=readline", "-mon", "chardev=nothing", "-chardev",
		"socket,id=a,path=name,abstract=on,server", "-mon", "chardev=a,mode=control",
		"-nographic");

	assert_non_null(vm);
	assert_int_equal(vm->n_monitors, 3);
	assert_string_equal(vm->monitors[0].address, "unix:/run/j");
	assert_string_equal(vm->monitors[1].address, "ringbuf");
	assert_int_equal(vm->monitors[1].kind, VH_MONITOR_HMP);
	assert_string_equal(vm->monitors[2].address, "unix:@name");
	assert_int_equal(vm->n_serials, 2);
	assert_string_equal(vm->serials[0].path, "/log/a,b");
	assert_string_equal(vm->serials[1].path, "/log/r");
	vh_vm_free(vm);
}

static void drives_in_every_syntax(void **state VH_UNUSED)
{
	struct vh_vm *vm = QEMU("-blockdev",
		"driver=qcow2,node-name=d0,file.driver=file,file.filename=/a/b.qcow2", "-device",
		"virtio-blk-pci,drive=d0,werror=stop", "-drive",
		"file=/c.img,if=virtio,werror=report,format=raw", "-drive",
		"file.driver=nbd,file.server.type=unix,file.server.path=/nbd.sock,id=n",
		"-blockdev",
		"{\"driver\":\"qcow2\",\"node-name\":\"top\",\"file\":{\"driver\":\"luks\","
		"\"file\":"
		"{\"driver\":\"file\",\"filename\":\"/crypt\"}},\"backing\":\"base\"}",
		"-blockdev", "driver=file,node-name=base,filename=/base", "-blockdev",
		"driver=raw,node-name=loop1,file=loop2", "-blockdev",
		"driver=raw,node-name=loop2,file=loop1", "disk.img");

	assert_non_null(vm);
	assert_int_equal(vm->n_drives, 5);
	assert_string_equal(vm->drives[0].file, "/a/b.qcow2");
	assert_string_equal(vm->drives[0].werror, "stop");
	assert_null(vm->drives[1].id);
	assert_string_equal(vm->drives[1].werror, "report");
	assert_string_equal(vm->drives[2].file, "nbd+unix:/nbd.sock");
	assert_string_equal(vm->drives[3].file, "/crypt");
	assert_string_equal(vm->drives[4].file, "disk.img");
	vh_vm_free(vm);
}

static void what_is_no_vm(void **state VH_UNUSED)
{
	assert_null(QEMU("-version"));
	assert_null(QEMU("--help"));
	assert_null(QEMU("-machine", "help"));
	assert_null(QEMU("-device", "virtio-net-pci,help"));
	assert_null(QEMU("-cpu", "?"));
	assert_null(QEMU("-S", "-no-user-config", "-nodefaults", "-nographic", "-machine",
		"none,accel=kvm:tcg", "-qmp",
		"unix:/var/lib/libvirt/qemu/qmp-x/qmp.monitor,server"));
	assert_null(PARSE("/bin/bash", "-c", "qemu-system-x86_64 -m 1G -smp 2"));
	assert_null(PARSE("/usr/bin/qemu-img", "convert", "-f", "raw", "a", "b"));
	assert_null(PARSE("gcc", "-S", "-m", "x", "-D", "y", "-O2", "-c"));
	struct vh_vm *vm = vh_vm_new();

	assert_false(vh_qemu_cmdline_parse((struct vh_str){NULL, 0}, vm));
	assert_false(vh_qemu_cmdline_parse((struct vh_str){"", 1}, vm));
	vh_vm_free(vm);
	/* Help for a VM's name is a name. */
	vm = QEMU("-name", "help");
	assert_non_null(vm);
	vh_vm_free(vm);
	vm = PARSE("/nix/store/x/bin/.qemu-system-aarch64-wrapped");
	assert_non_null(vm);
	vh_vm_free(vm);
}

/* Each must end soon, with a VM that has no more than the caps allow. */
static void hostile_lines_are_bounded(void **state VH_UNUSED)
{
	enum { MIB = 1 << 20 };
	vh_auto_buf struct vh_buf text = {0};
	static const char *const options[] = {"-name", "-smp", "-machine", "-drive", "-blockdev",
		"-chardev", "-object", "-device"};
	static const char fills[] = ",={[\"";

	for (size_t o = 0; o < VH_ARRAY_SIZE(options); o++)
		for (size_t f = 0; fills[f]; f++) {
			struct vh_vm *vm = vh_vm_new();

			text.len = 0;
			vh_buf_add(&text, "qemu-system-x86_64", 19);
			vh_buf_add(&text, options[o], strlen(options[o]) + 1);
			for (int i = 0; i < MIB; i++)
				vh_buf_putc(&text, fills[f]);
			/* No NUL at the end. */
			assert_true(
				vh_qemu_cmdline_parse((struct vh_str){text.data, text.len}, vm));
			assert_true(vm->n_drives <= 1);
			vh_vm_free(vm);
		}
	struct vh_vm *vm = vh_vm_new();

	text.len = 0;
	vh_buf_add(&text, "qemu-system-x86_64", 19);
	for (int i = 0; i < 50000; i++)
		vh_buf_add(&text, "-serial\0file:x", 15);
	assert_true(vh_qemu_cmdline_parse((struct vh_str){text.data, text.len}, vm));
	assert_in_range(vm->n_serials, 1, 1024);
	vh_vm_free(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(libvirt_11_in_json),
		cmocka_unit_test(proxmox),
		cmocka_unit_test(plain_old_syntax),
		cmocka_unit_test(openstack),
		cmocka_unit_test(vcpus_in_every_syntax),
		cmocka_unit_test(memory_in_every_syntax),
		cmocka_unit_test(accelerators),
		cmocka_unit_test(confidential_guests),
		cmocka_unit_test(chardevs_in_every_syntax),
		cmocka_unit_test(drives_in_every_syntax),
		cmocka_unit_test(what_is_no_vm),
		cmocka_unit_test(hostile_lines_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
