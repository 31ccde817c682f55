/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's log in guest memory: the lockless ring of 5.10 on
 * (kernel/printk/printk_ringbuffer.h) and the record log before it (kernel/printk/printk.c). */
#pragma once

#include "guest/kernel.h"

/* Adds records with seq >= from to in->dmesg, oldest first, the unfinished last line included, the
 * newest VH_INSIDE_MAX_DMESG of them. 0, or a negative errno, with a note in in. */
int vh_printk_read(struct vh_kernel *k, uint64_t from, struct vh_inside *in);

/* The seq of the record that comes next: it only ever grows while a kernel runs. 0, or a negative
 * errno. */
int vh_printk_next_seq(const struct vh_kernel *k, uint64_t *next);
