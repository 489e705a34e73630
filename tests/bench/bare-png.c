/* The least that reading a PNG can cost: libpng, row after row into the same buffer.
 * usage: bare-png FILE... */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <png.h>

static int read_one(const char *path)
{
	png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
	png_infop info = png ? png_create_info_struct(png) : NULL;
	FILE *volatile in = fopen(path, "rb");
	png_bytep volatile row = NULL;
	volatile int ok = 0;

	if (info && in && !setjmp(png_jmpbuf(png))) {
		png_init_io(png, in);
		png_read_info(png, info);
		row = malloc(png_get_rowbytes(png, info));
		for (png_uint_32 y = 0; row && y < png_get_image_height(png, info); y++)
			png_read_row(png, row, NULL);
		ok = row != NULL;
	}
	free(row);
	if (in)
		fclose(in);
	png_destroy_read_struct(&png, &info, NULL);
	return ok;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!read_one(argv[i])) {
			fprintf(stderr, "bare-png: cannot read %s\n", argv[i]);
			return 3;
		}
	return argc < 2;
}
