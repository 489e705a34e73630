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

/* All panels [tap][c_in][width], from (out, in, tap). */
static void pack_direct(const struct packing *p, const struct step *s, int panel)
{
	const float *from = parameter(p, s->node->weight);
	int first, width = panel_width(s, panel, &first), n_taps = taps(s->node->kernel), c_in = s->node->c_in;
	float *to = p->packed + s->weights + (size_t)s->depth * (size_t)first;

	for (int o = 0; o < width; o++) {
		bool used = first + o < s->node->c_out;
		for (int c = 0; c < c_in; c++)
			for (int t = 0; t < n_taps; t++)
				to[element(t, c, o, c_in, width)] = used ? from[element(first + o, c, t, c_in, n_taps)] : 0;
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

enum { WIDTH = 2 * MAX_LANES };

/* u = G g G' for the matrices of cpu_winograd.isa.c, in double: u [points][WIDTH], g [9][WIDTH]. */
static void winograd_weights(float (*u)[WIDTH], double (*g)[WIDTH], int edge)
{
	static const double G4[6][3] = {
		{ 1.0 / 4, 0, 0 }, { -1.0 / 6, -1.0 / 6, -1.0 / 6 }, { -1.0 / 6, 1.0 / 6, -1.0 / 6 },
		{ 1.0 / 24, 1.0 / 12, 1.0 / 6 }, { 1.0 / 24, -1.0 / 12, 1.0 / 6 }, { 0, 0, 1 },
	};
	static const double G2[4][3] = { { 1, 0, 0 }, { 0.5, 0.5, 0.5 }, { 0.5, -0.5, 0.5 }, { 0, 0, 1 } };
	const double (*G)[3] = edge == 4 ? G4 : G2;
	int n = edge + 2;

	for (int i = 0; i < n; i++) {
		double half[3][WIDTH];
		for (int j = 0; j < 3; j++)
			for (int o = 0; o < WIDTH; o++)
				half[j][o] = G[i][0] * g[j][o] + G[i][1] * g[3 + j][o] + G[i][2] * g[6 + j][o];
		for (int j = 0; j < n; j++, u++)
			for (int o = 0; o < WIDTH; o++)
				(*u)[o] = (float)(half[0][o] * G[j][0] + half[1][o] * G[j][1] + half[2][o] * G[j][2]);
	}
}

/* For each point of the transform domain all panels [kz][c_in][width]. */
static void pack_winograd(const struct packing *p, const struct step *s, int panel)
{
	const float *from = parameter(p, s->node->weight);
	int first, width = panel_width(s, panel, &first), depth = s->node->kernel[0], c_in = s->node->c_in;
	int used = s->node->c_out - first < width ? s->node->c_out - first : width;
	size_t point = (size_t)s->depth * (size_t)(s->blocks * s->k->lanes);
	float *to = p->packed + s->weights + (size_t)s->depth * (size_t)first, u[36][WIDTH];
	double g[9][WIDTH] = { { 0 } };

	for (int z = 0; z < depth; z++)
		for (int c = 0; c < c_in; c++, to += width) {
			for (int o = 0; o < used; o++)
				for (int t = 0; t < 9; t++)
					g[t][o] = (double)from[element(first + o, c, z, c_in, depth) * 9 + (size_t)t];
			winograd_weights(u, g, s->edge);
			for (int i = 0; i < points(s); i++)
				memcpy(to + (size_t)i * point, u[i], (size_t)width * sizeof *to);
		}
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
	if (u->step->method == METHOD_DIRECT)
		pack_direct(p, u->step, u->panel);
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
