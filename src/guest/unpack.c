/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/unpack.h"

#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

#define WITHOUT(name) "this vmhang was built without " name

#if HAVE_ZLIB
#include <zlib.h>

static int unpack_zlib(const uint8_t *packed, size_t n, uint8_t *page)
{
	uLongf size = VH_GUEST_PAGE;

	return uncompress(page, &size, packed, n) == Z_OK && size == VH_GUEST_PAGE ? 0 : -EIO;
}

static const char *load_zlib(void)
{
	return NULL;
}
#else
static const char *load_zlib(void)
{
	return WITHOUT("zlib");
}
#define unpack_zlib NULL
#endif

#if HAVE_LZO
#include <lzo/lzo1x.h>
#define LZO_LIBRARY "liblzo2.so.2"

static __typeof__(&lzo1x_decompress_safe) lzo_decompress;

/* Not lzo_init(): it finds out whether library and headers agree about the size of types, and
 * decompression uses nothing that it sets up. */
static const char *load_lzo(void)
{
	void *library = dlopen(LZO_LIBRARY, RTLD_NOW | RTLD_LOCAL);

	if (library)
		*(void **)&lzo_decompress = dlsym(library, "lzo1x_decompress_safe");
	return lzo_decompress ? NULL : LZO_LIBRARY " is not installed";
}

static int unpack_lzo(const uint8_t *packed, size_t n, uint8_t *page)
{
	lzo_uint size = VH_GUEST_PAGE;

	return lzo_decompress(packed, n, page, &size, NULL) == LZO_E_OK && size == VH_GUEST_PAGE
		       ? 0
		       : -EIO;
}
#else
static const char *load_lzo(void)
{
	return WITHOUT("liblzo2");
}
#define unpack_lzo NULL
#endif

#if HAVE_SNAPPY
#include <snappy-c.h>
#define SNAPPY_LIBRARY "libsnappy.so.1"

static struct {
	__typeof__(&snappy_uncompressed_length) length;
	__typeof__(&snappy_uncompress) uncompress;
} snappy;

static const char *load_snappy(void)
{
	void *library = dlopen(SNAPPY_LIBRARY, RTLD_NOW | RTLD_LOCAL);

	if (library) {
		*(void **)&snappy.length = dlsym(library, "snappy_uncompressed_length");
		*(void **)&snappy.uncompress = dlsym(library, "snappy_uncompress");
	}
	return snappy.length && snappy.uncompress ? NULL : SNAPPY_LIBRARY " is not installed";
}

static int unpack_snappy(const uint8_t *packed, size_t n, uint8_t *page)
{
	const char *from = (const char *)packed;
	size_t size = 0, room = VH_GUEST_PAGE;

	if (snappy.length(from, n, &size) != SNAPPY_OK || size != VH_GUEST_PAGE)
		return -EIO;
	return snappy.uncompress(from, n, (char *)page, &room) == SNAPPY_OK && room == VH_GUEST_PAGE
		       ? 0
		       : -EIO;
}
#else
static const char *load_snappy(void)
{
	return WITHOUT("libsnappy");
}
#define unpack_snappy NULL
#endif

#if HAVE_ZSTD
#include <zstd.h>
#define ZSTD_LIBRARY "libzstd.so.1"

static struct {
	__typeof__(&ZSTD_createDCtx) create;
	__typeof__(&ZSTD_decompressDCtx) decompress;
	__typeof__(&ZSTD_findFrameCompressedSize) frame_bytes;
	ZSTD_DCtx *context; /* made once: no page is then worth an allocation */
} zstd;

static const char *load_zstd(void)
{
	void *library = dlopen(ZSTD_LIBRARY, RTLD_NOW | RTLD_LOCAL);

	if (library) {
		*(void **)&zstd.create = dlsym(library, "ZSTD_createDCtx");
		*(void **)&zstd.decompress = dlsym(library, "ZSTD_decompressDCtx");
		*(void **)&zstd.frame_bytes = dlsym(library, "ZSTD_findFrameCompressedSize");
	}
	if (!zstd.create || !zstd.decompress || !zstd.frame_bytes)
		return ZSTD_LIBRARY " is not installed";
	zstd.context = zstd.create();
	return zstd.context ? NULL : ZSTD_LIBRARY " has no memory";
}

static int unpack_zstd(const uint8_t *packed, size_t n, uint8_t *page)
{
	uint32_t magic;

	/* One frame, of today's format: the library knows those of its first versions too, by code
	 * that hardly anybody runs any more. */
	if (n < sizeof(magic))
		return -EIO;
	memcpy(&magic, packed, sizeof(magic));
	if (le32toh(magic) != ZSTD_MAGICNUMBER || zstd.frame_bytes(packed, n) != n)
		return -EIO;
	return zstd.decompress(zstd.context, page, VH_GUEST_PAGE, packed, n) == VH_GUEST_PAGE
		       ? 0
		       : -EIO;
}
#else
static const char *load_zstd(void)
{
	return WITHOUT("libzstd");
}
#define unpack_zstd NULL
#endif

static const struct {
	enum vh_packing packing;
	const char *name;
	const char *(*load)(void); /* NULL, or why pages of it cannot be unpacked */
	int (*unpack)(const uint8_t *packed, size_t n, uint8_t *page);
} kinds[] = {
	{VH_PACKED_ZLIB, "zlib", load_zlib, unpack_zlib},
	{VH_PACKED_LZO, "LZO", load_lzo, unpack_lzo},
	{VH_PACKED_SNAPPY, "snappy", load_snappy, unpack_snappy},
	{VH_PACKED_ZSTD, "zstd", load_zstd, unpack_zstd},
};

/* Of each kind: why it cannot be unpacked, or NULL. */
static const char *lacks[VH_ARRAY_SIZE(kinds)];
static bool loaded;

static void load_all(void)
{
	for (size_t i = 0; i < VH_ARRAY_SIZE(kinds); i++)
		lacks[i] = kinds[i].load();
	loaded = true;
}

void vh_unpack_load(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load_all);
}

bool vh_unpack_lacks(unsigned packings, const char **name, const char **why)
{
	for (size_t i = 0; i < VH_ARRAY_SIZE(kinds); i++)
		if (packings & (unsigned)kinds[i].packing && lacks[i]) {
			*name = kinds[i].name;
			*why = lacks[i];
			return true;
		}
	return false;
}

int vh_unpack(unsigned packing, const uint8_t *packed, size_t n, uint8_t *page)
{
	for (size_t i = 0; i < VH_ARRAY_SIZE(kinds); i++)
		if (packing == (unsigned)kinds[i].packing)
			return loaded && !lacks[i] ? kinds[i].unpack(packed, n, page) : -ENOTSUP;
	return -EIO;
}
