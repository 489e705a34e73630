/* cpu_kernels: what the fast CPU engine needs of each instruction set.  The *.isa.c files are compiled once per set
 * (macro ISA) and fill one table each.
 *
 * Layout of a value [channels][z][y][x]: blocks of `lanes` channels, [block][pixel][lanes] with pixel = (z * Y + y) * X + x.
 * Lanes without a channel hold 0 and are never read as input.  The network's own input is plain planes: blocks of one lane.
 * All pointers to blocks, weights and scratch are aligned to lanes * 4 bytes (planes: 4).
 *
 * A set with pair = 2 multiplies bf16: what gemm reads, staged or transformed values and weights, has two neighbouring channels,
 * rounded to bf16, in the place of a float, the first in the lower half.  It reads no planes. */
#ifndef CPU_KERNELS_H
#define CPU_KERNELS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { MAX_LANES = 16 };

/* One block of channels that a convolution reads. */
struct block {
	size_t offset, plane;    /* floats from the worker's memory, and from plane to plane */
	int lanes, channels;
	size_t norm;             /* its scale among the worker's norms, NO_NORM: what is there is read as it is */
	size_t shift;            /* from scale to shift */
	size_t image;            /* from one plane's scale to the next one's, which is another image's; 0: all are one image's */
	float slope;
};
#define NO_NORM ((size_t)-1)

/* The norm that what reads a block applies: leaky(x * scale + shift), where leaky(v) = v > 0 ? v : slope * v.
 * scale, shift [lanes]; scale NULL: x itself. */
struct norm { const float *scale, *shift; float slope; };

/* The input side of a convolution. */
struct gather {
	int in[3], out[3], kernel[3], stride[3];
	int n_blocks;            /* of `in` and, after them, of `in2` */
	struct block *block;
};

/* Matrix product, the core of every convolution: for p < pixels, b < blocks (1 or 2), o < lanes
 *   out[b * block_step + p * out_step + o] = bias[b * lanes + o] +
 *           sum over s < n_segments, c < n[s] of x[s][offset + p * lanes / pair + c] * w(s, c)[b * lanes + o]
 * With pair = 2 an x times a w is the sum of two products. */
struct product {
	float *out;
	size_t block_step, out_step;
	int pixels, blocks;
	const float *const *x;   /* [n_segments] */
	size_t offset;
	const int *n;            /* [n_segments] */
	int n_segments, depth;   /* depth: the sum of n */
	const float *w;          /* [depth][blocks * lanes] */
	const float *next;       /* the weights of the product after this, to be fetched meanwhile; NULL: they are near */
	const float *bias;       /* NULL: 0 */
	bool add;                /* to what out holds, in place of the bias */
	bool planes;             /* each segment is one channel, x[s][offset + p] */
};

struct kernels {
	int lanes;
	int pair;                /* channels in the place of a float where gemm reads: 1, or 2 as bf16 */

	void (*gemm)(const struct product *m);

	/* A row of X pixels of a block, `lanes` floats from one to the next, normed, as a convolution reads it: for q < stride and
	 * i < width, to[q * part + i * kernels.lanes / pair] = pixel i * stride + q - pad, 0 outside of the row; row NULL: all 0.
	 * At most kernels.lanes channels of a pixel.  lanes 1: a plane, not normed, to[q * part + i]. */
	void (*stage)(float *to, size_t part, const float *row, int lanes, int X, int stride, int pad, int width,
	              const struct norm *n);

	/* Winograd F(MxM,3x3), M 4 or 2: tiles first .. first + tiles - 1, row by row, of one plane [Y][X][lanes] of one block,
	 * normed, to v[point * step + tile * lanes / pair], (M + 2)^2 points, and back (plus bias [lanes], NULL for 0) from
	 * m[point * step + tile * lanes].  The way back gives the mean and the sum of squared deviations of what it wrote, moments
	 * [2][lanes], unless NULL, and how many pixels those are. */
	void (*winograd_in)(int M, float *v, size_t step, const float *plane, int Y, int X, int first, int tiles,
	                    const struct norm *n);
	int (*winograd_out)(int M, float *plane, const float *m, size_t step, int Y, int X, int first, int tiles,
	                    const float *bias, double *moments);

	/* Mean and sum of squared deviations of leaky(x) per lane, moments [2][lanes]; x [pixels][lanes].  slope 1: of x itself. */
	void (*moments)(double *moments, const float *x, size_t pixels, float slope);
	/* x = leaky(leaky(x, before) * scale + shift + residual, after); scale, shift [lanes]; residual as x or NULL. */
	void (*apply)(float *x, size_t pixels, const float *scale, const float *shift, const float *residual, float before,
	              float after);
	/* Means of stride[0] x stride[1] x stride[2] boxes of one block. */
	void (*pool)(float *out, const int size[3], const float *x, const int in_size[3], const int stride[3]);
};

/* Rounded to nearest, ties to even; NaN stays NaN. */
static inline uint16_t bf16_of(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof bits);
	return (uint16_t)(x == x ? (bits + 0x7fff + (bits >> 16 & 1)) >> 16 : bits >> 16 | 0x40);
}

extern const struct kernels kernels_base;
#ifdef __x86_64__
/* v4n: half of v4's lanes, all its registers; v4b: pairs of bf16 */
extern const struct kernels kernels_v3, kernels_v4, kernels_v4n, kernels_v4b;
#endif

/* The sets to choose from; cpu_isa: the best one of fp32 that this processor has.  ISA_BF16 is ISA_V4 with bf16 where that is
 * faster, if cpu_bf16(): whether this processor has the instructions. */
enum isa { ISA_BASE, ISA_V3, ISA_V4, ISA_BF16 };
enum isa cpu_isa(void);
bool cpu_bf16(void);
struct network;
/* workers run patches side by side, hands share one; one of the two is 1. */
void *cpu_open(const struct network *n, int workers, int hands, int members, enum isa level);
/* A forward pass of the first worker, for measurements: how long each step of its schedule took; seconds [nodes]. */
void cpu_time_steps(double *seconds, void *engine, int member, const float *in, int images);
#endif
