#include <string.h>
#include "filters/infer-checkpoint/cpu_vector.h"

/* Accumulators that fit the registers: pixels of a tile with one and with two blocks of output channels. */
#if defined(__AVX512F__)
enum { TILE_1 = 12, TILE_2 = 12 };              /* 32 registers: 24 sums, 2 weights, inputs broadcast */
#else
enum { TILE_1 = 12, TILE_2 = 6 };               /* 16 registers: 12 sums, 2 weights */
#endif

/* P pixels x B blocks: all sums stay in registers while weights stream past once and each input is broadcast to B
 * products.  P and B are constants where this is called. */
INLINE void tile(float *out, size_t block_step, const float *const *x, size_t at, const int *n, int n_segments,
                 const float *w, const float *bias, const int P, const int B)
{
	vec a[12], b[12];

#pragma GCC unroll 12
	for (int p = 0; p < P; p++) {
		a[p] = bias ? load(bias) : splat(0);
		if (B == 2)
			b[p] = bias ? load(bias + LANES) : splat(0);
	}
	for (int s = 0; s < n_segments; s++) {
		const float *xs = x[s] + at, *end = xs + n[s];
		for (; xs < end; xs++, w += B * LANES) {
			vec w0 = load(w), w1 = B == 2 ? load(w + LANES) : w0;
#pragma GCC unroll 12
			for (int p = 0; p < P; p++) {
				a[p] += w0 * xs[p * LANES];
				if (B == 2)
					b[p] += w1 * xs[p * LANES];
			}
		}
	}
#pragma GCC unroll 12
	for (int p = 0; p < P; p++) {
		store(out + p * LANES, a[p]);
		if (B == 2)
			store(out + block_step + p * LANES, b[p]);
	}
}

/* Tiles of nearly equal width, so that no narrow one is left over. */
void FN(gemm)(float *out, size_t block_step, const float *const *x, const int *n, int n_segments, const float *w,
              const float *bias, int pixels, int blocks)
{
	int most = blocks == 2 ? TILE_2 : TILE_1, tiles = (pixels + most - 1) / most;

	for (int i = 0, p = 0; i < tiles; i++) {
		int width = (pixels - p + tiles - i - 1) / (tiles - i);
		size_t at = (size_t)p * LANES;
#define CASE(P, B) case P * 2 + B: tile(out + at, block_step, x, at, n, n_segments, w, bias, P, B); break;
		switch (width * 2 + blocks) {
		CASE(1, 1) CASE(2, 1) CASE(3, 1) CASE(4, 1) CASE(5, 1) CASE(6, 1)
		CASE(7, 1) CASE(8, 1) CASE(9, 1) CASE(10, 1) CASE(11, 1) CASE(12, 1)
		CASE(1, 2) CASE(2, 2) CASE(3, 2) CASE(4, 2) CASE(5, 2) CASE(6, 2)
#ifdef __AVX512F__
		CASE(7, 2) CASE(8, 2) CASE(9, 2) CASE(10, 2) CASE(11, 2) CASE(12, 2)
#endif
		}
#undef CASE
		p += width;
	}
}

/* Input coordinates of the first tap of each output pixel. */
static void origins(int (*origin)[3], const struct gather *g, int first, int pixels)
{
	int x = first % g->out[2], y = first / g->out[2] % g->out[1], z = first / g->out[2] / g->out[1];

	for (int p = 0; p < pixels; p++) {
		int at[3] = { z, y, x };
		for (int i = 0; i < 3; i++)
			origin[p][i] = at[i] * g->stride[i] - (g->kernel[i] - 1) / 2;
		if (++x == g->out[2]) {
			x = 0;
			if (++y == g->out[1]) {
				y = 0;
				z++;
			}
		}
	}
}

/* Copies `width` lanes of every pixel; -1 stands for a pixel outside. */
INLINE void copy_pixels(float *to, const float *from, const int *pixel, int pixels, int lanes, const int width)
{
	static const float zero[LANES] __attribute__((aligned(LANES * 4)));

	for (int p = 0; p < pixels; p++)
		memcpy(to + (size_t)p * LANES, pixel[p] < 0 ? zero : from + (size_t)pixel[p] * (size_t)lanes, sizeof(float) * (size_t)width);
}

void FN(pack)(float *to, const float *memory, const struct gather *g, int first, int pixels)
{
	int origin[MAX_GROUP][3], pixel[MAX_GROUP], k = 0;
	bool planes = g->block[0].lanes == 1;
	size_t segment = (size_t)pixels * LANES;

	origins(origin, g, first, pixels);
	for (int kz = 0; kz < g->kernel[0]; kz++)
		for (int ky = 0; ky < g->kernel[1]; ky++)
			for (int kx = 0; kx < g->kernel[2]; kx++) {
				for (int p = 0; p < pixels; p++) {
					int z = origin[p][0] + kz, y = origin[p][1] + ky, x = origin[p][2] + kx;
					bool inside = z >= 0 && z < g->in[0] && y >= 0 && y < g->in[1] && x >= 0 && x < g->in[2];
					pixel[p] = inside ? (z * g->in[1] + y) * g->in[2] + x : -1;
				}
				for (int i = 0; i < g->n_blocks; i++) {
					const struct block *b = &g->block[i];
					const float *from = memory + b->offset;
					if (planes) {
						float *column = to + (size_t)(k / LANES) * segment + k % LANES;
						for (int p = 0; p < pixels; p++)
							column[(size_t)p * LANES] = pixel[p] < 0 ? 0 : from[pixel[p]];
						k++;
					} else if (b->lanes < LANES) {
						copy_pixels(to, from, pixel, pixels, b->lanes, LANES / 2);
						to += segment;
					} else for (int c = 0; c < b->channels; c += LANES) {
						copy_pixels(to, from + c, pixel, pixels, b->lanes, LANES);
						to += segment;
					}
				}
			}
}
