/* TIFF as tifffile reads it for nnU-Net (contract 1.4): one page is a picture (NaturalImage2DIO), several, or one whose
 * description gives three axes, a volume in file order (Tiff3DIO) whose spacing is in CASE.json beside it. */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <tiffio.h>
#include <unistd.h>
#include "common/die.h"
#include "common/image.h"
#include "common/io.h"
#include "common/jsonfile.h"
#include "common/opt.h"

enum { MOST_PAGES = 1 << 20 };

/* libtiff's handle, its first complaint, and what all pages share. */
struct tiff {
	TIFF *t;
	const char *path;
	char error[160];
	uint32_t width, height;
	uint16_t bits, samples, format, photometric;
	bool deflates;                  /* every page can be at most as many times larger than its bytes as deflate makes it */
};

static int on_error(TIFF *t, void *user, const char *module, const char *fmt, va_list ap)
{
	struct tiff *f = user;

	(void)t, (void)module;
	if (!*f->error)
		vsnprintf(f->error, sizeof f->error, fmt, ap);
	return 1;
}

static int on_warning(TIFF *t, void *user, const char *module, const char *fmt, va_list ap)
{
	(void)t, (void)user, (void)module, (void)fmt, (void)ap;         /* of tags that decide no voxel */
	return 1;
}

/* Takes fd over. */
static bool start(struct tiff *f, int fd, const char *path, const char *mode)
{
	TIFFOpenOptions *o = TIFFOpenOptionsAlloc();

	*f = (struct tiff){ .path = path };
	if (!o)
		die(XIO, "out of memory");
	TIFFOpenOptionsSetMaxSingleMemAlloc(o, (tmsize_t)memory_limit);
	TIFFOpenOptionsSetErrorHandlerExtR(o, on_error, f);
	TIFFOpenOptionsSetWarningHandlerExtR(o, on_warning, f);
	f->t = TIFFFdOpenExt(fd, path, mode, o);
	TIFFOpenOptionsFree(o);
	if (!f->t)
		close(fd);
	return f->t != NULL;
}

static bool damaged(const struct tiff *f)
{
	return fail(XDATA, "%s: it is truncated or damaged%s%s", f->path, *f->error ? ": " : "", f->error);
}

static enum dtype voxel_type(const struct tiff *f)
{
	switch (f->format << 8 | f->bits) {
	case SAMPLEFORMAT_UINT << 8 | 8: return DT_U1;
	case SAMPLEFORMAT_UINT << 8 | 16: return DT_U2;
	case SAMPLEFORMAT_UINT << 8 | 32: return DT_U4;
	case SAMPLEFORMAT_UINT << 8 | 64: return DT_U8;
	case SAMPLEFORMAT_INT << 8 | 8: return DT_I1;
	case SAMPLEFORMAT_INT << 8 | 16: return DT_I2;
	case SAMPLEFORMAT_INT << 8 | 32: return DT_I4;
	case SAMPLEFORMAT_INT << 8 | 64: return DT_I8;
	case SAMPLEFORMAT_IEEEFP << 8 | 16: return DT_F2;
	case SAMPLEFORMAT_IEEEFP << 8 | 32: return DT_F4;
	case SAMPLEFORMAT_IEEEFP << 8 | 64: return DT_F8;
	default: return DT_NONE;
	}
}

/* What the current page says about itself. */
static struct tiff page(const struct tiff *f)
{
	struct tiff p = *f;
	uint16_t compression = COMPRESSION_NONE, planar = PLANARCONFIG_CONTIG;

