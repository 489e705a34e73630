#include <math.h>
#include <stdlib.h>
#include "common/die.h"
#include "common/isa.h"
#include "filters/infer-checkpoint/cpu_plan.h"

enum {
	NEAR_FLOATS = 8 << 10,                  /* a good part of a first-level cache */
	CACHE_FLOATS = 160 << 10,               /* what scratch of one loop should fill: a good part of a second-level cache */
	SCRATCH_FLOATS = 1 << 20,               /* what it may: a part of the third-level cache */
	SHARED_FLOATS = 5 << 20,                /* what is likely to stay in the third-level cache between its uses */
};

/* from, until: the steps between which the value is needed; single: images take turns in it. */
struct layout { int lanes, blocks, pixels, from, until; bool single; size_t offset, block, plane, size, norm; float slope; };

enum isa cpu_isa(void)
{
#ifdef __x86_64__
	return (enum isa)(ISA_V4 - isa_missing());
#else
	return ISA_BASE;
#endif
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

/* First fit: each value goes to the lowest place that no value alive at the same time holds. */
static size_t place(const struct layout *l, int v)
{
	size_t at = 0;

	for (int again = 1; again;) {
		again = 0;
		for (int i = 0; i < v; i++) {
			bool together = l[i].from <= l[v].until && l[v].from <= l[i].until;
			if (together && at < l[i].offset + l[i].size && l[i].offset < at + l[v].size) {
				at = l[i].offset + l[i].size;
				again = 1;
			}
		}
	}
	return at;
}

/* Where images go one by one through some steps, first those before deep_first, last those from deep_end on: a value that these
 * steps alone know is one image's at a time; others' planes are needed until the last image is through. */
static void set_life(struct layout *l, const struct schedule *s, int v)
{
	const struct network *n = s->network;

	l->from = 0;
	for (int i = 0; i < n->n_nodes; i++)
		if (n->node[i].out == v)
			l->from = i;
	l->until = n->value[v].last_use;
	if (s->images == 1)
		return;
	l->single = v > 0 && (l->until < s->deep_first || (l->from >= s->deep_end && l->until < n->n_nodes));
	if (l->single)
		return;
	if (l->from < s->deep_first)
		l->from = 0;
	else if (l->from >= s->deep_end)
		l->from = s->deep_end;
	if (l->until < s->deep_first)
		l->until = s->deep_first - 1;
	else if (l->until >= s->deep_end)
		l->until = n->n_nodes;
}

/* When the last step is done only its own value is alive: its planes lie before or behind it. */
static size_t place_output(const struct layout *l, const struct network *n)
{
	const struct layout *last = &l[n->node[n->n_nodes - 1].out];

	return last->size <= last->offset ? 0 : last->offset + last->size;
}

/* Also the schedule's memory and output: room for the last value once more. */
static struct layout *layouts(struct schedule *s, enum isa level)
{
	const struct network *n = s->network;
	struct layout *l = xcalloc((size_t)n->n_values, sizeof *l);

