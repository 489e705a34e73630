/* properties: the .pkl that nnU-Net writes beside an .npz of probabilities: how the case was cropped, and its geometry. */
#ifndef COMMON_PROPERTIES_H
#define COMMON_PROPERTIES_H
#include <stdbool.h>
#include <stdint.h>

struct properties {
	double spacing[3];                       /* z, y, x of the array as nnU-Net read it (mm) */
	bool has_crop;                           /* both of the next are there */
	int64_t shape_before_cropping[3];        /* of the transposed array (contract 2.1) */
	int64_t bbox[3][2];                      /* bbox_used_for_cropping, half open, in those axes */
	int sitk_dims;                           /* sitk_stuff: 2 or 3 axes x, y, z; 0 if missing */
	double sitk_spacing[3], sitk_origin[3], sitk_direction[9];      /* direction: dims x dims, row by row */
	bool has_affine;                         /* nibabel_stuff.original_affine */
	double affine[4][4];
};

/* fail()s XDATA ("FILE: cause") or XIO; nothing in the file is executed (see pickle.h). */
bool pkl_properties(struct properties *p, const char *path);
#endif
