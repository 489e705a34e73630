/* Winograd's minimal filtering F(4x4,3x3) (Lavin and Gray, 2016): a 4x4 tile of a 3x3 convolution is
 *   A' [ (G g G') . (B' d B) ] A
 * of the 6x6 input d around it: 36 products where the direct sum takes 144.  With the points 0, 1, -1, 2, -2:
 *        | 4  0 -5  0  1  0 |            | 1  1  1  1  1  0 |
 *        | 0 -4 -4  1  1  0 |       A' = | 0  1 -1  2 -2  0 |
 *   B' = | 0  4 -4 -1  1  0 |            | 0  1  1  4  4  0 |
 *        | 0 -2 -1  2  1  0 |            | 0  1 -1  8 -8  1 |
 *        | 0  2 -1 -2  1  0 |
 *        | 0  4  0 -5  0  1 |       (G is in cpu_pack.c) */
#include "filters/infer-checkpoint/cpu_vector.h"

/* out = B' d of six vectors that lie `step` apart in both. */
INLINE void transform_in(vec *out, const vec *d, const int step)
{
	vec d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step], d5 = d[5 * step];
	vec even = d4 - d2 * 4, odd = d3 - d1 * 4, near = d4 - d2, far = (d3 - d1) * 2;

	out[0] = d0 * 4 + (d4 - d2 * 5);
	out[step] = even + odd;
	out[2 * step] = even - odd;
	out[3 * step] = near + far;
	out[4 * step] = near - far;
	out[5 * step] = d1 * 4 + (d5 - d3 * 5);
}

/* out = A' m: six vectors `step` apart to four `out_step` apart. */
INLINE void transform_out(vec *out, const int out_step, const vec *m, const int step)
{
	vec sum1 = m[step] + m[2 * step], diff1 = m[step] - m[2 * step];
	vec sum2 = m[3 * step] + m[4 * step], diff2 = m[3 * step] - m[4 * step];

	out[0] = m[0] + sum1 + sum2;
	out[out_step] = diff1 + diff2 * 2;
	out[2 * out_step] = sum1 + sum2 * 4;
	out[3 * out_step] = diff1 + diff2 * 8 + m[5 * step];
}

void FN(winograd_in)(float *v, size_t step, const float *plane, int Y, int X, int first, int tiles)
{
	int tiles_x = (X + 3) / 4, tx = first % tiles_x, ty = first / tiles_x;

	for (int t = 0; t < tiles; t++, v += LANES) {
		int y0 = ty * 4 - 1, x0 = tx * 4 - 1;
		float *to = v;
		vec d[WINOGRAD];
		if (y0 >= 0 && x0 >= 0 && y0 + 6 <= Y && x0 + 6 <= X) {
			const float *row = plane + ((size_t)y0 * (size_t)X + (size_t)x0) * LANES;
#pragma GCC unroll 6
			for (int i = 0; i < 6; i++, row += (size_t)X * LANES)
#pragma GCC unroll 6
				for (int j = 0; j < 6; j++)
					d[i * 6 + j] = load(row + j * LANES);
		} else {
			for (int i = 0; i < 6; i++)
				for (int j = 0; j < 6; j++) {
					int y = y0 + i, x = x0 + j;
					bool inside = y >= 0 && y < Y && x >= 0 && x < X;
					const float *p = plane + (inside ? (size_t)y * (size_t)X + (size_t)x : 0) * LANES;
					d[i * 6 + j] = inside ? load(p) : splat(0);
				}
		}
#pragma GCC unroll 6
		for (int j = 0; j < 6; j++)
			transform_in(d + j, d + j, 6);
#pragma GCC unroll 6
		for (int i = 0; i < 6; i++) {
			transform_in(d + i * 6, d + i * 6, 1);
#pragma GCC unroll 6
			for (int j = 0; j < 6; j++, to += step)
				store(to, d[i * 6 + j]);
		}
		if (++tx == tiles_x) {
			tx = 0;
			ty++;
		}
	}
}

void FN(winograd_out)(float *plane, const float *m, size_t step, int Y, int X, int first, int tiles, const float *bias)
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
			transform_out(e + j, 6, d + j, 6);
#pragma GCC unroll 4
		for (int i = 0; i < 4; i++)
			transform_out(f + i * 4, 1, e + i * 6, 1);
		if (height == 4 && width == 4) {
#pragma GCC unroll 4
			for (int i = 0; i < 4; i++, corner += (size_t)X * LANES)
#pragma GCC unroll 4
				for (int j = 0; j < 4; j++)
					store(corner + j * LANES, f[i * 4 + j] + shift);
		} else {
			for (int i = 0; i < height; i++)
				for (int j = 0; j < width; j++)
					store(corner + ((size_t)i * (size_t)X + (size_t)j) * LANES, f[i * 4 + j] + shift);
		}
		if (++tx == tiles_x) {
			tx = 0;
			ty++;
		}
	}
}
