/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What must not be asked of a VM in which state, and what the reason says. */
#include "collect/plan.h"
#include "tests/unit/casebuild.h"
#include "tests/unit/test.h"

/* A running VM with two busy vCPUs and nothing wrong. */
static struct vh_case *healthy(void)
{
	struct vh_case *c = case_new(2);

	case_main_thread(c);
	case_busy_vcpu(c, 0);
	case_busy_vcpu(c, 1);
	case_text(c, VH_LAST, "trace.exits", "", "{\"keys\": [{\"kind\": \"mmio\"}]}");
	return c;
}

/* Asserts that exactly the questions that need `need` are objected to, and that the reason has
 * `words` in it. */
static void assert_only(const struct vh_outlook *o, enum vh_need need, const char *words)
{
	assert_non_null(o->against[need]);
	if (!strstr(o->against[need], words))
		fail_msg("\"%s\" does not say \"%s\"", o->against[need], words);
	for (unsigned i = 0; i < VH_N_NEEDS; i++)
		if (i != need && i != VH_NEED_SEV && i != VH_NEED_DEVICES &&
			i != VH_NEED_MIGRATION && o->against[i])
			fail_msg("need %u too: %s", i, o->against[i]);
	for (size_t i = 0; i < vh_n_questions; i++)
		if (vh_questions[i].needs & 1u << need)
			assert_string_equal(
				vh_plan_objection(o, &vh_questions[i]), o->against[need]);
}

static bool allowed(const struct vh_outlook *o, const char *source, const char *subject)
{
	const struct vh_question *q = vh_plan_find(source, subject);

	assert_non_null(q);
	return !vh_plan_objection(o, q);
}

static void a_healthy_vm_is_asked_everything(void **state VH_UNUSED)
{
	struct vh_case *c = healthy();
	struct vh_outlook o;

	vh_outlook_take(&o, c);
	for (size_t i = 0; i < vh_n_questions; i++)
		if (!vh_streq(vh_questions[i].source, "qmp.query-sev") &&
			!vh_streq(vh_questions[i].source, "qmp.query-migrate-parameters"))
			assert_null(vh_plan_objection(&o, &vh_questions[i]));
	assert_false(allowed(&o, "qmp.query-sev", NULL));
	assert_false(allowed(&o, "qmp.query-migrate-parameters", NULL));
	vh_outlook_add_migration(&o);
	assert_true(allowed(&o, "qmp.query-migrate-parameters", NULL));
	vh_outlook_free(&o);
	vh_case_free(c);
}

static void devices_are_asked_for_where_exits_go_to_them(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);
	struct vh_outlook o;

	case_main_thread(c);
	case_busy_vcpu(c, 0);
	vh_outlook_take(&o, c);
	assert_false(allowed(&o, "hmp.info-mtree", NULL));
	assert_true(allowed(&o, "hmp.info-pic", NULL));
	vh_outlook_free(&o);
	struct vh_evidence *e = case_text(c, VH_LAST, "trace.exits", "",
		"{\"keys\": [{\"kind\": \"rip\"}, {\"kind\": \"pio\", \"value\": \"0x80\"}]}");

	vh_outlook_take(&o, c);
	assert_true(allowed(&o, "hmp.info-mtree", NULL));
	assert_true(allowed(&o, "hmp.info-mtree-flat", NULL));
	vh_outlook_free(&o);
	vh_evidence_set_data(e, "{}", 2);
	vh_outlook_take(&o, c);
	assert_false(allowed(&o, "hmp.info-mtree-flat", NULL));
	vh_outlook_free(&o);
	vh_case_free(c);
}

static void query_block_stands_last(void **state VH_UNUSED)
{
	assert_string_equal(vh_questions[vh_n_questions - 1].source, "qmp.query-block");
	for (size_t i = 1; i < vh_n_questions; i++)
		assert_true(vh_questions[i - 1].turn <= vh_questions[i].turn);
}

