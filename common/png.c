#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <png.h>
#include "common/die.h"
#include "common/image.h"
#include "common/io.h"
#include "common/opt.h"

/* libpng reports errors by jumping back to where reading began; what must survive the jump lives here. */
struct reading {
	png_structp png;
	png_infop info;
	const char *path;
	char *file;                             /* the whole file, and where libpng is in it */
	size_t at, n;
	unsigned char *rows;                    /* one row, or all of an interlaced picture */
	unsigned char **row;                    /* of an interlaced picture */
	char error[160];
	bool done;
};

static void on_error(png_structp png, png_const_charp text)
{
	struct reading *r = png_get_error_ptr(png);

	snprintf(r->error, sizeof r->error, "%s", text);
	longjmp(png_jmpbuf(png), 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
	(void)png, (void)text;                  /* of chunks that decide no pixel */
}

static void take(png_structp png, png_bytep to, size_t n)
{
	struct reading *r = png_get_io_ptr(png);

	if (n > r->n - r->at)
		png_error(png, "the file is truncated");
	memcpy(to, r->file + r->at, n);
	r->at += n;
}

static void wrong(struct reading *r, const char *text) { png_error(r->png, text); (void)r; }

/* One row of decoded samples into the planes of im: row [x][samples]. */
static void put_row(struct reading *r, struct image *im, const unsigned char *row, int64_t y, int bits, const png_color *palette,
	int n_palette)
{
	int64_t width = im->shape[2], channels = im->channels;
	size_t plane = (size_t)(im->shape[1] * width);
	float *out = im->data + y * width;

	if (palette) {
		for (int64_t x = 0; x < width; x++) {
			if (row[x] >= n_palette)
				wrong(r, "a pixel's colour is beyond the palette");
			out[x] = palette[row[x]].red;
			out[plane + (size_t)x] = palette[row[x]].green;
			out[2 * plane + (size_t)x] = palette[row[x]].blue;
		}
	} else if (bits == 16) {
		for (int64_t x = 0; x < width; x++)
			out[x] = (float)(row[2 * x] << 8 | row[2 * x + 1]);
	} else {
		for (int64_t c = 0; c < channels; c++)
			for (int64_t x = 0; x < width; x++)
				out[(size_t)c * plane + (size_t)x] = row[x * channels + c];
	}
}

/* As NaturalImage2DIO (contract 1.4; skimage over PIL) sees it: one bit as 0 and 1, two and four bits scaled to 255, 16-bit
 * grey as it is, 16-bit colours cut to their high bytes, palettes as RGB, transparency entries ignored. */
static void decode(struct reading *r, struct image *im)
{
	png_uint_32 width, height;
	int depth, type, interlace, n_palette = 0;
	png_color *palette = NULL;

	png_set_read_fn(r->png, r, take);
	png_set_user_limits(r->png, 0x7fffffff, 0x7fffffff);
	png_read_info(r->png, r->info);
	png_get_IHDR(r->png, r->info, &width, &height, &depth, &type, &interlace, NULL, NULL);
	if (type == PNG_COLOR_TYPE_GRAY_ALPHA)
		wrong(r, "grey with alpha is neither grey, RGB nor RGBA; nnU-Net reads no such picture");
	if (type == PNG_COLOR_TYPE_PALETTE) {
		if (!png_get_PLTE(r->png, r->info, &palette, &n_palette))
			wrong(r, "the palette is missing");
		png_set_packing(r->png);
	} else if (type == PNG_COLOR_TYPE_GRAY && depth == 1) {
		png_set_packing(r->png);
	} else if (type == PNG_COLOR_TYPE_GRAY && depth < 8) {
		png_set_expand_gray_1_2_4_to_8(r->png);
	} else if (type != PNG_COLOR_TYPE_GRAY && depth == 16) {
		png_set_strip_16(r->png);
	}
	im->channels = type == PNG_COLOR_TYPE_GRAY ? 1 : type == PNG_COLOR_TYPE_RGB_ALPHA ? 4 : 3;
	im->shape[0] = 1;
	im->shape[1] = height;
	im->shape[2] = width;
	if (!image_alloc(im, r->path, r->n, type == PNG_COLOR_TYPE_PALETTE ? 1 : depth))
		longjmp(png_jmpbuf(r->png), 1);
	int passes = png_set_interlace_handling(r->png);
	png_read_update_info(r->png, r->info);
	size_t bytes = png_get_rowbytes(r->png, r->info);
	bool whole = passes > 1;
	r->rows = xmalloc(whole ? height : 1, bytes);
	if (whole) {
		r->row = xmalloc(height, sizeof *r->row);
		for (png_uint_32 y = 0; y < height; y++)
			r->row[y] = r->rows + (size_t)y * bytes;
		png_read_image(r->png, r->row);
	}
	for (png_uint_32 y = 0; y < height; y++) {
		if (!whole)
			png_read_row(r->png, r->rows, NULL);
		put_row(r, im, whole ? r->row[y] : r->rows, y, type == PNG_COLOR_TYPE_GRAY ? depth : 8, palette, n_palette);
	}
	png_read_end(r->png, NULL);
}

bool png_read(struct image *im, msgpack_zone *zone, const char *path)
{
	struct reading r = { .path = path };

	if (!io_slurp(path, memory_limit, &r.file, &r.n))
		return false;
	r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, on_error, on_warning);
	r.info = r.png ? png_create_info_struct(r.png) : NULL;
	if (!r.info)
		die(XIO, "out of memory");
	if (!setjmp(png_jmpbuf(r.png))) {
		decode(&r, im);
		r.done = true;
	} else if (r.error[0]) {
		fail(XDATA, "%s: %s", path, r.error);
	}
	png_destroy_read_struct(&r.png, &r.info, NULL);
	free(r.row);
	free(r.rows);
	free(r.file);
	if (!r.done) {
		image_free(im);
		return false;
	}
	im->spacing_mm[0] = 999;
	im->spacing_mm[1] = im->spacing_mm[2] = 1;
	im->geometry = mpk_map();
	mpk_put(zone, &im->geometry, "format", mpk_str(zone, "png"));
	mpk_put(zone, &im->geometry, "ending", mpk_str(zone, ".png"));
	return true;
}

