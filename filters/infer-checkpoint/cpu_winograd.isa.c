/* Tiles of a plane into Winograd's transform domain and back. */
#include <math.h>
#include <string.h>
#include "filters/infer-checkpoint/cpu_winograd.h"

enum { MOST = 6 };

INLINE void transform_tiles(float *v, size_t step, const float *plane, int Y, int X, int first, int tiles,
                            const struct norm *n, const int M, const bool normed)
{
	const int N = M + 2;
	int tiles_x = (X + M - 1) / M, tx = first % tiles_x, ty = first / tiles_x;
	vec scale = normed ? load(n->scale) : splat(0), shift = normed ? load(n->shift) : splat(0);

	for (int t = 0; t < tiles; t++, v += STAGED) {
		int y0 = ty * M - 1, x0 = tx * M - 1;
		float *to = v;
		vec d[MOST * MOST];
		if (y0 >= 0 && x0 >= 0 && y0 + N <= Y && x0 + N <= X) {
			const float *row = plane + ((size_t)y0 * (size_t)X + (size_t)x0) * LANES;
#pragma GCC unroll 6
			for (int i = 0; i < N; i++, row += (size_t)X * LANES)
#pragma GCC unroll 6
				for (int j = 0; j < N; j++) {
					vec x = load(row + j * LANES);
					d[i * N + j] = normed ? leaky(x * scale + shift, n->slope) : x;
				}
		} else {
			for (int i = 0; i < N; i++)
				for (int j = 0; j < N; j++) {
					int y = y0 + i, x = x0 + j;
					bool inside = y >= 0 && y < Y && x >= 0 && x < X;
					vec value = inside ? load(plane + ((size_t)y * (size_t)X + (size_t)x) * LANES) : splat(0);
					d[i * N + j] = normed && inside ? leaky(value * scale + shift, n->slope) : value;
				}
		}
#pragma GCC unroll 6
		for (int j = 0; j < N; j++)
			transform_in(d + j, d + j, N, M);
#pragma GCC unroll 6
		for (int i = 0; i < N; i++) {
			transform_in(d + i * N, d + i * N, 1, M);
#pragma GCC unroll 6
			for (int j = 0; j < N; j++, to += step)
				stage_pixel(to, d[i * N + j]);
		}
		if (++tx == tiles_x) {
			tx = 0;
			ty++;
		}
	}
}

/* Sums about a centre near the mean, so that little is lost; over tiles, each of which is summed by itself. */
struct sums { vec centre, sum, square; int n; };

INLINE void add_tile(struct sums *s, const vec *f, const int M, int height, int width)
{
	vec sum = {0}, square = {0};

	if (s->n == 0) {
		for (int i = 0; i < height; i++)
			for (int j = 0; j < width; j++)
				sum += f[i * M + j];
		s->centre = sum * (1.0f / (float)(height * width));
		sum = splat(0);
	}
	if (height == M && width == M) {
#pragma GCC unroll 16
		for (int i = 0; i < M * M; i++) {
			vec d = f[i] - s->centre;
			sum += d;
			square += d * d;
		}
	} else {
		for (int i = 0; i < height; i++)
			for (int j = 0; j < width; j++) {
				vec d = f[i * M + j] - s->centre;
				sum += d;
				square += d * d;
			}
	}
	s->sum += sum;
	s->square += square;
	s->n += height * width;
}

/* Mean and sum of squared deviations of tiles that are written, all in double: where squares are beyond a float. */
static void moments_in_double(wide *mean, wide *squares, const float *plane, int Y, int X, int first, int tiles, int M, double n)
{
	int tiles_x = (X + M - 1) / M;

	*mean = *squares = (wide){0};
	for (int pass = 0; pass < 2; pass++) {
		for (int t = first; t < first + tiles; t++)
			for (int y = t / tiles_x * M; y < t / tiles_x * M + M && y < Y; y++)
				for (int x = t % tiles_x * M; x < t % tiles_x * M + M && x < X; x++) {
					wide v = __builtin_convertvector(load(plane + ((size_t)y * (size_t)X + (size_t)x) * LANES), wide);
					if (pass == 0)
						*mean += v;
					else
						*squares += (v - *mean) * (v - *mean);
				}
		if (pass == 0)
			*mean /= n;
	}
}