/* Nothing at all is asked of a process that cannot answer. */
static void a_held_process_is_left_alone(void **state VH_UNUSED)
{
	static const struct {
		struct case_thread main;
		const char *source, *subject, *text; /* more evidence */
		const char *words;
	} rows[] = {
		{{.state = 'T', .wchan = "do_signal_stop"}, .words = "SIGSTOP"},
		{{.state = 't', .tracer = 99, .wchan = "ptrace_stop"}, .words = "tracer (pid 99"},
		{{.state = 'Z'}, .words = "ended"},
		{{.state = 'D', .wchan = "__refrigerator"}, .words = "frozen"},
		{{.wchan = "do_freezer_trap"}, .words = "frozen"},
		{{.wchan = "do_sys_poll"}, "cgroup.cgroup.events", "v2:/vm",
			"populated 1\nfrozen 1\n", "cgroup v2:/vm is frozen"},
		{{.wchan = "do_sys_poll"}, "cgroup.cgroup.freeze", "v2:/", "1\n", "is frozen"},
		{{.wchan = "do_sys_poll"}, "cgroup.freezer.state", "v1:freezer:/vm", "FROZEN\n",
			"is frozen"},
		{{.wchan = "do_sys_poll"}, "cgroup.freezer.state", "v1:freezer:/vm", "FREEZING\n",
			"is frozen"},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_case *c = case_new(1);
		struct case_thread t = rows[i].main;
		struct vh_outlook o;

		t.tid = CASE_PID;
		t.name = "qemu-system-x86";
		case_thread(c, t);
		case_busy_vcpu(c, 0);
		if (rows[i].source)
			case_text_always(c, rows[i].source, rows[i].subject, rows[i].text);
		vh_outlook_take(&o, c);
		assert_non_null(o.against[VH_NEED_CONTACT]);
		if (!strstr(o.against[VH_NEED_CONTACT], rows[i].words))
			fail_msg("row %zu: %s", i, o.against[VH_NEED_CONTACT]);
		/* Its memory can be read without it. */
		for (size_t k = 0; k < vh_n_questions; k++)
			assert_int_equal(!vh_plan_objection(&o, &vh_questions[k]),
				vh_questions[k].turn == VH_TURN_INSIDE);
		vh_outlook_free(&o);
		vh_case_free(c);
	}
}

static void a_thawed_cgroup_is_no_objection(void **state VH_UNUSED)
{
	struct vh_case *c = healthy();
	struct vh_outlook o;

	case_text_always(c, "cgroup.cgroup.events", "v2:/vm", "populated 1\nfrozen 0\n");
	case_text_always(c, "cgroup.cgroup.freeze", "v2:/vm", "0\n");
	case_text_always(c, "cgroup.freezer.state", "v1:freezer:/vm", "THAWED\n");
	case_fail(c, VH_LAST, "cgroup.freezer.state", "v1:freezer:/", VH_ABSENT, 2, "no such file");
	vh_outlook_take(&o, c);
	assert_null(o.against[VH_NEED_CONTACT]);
	vh_outlook_free(&o);
	vh_case_free(c);
}

static void a_process_that_has_gone(void **state VH_UNUSED)
{
	struct vh_case *c = healthy();
	struct vh_outlook o;

	case_fail(c, VH_LAST, "proc.tasks", "", VH_ABSENT, 3, "gone");
	vh_outlook_take(&o, c);
	assert_string_equal(o.against[VH_NEED_CONTACT], "the process has ended");
	vh_outlook_free(&o);
	vh_case_free(c);
}

