/* Damaged NRRD and MetaImage files: compressed and not, and headers apart from their voxels. */
#include "tests/images/damage.h"

enum { X = 7, Y = 5, Z = 3 };

/* A header and voxels that are not compressed. */
static void put_raw(const char *path, const char *header, const float *map)
{
	char *text = xmalloc(strlen(header) + Z * Y * X * sizeof *map, 1);

	memcpy(text, header, strlen(header));
	memcpy(text + strlen(header), map, Z * Y * X * sizeof *map);
	put(path, text, strlen(header) + Z * Y * X * sizeof *map);
	free(text);
}

int main(void)
{
	float map[Z * Y * X];
	struct frame f = {0};
	int64_t shape[3] = { Z, Y, X };
	double spacing[3] = { 8, 1.25, 1.5 };

	limit_memory();
	for (size_t i = 0; i < Z * Y * X; i++)
		map[i] = (float)draw() / 1e6f;
	frame_reset(&f, "noise");
	frame_grid(&f, shape, spacing, 0);
	if (!image_write_map("packed.mha", &f, map) || !image_write_map("packed.nrrd", &f, map) ||
	    !image_write_map("apart.mhd", &f, map) || !image_write_map("apart.nhdr", &f, map))
		die_failed();
	put_raw("plain.mha", "NDims = 3\nDimSize = 7 5 3\nElementSpacing = 1.5 1.25 8\nElementType = MET_FLOAT\n"
	        "ElementDataFile = LOCAL\n", map);
	put_raw("plain.nrrd", "NRRD0005\ntype: float\ndimension: 3\nsizes: 7 5 3\nspace: RAS\n"
	        "space directions: (1.5,0,0) (0,1.25,0) (0,0,8)\nspace origin: (1,2,3)\nendian: little\nencoding: raw\n\n", map);
	damage("packed.mha", false, 0);
	damage("packed.nrrd", false, 0);
	damage("plain.mha", false, 0);
	damage("plain.nrrd", false, 0);
	damage("apart.mhd", false, 1);          /* the end of its last line */
	damage("apart.nhdr", false, 2);         /* and an empty line */
	frame_free(&f);
	return 0;
}
