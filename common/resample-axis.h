/* resample-axis: where the samples of a new grid read the old one, an axis at a time (contract 2.5). Private to
 * resample.c and resample-seg.c. */
#ifndef COMMON_RESAMPLE_AXIS_H
#define COMMON_RESAMPLE_AXIS_H
#include "common/resample.h"

enum { SPLINE_PAD = 12 };       /* copies of each end value that scipy's splines see */
enum taps { NEAREST, LINEAR, CUBIC, NEAREST_TORCH, LINEAR_TORCH };

struct axis {
	int64_t n, m;            /* old and new length */
	int taps;                /* 1, 2 or 4; 1 when n == m */
	bool identity;           /* n == m */
	int64_t *first;          /* [m]: the first tap; cubic: on the padded line; linear: one after the last is the last */
	double *weight;          /* [m][taps] */
};

void axis_make(struct axis *a, int64_t n, int64_t m, enum taps kind);
void axis_free(struct axis *a);
/* Leaves new samples lo..hi and old ones from `first` on, of which there are n. */
void axis_cut(struct axis *a, int64_t lo, int64_t hi, int64_t first, int64_t n);
/* Which taps a resampler uses in all axes or in a slice, and along the axis that it resamples on its own. */
enum taps taps_in_slice(const struct resampler *r);
enum taps taps_across(const struct resampler *r);
#endif
