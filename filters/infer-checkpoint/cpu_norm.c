/* The norm of a step's values: its scale and shift from their moments, and itself where what reads them does not apply it. */
#include <math.h>
#include <string.h>
#include "filters/infer-checkpoint/cpu_run.h"

static bool before_norm(const struct node *n) { return n->leaky && n->nonlin_first; }

/* Plane i of all blocks. */
static float *norm_plane(size_t *pixels, const struct run *r, int i)
{
	*pixels = (size_t)(r->s->pixels / r->s->input.out[0]);
	return r->out + (size_t)i * *pixels * (size_t)r->s->k->lanes;
}

/* Moments of a plane whose leaky ReLU comes before the norm. */
static void measure(void *arg, int i, int worker)
{
	const struct run *r = arg;
	int Z = r->s->input.out[0];
	size_t pixels;
	const float *x = norm_plane(&pixels, r, i);

	(void)worker;
	r->s->k->moments(r->w->statistics + moments_at(r->s, i / Z, i % Z, 0), x, pixels, r->s->node->slope);
}

/* Scale and shift of a block from the moments of its parts, joined in their order (Chan, Golub and LeVeque, 1979). */
static void join(void *arg, int block, int worker)
{
	const struct run *r = arg;
	const struct step *s = r->s;
	int lanes = s->k->lanes, pieces = s->measured ? s->pieces : 1;
	float *scale = r->w->norms + s->norm + block * lanes, *shift = scale + s->blocks * lanes;
	double mean[MAX_LANES] = { 0 }, square[MAX_LANES] = { 0 }, before = 0;

	(void)worker;
	for (int i = 0; i < s->input.out[0] * pieces; i++) {
		const double *part = r->w->statistics + moments_at(s, block, i / pieces, i % pieces);
		double n = r->w->counts[count_at(s, i / pieces, i % pieces)], share = n / (before + n), both = before * share;
		for (int o = 0; o < lanes; o++) {
			double d = part[o] - mean[o];
			mean[o] += d * share;
			square[o] += part[lanes + o] + d * d * both;
		}
		before += n;
	}
	for (int o = 0; o < lanes; o++) {
		/* Rounded sums may end below 0; a NaN stays one. */
		double variance = square[o] > 0 || isnan(square[o]) ? square[o] / before : 0;
		double a = (double)r->packed[s->scale + (size_t)(block * lanes + o)] / sqrt(variance + (double)s->node->eps);
		scale[o] = (float)a;
		shift[o] = (float)((double)r->packed[s->shift + (size_t)(block * lanes + o)] - mean[o] * a);
	}
}

static void apply(void *arg, int i, int worker)
{
	const struct run *r = arg;
	const struct step *s = r->s;
	const struct node *n = s->node;
	size_t all = (size_t)(s->blocks * s->k->lanes), pixels;
	const float *scale = r->w->norms + s->norm + i / s->input.out[0] * s->k->lanes;
	float *x = norm_plane(&pixels, r, i);
	const float *residual = n->residual < 0 ? NULL : r->w->memory + s->residual + (x - r->out);

	(void)worker;
	s->k->apply(x, pixels, scale, scale + all, residual, before_norm(n) ? n->slope : 1,
	            n->leaky && !n->nonlin_first ? n->slope : 1);
}

void cpu_norm(struct run *r)
{
	const struct step *s = r->s;
	const struct node *n = s->node;
	int planes = s->blocks * s->input.out[0];
	size_t all = (size_t)(s->blocks * s->k->lanes);

	if (!n->norm && !n->leaky && n->residual < 0)
		return;
	if (n->norm && n->norm_op == NORM_INSTANCE) {
		if (!s->measured) {
			for (int z = 0; z < s->input.out[0]; z++)
				r->w->counts[count_at(s, z, 0)] = s->pixels / s->input.out[0];
			each(r, planes, measure, r);
		}
		each(r, s->blocks, join, r);
	} else {
		memcpy(r->w->norms + s->norm, r->packed + s->scale, all * sizeof(float));
		memcpy(r->w->norms + s->norm + all, r->packed + s->shift, all * sizeof(float));
	}
	if (!s->lazy)
		each(r, planes, apply, r);
}
