/* BMP as NaturalImage2DIO (contract 1.4; skimage over PIL) sees it: 8 bits with a palette (grey where the palette is a plain
 * ramp, else RGB), 24 and 32 bits, not compressed; a fourth channel only where the header has a mask for it. */
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/image.h"
#include "common/io.h"
#include "common/opt.h"

struct bmp {
	int64_t width, height;
	bool upwards;                    /* rows from the bottom, the usual way */
	int bits;
	uint32_t mask[4];                /* red, green, blue, alpha (0: none) */
	const unsigned char *palette;    /* blue, green, red, and a byte more where entry is 4 */
	size_t colours, entry;
	size_t voxels;                   /* where they begin */
};

static uint32_t u4(const unsigned char *p) { return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24; }
static int64_t i4(const unsigned char *p) { return (int32_t)u4(p); }
static int u2(const unsigned char *p) { return p[0] | p[1] << 8; }

static bool truncated(const char *path) { return fail(XDATA, "%s: it is truncated", path); }

/* 32 bits whose masks are whole bytes. */
static bool check_masks(const struct bmp *b, const char *path)
{
	for (int i = 0; i < 4; i++) {
		uint32_t m = b->mask[i];
		if (m != 0xff && m != 0xff00 && m != 0xff0000 && m != 0xff000000 && !(i == 3 && m == 0))
			return fail(XDATA, "%s: its colours do not have 8 bits each; only such are read", path);
	}
	return true;
}

static bool read_header(struct bmp *b, const unsigned char *p, size_t n, const char *path)
{
	size_t header = n < 18 ? 0 : u4(p + 14);
	uint32_t compression = 0;

	if (n < 26 || header > n - 14)
		return truncated(path);
	*b = (struct bmp){ .entry = 4, .upwards = true, .voxels = u4(p + 10), .mask = { 0xff0000, 0xff00, 0xff, 0 } };
	if (header == 12) {                             /* OS/2 */
		b->width = u2(p + 18);
		b->height = u2(p + 20);
		b->bits = u2(p + 24);
		b->entry = 3;
	} else if (header >= 40 && header <= 124) {
		b->width = i4(p + 18);
		b->height = i4(p + 22);
		b->upwards = b->height > 0;
		b->height = b->upwards ? b->height : -b->height;
		b->bits = u2(p + 28);
		compression = u4(p + 30);
		b->colours = u4(p + 46);
	} else {
		return fail(XDATA, "%s: its header has %zu bytes, as no BMP file's; it is damaged", path, header);
	}
	if (b->bits != 8 && b->bits != 24 && b->bits != 32)
		return fail(XDATA, "%s: a BMP file of %d bits a pixel; read are 8, 24 and 32", path, b->bits);
	if (compression != 0 && !(compression == 3 && b->bits == 32))
		return fail(XDATA, "%s: a BMP file with compression %u, which is not read", path, compression);
	if (b->width < 1 || b->height < 1)
		return fail(XDATA, "%s: a picture of %lld x %lld pixels", path, (long long)b->width, (long long)b->height);
	if (compression == 3) {                         /* masks: in the header, or the first three behind a short one */
		size_t masks = header >= 56 ? 4 : 3;
		if (n < 54 + 4 * masks)
			return truncated(path);
		for (size_t i = 0; i < masks; i++)
			b->mask[i] = u4(p + 54 + 4 * i);
		return check_masks(b, path);
	}
	if (b->bits == 8) {
		b->colours = b->colours ? b->colours : 256;
		if (b->colours > 256 || b->colours * b->entry > n - 14 - header)
			return fail(XDATA, "%s: its palette of %zu colours is too large or truncated", path, b->colours);
		b->palette = p + 14 + header;
	}
	return true;
}

static bool is_ramp(const struct bmp *b)
{
	for (size_t i = 0; i < b->colours; i++)
		for (int k = 0; k < 3; k++)
			if (b->palette[i * b->entry + (size_t)k] != i)
				return false;
	return true;
}

static int byte_of(uint32_t mask) { return mask == 0xff ? 0 : mask == 0xff00 ? 1 : mask == 0xff0000 ? 2 : 3; }

