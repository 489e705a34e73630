/* Damaged BMP and TIFF files. */
#include "tests/images/damage.h"

enum { X = 7, Y = 5, Z = 3 };

int main(void)
{
	unsigned char pixels[Y * X];
	uint16_t label[Z * Y * X];
	float map[Z * Y * X];
	struct frame f = {0};
	int64_t shape[3] = { Z, Y, X };
	double spacing[3] = { 8, 1.25, 1.5 };

	limit_memory();
	for (size_t i = 0; i < sizeof pixels; i++)
		pixels[i] = (unsigned char)draw();
	for (size_t i = 0; i < Z * Y * X; i++) {
		map[i] = (float)draw() / 1e6f;
		label[i] = (uint16_t)draw();
	}
	frame_reset(&f, "noise");
	frame_grid(&f, shape, spacing, 0);
	if (!bmp_write("grey.bmp", pixels, X, Y) || !image_write_map("map.tif", &f, map) ||
	    !image_write_label("label.tiff", &f, label, DT_U2))
		die_failed();
	damage("grey.bmp", false, 0);
	damage("map.tif", false, 0);
	damage("label.tiff", false, 0);
	frame_free(&f);
	return 0;
}
