/* Winograd's F(4x4,3x3) as in infer-checkpoint/cpu_winograd.h, y = A' [ (G g G') . (B' x B) ] A, and its adjoints: with
 *   y' = dL/dy,   dL/dg = G' [ sum over tiles of (A y' A') . (B' x B) ] G,
 * while dL/dx is the convolution of y' with g in reverse order. */
#include "filters/infer-checkpoint/cpu_winograd.h"
#include "filters/train-checkpoints/fast_vector.h"

/* out = A y: four vectors `step` apart to six `out_step` apart. */
INLINE void transform_back(vec *out, const int out_step, const vec *y, const int step)
{
	vec y0 = y[0], y1 = y[step], y2 = y[2 * step], y3 = y[3 * step];
	vec even1 = y0 + y2, odd1 = y1 + y3, even2 = y0 + y2 * 4, odd2 = y1 * 2 + y3 * 8;

	out[0] = y0;
	out[out_step] = even1 + odd1;
	out[2 * out_step] = even1 - odd1;
	out[3 * out_step] = even2 + odd2;
	out[4 * out_step] = even2 - odd2;
	out[5 * out_step] = y3;
}

/* out = G g: three vectors `step` apart to six `out_step` apart. */
INLINE void transform_weights(vec *out, const int out_step, const vec *g, const int step)
{
	vec g0 = g[0], g1 = g[step], g2 = g[2 * step];
	vec near = (g0 + g2) * (-1.0f / 6), far = g0 * (1.0f / 24) + g2 * (1.0f / 6), half = g1 * (1.0f / 12);

	out[0] = g0 * 0.25f;
	out[out_step] = near - g1 * (1.0f / 6);
	out[2 * out_step] = near + g1 * (1.0f / 6);
	out[3 * out_step] = far + half;
	out[4 * out_step] = far - half;
	out[5 * out_step] = g2;
}

/* out = G' u: six vectors `step` apart to three `out_step` apart. */
INLINE void transform_gradient(vec *out, const int out_step, const vec *u, const int step)
{
	vec near = u[step] + u[2 * step], diff1 = u[2 * step] - u[step];
	vec far = u[3 * step] + u[4 * step], diff2 = u[3 * step] - u[4 * step];

	out[0] = u[0] * 0.25f - near * (1.0f / 6) + far * (1.0f / 24);
	out[out_step] = diff1 * (1.0f / 6) + diff2 * (1.0f / 12);
	out[2 * out_step] = (far - near) * (1.0f / 6) + u[5 * step];
}

INLINE void store_points(float *to, size_t step, const vec *d)
{
#pragma GCC unroll 36
	for (int k = 0; k < WINOGRAD; k++, to += step)
		store(to, d[k]);
}

INLINE void tiles_out(float *plane, const float *m, size_t step, int Y, int X, int first, int tiles, const float *bias, const bool add)
{
	int tiles_x = (X + 3) / 4, tx = first % tiles_x, ty = first / tiles_x;
	vec shift = bias ? load(bias) : splat(0);

	for (int t = 0; t < tiles; t++, m += LANES) {
		vec d[WINOGRAD], e[24], f[16];
		int y0 = ty * 4, x0 = tx * 4;
		int height = Y - y0 < 4 ? Y - y0 : 4, width = X - x0 < 4 ? X - x0 : 4;
		float *corner = plane + ((size_t)y0 * (size_t)X + (size_t)x0) * LANES;
		const float *from = m;
#pragma GCC unroll 36
		for (int k = 0; k < WINOGRAD; k++, from += step)
			d[k] = load(from);
#pragma GCC unroll 6
		for (int j = 0; j < 6; j++)
			transform_out(e + j, 6, d + j, 6, 4);
#pragma GCC unroll 4
		for (int i = 0; i < 4; i++)
			transform_out(f + i * 4, 1, e + i * 6, 1, 4);
		if (height == 4 && width == 4) {
#pragma GCC unroll 4
			for (int i = 0; i < 4; i++, corner += (size_t)X * LANES)
#pragma GCC unroll 4
				for (int j = 0; j < 4; j++)
					store(corner + j * LANES, f[i * 4 + j] + (add ? load(corner + j * LANES) : shift));
		} else {
			for (int i = 0; i < height; i++)
				for (int j = 0; j < width; j++) {
					float *p = corner + ((size_t)i * (size_t)X + (size_t)j) * LANES;
					store(p, f[i * 4 + j] + (add ? load(p) : shift));
				}
		}
		if (++tx == tiles_x) {
			tx = 0;
			ty++;
		}
	}
}

