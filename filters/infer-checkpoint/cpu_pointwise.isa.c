#include <math.h>
#include <string.h>
#include "filters/infer-checkpoint/cpu_vector.h"

/* Mean and sum of squared deviations of n pixels, all in double. */
static void moments_in_double(wide *mean, wide *squares, const float *x, size_t n, float slope)
{
	wide m = {0}, m2 = {0};

	for (size_t i = 0; i < n; i++)
		m += __builtin_convertvector(leaky(load(x + i * LANES), slope), wide);
	m /= (double)n;
	for (size_t i = 0; i < n; i++) {
		wide d = __builtin_convertvector(leaky(load(x + i * LANES), slope), wide) - m;
		m2 += d * d;
	}
	*mean = m;
	*squares = m2;
}

INLINE bool finite(vec v)
{
	bool all = true;

	for (int o = 0; o < LANES; o++)
		all &= v[o] < INFINITY;
	return all;
}

/* Each run of pixels that fits the first-level cache gives its mean and sum of squared deviations in two passes; runs are
 * joined in double by the formula of Chan, Golub and LeVeque (1983):
 *   M2 = M2a + M2b + (mean_b - mean_a)^2 n_a n_b / (n_a + n_b)
 * so a mean far from 0 or a few odd pixels cost no digits.  A run whose squares are beyond a float is done in double. */
static void moments(double *to, const float *x, size_t pixels, float slope)
{
	enum { RUN = 256 };
	wide m = {0}, m2 = {0};

	for (size_t done = 0; done < pixels;) {
		size_t n = pixels - done < RUN ? pixels - done : RUN;
		const float *run = x + done * LANES;
		vec sum[4] = { {0} }, rest = {0}, square[4] = { {0} };
		size_t i = 0;
		for (; i + 4 <= n; i += 4)
#pragma GCC unroll 4
			for (size_t u = 0; u < 4; u++)
				sum[u] += leaky(load(run + (i + u) * LANES), slope);
		for (; i < n; i++)
			sum[0] += leaky(load(run + i * LANES), slope);
		vec centre = ((sum[0] + sum[1]) + (sum[2] + sum[3])) * (1.0f / (float)n);
		for (i = 0; i + 4 <= n; i += 4)
#pragma GCC unroll 4
			for (size_t u = 0; u < 4; u++) {
				vec d = leaky(load(run + (i + u) * LANES), slope) - centre;
				rest += d;
				square[u] += d * d;
			}
		for (; i < n; i++) {
			vec d = leaky(load(run + i * LANES), slope) - centre;
			rest += d;
			square[0] += d * d;
		}
		/* The centre is rounded: what it misses of the mean is `rest` / n. */
		wide r = __builtin_convertvector(rest, wide) / (double)n;
		wide run_m = __builtin_convertvector(centre, wide) + r;
		vec squares = (square[0] + square[1]) + (square[2] + square[3]);
		wide run_m2 = __builtin_convertvector(squares, wide) - r * r * (double)n;
		if (!finite(squares))
			moments_in_double(&run_m, &run_m2, run, n, slope);
		wide delta = run_m - m;
		m += delta * ((double)n / (double)(done + n));
		m2 += run_m2 + delta * delta * ((double)n * (double)done / (double)(done + n));
		done += n;
	}
	memcpy(to, &m, sizeof m);
	memcpy(to + LANES, &m2, sizeof m2);
}

INLINE void apply_as(float *x, size_t pixels, vec scale, vec shift, const float *residual, float before, float after,
                     const bool first, const bool add)
{
	for (size_t i = 0; i < pixels * LANES; i += LANES) {
		vec v = load(x + i);
		if (first)
			v = leaky(v, before);
		v = v * scale + shift;
		if (add)
			v += load(residual + i);
		store(x + i, leaky(v, after));
	}
}

static void apply(float *x, size_t pixels, const float *scale, const float *shift, const float *residual, float before,
                  float after)
{
	vec a = load(scale), b = load(shift);

	if (before != 1)
		apply_as(x, pixels, a, b, residual, before, after, true, residual != NULL);
	else if (residual)
		apply_as(x, pixels, a, b, residual, before, after, false, true);
	else
		apply_as(x, pixels, a, b, NULL, before, after, false, false);
}

static void pool(float *out, const int size[3], const float *x, const int in_size[3], const int stride[3])
{
	float share = 1.0f / (float)(stride[0] * stride[1] * stride[2]);

	for (int z = 0; z < size[0]; z++)
		for (int y = 0; y < size[1]; y++)
			for (int i = 0; i < size[2]; i++, out += LANES) {
				vec sum = {0};
				for (int kz = 0; kz < stride[0]; kz++)
					for (int ky = 0; ky < stride[1]; ky++)
						for (int kx = 0; kx < stride[2]; kx++) {
							int row = (z * stride[0] + kz) * in_size[1] + y * stride[1] + ky;
							int pixel = row * in_size[2] + i * stride[2] + kx;
							sum += load(x + (size_t)pixel * LANES);
						}
				store(out, sum * share);
			}
}

const struct kernels FN(kernels) = {
	LANES, PAIR, FN(gemm), FN(stage), FN(winograd_in), FN(winograd_out), moments, apply, pool,
};
