/* The fast engine against the plain one on whole random U-Nets: plain and residual encoders, 2D and 3D, kernels and strides of
 * each axis by itself, 1 to 40 features, instance and batch norm, from denormal to huge images, at every instruction set. */
#include "common/network.h"
#include "tests/network/engines.h"
#include "tests/network/random-unet.h"

#ifdef __SANITIZE_ADDRESS__
enum { NETWORKS = 6 };
#else
enum { NETWORKS = 24 };
#endif

/* Of the largest logit, as against PyTorch's (cpu-golden.c). */
static const double tolerance[LEVELS] = { 1e-4, 1e-4, 1e-4, 0.05 };

int main(void)
{
	static const float scale[] = { 1, 1e-40f, 1, 1e-20f, 1e15f };
	double worst[LEVELS] = {0};
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
	for (int isa = 0; isa <= last_level(); isa++)
		printf("note: %s: %d networks, largest error %.1e of the largest value\n", isa_name[isa], NETWORKS, worst[isa]);
	return wrong > 0;
}
