/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can be said of the instructions at RIP without a disassembler. */
#include "decode/decoder.h"

static bool bytes_are(const struct vh_code *c, size_t at, const char *bytes, size_t n)
{
	return at + n <= c->n && memcmp(c->bytes + at, bytes, n) == 0;
}

/* Instructions that go on to the next one, whole or up to their immediate operand. Where one of
 * them faults, RIP does not stay: that it does is a fact of its own. */
static const struct {
	const char *bytes;
	size_t n;
	size_t operand; /* bytes behind; ADDRESS: as long as an address */
} plain[] = {
#define ADDRESS SIZE_MAX
	{"\x90", 1, 0},             /* nop */
	{"\xf4", 1, 0},             /* hlt */
	{"\xfa", 1, 0},             /* cli */
	{"\xfb", 1, 0},             /* sti */
	{"\xf3\x90", 2, 0},         /* pause */
	{"\x66\x90", 2, 0},         /* nop */
	{"\x0f\x1f\x00", 3, 0},     /* nop */
	{"\x0f\x1f\x40\x00", 4, 0}, /* nop */
	{"\xf3\x0f\x1e\xfa", 4, 0}, /* endbr64 */
	{"\xe4", 1, 1},             /* in al, imm8 */
	{"\xe5", 1, 1},             /* in eax, imm8 */
	{"\xe6", 1, 1},             /* out imm8, al */
	{"\xe7", 1, 1},             /* out imm8, eax */
	{"\xec", 1, 0},             /* in al, dx */
	{"\xed", 1, 0},             /* in eax, dx */
	{"\xee", 1, 0},             /* out dx, al */
	{"\xef", 1, 0},             /* out dx, eax */
	{"\xa0", 1, ADDRESS},       /* mov al, [address] */
	{"\xa1", 1, ADDRESS},       /* mov eax, [address] */
	{"\xa2", 1, ADDRESS},       /* mov [address], al */
	{"\xa3", 1, ADDRESS},       /* mov [address], eax */
	{"\x0f\x30", 2, 0},         /* wrmsr */
	{"\x0f\x31", 2, 0},         /* rdtsc */
	{"\x0f\x32", 2, 0},         /* rdmsr */
	{"\x0f\xa2", 2, 0},         /* cpuid */
	{"\x31\xc0", 2, 0},         /* xor eax, eax */
	{"\x66\x31\xc0", 3, 0},     /* the same, of 16-bit code */
};

/* The offset behind the jump at `at`; -1 for anything else, and where it is cut off. */
static int64_t jump(const struct vh_code *c, int64_t at, int bits)
{
	size_t i = (size_t)at, n = bits == 16 ? 2 : 4;
	int16_t near;
	int32_t far = 0;

	if (c->bytes[i] == 0xeb && i + 1 < c->n)
		return at + 2 + (int8_t)c->bytes[i + 1];
	if (c->bytes[i] != 0xe9 || i + n >= c->n)
		return -1;
	memcpy(&near, c->bytes + i + 1, sizeof(near));
	if (n == 4)
		memcpy(&far, c->bytes + i + 1, sizeof(far));
	return at + 1 + (int64_t)n + (n == 4 ? far : near);
}

/* The offset of the instruction that is executed after the one at `at`; -1 where that is not sure.
 */
static int64_t step(const struct vh_code *c, int64_t at, int bits)
{
	for (size_t k = 0; k < VH_ARRAY_SIZE(plain); k++) {
		size_t operand = plain[k].operand == ADDRESS ? (size_t)bits / 8 : plain[k].operand;

		if (bytes_are(c, (size_t)at, plain[k].bytes, plain[k].n))
			return at + (int64_t)(plain[k].n + operand);
	}
	return jump(c, at, bits);
}

bool vh_code_is_closed_loop(const struct vh_code *code, uint64_t rip, int bits)
{
	bool visited[sizeof(code->bytes)] = {0};

	if (!code->seen || rip < code->address || rip - code->address >= code->n)
		return false;
	int64_t at = (int64_t)(rip - code->address);

	while (at >= 0 && (size_t)at < code->n) {
		if (visited[at])
			return true;
		visited[at] = true;
		at = step(code, at, bits);
	}
	return false;
}

/* PAUSE takes longer than what else is in a waiting loop, so that a look finds it there or right
 * behind. One that merely lies near (f3 90 in the next function, or within an instruction) is none
 * of the code that runs. */
bool vh_code_runs_pause(const struct vh_code *code, uint64_t rip, int bits)
{
	bool visited[sizeof(code->bytes)] = {0};

	if (!code->seen || rip < code->address || rip - code->address >= code->n)
		return false;
	int64_t at = (int64_t)(rip - code->address);

	if (at >= 2 && bytes_are(code, (size_t)at - 2, "\xf3\x90", 2))
		return true;
	while (at >= 0 && (size_t)at < code->n && !visited[at]) {
		if (bytes_are(code, (size_t)at, "\xf3\x90", 2))
			return true;
		visited[at] = true;
		at = step(code, at, bits);
	}
	return false;
}

/* A jump on a condition, in either of its lengths. */
static bool is_conditional_jump(const struct vh_code *c, size_t at)
{
	return at + 1 < c->n &&
	       ((c->bytes[at] & 0xfe) == 0x74 ||
		       (c->bytes[at] == 0x0f && (c->bytes[at + 1] & 0xfe) == 0x84));
}

/* How far around PAUSE the rest of the loop is looked for: kernel/sched/idle.c's and
 * drivers/cpuidle/poll_state.c's are 20 to 30 bytes long. */
#define POLL_LOOP_BYTES 24

bool vh_code_waits_for_task(const struct vh_code *code, uint64_t rip, int bits)
{
	if (bits != 64 || !vh_code_runs_pause(code, rip, bits))
		return false;
	size_t at = (size_t)(rip - code->address);
	size_t from = at > POLL_LOOP_BYTES ? at - POLL_LOOP_BYTES : 0;
	size_t to = VH_MIN(at + POLL_LOOP_BYTES, code->n);

	for (size_t i = from; i + 2 < to; i++) {
		/* test al, 8 behind mov rax, [register]; test byte [register], 8 */
		if (bytes_are(code, i, "\xa8\x08", 2) && i >= 3 && code->bytes[i - 2] == 0x8b &&
			(code->bytes[i - 1] & 0xf8) == 0 && is_conditional_jump(code, i + 2))
			return true;
		if (code->bytes[i] == 0xf6 && (code->bytes[i + 1] & 0xf8) == 0 &&
			code->bytes[i + 2] == 8 && is_conditional_jump(code, i + 3))
			return true;
	}
	return false;
}

uint64_t vh_code_loop_start(const struct vh_vcpu *vcpu, uint64_t rip)
{
	uint64_t start = rip;

	for (unsigned i = 0; i < vcpu->n_glimpses; i++) {
		uint64_t at = vcpu->glimpses[i].rip;

		if (at < start && rip - at <= 32)
			start = at;
	}
	return start;
}
