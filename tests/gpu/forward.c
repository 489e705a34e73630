/* Every golden network gives PyTorch's logits on the imitated GPU: steps, buffers, arranged weights and kernels are the plugin's own.
 * release only: gpu/networks runs every kind of step under the sanitizers */
#include "filters/infer-checkpoint/backend.h"
#include "tests/network/golden.h"

/* Of the largest logit.  fp32: sums in another order.  fp16: feature maps are rounded to 11 bits, 2^-11 each time; small networks
 * of a few features do not average that out.  bf16: to 8 bits.  tf32: 11 bits of what is multiplied, but feature maps in fp32. */
static const struct { const char *name; enum precision precision; double tolerance; } kinds[] = {
	{ "fp32", PRECISION_FP32, 1e-4 }, { "fp16", PRECISION_FP16, 5e-3 }, { "tf32", PRECISION_TF32, 3e-3 }, { "bf16", PRECISION_BF16, 0.03 }
};
enum { KINDS = sizeof kinds / sizeof *kinds };
static double worst[KINDS];
static int failures, compared;

static void compare(const char *name, const struct network *n, const float *weights, const struct npy *input, const struct npy *logits)
{
	size_t count = (size_t)(n->n_outputs * n->patch[0] * n->patch[1] * n->patch[2]);
	float *out = xmalloc(count, sizeof *out);

	for (int k = 0; k < KINDS; k++) {
		struct backend_options o = { .threads = 1, .n_members = 1, .gaussian = true, .precision = kinds[k].precision };
		const struct backend *b;
		double off;
		void *h;
		if (k > 1 && compared % 5)      /* two precisions everywhere, the others now and then */
			continue;
		h = backend_open(&b, "cuda", n, &o);
		if (!h || !b->load(h, 0, split(n, weights)) || !b->forward(h, 0, out, input->data))
			die_failed();
		off = golden_difference(out, logits->data, count);
		if (!(off <= kinds[k].tolerance)) {
			printf("%s in %s: off by %.3g of the largest logit\n", name, kinds[k].name, off);
			failures++;
		}
		worst[k] = fmax(worst[k], off);
		b->close(h);
	}
	compared++;
	free(out);
}

int main(void)
{
	char *plugin = xasprintf("%s/imitated.so", getenv("BUILD"));

	if (!golden_here())
		return 77;
	setenv("QUALM_CUDA_PLUGIN", plugin, 1);
	golden_each(compare, false);
	for (int k = 0; k < KINDS; k++)
		printf("note: %s: off by at most %.2g of the largest logit\n", kinds[k].name, worst[k]);
	free(plugin);
	return failures > 0;
}
