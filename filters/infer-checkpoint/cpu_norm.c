/* Norm, residual and leaky ReLU of a step's values, run by run of the pixels of a block. */
#include <math.h>
#include <string.h>
#include "filters/infer-checkpoint/cpu_run.h"

static bool before_norm(const struct node *n) { return n->leaky && n->nonlin_first; }

/* Run i of all blocks: its values and how many pixels it has. */
static float *norm_run(size_t *pixels, const struct run *r, int i)
{
	int runs = norm_runs(r->s), first = i % runs * NORM_RUN, left = r->s->pixels - first;

	*pixels = (size_t)(left < NORM_RUN ? left : NORM_RUN);
	return r->out + ((size_t)(i / runs) * (size_t)r->s->pixels + (size_t)first) * (size_t)r->s->k->lanes;
}

/* Means and variances of run i to their place in the worker's statistics. */
static void measure(void *arg, int i, int worker)
{
	const struct run *r = arg;
	int lanes = r->s->k->lanes;
	double *to = r->w->statistics + 2 * i * lanes;
	size_t pixels;
	const float *x = norm_run(&pixels, r, i);

	(void)worker;
	r->s->k->moments(to, to + lanes, x, pixels, before_norm(r->s->node) ? r->s->node->slope : 1);
}

/* Mean and variance of a block, in the place of its first run's: those of its runs joined (Chan, Golub and LeVeque, 1979), in
 * their order. */
static void join(const struct run *r, int block)
{
	int lanes = r->s->k->lanes, runs = norm_runs(r->s);
	double *mean = r->w->statistics + 2 * block * runs * lanes, *variance = mean + lanes;

	for (int i = 1; i < runs; i++) {
		const double *m = mean + 2 * i * lanes, *v = m + lanes;
		double before = (double)i * NORM_RUN, n, total;
		size_t pixels;
		norm_run(&pixels, r, i);
		n = (double)pixels;
		total = before + n;
		for (int o = 0; o < lanes; o++) {
			double d = m[o] - mean[o];
			variance[o] = (variance[o] * before + v[o] * n + d * d * before * n / total) / total;
			mean[o] += d * n / total;
		}
	}
}

static void apply(void *arg, int i, int worker)
{
	const struct run *r = arg;
	const struct step *s = r->s;
	const struct node *n = s->node;
	int block = i / norm_runs(s);
	size_t lanes = (size_t)s->k->lanes, pixels;
	float scale[MAX_LANES] __attribute__((aligned(64))), shift[MAX_LANES] __attribute__((aligned(64)));
	float *x = norm_run(&pixels, r, i);
	const float *residual = n->residual < 0 ? NULL : r->w->memory + s->residual + (x - r->out);

	(void)worker;
	memcpy(scale, r->packed + s->scale + (size_t)block * lanes, lanes * sizeof *scale);
	memcpy(shift, r->packed + s->shift + (size_t)block * lanes, lanes * sizeof *shift);
	if (n->norm && n->norm_op == NORM_INSTANCE) {
		const double *mean = r->w->statistics + 2 * (size_t)(block * norm_runs(s)) * lanes, *variance = mean + lanes;
		for (size_t o = 0; o < lanes; o++) {
			double a = (double)scale[o] / sqrt(variance[o] + (double)n->eps);
			scale[o] = (float)a;
			shift[o] = (float)((double)shift[o] - mean[o] * a);
		}
	}
	s->k->apply(x, pixels, scale, shift, residual, before_norm(n) ? n->slope : 1, n->leaky && !n->nonlin_first ? n->slope : 1);
}

/* While the block is near, where it is small. */
static void measure_and_apply(void *arg, int i, int worker)
{
	measure(arg, i, worker);
	apply(arg, i, worker);
}

void cpu_norm(struct run *r)
{
	const struct node *n = r->s->node;
	int runs = norm_runs(r->s) * r->s->blocks;
	bool instance = n->norm && n->norm_op == NORM_INSTANCE;

	if (!n->norm && !n->leaky && n->residual < 0)
		return;
	if (instance && norm_runs(r->s) == 1) {
		each(r, runs, measure_and_apply, r);
		return;
	}
	if (instance)
		each(r, runs, measure, r);
	for (int b = 0; b < r->s->blocks && instance; b++)
		join(r, b);
	each(r, runs, apply, r);
}