	p.width = p.height = 0;
	TIFFGetField(f->t, TIFFTAG_IMAGEWIDTH, &p.width);
	TIFFGetField(f->t, TIFFTAG_IMAGELENGTH, &p.height);
	TIFFGetFieldDefaulted(f->t, TIFFTAG_BITSPERSAMPLE, &p.bits);
	TIFFGetFieldDefaulted(f->t, TIFFTAG_SAMPLESPERPIXEL, &p.samples);
	TIFFGetFieldDefaulted(f->t, TIFFTAG_SAMPLEFORMAT, &p.format);
	TIFFGetFieldDefaulted(f->t, TIFFTAG_COMPRESSION, &compression);
	TIFFGetFieldDefaulted(f->t, TIFFTAG_PLANARCONFIG, &planar);
	if (!TIFFGetField(f->t, TIFFTAG_PHOTOMETRIC, &p.photometric))
		p.photometric = PHOTOMETRIC_MINISBLACK;
	p.format = p.format == SAMPLEFORMAT_VOID ? SAMPLEFORMAT_UINT : p.format;
	p.samples = planar == PLANARCONFIG_SEPARATE && p.samples > 1 ? 0 : p.samples;
	p.deflates = compression == COMPRESSION_NONE || compression == COMPRESSION_LZW || compression == COMPRESSION_PACKBITS ||
	             compression == COMPRESSION_ADOBE_DEFLATE || compression == COMPRESSION_DEFLATE;
	return p;
}

static bool check_page(const struct tiff *p)
{
	if (p->width < 1 || p->height < 1)
		return damaged(p);
	if (p->samples != 1 && p->samples != 3 && p->samples != 4)
		return fail(XDATA, "%s: its pixels are neither grey nor RGB nor RGBA, or have a plane each", p->path);
	if (p->photometric == PHOTOMETRIC_YCBCR)
		return fail(XDATA, "%s: its colours are YCbCr; save it as RGB", p->path);
	if (voxel_type(p) == DT_NONE)
		return fail(XDATA, "%s: its samples have %d bits in sample format %d; read are whole numbers of 8 to 64 bits and "
		            "floating-point numbers", p->path, p->bits, p->format);
	return true;
}

/* Whether the current page's link to the next is in the file: libtiff takes one that is cut off for the end. */
static bool has_link(const struct tiff *f)
{
	bool big = TIFFIsBigTIFF(f->t), swapped = TIFFIsByteSwapped(f->t);
	uint64_t at = TIFFCurrentDirOffset(f->t), n = 0;
	size_t width = big ? 8 : 2;
	uint16_t few;
	char link[8];

	if (pread(TIFFFileno(f->t), big ? (void *)&n : (void *)&few, width, (off_t)at) != (ssize_t)width)
		return false;
	if (!big)
		n = few;
	if (swapped)
		n = big ? __builtin_bswap64(n) : __builtin_bswap16(few);
	at += width + n * (big ? 20 : 12);
	return pread(TIFFFileno(f->t), link, big ? 8 : 4, (off_t)at) == (big ? 8 : 4);
}

/* Pages alike, counted; -1 after fail(). */
static int64_t count_pages(struct tiff *f)
{
	int64_t n = 0;
	bool deflates = true;

	*f = page(f);
	if (!check_page(f))
		return -1;
	do {
		struct tiff p = page(f);
		if (p.width != f->width || p.height != f->height || p.bits != f->bits || p.samples != f->samples ||
		    p.format != f->format) {
			fail(XDATA, "%s: its page %lld differs from the first in size or type of pixels", f->path,
			     (long long)n + 1);
			return -1;
		}
		if (!has_link(f)) {
			damaged(f);
			return -1;
		}
		deflates &= p.deflates;
		if (++n > MOST_PAGES) {
			fail(XDATA, "%s: it has more than %d pages", f->path, MOST_PAGES);
			return -1;
		}
	} while (TIFFReadDirectory(f->t));
	f->deflates = deflates;
	if (*f->error || !TIFFSetDirectory(f->t, 0)) {
		damaged(f);
		return -1;
	}
	return n;
}

/* The number of axes in a description {"shape": [...]}, with which tifffile says what pages are, and the length of the first;
 * 0: it says nothing. */
