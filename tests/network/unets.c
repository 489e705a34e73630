/* The fast engine against the plain one on whole random U-Nets: plain and residual encoders, 2D and 3D, kernels and strides of
 * each axis by itself, 1 to 40 features, instance and batch norm, from denormal to huge images, at every instruction set. */
#include "common/network.h"
#include "tests/network/engines.h"

#ifdef __SANITIZE_ADDRESS__
enum { NETWORKS = 6 };
#else
enum { NETWORKS = 24 };
#endif

static const double tolerance = 1e-4;           /* of the largest logit, as against PyTorch's (cpu-golden.c) */

/* patch: of at least four voxels in the deepest stage, so that a norm has something to divide by. */
static void random_architecture(struct architecture *a, int64_t patch[3], int i)
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

int main(void)
{
	static const float scale[] = { 1, 1e-40f, 1, 1e-20f, 1e15f };
	double worst[3] = {0};
	int wrong = 0;

	for (int i = 0; i < NETWORKS; i++) {
		struct architecture a;
		struct network n;
		int64_t patch[3];
		char name[64];
		state = (unsigned long long)i * 6007 + 3;
		random_architecture(&a, patch, i);
		snprintf(name, sizeof name, "network %d (%d stages, patch %d x %d x %d)", i, a.n_stages, (int)patch[0], (int)patch[1],
		         (int)patch[2]);
		if (!network_build(&n, &a, 1 + pick(3), 2 + pick(4), patch))
			die_failed();
		wrong += check_network(worst, &n, i % 3 == 0 ? 5 : 0, i % 5 == 4 && a.norm == NORM_INSTANCE ? 1e30f : scale[i % 5], tolerance,
		                       name);
		network_free(&n);
	}
	for (int isa = 0; isa <= (int)cpu_isa(); isa++)
		printf("note: %s: %d networks, largest error %.1e of the largest value\n", isa_name[isa], NETWORKS, worst[isa]);
	return wrong > 0;
}
