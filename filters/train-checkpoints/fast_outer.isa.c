#include "filters/train-checkpoints/fast_vector.h"

/* Rows of a tile, so that sums, two vectors of u and a broadcast fit the registers. */
#if defined(__AVX512F__)
enum { ROWS_1 = 8, ROWS_2 = 8 };
#else
enum { ROWS_1 = 8, ROWS_2 = 4 };
#endif

/* R rows x B blocks: all sums stay in registers while pixels stream past.  R and B are constants where this is called. */
INLINE void tile(const struct outer *o, float *m, const float *x, const int R, const int B)
{
	const float *u = o->u, *u1 = u + (B == 2 ? o->block_step : 0);
	vec a[8], b[8];

#pragma GCC unroll 8
	for (int r = 0; r < R; r++) {
		a[r] = o->add ? load(m + r * B * LANES) : splat(0);
		if (B == 2)
			b[r] = o->add ? load(m + r * B * LANES + LANES) : splat(0);
	}
	for (int t = 0; t < o->n_pixels; t++, x += LANES, u += LANES, u1 += LANES) {
		vec w0 = load(u), w1 = B == 2 ? load(u1) : w0;
#pragma GCC unroll 8
		for (int r = 0; r < R; r++) {
			a[r] += w0 * x[r];
			if (B == 2)
				b[r] += w1 * x[r];
		}
	}
#pragma GCC unroll 8
	for (int r = 0; r < R; r++) {
		store(m + r * B * LANES, a[r]);
		if (B == 2)
			store(m + r * B * LANES + LANES, b[r]);
	}
}

INLINE void segments(const struct outer *o, const int B)
{
	const int most = B == 2 ? ROWS_2 : ROWS_1;
	float *m = o->m;

	for (int s = 0; s < o->n_segments; s++)
		for (int c = 0, rows; c < o->n[s]; c += rows, m += rows * B * LANES) {
			rows = o->n[s] - c < most ? o->n[s] - c : most;
			switch (rows) {
			case 1: tile(o, m, o->x[s] + c, 1, B); break;
			case 2: tile(o, m, o->x[s] + c, 2, B); break;
			case 3: tile(o, m, o->x[s] + c, 3, B); break;
			case 4: tile(o, m, o->x[s] + c, 4, B); break;
			case 5: tile(o, m, o->x[s] + c, 5, B); break;
			case 6: tile(o, m, o->x[s] + c, 6, B); break;
			case 7: tile(o, m, o->x[s] + c, 7, B); break;
			case 8: tile(o, m, o->x[s] + c, 8, B); break;
			}
		}
}

void FN(outer)(const struct outer *o)
{
	if (o->blocks == 2)
		segments(o, 2);
	else
		segments(o, 1);
}
