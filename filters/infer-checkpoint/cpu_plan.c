#include <math.h>
#include <stdlib.h>
#include "common/die.h"
#include "filters/infer-checkpoint/cpu_plan.h"

enum {
	NEAR_FLOATS = 8 << 10,                  /* a good part of a first-level cache */
	CACHE_FLOATS = 160 << 10,               /* what scratch of one loop should fill: a good part of a second-level cache */
	SCRATCH_FLOATS = 1 << 20,               /* what it may: a part of the third-level cache */
};

struct layout { int lanes, blocks, pixels; size_t offset, size; };

enum isa cpu_isa(void)
{
#ifdef __x86_64__
	__builtin_cpu_init();
	if (__builtin_cpu_supports("x86-64-v4"))
		return ISA_V4;
	if (__builtin_cpu_supports("x86-64-v3"))
		return ISA_V3;
#endif
	return ISA_BASE;
}

/* Half-empty vectors cost twice the work: few channels get the shorter ones. */
static const struct kernels *kernels_for(int channels, enum isa level)
{
#ifdef __x86_64__
	if (level == ISA_V4)
		return channels > kernels_v4n.lanes ? &kernels_v4 : &kernels_v4n;
	if (level == ISA_V3)
		return &kernels_v3;
#endif
	(void)channels;
	(void)level;
	return &kernels_base;
}

static size_t aligned(size_t floats) { return (floats + MAX_LANES - 1) / MAX_LANES * MAX_LANES; }

/* First fit: each value goes to the lowest place that no value alive at the same time holds.  `from` and `to` are the
 * nodes between which a value lives. */
static size_t place(struct layout *l, const struct network *n, const int *from, int v)
{
	size_t at = 0;

	for (int again = 1; again;) {
		again = 0;
		for (int i = 0; i < v; i++) {
			bool together = from[i] <= n->value[v].last_use && from[v] <= n->value[i].last_use;
			if (together && at < l[i].offset + l[i].size && l[i].offset < at + l[v].size) {
				at = l[i].offset + l[i].size;
				again = 1;
			}
		}
	}
	return at;
}

/* When the last step is done only its own value is alive: its planes lie before or behind it. */
static size_t place_output(const struct layout *l, const struct network *n)
{
	const struct layout *last = &l[n->node[n->n_nodes - 1].out];

	return last->size <= last->offset ? 0 : last->offset + last->size;
}

/* *output: room for the last value once more. */
static struct layout *layouts(size_t *end, size_t *output, const struct network *n, enum isa level)
{
	struct layout *l = xcalloc((size_t)n->n_values, sizeof *l);
	int *from = xcalloc((size_t)n->n_values, sizeof *from);

	for (int i = 0; i < n->n_nodes; i++)
		from[n->node[i].out] = i;
	*end = 0;
	for (int v = 0; v < n->n_values; v++) {
		const struct value *value = &n->value[v];
		l[v].lanes = v == 0 ? 1 /* read by convolutions alone */ : kernels_for(value->channels, level)->lanes;
		l[v].blocks = (value->channels + l[v].lanes - 1) / l[v].lanes;
		l[v].pixels = (int)(value->size[0] * value->size[1] * value->size[2]);
		l[v].size = aligned((size_t)l[v].blocks * (size_t)l[v].lanes * (size_t)l[v].pixels);
		l[v].offset = place(l, n, from, v);
		if (l[v].offset + l[v].size > *end)
			*end = l[v].offset + l[v].size;
	}
	*output = place_output(l, n);
	if (*output + l[n->node[n->n_nodes - 1].out].size > *end)
		*end = *output + l[n->node[n->n_nodes - 1].out].size;
	free(from);
	return l;
}

static void add_blocks(struct gather *g, const struct layout *l, int channels)
{
	g->block = xrealloc(g->block, (size_t)(g->n_blocks + l->blocks), sizeof *g->block);
	for (int i = 0; i < l->blocks; i++) {
		int left = channels - i * l->lanes;
		size_t offset = l->offset + (size_t)i * (size_t)l->lanes * (size_t)l->pixels;
		g->block[g->n_blocks++] = (struct block){ offset, l->lanes, left < l->lanes ? left : l->lanes };
	}
}

static void add_run(struct step *s, int channels)
{
	s->run = xrealloc(s->run, (size_t)s->n_segments + 1, sizeof *s->run);
	s->run[s->n_segments++] = channels;
	s->depth += channels;
}

/* The segments that pack() makes (cpu_kernels.h), and how much it is to gather at once: as many pixels as make good use of
 * weights on their way through, then as many taps as the cache holds. */
