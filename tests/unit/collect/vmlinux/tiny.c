/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Of tests/unit/collect/vmlinux.c: something with debug information at a kernel's addresses. The
 * test knows on which lines what stands. */
volatile int counter;

void tiny_leaf(void);
void tiny_leaf(void)
{
	counter++;
}

void _start(void);
void _start(void)
{
	tiny_leaf();
	__asm__ volatile(".globl after_call\nafter_call:");
	for (;;)
		;
}

static inline __attribute__((always_inline)) void tiny_inlined(void)
{
	__asm__ volatile(".globl in_inlined\nin_inlined:");
	counter++;
}

static inline __attribute__((always_inline)) void tiny_around(void)
{
	tiny_inlined();
}

void tiny_outermost(void);
void tiny_outermost(void)
{
	tiny_around();
}
