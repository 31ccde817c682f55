/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Consoles that nobody reads, and who holds a monitor: proc.channels (docs/evidence.md). */
#include "tests/unit/infer/traced.h"

#define SOCKET_FULL "11\tfull\tunix\t812\tS\tsocat\t/run/port.sock\n"
#define SOCKET_ROOM "11\troom\tunix\t812\tS\tsocat\t/run/port.sock\n"
#define STOPPED     "11\tfull\tunix\t812\tT\tsocat\t/run/port.sock\n"

static void put_channels(struct vh_case *c, const char *first, const char *last)
{
	case_text(c, VH_FIRST, "proc.channels", "", first);
	case_text(c, VH_LAST, "proc.channels", "", last);
}

static void put_arguments(struct vh_case *c, const char *arguments, size_t n)
{
	case_data(c, VH_ONCE, "proc.cmdline", "", arguments, n);
}

static const char serial_socket[] = "qemu\0-serial\0unix:/run/port.sock,server=on,wait=off";
static const char isa_serial[] = "qemu\0-chardev\0socket,id=c0,path=/run/"
				 "port.sock,server=on\0-device\0isa-serial,chardev=c0";
static const char virtio_console[] = "qemu\0-chardev\0socket,id=c0,path=/run/port.sock,server=on\0"
				     "-device\0{\"driver\":\"virtconsole\",\"chardev\":\"c0\"}";
static const char virtio_port[] = "qemu\0-chardev\0socket,id=c0,path=/run/port.sock,server=on\0"
				  "-device\0virtserialport,chardev=c0,name=a";
static const char elsewhere[] = "qemu\0-chardev\0socket,id=c0,path=/run/port.sock,server=on\0"
				"-device\0vhost-user-fs-pci,chardev=c0";

/* The guest asks for room, from a loop of two instructions. */
static struct vh_case *polls(const char *keys)
{
	static const struct tracing emulates = {
		.host = EMULATES, .sampled = "kvm:kvm_emulate_insn"};

	return busy_with(300, emulates, NULL, keys);
}

#define LOOP  KEY("emulated", 0xf0004, 0, 2248) "," KEY("emulated", 0xf0005, 0, 2248)
#define ASKS  KEY("pio", 0x3fd, 0x100, 90000) "," LOOP
#define WRITE KEY("pio", 0x3f8, 0x101, 900) "," ASKS

static bool names(const struct vh_verdict *v, const char *id)
{
	for (size_t i = 0; i < v->n_causes; i++)
		if (strcmp(v->causes[i]->rule->id, id) == 0)
			return true;
	return false;
}

static void a_guest_that_waits_for_a_reader(void **state VH_UNUSED)
{
	static const struct {
		const char *arguments;
		size_t n;
	} rows[] = {{serial_socket, sizeof(serial_socket)}, {isa_serial, sizeof(isa_serial)}};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_case *c = polls(ASKS);

		put_arguments(c, rows[i].arguments, rows[i].n);
		put_channels(c, SOCKET_FULL, SOCKET_FULL);
		EXPECT(c, "guest-waits-for-serial-reader", SPINNING, YES, VH_LIKELY);
	}
	struct vh_case *c = polls(ASKS);

	put_arguments(c, isa_serial, sizeof(isa_serial));
	put_channels(c, STOPPED, STOPPED);
	struct judged j = judge(c);

	assert_non_null(strstr(j.v->headline, "c0 (unix /run/port.sock)"));
	assert_string_equal(j.v->next[0].command, "kill -CONT 812");
	assert_false(names(j.v, "guest-port-storm"));
	assert_false(names(j.v, "console-not-read"));
	drop(&j);
}

/* A full pipe and a terminal, which the arguments do not number. */
static void pipes_and_terminals(void **state VH_UNUSED)
{
	static const char pipe[] = "qemu\0-serial\0pipe:/run/port";
	static const char pty[] = "qemu\0-serial\0pty";
	struct vh_case *c = polls(ASKS);

	put_arguments(c, pipe, sizeof(pipe));
	put_channels(c, "9\tfull\tpipe\t0\t-\t-\t/run/port.out\n",
		"9\tfull\tpipe\t0\t-\t-\t/run/port.out\n");
	EXPECT(c, "guest-waits-for-serial-reader", SPINNING, YES, VH_LIKELY);
	c = polls(ASKS);
	put_arguments(c, pty, sizeof(pty));
	VH_PUSH(c->vm->serials, c->vm->n_serials) =
		(struct vh_serial){.kind = vh_strdup("pty"), .label = vh_strdup("serial0")};
	put_channels(
		c, "9\tfull\tpty\t0\t-\t-\t/dev/pts/3\n", "9\tfull\tpty\t0\t-\t-\t/dev/pts/3\n");
	EXPECT(c, "guest-waits-for-serial-reader", SPINNING, YES, VH_LIKELY);
	/* Another's path, of which this one is the beginning. */
	c = polls(ASKS);
	put_arguments(c, pipe, sizeof(pipe));
	put_channels(
		c, "9\tfull\tpipe\t0\t-\t-\t/run/port2\n", "9\tfull\tpipe\t0\t-\t-\t/run/port2\n");
	EXPECT(c, "guest-port-storm", SPINNING, YES, VH_LIKELY);
}

