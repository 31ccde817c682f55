/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers out of a copy of a guest's memory: little-endian, as every guest is that Linux's
 * structures are read of. What lies outside of the copy is 0. */
#pragma once

#include "base/util.h"

struct vh_bytes {
	const uint8_t *data;
	size_t n;
};

/* size: 1 to 8 bytes. */
static inline uint64_t vh_bytes_number(struct vh_bytes b, uint64_t offset, unsigned size)
{
	uint64_t value = 0;

	if (size > sizeof(value) || offset > b.n || size > b.n - offset)
		return 0;
	memcpy(&value, b.data + offset, size);
	return value;
}
static inline uint64_t vh_bytes_u64(struct vh_bytes b, uint64_t offset)
{
	return vh_bytes_number(b, offset, 8);
}
static inline uint32_t vh_bytes_u32(struct vh_bytes b, uint64_t offset)
{
	return (uint32_t)vh_bytes_number(b, offset, 4);
}
static inline uint16_t vh_bytes_u16(struct vh_bytes b, uint64_t offset)
{
	return (uint16_t)vh_bytes_number(b, offset, 2);
}
/* The n bytes at offset; fewer, or none, where the copy ends before. */
static inline struct vh_bytes vh_bytes_at(struct vh_bytes b, uint64_t offset, uint64_t n)
{
	if (offset >= b.n)
		return (struct vh_bytes){b.data, 0};
	return (struct vh_bytes){b.data + offset, VH_MIN(b.n - (size_t)offset, n)};
}
