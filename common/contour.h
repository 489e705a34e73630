/* contour: voxels of a mask and of its contour, counted while rows of a volume go by.
 *
 * The contour is the dilation of the mask by its eight neighbours within a slice, without the mask itself; what lies
 * outside the slice is background (contract 9.6).  Rows come in the order of the file, whatever the slabs. */
#ifndef COMMON_CONTOUR_H
#define COMMON_CONTOUR_H
#include <stdbool.h>
#include <stdint.h>

struct contour {
	int64_t mask, ring;          /* voxels of the mask and of the contour so far */
	int64_t width;               /* private from here on */
	unsigned char *wide[3];      /* the row above the last, the last, the next: each widened to the left and right */
	unsigned char *last;         /* the last row itself */
	bool begun;                  /* a row of this slice has come */
};

void contour_begin(struct contour *c, int64_t width);
void contour_row(struct contour *c, const unsigned char *mask);   /* mask: [width] of 0 and 1 */
void contour_slice_end(struct contour *c);                        /* after the last row of every slice */
void contour_free(struct contour *c);
#endif