/* Only query-status may still be tried, and the guest's memory be read. */
static void a_blocked_main_thread(void **state VH_UNUSED)
{
	static const struct case_thread mains[] = {
		{.wchan = "request_wait_answer"},
		{.state = 'D', .wchan = "blkdev_issue_flush"},
		{.state = 'D', .wchan = "some_new_function"},
		{.wchan = "handle_userfault"},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(mains); i++) {
		struct vh_case *c = case_new(1);
		struct case_thread t = mains[i];
		struct vh_outlook o;

		t.tid = CASE_PID;
		t.name = "qemu-system-x86";
		case_thread(c, t);
		case_busy_vcpu(c, 0);
		vh_outlook_take(&o, c);
		for (size_t k = 0; k < vh_n_questions; k++) {
			bool may = vh_streq(vh_questions[k].source, "qmp.query-status") ||
				   vh_questions[k].turn == VH_TURN_INSIDE;

			assert_int_equal(!vh_plan_objection(&o, &vh_questions[k]), may);
		}
		assert_non_null(strstr(o.against[VH_NEED_MAIN], mains[i].wchan));
		vh_outlook_free(&o);
		vh_case_free(c);
	}
}

/* One look may have met an ordinary read: it forbids what touches storage, no more. */
static void a_main_thread_met_in_a_read(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);
	vh_auto_free char *tid = vh_asprintf("tid:%d", CASE_PID);
	struct vh_outlook o;

	case_main_thread(c);
	case_busy_vcpu(c, 0);
	case_text(c, VH_LAST, "task.wchan", tid, "folio_wait_bit_common");
	vh_outlook_take(&o, c);
	assert_only(&o, VH_NEED_STORAGE, "folio_wait_bit_common");
	vh_outlook_free(&o);
	vh_case_free(c);
}

static void a_vcpu_that_cannot_answer(void **state VH_UNUSED)
{
	static const struct {
		struct case_thread vcpu;
		const char *words;
		bool storage; /* a file is behind it */
	} rows[] = {
		{{.state = 't', .tracer = 99}, "traced (by pid 99)", false},
		{{.state = 'R', .tracer = 99}, "traced", false},
		{{.wchan = "handle_userfault", .syscall = CASE_KVM_RUN}, "userfaultfd", false},
		{{.wchan = "request_wait_answer", .syscall = CASE_KVM_RUN}, "FUSE", true},
		{{.state = 'D', .wchan = "folio_wait_bit_common"}, "a page of a file", true},
		{{.state = 'D'}, "state D", true},
		{{.wchan = "wait_somewhere",
			 .stack = "[<0>] wait_somewhere+0x1\n[<0>] handle_mm_fault+0x2/0x3\n"},
			"inside a page fault", false},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_case *c = case_new(2);
		struct case_thread t = rows[i].vcpu;
		struct vh_outlook o;

		t.vcpu = 1;
		case_main_thread(c);
		case_busy_vcpu(c, 0);
		case_thread(c, t);
		vh_outlook_take(&o, c);
		assert_false(allowed(&o, "hmp.info-registers", NULL));
		assert_false(allowed(&o, "hmp.info-lapic", NULL));
		assert_false(allowed(&o, "guest.code", NULL));
		assert_false(allowed(&o, "qmp.query-stats", "vcpu"));
		assert_true(allowed(&o, "qmp.query-stats", "vm"));
		assert_true(allowed(&o, "qmp.query-status", NULL));
		assert_true(allowed(&o, "qmp.query-cpus-fast", NULL));
		assert_int_equal(!allowed(&o, "qmp.query-block", NULL), rows[i].storage);
		assert_non_null(strstr(o.against[VH_NEED_VCPUS], "CPU 1/KVM"));
		if (!strstr(o.against[VH_NEED_VCPUS], rows[i].words))
			fail_msg("row %zu: %s", i, o.against[VH_NEED_VCPUS]);
		vh_outlook_free(&o);
		vh_case_free(c);
	}
}

/* Without debug-threads every thread is named like the process: KVM_RUN tells, else all count. */
static void unnamed_threads(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);
	struct vh_outlook o;

	case_main_thread(c);
	case_thread(c, (struct case_thread){.vcpu = 0, .name = "qemu-system-x86", .tracer = 7});
	vh_outlook_take(&o, c);
	assert_only(&o, VH_NEED_VCPUS, "traced (by pid 7)");
	vh_outlook_free(&o);
	case_text_always(c, "task.kvmfd", "tid:4722", "anon_inode:kvm-vcpu:1");
	case_thread(c, (struct case_thread){.vcpu = 1, .name = "qemu-system-x86"});
	vh_outlook_take(&o, c);
	assert_null(o.against[VH_NEED_VCPUS]);
	vh_outlook_free(&o);
	vh_case_free(c);
}

