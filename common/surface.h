/* surface: distances in mm between the boundaries of two masks: Hausdorff's 95th percentile and the surface Dice.
 *
 * The boundary of a mask: its voxels that have a face neighbour outside it (in the slice alone where the grid has one plane);
 * what lies outside the grid is outside the mask.  Distances are exact and go from voxel centre to voxel centre. */
#ifndef COMMON_SURFACE_H
#define COMMON_SURFACE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* out: [shape], 1 on the boundary of mask [shape], else 0; the number of ones.  flat: only neighbours in a slice count. */
int64_t surface_boundary(unsigned char *out, const unsigned char *mask, const int64_t shape[3], bool flat);

/* out: [shape], the square of the distance in mm to the nearest nonzero voxel of mask [shape]; infinity without any.
 * Axis by axis, the lower envelope of parabolas (Felzenszwalb and Huttenlocher, Theory of Computing 8, 2012). */
void surface_distance2(double *out, const unsigned char *mask, const int64_t shape[3], const double spacing_mm[3]);

/* a, b: [shape], nonzero inside; the grid may be cut to a box around both.  flat: the whole grid has one plane.
 * D: the distances of each boundary voxel of a to the boundary of b and of b to a, in one list.
 * *hd95: the 95th percentile of D, linear between ranks (as medpy's hd95, which nnU-Net v1 reported).
 * *dice: the share of D that is at most tolerance_mm (Nikolov et al. 2018, boundary voxels in place of surface elements).
 * NaN when both masks are empty; infinity and 0 when one is.  fail()s XDATA when it needs more than memory_limit. */
bool surface_compare(double *hd95, double *dice, const unsigned char *a, const unsigned char *b, const int64_t shape[3],
                     bool flat, const double spacing_mm[3], double tolerance_mm);
#endif
