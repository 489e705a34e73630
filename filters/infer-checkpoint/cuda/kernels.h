/* kernels: what is computed on the device beside convolutions.  Tensors are channels-last in the type of the precision, with
 * c channels, a multiple of 8 (what is over holds 0): x [n][voxels][c].  Parameters, sums and statistics are fp32.  All of them
 * launch on a stream (device_stream()) and return at once; false after fail() XDEVICE.  No sum depends on the order in which
 * blocks run. */
#ifndef CUDA_KERNELS_H
#define CUDA_KERNELS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "filters/infer-checkpoint/precision.h"
#ifdef __cplusplus
extern "C" {
#endif

/* One image of the batch: a window of a case in one mirrored position.  In device memory, so that recorded work can be done
 * again for other windows. */
struct tile {
	const float *volume;     /* [n_inputs][shape] of the case, on the device; NULL: no window, the image is 0 */
	int64_t shape[3];
	int64_t origin[3];       /* of the window in the volume, which may reach outside, where all is 0 */
	uint32_t mirror;         /* bit a: axis a is mirrored */
};

/* Where the mean over a window's mirrored positions goes.  In device memory. */
struct target {
	float *sum;              /* [outputs][ring] of this member; NULL: no window */
	float *weights;          /* [ring], to which the window's weight is added; NULL: not by this member */
	int64_t shape[3];        /* of the case */
	int64_t ring[3];         /* as shape, but for one axis, of which only so many planes are kept: plane i in i mod ring */
	int64_t origin[3];
	int *bad;                /* set to 1 if a sum that this window was added to is not finite */
};

/* out [n][patch][c]: the images of tiles [n].  c: n_inputs rounded up to 4 or a multiple of 8. */
bool kernel_gather(enum precision p, void *out, const struct tile *tiles, int n, int n_inputs, int c, const int64_t patch[3],
                   void *stream);

/* Instance norm (contract 3): affine [n][c][2], such that x * affine[0] + affine[1] is normalised; variance over voxels,
 * biased.  scratch: kernel_stats_scratch() bytes, zero before the first use. */
size_t kernel_stats_scratch(int n, int64_t voxels, int c);
bool kernel_stats(enum precision p, float *affine, const void *x, int n, int64_t voxels, int c, const float *gamma,
                  const float *beta, float eps, void *scratch, void *stream);

/* y = leaky(x * affine[0] + affine[1] + r), r = residual, or residual * residual_affine[0] + residual_affine[1].  Written to
 * each of `to` that is there: [n][voxels][pitch] from channel `offset` on, both multiples of 8. */
struct placing { void *y; int pitch, offset; };
struct applying {
	const void *x, *residual;        /* residual: NULL if none */
	const float *affine, *residual_affine;  /* [n][c][2]; or of all images the same, [c][2]; NULL: 1 and 0 */
	bool shared, residual_shared;
	float slope;                     /* of leaky ReLU; 1: none */
	struct placing to[2];
};
bool kernel_apply(enum precision p, const struct applying *a, int n, int64_t voxels, int c, void *stream);

/* The end of the network for `windows` windows, each of `mirrors` images that follow one another in x [windows * mirrors][patch][c]:
 * activation = leaky(x * affine[0] + affine[1]); logits = head (weights [outputs][c], bias [outputs]) or, without head, the
 * first `outputs` channels; their mean over mirrors, each turned back, times weight [patch] is added to the target.  Windows
 * are added one after another, in order. */
struct tail {
	const void *x;
	const float *affine;             /* as in struct applying */
	bool shared;
	float slope;
	const float *head, *bias;        /* NULL: no head */
	int outputs;
	const float *weight;
	bool parity;                     /* round as nnU-Net's half-precision sums do (contract 5.5) */
};
bool kernel_tail(enum precision p, const struct tail *t, const struct tile *tiles, const struct target *targets, int windows,
                 int mirrors, const int64_t patch[3], int c, void *stream);

/* out [outputs][hi - lo] = sum / (weights * terms), with parity rounded to half, of the box lo..hi of the case; what was read is 0
 * afterwards. */
bool kernel_take(float *out, float *sum, float *weights, int outputs, const int64_t ring[3], const int64_t lo[3],
                 const int64_t hi[3], int terms, bool parity, void *stream);
#ifdef __cplusplus
}
#endif
#endif