/* Row y of the picture, from its bytes. */
static bool put_row(struct image *im, const struct bmp *b, const unsigned char *row, int64_t y, const char *path)
{
	size_t plane = (size_t)(b->width * b->height), bytes = (size_t)b->bits / 8;
	float *out = im->data + y * b->width;

	for (int64_t c = 0; c < im->channels; c++, out += plane) {
		int at = bytes == 1 ? 2 - (int)c : byte_of(b->mask[c]);     /* palettes are blue, green, red */
		for (int64_t x = 0; x < b->width; x++) {
			if (im->channels == 1)
				out[x] = row[x];
			else if (bytes == 1 && row[x] < b->colours)
				out[x] = b->palette[row[x] * b->entry + (size_t)at];
			else if (bytes == 1)
				return fail(XDATA, "%s: a pixel's colour is beyond the palette", path);
			else
				out[x] = row[(size_t)x * bytes + (size_t)at];
		}
	}
	return true;
}

static bool read_picture(struct image *im, const unsigned char *p, size_t n, const char *path)
{
	struct bmp b = {0};
	bool ok = true;

	if (!read_header(&b, p, n, path))
		return false;
	size_t stride = ((size_t)b.width * (size_t)b.bits / 8 + 3) / 4 * 4;
	im->channels = b.bits == 8 && is_ramp(&b) ? 1 : b.mask[3] ? 4 : 3;
	im->shape[0] = 1;
	im->shape[1] = b.height;
	im->shape[2] = b.width;
	im->spacing_mm[0] = 999;
	im->spacing_mm[1] = im->spacing_mm[2] = 1;
	if (b.voxels > n || (n - b.voxels) / stride < (size_t)b.height)
		return truncated(path);
	if (!image_alloc(im, path, n, 8))
		return false;
	for (int64_t y = 0; ok && y < b.height; y++)
		ok = put_row(im, &b, p + b.voxels + (size_t)(b.upwards ? b.height - 1 - y : y) * stride, y, path);
	return ok;
}

bool bmp_read(struct image *im, msgpack_zone *zone, const char *path)
{
	char *file;
	size_t n;
	bool ok;

	if (!io_slurp(path, memory_limit, &file, &n))
		return false;
	ok = read_picture(im, (unsigned char *)file, n, path);
	free(file);
	if (!ok) {
		image_free(im);
		return false;
	}
	im->geometry = mpk_map();
	mpk_put(zone, &im->geometry, "format", mpk_str(zone, "bmp"));
	mpk_put(zone, &im->geometry, "ending", mpk_str(zone, ".bmp"));
	return true;
}

static void put4(unsigned char *p, uint64_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> (8 * i));
}

bool bmp_write(const char *path, const unsigned char *pixels, int64_t width, int64_t height)
{
	size_t stride = ((size_t)width + 3) / 4 * 4, head = 14 + 40 + 4 * 256;
	unsigned char *file, *row;
	struct outfile out;
	bool ok;

	if (height > (INT32_MAX - (int64_t)head) / (int64_t)stride)
		return fail(XDATA, "%s: a picture of %lld x %lld pixels does not fit into a BMP", path, (long long)width,
		            (long long)height);
	if (!outfile_open(&out, path))
		return false;
	file = xcalloc(head + stride * (size_t)height, 1);
	memcpy(file, "BM", 2);
	put4(file + 2, head + stride * (size_t)height);
	put4(file + 10, head);
	put4(file + 14, 40);
	put4(file + 18, (uint64_t)width);
	put4(file + 22, (uint64_t)height);
	file[26] = 1;                                   /* plane */
	file[28] = 8;                                   /* bits */
	put4(file + 34, stride * (size_t)height);
	put4(file + 46, 256);
	for (unsigned i = 0; i < 256; i++)
		put4(file + 54 + 4 * i, i * 0x010101);
	row = file + head;
	for (int64_t y = height - 1; y >= 0; y--, row += stride)
		memcpy(row, pixels + y * width, (size_t)width);
	ok = io_write(out.fd, file, head + stride * (size_t)height);
	free(file);
	if (ok)
		return outfile_commit(&out);
	fail_sys("cannot write %s", path);
	outfile_abort(&out);
	return false;
}
