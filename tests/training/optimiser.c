/* One step of the optimiser against its formula, clipped and not; what it leaves alone; the weights that training starts from. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/random.h"
#include "filters/train-checkpoints/init.h"
#include "filters/train-checkpoints/loss.h"
#include "filters/train-checkpoints/sgd.h"

static int failures;

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	printf("%s\n", what);
	failures++;
}

/* Three stages; some 50,000 weights, so that a kernel is cut into pieces. */
static void make_network(struct network *n, enum unet_class class, int features)
{
	struct architecture a = { .class = class, .dims = 2, .n_stages = 3, .conv_bias = true, .eps = 1e-5, .slope = 0.01 };

	for (int s = 0; s < 3; s++) {
		a.features[s] = features << s;
		a.n_conv_encoder[s] = a.n_conv_decoder[s] = 1;
		for (int i = 0; i < 3; i++) {
			a.kernel[s][i] = i ? 3 : 1;
			a.stride[s][i] = s && i ? 2 : 1;
		}
	}
	if (!network_build_training(n, &a, 1, 2, (int64_t[3]){ 1, 8, 8 }))
		die_failed();
}

static float *numbers(size_t n, uint64_t stream, double scale)
{
	float *x = xmalloc(n, sizeof *x);

	for (size_t i = 0; i < n; i++)
		x[i] = (float)(scale * (2 * random_unit(5, stream, i) - 1));
	return x;
}

/* Contract 8.1 in double.  scale: of the gradients; the norm is about scale * sqrt(n / 3). */
static void check_step(const struct network *n, double scale, bool clipped)
{
	float *w = numbers(n->n_weights, 1, 1), *v = numbers(n->n_weights, 2, 0.01), *g = numbers(n->n_weights, 3, scale);
	float *w2 = numbers(n->n_weights, 1, 1), *v2 = numbers(n->n_weights, 2, 0.01), *kept = numbers(n->n_weights, 3, scale);
	double norm = 0, factor, got = sgd_step(&sgd_nnunet, n, w, v, g, 0.01, 1);
	size_t wrong = 0;

	check(!memcmp(g, kept, n->n_weights * sizeof *g), "the gradient is changed");
	check(sgd_step(&sgd_nnunet, n, w2, v2, g, 0.01, 3) == got && !memcmp(w, w2, n->n_weights * sizeof *w) &&
	      !memcmp(v, v2, n->n_weights * sizeof *v), "threads change a step");
	free(w2);
	free(v2);
	w2 = numbers(n->n_weights, 1, 1);
	v2 = numbers(n->n_weights, 2, 0.01);
	for (int p = 0; p < n->n_parameters; p++)
		for (size_t i = 0; sgd_trains(n, p) && i < n->parameter[p].count; i++)
			norm += pow((double)g[n->parameter[p].offset + i], 2);
	norm = sqrt(norm);
	factor = norm + 1e-6 > 12 ? 12 / (norm + 1e-6) : 1;
	check(fabs(got - norm) <= 1e-9 * norm, "the norm of the gradient");
	check((factor < 1) == clipped, "the test's gradient is not as long as it should be");
	for (int p = 0; p < n->n_parameters; p++)
		for (size_t i = n->parameter[p].offset; i < n->parameter[p].offset + n->parameter[p].count; i++) {
			double d = factor * (double)g[i] + 3e-5 * (double)w2[i], m = 0.99 * (double)v2[i] + d;
			if (!sgd_trains(n, p))
				d = 0, m = (double)v2[i];
			double to = sgd_trains(n, p) ? (double)w2[i] - 0.01 * (d + 0.99 * m) : (double)w2[i];
			wrong += !(fabs((double)w[i] - to) <= 2e-7 && fabs((double)v[i] - m) <= 1e-6 * fmax(fabs(m), 0.01));
		}
	check(!wrong, clipped ? "a clipped step" : "a step");
	free(w);
	free(v);
	free(g);
	free(w2);
	free(v2);
	free(kept);
}

/* Clipping is by the norm of all gradients, so that their direction stays, and without a memory. */
static void check_clipping(const struct network *n)
{
	static const struct sgd plain = { .momentum = 0, .weight_decay = 0, .max_norm = 12 };
	float *w = xcalloc(n->n_weights, sizeof *w), *v = xcalloc(n->n_weights, sizeof *v), *g = numbers(n->n_weights, 3, 1000);
	double length = 0, along = 0, norm = sgd_step(&plain, n, w, v, g, 1, 1);

	for (size_t i = 0; i < n->n_weights; i++) {
		length += (double)w[i] * (double)w[i];
		along -= (double)w[i] * (double)g[i];
	}
	length = sqrt(length);
	check(norm > 1e5 && fabs(length - 12) < 1e-4, "a clipped gradient has length 12");
	check(fabs(along / length / norm - 1) < 1e-6, "a clipped gradient keeps its direction");
	memset(w, 0, n->n_weights * sizeof *w);
	for (size_t i = 0; i < n->n_weights; i++)
		g[i] = (float)(11.9 / norm) * g[i];
	sgd_step(&plain, n, w, v, g, 1, 1);
	for (size_t i = 0; i < n->parameter[0].count; i++)
		check(w[i] == -g[i], "a gradient of length 11.9 is not clipped");
	free(w);
	free(v);
	free(g);
}