static void segment(struct step *s)
{
	struct gather *g = &s->input;
	int lanes = s->k->lanes, n_taps = taps(g->kernel);

	for (int t = 0; t < n_taps; t++)
		for (int i = 0; i < g->n_blocks; i++)
			for (int c = 0; c < g->block[i].channels; c += lanes)
				add_run(s, g->block[i].channels - c < lanes ? g->block[i].channels - c : lanes);
	s->in_place = n_taps == 1 && taps(g->stride) == 1;
	for (int i = 0; i < g->n_blocks; i++)
		s->in_place &= g->block[i].lanes == lanes;
	s->group = g->out[0] * g->out[1] * g->out[2] < MAX_GROUP ? g->out[0] * g->out[1] * g->out[2] : MAX_GROUP;
	s->tap_group = CACHE_FLOATS / (s->group * s->n_segments / n_taps * lanes);
	s->tap_group = s->tap_group < 1 ? 1 : s->tap_group > n_taps ? n_taps : s->tap_group;
}

/* Costs are in units of one vector's multiply-add.  Those beside the products were fitted to measurements of single layers
 * (tests/bench/forward.c). */
enum {
	COST_TILE_IN = 500, COST_TILE_OUT = 400,        /* the transforms of one block of a tile */
	COST_PACK = 3,                                  /* one pixel of one tap of one block gathered */
	COST_PRODUCT = 60,                              /* one call of gemm */
	COST_NEAR = 2, COST_FAR = 20,                   /* a vector from the second-level cache, and from beyond */
};

static double distance(double floats) { return floats > CACHE_FLOATS ? COST_FAR : floats > NEAR_FLOATS ? COST_NEAR : 0; }

/* Planes that a task goes through: all of them, but shorter ways, which each begin with the first planes' neighbours, where
 * there would be few tasks. */
static int choose_run(const struct step *s, int chunks)
{
	enum { TASKS = 4, LEAST = 8 };
	int parts = chunks < TASKS ? (TASKS + chunks - 1) / chunks : 1, n = (s->input.out[0] + parts - 1) / parts;

	n = n < LEAST ? LEAST : n;
	return (n + s->planes - 1) / s->planes * s->planes;
}

/* The chunk of a Winograd step that moves least between caches: weights come once for each chunk, and transformed tiles
 * come back from as far away as they were pushed.  Returns that cost. */
static double choose_chunk(struct step *s)
{
	const struct gather *g = &s->input;
	int plane = (g->out[2] + 3) / 4 * ((g->out[1] + 3) / 4), lanes = s->k->lanes;
	double weights = WINOGRAD * (double)s->depth * s->blocks, best = INFINITY;
	double in = WINOGRAD * (double)g->n_blocks, out = WINOGRAD * (double)s->blocks;

	for (int i = 12; i < 12 * plane + g->out[0]; i = i < plane ? 2 * i : i < 12 * plane ? 12 * plane : i + 1) {
		int tiles = i < plane ? i : plane, planes = i <= 12 * plane ? 1 : i - 12 * plane + 1;
		int slots = planes == 1 ? g->kernel[0] : planes + g->kernel[0] - 1;
		double chunks = ((plane + tiles - 1) / tiles) * (double)((g->out[0] + planes - 1) / planes);
		double kept = tiles * (in * slots + out * planes), cost = chunks * weights * distance(weights * lanes);
		cost += chunks * WINOGRAD * panels(s) * COST_PRODUCT;
		cost += 2 * distance(kept * lanes) * plane * g->out[0] * (in + out);
		if (cost < best && (i == 12 || kept * lanes <= SCRATCH_FLOATS)) {
			best = cost;
			s->tiles = tiles;
			s->planes = planes;
			s->slots = slots;
		}
	}
	s->run_planes = choose_run(s, (plane + s->tiles - 1) / s->tiles);
	/* Odd numbers of vectors between points: a tile's 36 places must not fall on few sets of the cache. */
	s->point_in = ((size_t)(g->n_blocks * s->slots * s->tiles) | 1) * (size_t)lanes;
	s->point_out = ((size_t)(s->blocks * s->planes * s->tiles) | 1) * (size_t)lanes;
	return best;
}

/* Whether Winograd can be used and pays. */
static bool winograd(struct step *s)
{
	const struct gather *g = &s->input;
	double tiles = (g->out[2] + 3) / 4 * (double)((g->out[1] + 3) / 4) * g->out[0];
	double weights = (double)g->kernel[0] * s->node->c_in * s->blocks, groups = (s->pixels + MAX_GROUP - 1) / MAX_GROUP;
	double direct, transformed, far = distance(9 * weights * s->k->lanes);

	if (g->kernel[1] != 3 || g->kernel[2] != 3 || taps(g->stride) != 1)
		return false;
	for (int i = 0; i < g->n_blocks; i++)
		if (g->block[i].lanes != s->k->lanes)
			return false;
	direct = 9 * weights * (s->pixels + far * groups) + (double)s->pixels * taps(g->kernel) * g->n_blocks * COST_PACK;
	transformed = WINOGRAD * weights * tiles + tiles * (COST_TILE_IN * g->n_blocks + COST_TILE_OUT * s->blocks);
	for (int kz = 0; kz < g->kernel[0]; kz++)
		for (int i = 0; i < g->n_blocks; i++)
			add_run(s, g->block[i].channels);
	if (transformed + choose_chunk(s) <= direct)
		return true;
	s->n_segments = s->depth = 0;
	return false;
}

