/* tap: one tap of a kernel as a relation of voxels: i of a coarse volume and i * stride + shift of a fine one, for lo <= i < hi.
 *
 * A convolution's output is the coarse side and its input the fine one; for a transposed convolution it is the other way round.
 * Forward and backward of both, and of pooling, are then these three. */
#ifndef TRAIN_TAP_H
#define TRAIN_TAP_H
#include "common/network.h"

struct tap {
	int64_t lo[3], hi[3], shift[3];
	const int *stride;
	const int64_t *coarse, *fine;    /* sizes */
};

/* Tap k = (kz, ky, kx) of a node's kernel. */
struct tap tap_of(const struct network *n, const struct node *o, int k);
int tap_count(const struct node *o);

/* coarse[i] += w fine[i stride + shift] */
void tap_gather(double *coarse, const double *fine, const struct tap *t, double w);
/* fine[i stride + shift] += w coarse[i] */
void tap_scatter(double *fine, const double *coarse, const struct tap *t, double w);
/* sum of coarse[i] fine[i stride + shift] */
double tap_dot(const double *coarse, const double *fine, const struct tap *t);
#endif