static int described_axes(int64_t *first, const struct tiff *f)
{
	char *text;
	json_object *top = NULL, *shape;
	int n = 0;

	if (TIFFGetField(f->t, TIFFTAG_IMAGEDESCRIPTION, &text) && *text == '{')
		top = json_tokener_parse(text);
	if (top && json_object_is_type(top, json_type_object) && json_object_object_get_ex(top, "shape", &shape) &&
	    json_object_is_type(shape, json_type_array))
		n = (int)json_object_array_length(shape);
	*first = n ? json_object_get_int64(json_object_array_get_idx(shape, 0)) : 0;
	json_object_put(top);
	return n;
}

/* ImageJ's description has a line for each axis that is longer than 1; more than one of them makes 4 axes or more. */
static bool imagej_is_4d(const struct tiff *f)
{
	static const char *const axes[] = { "\nchannels=", "\nslices=", "\nframes=" };
	const char *p;
	char *text;
	int n = 0;

	if (!TIFFGetField(f->t, TIFFTAG_IMAGEDESCRIPTION, &text) || strncmp(text, "ImageJ=", 7))
		return false;
	for (int i = 0; i < 3; i++)
		n += (p = strstr(text, axes[i])) && strtol(p + strlen(axes[i]), NULL, 10) > 1;
	return n > 1;
}

/* Samples [rows][columns][samples] of a strip or tile into the planes of page z. */
static void put_block(struct image *im, const struct tiff *f, const unsigned char *block, int64_t z, uint32_t y, uint32_t x,
                      uint32_t rows, uint32_t columns, uint32_t row_pixels, float *row)
{
	enum dtype type = voxel_type(f);
	size_t plane = (size_t)f->width * f->height, channel = plane * (size_t)im->shape[0];

	for (uint32_t i = 0; i < rows; i++) {
		size_t n = (size_t)columns * f->samples, at = (size_t)z * plane + (size_t)(y + i) * f->width + x;
		dtype_to_float(row, block + (size_t)i * row_pixels * f->samples * dtype_size(type), type, n);
		for (size_t k = 0; k < n; k++)
			im->data[k % f->samples * channel + at + k / f->samples] = row[k];
	}
}

/* The current page, block by block: strips are tiles as wide as the page. */
static bool read_page(struct image *im, struct tiff *f, int64_t z)
{
	bool tiled = TIFFIsTiled(f->t), ok = true;
	uint32_t w = f->width, h = f->height;
	size_t bytes = (size_t)(tiled ? TIFFTileSize64(f->t) : TIFFStripSize64(f->t)), need;

	if (tiled && (!TIFFGetField(f->t, TIFFTAG_TILEWIDTH, &w) || !TIFFGetField(f->t, TIFFTAG_TILELENGTH, &h)))
		return damaged(f);
	if (!tiled)
		TIFFGetFieldDefaulted(f->t, TIFFTAG_ROWSPERSTRIP, &h);
	h = !tiled && h > f->height ? f->height : h;
	if (!w || !h || !size_of_block(&need, voxel_type(f), f->samples, 1, h, w) || need != bytes || bytes > memory_limit)
		return damaged(f);
	unsigned char *block = xmalloc(bytes, 1);
	float *row = xmalloc((size_t)w * f->samples, sizeof *row);
	for (uint64_t at_y = 0; ok && at_y < f->height; at_y += h)
		for (uint64_t at_x = 0; ok && at_x < f->width; at_x += w) {
			uint32_t y = (uint32_t)at_y, x = (uint32_t)at_x;
			uint32_t rows = f->height - y < h ? f->height - y : h, columns = f->width - x < w ? f->width - x : w;
			tmsize_t want = (tmsize_t)(tiled ? bytes : bytes / h * rows);
			memset(block, 0, bytes);        /* some decoders leave gaps where data are damaged */
			tmsize_t got = tiled ? TIFFReadEncodedTile(f->t, TIFFComputeTile(f->t, x, y, 0, 0), block, want)
			                     : TIFFReadEncodedStrip(f->t, TIFFComputeStrip(f->t, y, 0), block, want);
			ok = got == want && !*f->error;
			if (ok)
				put_block(im, f, block, z, y, x, rows, columns, w, row);
		}
	free(row);
	free(block);
	return ok || damaged(f);
}

