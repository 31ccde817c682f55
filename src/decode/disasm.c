/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The instructions at RIP, by capstone. The library is loaded when it is first needed, so that
 * vmhang starts and runs without it. Only the library of the major version that vmhang was built
 * for is tried: struct cs_insn differs between them.
 */
#include "config.h"
#include "decode/decoder.h"

#if HAVE_CAPSTONE
#include <capstone/capstone.h>
#include <dlfcn.h>
#include <inttypes.h>
#include <pthread.h>

#define STRING(x)  #x
#define XSTRING(x) STRING(x)
#define LIBRARY    "libcapstone.so." XSTRING(CS_API_MAJOR)

static struct {
	pthread_once_t once;
	__typeof__(&cs_open) open;
	__typeof__(&cs_disasm) disasm;
	__typeof__(&cs_free) free;
	__typeof__(&cs_close) close;
	bool available;
} capstone = {.once = PTHREAD_ONCE_INIT};

static void load(void)
{
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

	if (!library)
		return;
	*(void **)&capstone.open = dlsym(library, "cs_open");
	*(void **)&capstone.disasm = dlsym(library, "cs_disasm");
	*(void **)&capstone.free = dlsym(library, "cs_free");
	*(void **)&capstone.close = dlsym(library, "cs_close");
	capstone.available = capstone.open && capstone.disasm && capstone.free && capstone.close;
}

bool vh_disassembler_available(const char **why)
{
	pthread_once(&capstone.once, load);
	*why = capstone.available ? NULL : LIBRARY " is not installed";
	return capstone.available;
}

static cs_mode mode_of(const struct vh_registers *regs)
{
	switch (vh_registers_code_bits(regs)) {
	case 16:
		return CS_MODE_16;
	case 32:
		return CS_MODE_32;
	default:
		return CS_MODE_64;
	}
}

static void print(const cs_insn *insn, struct vh_buf *out)
{
	/* Capstone 4 says "nop" of a PAUSE in 16-bit code. */
	bool pause = insn->size == 2 && insn->bytes[0] == 0xf3 && insn->bytes[1] == 0x90;

	vh_buf_printf(out, "%08" PRIx64 ": ", insn->address);
	vh_escape(out, vh_str(pause ? "pause" : insn->mnemonic), false);
	vh_buf_puts(out, *insn->op_str ? " " : "");
	vh_escape(out, vh_str(insn->op_str), false);
	vh_buf_putc(out, '\n');
}

/* True for what never goes on to the next instruction: the code behind it is not this code's. */
static bool ends_flow(const cs_insn *insn)
{
	static const char *const names[] = {"jmp", "ljmp", "ret", "retf", "retfq", "iret", "iretd",
		"iretq", "ud2", "sysret", "sysretq"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(names); i++)
		if (strcmp(insn->mnemonic, names[i]) == 0)
			return true;
	return false;
}

bool vh_disassemble(const struct vh_code *code, const struct vh_registers *regs, uint64_t from,
	size_t max, struct vh_buf *out)
{
	uint64_t rip = vh_registers_linear_rip(regs);
	const char *why;
	cs_insn *list = NULL;
	csh handle;

	if (from > rip || from < code->address)
		from = rip;
	if (!code->seen || rip < code->address || rip - code->address >= code->n || !max)
		return false;
	if (!vh_disassembler_available(&why) ||
		capstone.open(CS_ARCH_X86, mode_of(regs), &handle) != CS_ERR_OK)
		return false;
	size_t skip = (size_t)(from - code->address);
	size_t n = capstone.disasm(handle, code->bytes + skip, code->n - skip, from, max, &list);

	for (size_t i = 0; i < n; i++) {
		vh_buf_puts(out, list[i].address == rip ? "> " : "  ");
		print(&list[i], out);
		if (list[i].address >= rip && ends_flow(&list[i]))
			break;
	}
	if (n)
		capstone.free(list, n);
	capstone.close(&handle);
	return n > 0;
}
#else
bool vh_disassembler_available(const char **why)
{
	*why = "this vmhang was built without capstone";
	return false;
}

bool vh_disassemble(const struct vh_code *code VH_UNUSED, const struct vh_registers *regs VH_UNUSED,
	uint64_t from VH_UNUSED, size_t max VH_UNUSED, struct vh_buf *out VH_UNUSED)
{
	return false;
}
#endif
