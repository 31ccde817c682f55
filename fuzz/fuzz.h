/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A fuzz target is a file with this function; libFuzzer calls it with what it makes up, replay.c
 * with the files of its corpus, as an ordinary test. */
#pragma once

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
