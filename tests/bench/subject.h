/* subject: the network to be measured: one of a list, with random weights, or that of a checkpoint in its model folder. */
#ifndef BENCH_SUBJECT_H
#define BENCH_SUBJECT_H
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/network.h"
#include "common/parameters.h"
#include "tests/network/parameters.h"

struct subject {
	const char *name;
	int64_t patch[3];
	int n_stages, feature[MAX_STAGES];
	int blocks[MAX_STAGES];         /* of a residual encoder; {0}: plain */
	bool quick;                     /* of those that are measured when none is named */
};

static const struct subject subjects[] = {
	{ "2d_192_8-32", { 1, 192, 192 }, 5, { 8, 16, 32, 32, 32 }, {0}, true },
	{ "2d_160_32-512", { 1, 160, 160 }, 6, { 32, 64, 128, 256, 512, 512 }, {0}, true },
	{ "2d_256_32-512", { 1, 256, 256 }, 7, { 32, 64, 128, 256, 512, 512, 512 }, {0}, false },
	{ "3d_64_32-320", { 64, 64, 64 }, 5, { 32, 64, 128, 256, 320 }, {0}, true },
	{ "3d_96_32-320", { 96, 96, 96 }, 5, { 32, 64, 128, 256, 320 }, {0}, false },
	{ "3d_128_32-320", { 128, 128, 128 }, 6, { 32, 64, 128, 256, 320, 320 }, {0}, false },
	{ "resenc-m_128x128x96", { 128, 128, 96 }, 6, { 32, 64, 128, 256, 320, 320 }, { 1, 3, 4, 6, 6, 6 }, false },
};
enum { N_SUBJECTS = sizeof subjects / sizeof *subjects };

/* nnU-Net's U-Net with kernels of 3: plain with two convolutions a stage, or ResEnc with one in the decoder. */
static void subject_build(struct network *n, const struct subject *s)
{
	struct architecture a = { .class = s->blocks[0] ? UNET_RESENC : UNET_PLAIN, .dims = s->patch[0] > 1 ? 3 : 2, .n_stages = s->n_stages,
	                          .conv_bias = true, .norm = NORM_INSTANCE, .eps = 1e-5, .slope = 0.01 };

	for (int i = 0; i < s->n_stages; i++) {
		a.features[i] = s->feature[i];
		a.n_conv_encoder[i] = s->blocks[0] ? s->blocks[i] : 2;
		a.n_conv_decoder[i] = s->blocks[0] ? 1 : 2;
		for (int k = 0; k < 3; k++) {
			bool flat = k == 0 && a.dims == 2;
			a.kernel[i][k] = flat ? 1 : 3;
			a.stride[i][k] = flat || i == 0 ? 1 : 2;
		}
	}
	if (!network_build(n, &a, 1, 2, s->patch))
		die_failed();
}

static void random_fill(float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = (float)rand() / (float)RAND_MAX - 0.5f;
}

static bool load_checkpoint(struct network *n, float **weights, const char *path)
{
	char *model = model_of_checkpoint(path), *plans = xasprintf("%s/plans.json", model ? model : ""),
	     *dataset = xasprintf("%s/dataset.json", model ? model : "");
	struct checkpoint c;
	struct plan p;
	struct dataset d;

	if (!model || !checkpoint_open(&c, path) || !c.configuration || !plan_read(&p, plans, c.configuration) || !dataset_read(&d, dataset) ||
	    !network_build(n, &p.arch, plan_input_channels(&p, &d.labels), d.labels.n_outputs, p.patch_size))
		return false;
	*weights = xmalloc(n->n_weights, sizeof **weights);
	bool ok = parameters_copy(*weights, n, &c);
	checkpoint_close(&c);
	dataset_free(&d);
	plan_free(&p);
	free(dataset);
	free(plans);
	free(model);
	return ok;
}

/* name: of the list, or the path of a checkpoint.  *weights is malloc'ed.  Does not return from an error. */
static void subject_open(struct network *n, float **weights, const char *name)
{
	for (int i = 0; i < N_SUBJECTS; i++)
		if (!strcmp(subjects[i].name, name)) {
			subject_build(n, &subjects[i]);
			*weights = xmalloc(n->n_weights, sizeof **weights);
			srand(1);
			random_fill(*weights, n->n_weights);
			return;
		}
	if (!strchr(name, '/'))
		die(XUSAGE, "no network is called '%s'", name);
	if (!load_checkpoint(n, weights, name))
		die_failed();
}

static size_t patch_voxels(const struct network *n) { return (size_t)(n->patch[0] * n->patch[1] * n->patch[2]); }
#endif
