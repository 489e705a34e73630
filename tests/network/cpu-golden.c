/* The fast engine against PyTorch's logits: 30 small architectures and the trained networks, at every instruction set.
 * release only: network/cpu runs each kernel under the sanitizers */
#include "filters/infer-checkpoint/engine.h"
#include "tests/network/golden.h"
#include "tests/network/levels.h"

/* Of the largest logit; and the least share of equal labels with bf16, of all voxels of all networks. */
static const double tolerance[LEVELS] = { 1e-4, 1e-4, 1e-4, 2e-2 }, least_share = 0.995;
static double worst[LEVELS];
static size_t voxels, other_labels;             /* with bf16 */
static int networks, failures;

static void compare(const char *name, const struct network *n, const float *weights, const struct npy *input, const struct npy *logits)
{
	size_t n_voxels = (size_t)(n->patch[0] * n->patch[1] * n->patch[2]), count = (size_t)n->n_outputs * n_voxels;

	networks++;
	printf("%s:", name + strlen(getenv("SHARED")) + strlen("/golden/"));
	for (int isa = 0; isa <= last_level(); isa++) {
		void *e = cpu_open(n, 1, 1, 1, (enum isa)isa);
		const float *got;
		double d;
		engine_cpu.load(e, 0, split(n, weights), 2);
		got = engine_cpu.forward(e, 0, 0, input->data, 1);
		d = golden_difference(got, logits->data, count);
		worst[isa] = d <= worst[isa] ? worst[isa] : d;
		failures += !(d <= tolerance[isa]);
		printf(" %.1e%s", d, d <= tolerance[isa] ? "" : " WRONG");
		if (isa == ISA_BF16) {
			size_t others = golden_other_labels(got, logits->data, (size_t)n->n_outputs, n_voxels);
			printf(", other labels with bf16: %zu of %zu", others, n_voxels);
			voxels += n_voxels;
			other_labels += others;
		}
		engine_cpu.close(e);
	}
	puts("");
}

int main(void)
{
	if (!golden_here())
		return 77;
	puts("error at base, v3, v4, bf16, relative to the largest logit:");
	golden_each(compare, true);
	printf("note: %d networks, largest error relative to the largest logit: base %.1e, v3 %.1e, v4 %.1e, bf16 %.1e\n", networks,
	       worst[ISA_BASE], worst[ISA_V3], worst[ISA_V4], worst[ISA_BF16]);
	if (voxels) {
		double share = 1 - (double)other_labels / (double)voxels;
		printf("note: bf16: %.3f %% of %zu labels are equal\n", 100 * share, voxels);
		failures += share < least_share;
	}
	return failures > 0;
}
