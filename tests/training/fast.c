/* The fast engine's outputs and gradients are the plain engine's, for each instruction set and any number of threads: 2D and 3D,
 * odd sizes, anisotropic kernels and strides, few and odd numbers of channels, residual blocks, several inputs, missing heads. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "filters/train-checkpoints/engine.h"
#include "filters/train-checkpoints/fast.h"

struct subject {
	const char *name;
	enum unet_class class;
	int64_t patch[3];
	int n_inputs, batch, n_stages, feature[4], blocks, kernel_z[4], stride[4][3];
};

#define PLANE { 1, 1, 1, 1 }
#define CUBE { 3, 3, 3, 3 }
#define HALVES { { 1, 1, 1 }, { 2, 2, 2 }, { 2, 2, 2 }, { 2, 2, 2 } }
#define HALVES_2D { { 1, 1, 1 }, { 1, 2, 2 }, { 1, 2, 2 }, { 1, 2, 2 } }

static const struct subject subjects[] = {
	{ "2d", UNET_PLAIN, { 1, 32, 24 }, 1, 3, 3, { 8, 16, 32 }, 2, PLANE, HALVES_2D },
	{ "2d, odd channels", UNET_PLAIN, { 1, 20, 28 }, 3, 2, 3, { 5, 12, 21 }, 1, PLANE, HALVES_2D },
	{ "2d, wide", UNET_PLAIN, { 1, 10, 22 }, 2, 4, 2, { 32, 72 }, 1, PLANE, HALVES_2D },
	{ "2d, anisotropic", UNET_PLAIN, { 1, 15, 24 }, 1, 2, 3, { 16, 16, 24 }, 1, PLANE, { { 1, 1, 1 }, { 1, 1, 2 }, { 1, 3, 2 } } },
	{ "3d", UNET_PLAIN, { 8, 12, 20 }, 1, 2, 3, { 8, 16, 24 }, 1, CUBE, HALVES },
	{ "3d, wide", UNET_PLAIN, { 10, 8, 6 }, 1, 2, 2, { 32, 48 }, 1, CUBE, HALVES },
	{ "3d, flat kernels", UNET_PLAIN, { 6, 12, 8 }, 1, 2, 3, { 10, 16, 20 }, 1, { 1, 3, 3 }, { { 1, 1, 1 }, { 1, 2, 2 }, { 2, 2, 2 } } },
	{ "2d, residual", UNET_RESENC, { 1, 24, 20 }, 2, 3, 3, { 8, 16, 16 }, 2, PLANE, HALVES_2D },
	{ "3d, residual", UNET_RESENC, { 4, 8, 12 }, 1, 2, 3, { 16, 24, 24 }, 1, CUBE, HALVES },
};

static int failures;
static double worst;

/* With a slope of 1 everything is smooth, and rounding changes little.  With nnU-Net's a voxel that comes to lie on the other side
 * of 0 changes its whole derivative; of few voxels, one is felt. */
static const struct { float slope; double limit; } slopes[] = { { 1, 1e-4 }, { 0.01f, 5e-2 } };

static void build(struct network *n, const struct subject *s, float slope)
{
	struct architecture a = { .class = s->class, .dims = s->patch[0] > 1 ? 3 : 2, .n_stages = s->n_stages, .conv_bias = true,
	                          .norm = NORM_INSTANCE, .eps = 1e-5, .slope = (double)slope };

	for (int i = 0; i < s->n_stages; i++) {
		a.features[i] = s->feature[i];
		a.n_conv_encoder[i] = s->blocks;
		a.n_conv_decoder[i] = s->class == UNET_PLAIN ? s->blocks : 1;
		a.kernel[i][0] = s->kernel_z[i];
		a.kernel[i][1] = a.kernel[i][2] = 3;
		memcpy(a.stride[i], s->stride[i], sizeof a.stride[i]);
	}
	if (!network_build_training(n, &a, s->n_inputs, 3, s->patch))
		die_failed();
}

static float uniform(void) { return (float)rand() / (float)RAND_MAX * 2 - 1; }

static float *random_floats(size_t n, float scale, float shift)
{
	float *x = xmalloc(n, sizeof *x);

	for (size_t i = 0; i < n; i++)
		x[i] = uniform() * scale + shift;
	return x;
}

/* As a trained network's: outputs of about unit variance, norms that are not the identity. */
static float *random_weights(const struct network *n)
{
	float *w = xcalloc(n->n_weights, sizeof *w);

	for (int p = 0; p < n->n_parameters; p++) {
		const struct parameter *q = &n->parameter[p];
		bool norm = strstr(q->name, "norm.weight");
		double fan_in = q->n_dims > 1 ? (double)q->count / (double)q->dim[0] : 16;
		for (size_t i = 0; i < q->count; i++)
			w[q->offset + i] = uniform() * (norm ? 0.5f : (float)sqrt(3 / fan_in)) + (norm ? 1 : 0);
	}
	return w;
}

struct result { float *logits[4], *gradients; };

