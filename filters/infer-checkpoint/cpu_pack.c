#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/parallel.h"
#include "filters/infer-checkpoint/cpu_plan.h"

enum { WIDTH = 2 * MAX_LANES };         /* the most of a panel */

/* One unit of work for a thread: a panel of one step. */
struct unit { const struct step *step; int panel; };

struct packing {
	float *packed;
	const float *const *parameter;
	struct unit *unit;
};

/* How many output channels a panel has, unused lanes counted, and its first. */
static int panel_width(const struct step *s, int panel, int *first)
{
	int lanes = s->k->lanes;

	*first = panel * 2 * lanes;
	return panel_blocks(s, panel) * lanes;
}

/* Element (i, j, k) of an array [..][J][K]. */
static size_t element(int i, int j, int k, int J, int K) { return ((size_t)i * (size_t)J + (size_t)j) * (size_t)K + (size_t)k; }

/* The channel of each row of a tap's weights, of all blocks one after the other; -1 where one is filled up to pairs. */
static int *row_channels(int *n_rows, const struct step *s)
{
	const struct gather *g = &s->input;
	int *channel = xmalloc((size_t)(s->node->c_in + g->n_blocks), sizeof *channel), n = 0, c = 0;

	for (int b = 0; b < g->n_blocks; b++) {
		for (int i = 0; i < g->block[b].channels; i++)
			channel[n++] = c++;
		if (n % s->k->pair)
			channel[n++] = -1;
	}
	*n_rows = n;
	return channel;
}

/* Row `row` of a matrix [rows][width], whose rows are in pairs where the step multiplies pairs. */
static void put_row(float *matrix, const struct step *s, int row, const float *w, int width)
{
	uint16_t *half;

	if (s->k->pair == 1) {
		memcpy(matrix + (size_t)row * (size_t)width, w, (size_t)width * sizeof *w);
		return;
	}
	half = (uint16_t *)(matrix + (size_t)(row / 2) * (size_t)width) + row % 2;
	for (int o = 0; o < width; o++)
		half[2 * o] = bf16_of(w[o]);
}

/* All panels [tap][row][width], from (out, in, tap). */
static void pack_direct(const struct packing *p, const struct step *s, int panel)
{
	const float *from = p->parameter[s->node->weight];
	int first, width = panel_width(s, panel, &first), n_taps = taps(s->node->kernel), c_in = s->node->c_in, rows;
	int used = s->node->c_out - first < width ? s->node->c_out - first : width, *channel = row_channels(&rows, s);
	float *to = p->packed + s->weights + (size_t)s->depth * (size_t)first, w[WIDTH] = {0};

	for (int row = 0; row < rows; row++)
		for (int t = 0; t < n_taps; t++) {
			int c = channel[row];
			for (int o = 0; o < used; o++)
				w[o] = c < 0 ? 0 : from[element(first + o, c, t, c_in, n_taps)];
			put_row(to, s, t * rows + row, w, width);
		}
	free(channel);
}

/* For each tap a matrix [row][width] of its own, from (in, out, tap). */
static void pack_upsample(const struct packing *p, const struct step *s, int panel)
{
	const float *from = p->parameter[s->node->weight];
	int first, width = panel_width(s, panel, &first), n_taps = taps(s->node->stride), c_out = s->node->c_out, rows;
	int used = c_out - first < width ? c_out - first : width, *channel = row_channels(&rows, s);
	size_t tap_size = (size_t)s->depth * (size_t)(s->blocks * s->k->lanes);
	float *to = p->packed + s->weights + (size_t)s->depth * (size_t)first, w[WIDTH] = {0};

	for (int t = 0; t < n_taps; t++)
		for (int row = 0; row < rows; row++) {
			int c = channel[row];
			for (int o = 0; o < used; o++)
				w[o] = c < 0 ? 0 : from[element(c, first + o, t, c_out, n_taps)];
			put_row(to + (size_t)t * tap_size, s, row, w, width);
		}
	free(channel);
}

/* u = G g G' for the matrices of cpu_winograd.h, in double: u [points][WIDTH], g [9][WIDTH]. */
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

/* For each point of the transform domain all panels [kz][row][width]. */
static void pack_winograd(const struct packing *p, const struct step *s, int panel)
{
	const float *from = p->parameter[s->node->weight];
	int first, width = panel_width(s, panel, &first), depth = s->node->kernel[0], c_in = s->node->c_in, rows;
	int *channel = row_channels(&rows, s);
	int used = s->node->c_out - first < width ? s->node->c_out - first : width;
	size_t point = (size_t)s->depth * (size_t)(s->blocks * s->k->lanes);
	float *to = p->packed + s->weights + (size_t)s->depth * (size_t)first, u[36][WIDTH];
	double g[9][WIDTH] = { { 0 } };

	for (int z = 0; z < depth; z++)
		for (int row = 0; row < rows; row++) {
			int c = channel[row];
			for (int o = 0; o < used; o++)
				for (int t = 0; t < 9; t++)
					g[t][o] = c < 0 ? 0 : (double)from[element(first + o, c, z, c_in, depth) * 9 + (size_t)t];
			winograd_weights(u, g, s->edge);
			for (int i = 0; i < points(s); i++)
				put_row(to + (size_t)i * point, s, z * rows + row, u[i], width);
		}
	free(channel);
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
			a = n->gamma >= 0 ? (double)p->parameter[n->gamma][o] : 1;
			b = n->beta >= 0 ? (double)p->parameter[n->beta][o] : 0;
		}
		if (used && n->norm && n->norm_op == NORM_BATCH) {
			a /= sqrt((double)p->parameter[n->var][o] + (double)n->eps);
			b -= (double)p->parameter[n->mean][o] * a;
		}
		bias[o] = used && n->bias >= 0 ? p->parameter[n->bias][o] : 0;
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

void schedule_pack(float *packed, const struct schedule *s, const float *const *parameter, int threads)
{
	struct packing p = { packed, parameter, NULL };
	int n = 0;

	for (int i = 0; i < s->n_steps; i++) {
		p.unit = xrealloc(p.unit, (size_t)(n + panels(&s->step[i])), sizeof *p.unit);
		for (int panel = 0; panel < panels(&s->step[i]); panel++)
			p.unit[n++] = (struct unit){ &s->step[i], panel };
	}
	parallel_for(threads, n, pack_unit, &p);
	free(p.unit);
}
