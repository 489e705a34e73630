/* Every truncation and 2,000 seeded byte flips of a file: image_read succeeds or fails with a sentence, within the memory
 * limit, and (built with sanitizers) without a report. */
#ifndef IMAGES_DAMAGE_H
#define IMAGES_DAMAGE_H
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>
#include "common/die.h"
#include "common/image.h"
#include "common/io.h"
#include "common/opt.h"

enum { FLIPS = 2000 };

static uint64_t state;
static inline uint32_t draw(void)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33);
}

static inline void put(const char *path, const char *data, size_t n)
{
	FILE *f = fopen(path, "wb");

	if (!f || fwrite(data, 1, n, f) != n || fclose(f))
		die_sys("cannot write %s", path);
}

/* 1: read, 0: refused properly. */
static inline int try(const char *path)
{
	struct image im;
	msgpack_zone *zone = msgpack_zone_new(1024);
	bool ok = image_read(&im, zone, path);
	size_t bytes;

	if (ok) {
		if (!size_of_block(&bytes, DT_F4, im.channels, im.shape[0], im.shape[1], im.shape[2]) || bytes > memory_limit)
			die(XNO, "%s: read beyond the limit", path);
		for (int i = 0; i < 3; i++)
			if (im.shape[i] < 1 || !(im.spacing_mm[i] > 0) || !isfinite(im.spacing_mm[i]))
				die(XNO, "%s: a grid that no frame may have", path);
		for (size_t i = 0; i < bytes / 4; i++)                 /* touches all that is promised */
			state += im.data[i] > 0;
		image_free(&im);
	} else if (failed_code() != XDATA || strncmp(failed_text(), path, strlen(path)) || im.data) {
		die(XNO, "%s: refused with code %d: %s", path, failed_code(), failed_text());
	}
	msgpack_zone_free(zone);
	return ok;
}

/* Makes the checksums of a PNG's chunks right again, so that damage gets past them. */
static inline void mend(unsigned char *p, size_t n)
{
	for (size_t at = 8, length; at + 12 <= n; at += length + 12) {
		length = (size_t)p[at] << 24 | (size_t)p[at + 1] << 16 | (size_t)p[at + 2] << 8 | p[at + 3];
		if (length > n - at - 12)
			return;
		uLong crc = crc32(0, p + at + 4, (uInt)length + 4);
		for (int i = 0; i < 4; i++)
			p[at + 8 + length + (size_t)i] = (unsigned char)(crc >> (24 - 8 * i));
	}
}

/* mended: repair a PNG's checksums after every flip.  whole_without: how many bytes at its end a file can do without. */
static inline void damage(const char *path, bool mended, int whole_without)
{
	char *data, *copy, *name = xasprintf("damaged-%s", path);
	size_t n;
	int read = 0;

	if (!io_slurp(path, 1 << 20, &data, &n))
		die_failed();
	if (!try(path))
		die(XNO, "%s: the intact file is refused: %s", path, failed_text());
	for (size_t i = 0; i < n && !mended; i++) {
		put(name, data, i);
		read += try(name);
	}
	if (read > whole_without)
		die(XNO, "%s: %d truncated files were read", path, read);
	copy = xmalloc(n, 1);
	state = 7;
	read = 0;
	for (int i = 0; i < FLIPS; i++) {
		/* half of them in the first 400 bytes, where the header is */
		size_t at = draw() % (i % 2 && n > 400 ? 400 : n);
		memcpy(copy, data, n);
		copy[at] ^= (char)(1 << draw() % 8);
		if (mended)
			mend((unsigned char *)copy, n);
		put(name, copy, n);
		read += try(name);
	}
	printf("note: %s: %zu truncations, %d flips%s, %d of them readable\n", path, mended ? 0 : n, FLIPS, mended ? " with right checksums" : "", read);
	free(copy);
	free(data);
	free(name);
}

/* 1 GiB of address space and 16 MiB for images: what a damaged header asks for is not taken. */
static inline void limit_memory(void)
{
	struct rlimit room = { (rlim_t)1 << 30, (rlim_t)1 << 30 };

	prog = "damage";
	memory_limit = 1 << 24;
	state = 1;
#ifndef __SANITIZE_ADDRESS__                            /* whose shadow needs more */
	setrlimit(RLIMIT_AS, &room);
#else
	(void)room;
#endif
}
#endif
