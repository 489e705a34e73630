#include <math.h>
#include "common/die.h"
#include "common/intensity.h"

static const float eps = 1e-8f;

static float largest_of(float a, float b) { return a > b || isnan(a) ? a : b; }

/* (x - mean) / standard deviation (of the population), over and of the voxels in the mask. */
static void zscore(float *x, size_t n, const unsigned char *mask)
{
	double sum = 0, squares = 0, mean;
	size_t count = 0;
	float shift, scale;

	for (size_t i = 0; i < n; i++)
		if (!mask || mask[i]) {
			sum += x[i];
			count++;
		}
	if (!count)
		return;
	mean = sum / (double)count;
	for (size_t i = 0; i < n; i++)
		if (!mask || mask[i])
			squares += (x[i] - mean) * (x[i] - mean);
	shift = (float)mean;
	scale = largest_of((float)sqrt(squares / (double)count), eps);
	for (size_t i = 0; i < n; i++)
		if (!mask || mask[i])
			x[i] = (x[i] - shift) / scale;
}

/* Clip to the percentiles of the training set's foreground, then its mean and standard deviation. */
static void ct(float *x, size_t n, const struct intensities *s)
{
	float lo = (float)s->percentile_00_5, hi = (float)s->percentile_99_5;
	float shift = (float)s->mean, scale = largest_of((float)s->std, eps);

	for (size_t i = 0; i < n; i++) {
		float v = x[i] < lo ? lo : x[i] > hi ? hi : x[i];
		x[i] = (v - shift) / scale;
	}
}

/* x - min, then divided by what has become the maximum. */
static void rescale(float *x, size_t n)
{
	float min = INFINITY, max = -INFINITY, scale;

	for (size_t i = 0; i < n; i++) {
		min = isnan(x[i]) || x[i] < min ? x[i] : min;
		max = isnan(x[i]) || x[i] > max ? x[i] : max;
	}
	scale = largest_of(max - min, eps);
	for (size_t i = 0; i < n; i++)
		x[i] = (x[i] - min) / scale;
}

static bool rgb(float *x, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!(x[i] >= 0 && x[i] <= 255))
			return fail(XDATA, "RGBTo01Normalization takes values from 0 to 255, the image holds %g", x[i]);
		x[i] /= 255;
	}
	return true;
}

bool normalize_channel(float *x, size_t n, enum norm_scheme scheme, const unsigned char *mask, const struct intensities *s)
{
	size_t bad = 0, after = 0;

	for (size_t i = 0; i < n; i++)
		bad += !isfinite(x[i]);
	switch (scheme) {
	case NORM_ZSCORE:
		zscore(x, n, mask);
		break;
	case NORM_CT:
		ct(x, n, s);
		break;
	case NORM_NONE:
		break;
	case NORM_RESCALE_0_1:
		rescale(x, n);
		break;
	case NORM_RGB_0_1:
		if (!rgb(x, n))
			return false;
		break;
	}
	for (size_t i = 0; bad && i < n; i++)
		after += isnan(x[i]) != 0;
	if (bad && after == n)
		return fail(XDATA, "normalized, it is NaN everywhere; the image holds %zu voxels that are NaN or infinite", bad);
	return true;
}