static void post_copy(void **state VH_UNUSED)
{
	static const char *const names[] = {
		"postcopy/listen", "fault-default", "mig/dst/fault", "mig/dst/listen"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(names); i++) {
		struct vh_case *c = healthy();
		struct vh_outlook o;

		case_thread(c, (struct case_thread){.tid = 4800, .name = names[i]});
		vh_outlook_take(&o, c);
		assert_only(&o, VH_NEED_VCPUS, names[i]);
		vh_outlook_free(&o);
		vh_case_free(c);
	}
	struct vh_case *c = healthy();
	struct vh_outlook o;

	case_text(c, VH_ONCE, "proc.fd", "", "3\tsocket:[1]\n17\tanon_inode:[userfaultfd]\n");
	vh_outlook_take(&o, c);
	assert_only(&o, VH_NEED_VCPUS, "userfaultfd");
	vh_outlook_free(&o);
	vh_outlook_take(&o, c);
	vh_case_free(c);
	vh_outlook_free(&o);
}

static void run_states_of_migration(void **state VH_UNUSED)
{
	static const struct {
		const char *run_state;
		bool touch;
	} rows[] = {{"running", true}, {"paused", true}, {"io-error", true}, {"prelaunch", true},
		{"internal-error", true}, {"guest-panicked", true}, {"inmigrate", false},
		{"postmigrate", false}, {"finish-migrate", false}};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_outlook o = {0};

		vh_outlook_add_run_state(&o, rows[i].run_state);
		assert_int_equal(!o.against[VH_NEED_VCPUS], rows[i].touch);
		vh_outlook_free(&o);
	}
}

static void encrypted_guests(void **state VH_UNUSED)
{
	static const struct {
		enum vh_conf_kind kind;
		bool registers, memory, sev;
	} rows[] = {
		{VH_CONF_NONE, true, true, false},
		{VH_CONF_SEV, true, false, true},
		{VH_CONF_SEV_ES, false, false, true},
		{VH_CONF_SEV_SNP, false, false, true},
		{VH_CONF_TDX, false, false, false},
		{VH_CONF_OTHER, false, false, false},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_case *c = healthy();
		struct vh_outlook o;

		c->vm->confidential = rows[i].kind;
		vh_outlook_take(&o, c);
		assert_int_equal(allowed(&o, "hmp.info-registers", NULL), rows[i].registers);
		assert_int_equal(allowed(&o, "hmp.info-lapic", NULL), rows[i].registers);
		assert_int_equal(allowed(&o, "guest.code", NULL), rows[i].memory);
		assert_int_equal(allowed(&o, "guest.screen", NULL), rows[i].memory);
		assert_int_equal(allowed(&o, "qmp.query-sev", NULL), rows[i].sev);
		assert_true(allowed(&o, "qmp.query-stats", "vcpu"));
		vh_outlook_free(&o);
		/* The same where only the monitor tells. */
		c->vm->confidential = VH_CONF_NONE;
		vh_outlook_take(&o, c);
		vh_outlook_add_confidential(&o, rows[i].kind);
		assert_int_equal(allowed(&o, "hmp.info-registers", NULL), rows[i].registers);
		assert_int_equal(allowed(&o, "qmp.query-sev", NULL), rows[i].sev);
		vh_outlook_free(&o);
		/* The machine's object goes before what the command line said of it. */
		c->vm->confidential = VH_CONF_SEV_ES;
		vh_outlook_take(&o, c);
		if (rows[i].kind != VH_CONF_NONE)
			vh_outlook_add_confidential(&o, rows[i].kind);
		assert_int_equal(allowed(&o, "qmp.query-sev", NULL),
			rows[i].sev || rows[i].kind == VH_CONF_NONE);
		vh_outlook_free(&o);
		vh_case_free(c);
	}
}