void FN(winograd_add)(float *plane, const float *m, size_t step, int Y, int X, int first, int tiles, const float *bias, bool add)
{
	if (add)
		tiles_out(plane, m, step, Y, X, first, tiles, bias, true);
	else
		tiles_out(plane, m, step, Y, X, first, tiles, bias, false);
}

void FN(winograd_back)(float *u, size_t step, const float *plane, int Y, int X, int first, int tiles)
{
	int tiles_x = (X + 3) / 4, tx = first % tiles_x, ty = first / tiles_x;

	for (int t = 0; t < tiles; t++, u += LANES) {
		vec f[16], e[24], d[WINOGRAD];
		int y0 = ty * 4, x0 = tx * 4;
		const float *corner = plane + ((size_t)y0 * (size_t)X + (size_t)x0) * LANES;
		if (y0 + 4 <= Y && x0 + 4 <= X) {
#pragma GCC unroll 4
			for (int i = 0; i < 4; i++, corner += (size_t)X * LANES)
#pragma GCC unroll 4
				for (int j = 0; j < 4; j++)
					f[i * 4 + j] = load(corner + j * LANES);
		} else {
			for (int i = 0; i < 4; i++)
				for (int j = 0; j < 4; j++)
					f[i * 4 + j] = y0 + i < Y && x0 + j < X ? load(corner + ((size_t)i * (size_t)X + (size_t)j) * LANES) : splat(0);
		}
#pragma GCC unroll 4
		for (int i = 0; i < 4; i++)
			transform_back(e + i * 6, 1, f + i * 4, 1);
#pragma GCC unroll 6
		for (int j = 0; j < 6; j++)
			transform_back(d + j, 6, e + j, 6);
		store_points(u, step, d);
		if (++tx == tiles_x) {
			tx = 0;
			ty++;
		}
	}
}

void FN(winograd_weights)(float *u, size_t step, const float *g, bool flipped)
{
	vec w[9], half[18], d[WINOGRAD];

#pragma GCC unroll 9
	for (int k = 0; k < 9; k++)
		w[k] = load(g + (flipped ? 8 - k : k) * LANES);
#pragma GCC unroll 3
	for (int j = 0; j < 3; j++)
		transform_weights(half + j, 3, w + j, 3);
#pragma GCC unroll 6
	for (int i = 0; i < 6; i++)
		transform_weights(d + i * 6, 1, half + i * 3, 1);
	store_points(u, step, d);
}

void FN(winograd_gradient)(float *g, const float *u, size_t step, int parts, size_t part_step)
{
	vec d[WINOGRAD], half[18], w[9];

#pragma GCC unroll 36
	for (int k = 0; k < WINOGRAD; k++, u += step) {
		d[k] = load(u);
		for (int i = 1; i < parts; i++)
			d[k] += load(u + (size_t)i * part_step);
	}
#pragma GCC unroll 6
	for (int j = 0; j < 6; j++)
		transform_gradient(half + j, 6, d + j, 6);
#pragma GCC unroll 3
	for (int i = 0; i < 3; i++)
		transform_gradient(w + i * 3, 1, half + i * 6, 1);
#pragma GCC unroll 9
	for (int k = 0; k < 9; k++)
		store(g + k * LANES, w[k]);
}
