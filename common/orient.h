/* orient: what the reader class of a plan makes of a volume that was read as it stands in its file (contract 1.4).
 *
 * SimpleITKIO, NaturalImage2DIO, Tiff3DIO: nothing.  NibabelIO: spacing as the header has it, whatever its unit; NaN and
 * infinity are kept.  NibabelIOWithReorient: also turned to the closest canonical axes (to right, anterior, superior).
 * SimpleITKIOWithReorient: turned to the same axes by ITK's rule of what is closest. */
#ifndef COMMON_ORIENT_H
#define COMMON_ORIENT_H
#include "common/frame.h"

struct orientation {
	int axis[3];             /* axis i of the turned volume is axis[i] of the file's z, y, x ... */
	bool flip[3];            /* ... and runs against it */
	double spacing_mm[3];    /* along the file's axes, as the reader gives it */
	bool keeps_nonfinite;
};

/* reader: name of the class, NULL for none.  fail()s XDATA: a picture or a flat file has no orientation. */
bool orient_find(struct orientation *o, const struct frame *f, const char *reader);

/* a: affine in RAS.  nibabel: out_axis[j] is the axis (0 right, 1 anterior, 2 superior) along which file axis j (x, y, z)
 * changes most after removing shear, sign[j] its direction; itk: largest cosine first. */
bool orient_closest_nibabel(int out_axis[3], int sign[3], double a[3][4]);
bool orient_closest_itk(int out_axis[3], int sign[3], double a[3][4]);
#endif
