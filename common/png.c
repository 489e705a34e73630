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

/* A picture to write: rows of packed samples. */
struct picture {
	const void *pixels;
	int64_t width, height;
	int type, channels, bits;               /* a colour type of libpng */
	png_color palette[256];
	int n_colours;
	const char *text;                       /* NULL: none */
};

static void encode(png_structp png, png_infop info, const struct picture *p)
{
	size_t row = (size_t)p->width * (size_t)p->channels * (size_t)p->bits / 8;

	png_set_user_limits(png, 0x7fffffff, 0x7fffffff);
	png_set_compression_buffer_size(png, 1 << 16);
	png_set_IHDR(png, info, (png_uint_32)p->width, (png_uint_32)p->height, p->bits, p->type, PNG_INTERLACE_NONE,
	             PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	if (p->n_colours)
		png_set_PLTE(png, info, p->palette, p->n_colours);
	if (p->text) {
		char key[] = "Description";
		png_text text = { .compression = PNG_ITXT_COMPRESSION_NONE, .key = key, .text = (char *)p->text };
		png_set_text(png, info, &text, 1);
	}
	png_write_info(png, info);
	if (p->bits == 16)
		png_set_swap(png);
	for (int64_t y = 0; y < p->height; y++)
		png_write_row(png, (png_const_bytep)p->pixels + (size_t)y * row);
	png_write_end(png, NULL);
}

static bool write_picture(const char *path, const struct picture *p)
{
	struct reading r = { .path = path };
	struct outfile f;

	if (p->width > 0x7fffffff || p->height > 0x7fffffff)
		return fail(XDATA, "%s: a picture of %lld x %lld pixels does not fit into a PNG", path, (long long)p->width,
			(long long)p->height);
	if (!outfile_open(&f, path))
		return false;
	r.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &r, on_error, on_warning);
	r.info = r.png ? png_create_info_struct(r.png) : NULL;
	if (!r.info)
		die(XIO, "out of memory");
	if (!setjmp(png_jmpbuf(r.png))) {
		png_set_write_fn(r.png, &f, give, flush);
		encode(r.png, r.info, p);
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

bool png_write(const char *path, const void *pixels, int64_t width, int64_t height, int channels, int bits)
{
	struct picture p = { .pixels = pixels, .width = width, .height = height, .channels = channels, .bits = bits };

	p.type = channels == 1 ? PNG_COLOR_TYPE_GRAY : channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_RGB_ALPHA;
	return write_picture(path, &p);
}

/* index [n]: each pixel's place in the palette, which has the colours in the order of their occurrence; false if there are
 * more than 256. */
static bool make_palette(struct picture *p, unsigned char *index, const unsigned char *rgb, size_t n)
{
	for (size_t i = 0; i < n; i++, rgb += 3) {
		int c = 0;
		while (c < p->n_colours &&
		       (p->palette[c].red != rgb[0] || p->palette[c].green != rgb[1] || p->palette[c].blue != rgb[2]))
			c++;
		if (c == 256)
			return false;
		if (c == p->n_colours)
			p->palette[p->n_colours++] = (png_color){ rgb[0], rgb[1], rgb[2] };
		index[i] = (unsigned char)c;
	}
	return true;
}

bool png_write_described(const char *path, const unsigned char *rgb, int64_t width, int64_t height, const char *text)
{
	struct picture p = { .width = width, .height = height, .bits = 8, .text = text };
	size_t n = (size_t)width * (size_t)height;
	unsigned char *index = xmalloc(n, 1);
	bool ok;

	if (make_palette(&p, index, rgb, n)) {
		p.type = PNG_COLOR_TYPE_PALETTE;
		p.channels = 1;
		p.pixels = index;
	} else {
		p.type = PNG_COLOR_TYPE_RGB;
		p.channels = 3;
		p.n_colours = 0;
		p.pixels = rgb;
	}
	ok = write_picture(path, &p);
	free(index);
	return ok;
}