static void give(png_structp png, png_bytep from, size_t n)
{
	struct outfile *f = png_get_io_ptr(png);

	if (!io_write(f->fd, from, n)) {
		fail_sys("cannot write %s", f->path);
		longjmp(png_jmpbuf(png), 1);
	}
}

static void flush(png_structp png) { (void)png; }

bool png_write(const char *path, const void *pixels, int64_t width, int64_t height, int channels, int bits)
{
	struct reading r = { .path = path };
	struct outfile f;
	size_t row = (size_t)width * (size_t)channels * (size_t)bits / 8;

	if (width > 0x7fffffff || height > 0x7fffffff)
		return fail(XDATA, "%s: a picture of %lld x %lld pixels does not fit into a PNG", path, (long long)width,
			(long long)height);
	if (!outfile_open(&f, path))
		return false;
	r.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &r, on_error, on_warning);
	r.info = r.png ? png_create_info_struct(r.png) : NULL;
	if (!r.info)
		die(XIO, "out of memory");
	if (!setjmp(png_jmpbuf(r.png))) {
		png_set_write_fn(r.png, &f, give, flush);
		png_set_user_limits(r.png, 0x7fffffff, 0x7fffffff);
		png_set_compression_buffer_size(r.png, 1 << 16);
		png_set_IHDR(r.png, r.info, (png_uint_32)width, (png_uint_32)height, bits,
		             channels == 1 ? PNG_COLOR_TYPE_GRAY : channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_RGB_ALPHA,
		             PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
		png_write_info(r.png, r.info);
		if (bits == 16)
			png_set_swap(r.png);
		for (int64_t y = 0; y < height; y++)
			png_write_row(r.png, (png_const_bytep)pixels + (size_t)y * row);
		png_write_end(r.png, NULL);
		r.done = true;
	} else if (r.error[0]) {
		fail(XIO, "cannot write %s: %s", path, r.error);
	}
	png_destroy_write_struct(&r.png, &r.info);
	if (!r.done) {
		outfile_abort(&f);
		return false;
	}
	return outfile_commit(&f);
}
