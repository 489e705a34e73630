#include <string.h>
#include "filters/infer-checkpoint/cpu_vector.h"

/* Accumulators that fit the registers: pixels of a tile with one and with two blocks of output channels. */
#if defined(__AVX512F__)
enum { TILE_1 = 12, TILE_2 = 12 };              /* 32 registers: 24 sums, 2 weights, inputs broadcast */
#else
enum { TILE_1 = 12, TILE_2 = 6 };               /* 16 registers: 12 sums, 2 weights */
#endif

/* P pixels x B blocks: all sums stay in registers while weights stream past once and each input is broadcast to B
 * products.  P, B and STEP, the floats from one pixel to the next, are constants where this is called.
 * share: floats of `ahead` to fetch for each of a segment's channels. */
INLINE void tile(const struct product *m, size_t first, const float *ahead, int share, const int P, const int B, const int STEP)
{
	float *out = m->out + first * LANES;
	const float *w = m->w;
	vec a[12], b[12];

#pragma GCC unroll 12
	for (int p = 0; p < P; p++) {
		a[p] = m->add ? load(out + p * LANES) : m->bias ? load(m->bias) : splat(0);
		if (B == 2)
			b[p] = m->add ? load(out + m->block_step + p * LANES) : m->bias ? load(m->bias + LANES) : splat(0);
	}
	for (int s = 0; s < m->n_segments; s++) {
		const float *x = m->x[s] + first * (size_t)STEP, *end = x + m->n[s];
		for (const float *until = ahead + share * m->n[s]; ahead < until; ahead += 16)
			__builtin_prefetch(ahead, 0, 2);
		for (; x < end; x++, w += B * LANES) {
			vec w0 = load(w), w1 = B == 2 ? load(w + LANES) : w0;
#pragma GCC unroll 12
			for (int p = 0; p < P; p++) {
				a[p] += w0 * x[p * STEP];
				if (B == 2)
					b[p] += w1 * x[p * STEP];
			}
		}
	}
#pragma GCC unroll 12
	for (int p = 0; p < P; p++) {
		store(out + p * LANES, a[p]);
		if (B == 2)
			store(out + m->block_step + p * LANES, b[p]);
	}
}

/* Tiles of nearly equal width, so that no narrow one is left over.  Each fetches its share of the next weights. */
INLINE void tiles(const struct product *m, const int STEP)
{
	int most = m->blocks == 2 ? TILE_2 : TILE_1, n = (m->pixels + most - 1) / most, left = n;
	int share = m->next ? (m->blocks * LANES + n - 1) / n : 0;

	for (int p = 0, width; p < m->pixels; p += width, left--) {
		const float *ahead = m->next ? m->next + (size_t)((n - left) * share) * (size_t)m->depth : NULL;
		width = (m->pixels - p + left - 1) / left;
#define CASE(P, B) case P * 2 + B: tile(m, (size_t)p, ahead, share, P, B, STEP); break;
		switch (width * 2 + m->blocks) {
		CASE(1, 1) CASE(2, 1) CASE(3, 1) CASE(4, 1) CASE(5, 1) CASE(6, 1)
		CASE(7, 1) CASE(8, 1) CASE(9, 1) CASE(10, 1) CASE(11, 1) CASE(12, 1)
		CASE(1, 2) CASE(2, 2) CASE(3, 2) CASE(4, 2) CASE(5, 2) CASE(6, 2)
#ifdef __AVX512F__
		CASE(7, 2) CASE(8, 2) CASE(9, 2) CASE(10, 2) CASE(11, 2) CASE(12, 2)
#endif
		}
#undef CASE
	}
}

void FN(gemm)(const struct product *m)
{
	if (m->planes)
		tiles(m, 1);
	else
		tiles(m, LANES);
}

/* The outputs lo <= x < hi, from <= x < to, whose tap falls on 0 <= x * stride + shift < size. */
INLINE void inside(int *lo, int *hi, int from, int to, int stride, int shift, int size)
{
	*lo = shift < 0 ? (stride - 1 - shift) / stride : 0;
	*hi = shift < size ? (size - 1 - shift) / stride + 1 : 0;
	*lo = *lo < from ? from : *lo > to ? to : *lo;
	*hi = *hi > to ? to : *hi < *lo ? *lo : *hi;
}

/* WIDTH floats of each of n pixels, `step` apart in `from` and STEP in `to`. */
INLINE void copy(float *to, const float *from, int n, size_t step, const int WIDTH, const int STEP)
{
	for (int p = 0; p < n; p++)
		memcpy(to + (size_t)p * (size_t)STEP, from + (size_t)p * step, sizeof(float) * (size_t)WIDTH);
}

/* One tap of outputs from <= x < end of one row, whose inputs are in row y of plane z (or outside the image).
 * to: the place of output `from`; the next segment is `segment` floats on.  Returns the place in the segment after. */
static float *pack_tap(float *to, size_t segment, const float *memory, const struct gather *g,
                       int from, int end, int z, int y, int shift)
{
	int stride = g->stride[2], lo = end, hi = end;
	size_t row = (size_t)(z * g->in[1] + y) * (size_t)g->in[2], to_step = g->block[0].lanes == 1 ? 1 : LANES;

	if (z >= 0 && z < g->in[0] && y >= 0 && y < g->in[1])
		inside(&lo, &hi, from, end, stride, shift, g->in[2]);
	for (int i = 0; i < g->n_blocks; i++) {
		const struct block *b = &g->block[i];
		for (int c = 0; c < b->channels; c += LANES, to += segment) {
			size_t lanes = (size_t)b->lanes, step = lanes * (size_t)stride;
			float *begin = to + (size_t)(lo - from) * to_step;
			memset(to, 0, sizeof *to * to_step * (size_t)(lo - from));
			memset(to + (size_t)(hi - from) * to_step, 0, sizeof *to * to_step * (size_t)(end - hi));
			if (lo == hi)
				continue;
			const float *x = memory + b->offset + (row + (size_t)(lo * stride + shift)) * lanes + c;
			if (step == 1)
				memcpy(begin, x, sizeof *x * (size_t)(hi - lo));
			else if (lanes == 1)
				copy(begin, x, hi - lo, step, 1, 1);
			else if (lanes < LANES)
				copy(begin, x, hi - lo, step, LANES / 2, LANES);
			else
				copy(begin, x, hi - lo, step, LANES, LANES);
		}
	}
	return to;
}

void FN(pack)(float *to, const float *memory, const struct gather *g, int first, int pixels, int tap, int n_taps)
{
	const int *k = g->kernel, *stride = g->stride;
	size_t step = g->block[0].lanes == 1 ? 1 : LANES;

	for (int done = 0, n; done < pixels; done += n) {
		int row = (first + done) / g->out[2], x = (first + done) % g->out[2], y = row % g->out[1], z = row / g->out[1];
		float *place = to + (size_t)done * step;
		n = g->out[2] - x < pixels - done ? g->out[2] - x : pixels - done;
		for (int t = tap; t < tap + n_taps; t++) {
			int kx = t % k[2], ky = t / k[2] % k[1], kz = t / k[2] / k[1];
			place = pack_tap(place, (size_t)pixels * step, memory, g, x, x + n, z * stride[0] - k[0] / 2 + kz,
			                 y * stride[1] - k[1] / 2 + ky, kx - k[2] / 2);
		}
	}
}