/* Places in packed and scratch; returns the scratch floats of the step. */
static size_t reserve(struct step *s, size_t *packed)
{
	size_t lanes = (size_t)s->k->lanes, vector = aligned((size_t)s->blocks * lanes), scratch = 0, weights = 0;

	if (s->method == METHOD_MATRIX || s->method == METHOD_UPSAMPLE) {
		size_t n_products = s->method == METHOD_UPSAMPLE ? (size_t)taps(s->node->stride) : 1;
		weights = n_products * (size_t)s->depth * (size_t)s->blocks * lanes;
		scratch = (size_t)(s->n_segments / taps(s->input.kernel) * s->tap_group + 2) * (size_t)s->group * lanes;
	} else if (s->method == METHOD_WINOGRAD) {
		weights = WINOGRAD * (size_t)s->depth * (size_t)s->blocks * lanes;
		scratch = WINOGRAD * (s->point_in + s->point_out);
	}
	s->far = weights > CACHE_FLOATS;
	s->weights = *packed;
	s->bias = s->weights + aligned(weights);
	s->scale = s->bias + vector;
	s->shift = s->scale + vector;
	*packed = s->shift + vector;
	return scratch;
}

static void plan_step(struct step *s, const struct network *n, const struct node *node, const struct layout *l, enum isa level)
{
	const struct layout *out = &l[node->out];

	*s = (struct step){ .node = node, .k = kernels_for(node->c_out, level) };
	s->blocks = out->blocks;
	s->pixels = out->pixels;
	s->out = out->offset;
	s->residual = node->residual >= 0 ? l[node->residual].offset : 0;
	/* An instance norm takes any constant away again. */
	s->has_bias = node->bias >= 0 && !(node->norm && node->norm_op == NORM_INSTANCE && !(node->leaky && node->nonlin_first));
	for (int i = 0; i < 3; i++) {
		bool strided = node->kind == NODE_CONV;
		s->input.in[i] = (int)n->value[node->in].size[i];
		s->input.out[i] = (int)n->value[strided ? node->out : node->in].size[i];
		s->input.kernel[i] = strided ? node->kernel[i] : 1;
		s->input.stride[i] = strided ? node->stride[i] : 1;
	}
	add_blocks(&s->input, &l[node->in], n->value[node->in].channels);
	if (node->in2 >= 0)
		add_blocks(&s->input, &l[node->in2], n->value[node->in2].channels);
	if (node->kind == NODE_POOL)
		s->method = METHOD_POOL;
	else if (node->kind == NODE_TCONV)
		s->method = METHOD_UPSAMPLE;
	else
		s->method = winograd(s) ? METHOD_WINOGRAD : METHOD_MATRIX;
	if (s->method == METHOD_MATRIX || s->method == METHOD_UPSAMPLE)
		segment(s);
}

void schedule_make(struct schedule *s, const struct network *n, enum isa level)
{
	struct layout *l;

	*s = (struct schedule){ .network = n, .n_steps = n->n_nodes };
	l = layouts(&s->memory, &s->output, n, level);
	s->input = l[0].offset;
	s->step = xcalloc((size_t)n->n_nodes, sizeof *s->step);
	for (int i = 0; i < n->n_nodes; i++) {
		struct step *t = &s->step[i];
		plan_step(t, n, &n->node[i], l, level);
		size_t need = reserve(t, &s->packed);
		size_t statistics = 2 * (size_t)(t->blocks * norm_runs(t) * t->k->lanes);
		s->scratch = need > s->scratch ? need : s->scratch;
		s->statistics = statistics > s->statistics ? statistics : s->statistics;
		s->max_segments = t->n_segments > s->max_segments ? t->n_segments : s->max_segments;
	}
	s->scratch = aligned(s->scratch);
	free(l);
}

int step_tasks(const struct step *s)
{
	const int *out = s->input.out;
	int tiles = (out[2] + 3) / 4 * ((out[1] + 3) / 4), pixels = out[0] * out[1] * out[2];

	switch (s->method) {
	case METHOD_WINOGRAD:
		return (tiles + s->tiles - 1) / s->tiles * ((out[0] + s->run_planes - 1) / s->run_planes);
	case METHOD_POOL:
		return s->blocks;
	default:
		return (pixels + s->group - 1) / s->group;
	}
}

void schedule_free(struct schedule *s)
{
	for (int i = 0; i < s->n_steps; i++) {
		free(s->step[i].input.block);
		free(s->step[i].run);
	}
	free(s->step);
}
