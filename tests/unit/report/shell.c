/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is pasted into a root shell, and how lines are broken. */
#include "report/shell.h"
#include "report/wrap.h"
#include "tests/unit/test.h"

#include <stdio.h>

static const char *const names[] = {
	"web-07",
	"web 07",
	"it's",
	"$(reboot)",
	"`reboot`; reboot",
	"a\"b\\c",
	"-rf",
	"",
	"\033[2J\n'\\",
	"\xff\xfe$HOME",
	"\xc3\xa4\xc3\xb6",
	"*",
	"~root",
	"{pid}",
};

static void a_plain_word_stays_as_it_is(void **state VH_UNUSED)
{
	static const struct {
		const char *name, *quoted;
	} rows[] = {
		{"web-07", "web-07"},
		{"/run/q_1.sock", "/run/q_1.sock"},
		{"web 07", "'web 07'"},
		{"it's", "'it'\\''s'"},
		{"\xc3\xa4", "'\xc3\xa4'"},
		{"\033'\\", "$'\\x1b\\'\\x5c'"},
		{"", "''"},
		{"~root", "'~root'"},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		vh_auto_buf struct vh_buf out = {0};

		vh_shell_quote(&out, rows[i].name);
		assert_string_equal(vh_buf_str(&out), rows[i].quoted);
	}
}

/* bash itself gives back each name, byte for byte. */
static void a_shell_reads_the_very_name(void **state VH_UNUSED)
{
	for (size_t i = 0; i < VH_ARRAY_SIZE(names); i++) {
		vh_auto_buf struct vh_buf command = {0}, inner = {0};
		char got[64] = "";

		vh_buf_puts(&inner, "printf %s ");
		vh_shell_quote(&inner, names[i]);
		/* The command line passes through sh -c of popen() and then bash. */
		vh_buf_puts(&command, "bash -c ");
		vh_shell_quote(&command, vh_buf_str(&inner));
		FILE *f = popen(vh_buf_str(&command), "r");

		assert_non_null(f);
		size_t n = fread(got, 1, sizeof(got) - 1, f);

		assert_int_equal(pclose(f), 0);
		assert_int_equal(n, strlen(names[i]));
		assert_memory_equal(got, names[i], n);
	}
}

static void placeholders_are_filled_in_once(void **state VH_UNUSED)
{
	struct vh_vm *vm = vh_vm_new();
	struct vh_log_view log = {.kind = VH_LOG_QEMU, .path = (char *)"/var/log/a b.log"};
	struct vh_model m = {.vm = vm, .logs = &log, .n_logs = 1};

	vm->id.pid = 4711;
	vm->name = vh_strdup("{pid} {log}");
	VH_PUSH(vm->monitors, vm->n_monitors) =
		(struct vh_monitor_addr){VH_MONITOR_HMP, vh_strdup("unix:/no")};
	VH_PUSH(vm->monitors, vm->n_monitors) =
		(struct vh_monitor_addr){VH_MONITOR_QMP, vh_strdup("unix:/run/q")};
	vh_auto_free char *all = vh_shell_command("a {pid} {name} {log} {socket} {other} {", &m);

	assert_string_equal(all, "a 4711 '{pid} {log}' '/var/log/a b.log' /run/q {other} {");
	vm->in_container = true;
	vh_auto_free char *inside = vh_shell_command("{socket}", &m);

	assert_string_equal(inside, "/proc/4711/root/run/q");
	m.n_logs = 0;
	vm->n_monitors = 1;
	vh_auto_free char *unknown = vh_shell_command("{log} {socket}", &m);

	assert_string_equal(unknown, "QEMU-LOG QMP-SOCKET");
	vm->n_monitors = 2;
	vh_vm_free(vm);
}

static void lines_are_broken_between_words(void **state VH_UNUSED)
{
	static const struct {
		const char *text;
		unsigned width;
		const char *expected;
	} rows[] = {
		{"one two three", 20, "- one two three\n"},
		{"one two three", 9, "- one two\n  three\n"},
		{"one  two", 8, "- one\n  two\n"},
		{"a-word-that-is-too-long for it", 10, "- a-word-that-is-too-long\n  for it\n"},
		{"one\ntwo", 20, "- one\n  two\n"},
		{"one\n\ntwo", 20, "- one\n\n  two\n"},
		{"\xc3\xa4\xc3\xb6 \xc3\xbc", 6, "- \xc3\xa4\xc3\xb6 \xc3\xbc\n"},
		{"", 20, ""},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		vh_auto_buf struct vh_buf out = {0};

		vh_wrap(&out, vh_str(rows[i].text), rows[i].width, "- ", "  ");
		assert_string_equal(vh_buf_str(&out), rows[i].expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_word_stays_as_it_is),
		cmocka_unit_test(a_shell_reads_the_very_name),
		cmocka_unit_test(placeholders_are_filled_in_once),
		cmocka_unit_test(lines_are_broken_between_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
