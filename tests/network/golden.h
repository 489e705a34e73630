/* golden: what PyTorch computed with every golden network: one patch and its logits. */
#ifndef TESTS_GOLDEN_H
#define TESTS_GOLDEN_H
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/architecture.h"
#include "common/die.h"
#include "common/npz.h"
#include "common/parameters.h"
#include "tests/network/parameters.h"

/* input [1, n_inputs, patch], logits [1, n_outputs, patch]. */
typedef void golden_function(const char *name, const struct network *n, const float *weights, const struct npy *input,
                             const struct npy *logits);

/* Largest difference of n values from those expected, as a share of the largest expected; not finite if one of them is not. */
static inline double golden_difference(const float *got, const float *expected, size_t n)
{
	double largest = 0, off = 0;

	for (size_t i = 0; i < n; i++) {
		double d = fabs((double)got[i] - (double)expected[i]);
		largest = fmax(largest, fabs((double)expected[i]));
		off = d <= off ? off : d;       /* a NaN stays */
	}
	return off / largest;
}

/* How many of n voxels have another largest logit; a, b [channels][n]. */
static inline size_t golden_other_labels(const float *a, const float *b, size_t channels, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		size_t at = 0, bt = 0;
		for (size_t c = 1; c < channels; c++) {
			at = a[c * n + i] > a[at * n + i] ? c : at;
			bt = b[c * n + i] > b[bt * n + i] ? c : bt;
		}
		count += at != bt;
	}
	return count;
}

/* The patch of a 2D input is [1, C, y, x]: one plane. */
static inline void golden_run(golden_function *f, const char *name, const struct architecture *a, const char *checkpoint,
                              const char *folder)
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
	if (!parameters_copy(weights, &n, &c))
		die_failed();
	f(name, &n, weights, &input, &logits);
	checkpoint_close(&c);
	network_free(&n);
	free(weights);
	npy_free(&input);
	npy_free(&logits);
	free(in_path);
	free(out_path);
}

static inline void golden_architecture(golden_function *f, const char *shared, int i)
{
	char *folder = xasprintf("%s/golden/architectures/%02d", shared, i), *file = xasprintf("%s/architecture.json", folder);
	char *checkpoint = xasprintf("%s/checkpoint_final.pth", folder);
	struct architecture a;
	struct json j;

	if (!json_read(&j, file) || !architecture_read(&a, &j))
		die_failed();
	golden_run(f, folder, &a, checkpoint, folder);
	json_free(&j);
	free(folder);
	free(file);
	free(checkpoint);
}

static inline void golden_model(golden_function *f, const char *shared, const char *model, const char *configuration,
                                const char *checkpoint)
{
	char *plans = xasprintf("%s/golden/models/%s/plans.json", shared, model);
	char *folder = xasprintf("%s/golden/forward/%s", shared, model);
	char *path = xasprintf("%s/golden/models/%s/%s", shared, model, checkpoint);
	struct plan p;

	if (!plan_read(&p, plans, configuration))
		die_failed();
	golden_run(f, folder, &p.arch, path, folder);
	plan_free(&p);
	free(plans);
	free(folder);
	free(path);
}

/* Whether the folder is there. */
static inline bool golden_here(void)
{
	char *folder = xasprintf("%s/golden/forward", getenv("SHARED") ? getenv("SHARED") : "");
	bool here = !access(folder, R_OK);

	if (!here)
		puts("no golden forward passes (../shared is not there)");
	free(folder);
	return here;
}

/* All small networks, and with `models` the trained ones. */
static inline void golden_each(golden_function *f, bool models)
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
	const char *shared = getenv("SHARED");

	for (int i = 0; i < 30; i++)
		golden_architecture(f, shared, i);
	for (size_t i = 0; models && i < sizeof model / sizeof *model; i++)
		golden_model(f, shared, model[i][0], model[i][1], model[i][2]);
}
#endif
