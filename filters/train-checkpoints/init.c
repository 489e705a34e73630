#include <math.h>
#include "common/random.h"
#include "filters/train-checkpoints/init.h"

static const uint64_t stream = (uint64_t)0x77656967 << 32;     /* "weig": no other program's */

static void fill(float *w, size_t n, float x)
{
	for (size_t i = 0; i < n; i++)
		w[i] = x;
}

/* Pairs of normal numbers (Box and Muller, 1958). */
static void normal(float *w, size_t n, double deviation, uint64_t seed, uint64_t of)
{
	const double turn = 6.283185307179586;

	for (size_t i = 0; i < n; i += 2) {
		double radius = deviation * sqrt(-2 * log(random_unit(seed, of, i))), angle = turn * random_unit(seed, of, i + 1);
		w[i] = (float)(radius * cos(angle));
		if (i + 1 < n)
			w[i + 1] = (float)(radius * sin(angle));
	}
}

void init_weights(float *weights, const struct network *n, uint64_t seed)
{
	for (int i = 0; i < n->n_nodes; i++) {
		const struct node *o = &n->node[i];
		const int vector[3] = { o->bias, o->gamma, o->beta };
		if (o->weight >= 0) {
			const struct parameter *p = &n->parameter[o->weight];
			double fan_in = (double)p->dim[1] * o->kernel[0] * o->kernel[1] * o->kernel[2], slope = 0.01;
			double deviation = sqrt(2 / (1 + slope * slope) / fan_in);
			normal(weights + p->offset, p->count, deviation, seed, stream + (uint64_t)o->weight);
		}
		for (int k = 0; k < 3; k++) {
			float x = k == 1 && o->residual < 0 ? 1 : 0;
			if (vector[k] >= 0)
				fill(weights + n->parameter[vector[k]].offset, (size_t)o->c_out, x);
		}
	}
}
