/* trial: a convolution on the device with random input, and whether its output is right at random points. */
#ifndef CUDA_TRIAL_H
#define CUDA_TRIAL_H
#include "filters/infer-checkpoint/cuda/convolve.h"

struct trial {
	struct device *d;
	const struct convolution *c;
	void *x, *w, *y;                 /* on the device, as plan_run() takes them */
	float *value;                    /* of which x and w consist, on the host */
	void *stage;                     /* for copies, on the host */
};
/* Takes memory for all tensors and fills x and w.  fail()s XDEVICE. */
bool trial_begin(struct trial *t, struct device *d, const struct convolution *c);
void trial_end(struct trial *t);
/* Fills y with NaN, so that what is not written is seen. */
bool trial_poison(struct trial *t);
/* Compares y with sums in double at points among which are borders, the last image and the last channel.  fail()s XDEVICE
 * naming the worst point. */
bool trial_check(struct trial *t);
#endif
