/* contour: voxels of a mask and of its contour, and the contour's length, counted while rows of a volume go by.
 *
 * The contour is the dilation of the mask by its eight neighbours within a slice, without the mask itself; what lies
 * outside the slice is background (contract 9.6).  Its length in mm is that of the polygon through the middles between
 * neighbouring pixels of which one belongs to the mask and the other does not (marching squares at one half), drawn on to
 * the edge of the slice; the edge itself does not count.  Rows come in the order of the file, whatever the slabs. */
#ifndef COMMON_CONTOUR_H
#define COMMON_CONTOUR_H
#include <stdbool.h>
#include <stdint.h>

struct contour_counts {
	int64_t mask, ring;          /* voxels of the mask and of the contour */
	int64_t diagonal;            /* lengths in units of half a pixel's diagonal, half its width and half its height */
	int64_t half_x, half_y;
};

struct contour {
	struct contour_counts all;   /* of the slices that have ended */
	struct contour_counts slice; /* of the last slice */
	int64_t width;               /* private from here on */
	bool lengths;
	unsigned char *wide[3];      /* the row above the last, the last, the next: each widened to the left and right */
	unsigned char *last;         /* the last row itself */
	unsigned char *none;         /* a row of zeros */
	bool begun;                  /* a row of this slice has come */
	int blank;                   /* rows without the mask since the last with it; the slice's edge counts as two */
};

void contour_begin(struct contour *c, int64_t width, bool lengths);   /* lengths: count them, too */
void contour_row(struct contour *c, const unsigned char *mask);       /* mask: [width] of 0 and 1; NULL: all 0 */
void contour_slice_end(struct contour *c);                            /* after the last row of every slice */
void contour_add(struct contour_counts *to, const struct contour_counts *n);
double contour_mm(const struct contour_counts *n, double spacing_y, double spacing_x);
void contour_free(struct contour *c);
#endif
