/* Every golden network gives PyTorch's logits on every backend, within 1e-4 of the largest (fp32 sums in another order). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/architecture.h"
#include "common/die.h"
#include "common/npz.h"
#include "filters/infer-checkpoint/backend.h"

static const double tolerance = 1e-4;
static int compared, failures;
static double worst[8];

/* One patch through a backend; input [1, n_inputs, patch], logits [1, n_outputs, patch]. */
static void compare(int which, const char *name, const struct network *n, const float *weights, const struct npy *input,
                    const struct npy *logits)
{
	struct backend_options o = { .threads = 2, .n_members = 1, .gaussian = true };
	const struct backend *b = backends[which];
	size_t count = (size_t)(n->n_outputs * n->patch[0] * n->patch[1] * n->patch[2]);
	float *out = xmalloc(count, sizeof *out);
	const float *want = logits->data;
	double largest = 0, off = 0;
	void *h = b->open(n, &o);

	if (!h || !b->load(h, 0, weights) || !b->forward(h, 0, out, input->data))
		die_failed();
	for (size_t i = 0; i < count; i++) {
		double d = fabs((double)out[i] - (double)want[i]);
		largest = fmax(largest, fabs((double)want[i]));
		off = d <= off ? off : d;       /* a NaN stays */
	}
	off /= largest;
	if (!(off <= tolerance)) {
		printf("%s on %s: off by %.3g of the largest logit\n", name, b->name, off);
		failures++;
	}
	worst[which] = fmax(worst[which], off);
	compared++;
	b->close(h);
	free(out);
}

/* The patch of a 2D input is [1, C, y, x]: one plane. */
static void run(const char *name, const struct architecture *a, const char *checkpoint, const char *folder)
{
	char *in_path = xasprintf("%s/input.npy", folder), *out_path = xasprintf("%s/logits.npy", folder);
	struct npy input, logits;
	struct checkpoint c;
	struct network n;
	int64_t patch[3] = { 1, 1, 1 };
	float *weights;

	if (!npy_read(&input, in_path) || !npy_read(&logits, out_path) || !checkpoint_open(&c, checkpoint))
		die_failed();
	for (int i = 2; i < input.n_dims; i++)
		patch[3 - input.n_dims + i] = input.dim[i];
	if (!network_build(&n, a, (int)input.dim[1], (int)logits.dim[1], patch))
		die_failed();
	weights = xmalloc(n.n_weights, sizeof *weights);
	if (!network_load(weights, &n, &c))
		die_failed();
	for (int i = 0; backends[i]; i++)
		if (!backends[i]->probe(&(struct backend_options){0}))
			compare(i, name, &n, weights, &input, &logits);
	checkpoint_close(&c);
	network_free(&n);
	free(weights);
	npy_free(&input);
	npy_free(&logits);
	free(in_path);
	free(out_path);
}

static void run_architecture(const char *shared, int i)
{
	char *folder = xasprintf("%s/golden/architectures/%02d", shared, i), *file = xasprintf("%s/architecture.json", folder);
	char *checkpoint = xasprintf("%s/checkpoint_final.pth", folder);
	struct architecture a;
	struct json j;

	if (!json_read(&j, file) || !architecture_read(&a, &j))
		die_failed();
	run(folder, &a, checkpoint, folder);
	json_free(&j);
	free(folder);
	free(file);
	free(checkpoint);
}

static void run_model(const char *shared, const char *model, const char *configuration, const char *checkpoint)
{
	char *plans = xasprintf("%s/golden/models/%s/plans.json", shared, model);
	char *folder = xasprintf("%s/golden/forward/%s", shared, model);
	char *path = xasprintf("%s/golden/models/%s/%s", shared, model, checkpoint);
	struct plan p;

	if (!plan_read(&p, plans, configuration))
		die_failed();
	run(folder, &p.arch, path, folder);
	plan_free(&p);
	free(plans);
	free(folder);
	free(path);
}

int main(void)
{
	static const char *const model[][3] = {
		{ "phantom_2d", "2d", "fold_0/checkpoint_59.pth" },
		{ "sunnybrook_2d", "2d", "fold_0/checkpoint_44.pth" },
		{ "hippocampus_3d_fullres", "3d_fullres", "fold_0/checkpoint_final.pth" },
		{ "hippocampus_3d_cascade_fullres", "3d_cascade_fullres", "fold_0/checkpoint_final.pth" },
		{ "hippocampus_regions", "3d_fullres", "fold_all/checkpoint_final.pth" },
		{ "sunnybrook_resenc_3d", "3d_fullres", "fold_all/checkpoint_final.pth" },
		{ "ct_2ch_3d", "3d_fullres", "fold_all/checkpoint_final.pth" },
	};
	bool release = !strcmp(getenv("FLAVOR"), "release");         /* the sanitizers see enough in small networks */
	char *shared = getenv("SHARED"), *golden = xasprintf("%s/golden/forward", shared ? shared : "");

	if (access(golden, R_OK)) {
		puts("no golden forward passes (../shared is not there)");
		return 77;
	}
	for (int i = 0; i < 30; i++)
		run_architecture(shared, i);
	for (size_t i = 0; release && i < sizeof model / sizeof *model; i++)
		run_model(shared, model[i][0], model[i][1], model[i][2]);
	for (int i = 0; backends[i]; i++)
		if (!backends[i]->probe(&(struct backend_options){0}))
			printf("note: %s: off by at most %.2g of the largest logit\n", backends[i]->name, worst[i]);
	printf("note: %d forward passes compared\n", compared);
	free(golden);
	return failures > 0;
}
