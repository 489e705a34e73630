#include <math.h>
#include <string.h>
#include "common/die.h"
#include "common/dtype.h"
#include "filters/infer-checkpoint/cuda/weights.h"

struct source { const struct network *n; const float *const *parameter; };

/* Rounded to nearest even; NaN stays one. */
static uint16_t bfloat_from_float(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof bits);
	if (isnan(x))
		return 0x7fff;
	return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* False where it is infinite there alone. */
static bool store(void *to, size_t i, float x, enum precision p)
{
	if (p == PRECISION_FP16)
		((uint16_t *)to)[i] = half_from_float(x);
	else if (p == PRECISION_BF16)
		((uint16_t *)to)[i] = bfloat_from_float(x);
	else
		((float *)to)[i] = x;
	return p != PRECISION_FP16 || !isfinite(x) || isfinite(half_to_float(((uint16_t *)to)[i]));
}

/* The weight of output co, input ci (of those that are there) and tap k. */
static float weight(const struct source *s, const struct part *p, const struct node *o, int co, int ci, int k, int taps)
{
	const float *w;

	if (!o)                         /* a pool alone: every channel from its own */
		return co == ci ? 1 / (float)taps : 0;
	w = s->parameter[o->weight];
	if (p->pool >= 0)               /* the mean of the taps, and then a convolution by 1x1 */
		return w[(size_t)co * (size_t)o->c_in + (size_t)ci] / (float)taps;
	if (o->kind == NODE_TCONV)
		return w[((size_t)ci * (size_t)o->c_out + (size_t)co) * (size_t)taps + (size_t)k];
	return w[((size_t)co * (size_t)o->c_in + (size_t)ci) * (size_t)taps + (size_t)k];
}

/* [c_out][taps][c_in], of a transposed convolution [c_in][taps][c_out]. */
static bool arrange_kernel(char *block, const struct source *s, const struct part *p, enum precision precision)
{
	const struct node *o = p->node >= 0 ? &s->n->node[p->node] : NULL, *shape = &s->n->node[p->pool >= 0 ? p->pool : p->node];
	int taps = shape->kernel[0] * shape->kernel[1] * shape->kernel[2];
	int c_in = shape->c_in, c_out = o ? o->c_out : shape->c_out;

	for (int co = 0; co < c_out; co++)
		for (int k = 0; k < taps; k++)
			for (int ci = 0; ci < c_in; ci++) {
				size_t at = (size_t)(ci < p->c_first ? ci : p->c_first_padded + ci - p->c_first);
				float x = weight(s, p, o, co, ci, k, taps);
				if (o && o->kind == NODE_TCONV)
					at = (at * (size_t)taps + (size_t)k) * (size_t)p->c_out + (size_t)co;
				else
					at += ((size_t)co * (size_t)taps + (size_t)k) * (size_t)p->c_in;
				if (!store(block, at, x, precision))
					return fail(XDATA, "weight %s holds %g, which is over the largest number of half precision; "
					            "--precision tf32 or bf16 can be used", s->n->parameter[o->weight].name, (double)x);
			}
	return true;
}

static void arrange_scaling(float *to, const struct source *s, const struct part *p)
{
	const struct node *o = &s->n->node[p->node];
	const float *bias = p->bias && o->bias >= 0 ? s->parameter[o->bias] : NULL;

	for (int c = 0; c < o->c_out; c++) {
		double a = 1, b = bias ? bias[c] : 0;
		if (p->kind == PART_BATCH) {
			a = s->parameter[o->gamma][c] / sqrt((double)s->parameter[o->var][c] + (double)o->eps);
			b = (b - s->parameter[o->mean][c]) * a + s->parameter[o->beta][c];
		}
		to[2 * c] = (float)a;
		to[2 * c + 1] = (float)b;
	}
}

static void arrange_head(float *to, const struct source *s, const struct part *p)
{
	const struct node *o = &s->n->node[p->node];

	for (int k = 0; k < o->c_out; k++) {
		memcpy(to + k * p->c_in, s->parameter[o->weight] + k * o->c_in, (size_t)o->c_in * sizeof *to);
		to[o->c_out * p->c_in + k] = o->bias >= 0 ? s->parameter[o->bias][k] : 0;
	}
}

bool weights_arrange(void *block, const struct steps *s, const float *const *parameter)
{
	struct source from = { s->n, parameter };
	bool ok = true;

	memset(block, 0, s->block);
	for (int i = 0; i < s->n_parts && ok; i++) {
		const struct part *p = &s->part[i];
		const struct node *o = p->node >= 0 ? &s->n->node[p->node] : NULL;
		char *to = (char *)block + p->offset;
		if (p->kind == PART_KERNEL) {
			ok = arrange_kernel(to, &from, p, s->precision);
		} else if (p->kind == PART_NORM) {
			memcpy(to, from.parameter[o->gamma], (size_t)o->c_out * sizeof(float));
			memcpy(to + (size_t)p->c_out * sizeof(float), from.parameter[o->beta], (size_t)o->c_out * sizeof(float));
		} else if (p->kind == PART_HEAD) {
			arrange_head((float *)(void *)to, &from, p);
		} else {
			arrange_scaling((float *)(void *)to, &from, p);
		}
	}
	return ok;
}
