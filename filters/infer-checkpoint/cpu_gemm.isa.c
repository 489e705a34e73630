#include <string.h>
#include "filters/infer-checkpoint/cpu_vector.h"

/* Accumulators that fit the registers: pixels of a tile with one and with two blocks of output channels. */
#if defined(__AVX512F__) || defined(__aarch64__)
#define WIDE_TILES
enum { TILE_1 = 12, TILE_2 = 12 };              /* 32 registers: 24 sums, 2 weights, inputs broadcast */
#else
enum { TILE_1 = 12, TILE_2 = 6 };               /* 16 registers: 12 sums, 2 weights */
#endif

/* P pixels x B blocks: all sums stay in registers while weights stream past once and each input is broadcast to B
 * products.  P, B and STEP, the floats from one pixel to the next, are constants where this is called.
 * share: floats of `ahead` to fetch for each of a segment's channels. */
INLINE void tile(const struct product *m, size_t first, const float *ahead, int share, const int P, const int B, const int STEP)
{
	float *out = m->out + first * m->out_step;
	const float *w = m->w;
	vec a[12], b[12];

#pragma GCC unroll 12
	for (int p = 0; p < P; p++) {
		a[p] = m->add ? load(out + (size_t)p * m->out_step) : m->bias ? load(m->bias) : splat(0);
		if (B == 2)
			b[p] = m->add ? load(out + m->block_step + (size_t)p * m->out_step) : m->bias ? load(m->bias + LANES) : splat(0);
	}
	for (int s = 0; s < m->n_segments; s++) {
		const float *x = m->x[s] + m->offset + first * (size_t)STEP, *end = x + m->n[s];
		for (const float *until = ahead + share * m->n[s]; ahead < until; ahead += 16)
			__builtin_prefetch(ahead, 0, 2);
		for (; x < end; x++, w += B * LANES) {
			vec w0 = load(w), w1 = B == 2 ? load(w + LANES) : w0;
#pragma GCC unroll 12
			for (int p = 0; p < P; p++) {
				a[p] = multiply_add(a[p], w0, x + p * STEP);
				if (B == 2)
					b[p] = multiply_add(b[p], w1, x + p * STEP);
			}
		}
	}
#pragma GCC unroll 12
	for (int p = 0; p < P; p++) {
		store(out + (size_t)p * m->out_step, a[p]);
		if (B == 2)
			store(out + m->block_step + (size_t)p * m->out_step, b[p]);
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
#ifdef WIDE_TILES
		CASE(7, 2) CASE(8, 2) CASE(9, 2) CASE(10, 2) CASE(11, 2) CASE(12, 2)
#endif
		}
#undef CASE
	}
}

static void all_segments(const struct product *m)
{
	if (PAIR == 1 && m->planes)
		tiles(m, 1);
	else
		tiles(m, STAGED);
}

/* Weights that every tile would fetch from the third-level cache or memory: as many segments' as fit the first-level cache go
 * through all tiles before the next ones.  Their sums wait in `out`, so they are the same. */
void FN(gemm)(const struct product *m)
{
	enum { NEAR = 6 << 10, FAR = 64 << 10 };        /* floats */
	int width = m->blocks * LANES;
	struct product part;

	if (m->depth * width <= FAR || m->pixels <= TILE_2) {
		all_segments(m);
		return;
	}
	part = *m;
	for (int s = 0; s < m->n_segments; s += part.n_segments) {
		part.x = m->x + s;
		part.n = m->n + s;
		part.n_segments = part.depth = 0;
		do
			part.depth += part.n[part.n_segments++];
		while (s + part.n_segments < m->n_segments && (part.depth + part.n[part.n_segments]) * width <= NEAR);
		all_segments(&part);
		part.w += part.depth * width;
		part.next += part.next ? part.depth * width : 0;
		part.add = true;
	}
}

/* The places lo <= i < hi, of `width`, whose pixel i * stride + shift is in the row. */
INLINE void inside(int *lo, int *hi, int width, int stride, int shift, int X)
{
	*lo = shift < 0 ? (stride - 1 - shift) / stride : 0;
	*hi = shift < X ? (X - 1 - shift) / stride + 1 : 0;
	*lo = *lo > width ? width : *lo;
	*hi = *hi > width ? width : *hi < *lo ? *lo : *hi;
}

/* WIDTH channels of each of n pixels, `step` apart in `from`. */
INLINE void copy(float *to, const float *from, int n, size_t step, const int WIDTH)
{
	for (int p = 0; p < n; p++)
		if (PAIR == 1)
			memcpy(to + p * STAGED, from + (size_t)p * step, sizeof(float) * (size_t)WIDTH);
		else
			for (int c = 0; c < WIDTH; c++)
				stage_channel(to + p * STAGED, c, from[(size_t)p * step + (size_t)c]);
}

INLINE void copy_normed(float *to, const float *from, int n, size_t step, const struct norm *norm)
{
	vec scale = load(norm->scale), shift = load(norm->shift);

	for (int p = 0; p < n; p++)
		stage_pixel(to + p * STAGED, leaky(load(from + (size_t)p * step) * scale + shift, norm->slope));
}

/* The same for pixels of half as many channels. */
INLINE void copy_half(float *to, const float *from, int n, size_t step, const struct norm *norm)
{
	half_vec scale = *(const half_vec *)norm->scale, shift = *(const half_vec *)norm->shift;

	for (int p = 0; p < n; p++) {
		half_vec v = *(const half_vec *)(from + (size_t)p * step) * scale + shift;
		half_mask positive = v > 0;
		half_vec normed = (half_vec)(((half_mask)v & positive) | ((half_mask)(v * norm->slope) & ~positive));
		if (PAIR == 1)
			*(half_vec *)(to + p * STAGED) = normed;
		else
			for (int c = 0; c < LANES / 2; c++)
				stage_channel(to + p * STAGED, c, normed[c]);
	}
}

void FN(stage)(float *to, size_t part, const float *row, int lanes, int X, int stride, int pad, int width, const struct norm *n)
{
	size_t size = lanes == 1 ? 1 : STAGED, step = (size_t)lanes * (size_t)stride;

	for (int q = 0; q < stride; q++, to += part) {
		int lo = width, hi = width;
		if (row)
			inside(&lo, &hi, width, stride, q - pad, X);
		memset(to, 0, sizeof *to * size * (size_t)lo);
		memset(to + (size_t)hi * size, 0, sizeof *to * size * (size_t)(width - hi));
		if (lo == hi)
			continue;
		const float *from = row + (ptrdiff_t)(lo * stride + q - pad) * lanes;
		float *begin = to + (size_t)lo * size;
		if (lanes == 1)
			for (int i = 0; i < hi - lo; i++)
				begin[i] = from[(size_t)i * step];
		else if (lanes < LANES && n->scale)
			copy_half(begin, from, hi - lo, step, n);
		else if (lanes < LANES)
			copy(begin, from, hi - lo, step, LANES / 2);
		else if (n->scale)
			copy_normed(begin, from, hi - lo, step, n);
		else
			copy(begin, from, hi - lo, step, LANES);
	}
}
