/* windows: where the sliding window stands, how its voxels count, how it is mirrored (contract 5.2 to 5.5). */
#ifndef WINDOWS_H
#define WINDOWS_H
#include <stdbool.h>
#include <stdint.h>

struct windows {
	int n;
	int count[3];            /* of places along each axis */
	int64_t *place[3];       /* corners on each axis; negative where the image is smaller than the patch */
	int order[3];            /* axes, the slowest first */
};

/* In nnU-Net's order, z slowest.  step: the largest distance of two windows as a share of the patch.  slices: the windows of
 * a 2d configuration, every plane on its own.  fail()s XDATA when there are too many. */
bool windows_make(struct windows *w, const int64_t shape[3], const int64_t patch[3], double step, bool slices);
/* Orders new windows by their place on one axis, ascending or (down) descending, and as before where that is equal. */
void windows_sort(struct windows *w, int axis, bool down);
/* Which place window i has on each of the axes in `order`; and its corner. */
void windows_index(int index[3], const struct windows *w, int i);
void windows_at(int64_t origin[3], const struct windows *w, int i);
void windows_free(struct windows *w);

/* weight [patch]: Gaussian in half precision without zeros, or all 1. */
void windows_weight(float *weight, const int64_t patch[3], bool gaussian);

/* All subsets of n axes, the empty one first, then by size and lexicographically; bit a of a subset: axis a is mirrored.
 * Returns their number, 2^n. */
int windows_mirrors(unsigned subset[8], const int axis[3], int n);
#endif
