/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines: what is taken off them, and what was typed in them. */
#include "paste/page.h"
#include "../test.h"

static struct vh_str S(const char *s) {
	return vh_str(s);
}

static void
assert_page(const char *text, const char *const lines[], size_t n)
{
	struct vh_page page;

	vh_page_init(&page, "t", vh_str(text));
	assert_int_equal(page.n, n);
	for (size_t i = 0; i < n; i++) {
		vh_auto_free char *line = vh_str_dup(page.lines[i].text);

		assert_string_equal(line, lines[i]);
	}
	vh_page_free(&page);
}
#define ASSERT_PAGE(text, ...)                                                                     \
	do {                                                                                       \
		static const char *const expected[] = {__VA_ARGS__};                               \
		assert_page(text, expected, VH_ARRAY_SIZE(expected));                              \
	} while (0)

static void lines_are_cleaned(void **state VH_UNUSED)
{
	ASSERT_PAGE("a\r\nb\n\nc", "a", "b", "", "c");
	ASSERT_PAGE("> > quoted\n>\n>x", "quoted", "", ">x");
	ASSERT_PAGE("\033[1mbold\033(B\033[m\033[K\n\033]0;title\atext\n\033]8;;x\033\\y", "bold",
		"text", "y");
	ASSERT_PAGE("a\033[3Cb", "a   b");
	ASSERT_PAGE("10%\r20%\r\n", "10%", "20%");
	ASSERT_PAGE("ab\bc", "ac");
	ASSERT_PAGE("a\xe3\x80\x80"
		    "b\xc2\xa0"
		    "c\xef\xbb\xbf\xe2\x80\x8b",
		"a b c");
	ASSERT_PAGE("| PID | TID |", "  PID   TID  ");
	ASSERT_PAGE("|  |", "    ");
	/* Bytes that are no text stay: the log may have them. */
	ASSERT_PAGE("\xff\xfe", "\xff\xfe");
	ASSERT_PAGE("\033[", "");
	/* No more blanks than the sequence is long. */
	ASSERT_PAGE("\033[999999999C", "            ");
}

static void lines_keep_their_numbers(void **state VH_UNUSED)
{
	struct vh_page page;

	vh_page_init(&page, "t", S("one\ntwo\rthree\nfour\n```\nfive\n```\nsix"));
	assert_int_equal(page.n, 8);
	assert_int_equal(page.lines[2].number, 2);
	assert_int_equal(page.lines[3].number, 3);
	assert_true(page.lines[5].fenced);
	assert_false(page.lines[4].fenced);
	assert_false(page.lines[7].fenced);
	vh_page_free(&page);
}

static void a_long_text_is_cut_and_says_so(void **state VH_UNUSED)
{
	struct vh_page page;
	char *text = vh_alloc(VH_PASTE_MAX_BYTES + 2);

	memset(text, '\n', VH_PASTE_MAX_BYTES + 1);
	vh_page_init(&page, "t", (struct vh_str){text, VH_PASTE_MAX_BYTES + 1});
	assert_true(page.cut);
	assert_true(page.n <= VH_PASTE_MAX_LINES);
	vh_page_free(&page);
	memset(text, 'x', VH_PASTE_MAX_BYTES);
	vh_page_init(&page, "t", (struct vh_str){text, VH_PASTE_MAX_BYTES});
	assert_false(page.cut);
	assert_int_equal(page.n, 1);
	vh_page_free(&page);
	free(text);
}

static void prompts_are_known(void **state VH_UNUSED)
{
	static const char *const rows[][2] = {
		{"[root@11-244-8-3 19:47:13 ~]# ps -T -p 7", "ps -T -p 7"},
		{"root@host:~# top -H", "top -H"},
		{"user@host ~ $ virsh list", "virsh list"},
		{"(qemu) info status", "info status"},
		{"virsh # dominfo web", "virsh # dominfo web"},
		{"# cat /proc/7/wchan", "cat /proc/7/wchan"},
		{"$ ps aux", "ps aux"},
		{"sh-4.2# dmesg", "dmesg"},
		{"`virsh domstate web`:", "virsh domstate web"},
		{"perf kvm stat live -p 7", "perf kvm stat live -p 7"},
		{"# Problem description", ""},
		{"## top", ""},
		{"top shows that vCPU 0 is busy", ""},
		{"[    1.234567] # bad@address] # x", ""},
		{"EAX=00000000 EBX=00000000", ""},
		{"mail me at a@b.c # thanks", ""},
		{"", ""},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		vh_auto_free char *command = vh_str_dup(vh_prompt_command(S(rows[i][0])));

		assert_string_equal(command, rows[i][1]);
	}
}

static void commands_name_whom_they_are_about(void **state VH_UNUSED)
{
	assert_int_equal(vh_command_pid(S("ps -o comm,pid,tid -p 1347712 -T")), 1347712);
	assert_int_equal(vh_command_pid(S("top -Hp 49443")), 49443);
	assert_int_equal(vh_command_pid(S("ps -Lp 5")), 5);
	assert_int_equal(vh_command_pid(S("cat /proc/77/task/78/stack")), 77);
	assert_int_equal(vh_command_tid(S("cat /proc/77/task/78/stack")), 78);
	assert_int_equal(vh_command_tid(S("cat /proc/77/stack")), 77);
	assert_int_equal(vh_command_pid(S("perf kvm --host stat live --pid=9")), 9);
	assert_int_equal(vh_command_pid(S("ps -p $(pidof qemu)")), 0);
	assert_int_equal(vh_command_pid(S("ps -p 99999999999999999999")), 0);
	static const char *const rows[][2] = {
		{"virsh qemu-monitor-command i-t1 --hmp 'info registers'", "i-t1"},
		{"virsh -c qemu:///system domstats web --vcpu", "web"},
		{"virsh # dominfo web", "web"},
		{"virsh dumpxml \"web 7\"", "web"},
		{"virsh domstate --reason --domain web", "web"},
		{"virsh list --all", ""},
		{"virsh", ""},
		{"ps aux", ""},
		{"virsh dumpxml $1", ""},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		vh_auto_free char *name = vh_str_dup(vh_command_domain(S(rows[i][0])));

		assert_string_equal(name, rows[i][1]);
	}
	assert_true(vh_command_has(S("cat x | grep stack"), "stack"));
	assert_false(vh_command_has(S("haystacks"), "stack"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_cleaned),
		cmocka_unit_test(lines_keep_their_numbers),
		cmocka_unit_test(a_long_text_is_cut_and_says_so),
		cmocka_unit_test(prompts_are_known),
		cmocka_unit_test(commands_name_whom_they_are_about),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
