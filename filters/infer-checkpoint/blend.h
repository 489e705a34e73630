/* blend: what windows add up to over an image, in rows that are there from the first window that touches them until they are
 * taken. */
#ifndef BLEND_H
#define BLEND_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/loops.h"

struct blend {
	const struct loops *loops;
	int64_t shape[3], patch[3];
	const float *weight;     /* [patch] */
	bool parity;             /* every sum is rounded to half precision, as nnU-Net's buffers are (contract 5.5) */
	int64_t channels;
	int axis, across, along; /* windows advance along axis, rows lie along the last of the others */
	int64_t depth;           /* planes of axis in work at a time */
	float **row;             /* [depth][shape of across]: of plane i at i mod depth; [channels + 1][shape of along], the last one
	                            the sum of weights; NULL when no window has touched it */
	float *memory, **spare;  /* all rows, and those not in use */
	int64_t n_spare;
};

/* rows: how many are in use at a time.  fail()s XDATA over memory_limit.  The rest is in struct blend as its maker set it. */
bool blend_open(struct blend *s, int64_t rows);
/* Before values of a window are added: makes its rows. */
void blend_touch(struct blend *s, const int64_t origin[3]);
/* The part of a window that lies in the image, in voxels of the window. */
void blend_inside(int64_t lo[3], int64_t hi[3], const struct blend *s, const int64_t origin[3]);
/* Adds v [n] times scale times weight to one channel: the voxels of a window from `at` on along x, which lie in the image.  The
 * channel after the last one is that of weights: each window adds 1 to it.  False if a sum is not finite.  Threads may add to
 * different voxels or channels at a time. */
bool blend_add(struct blend *s, int64_t channel, const int64_t origin[3], const int64_t at[3], const float *v, float scale,
               size_t n);
/* out [channels][hi - lo]: sums divided by `terms` times the weights, of whole rows, which are then gone. */
void blend_take(struct blend *s, float *out, const int64_t lo[3], const int64_t hi[3], int terms, int threads);
void blend_close(struct blend *s);
/* What s will need, which fail()s as blend_open() does. */
bool blend_bytes(size_t *bytes, const struct blend *s, int64_t rows);
#endif
