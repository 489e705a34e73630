#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/resample-axis.h"

void resample_shape(int64_t out[3], const int64_t shape[3], const double spacing[3], const double target[3])
{
	for (int i = 0; i < 3; i++) {
		double n = rint(spacing[i] / target[i] * (double)shape[i]);     /* half to even, as Python's round() */
		out[i] = n >= 0 && n < 0x1p53 ? (int64_t)n : -1;
	}
}

/* The only axis whose spacing is the largest, or -1. */
static int coarsest(const double spacing[3])
{
	double max = fmax(spacing[0], fmax(spacing[1], spacing[2]));
	int axis = -1, n = 0;

	for (int i = 0; i < 3; i++)
		if (max / spacing[i] == 1) {
			axis = i;
			n++;
		}
	return n == 1 ? axis : -1;
}

static bool anisotropic(const double spacing[3])
{
	return fmax(spacing[0], fmax(spacing[1], spacing[2])) / fmin(spacing[0], fmin(spacing[1], spacing[2])) > 3;
}

int resample_separate_axis(const struct resampler *r, const double spacing[3], const double new_spacing[3])
{
	if (r->kind == RESAMPLE_TORCH_SIMPLE || r->kind == RESAMPLE_IDENTITY || r->force_separate_z == 0)
		return -1;
	if (r->force_separate_z > 0 || anisotropic(spacing))
		return coarsest(spacing);
	return anisotropic(new_spacing) ? coarsest(new_spacing) : -1;
}

/* The four values of the cubic B-spline around a point that is t past the second. */
static void spline_weights(double w[4], double t)
{
	double s = 1 - t;

	w[0] = s * s * s / 6;
	w[1] = 2.0 / 3 - t * t * (2 - t) / 2;
	w[2] = 2.0 / 3 - s * s * (2 - s) / 2;
	w[3] = t * t * t / 6;
}

void axis_make(struct axis *a, int64_t n, int64_t m, enum taps kind)
{
	double scale = (double)n / (double)m;
	float scale_f = (float)n / (float)m;            /* torch computes coordinates in single precision */

	*a = (struct axis){ .n = n, .m = m, .taps = kind == CUBIC ? 4 : 2, .identity = n == m };
	if (n == m || kind == NEAREST || kind == NEAREST_TORCH)
		a->taps = 1;
	a->first = xmalloc((size_t)m, sizeof *a->first);
	a->weight = xmalloc((size_t)m, (size_t)a->taps * sizeof *a->weight);
	for (int64_t k = 0; k < m; k++) {
		double c = scale * ((double)k + 0.5) - 0.5, *w = a->weight + k * a->taps;
		float f = scale_f * ((float)k + 0.5f) - 0.5f;
		if (a->taps == 1) {
			if (kind == NEAREST_TORCH)
				c = floor(scale_f * ((float)k + 0.5f));
			a->first[k] = (int64_t)floor(fmin(fmax(c, 0), (double)n - 1) + (kind == NEAREST_TORCH ? 0 : 0.5));
			*w = 1;
			continue;
		}
		if (kind == LINEAR_TORCH)
			c = f;
		if (kind == CUBIC)
			c += SPLINE_PAD;
		else
			c = fmin(fmax(c, 0), (double)n - 1);
		a->first[k] = (int64_t)floor(c) - (kind == CUBIC);
		if (kind == CUBIC) {
			spline_weights(w, c - floor(c));
			continue;
		}
		w[1] = c - floor(c);
		w[0] = kind == LINEAR_TORCH ? 1 - (float)w[1] : 1 - w[1];
	}
}

void axis_cut(struct axis *a, int64_t lo, int64_t hi, int64_t first, int64_t n)
{
	memmove(a->weight, a->weight + lo * a->taps, (size_t)((hi - lo) * a->taps) * sizeof *a->weight);
	for (int64_t k = lo; k < hi; k++)
		a->first[k - lo] = a->first[k] - first;
	a->n = n;
	a->m = hi - lo;
}

void axis_free(struct axis *a)
{
	free(a->first);
	free(a->weight);
}

static bool is_torch(const struct resampler *r) { return r->kind == RESAMPLE_TORCH || r->kind == RESAMPLE_TORCH_SIMPLE; }

enum taps taps_in_slice(const struct resampler *r)
{
	if (is_torch(r))
		return LINEAR_TORCH;
	return r->order == 0 ? NEAREST : r->order == 1 ? LINEAR : CUBIC;
}

enum taps taps_across(const struct resampler *r)
{
	if (is_torch(r))
		return NEAREST_TORCH;
	return r->order_z == 0 ? NEAREST : r->order_z == 1 ? LINEAR : CUBIC;
}
