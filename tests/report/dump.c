/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints JSON reports, one a line, for schema.py: what no saved case of a real VM has at once. */
#include <stdio.h>

#include "tests/unit/report/hand.h"
#include "tests/unit/seedcase.h"

static void dump(struct vh_report *r)
{
	vh_auto_json struct json_object *o = vh_report_json(r);

	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	vh_report_free(r);
}

static void dump_case(struct vh_case *c)
{
	dump(vh_report_new(c));
}

static struct vh_case *encrypted(void)
{
	struct vh_case *c = case_new(2);

	c->vm->confidential = VH_CONF_SEV_SNP;
	case_main_thread(c);
	case_busy_vcpu(c, 0);
	case_halted_vcpu(c, 1, 0);
	case_status(c, "running", true);
	case_registers(c, 0, case_regs_linux(0, 0, false, false));
	return c;
}

/* All that can be there, much of it nonsense. */
static struct vh_case *odd(void)
{
	struct vh_case *c = case_new(3);

	vh_replace(&c->vm->name, HOSTILE_NAME "\xff\xe2\x80\xae");
	c->vm->libvirt.managed = true;
	c->vm->id.pid = 0;
	c->vm->vcpus = 0;
	c->vm->memory_bytes = UINT64_MAX;
	case_main_thread(c);
	case_busy_vcpu(c, 0);
	case_thread(c, (struct case_thread){.vcpu = 1,
			       .state = 'D',
			       .name = "\033[2J",
			       .wchan = "io_schedule",
			       .stack = "[<0>] io_schedule+0x1\n",
			       .syscall = "17 0x7 0x0 0x0 0x0 0x0 0x0 0x0 0x0\n",
			       .fd = "7\t/mnt/\033disk"});
	case_status(c, "io-error\xff", false);
	case_registers(c, 0, case_regs_seabios(0xfd09a, true, false));
	case_registers(c, 1, case_regs_reset());
	case_text(c, VH_ASKED, "hmp.info-registers", "vcpu:2", "nonsense");
	case_text(c, VH_ASKED, "guest.code", "vcpu:0", "fd080\nf390ebfc0f0bfa\n");
	case_kvm_stats(c, "vm", "exits 5\n", "exits 18446744073709551615\n");
	case_kvm_stats(c, "vcpu:0", "exits 5\nhalt_exits 1\n", "exits 7\nhalt_exits 1\n");
	case_text(c, VH_ASKED, "qmp.query-block", "",
		"[{\"device\":\"d\",\"io-status\":\"nospace\",\"inserted\":{\"file\":\"/x\"}}]");
	case_text(c, VH_ASKED, "qmp.query-blockstats", "",
		"[{\"device\":\"d\",\"stats\":{\"rd_operations\":1,\"wr_operations\":2,"
		"\"failed_wr_operations\":-1,\"idle_time_ns\":5}}]");
	case_text(c, VH_ASKED, "qmp.event", "BLOCK_IO_ERROR",
		"{\"event\":\"BLOCK_IO_ERROR\",\"data\":{}}");
	case_text_always(c, "cgroup.cpu.max", "v2:/x", "1000 100000\n");
	case_text_always(c, "cgroup.cpu.stat", "v2:/x", "nr_periods 5\nnr_throttled 5\n");
	case_text_always(c, "cgroup.cgroup.freeze", "v2:/x", "1\n");
	case_text(c, VH_ONCE, "proc.cgroup", "", "0::/x\n");
	case_text(c, VH_FIRST, "log.serial", "/x", "Kernel panic - not syncing: \xff\033[2J\n");
	case_text(c, VH_ONCE, "host.kmsg", "", "[1.000000] Out of memory: Killed process 4711\n");
	case_text(c, VH_ASKED, "guest.screen", "", "No bootable device.\033\n");
	case_fail(c, VH_ASKED, "qmp.query-stats", "vm", VH_DENIED, 1, "no \033[2J");
	case_text(c, VH_ONCE, "vmhang.note", "", "the VM\tchanged");
	return c;
}

/* A vCPU of which exits were counted, and one of a name that would change a terminal. */
static struct vh_case *traced(void)
{
	struct vh_case *c = case_new(2);

	case_main_thread(c);
	case_busy_vcpu(c, 0);
	case_text(c, VH_LAST, "trace.exits", "",
		"{\"backend\":\"bpf\",\"span_ns\":1000000000,\"isa\":1,\"events\":[{\"name\":"
		"\"kvm:kvm_exit\",\"state\":\"attached\",\"seen\":7},{\"name\":\"kvm:\\u001b[2J\","
		"\"state\":\"failed\",\"why\":\"\\u202e\"}],\"threads\":[{\"vcpu\":0,\"tid\":4721,"
		"\"time_ns\":{\"guest\":{\"on\":900000000},\"kvm\":{\"on\":100000000}},"
		"\"entries\":7,\"exits\":[{\"reason\":\"30\",\"count\":7,\"timed\":7,\"total_ns\":"
		"700,"
		"\"min_ns\":90,\"max_ns\":110,\"squares\":70300.5},{\"reason\":\"0x7fff\","
		"\"count\":1}],"
		"\"keys\":[{\"kind\":\"pio\",\"value\":\"0x80\",\"detail\":\"0x101\",\"reason\":"
		"\"30\",\"count\":7}],\"statistics\":{\"\\u009bexits\":1}}]}");
	return c;
}

int main(void)
{
	dump(hand_hung(HOSTILE_NAME));
	dump(hand_report("web-07"));
	dump_case(vh_case_new(vh_vm_new()));
	dump_case(case_new(4));
	dump_case(seed((struct seed){.two_looks = true,
		.query_sev = "{\"enabled\": true, \"api-major\": 1, \"api-minor\": 51, "
			     "\"build-id\": 3, \"policy\": 5, \"state\": \"run\\u001bning\"}"}));
	dump_case(seed((struct seed){.reset_dump = true}));
	dump_case(encrypted());
	dump_case(odd());
	dump_case(traced());
	return 0;
}
