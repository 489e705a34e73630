/* cpu_winograd: the transforms of Winograd's minimal filtering F(MxM,3x3) (Lavin and Gray, 2016).  An MxM tile of a 3x3
 * convolution is
 *   A' [ (G g G') . (B' d B) ] A
 * of the NxN input d around it, N = M + 2: 36 products where the direct sum takes 144 with M = 4, 16 for 36 with M = 2.
 * With the points 0, 1, -1, 2, -2:                           With 0, 1, -1:
 *        | 4  0 -5  0  1  0 |            | 1  1  1  1  1  0 |        | 1  0 -1  0 |
 *        | 0 -4 -4  1  1  0 |       A' = | 0  1 -1  2 -2  0 |   B' = | 0  1  1  0 |   A' = | 1  1  1  0 |
 *   B' = | 0  4 -4 -1  1  0 |            | 0  1  1  4  4  0 |        | 0 -1  1  0 |        | 0  1 -1 -1 |
 *        | 0 -2 -1  2  1  0 |            | 0  1 -1  8 -8  1 |        | 0  1  0 -1 |
 *        | 0  2 -1 -2  1  0 |
 *        | 0  4  0 -5  0  1 |       (G is in cpu_pack.c) */
#ifndef CPU_WINOGRAD_H
#define CPU_WINOGRAD_H
#include "filters/infer-checkpoint/cpu_vector.h"

/* out = B' d of N vectors that lie `step` apart in both. */
INLINE void transform_in(vec *out, const vec *d, const int step, const int M)
{
	vec d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step];

	if (M == 2) {
		out[0] = d0 - d2;
		out[step] = d1 + d2;
		out[2 * step] = d2 - d1;
		out[3 * step] = d1 - d3;
		return;
	}
	vec d4 = d[4 * step], d5 = d[5 * step];
	vec even = d4 - d2 * 4, odd = d3 - d1 * 4, near = d4 - d2, far = (d3 - d1) * 2;
	out[0] = d0 * 4 + (d4 - d2 * 5);
	out[step] = even + odd;
	out[2 * step] = even - odd;
	out[3 * step] = near + far;
	out[4 * step] = near - far;
	out[5 * step] = d1 * 4 + (d5 - d3 * 5);
}

/* out = A' m: N vectors `step` apart to M, `out_step` apart. */
INLINE void transform_out(vec *out, const int out_step, const vec *m, const int step, const int M)
{
	vec sum1 = m[step] + m[2 * step], diff1 = m[step] - m[2 * step];

	if (M == 2) {
		out[0] = m[0] + sum1;
		out[out_step] = diff1 - m[3 * step];
		return;
	}
	vec sum2 = m[3 * step] + m[4 * step], diff2 = m[3 * step] - m[4 * step];
	out[0] = m[0] + sum1 + sum2;
	out[out_step] = diff1 + diff2 * 2;
	out[2 * out_step] = sum1 + sum2 * 4;
	out[3 * out_step] = diff1 + diff2 * 8 + m[5 * step];
}
#endif
