/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect/trace_events.h"

#include "fixture.h"

#if HAVE_TRACEEVENT
#include <traceevent/event-parse.h>
#endif

#define COMMON                                                                                     \
	"format:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"            \
	"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
#define FIELD(declaration, offset, size, sign)                                                     \
	"\tfield:" declaration ";\toffset:" offset ";\tsize:" size ";\tsigned:" sign ";\n"

static bool parse(enum vh_tp tp, const char *text, struct vh_tp_layout *layout)
{
	vh_auto_free char *why = NULL;
	uint32_t id;

	return vh_tp_parse(tp, vh_str(text), &id, layout, &why);
}

/* Linux 5.4's kvm_exit on x86, 6.1's on arm64. */
static void kvm_exit_of_other_kernels(void **state VH_UNUSED)
{
	struct vh_tp_layout l;

	assert_true(parse(VH_TP_EXIT,
		"name: kvm_exit\nID: 1830\n" COMMON FIELD("unsigned int exit_reason", "8", "4", "0")
			FIELD("unsigned long guest_rip", "16", "8", "0")
				FIELD("u32 isa", "24", "4", "0") FIELD("u64 info1", "32", "8", "0")
					FIELD("u64 info2", "40", "8", "0"),
		&l));
	assert_int_equal(l.field[VH_F_EXIT_REASON].offset, 8);
	assert_int_equal(l.field[VH_F_EXIT_RIP].offset, 16);
	assert_int_equal(l.field[VH_F_EXIT_ISA].size, 4);
	assert_int_equal(l.field[VH_F_EXIT_RET].size, 0);

	assert_true(parse(VH_TP_EXIT,
		"name: kvm_exit\nID: 77\n" COMMON FIELD("int ret", "8", "4", "1")
			FIELD("unsigned int esr_ec", "12", "4", "0")
				FIELD("unsigned long vcpu_pc", "16", "8", "0"),
		&l));
	assert_int_equal(l.field[VH_F_EXIT_REASON].offset, 12);
	assert_int_equal(l.field[VH_F_EXIT_RIP].offset, 16);
	assert_int_equal(l.field[VH_F_EXIT_RET].is_signed, 1);
	assert_int_equal(l.field[VH_F_EXIT_ISA].size, 0);
}

static void aliases(void **state VH_UNUSED)
{
	struct vh_tp_layout l;

	assert_true(parse(
		VH_TP_INJ_VIRQ, "ID: 5\n" COMMON FIELD("unsigned int irq", "8", "4", "0"), &l));
	assert_int_equal(l.field[VH_F_VIRQ_VECTOR].offset, 8);
	assert_int_equal(l.field[VH_F_VIRQ_SOFT].size, 0);
	/* Where both are there, the newer name counts, wherever it stands. */
	assert_true(parse(VH_TP_INJ_VIRQ,
		"ID: 5\n" FIELD("u32 irq", "8", "4", "0") FIELD("u32 vector", "12", "4", "0")
			FIELD("u32 irq", "16", "4", "0"),
		&l));
	assert_int_equal(l.field[VH_F_VIRQ_VECTOR].offset, 12);
	/* A name that only ends alike is another field. */
	assert_false(
		parse(VH_TP_INJ_VIRQ, "ID: 5\n" FIELD("unsigned int my_irq", "8", "4", "0"), &l));
}

static void what_is_no_format(void **state VH_UNUSED)
{
	static const char *const texts[] = {"", "\n\n", "ID: 5\n", "name: kvm_fpu\nID: x\n",
		"ID: 70000\n" FIELD("u32 load", "8", "4", "0"), FIELD("u32 load", "8", "4", "0"),
		"ID: 5\n" FIELD("u32 load", "-8", "4", "0"),
		"ID: 5\n" FIELD("u32 load", "99999999999999999999", "4", "0"),
		"ID: 5\n" FIELD("u32 load", "65535", "4", "0"),
		"ID: 5\n" FIELD("u32 load", "8", "16", "0"),
		"ID: 5\n" FIELD("u32 load", "8", "0", "0"), "ID: 5\n\tfield:u32 load",
		"ID: 5\n\tfield:;offset:8;size:4;", "ID: 5\n\tfield:load;size:4;offset:8;"};
	struct vh_tp_layout l;

	for (size_t i = 0; i < VH_ARRAY_SIZE(texts); i++)
		if (parse(VH_TP_FPU, texts[i], &l))
			fail_msg("taken for a format: %s", texts[i]);
	vh_auto_free char *why = NULL;
	uint32_t id;

	assert_false(vh_tp_parse(VH_TP_PIO,
		vh_str("ID: 5\n" FIELD("u32 rw", "8", "4", "0") FIELD("u32 size", "8", "4", "0")),
		&id, &l, &why));
	assert_string_equal(why, "it has no field port");
}

