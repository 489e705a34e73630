/* intensity: nnU-Net's five normalisations of one channel, in place (contract 2.4). */
#ifndef COMMON_INTENSITY_H
#define COMMON_INTENSITY_H
#include "common/plans.h"

/* x: [n] voxels of the cropped channel; mask: [n], nonzero where statistics are taken and values changed, or NULL for
 * everywhere (only NORM_ZSCORE looks at it); s: of the plan (only NORM_CT).
 * Statistics are accumulated in double and applied in single precision.
 * fail()s XDATA when RGB values are not in 0..255 and when nothing but NaN comes out. */
bool normalize_channel(float *x, size_t n, enum norm_scheme scheme, const unsigned char *mask, const struct intensities *s);
#endif