	s->memory = 0;
	for (int v = 0; v < n->n_values; v++) {
		const struct value *value = &n->value[v];
		l[v].lanes = v == 0 ? 1 /* read by convolutions alone */ : kernels_for(value->channels, level)->lanes;
		l[v].blocks = (value->channels + l[v].lanes - 1) / l[v].lanes;
		l[v].pixels = (int)(value->size[0] * value->size[1] * value->size[2]);
		set_life(&l[v], s, v);
		l[v].plane = l[v].single ? 0 : (size_t)(value->size[1] * value->size[2]) * (size_t)l[v].lanes;
		l[v].block = (size_t)l[v].pixels * (size_t)l[v].lanes * (size_t)(l[v].single ? 1 : s->images);
		l[v].size = aligned((size_t)l[v].blocks * l[v].block);
		l[v].offset = place(l, v);
		if (l[v].offset + l[v].size > s->memory)
			s->memory = l[v].offset + l[v].size;
	}
	s->output = place_output(l, n);
	if (s->output + l[n->node[n->n_nodes - 1].out].size > s->memory)
		s->memory = s->output + l[n->node[n->n_nodes - 1].out].size;
	return l;
}

/* What reads a value applies its norm where nothing else is done to it. */
static bool lazy(const struct network *n, const struct node *node)
{
	if (node->kind != NODE_CONV || (!node->norm && !node->leaky) || node->nonlin_first || node->residual >= 0)
		return false;
	for (int i = 0; i < n->n_nodes; i++)
		if (n->node[i].residual == node->out || (n->node[i].kind == NODE_POOL && n->node[i].in == node->out))
			return false;
	return node != &n->node[n->n_nodes - 1];
}

static void add_blocks(struct gather *g, const struct layout *l, int channels, int images)
{
	g->block = xrealloc(g->block, (size_t)(g->n_blocks + l->blocks), sizeof *g->block);
	for (int i = 0; i < l->blocks; i++) {
		int left = channels - i * l->lanes;
		size_t lanes = (size_t)l->lanes, all = (size_t)l->blocks * lanes;
		g->block[g->n_blocks++] = (struct block){
			.offset = l->offset + (size_t)i * l->block, .plane = l->plane, .lanes = l->lanes,
			.channels = left < l->lanes ? left : l->lanes, .shift = all, .slope = l->slope,
			.image = images > 1 ? 2 * all : 0,
			.norm = l->norm == NO_NORM ? NO_NORM : l->norm + (size_t)i * lanes
		};
	}
}

static void add_run(struct step *s, int channels)
{
	s->run = xrealloc(s->run, (size_t)s->n_segments + 1, sizeof *s->run);
	s->run[s->n_segments++] = channels;
	s->depth += channels;
}

/* The segments of gemm: for each tap runs of at most `lanes` channels of one block, of planes one for each channel. */
static void segment(struct step *s)
{
	struct gather *g = &s->input;
	int lanes = s->k->lanes;

	for (int t = 0; t < taps(g->kernel); t++)
		for (int i = 0; i < g->n_blocks; i++)
			for (int c = 0; c < g->block[i].channels; c += lanes)
				add_run(s, g->block[i].channels - c < lanes ? g->block[i].channels - c : lanes);
}

/* Costs are in units of one vector's multiply-add.  Those beside the products were fitted to measurements of single layers
 * (tests/bench/forward.c). */
enum {
	COST_TILE_IN = 500, COST_TILE_OUT = 400,        /* the transforms of one block of a tile of 4 x 4 */
	COST_TILE_IN_2 = 250, COST_TILE_OUT_2 = 200,    /* and of 2 x 2 */
	COST_STAGE = 4,                                 /* one pixel of one block staged */
	COST_PRODUCT = 60,                              /* one call of gemm */
	COST_NEAR = 2, COST_FAR = 20, COST_MAIN = 40,   /* a vector from the second-level cache, the third, from memory */
};

static double distance(double floats)
{
	return floats > SHARED_FLOATS ? COST_MAIN : floats > CACHE_FLOATS ? COST_FAR : floats > NEAR_FLOATS ? COST_NEAR : 0;
}

/* Planes that a task goes through: all of them, but shorter ways, which each begin with the first planes' neighbours, where
 * there would be few tasks; as few as can be where planes have nothing to do with their neighbours. */
static int choose_run(const struct step *s, int chunks)
{
	enum { TASKS = 4, LEAST = 8 };
	int parts = chunks < TASKS ? ceil_div(TASKS, chunks) : 1, n = ceil_div(s->input.out[0], parts);

	if (s->input.kernel[0] == 1)
		return s->planes;
	n = n < LEAST ? LEAST : n;
	return ceil_div(n, s->planes) * s->planes;
}

/* The chunk of a Winograd step that moves least between caches: weights come once for each chunk, and transformed tiles
 * come back from as far away as they were pushed.  Returns that cost, with the arithmetic's. */
static double choose_chunk(struct step *s, int edge)
{
	const struct gather *g = &s->input;
	int plane = plane_tiles(s, edge), lanes = s->k->lanes, n_points = (edge + 2) * (edge + 2);
	double weights = n_points * (double)s->depth * s->blocks, best = INFINITY, all = (double)plane * g->out[0];
	double in = n_points * (double)g->n_blocks, out = n_points * (double)s->blocks;

	for (int i = 12; i < 12 * plane + g->out[0]; i = i < plane ? 2 * i : i < 12 * plane ? 12 * plane : i + 1) {
		int tiles = i < plane ? i : plane, planes = i <= 12 * plane ? 1 : i - 12 * plane + 1;
		int slots = planes == 1 ? g->kernel[0] : planes + g->kernel[0] - 1;
		double chunks = ceil_div(plane, tiles) * (double)ceil_div(g->out[0], planes);
		/* An image may come alone, so that weights come for each. */
		double kept = tiles * (in * slots + out * planes);
		double cost = (chunks < s->images ? s->images : chunks) * weights * distance(weights * lanes);
		cost += chunks * n_points * panels(s) * COST_PRODUCT;
		cost += 2 * distance(kept * lanes) * plane * g->out[0] * (in + out);
		if (cost < best && (i == 12 || kept * lanes <= SCRATCH_FLOATS)) {
			best = cost;
			s->tiles = tiles;
			s->planes = planes;
			s->slots = slots;
		}
	}
	s->edge = edge;
	s->pieces = ceil_div(plane, s->tiles);
	s->run_planes = choose_run(s, s->pieces);
	/* Odd numbers of vectors between points: a tile's 36 places must not fall on few sets of the cache. */
	s->point_in = ((size_t)(g->n_blocks * s->slots * s->tiles) | 1) * (size_t)lanes;
	s->point_out = ((size_t)(s->blocks * s->planes * s->tiles) | 1) * (size_t)lanes;
	best += all * (edge == 4 ? COST_TILE_IN : COST_TILE_IN_2) * g->n_blocks;
	best += all * (edge == 4 ? COST_TILE_OUT : COST_TILE_OUT_2) * s->blocks;
	return best + weights * all;
}

/* The place of a direct step's staged inputs takes this many floats. */
static size_t staged(const struct step *s)
{
	const struct gather *g = &s->input;
	size_t rows = (size_t)((s->planes - 1) * g->stride[0] + g->kernel[0]) * (size_t)(s->lines * g->stride[1] * g->stride[2]);

	return (size_t)(s->n_segments / taps(g->kernel)) * rows * (size_t)s->width * (size_t)(g->block[0].lanes == 1 ? 1 : s->k->lanes);
}

static void set_rows(struct step *s, int planes, int rows)
{
	s->planes = planes;
	s->rows = rows;
	s->lines = rows + (s->input.kernel[1] - 1) / s->input.stride[1];
}

/* The rows of a task of a direct step: staged inputs overlap and weights come once for each task, but the inputs must fit the
 * cache.  Returns the cost, with the arithmetic's. */
static double choose_rows(struct step *s)
{
	enum { NARROW = 12 };
	const struct gather *g = &s->input;
	int Z = g->out[0], Y = g->out[1], X = g->out[2], lanes = s->k->lanes, best_planes = 1, best_rows = 1;
	double weights = (double)s->depth * s->blocks, best = INFINITY;

	s->width = X + (g->kernel[2] - 1) / g->stride[2];
	s->flat = X < NARROW;
	for (int i = 1; i < Y + Z; i++) {
		int planes = i < Y ? 1 : i - Y + 1, rows = i < Y ? i : Y;
		double tasks = ceil_div(Z, planes) * (double)ceil_div(Y, rows), cost;
		set_rows(s, planes, rows);
		cost = tasks * (double)staged(s) / lanes * COST_STAGE + tasks * weights * distance(weights * lanes);
		cost += (double)Z * (s->flat ? Y * (s->width / (double)X) : Y) * panels(s) * (s->flat ? 0 : COST_PRODUCT);
		cost += tasks * (double)staged(s) / lanes * panels(s) * (distance((double)staged(s)) > COST_NEAR ? COST_FAR : 0);
		if (i > 1 && (double)staged(s) > SCRATCH_FLOATS)
			break;
		if (cost < best) {
			best = cost;
			best_planes = planes;
			best_rows = rows;
		}
	}
	set_rows(s, best_planes, best_rows);
	s->pieces = ceil_div(Y, best_rows);
	return best + weights * s->pixels * (s->flat ? s->width / (double)X : 1);
}

/* The convolution's method: whichever costs least. */
static void choose(struct step *s)
{
	const struct gather *g = &s->input;
	bool can = g->kernel[1] == 3 && g->kernel[2] == 3 && taps(g->stride) == 1;
	double direct, quarter = INFINITY, half = INFINITY;

	segment(s);
	direct = choose_rows(s);
	for (int i = 0; i < g->n_blocks; i++)
		can &= g->block[i].lanes == s->k->lanes;
	if (!can)
		return;
	s->n_segments = s->depth = 0;
	for (int kz = 0; kz < g->kernel[0]; kz++)
		for (int i = 0; i < g->n_blocks; i++)
			add_run(s, g->block[i].channels);
	half = choose_chunk(s, 2);
	quarter = choose_chunk(s, 4);
	s->method = METHOD_WINOGRAD;
	if (half < quarter)
		choose_chunk(s, 2);
	if (direct < half && direct < quarter) {
		s->method = METHOD_DIRECT;
		s->n_segments = s->depth = 0;
		segment(s);
		choose_rows(s);
	}
}

/* Places in packed and scratch; returns the scratch floats of the step. */
static size_t reserve(struct step *s, size_t *packed)
{
	size_t lanes = (size_t)s->k->lanes, vector = aligned((size_t)s->blocks * lanes), scratch = 0, weights = 0;

	if (s->method == METHOD_DIRECT) {
		weights = (size_t)s->depth * (size_t)s->blocks * lanes;
		s->temporary = aligned(staged(s));
		scratch = s->temporary + (s->flat ? 2 * (size_t)(s->rows * s->width) * lanes : 0);
	} else if (s->method == METHOD_UPSAMPLE) {
		weights = (size_t)taps(s->node->stride) * (size_t)s->depth * (size_t)s->blocks * lanes;
		scratch = (size_t)s->n_segments * (size_t)(s->rows * s->input.in[2]) * lanes;
	} else if (s->method == METHOD_WINOGRAD) {
		weights = (size_t)points(s) * (size_t)s->depth * (size_t)s->blocks * lanes;
		scratch = (size_t)points(s) * (s->point_in + s->point_out);
	}
	s->far = weights > CACHE_FLOATS;
	s->weights = *packed;
	s->bias = s->weights + aligned(weights);
	s->scale = s->bias + vector;
	s->shift = s->scale + vector;
	*packed = s->shift + vector;
	return scratch;
}

static void plan_step(struct step *s, const struct network *n, const struct node *node, const struct layout *l, int images,
                      enum isa level)
{
	const struct layout *out = &l[node->out];