/* CASE.json of CASE_0000.tif or of CASE.tif: malloc'ed. */
static char *side_file(const char *path)
{
	size_t n = strlen(path) - (image_ending(path) ? strlen(image_ending(path)) : 0);

	return xasprintf("%.*s.json", (int)(case_channel(path) >= 0 ? n - 5 : n), path);
}

/* Tiff3DIO: 1, 1, 1 without a side file. */
static bool read_spacing(double spacing[3], const char *path)
{
	char *name = side_file(path);
	struct json top, v;
	bool ok = true;

	spacing[0] = spacing[1] = spacing[2] = 1;
	if (!access(name, F_OK) && (ok = json_read(&top, name))) {
		ok = json_get(&v, &top, "spacing") && json_reals(spacing, &v, 3, 3) == 3;
		for (int i = 0; ok && i < 3; i++)
			if (!(spacing[i] > 0) || !isfinite(spacing[i]))
				ok = json_bad(&v, "a spacing is %g", spacing[i]);
		json_free(&top);
	}
	free(name);
	return ok;
}

static bool read_pages(struct image *im, struct tiff *f, uint64_t file_bytes, bool *volume)
{
	int64_t pages = count_pages(f), described;
	int axes;

	if (pages < 0)
		return false;
	axes = described_axes(&described, f);
	*volume = pages > 1 || (axes == 3 && f->samples == 1);
	if (imagej_is_4d(f) || (f->samples > 1 && *volume) || (axes && axes != (*volume || f->samples > 1 ? 3 : 2)))
		return fail(XDATA, "%s: it has more than three axes, or colours on several pages; split it into one file "
		            "a channel (CASE_0000...)", f->path);
	if (axes == 3 && f->samples == 1 && described != pages)
		return fail(XDATA, "%s: its description says that it has %lld planes, it has %lld; it is damaged", f->path,
		            (long long)described, (long long)pages);
	im->channels = f->samples;
	im->shape[0] = pages;
	im->shape[1] = f->height;
	im->shape[2] = f->width;
	im->spacing_mm[0] = 999;
	im->spacing_mm[1] = im->spacing_mm[2] = 1;
	if ((*volume && !read_spacing(im->spacing_mm, f->path)) ||
	    !image_alloc(im, f->path, f->deflates ? file_bytes : UINT64_MAX, f->bits))
		return false;
	for (int64_t z = 0; z < pages; z++)
		if ((z && !TIFFReadDirectory(f->t)) || !read_page(im, f, z))
			return z && *f->error ? damaged(f) : false;
	return true;
}

bool tiff_read(struct image *im, msgpack_zone *zone, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	struct tiff f;
	bool volume = false, ok;

	if (fd < 0 || fstat(fd, &st)) {
		fail_sys("cannot open %s", path);
		if (fd >= 0)
			close(fd);
		return false;
	}
	if (start(&f, fd, path, "rm")) {                /* m: without memory mapping, which a shrinking file would kill */
		ok = read_pages(im, &f, S_ISREG(st.st_mode) ? (uint64_t)st.st_size : UINT64_MAX, &volume);
		TIFFClose(f.t);
	} else {
		ok = damaged(&f);
	}
	if (!ok) {
		image_free(im);
		return false;
	}
	const char *ending = image_ending(path);
	im->geometry = mpk_map();
	mpk_put(zone, &im->geometry, "format", mpk_str(zone, volume ? "tiff" : "tiff-picture"));
	mpk_put(zone, &im->geometry, "ending", mpk_str(zone, ending && !strcmp(ending, ".tiff") ? ".tiff" : ".tif"));
	return true;
}

