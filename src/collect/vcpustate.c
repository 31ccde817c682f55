/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect/vcpustate.h"

#include "config.h"

#include "base/clock.h"
#include "base/json.h"

static struct vh_evidence *add(struct vh_case *c)
{
	return vh_case_add(c, VH_ONCE, "trace.vcpu", "", "BPF, an iterator over the VMM's files");
}

#if HAVE_BPF
#include <errno.h>
#include <linux/types.h>
#include <stdio.h>
#include <unistd.h>

#include "bpf/vcpu.h"
#include "collect/bpf_sys.h"
#include "collect/libbpf.h"

/* src/bpf/vcpu.bpf.c, compiled. */
extern const unsigned char vh_vcpu_bpf_object[];
extern const size_t vh_vcpu_bpf_object_size;

#define MAX_RECORDS 4096u

static void put_hex(struct json_object *o, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)value);
	vh_json_put_text(o, key, text);
}

/* docs/evidence.md */
static struct json_object *record_json(const struct vh_vcpu_record *r)
{
	struct json_object *o = json_object_new_object(), *regs = json_object_new_array();
	char text[24];

	vh_json_put_i64(o, "vcpu", r->index);
	vh_json_put_i64(o, "id", r->id);
	vh_json_put_i64(o, "mp_state", r->mp_state);
	vh_json_put_bool(o, "protected", r->flags & VH_VCPU_PROTECTED);
	put_hex(o, "cr0", r->cr0);
	put_hex(o, "cr4", r->cr4);
	put_hex(o, "efer", r->efer);
	put_hex(o, "cr0_owned", r->cr0_owned);
	put_hex(o, "cr4_owned", r->cr4_owned);
	if (r->flags & VH_VCPU_HAS_GHCB)
		put_hex(o, "ghcb_gpa", r->ghcb_gpa);
	for (int i = 0; i < VH_N_VCPU_REGS; i++) {
		snprintf(text, sizeof(text), "0x%llx", (unsigned long long)r->regs[i]);
		json_object_array_add(regs, json_object_new_string(text));
	}
	json_object_object_add(o, "regs", regs);
	return o;
}

/* Each piece that is read is whole records: the kernel's seq_file gives what fits its buffer. */
static int read_records(int fd, struct json_object *list)
{
	struct vh_vcpu_record records[16];
	size_t have = 0;
	unsigned n = 0;

	while (n < MAX_RECORDS) {
		ssize_t got = read(fd, (char *)records + have, sizeof(records) - have);

		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			return 0;
		have += (size_t)got;
		size_t whole = have / sizeof(records[0]);

		for (size_t i = 0; i < whole; i++, n++)
			if (records[i].magic == VH_VCPU_MAGIC)
				json_object_array_add(list, record_json(&records[i]));
		have -= whole * sizeof(records[0]);
		memmove(records, records + whole, have);
	}
	return 0;
}

/* NULL, and what there is of the vCPUs in list; else why not. */
static char *iterate(
	const struct vh_libbpf *lib, struct bpf_object *object, pid_t pid, struct json_object *list)
{
	struct bpf_program *program = lib->find_program(object, "read_vcpus");
	int link = program ? vh_bpf_link_iter(lib->program_fd(program), pid) : -ENOENT;

	if (link < 0)
		return vh_asprintf("the kernel does not attach the iterator: %s", strerror(-link));
	int fd = vh_bpf_open_iter(link), r = fd < 0 ? fd : read_records(fd, list);

	if (fd >= 0)
		close(fd);
	close(link);
	return r < 0 ? vh_asprintf("reading the vCPUs: %s", strerror(-r)) : NULL;
}

/* kvm_amd is there in no other machine; where it is built in, only the processor tells. */
static bool is_amd(struct vh_host *host)
{
	vh_auto_reading struct vh_reading r = {0};

	vh_host_read(host, 4096, &r, "/proc/cpuinfo");
	struct vh_str text = {r.data, r.size};

	return r.data &&
	       (vh_str_find(text, "AuthenticAMD") >= 0 || vh_str_find(text, "HygonGenuine") >= 0);
}

static char *read_with(
	const struct vh_libbpf *lib, struct vh_host *host, pid_t pid, struct json_object *list)
{
	struct vh_vcpu_config config = {.tgid = (uint32_t)pid, .svm = is_amd(host)};
	LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "vcpu");
	struct bpf_object *object =
		lib->open_mem(vh_vcpu_bpf_object, vh_vcpu_bpf_object_size, &options);
	char *why = NULL;

	/* libbpf 0.x returns an error as a pointer. */
	if (!object || (uintptr_t)object >= (uintptr_t)-4095)
		return vh_strdup("libbpf cannot read the BPF program");
	struct bpf_map *rodata = lib->find_map(object, "vcpu.rodata");
	int r = rodata ? lib->set_initial_value(rodata, &config, sizeof(config)) : -ENOENT;

	vh_bpf_raise_memlock();
	if (r >= 0)
		r = lib->load(object);
	if (r < 0)
		why = vh_asprintf("the kernel does not take the BPF program (it needs Linux 5.8 "
				  "with BTF of kvm): %s",
			strerror(-r));
	else
		why = iterate(lib, object, pid, list);
	lib->close(object);
	return why;
}

static char *read_vcpus(struct vh_host *host, pid_t pid, struct json_object *list)
{
	const char *no_library = NULL;
	const struct vh_libbpf *lib = vh_libbpf(&no_library);
	char *refused = lib ? vh_bpf_refused(host) : vh_strdup(no_library);

	return refused ? refused : read_with(lib, host, pid, list);
}
#else
static char *read_vcpus(
	struct vh_host *host VH_UNUSED, pid_t pid VH_UNUSED, struct json_object *list VH_UNUSED)
{
	return vh_strdup("this vmhang was built without BPF");
}
#endif

void vh_collect_vcpu_state(
	struct vh_host *host, struct vh_case *c, const struct vh_collect_options *options)
{
	struct vh_evidence *e = add(c);
	int64_t began = vh_now_ns();

	if (options->no_trace || !vh_host_is_live(host) || c->vm->accel != VH_ACCEL_KVM) {
		vh_evidence_fail(e, VH_SKIPPED, 0, "%s",
			options->no_trace        ? "it was not to be traced (--no-trace)"
			: !vh_host_is_live(host) ? "a captured host"
						 : "the VM does not use KVM");
		return;
	}
	vh_auto_json struct json_object *o = json_object_new_object();
	struct json_object *list = json_object_new_array();

	json_object_object_add(o, "vcpus", list);
	vh_auto_free char *why = read_vcpus(host, c->vm->id.pid, list);

	e->at_ns = began - c->began_ns;
	e->took_ns = vh_now_ns() - began;
	if (why)
		vh_evidence_fail(e, VH_DENIED, 0, "%s", why);
	else if (!json_object_array_length(list))
		vh_evidence_fail(e, VH_ABSENT, 0, "no vCPU was found behind the VMM's files");
	else {
		const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);

		vh_evidence_set_data(e, text, strlen(text));
	}
}