/* Where there is room it polls for something else: a byte to come, or a device that is broken. */
static void what_is_not_full_is_another_trouble(void **state VH_UNUSED)
{
	struct vh_case *c = polls(ASKS);

	put_arguments(c, serial_socket, sizeof(serial_socket));
	put_channels(c, SOCKET_FULL, SOCKET_ROOM);
	EXPECT(c, "guest-port-storm", SPINNING, YES, VH_LIKELY);
	c = polls(ASKS);
	put_arguments(c, serial_socket, sizeof(serial_socket));
	EXPECT(c, "guest-port-storm", SPINNING, YES, VH_LIKELY);
	/* The socket of something else. */
	c = polls(ASKS);
	put_arguments(c, elsewhere, sizeof(elsewhere));
	put_channels(c, SOCKET_FULL, SOCKET_FULL);
	EXPECT(c, "guest-port-storm", SPINNING, YES, VH_LIKELY);
}

/* It prints, if slowly: as Linux does, which gives up on each byte after 10 ms. */
static void a_guest_that_prints_on_does_not_hang(void **state VH_UNUSED)
{
	struct vh_case *c = polls(WRITE);

	put_arguments(c, serial_socket, sizeof(serial_socket));
	put_channels(c, SOCKET_FULL, SOCKET_FULL);
	struct judged j = judge(c);

	assert_int_not_equal(j.v->hung, VH_HUNG_YES);
	assert_true(names(j.v, "console-not-read"));
	drop(&j);
}

static void an_idle_guest_with_a_full_console(void **state VH_UNUSED)
{
	static const struct {
		const char *arguments;
		size_t n;
		const char *says;
	} rows[] = {{virtio_console, sizeof(virtio_console), "what is written there is lost"},
		{virtio_port, sizeof(virtio_port), "who writes there waits"}};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_case *c = case_new(1);

		case_main_thread(c);
		case_halted_vcpu(c, 0, 18);
		put_arguments(c, rows[i].arguments, rows[i].n);
		put_channels(c, SOCKET_FULL, SOCKET_FULL);
		struct judged j = judge(c);

		assert_string_equal(j.v->cause->rule->id, "guest-idle");
		assert_int_equal(j.v->hung, VH_HUNG_NO);
		assert_true(names(j.v, "console-not-read"));
		assert_non_null(
			strstr(vh_fact(j.facts, VH_FACT_CONSOLE_NOT_READ)->text, rows[i].says));
		drop(&j);
	}
}

static struct vh_case *held(const char *channels)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_halted_vcpu(c, 0, 18);
	VH_PUSH(c->vm->monitors, c->vm->n_monitors) = (struct vh_monitor_addr){
		.kind = VH_MONITOR_QMP, .address = vh_strdup("unix:/run/vm.qmp")};
	case_fail(c, VH_ASKED, "qmp.greeting", "", VH_TIMED_OUT, 110, "another client holds it");
	put_channels(c, channels, channels);
	return c;
}

static void who_holds_the_monitor(void **state VH_UNUSED)
{
	struct judged j = judge(held("9\troom\tunix\t812\tS\tsocat\t/run/vm.qmp\n"));
	const struct vh_fact *client = vh_fact(j.facts, VH_FACT_MONITOR_CLIENT);

	assert_non_null(client);
	assert_int_equal(client->value, 812);
	assert_non_null(strstr(client->text, "process 812 (socat)"));
	assert_true(names(j.v, "monitor-held"));
	drop(&j);
	/* Who connected it and is gone left it to another. */
	j = judge(held("9\troom\tunix\t812\t-\t-\t/run/vm.qmp\n"));
	assert_non_null(strstr(vh_fact(j.facts, VH_FACT_MONITOR_CLIENT)->text, "has ended since"));
	drop(&j);
	/* Another socket's client, and lines that are none. */
	j = judge(held("9\troom\tunix\t812\tS\tsocat\t/run/vm.qmp2\n"));
	assert_null(vh_fact(j.facts, VH_FACT_MONITOR_CLIENT));
	drop(&j);
	j = judge(held("9\troom\n\t\t\t\t\t\t\nx\troom\tunix\t812\tS\tsocat\t/run/vm.qmp\n"));
	assert_null(vh_fact(j.facts, VH_FACT_MONITOR_CLIENT));
	drop(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_that_waits_for_a_reader),
		cmocka_unit_test(pipes_and_terminals),
		cmocka_unit_test(what_is_not_full_is_another_trouble),
		cmocka_unit_test(a_guest_that_prints_on_does_not_hang),
		cmocka_unit_test(an_idle_guest_with_a_full_console),
		cmocka_unit_test(who_holds_the_monitor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
