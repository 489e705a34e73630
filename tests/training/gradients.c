/* The plain engine's derivatives are the slopes of what it computes: finite differences by every kind of parameter of every kind
 * of layer; and they do not depend on threads, nor a sample's on those beside it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/random.h"
#include "filters/train-checkpoints/init.h"
#include "filters/train-checkpoints/ref.h"

enum { BATCH = 2, SEED = 3 };

static int failures, compared;
static double worst;

/* What is differentiated: the sum of all outputs times fixed numbers, which are the derivative that backward is given. */
struct trial {
	const char *name;
	struct network n;
	float *weights, *in, *gradients, *logits[MAX_STAGES], *d_logits[MAX_STAGES];
};

static float *numbers(size_t n, uint64_t stream)
{
	float *x = xmalloc(n, sizeof *x);

	for (size_t i = 0; i < n; i++)
		x[i] = (float)(2 * random_unit(SEED, stream, i) - 1);
	return x;
}

static size_t count(const struct network *n, int value)
{
	return (size_t)BATCH * (size_t)n->value[value].channels * ref_voxels(&n->value[value]);
}

static void trial_open(struct trial *t, const char *name, const struct architecture *a, const int64_t patch[3])
{
	float *noise;

	*t = (struct trial){ .name = name };
	if (!network_build_training(&t->n, a, 2, 3, patch))
		die_failed();
	t->weights = xmalloc(t->n.n_weights, sizeof *t->weights);
	t->gradients = xmalloc(t->n.n_weights, sizeof *t->gradients);
	init_weights(t->weights, &t->n, SEED);
	noise = numbers(t->n.n_weights, 1);
	for (size_t i = 0; i < t->n.n_weights; i++)     /* biases and norms that start at 0 would hide mistakes */
		t->weights[i] += 0.2f * noise[i];
	free(noise);
	t->in = numbers(count(&t->n, 0), 2);
	for (int h = 0; h < t->n.n_heads; h++) {
		t->logits[h] = xmalloc(count(&t->n, network_head(&t->n, h)->out), sizeof(float));
		t->d_logits[h] = numbers(count(&t->n, network_head(&t->n, h)->out), 3 + (uint64_t)h);
	}
}

static void trial_close(struct trial *t)
{
	for (int h = 0; h < t->n.n_heads; h++) {
		free(t->logits[h]);
		free(t->d_logits[h]);
	}
	free(t->weights);
	free(t->in);
	free(t->gradients);
	network_free(&t->n);
}

/* The sum in double: fp32 outputs would drown differences. */
static double value_of(struct ref *e, const struct trial *t)
{
	double sum = 0;

	train_ref.forward(e, t->weights, t->in, t->logits);
	for (int h = 0; h < t->n.n_heads; h++) {
		int v = network_head(&t->n, h)->out;
		for (size_t i = 0; i < count(&t->n, v); i++)
			sum += e->value[v][i] * (double)t->d_logits[h][i];
	}
	return sum;
}

/* Slope along a step of a parameter: of all its weights at once (only < 0), or of one.  A step is small enough that hardly a
 * voxel goes through the bend of the leaky ReLU, and taken as fp32 rounds it. */
static void compare(struct ref *e, struct trial *t, int p, int64_t only, double scale)
{
	const struct parameter *q = &t->n.parameter[p];
	float *w = t->weights + q->offset, *kept = xmalloc(q->count, sizeof *kept), *step = numbers(q->count, 100 + (uint64_t)p);
	double expected = 0, up, down, length = 0, off;

	memcpy(kept, w, q->count * sizeof *kept);
	for (size_t i = 0; i < q->count; i++) {
		step[i] = only < 0 || (size_t)only == i ? only < 0 ? 3e-6f * step[i] : 3e-6f : 0;
		w[i] = kept[i] + step[i];
	}
	up = value_of(e, t);
	for (size_t i = 0; i < q->count; i++) {
		double taken = (double)w[i];
		w[i] = kept[i] - step[i];
		taken -= (double)w[i];
		expected += taken * (double)t->gradients[q->offset + i];
		length += taken * taken;
	}
	down = value_of(e, t);
	memcpy(w, kept, q->count * sizeof *kept);
	off = fabs(up - down - expected) / sqrt(length) / scale;
	if (!(off <= 1e-5)) {
		printf("%s: %s: the slope is %.9g, the derivative %.9g\n", t->name, q->name, (up - down) / sqrt(length),
		       expected / sqrt(length));
		failures++;
	}
	worst = fmax(worst, off);
	compared++;
	free(kept);
	free(step);
}

static double length_of(const float *x, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)x[i] * (double)x[i];
	return sqrt(sum);
}

/* The same bytes on three threads. */
static void check_threads(struct trial *t)
{
	float *again = xmalloc(t->n.n_weights, sizeof *again);
	void *e = train_ref.open(&t->n, BATCH, 3);

	train_ref.forward(e, t->weights, t->in, t->logits);
	train_ref.backward(e, t->d_logits, again);
	if (memcmp(again, t->gradients, t->n.n_weights * sizeof *again)) {
		printf("%s: threads change the derivatives\n", t->name);
		failures++;
	}
	train_ref.close(e);
	free(again);
}