/* A refused register query stops the VM from QEMU 8.2 on; of a SEV-ES guest it mostly is not. */
static void registers_of_sev_es_by_version(void **state VH_UNUSED)
{
	static const struct {
		enum vh_conf_kind kind;
		uint64_t major, minor;
		bool allowed;
	} rows[] = {
		{VH_CONF_SEV_ES, 0, 0, false},
		{VH_CONF_SEV_ES, 6, 2, true},
		{VH_CONF_SEV_ES, 7, 2, true},
		{VH_CONF_SEV_ES, 8, 1, true},
		{VH_CONF_SEV_ES, 8, 2, false},
		{VH_CONF_SEV_ES, 9, 0, false},
		{VH_CONF_SEV_ES, 10, 0, false},
		{VH_CONF_SEV_SNP, 7, 2, false},
		{VH_CONF_TDX, 7, 2, false},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_case *c = healthy();
		struct vh_outlook o;

		vh_outlook_take(&o, c);
		vh_outlook_add_confidential(&o, rows[i].kind);
		vh_outlook_add_version(&o, rows[i].major, rows[i].minor);
		assert_int_equal(allowed(&o, "hmp.info-registers", NULL), rows[i].allowed);
		assert_false(allowed(&o, "guest.code", NULL));
		vh_outlook_free(&o);
		vh_case_free(c);
	}
}

static void a_worker_that_waits_on_storage(void **state VH_UNUSED)
{
	struct vh_case *c = healthy();
	struct vh_outlook o;

	case_thread(c, (struct case_thread){
			       .tid = 4800, .name = "worker", .wchan = "request_wait_answer"});
	vh_outlook_take(&o, c);
	assert_only(&o, VH_NEED_STORAGE, "thread 4800 (worker) waits for a FUSE file system");
	assert_true(allowed(&o, "qmp.query-blockstats", NULL));
	assert_false(allowed(&o, "guest.screendump", NULL));
	vh_outlook_free(&o);
	case_thread(c, (struct case_thread){.tid = 4801, .name = "IO iothread0", .state = 'D'});
	vh_outlook_take(&o, c);
	assert_false(allowed(&o, "qmp.query-blockstats", NULL));
	vh_outlook_free(&o);
	vh_case_free(c);
}

#define MOUNTS                                                                                     \
	"21 1 254:0 / / rw,relatime - ext4 /dev/root rw\n"                                         \
	"30 21 0:40 / /mnt/my\\040disks rw - fuse.sshfs sshfs rw\n"                                \
	"31 21 0:41 / /srv/nfs rw shared:7 - nfs4 server:/x rw\n"                                  \
	"32 31 254:1 / /srv/nfs/local rw - xfs /dev/vdb rw\n"

static void drives_on_file_systems_that_stall(void **state VH_UNUSED)
{
	static const struct {
		const char *file;
		const char *words; /* NULL: no objection */
	} rows[] = {
		{"/var/lib/x.qcow2", NULL},
		{"/srv/nfs2/x", NULL},
		{"/srv/nfs/local/x.raw", NULL},
		{"/srv/nfs/x.raw", "nfs4"},
		{"/mnt/my disks/x.raw", "fuse.sshfs"},
		{"file:/srv/nfs/x.raw", "nfs4"},
		{"relative.raw", NULL},
		{"nbd://127.0.0.1/x", "not a local file"},
		{"rbd:pool/image", "not a local file"},
		{"json:{\"driver\":\"nfs\"}", "not a local file"},
	};
	struct vh_str mounts = vh_str(MOUNTS);

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_case *c = healthy();
		struct vh_outlook o;

		VH_PUSH(c->vm->drives, c->vm->n_drives).file = vh_strdup(rows[i].file);
		vh_outlook_take(&o, c);
		vh_outlook_add_mounts(&o, c, &mounts);
		if (rows[i].words)
			assert_only(&o, VH_NEED_LOCAL_FILES, rows[i].words);
		else
			assert_null(o.against[VH_NEED_LOCAL_FILES]);
		vh_outlook_free(&o);
		vh_case_free(c);
	}
}

