/* crop: the box of what is not zero, and the mask whose holes are filled (contract 2.2). */
#ifndef COMMON_CROP_H
#define COMMON_CROP_H
#include <stdint.h>

/* The tight half-open box of the voxels that are not zero (NaN is not) in some channel; image: [channels][shape].
 * The whole grid if there are none. */
void crop_box(int64_t lo[3], int64_t hi[3], const float *image, int64_t channels, const int64_t shape[3]);

/* mask: [shape], 0 or 1.  Zeros that no path of zeros over voxel faces connects with a face of the grid become 1.
 * For a mask cropped to its box that is the same as for the whole one. */
void crop_fill_holes(unsigned char *mask, const int64_t shape[3]);
#endif
