/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pages of a dump that are compressed. The libraries that can undo it are loaded when they are
 * needed, so that vmhang runs without them; zlib alone is always there where it was built with it.
 */
#pragma once

#include "guest/memory.h"

/* How a page was compressed: bits of its descriptor's flags, and of the status in the dump's header
 * (makedumpfile's diskdump_mod.h). */
enum vh_packing {
	VH_PACKED_ZLIB = 1,
	VH_PACKED_LZO = 2,
	VH_PACKED_SNAPPY = 4,
	VH_PACKED_ZSTD = 32
};
#define VH_PACKINGS ((unsigned)(VH_PACKED_ZLIB | VH_PACKED_LZO | VH_PACKED_SNAPPY | VH_PACKED_ZSTD))

/*
 * Loads what there is. Once, and before a sandbox begins: no library can be loaded within. What is
 * unpacked afterwards is not for several threads at once.
 */
void vh_unpack_load(void);
/* Of the first of these kinds of which pages cannot be unpacked, its name, and why, as a clause; of
 * vh_unpack_load()'s finding, so not before it. False: all can be. Static texts. */
bool vh_unpack_lacks(unsigned packings, const char **name, const char **why);
/*
 * One page of n packed bytes, which nobody vouches for. 0; -ENOTSUP: it cannot be unpacked here;
 * -EIO: what comes out is no page of VH_GUEST_PAGE bytes. page is undefined after a failure.
 */
int vh_unpack(unsigned packing, const uint8_t *packed, size_t n, uint8_t *page);
