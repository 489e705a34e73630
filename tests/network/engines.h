/* engines: one network and one input through the plain engine and through the fast one, at every instruction set of this
 * machine and with 1, 2 and 7 threads. */
#ifndef TESTS_ENGINES_H
#define TESTS_ENGINES_H
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/parallel.h"
#include "filters/infer-checkpoint/engine.h"
#include "tests/network/levels.h"
#include "tests/network/parameters.h"
#include "tests/network/random.h"

enum { MAX_THREADS = 7 };

/* Uniform in -1 to 1, but for variances, and biases: these are seen beside the sums of large layers, and do not hide values as
 * tiny as the input's, `scale`, of which a norm would then see the rounding alone. */
static inline float *random_weights(const struct network *n, float scale)
{
	float *w = xmalloc(n->n_weights, sizeof *w);

	for (size_t i = 0; i < n->n_weights; i++)
		w[i] = uniform();
	for (int i = 0; i < n->n_nodes; i++) {
		const struct node *o = &n->node[i];
		for (int c = 0; c < o->c_out && o->var >= 0; c++)
			w[n->parameter[o->var].offset + (size_t)c] = 1 + (float)(o->c_in * o->kernel[0]);
		for (int c = 0; c < o->c_out && o->bias >= 0; c++)
			w[n->parameter[o->bias].offset + (size_t)c] *= 8 * fminf(scale, 1);
	}
	return w;
}

static inline float *random_input(const struct network *n, float mean, float scale)
{
	size_t count = (size_t)n->n_inputs * (size_t)(n->patch[0] * n->patch[1] * n->patch[2]);
	float *in = xmalloc(count, sizeof *in);

	for (size_t i = 0; i < count; i++)
		in[i] = (uniform() + mean) * scale;
	return in;
}

static inline float *reference(const struct network *n, const float *weights, const float *in, size_t count)
{
	float *out = xmalloc(count, sizeof *out);
	void *e = engine_ref.open(n, 1, 1);

	engine_ref.load(e, 0, split(n, weights), 1);
	memcpy(out, engine_ref.forward(e, 0, 0, in, 1), count * sizeof *out);
	engine_ref.close(e);
	return out;
}

/* Largest difference relative to the largest value, or to the least that a norm leaves of values that are nearly 0. */
static inline double difference(const float *a, const float *b, size_t n)
{
	double most = 0, largest = 1e-30;

	for (size_t i = 0; i < n; i++) {
		if (!isfinite(a[i]) || !isfinite(b[i]))
			return INFINITY;
		most = fmax(most, fabs((double)a[i] - (double)b[i]));
		largest = fmax(largest, fabs((double)b[i]));
	}
	return most / largest;
}

/* Workers on the same input at the same time. */
struct job { void *engine; const float *in; float *out[MAX_THREADS]; size_t count; };

static inline void forward_one(void *arg, int i, int worker)
{
	const struct job *j = arg;

	memcpy(j->out[i], engine_cpu.forward(j->engine, 1, worker, j->in, 1), j->count * sizeof(float));
}

/* How many of `workers` results, each from as many hands, are not `expected` to the bit. */
static inline int unequal(const struct network *n, int workers, int hands, enum isa isa, const float *weights, const float *in,
                          const float *expected, size_t count)
{
	struct job j = { .engine = cpu_open(n, workers, hands, 2, isa), .in = in, .count = count };
	int wrong = 0;

	engine_cpu.load(j.engine, 1, split(n, weights), workers * hands);
	for (int i = 0; i < workers; i++)
		j.out[i] = xmalloc(count, sizeof(float));
	parallel_for(workers, workers, forward_one, &j);
	engine_cpu.close(j.engine);
	for (int i = 0; i < workers; i++) {
		wrong += memcmp(j.out[i], expected, count * sizeof(float)) != 0;
		free(j.out[i]);
	}
	return wrong;
}

/* Whether as many images as the engine takes at once, each in its place, give the bytes that they give one by one. */
static inline bool together(const struct network *n, enum isa isa, int hands, const float *weights, const float *in, size_t count)
{
	size_t size = (size_t)n->n_inputs * (size_t)(n->patch[0] * n->patch[1] * n->patch[2]);
	void *e = cpu_open(n, 1, hands, 1, isa);
	int most = engine_cpu.images(e);
	float *all = xmalloc((size_t)most * size, sizeof *all), *out = xmalloc((size_t)most * count, sizeof *out);
	bool same = true;

	engine_cpu.load(e, 0, split(n, weights), 1);
	for (size_t i = 0; i < (size_t)most * size; i++)
		all[i] = in[(i + i / size * 7) % size] * (float)(most - i / size);
	for (int images = 2; images <= most; images++) {
		memcpy(out, engine_cpu.forward(e, 0, 0, all, images), (size_t)images * count * sizeof *out);
		for (size_t i = 0; i < (size_t)images; i++)
			same &= !memcmp(out + i * count, engine_cpu.forward(e, 0, 0, all + i * size, 1), count * sizeof *out);
	}
	engine_cpu.close(e);
	free(all);
	free(out);
	return same;
}

/* The error at one instruction set; infinity where 2 or 7 threads, each with its own input or all on one, or other images
 * beside it make a difference. */
static inline double engine_error(const struct network *n, enum isa isa, const float *weights, const float *in,
                                  const float *expected, size_t count)
{
	void *e = cpu_open(n, 1, 1, 1, isa);
	float *out = xmalloc(count, sizeof *out);
	int threads = pick(4) ? 2 : MAX_THREADS;
	double d;

	engine_cpu.load(e, 0, split(n, weights), 1);
	memcpy(out, engine_cpu.forward(e, 0, 0, in, 1), count * sizeof *out);
	engine_cpu.close(e);
	d = difference(out, expected, count);
	if (unequal(n, threads, 1, isa, weights, in, out, count) + unequal(n, 1, 9 - threads, isa, weights, in, out, count) > 0) {
		printf("other bytes with more threads\n");
		d = INFINITY;
	}
	if (!together(n, isa, threads, weights, in, count)) {
		printf("other bytes with other images\n");
		d = INFINITY;
	}
	free(out);
	return d;
}

/* A network with random weights at every instruction set; worst: [LEVELS], the largest error so far.  Returns at how many the
 * error is beyond the tolerance, [LEVELS]. */
static inline int check_network(double *worst, const struct network *n, float mean, float scale, const double *tolerance,
                                const char *name)
{
	const struct value *last = &n->value[n->node[n->n_nodes - 1].out];
	size_t count = (size_t)n->n_outputs * (size_t)(last->size[0] * last->size[1] * last->size[2]);
	float *weights = random_weights(n, scale), *in = random_input(n, mean, scale), *expected = reference(n, weights, in, count);
	int wrong = 0;

	for (int isa = 0; isa <= last_level(); isa++) {
		double d = engine_error(n, (enum isa)isa, weights, in, expected, count);
		worst[isa] = fmax(worst[isa], d);
		if (!(d <= tolerance[isa])) {
			printf("%s at %s: %g of the largest value\n", name, isa_name[isa], d);
			wrong++;
		}
	}
	free(weights);
	free(in);
	free(expected);
	return wrong;
}
#endif
