/* cpu_kernels: what the fast CPU engine needs of each instruction set.  The *.isa.c files are compiled once per set
 * (macro ISA) and fill one table each.
 *
 * Layout of a value [channels][z][y][x]: blocks of `lanes` channels, [block][pixel][lanes] with pixel = (z * Y + y) * X + x.
 * Lanes without a channel hold 0 and are never read as input.  The network's own input is plain planes: blocks of one lane.
 * All pointers to blocks, weights and scratch are aligned to lanes * 4 bytes (planes: 4). */
#ifndef CPU_KERNELS_H
#define CPU_KERNELS_H
#include <stdbool.h>
#include <stddef.h>

enum {
	MAX_LANES = 16,
	MAX_GROUP = 128,         /* pixels that pack() gathers at most */
	WINOGRAD = 36,           /* points of a 6x6 tile in the transform domain */
};

/* One block of channels that a convolution reads. */
struct block { size_t offset; int lanes, channels; };   /* offset: floats from the worker's memory */

/* The input side of a convolution. */
struct gather {
	int in[3], out[3], kernel[3], stride[3];
	int n_blocks;            /* of `in` and, after them, of `in2` */
	struct block *block;
};

/* Matrix product, the core of every convolution: for p < pixels, b < blocks (1 or 2), o < lanes
 *   out[b * block_step + p * lanes + o] =
 *           bias[b * lanes + o] + sum over s < n_segments, c < n[s] of x[s][p * lanes + c] * w(s, c)[b * lanes + o] */
struct product {
	float *out;
	size_t block_step;
	int pixels, blocks;
	const float *const *x;   /* [n_segments] */
	const int *n;            /* [n_segments] */
	int n_segments, depth;   /* depth: the sum of n */
	const float *w;          /* [depth][blocks * lanes] */
	const float *next;       /* the weights of the product after this, to be fetched meanwhile; NULL: they are near */
	const float *bias;       /* NULL: 0 */
	bool add;                /* to what out holds, in place of the bias */
	bool planes;             /* each segment is one channel, x[s][p] */
};

struct kernels {
	int lanes;

	void (*gemm)(const struct product *m);

	/* What taps tap .. tap + n_taps - 1 (in z, y, x order) of output pixels first .. first + pixels - 1 read, outside the
	 * image 0, as gemm's segments: to [segment][pixels][lanes], for each tap runs of at most `lanes` channels of one block;
	 * of planes [segment][pixels], one for each tap and channel. */
	void (*pack)(float *to, const float *memory, const struct gather *g, int first, int pixels, int tap, int n_taps);

	/* Winograd F(4x4,3x3): tiles first .. first + tiles - 1, row by row, of one plane [Y][X][lanes] of one block, to
	 * v[point * step + tile * lanes], and back (plus bias [lanes], NULL for 0) from m[point * step + tile * lanes]. */
	void (*winograd_in)(float *v, size_t step, const float *plane, int Y, int X, int first, int tiles);
	void (*winograd_out)(float *plane, const float *m, size_t step, int Y, int X, int first, int tiles, const float *bias);

	/* Mean and biased variance of leaky(x) per lane; x [pixels][lanes].  slope 1: of x itself. */
	void (*moments)(double *mean, double *variance, const float *x, size_t pixels, float slope);
	/* x = leaky(leaky(x, before) * scale + shift + residual, after); scale, shift [lanes]; residual as x or NULL. */
	void (*apply)(float *x, size_t pixels, const float *scale, const float *shift, const float *residual, float before,
	              float after);
	/* Means of stride[0] x stride[1] x stride[2] boxes of one block. */
	void (*pool)(float *out, const int size[3], const float *x, const int in_size[3], const int stride[3]);
	/* out[at[p]] = x[p * lanes], `lanes` floats each: results of a transposed convolution to their places. */
	void (*scatter)(float *out, const size_t *at, const float *x, int pixels);
};

extern const struct kernels kernels_base;
#ifdef __x86_64__
extern const struct kernels kernels_v3, kernels_v4, kernels_v4n;   /* v4n: half of v4's lanes, all its registers */
#endif

/* The sets to choose from, for tests: the best one not above `level` that this processor has. */
enum isa { ISA_BASE, ISA_V3, ISA_V4 };
enum isa cpu_isa(void);
struct network;
/* workers run patches side by side, hands share one; one of the two is 1. */
void *cpu_open(const struct network *n, int workers, int hands, int members, enum isa level);
/* A forward pass of the first worker, for measurements: how long each step of its schedule took; seconds [nodes]. */
void cpu_time_steps(double *seconds, void *engine, int member, const float *in);
#endif
