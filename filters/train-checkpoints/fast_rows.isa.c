#include <string.h>
#include "filters/train-checkpoints/fast_vector.h"

INLINE void copy_as(float *to, const float *from, int n, size_t step, const struct norm *a, const int WIDTH)
{
	if (!a) {
		for (int p = 0; p < n; p++)
			memcpy(to + (size_t)p * LANES, from + (size_t)p * step, sizeof(float) * (size_t)WIDTH);
		return;
	}
	if (WIDTH == LANES) {
		vec scale = load(a->scale), shift = load(a->shift), slope = splat(a->slope);
		for (int p = 0; p < n; p++)
			store(to + (size_t)p * LANES, normed(load(from + (size_t)p * step), scale, shift, slope));
		return;
	}
	for (int p = 0; p < n; p++)
		for (int c = 0; c < WIDTH; c++) {
			float t = from[(size_t)p * step + (size_t)c] * a->scale[c] + a->shift[c];
			to[(size_t)p * LANES + (size_t)c] = t > t * a->slope ? t : t * a->slope;
		}
}

static void copy(float *to, const float *from, int n, size_t step, int width, const struct norm *a)
{
	if (width == LANES)
		copy_as(to, from, n, step, a, LANES);
	else
		copy_as(to, from, n, step, a, LANES / 2);
}

static void spread(float *to, size_t step, const float *from, int n, bool add)
{
	if (add)
		for (int p = 0; p < n; p++, to += step, from += LANES)
			store(to, load(to) + load(from));
	else
		for (int p = 0; p < n; p++, to += step, from += LANES)
			store(to, load(from));
}

static void join(float *to, const float *x, const struct norm *a, const float *residual, const struct norm *r, size_t pixels)
{
	vec scale = load(a->scale), shift = load(a->shift), slope = splat(a->slope);
	vec r_scale = r ? load(r->scale) : splat(1), r_shift = r ? load(r->shift) : splat(0), r_slope = splat(r ? r->slope : 1);

	for (size_t i = 0; i < pixels * LANES; i += LANES) {
		vec t = load(x + i) * scale + shift + normed(load(residual + i), r_scale, r_shift, r_slope);
		store(to + i, larger(t, t * slope));
	}
}

static void leaky_back(float *d, const float *out, float slope, size_t pixels)
{
	vec s = splat(slope);

	for (size_t i = 0; i < pixels * LANES; i += LANES)
		store(d + i, gated(load(d + i), load(out + i), s));
}

static void add(float *to, const float *x, size_t pixels)
{
	for (size_t i = 0; i < pixels * LANES; i += LANES)
		store(to + i, load(to + i) + load(x + i));
}

enum { RUN = 256 };             /* pixels whose sums are kept in fp32, before they are added in double */

static void norm_sums(double *dz, double *dz_x, const float *d, const float *x, const struct norm *a, const struct norm_lanes *l,
                      size_t pixels)
{
	vec scale = load(a->scale), shift = load(a->shift), slope = splat(a->slope), mean = load(l->mean), rstd = load(l->rstd);
	wide total = {0}, total_x = {0};

	for (size_t done = 0, n; done < pixels; done += n) {
		vec sum[2] = { {0} }, sum_x[2] = { {0} };
		n = pixels - done < RUN ? pixels - done : RUN;
		for (size_t i = done; i < done + n; i++) {
			vec v = load(x + i * LANES), g = gated(load(d + i * LANES), v * scale + shift, slope);
			sum[i % 2] += g;
			sum_x[i % 2] += g * (v - mean);
		}
		total += __builtin_convertvector(sum[0] + sum[1], wide);
		total_x += __builtin_convertvector((sum_x[0] + sum_x[1]) * rstd, wide);
	}
	for (int o = 0; o < LANES; o++) {
		dz[o] = total[o];
		dz_x[o] = total_x[o];
	}
}

static void norm_back(float *d, const float *x, const struct norm *a, const struct norm_lanes *l, size_t pixels)
{
	vec scale = load(a->scale), shift = load(a->shift), slope = splat(a->slope), mean = load(l->mean), rstd = load(l->rstd);
	vec factor = load(l->gamma) * rstd, dz = load(l->dz), dz_x = load(l->dz_x) * rstd;

	for (size_t i = 0; i < pixels * LANES; i += LANES) {
		vec v = load(x + i), g = gated(load(d + i), v * scale + shift, slope);
		store(d + i, factor * (g - dz - (v - mean) * dz_x));
	}
}

static void sum(double *to, const float *x, size_t pixels)
{
	wide total = {0};

	for (size_t done = 0, n; done < pixels; done += n) {
		vec s[2] = { {0} };
		n = pixels - done < RUN ? pixels - done : RUN;
		for (size_t i = done; i < done + n; i++)
			s[i % 2] += load(x + i * LANES);
		total += __builtin_convertvector(s[0] + s[1], wide);
	}
	for (int o = 0; o < LANES; o++)
		to[o] = total[o];
}

static void pool(float *out, const int size[3], const float *x, const int in_size[3], const int stride[3], const struct norm *a)
{
	vec scale = a ? load(a->scale) : splat(1), shift = a ? load(a->shift) : splat(0), slope = splat(a ? a->slope : 1);
	float share = 1.0f / (float)(stride[0] * stride[1] * stride[2]);

	for (int z = 0; z < size[0]; z++)
		for (int y = 0; y < size[1]; y++)
			for (int i = 0; i < size[2]; i++, out += LANES) {
				vec s = {0};
				for (int k = 0; k < stride[0] * stride[1] * stride[2]; k++) {
					int kz = z * stride[0] + k / stride[2] / stride[1], ky = y * stride[1] + k / stride[2] % stride[1];
					size_t pixel = (size_t)(kz * in_size[1] + ky) * (size_t)in_size[2] + (size_t)(i * stride[2] + k % stride[2]);
					s += normed(load(x + pixel * LANES), scale, shift, slope);
				}
				store(out, s * share);
			}
}

static void pool_back(float *d_in, const int in_size[3], const float *d, const int size[3], const int stride[3], bool to_add)
{
	float share = 1.0f / (float)(stride[0] * stride[1] * stride[2]);

	for (int z = 0; z < in_size[0]; z++)
		for (int y = 0; y < in_size[1]; y++)
			for (int i = 0; i < in_size[2]; i++, d_in += LANES) {
				int pz = z / stride[0], py = y / stride[1], px = i / stride[2];
				bool inside = pz < size[0] && py < size[1] && px < size[2];
				size_t pixel = inside ? (size_t)(pz * size[1] + py) * (size_t)size[2] + (size_t)px : 0;
				vec v = {0};
				if (inside)
					v = load(d + pixel * LANES) * share;
				if (to_add)
					v += load(d_in);
				store(d_in, v);
			}
}

const struct fast_kernels FN(fast) = {
	LANES, &FN(kernels), copy, spread, FN(outer), FN(winograd_add), FN(winograd_back), FN(winograd_weights),
	FN(winograd_gradient), join, leaky_back, add, norm_sums, norm_back, sum, pool, pool_back,
};
