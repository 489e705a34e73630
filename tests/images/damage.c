/* Damaged PNG and NIfTI files. */
#include "tests/images/damage.h"

enum { X = 19, Y = 13, Z = 3 };

int main(void)
{
	unsigned char pixels[Y * X * 3];
	float map[Z * Y * X];
	struct frame f = {0};
	int64_t shape[3] = { Z, Y, X };
	double spacing[3] = { 8, 1.25, 1.5 };

	limit_memory();
	for (size_t i = 0; i < sizeof pixels; i++)
		pixels[i] = (unsigned char)draw();
	for (size_t i = 0; i < Z * Y * X; i++)
		map[i] = (float)draw() / 1e6f;
	frame_reset(&f, "noise");
	frame_grid(&f, shape, spacing, 0);
	if (!png_write("rgb.png", pixels, X, Y, 3, 8) || !png_write("grey16.png", pixels, X, Y, 1, 16) ||
	    !image_write_map("plain.nii", &f, map) || !image_write_map("packed.nii.gz", &f, map))
		die_failed();
	damage("rgb.png", false, 0);
	damage("rgb.png", true, 0);
	damage("grey16.png", true, 0);
	damage("plain.nii", false, 0);
	damage("packed.nii.gz", false, 0);
	frame_free(&f);
	return 0;
}
