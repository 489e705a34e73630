/* fast_kernels: what the fast engine of training needs of each instruction set, beside infer-checkpoint's kernels (whose layout
 * of blocks of channels it shares).  The fast_*.isa.c files are compiled once per set and fill one table each.
 *
 * Values lie as [block][sample][pixel][lanes], pixel = (z * Y + y) * X + x: a batch is one long plane to a pointwise loop.  Lanes
 * without a channel hold 0. */
#ifndef FAST_KERNELS_H
#define FAST_KERNELS_H
#include "filters/infer-checkpoint/cpu_kernels.h"

enum { WINOGRAD = 36 };         /* points of a 6x6 tile in the transform domain */

/* Sums of outer products, the core of every gradient by weights: for each channel c of each segment s, in order, a row
 *   m[row * blocks * lanes + b * lanes + o] = sum over t < n_pixels of x[s][t * lanes + c] * u[b * block_step + t * lanes + o] */
struct outer {
	float *m;
	const float *const *x;   /* [n_segments] */
	const int *n;            /* channels of each segment, at most lanes */
	int n_segments, n_pixels;
	const float *u;
	size_t block_step;
	int blocks;              /* 1 or 2 */
	bool add;                /* to what m holds */
};

struct norm_lanes { float mean[MAX_LANES], rstd[MAX_LANES], gamma[MAX_LANES], dz[MAX_LANES], dz_x[MAX_LANES]; }
	__attribute__((aligned(64)));

struct fast_kernels {
	int lanes;
	const struct kernels *infer;

	/* n pixels, `step` floats apart, of which `width` (lanes or half of them) are copied, to `lanes` apart; a: NULL or applied. */
	void (*copy)(float *to, const float *from, int n, size_t step, int width, const struct norm *a);
	/* n pixels to places `step` apart; add: to what is there. */
	void (*spread)(float *to, size_t step, const float *from, int n, bool add);

	void (*outer)(const struct outer *o);

	/* As in cpu_kernels.h for 4x4 tiles, but without moments, and added to `plane` on request. */
	void (*winograd_out)(float *plane, const float *m, size_t step, int Y, int X, int first, int tiles, const float *bias, bool add);
	/* The adjoint of winograd_out: what a derivative by a plane is in the transform domain. */
	void (*winograd_back)(float *u, size_t step, const float *plane, int Y, int X, int first, int tiles);
	/* Weights of 3x3 taps g [9][lanes] into the domain, u[point * step], flipped: taps in reverse order; and the adjoint of the
	 * sum over parts of u[part * part_step + point * step]. */
	void (*winograd_weights)(float *u, size_t step, const float *g, bool flipped);
	void (*winograd_gradient)(float *g, const float *u, size_t step, int parts, size_t part_step);

	/* to = max(t, slope * t), t = x * scale + shift + residual (r: NULL or applied to the residual first). */
	void (*join)(float *to, const float *x, const struct norm *a, const float *residual, const struct norm *r, size_t pixels);
	/* d = d where out > 0, else slope * d. */
	void (*leaky_back)(float *d, const float *out, float slope, size_t pixels);
	void (*add)(float *to, const float *x, size_t pixels);
	/* Sums over pixels of dz and of dz * (x - mean) * rstd: dz is d times the slope at a. */
	void (*norm_sums)(double *dz, double *dz_x, const float *d, const float *x, const struct norm *a, const struct norm_lanes *l,
	                  size_t pixels);
	/* d = gamma * rstd * (dz - l->dz - (x - mean) * rstd * l->dz_x), where l->dz and dz_x are means. */
	void (*norm_back)(float *d, const float *x, const struct norm *a, const struct norm_lanes *l, size_t pixels);
	void (*sum)(double *sum, const float *x, size_t pixels);
	/* Means of boxes of stride[0] x stride[1] x stride[2] pixels of one plane of one block, and what is added back. */
	void (*pool)(float *out, const int size[3], const float *x, const int in_size[3], const int stride[3], const struct norm *a);
	void (*pool_back)(float *d_in, const int in_size[3], const float *d, const int size[3], const int stride[3], bool add);
};

extern const struct fast_kernels fast_base;
#ifdef __x86_64__
extern const struct fast_kernels fast_v3, fast_v4, fast_v4n;
#endif
#endif
