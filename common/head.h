/* head: the last, 1x1 convolution of a network: what it makes of the features of a voxel.  It is affine, as are the mean over
 * mirrored images, the weighted mean over windows and linear resampling, so it can be applied after all of these. */
#ifndef COMMON_HEAD_H
#define COMMON_HEAD_H
#include "common/network.h"

struct head {
	int n_in, n_out;
	float *weight;           /* [n_out][n_in] */
	float *bias;             /* [n_out] */
};

/* parameter: [net->n_parameters] the values of each. */
void head_make(struct head *h, const struct network *net, const float *const *parameter);
/* heads[0] becomes the mean of the outputs of n heads, whose features stand side by side; the others end. */
void head_join(struct head *heads, int n);
void head_free(struct head *h);
/* out [n_out] rows of n values, out_step apart; in [n_in] rows, in_step apart; not overlapping.  A voxel's values depend on
 * nothing but its features.  False if one is not finite. */
bool head_apply(float *out, size_t out_step, const float *in, size_t in_step, size_t n, const struct head *h);
#endif
