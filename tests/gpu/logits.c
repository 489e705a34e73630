/* Logits on a GPU are PyTorch's, of every golden network: in fp32 as on the processor, in other precisions within their rounding.
 * release only: the sanitizers do not look into a GPU
 * usage: logits [BACKEND] (cuda) */
#include "filters/infer-checkpoint/backend.h"
#include "tests/network/golden.h"

/* Of the largest logit, and the least share of equal labels; the input is noise, which has near ties. */
static const struct { const char *name; enum precision precision; double tolerance, share; } kinds[] = {
	{ "fp32", PRECISION_FP32, 1e-4, 0.9999 }, { "fp16", PRECISION_FP16, 5e-3, 0.995 }, { "tf32", PRECISION_TF32, 5e-3, 0.995 },
	{ "bf16", PRECISION_BF16, 0.05, 0.98 }
};
enum { KINDS = sizeof kinds / sizeof *kinds };
static const char *name_of_backend = "cuda";
static int kind, compared, failures;
static double worst;
static size_t voxels, others;           /* labels that differ */

static void compare(const char *name, const struct network *n, const float *weights, const struct npy *input, const struct npy *logits)
{
	/* Plans are timed for the trained networks alone: the others have hundreds of small convolutions. */
	struct backend_options o = { .threads = 1, .n_members = 1, .gaussian = true, .precision = kinds[kind].precision,
	                             .deterministic = strstr(name, "/architectures/") != NULL };
	size_t channels = (size_t)n->n_outputs, count = (size_t)(n->patch[0] * n->patch[1] * n->patch[2]);
	float *out = xmalloc(channels * count, sizeof *out);
	const struct backend *b;
	double off;
	void *h = backend_open(&b, name_of_backend, n, &o);

	if (!h || !b->load(h, 0, split(n, weights)) || !b->forward(h, 0, out, input->data))
		die_failed();
	b->close(h);
	off = golden_difference(out, logits->data, channels * count);
	if (!(off <= kinds[kind].tolerance)) {
		printf("%s in %s: off by %.3g of the largest logit\n", name, kinds[kind].name, off);
		failures++;
	}
	worst = off <= worst ? worst : off;
	others += golden_other_labels(out, logits->data, channels, count);
	voxels += count;
	compared++;
	free(out);
}

int main(int argc, char **argv)
{
	const char *bin = getenv("BIN"), *build = getenv("BUILD"), *device = getenv("DEVICE");
	bool imitated = device && !strcmp(device, "imitated");
	char *plugin = imitated ? xasprintf("%s/imitated.so", build ? build : ".") : xasprintf("%s/cuda.so", bin ? bin : ".");

	if (!golden_here())
		return 77;
	if (argc > 1)
		name_of_backend = argv[1];
	if (!strcmp(name_of_backend, "cuda") && !imitated &&
	    ((access("/proc/driver/nvidia/version", R_OK) && access("/dev/nvidia0", F_OK)) || access(plugin, R_OK))) {
		puts("no GPU, or no plugin for it (cuda.so)");
		return 77;
	}
	setenv("QUALM_CUDA_PLUGIN", plugin, 1);
	for (kind = 0; kind < KINDS; kind++) {
		compared = 0;
		voxels = others = 0;
		worst = 0;
		golden_each(compare, !imitated);
		double share = 1 - (double)others / (double)voxels;
		printf("note: %s: %d networks, off by at most %.2g of the largest logit, %.4f %% of %zu labels equal\n", kinds[kind].name, compared,
		       worst, 100 * share, voxels);
		fflush(stdout);                         /* it is known what was right if there is not time for all */
		failures += share < kinds[kind].share;
		if (!strcmp(name_of_backend, "cpu") || !strcmp(name_of_backend, "ref"))
			break;                          /* they know fp32 */
	}
	free(plugin);
	return failures > 0;
}
