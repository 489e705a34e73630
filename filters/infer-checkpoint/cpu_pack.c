#include <math.h>
#include <string.h>
#include "common/die.h"
#include "common/parallel.h"
#include "filters/infer-checkpoint/cpu_plan.h"

/* One unit of work for a thread: a panel of one step. */
struct unit { const struct step *step; int panel; };

struct packing {
	float *packed;
	const float *weights;
	const struct network *network;
	struct unit *unit;
};

static const float *parameter(const struct packing *p, int i) { return p->weights + p->network->parameter[i].offset; }

/* How many output channels a panel has, unused lanes counted, and its first. */
static int panel_width(const struct step *s, int panel, int *first)
{
	int lanes = s->k->lanes;

	*first = panel * 2 * lanes;
	return panel_blocks(s, panel) * lanes;
}

/* Element (i, j, k) of an array [..][J][K]. */
static size_t element(int i, int j, int k, int J, int K) { return ((size_t)i * (size_t)J + (size_t)j) * (size_t)K + (size_t)k; }

/* For each group of taps that is gathered at once all panels [tap][c_in][width], so that weights are read in the order in
 * which they lie; from (out, in, tap). */
static void pack_matrix(const struct packing *p, const struct step *s, int panel)
{
	const float *from = parameter(p, s->node->weight);
	int first, width = panel_width(s, panel, &first), n_taps = taps(s->node->kernel), c_in = s->node->c_in;

	for (int t = 0; t < n_taps; t++) {
		int group = t / s->tap_group * s->tap_group;
		int in_group = n_taps - group < s->tap_group ? n_taps - group : s->tap_group;
		float *to = p->packed + s->weights + (size_t)(group * c_in) * (size_t)(s->blocks * s->k->lanes);
		to += (size_t)(in_group * c_in) * (size_t)first + (size_t)((t - group) * c_in) * (size_t)width;
		for (int c = 0; c < c_in; c++)
			for (int o = first; o < first + width; o++)
				*to++ = o < s->node->c_out ? from[element(o, c, t, c_in, n_taps)] : 0;
	}
}

/* For each tap a matrix [c_in][width] of its own, from (in, out, tap). */
static void pack_upsample(const struct packing *p, const struct step *s, int panel)
{
	const float *from = parameter(p, s->node->weight);
	int first, width = panel_width(s, panel, &first), n_taps = taps(s->node->stride), c_out = s->node->c_out;
	size_t tap_size = (size_t)s->depth * (size_t)(s->blocks * s->k->lanes);

	for (int t = 0; t < n_taps; t++) {
		float *to = p->packed + s->weights + (size_t)t * tap_size + (size_t)s->depth * (size_t)first;
		for (int c = 0; c < s->node->c_in; c++)
			for (int o = first; o < first + width; o++)
				*to++ = o < c_out ? from[element(c, o, t, c_out, n_taps)] : 0;
	}
}

/* u = G g G' for the matrices of cpu_winograd.isa.c, in double. */
static void winograd_weights(float *u, size_t step, const float *g)
{
	static const double G[6][3] = {
		{ 1.0 / 4, 0, 0 }, { -1.0 / 6, -1.0 / 6, -1.0 / 6 }, { -1.0 / 6, 1.0 / 6, -1.0 / 6 },
		{ 1.0 / 24, 1.0 / 12, 1.0 / 6 }, { 1.0 / 24, -1.0 / 12, 1.0 / 6 }, { 0, 0, 1 },
	};
	double half[6][3];

	for (int i = 0; i < 6; i++)
		for (int j = 0; j < 3; j++)
			half[i][j] = G[i][0] * (double)g[j] + G[i][1] * (double)g[3 + j] + G[i][2] * (double)g[6 + j];
	for (int i = 0; i < 6; i++)
		for (int j = 0; j < 6; j++, u += step)
			*u = (float)(half[i][0] * G[j][0] + half[i][1] * G[j][1] + half[i][2] * G[j][2]);
}

/* For each point of the transform domain all panels [kz][c_in][width]. */
static void pack_winograd(const struct packing *p, const struct step *s, int panel)
{
	static const float zero[9];
	const float *from = parameter(p, s->node->weight);
	int first, width = panel_width(s, panel, &first), depth = s->node->kernel[0], c_in = s->node->c_in;
	size_t point = (size_t)s->depth * (size_t)(s->blocks * s->k->lanes);
	float *to = p->packed + s->weights + (size_t)s->depth * (size_t)first;

	for (int z = 0; z < depth; z++)
		for (int c = 0; c < c_in; c++)
			for (int o = first; o < first + width; o++, to++)
				winograd_weights(to, point, o < s->node->c_out ? from + element(o, c, z, c_in, depth) * 9 : zero);
}

/* Bias and norm.  Instance norm: scale = gamma, shift = beta (the rest depends on the input); batch norm: the running
 * statistics folded in, y = x * gamma / sqrt(var + eps) + (beta - mean * gamma / sqrt(var + eps)). */
static void pack_vectors(const struct packing *p, const struct step *s)
{
	const struct node *n = s->node;
	float *bias = p->packed + s->bias, *scale = p->packed + s->scale, *shift = p->packed + s->shift;

	for (int o = 0; o < s->blocks * s->k->lanes; o++) {
		bool used = o < n->c_out;
		double a = used ? 1 : 0, b = 0;
		if (used && n->norm) {
			a = n->gamma >= 0 ? (double)parameter(p, n->gamma)[o] : 1;
			b = n->beta >= 0 ? (double)parameter(p, n->beta)[o] : 0;
		}
		if (used && n->norm && n->norm_op == NORM_BATCH) {
			a /= sqrt((double)parameter(p, n->var)[o] + (double)n->eps);
			b -= (double)parameter(p, n->mean)[o] * a;
		}
		bias[o] = used && n->bias >= 0 ? parameter(p, n->bias)[o] : 0;
		scale[o] = (float)a;
		shift[o] = (float)b;
	}
}

static void pack_unit(void *arg, int i, int worker)
{
	const struct packing *p = arg;
	const struct unit *u = &p->unit[i];

	(void)worker;
	if (u->panel == 0)
		pack_vectors(p, u->step);
	if (u->step->method == METHOD_MATRIX)
		pack_matrix(p, u->step, u->panel);
	else if (u->step->method == METHOD_UPSAMPLE)
		pack_upsample(p, u->step, u->panel);
	else if (u->step->method == METHOD_WINOGRAD)
		pack_winograd(p, u->step, u->panel);
}

void schedule_pack(float *packed, const struct schedule *s, const float *weights, int threads)
{
	struct packing p = { packed, weights, s->network, NULL };
	int n = 0;

	for (int i = 0; i < s->n_steps; i++) {
		p.unit = xrealloc(p.unit, (size_t)(n + panels(&s->step[i])), sizeof *p.unit);
		for (int panel = 0; panel < panels(&s->step[i]); panel++)
			p.unit[n++] = (struct unit){ &s->step[i], panel };
	}
	parallel_for(threads, n, pack_unit, &p);
	free(p.unit);
}