static void open_files_on_file_systems_that_stall(void **state VH_UNUSED)
{
	struct vh_case *c = healthy();
	struct vh_outlook o;
	struct vh_str mounts = vh_str(MOUNTS);

	case_text(c, VH_ONCE, "proc.fd", "", "3\tsocket:[1]\n9\t/srv/nfs/base.qcow2\n");
	vh_outlook_take(&o, c);
	vh_outlook_add_mounts(&o, c, &mounts);
	assert_only(&o, VH_NEED_LOCAL_FILES, "/srv/nfs/base.qcow2");
	vh_outlook_free(&o);
	vh_outlook_take(&o, c);
	vh_outlook_add_mounts(&o, c, NULL);
	assert_non_null(strstr(o.against[VH_NEED_LOCAL_FILES], "cannot be read"));
	assert_false(allowed(&o, "guest.screendump", NULL));
	vh_outlook_free(&o);
	/* The picture would be written to /tmp. */
	mounts = vh_str("21 1 254:0 / / rw - ext4 /dev/root rw\n"
			"30 21 0:40 / /tmp rw - fuse.s3fs s3 rw\n");
	vh_outlook_take(&o, c);
	vh_outlook_add_mounts(&o, c, &mounts);
	assert_only(&o, VH_NEED_FILE, "/tmp lies on fuse.s3fs");
	vh_outlook_free(&o);
	vh_case_free(c);
}

static void drives_whose_requests_fail(void **state VH_UNUSED)
{
	struct vh_error *err = NULL;
	vh_auto_json struct json_object *before = vh_json_parse(
		vh_str("[{\"device\":\"a\",\"stats\":{\"failed_rd_operations\":3}}]"), &err);
	vh_auto_json struct json_object *after = vh_json_parse(
		vh_str("[{\"device\":\"a\",\"stats\":{\"failed_rd_operations\":4}}]"), &err);
	struct vh_outlook o = {0};

	vh_outlook_add_blockstats(&o, before, before);
	vh_outlook_add_blockstats(&o, before, NULL);
	assert_null(o.against[VH_NEED_DRIVES]);
	vh_outlook_add_blockstats(&o, before, after);
	assert_non_null(strstr(o.against[VH_NEED_DRIVES], "drive a fail"));
	vh_outlook_free(&o);
	vh_outlook_add_blockstats(&o, NULL, NULL);
	assert_non_null(strstr(o.against[VH_NEED_DRIVES], "no answer"));
	vh_outlook_free(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_healthy_vm_is_asked_everything),
		cmocka_unit_test(devices_are_asked_for_where_exits_go_to_them),
		cmocka_unit_test(query_block_stands_last),
		cmocka_unit_test(a_held_process_is_left_alone),
		cmocka_unit_test(a_thawed_cgroup_is_no_objection),
		cmocka_unit_test(a_process_that_has_gone),
		cmocka_unit_test(a_blocked_main_thread),
		cmocka_unit_test(a_main_thread_met_in_a_read),
		cmocka_unit_test(a_vcpu_that_cannot_answer),
		cmocka_unit_test(unnamed_threads),
		cmocka_unit_test(post_copy),
		cmocka_unit_test(run_states_of_migration),
		cmocka_unit_test(encrypted_guests),
		cmocka_unit_test(registers_of_sev_es_by_version),
		cmocka_unit_test(a_worker_that_waits_on_storage),
		cmocka_unit_test(drives_on_file_systems_that_stall),
		cmocka_unit_test(open_files_on_file_systems_that_stall),
		cmocka_unit_test(drives_whose_requests_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
