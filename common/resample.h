/* resample: nnU-Net's resampling functions (contract 2.5), in double, [z][y][x] arrays.
 *
 * skimage's resize (mode edge, no anti-aliasing, clip to the range of what was passed), separate-z with its own order
 * across the coarse axis, per-label rules for segmentations, and torch's interpolate. */
#ifndef COMMON_RESAMPLE_H
#define COMMON_RESAMPLE_H
#include "common/plans.h"

/* The coarse axis that is resampled on its own, or -1 (contract 2.5 "separate-z decision"). */
int resample_separate_axis(const struct resampler *r, const double spacing[3], const double new_spacing[3]);

/* New planes out_lo..out_hi along one axis, and old planes in_lo..in_hi that they are made of. */
struct resample_part { int axis; int64_t out_lo, out_hi, in_lo, in_hi; };

/* Whether any plane of that axis needs all old planes: splines and their clipping reach through the volume. */
bool resample_whole(const struct resampler *r, int axis, const double spacing[3], const double new_spacing[3]);
/* Whether new values are weighted means of old ones for any pair of grids, so that what is affine commutes with it. */
bool resample_linear(const struct resampler *r);
/* Sets in_lo and in_hi. */
void resample_reach(struct resample_part *part, const int64_t out_shape[3], const int64_t in_shape[3], const struct resampler *r,
                    const double spacing[3], const double new_spacing[3]);

/* One fp32 volume per channel: in [channels][in_shape], out [channels][out_shape]; not overlapping.
 * Equal shapes: a bit-exact copy.  spacing belongs to in, new_spacing to out.
 * half_out: round results to half precision (the default resampler applied to half logits, contract 5.7).
 * part: NULL, or what the arrays hold of the grids; the values are those of the whole.
 * fail()s XDATA when it needs more than memory_limit at once. */
bool resample_float(float *out, const int64_t out_shape[3], const float *in, const int64_t in_shape[3], int64_t channels,
                    const struct resampler *r, const double spacing[3], const double new_spacing[3], bool half_out,
                    const struct resample_part *part);
/* A segmentation (values may be -1): contract 2.5 "Seg resize". */
void resample_seg(int16_t *out, const int64_t out_shape[3], const int16_t *in, const int64_t in_shape[3],
                  const struct resampler *r, const double spacing[3], const double new_spacing[3]);
/* Contract 2.3: round-half-even(spacing / target * length) per axis; -1 for what is no length. */
void resample_shape(int64_t out[3], const int64_t shape[3], const double spacing[3], const double target[3]);
#endif