/* Heads without a derivative: theirs is 0, and what the others give adds up to the whole. */
static void check_heads(struct ref *e, struct trial *t)
{
	float *kept[MAX_STAGES], *sum = xcalloc(t->n.n_weights, sizeof *sum), *part = xmalloc(t->n.n_weights, sizeof *part);
	double off = 0;

	train_ref.forward(e, t->weights, t->in, t->logits);
	memcpy(kept, t->d_logits, sizeof kept);
	for (int h = 0; h < t->n.n_heads; h++) {
		for (int k = 0; k < t->n.n_heads; k++)
			t->d_logits[k] = k == h ? kept[k] : NULL;
		train_ref.backward(e, t->d_logits, part);
		for (int k = 0; k < t->n.n_heads; k++) {
			const struct parameter *q = &t->n.parameter[network_head(&t->n, k)->weight];
			if ((length_of(part + q->offset, q->count) > 0) != (k == h)) {
				printf("%s: head %d by the derivative of head %d\n", t->name, k, h);
				failures++;
			}
		}
		for (size_t i = 0; i < t->n.n_weights; i++)
			sum[i] += part[i];
	}
	memcpy(t->d_logits, kept, sizeof kept);
	for (size_t i = 0; i < t->n.n_weights; i++)
		off = fmax(off, fabs((double)sum[i] - (double)t->gradients[i]));
	if (!(off <= 1e-5 * length_of(t->gradients, t->n.n_weights))) {
		printf("%s: the heads' derivatives do not add up, by %g\n", t->name, off);
		failures++;
	}
	free(sum);
	free(part);
}

static void run(const char *name, const struct architecture *a, const int64_t patch[3])
{
	struct trial t;
	struct ref *e;

	trial_open(&t, name, a, patch);
	if (!(e = train_ref.open(&t.n, BATCH, 1)))
		die_failed();
	train_ref.forward(e, t.weights, t.in, t.logits);
	train_ref.backward(e, t.d_logits, t.gradients);
	check_threads(&t);
	check_heads(e, &t);
	for (int p = 0; p < t.n.n_parameters; p++) {
		const struct parameter *q = &t.n.parameter[p];
		double scale = fmax(length_of(t.gradients + q->offset, q->count), 1e-4 * length_of(t.gradients, t.n.n_weights));
		compare(e, &t, p, -1, scale);
		compare(e, &t, p, 0, scale);
		compare(e, &t, p, (int64_t)q->count - 1, scale);
	}
	train_ref.close(e);
	trial_close(&t);
}

/* Two or three stages of few features; the second stride is the one given. */
static struct architecture small(enum unet_class class, int dims, const int kernel[3], const int stride[3])
{
	struct architecture a = { .class = class, .dims = dims, .n_stages = 3, .conv_bias = true, .eps = 1e-5, .slope = 0.01 };

	for (int s = 0; s < 3; s++) {
		a.features[s] = 3 + s;
		a.n_conv_encoder[s] = 1 + (s == 1);
		a.n_conv_decoder[s] = 1 + (s == 0);
		a.bottleneck_channels[s] = 2;
		for (int i = 0; i < 3; i++) {
			a.kernel[s][i] = kernel[i];
			a.stride[s][i] = s == 0 || (s == 2 && i == 0) ? 1 : stride[i];
		}
	}
	return a;
}

int main(void)
{
	static const int cube[3] = { 3, 3, 3 }, flat[3] = { 1, 3, 3 }, odd[3] = { 3, 5, 1 };
	static const int two[3] = { 2, 2, 2 }, plane[3] = { 1, 2, 2 }, three[3] = { 1, 3, 2 };
	struct architecture a = small(UNET_PLAIN, 2, flat, plane);

	run("plain, 2D", &a, (int64_t[3]){ 1, 8, 12 });
	a.n_stages = 2;
	run("plain, 2D, one head", &a, (int64_t[3]){ 1, 6, 4 });
	a = small(UNET_PLAIN, 3, cube, two);
	run("plain, 3D", &a, (int64_t[3]){ 4, 4, 8 });
	a = small(UNET_PLAIN, 3, odd, three);
	a.conv_bias = false;
	a.slope = 0;
	run("plain, 3D, uneven kernels and strides, without bias, ReLU", &a, (int64_t[3]){ 2, 9, 4 });
	a = small(UNET_RESENC, 2, flat, plane);
	run("residual, 2D", &a, (int64_t[3]){ 1, 8, 8 });
	for (int i = 0; i < 3; i++) {            /* a block that adds what the decoder reads, too */
		a.features[i] = 3;
		a.stride[2][i] = 1;
	}
	run("residual, 2D, a stage without a stride", &a, (int64_t[3]){ 1, 8, 4 });
	a = small(UNET_RESENC, 3, cube, two);
	a.stem_channels = 2;                    /* stage 0: a projection without a stride; stage 2: a pool without a projection */
	a.features[2] = a.features[1];
	run("residual, 3D", &a, (int64_t[3]){ 4, 4, 8 });
	a.bottleneck_blocks = true;
	run("residual, 3D, bottleneck blocks", &a, (int64_t[3]){ 4, 4, 8 });
	printf("note: %d slopes compared, off by at most %.1e of the parameter's derivative\n", compared, worst);
	return failures > 0;
}