static bool write_page(struct tiff *f, const unsigned char *plane, const struct frame *frame, enum dtype type, int64_t z,
                       bool volume)
{
	char *shape = xasprintf("{\"shape\": [%lld, %lld, %lld]}", (long long)frame->shape[0], (long long)frame->shape[1],
	                        (long long)frame->shape[2]);
	bool ok = TIFFSetField(f->t, TIFFTAG_IMAGEWIDTH, (uint32_t)frame->shape[2]) &&
	          TIFFSetField(f->t, TIFFTAG_IMAGELENGTH, (uint32_t)frame->shape[1]) &&
	          TIFFSetField(f->t, TIFFTAG_BITSPERSAMPLE, (uint16_t)(8 * dtype_size(type))) &&
	          TIFFSetField(f->t, TIFFTAG_SAMPLESPERPIXEL, (uint16_t)1) &&
	          TIFFSetField(f->t, TIFFTAG_SAMPLEFORMAT, (uint16_t)(type == DT_F4 ? SAMPLEFORMAT_IEEEFP : SAMPLEFORMAT_UINT)) &&
	          TIFFSetField(f->t, TIFFTAG_PHOTOMETRIC, (uint16_t)PHOTOMETRIC_MINISBLACK) &&
	          TIFFSetField(f->t, TIFFTAG_PLANARCONFIG, (uint16_t)PLANARCONFIG_CONTIG) &&
	          TIFFSetField(f->t, TIFFTAG_COMPRESSION, (uint16_t)COMPRESSION_ADOBE_DEFLATE) &&
	          TIFFSetField(f->t, TIFFTAG_ROWSPERSTRIP, (uint32_t)frame->shape[1]) &&
	          (!volume || z || TIFFSetField(f->t, TIFFTAG_IMAGEDESCRIPTION, shape));
	tmsize_t n = (tmsize_t)((size_t)(frame->shape[1] * frame->shape[2]) * dtype_size(type));

	free(shape);
	return ok && TIFFWriteEncodedStrip(f->t, 0, (void *)plane, n) == n && TIFFWriteDirectory(f->t);
}

/* The spacing of a volume, z first, as Tiff3DIO writes and reads it. */
static bool write_spacing(const char *path, const struct frame *f)
{
	char *name = side_file(path), *text;
	struct outfile out;
	bool ok;

	text = xasprintf("{\n    \"spacing\": [\n        %.17g,\n        %.17g,\n        %.17g\n    ]\n}\n", f->spacing_mm[0],
	                 f->spacing_mm[1], f->spacing_mm[2]);
	ok = outfile_open(&out, name);
	if (ok && !io_write(out.fd, text, strlen(text))) {
		ok = fail_sys("cannot write %s", name);
		outfile_abort(&out);
	} else if (ok) {
		ok = outfile_commit(&out);
	}
	free(text);
	free(name);
	return ok;
}

bool tiff_write(const char *path, const struct frame *frame, const void *voxels, enum dtype type)
{
	size_t plane = (size_t)(frame->shape[1] * frame->shape[2]) * dtype_size(type);
	bool volume = frame->shape[0] > 1 || !image_is_picture(frame), ok;
	struct outfile out;
	struct tiff f;

	if (frame->shape[1] > INT32_MAX || frame->shape[2] > INT32_MAX)
		return fail(XDATA, "%s: a plane of %lld x %lld does not fit into a TIFF", path, (long long)frame->shape[2],
			(long long)frame->shape[1]);
	if (volume && !write_spacing(path, frame))
		return false;
	if (!outfile_open(&out, path))
		return false;
	ok = start(&f, dup(out.fd), path, plane * (size_t)frame->shape[0] < (size_t)3 << 30 ? "wl" : "wl8");
	for (int64_t z = 0; ok && z < frame->shape[0]; z++)
		ok = write_page(&f, (const unsigned char *)voxels + (size_t)z * plane, frame, type, z, volume);
	if (f.t)
		TIFFClose(f.t);
	if (!ok || *f.error) {
		fail(XIO, "cannot write %s%s%s", path, *f.error ? ": " : "", f.error);
		outfile_abort(&out);
		return false;
	}
	return outfile_commit(&out);
}