	*s = (struct step){ .node = node, .k = kernels_for(node->c_out, level) };
	s->images = images;
	s->blocks = out->blocks;
	s->pixels = out->pixels * images;
	s->out = (struct place){ out->offset, out->block, out->plane };
	if (node->residual >= 0)
		s->residual = (struct place){ l[node->residual].offset, l[node->residual].block, l[node->residual].plane };
	/* An instance norm takes any constant away again. */
	s->has_bias = node->bias >= 0 && !(node->norm && node->norm_op == NORM_INSTANCE && !(node->leaky && node->nonlin_first));
	for (int i = 0; i < 3; i++) {
		bool strided = node->kind == NODE_CONV;
		s->input.in[i] = (int)n->value[node->in].size[i] * (i == 0 ? images : 1);
		s->input.out[i] = (int)n->value[strided ? node->out : node->in].size[i] * (i == 0 ? images : 1);
		s->input.kernel[i] = strided ? node->kernel[i] : 1;
		s->input.stride[i] = strided ? node->stride[i] : 1;
	}
	add_blocks(&s->input, &l[node->in], n->value[node->in].channels, images);
	if (node->in2 >= 0)
		add_blocks(&s->input, &l[node->in2], n->value[node->in2].channels, images);
	s->lazy = l[node->out].norm != NO_NORM;
	s->measured = node->norm && node->norm_op == NORM_INSTANCE && !(node->leaky && node->nonlin_first);
	s->pieces = 1;
	if (node->kind == NODE_CONV) {
		choose(s);
	} else if (node->kind == NODE_TCONV) {
		enum { PIXELS = 128 };
		s->method = METHOD_UPSAMPLE;
		s->rows = ceil_div(PIXELS, s->input.in[2]);
		segment(s);
	} else {
		s->method = METHOD_POOL;
	}
}

/* Steps from the first to the last one that reads more weights, as Winograd has them, than values of an image. */
static void choose_deep(struct schedule *s)
{
	const struct network *n = s->network;

	s->deep_first = s->deep_end = s->images > 1 ? n->n_nodes : 0;
	for (int i = 0; i < n->n_nodes && s->images > 1; i++) {
		const struct node *o = &n->node[i];
		const int64_t *in = n->value[o->in].size, *out = n->value[o->out].size;
		double values = (double)(in[1] * in[2]) * o->c_in + (double)(out[1] * out[2]) * o->c_out;
		double weights = (double)o->c_in * o->c_out * o->kernel[1] * o->kernel[2] * (taps(o->stride) == 1 && taps(o->kernel) == 9 ? 4 : 1);
		if (o->kind == NODE_POOL || weights <= values)
			continue;
		s->deep_first = i < s->deep_first ? i : s->deep_first;
		s->deep_end = i + 1;
	}
	if (s->images == 1)
		s->deep_end = n->n_nodes;
}

/* Images whose planes are computed together share the way of the weights.  Only where no step mixes planes, and no more than
 * take so much memory. */
static void choose_images(struct schedule *s, enum isa level)
{
	enum { MOST = 4, FLOATS = 16 << 20 };
	const struct network *n = s->network;

	s->images = MOST;
	for (int i = 0; i < n->n_nodes; i++)
		if (n->patch[0] != 1 || n->node[i].kernel[0] != 1 || n->node[i].stride[0] != 1)
			s->images = 1;
	for (;; s->images--) {
		choose_deep(s);
		if (s->images == 1)
			return;
		free(layouts(s, level));
		if (s->memory <= FLOATS)
			return;
	}
}

void schedule_make(struct schedule *s, const struct network *n, enum isa level)
{
	struct layout *l;

	*s = (struct schedule){ .network = n, .n_steps = n->n_nodes };
	choose_images(s, level);
	l = layouts(s, level);
	for (int i = 0; i < n->n_values; i++)
		l[i].norm = NO_NORM;
	for (int i = 0; i < n->n_nodes; i++) {
		const struct node *node = &n->node[i];
		if (!lazy(n, node))
			continue;
		l[node->out].norm = 0;
		l[node->out].slope = node->leaky ? node->slope : 1;
	}
	s->input = l[0].offset;
	s->step = xcalloc((size_t)n->n_nodes, sizeof *s->step);
	for (int i = 0; i < n->n_nodes; i++) {
		struct step *t = &s->step[i];
		struct layout *out = &l[n->node[i].out];
		if (out->norm != NO_NORM)
			out->norm = s->norms;
		plan_step(t, n, &n->node[i], l, s->images, level);
		t->norm = s->norms;
		s->norms += 2 * (size_t)(s->images * t->blocks * t->k->lanes);
		size_t need = reserve(t, &s->packed), counts = (size_t)(t->input.out[0] * t->pieces);
		size_t statistics = 2 * counts * (size_t)(t->blocks * t->k->lanes);
		s->scratch = need > s->scratch ? need : s->scratch;
		s->statistics = statistics > s->statistics ? statistics : s->statistics;
		s->counts = counts > s->counts ? counts : s->counts;
		s->max_segments = t->n_segments > s->max_segments ? t->n_segments : s->max_segments;
	}
	s->scratch = aligned(s->scratch);
	free(l);
}

void schedule_free(struct schedule *s)
{
	for (int i = 0; i < s->n_steps; i++) {
		free(s->step[i].input.block);
		free(s->step[i].run);
	}
	free(s->step);
}