static size_t head_count(const struct network *n, int head, int batch)
{
	const struct value *v = network_head_value(n, head);

	return (size_t)batch * (size_t)n->n_outputs * (size_t)(v->size[0] * v->size[1] * v->size[2]);
}

/* Twice: nothing may be left of the first time. */
static struct result run(const struct train_engine *engine, void *e, const struct network *n, int batch, const float *weights,
                         const float *in, float *const *d_logits)
{
	struct result r = { .gradients = xmalloc(n->n_weights, sizeof(float)) };

	for (int i = 0; i < n->n_heads; i++)
		r.logits[i] = xmalloc(head_count(n, i, batch), sizeof(float));
	for (int i = 0; i < (engine == &train_ref ? 1 : 2); i++) {
		engine->forward(e, weights, in, r.logits);
		engine->backward(e, d_logits, r.gradients);
	}
	engine->close(e);
	return r;
}

static void free_result(const struct result *r, const struct network *n)
{
	for (int i = 0; i < n->n_heads; i++)
		free(r->logits[i]);
	free(r->gradients);
}

/* Largest difference relative to the largest value, or to `least` when that is more. */
static double difference(const float *x, const float *want, size_t n, double least)
{
	double most = 0;

	for (size_t i = 0; i < n; i++)
		least = fmax(least, fabs((double)want[i]));
	for (size_t i = 0; i < n; i++) {
		double d = fabs((double)x[i] - (double)want[i]) / (least > 0 ? least : 1);
		most = d <= most ? most : d;            /* a NaN stays */
	}
	return most;
}

/* Whether parameter p is the bias of a convolution before a norm: its derivative is 0 but for rounding. */
static bool cancels(const struct network *n, int p)
{
	for (int i = 0; i < n->n_nodes; i++)
		if (n->node[i].bias == p)
			return n->node[i].norm;
	return false;
}

static void compare(const char *name, const char *isa, const struct network *n, int batch, double limit, const struct result *r,
                    const struct result *want)
{
	double d, most = 0;

	for (size_t i = 0; i < n->n_weights; i++)
		most = fmax(most, fabs((double)want->gradients[i]));
	for (int i = 0; i < n->n_heads; i++)
		if (!((d = difference(r->logits[i], want->logits[i], head_count(n, i, batch), 0)) <= 5e-5)) {
			printf("%s, %s: output %d is off by %.3g\n", name, isa, i, d);
			failures++;
		}
	for (int p = 0; p < n->n_parameters; p++) {
		const struct parameter *q = &n->parameter[p];
		d = difference(r->gradients + q->offset, want->gradients + q->offset, q->count, cancels(n, p) ? most : 0);
		if (limit == slopes[0].limit)
			worst = fmax(worst, d);
		if (!(d <= limit)) {
			printf("%s, %s: the gradient of %s is off by %.3g\n", name, isa, q->name, d);
			failures++;
		}
	}
}

static void test(const struct subject *s, float slope, double limit)
{
	static const char *const isa_name[] = { "base", "v3", "v4" };
	struct network n;
	struct result want, got[3];
	float *d_logits[4] = { NULL }, *weights, *in;

	build(&n, s, slope);
	weights = random_weights(&n);
	in = random_floats((size_t)s->batch * (size_t)s->n_inputs * (size_t)(s->patch[0] * s->patch[1] * s->patch[2]), 2, 0.5f);
	for (int i = 0; i + 1 < n.n_heads || i == 0; i++)
		d_logits[i] = random_floats(head_count(&n, i, s->batch), 1e-3f, 2e-4f);
	want = run(&train_ref, train_ref.open(&n, s->batch, 2), &n, s->batch, weights, in, d_logits);
	for (int level = slope < 1 ? (int)cpu_isa() : ISA_BASE; level <= (int)cpu_isa(); level++) {
		for (int i = 0; i < 3; i++) {
			static const int threads[] = { 1, 7, 2 };
			static const size_t gradient_floats[] = { SIZE_MAX, SIZE_MAX, 1 };      /* 1: sample by sample */
			void *e = fast_open(&n, s->batch, threads[i], (enum isa)level, gradient_floats[i]);
			got[i] = run(&train_fast, e, &n, s->batch, weights, in, d_logits);
		}
		if (memcmp(got[0].gradients, got[1].gradients, n.n_weights * sizeof(float))) {
			printf("%s, %s: gradients depend on the number of threads\n", s->name, isa_name[level]);
			failures++;
		}
		compare(s->name, isa_name[level], &n, s->batch, limit, &got[0], &want);
		compare(s->name, "sample by sample", &n, s->batch, limit, &got[2], &want);
		for (int i = 0; i < 3; i++)
			free_result(&got[i], &n);
	}
	free_result(&want, &n);
	for (int i = 0; i < n.n_heads; i++)
		free(d_logits[i]);
	network_free(&n);
	free(weights);
	free(in);
}

int main(void)
{
	srand(1);
	for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++)
		for (int k = 0; k < 2; k++)
			test(&subjects[i], slopes[k].slope, slopes[k].limit);
	printf("note: gradients are off by at most %.2g of a weight's largest\n", worst);
	return failures > 0;
}