static void values_within_the_record(void **state VH_UNUSED)
{
	const uint8_t raw[] = {0xff, 0xfe, 0xfd, 0xfc, 0x80, 0, 0, 0x80, 0, 0, 0, 1};
	uint64_t v;

	assert_true(vh_tp_value(&(struct vh_tp_field){0, 1, 1}, raw, sizeof(raw), &v));
	assert_int_equal(v, -1);
	assert_true(vh_tp_value(&(struct vh_tp_field){0, 2, 0}, raw, sizeof(raw), &v));
	assert_int_equal(v, 0xfeff);
	assert_true(vh_tp_value(&(struct vh_tp_field){4, 4, 1}, raw, sizeof(raw), &v));
	assert_int_equal(v, (int64_t)(int32_t)0x80000080);
	assert_true(vh_tp_value(&(struct vh_tp_field){4, 8, 0}, raw, sizeof(raw), &v));
	assert_int_equal(v, 0x0100000080000080);
	/* Behind the end, across it, absent. */
	assert_false(vh_tp_value(&(struct vh_tp_field){12, 1, 0}, raw, sizeof(raw), &v));
	assert_false(vh_tp_value(&(struct vh_tp_field){5, 8, 0}, raw, sizeof(raw), &v));
	assert_false(vh_tp_value(&(struct vh_tp_field){65535, 8, 0}, raw, sizeof(raw), &v));
	assert_false(vh_tp_value(&(struct vh_tp_field){0, 8, 0}, raw, 7, &v));
	assert_false(vh_tp_value(&(struct vh_tp_field){0, 0, 0}, raw, sizeof(raw), &v));
	assert_int_equal(v, 0);
}

static void a_host_with_two_events(void **state VH_UNUSED)
{
	struct fixture f = fixture_empty();
	struct vh_tp_format formats[VH_N_TP];

	fixture_put(&f, "/proc/self/mountinfo", "25 23 0:7 / /t rw - tracefs tracefs rw\n");
	fixture_put(&f, "/t/events/kvm/kvm_fpu/format",
		"ID: 37\n" COMMON FIELD("u32 load", "8", "4", "0"));
	fixture_put(&f, "/t/events/kvm/kvm_guest_fault/format",
		"ID: 38\n" COMMON FIELD("unsigned long vcpu_pc", "8", "8", "0")
			FIELD("unsigned long hsr", "16", "8", "0")
				FIELD("unsigned long long ipa", "32", "8", "0"));
	fixture_put(&f, "/t/events/kvm/kvm_eoi/format", "ID: 39\n" COMMON);
	assert_null(vh_tp_read(f.host, formats));
	assert_true(formats[VH_TP_FPU].usable);
	assert_int_equal(formats[VH_TP_FPU].id, 37);
	assert_true(formats[VH_TP_PAGE_FAULT].usable);
	assert_string_equal(formats[VH_TP_PAGE_FAULT].name, "kvm:kvm_guest_fault");
	assert_false(formats[VH_TP_EOI].usable || formats[VH_TP_EOI].absent);
	assert_string_equal(formats[VH_TP_EOI].why, "it has no field vector");
	assert_true(formats[VH_TP_EXIT].absent);
	assert_string_equal(formats[VH_TP_EXIT].name, "kvm:kvm_exit");
	vh_tp_free(formats);

	fixture_put(&f, "/proc/self/mountinfo", "25 23 0:7 / / rw - ext4 /dev/vda rw\n");
	vh_auto_free char *why = vh_tp_read(f.host, formats);

	assert_string_equal(why, "tracefs is not mounted");
	assert_false(formats[VH_TP_FPU].usable);
	vh_tp_free(formats);
	fixture_free(&f);
}

/* What libtraceevent, made by ftrace's authors, reads in this kernel's formats. */
static void as_libtraceevent_reads_them(void **state VH_UNUSED)
{
#if HAVE_TRACEEVENT
	struct vh_host *host = vh_host_create(NULL);
	struct vh_tp_format formats[VH_N_TP];
	vh_auto_free char *why VH_UNUSED = vh_tp_read(host, formats);
	struct tep_handle *tep = tep_alloc();
	size_t compared = 0;

	for (int tp = 0; tp < VH_N_TP; tp++) {
		vh_auto_reading struct vh_reading r = {0};
		vh_auto_free char *path = vh_strdup(formats[tp].name);
		struct tep_event *event = NULL;

		if (!formats[tp].usable)
			continue;
		*strchr(path, ':') = '/';
		vh_host_read(host, 65536, &r, "/sys/kernel/tracing/events/%s/format", path);
		if (r.status != VH_OK)
			continue;
		/* Without the way to print it, of which libtraceevent 1.7 leaks pieces. */
		ssize_t fields = vh_str_find((struct vh_str){r.data, r.size}, "print fmt:");

		assert_true(fields > 0);
		vh_auto_free char *text = vh_asprintf("%.*sprint fmt: \"\"\n", (int)fields, r.data);

		if (tep_parse_format(tep, &event, text, strlen(text), "kvm") != TEP_ERRNO__SUCCESS)
			fail_msg("libtraceevent does not read the format of %s", formats[tp].name);
		assert_int_equal(event->id, formats[tp].id);
		for (int i = 0; i < VH_TP_FIELDS; i++) {
			const struct vh_tp_field *mine = &formats[tp].layout.field[i];
			bool found = !mine->size;

			for (struct tep_format_field *t = event->format.fields; t && !found;
				t = t->next)
				found = t->offset == mine->offset && t->size == mine->size &&
					!!(t->flags & TEP_FIELD_IS_SIGNED) == mine->is_signed;
			if (!found)
				fail_msg("%s: field %d", formats[tp].name, i);
			compared += mine->size > 0;
		}
	}
	tep_free(tep);
	vh_tp_free(formats);
	vh_host_destroy(host);
	if (!compared)
		skip();
#else
	skip();
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kvm_exit_of_other_kernels),
		cmocka_unit_test(aliases),
		cmocka_unit_test(what_is_no_format),
		cmocka_unit_test(values_within_the_record),
		cmocka_unit_test(a_host_with_two_events),
		cmocka_unit_test(as_libtraceevent_reads_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
