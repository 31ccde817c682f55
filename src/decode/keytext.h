/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers of exits in words; the caller frees the strings. */
#pragma once

#include "decode/devices.h"
#include "decode/exits.h"

/* "io", "EPT_VIOLATION|FAILED_VMENTRY", "0x999" */
char *vh_exit_reason_text(enum vh_isa isa, uint64_t reason);
/* "port 0x3f8, out, 1 byte": kind, value and detail, without count and time. */
char *vh_exit_key_text(enum vh_isa isa, const struct vh_exit_key *k);
/* The device that the key goes to; NULL where it goes to none, or to an unknown one. */
char *vh_exit_key_device(
	enum vh_isa isa, const struct vh_devices *devices, const struct vh_exit_key *k);