static void check_not_finite(const struct network *n)
{
	float *w = numbers(n->n_weights, 1, 1), *v = numbers(n->n_weights, 2, 1), *g = numbers(n->n_weights, 3, 1);
	float *w2 = numbers(n->n_weights, 1, 1), *v2 = numbers(n->n_weights, 2, 1);

	g[17] = NAN;
	check(isnan(sgd_step(&sgd_nnunet, n, w, v, g, 0.01, 2)), "the norm of a NaN");
	g[17] = INFINITY;
	check(isinf(sgd_step(&sgd_nnunet, n, w, v, g, 0.01, 2)), "the norm of an infinite gradient");
	check(!memcmp(w, w2, n->n_weights * sizeof *w) && !memcmp(v, v2, n->n_weights * sizeof *v),
	      "a step that is not finite is taken");
	free(w);
	free(v);
	free(g);
	free(w2);
	free(v2);
}

/* Heads of three stages: weights 1, 0; of four 2/3, 1/3, 0 (nnU-Net's _build_loss). */
static void check_heads(const struct network *n)
{
	int untrained = 0;

	for (int p = 0; p < n->n_parameters; p++) {
		untrained += !sgd_trains(n, p);
		check(sgd_trains(n, p) == !strstr(n->parameter[p].name, "decoder.seg_layers.0."), n->parameter[p].name);
	}
	check(untrained == 2, "the deepest head is not trained");
	check(loss_weight(2, 0) == 1 && loss_weight(2, 1) == 0 && loss_weight(1, 0) == 1, "weights of two heads and one");
	check(fabs(loss_weight(3, 0) - 2 / 3.0) < 1e-15 && fabs(loss_weight(3, 1) - 1 / 3.0) < 1e-15 && loss_weight(3, 2) == 0,
	      "weights of three heads");
}

static void check_kernel(const struct parameter *p, const float *w)
{
	double mean = 0, square = 0, tail = 0, fan_in = 1, deviation, n = (double)p->count;

	for (int i = 1; i < p->n_dims; i++)
		fan_in *= (double)p->dim[i];
	deviation = sqrt(2 / 1.0001 / fan_in);
	for (size_t i = 0; i < p->count; i++) {
		double x = (double)w[i] / deviation;
		mean += x / n;
		square += x * x / n;
		tail += fabs(x) > 1.959964 ? 1 / n : 0;
	}
	/* five standard errors */
	check(fabs(mean) < 5 / sqrt(n) && fabs(square - 1) < 5 * sqrt(2 / n) && fabs(tail - 0.05) < 5 * sqrt(0.05 * 0.95 / n),
	      p->name);
}

static void check_start(enum unet_class class)
{
	struct network n;
	float *w, *again, *other;
	int zeros = 0;

	make_network(&n, class, 16);
	w = numbers(n.n_weights, 9, 1);
	again = numbers(n.n_weights, 10, 1);
	other = numbers(n.n_weights, 11, 1);
	init_weights(w, &n, 1);
	init_weights(again, &n, 1);
	init_weights(other, &n, 2);
	check(!memcmp(w, again, n.n_weights * sizeof *w), "the same seed gives other weights");
	for (int p = 0; p < n.n_parameters; p++) {
		const struct parameter *q = &n.parameter[p];
		float *of = w + q->offset, want = 0;
		if (q->n_dims > 1) {
			check_kernel(q, of);
			check(of[0] != other[q->offset], "another seed gives the same weights");
			continue;
		}
		if (strstr(q->name, ".norm.weight"))            /* the last norm of a block starts at 0 (contract 3.4) */
			want = class == UNET_RESENC && strstr(q->name, ".conv2.") ? 0 : 1;
		zeros += strstr(q->name, ".norm.weight") && want == 0;
		for (size_t i = 0; i < q->count; i++)
			check(of[i] == want, q->name);
	}
	check(zeros == (class == UNET_RESENC ? 3 : 0), "norms that start at 0");
	free(w);
	free(again);
	free(other);
	network_free(&n);
}

int main(void)
{
	struct network n;

	make_network(&n, UNET_PLAIN, 16);
	check_step(&n, 0.01, false);
	check_step(&n, 1, true);
	check_clipping(&n);
	check_not_finite(&n);
	check_heads(&n);
	network_free(&n);
	check_start(UNET_PLAIN);
	check_start(UNET_RESENC);
	return failures > 0;
}