static bool all_finite(vec v)
{
	bool all = true;

	for (int o = 0; o < LANES; o++)
		all &= v[o] < INFINITY;
	return all;
}

INLINE void transform_back(float *plane, const float *m, size_t step, int Y, int X, int first, int tiles, const float *bias,
                           struct sums *sums, const int M)
{
	const int N = M + 2;
	int tiles_x = (X + M - 1) / M, tx = first % tiles_x, ty = first / tiles_x;
	vec shift = bias ? load(bias) : splat(0);

	for (int t = 0; t < tiles; t++, m += LANES) {
		vec d[MOST * MOST], e[4 * MOST], f[16];
		int y0 = ty * M, x0 = tx * M;
		int height = Y - y0 < M ? Y - y0 : M, width = X - x0 < M ? X - x0 : M;
		float *corner = plane + ((size_t)y0 * (size_t)X + (size_t)x0) * LANES;
		const float *from = m;
#pragma GCC unroll 36
		for (int k = 0; k < N * N; k++, from += step)
			d[k] = load(from);
#pragma GCC unroll 6
		for (int j = 0; j < N; j++)
			transform_out(e + j, N, d + j, N, M);
#pragma GCC unroll 4
		for (int i = 0; i < M; i++)
			transform_out(f + i * M, 1, e + i * N, 1, M);
#pragma GCC unroll 16
		for (int i = 0; i < M * M; i++)
			f[i] += shift;
		if (height == M && width == M) {
#pragma GCC unroll 4
			for (int i = 0; i < M; i++, corner += (size_t)X * LANES)
#pragma GCC unroll 4
				for (int j = 0; j < M; j++)
					store(corner + j * LANES, f[i * M + j]);
		} else {
			for (int i = 0; i < height; i++)
				for (int j = 0; j < width; j++)
					store(corner + ((size_t)i * (size_t)X + (size_t)j) * LANES, f[i * M + j]);
		}
		if (sums)
			add_tile(sums, f, M, height, width);
		if (++tx == tiles_x) {
			tx = 0;
			ty++;
		}
	}
}

void FN(winograd_in)(int M, float *v, size_t step, const float *plane, int Y, int X, int first, int tiles, const struct norm *n)
{
	if (M == 4 && n->scale)
		transform_tiles(v, step, plane, Y, X, first, tiles, n, 4, true);
	else if (M == 4)
		transform_tiles(v, step, plane, Y, X, first, tiles, n, 4, false);
	else if (n->scale)
		transform_tiles(v, step, plane, Y, X, first, tiles, n, 2, true);
	else
		transform_tiles(v, step, plane, Y, X, first, tiles, n, 2, false);
}

int FN(winograd_out)(int M, float *plane, const float *m, size_t step, int Y, int X, int first, int tiles, const float *bias,
                     double *moments)
{
	struct sums s = { .n = 0 };
	struct sums *sums = moments ? &s : NULL;

	if (M == 4)
		transform_back(plane, m, step, Y, X, first, tiles, bias, sums, 4);
	else
		transform_back(plane, m, step, Y, X, first, tiles, bias, sums, 2);
	if (moments) {
		wide sum = __builtin_convertvector(s.sum, wide), centre = __builtin_convertvector(s.centre, wide);
		wide mean = centre + sum / (double)s.n, m2 = __builtin_convertvector(s.square, wide) - sum * sum / (double)s.n;
		if (!all_finite(s.square))
			moments_in_double(&mean, &m2, plane, Y, X, first, tiles, M, s.n);
		memcpy(moments, &mean, sizeof mean);
		memcpy(moments + LANES, &m2, sizeof m2);
	}
	return s.n;
}
