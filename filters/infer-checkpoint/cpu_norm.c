/* The norm of a step's values: its scale and shift from their moments, and itself where what reads them does not apply it. */
#include <math.h>
#include <string.h>
#include "filters/infer-checkpoint/cpu_run.h"

static bool before_norm(const struct node *n) { return n->leaky && n->nonlin_first; }

/* Of the planes wanted of all blocks the i-th: its block and place there. */
static int plane_of(int *z, const struct run *r, int i)
{
	*z = r->first + i % (r->end - r->first);
	return i / (r->end - r->first);
}

static size_t plane_pixels(const struct run *r) { return (size_t)(r->s->pixels / r->s->input.out[0]); }

/* Moments of a plane whose leaky ReLU comes before the norm. */
static void measure(void *arg, int i, int worker)
{
	const struct run *r = arg;
	int z, block = plane_of(&z, r, i);
	double *moments = r->w->statistics + moments_at(r->s, block, z, 0);

	(void)worker;
	r->w->counts[count_at(r->s, z, 0)] = (double)plane_pixels(r);
	r->s->k->moments(moments, plane_out(r, block, z), plane_pixels(r), r->s->node->slope);
}

/* Where the scale of a block is for plane z; its shift is all blocks' lanes later. */
static float *scale_of(const struct run *r, int block, int z)
{
	const struct step *s = r->s;
	size_t all = (size_t)(s->blocks * s->k->lanes);

	return r->w->norms + s->norm + (s->images > 1 ? (size_t)z * 2 * all : 0) + (size_t)(block * s->k->lanes);
}

/* Scale and shift of a block of one image, planes first .. end - 1, from the moments of its parts, joined in their order (Chan,
 * Golub and LeVeque, 1979). */
static void join(const struct run *r, int block, int first, int end)
{
	const struct step *s = r->s;
	int lanes = s->k->lanes, pieces = s->measured ? s->pieces : 1;
	float *scale = scale_of(r, block, first), *shift = scale + s->blocks * lanes;
	double mean[MAX_LANES] = { 0 }, square[MAX_LANES] = { 0 }, before = 0;

	for (int i = first * pieces; i < end * pieces; i++) {
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

static void join_images(void *arg, int block, int worker)
{
	const struct run *r = arg;

	(void)worker;
	if (r->s->images == 1)
		join(r, block, r->first, r->end);
	for (int image = r->first; image < r->end && r->s->images > 1; image++)
		join(r, block, image, image + 1);
}

static void apply(void *arg, int i, int worker)
{
	const struct run *r = arg;
	const struct step *s = r->s;
	const struct node *n = s->node;
	int z, block = plane_of(&z, r, i);
	size_t all = (size_t)(s->blocks * s->k->lanes);
	const float *scale = scale_of(r, block, z);
	const float *residual = r->w->memory + s->residual.offset + (size_t)block * s->residual.block + (size_t)z * s->residual.plane;

	(void)worker;
	s->k->apply(plane_out(r, block, z), plane_pixels(r), scale, scale + all, n->residual < 0 ? NULL : residual, before_norm(n) ? n->slope : 1,
	            n->leaky && !n->nonlin_first ? n->slope : 1);
}

void cpu_norm(const struct run *r)
{
	const struct step *s = r->s;
	const struct node *n = s->node;
	int planes = s->blocks * (r->end - r->first);
	size_t all = (size_t)(s->blocks * s->k->lanes);

	if (!n->norm && !n->leaky && n->residual < 0)
		return;
	if (n->norm && n->norm_op == NORM_INSTANCE) {
		if (!s->measured)
			each(r, planes, measure, (void *)r);
		each(r, s->blocks, join_images, (void *)r);
	} else {
		for (int z = r->first; z < (s->images > 1 ? r->end : r->first + 1); z++) {
			memcpy(scale_of(r, 0, z), r->packed + s->scale, all * sizeof(float));
			memcpy(scale_of(r, 0, z) + all, r->packed + s->shift, all * sizeof(float));
		}
	}
	if (!s->lazy)
		each(r, planes, apply, (void *)r);
}
