/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * inside_truth PID WHAT [GVA...]: what src/guest reads of a live VM, for live tests (inside.py). On
 * its input, where the guest's memory lies and what its vCPUs say: lines "ram GPA BYTES HVA"
 * (hexadecimal), then the text of "info registers -a".
 *
 * walk GVA...: JSON: registers, what is mapped where Linux's kernel would be, and each address.
 * symbols: "ADDRESS TYPE NAME" a line, in the order of the kernel's table.
 * btf: the bytes of its types.
 * log: JSON: what it took to read the kernel's log and nothing else.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "guest/explore.h"
#include "guest/kernel_search.h"

#define MAX_CPUS   64
#define MAX_TEXT   (1u << 20)
#define MAX_RANGES 64
/* Bit 12 of CR3: the tables that a program sees (arch/x86/include/asm/processor-flags.h). */
#define PTI_USER_HALF (UINT64_C(1) << 12)
#define BUDGET        (UINT64_C(1) << 30)

struct machine {
	struct vh_memory *memory;
	struct vh_cpu cpus[MAX_CPUS];
	size_t n_cpus;
	int mem_fd, pagemap_fd;
};

static int fail(const char *what)
{
	fprintf(stderr, "inside_truth: %s\n", what);
	return 1;
}

static int open_of(const char *pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Each vCPU's registers stand under a line "CPU#N". */
static void parse_cpus(struct machine *m, char *text)
{
	for (char *at = strstr(text, "CPU#"); at && m->n_cpus < MAX_CPUS;) {
		struct vh_cpu *cpu = &m->cpus[m->n_cpus];
		char *next = strstr(at + 4, "\nCPU#");

		cpu->index = atoi(at + 4);
		m->n_cpus += vh_registers_parse(
			(struct vh_str){at, next ? (size_t)(next - at) : strlen(at)}, &cpu->x86);
		at = next ? next + 1 : NULL;
	}
}

static bool open_machine(struct machine *m, const char *pid, FILE *input)
{
	static char text[MAX_TEXT];
	struct vh_ram ram[VH_MAX_RAM];
	size_t n = 0;

	text[fread(text, 1, sizeof(text) - 1, input)] = 0;
	for (char *at = text; at && n < VH_MAX_RAM; n++) {
		if (sscanf(at, "ram %" SCNx64 " %" SCNx64 " %" SCNx64, &ram[n].gpa.a, &ram[n].bytes,
			    &ram[n].hva.a) != 3)
			break;
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	parse_cpus(m, text);
	m->mem_fd = open_of(pid, "mem");
	m->pagemap_fd = open_of(pid, "pagemap");
	if (m->mem_fd < 0 || m->pagemap_fd < 0 || n == 0)
		return false;
	m->memory = vh_memory_of_process(m->mem_fd, m->pagemap_fd, ram, n);
	vh_memory_set_budget(m->memory, BUDGET, vh_deadline_in(20 * VH_NS_PER_S));
	return true;
}

static void close_machine(struct machine *m)
{
	vh_memory_free(m->memory);
	close(m->mem_fd);
	close(m->pagemap_fd);
}

static void print_rights(bool writable, bool executable, bool user)
{
	printf("\"rights\": \"r%c%c%c\"", writable ? 'w' : '-', executable ? 'x' : '-',
		user ? 'u' : '-');
}

static void print_address(struct vh_space *s, uint64_t gva)
{
	struct vh_mapping at;
	uint8_t data[16];
	int err = vh_space_translate(s, gva, &at);

	printf("{\"gva\": \"%#" PRIx64 "\", \"error\": %d", gva, err);
	if (!err) {
		printf(", \"gpa\": \"%#" PRIx64 "\", \"page_bytes\": %" PRIu64 ", ", at.gpa.a,
			at.page_bytes);
		print_rights(at.writable, at.executable, at.user);
	}
	if (!err && vh_space_read(s, gva, data, sizeof(data)) == 0) {
		printf(", \"data\": \"");
		for (size_t i = 0; i < sizeof(data); i++)
			printf("%02x", data[i]);
		putchar('"');
	}
	putchar('}');
}

static int walk(struct machine *m, int n, char **addresses)
{
	const struct vh_registers *r = &m->cpus[0].x86;
	struct vh_range ranges[MAX_RANGES];

	if (m->n_cpus == 0)
		return fail("no registers");
	struct vh_root root = vh_root_of_x86(r->cr3, r->cr4);
	struct vh_space *s = vh_space_new(m->memory, &root);
	size_t n_ranges = vh_space_ranges(s, VH_KERNEL_LOW, VH_KERNEL_HIGH, ranges, MAX_RANGES);

	printf("{\"rip\": \"%#" PRIx64 "\", \"rax\": \"%#" PRIx64 "\", \"rcx\": \"%#" PRIx64
	       "\", \"rdx\": \"%#" PRIx64 "\", \"r8\": \"%#" PRIx64 "\", \"r15\": \"%#" PRIx64
	       "\", \"cpl\": %u, \"irqs_on\": %s, \"mode\": \"%s\", \"ranges\": [",
		r->rip, r->rax, r->rcx, r->rdx, r->r[0], r->r[7], r->cpl,
		vh_registers_if(r) ? "true" : "false", vh_registers_mode(r));
	for (size_t i = 0; i < n_ranges; i++) {
		printf("%s{\"gva\": \"%#" PRIx64 "\", \"bytes\": %" PRIu64 ", ", i ? ", " : "",
			ranges[i].gva, ranges[i].bytes);
		print_rights(ranges[i].writable, ranges[i].executable, ranges[i].user);
		putchar('}');
	}
	printf("], \"addresses\": [");
	for (int i = 0; i < n; i++) {
		fputs(i ? ", " : "", stdout);
		print_address(s, strtoull(addresses[i], NULL, 16));
	}
	puts("]}");
	vh_space_free(s);
	return 0;
}

static struct vh_space *space_with_symbols(
	struct machine *m, struct vh_root root, struct vh_symbols **out)
{
	static struct vh_range ranges[VH_MAX_RANGES];
	struct vh_space *s = vh_space_new(m->memory, &root);
	uint64_t low, high;
	char *why = NULL;

	vh_kernel_window(&root, &low, &high);
	size_t n = vh_space_ranges(s, low, high, ranges, VH_MAX_RANGES);

	if (vh_symbols_find(s, ranges, n, out, &why) == 0)
		return s;
	fprintf(stderr, "inside_truth: page tables at %#" PRIx64 ": %s\n", root.table.a,
		why ? why : "?");
	free(why);
	vh_space_free(s);
	return NULL;
}

static struct vh_space *find_by_note(struct machine *m, struct vh_symbols **out)
{
	struct vh_vmcoreinfo *note;
	struct vh_space *s = NULL;
	vh_gpa at = {0};

	while (!s && (note = vh_vmcoreinfo_scan(m->memory, &at))) {
		struct vh_root root;

		if (vh_kernel_root_of_note(note, &root))
			s = space_with_symbols(m, root, out);
		vh_vmcoreinfo_free(note);
	}
	return s;
}

/* The address space of a vCPU in which a kernel's table of symbols is found; NULL: none. */
static struct vh_space *find_symbols(struct machine *m, struct vh_symbols **out)
{
	struct vh_space *s = NULL;

	for (size_t i = 0; !s && i < m->n_cpus; i++) {
		const struct vh_registers *r = &m->cpus[i].x86;

		s = space_with_symbols(m, vh_root_of_x86(r->cr3 & ~PTI_USER_HALF, r->cr4), out);
		if (!s && (r->cr3 & PTI_USER_HALF))
			s = space_with_symbols(m, vh_root_of_x86(r->cr3, r->cr4), out);
	}
	/* Registers of arm64 lead to no tables. */
	return m->n_cpus ? s : find_by_note(m, out);
}

static int symbols(struct machine *m)
{
	struct vh_symbols *y;
	struct vh_space *s = find_symbols(m, &y);
	struct vh_symbol symbol;

	if (!s)
		return fail("no symbols");
	for (size_t i = 0; vh_symbols_get(y, i, &symbol); i++)
		printf("%016" PRIx64 " %c %s\n", symbol.gva, symbol.type, symbol.name);
	fprintf(stderr, "%s\n", vh_symbols_layout(y));
	vh_symbols_free(y);
	vh_space_free(s);
	return 0;
}

static int btf(struct machine *m)
{
	struct vh_symbols *y;
	struct vh_space *s = find_symbols(m, &y);
	uint64_t start, stop;
	void *data = NULL;
	int status = 1;

	if (!s)
		return fail("no symbols");
	if (vh_symbols_address(y, "__start_BTF", &start) &&
		vh_symbols_address(y, "__stop_BTF", &stop) && stop - start < VH_BTF_MAX) {
		data = vh_alloc(stop - start);
		status = vh_space_read(s, start, data, stop - start) != 0 ||
			 fwrite(data, 1, stop - start, stdout) != stop - start;
	}
	free(data);
	vh_symbols_free(y);
	vh_space_free(s);
	return status ? fail("no types") : 0;
}

static int log_alone(struct machine *m)
{
	struct vh_explore_input input = {.memory = m->memory, .cpus = m->cpus, .n_cpus = m->n_cpus};
	struct vh_explore_options options = {.dmesg = true};
	struct vh_inside *in = vh_explore(&input, &options);
	int status = in->outcome != VH_INSIDE_LINUX;

	printf("{\"took_ns\": %" PRId64 ", \"bytes\": %" PRIu64 ", \"records\": %zu}\n",
		in->took_ns, in->bytes, in->n_dmesg);
	vh_inside_free(in);
	return status;
}

int main(int argc, char **argv)
{
	struct machine m = {.mem_fd = -1, .pagemap_fd = -1};
	int status;

	if (argc < 3)
		return 64;
	if (!open_machine(&m, argv[1], stdin))
		return fail("no memory to read");
	if (strcmp(argv[2], "walk") == 0)
		status = walk(&m, argc - 3, argv + 3);
	else if (strcmp(argv[2], "symbols") == 0)
		status = symbols(&m);
	else if (strcmp(argv[2], "btf") == 0)
		status = btf(&m);
	else if (strcmp(argv[2], "log") == 0)
		status = log_alone(&m);
	else
		status = 64;
	close_machine(&m);
	return status;
}
