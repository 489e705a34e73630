/* random-unet: random small U-Nets of both classes. */
#ifndef TESTS_RANDOM_UNET_H
#define TESTS_RANDOM_UNET_H
#include "common/plans.h"
#include "tests/network/random.h"

/* patch: of at least four voxels in the deepest stage, so that a norm has something to divide by. */
static inline void random_architecture(struct architecture *a, int64_t patch[3], int i)
{
	*a = (struct architecture){
		.class = i % 2 ? UNET_RESENC : UNET_PLAIN, .dims = i % 4 < 2 ? 3 : 2, .n_stages = 2 + pick(3), .conv_bias = pick(2),
		.nonlin_first = pick(5) == 0, .norm = pick(3) ? NORM_INSTANCE : NORM_BATCH, .eps = 1e-5, .slope = pick(3) ? 0.01 : 0.2,
		.stem_channels = pick(2) ? 1 + pick(40) : 0, .bottleneck_blocks = pick(4) == 0
	};
	for (int axis = 0; axis < 3; axis++)
		patch[axis] = axis == 0 && a->dims == 2 ? 1 : 1 + pick(axis == 0 ? 3 : 4);
	patch[1] += patch[1] == 1;
	patch[2] += patch[2] == 1;
	for (int s = 0; s < a->n_stages; s++) {
		a->features[s] = 1 + pick(40);
		a->bottleneck_channels[s] = 1 + pick(20);
		a->n_conv_encoder[s] = 1 + pick(2);
		a->n_conv_decoder[s] = 1 + pick(2);
		for (int axis = 0; axis < 3; axis++) {
			bool flat = axis == 0 && a->dims == 2;
			a->kernel[s][axis] = flat || pick(5) == 0 ? 1 : 3;
			a->stride[s][axis] = flat || s == 0 || pick(4) == 0 ? 1 : 2;
			patch[axis] *= a->stride[s][axis];
		}
	}
}
#endif
