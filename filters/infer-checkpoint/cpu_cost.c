#include <math.h>
#include "common/die.h"
#include "filters/infer-checkpoint/cpu_cost.h"

enum {
	NEAR_FLOATS = 8 << 10,                  /* a good part of a first-level cache */
	SCRATCH_FLOATS = 1 << 20,               /* what scratch of one loop may fill: a part of the third-level cache */
	SHARED_FLOATS = 5 << 20,                /* what is likely to stay in the third-level cache between its uses */
	LEAST_TASKS = 8, TASK_WORK = 1 << 15,         /* tasks that there are at least, unless they were of less work than that */
};

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

/* The least number of tasks for a layer of so much work, of which each has so many parts that several threads may share. */
static int least_tasks(double work, int parts)
{
	double n = work / TASK_WORK < LEAST_TASKS ? work / TASK_WORK : LEAST_TASKS;

	return parts >= n ? 1 : (int)(n / parts);
}

static void add_run(struct step *s, int channels)
{
	int n = ceil_div(channels, s->k->pair);

	s->run = xrealloc(s->run, (size_t)s->n_segments + 1, sizeof *s->run);
	s->run[s->n_segments++] = n;
	s->depth += n;
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
	double in = n_points * (double)g->n_blocks / s->k->pair, out = n_points * (double)s->blocks;
	int least = least_tasks(weights * all, s->blocks);

	for (int i = 12; i < 12 * plane + g->out[0]; i = i < plane ? 2 * i : i < 12 * plane ? 12 * plane : i + 1) {
		int tiles = i < plane ? i : plane, planes = i <= 12 * plane ? 1 : i - 12 * plane + 1;
		int slots = planes == 1 ? g->kernel[0] : planes + g->kernel[0] - 1;
		double chunks = ceil_div(plane, tiles) * (double)ceil_div(g->out[0], planes);
		double kept = tiles * (in * slots + out * planes);
		/* An image may come alone, so that weights come for each. */
		double cost = (chunks < s->images ? s->images : chunks) * weights * distance(weights * lanes);
		cost += chunks * n_points * panels(s) * COST_PRODUCT;
		cost += 2 * distance(kept * lanes) * plane * g->out[0] * (in + out);
		bool fits = kept * lanes <= SCRATCH_FLOATS && (planes == 1 ? ceil_div(plane, tiles) : chunks) >= least;
		if (cost < best && (i == 12 || fits)) {
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
	s->point_in = ((size_t)(g->n_blocks * s->slots * s->tiles) | 1) * staged_pixel(s);
	s->point_out = ((size_t)(s->blocks * s->planes * s->tiles) | 1) * (size_t)lanes;
	best += all * (edge == 4 ? COST_TILE_IN : COST_TILE_IN_2) * g->n_blocks;
	best += all * (edge == 4 ? COST_TILE_OUT : COST_TILE_OUT_2) * s->blocks;
	return best + weights * all;
}

size_t cost_staged(const struct step *s)
{
	const struct gather *g = &s->input;
	size_t rows = (size_t)((s->planes - 1) * g->stride[0] + g->kernel[0]) * (size_t)(s->lines * g->stride[1] * g->stride[2]);

	return (size_t)(s->n_segments / taps(g->kernel)) * rows * (size_t)s->width * staged_pixel(s);
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
	double weights = (double)s->depth * s->blocks, best = INFINITY, pixel = lanes / s->k->pair;
	int least = least_tasks(weights * s->pixels, panels(s));

	s->width = X + (g->kernel[2] - 1) / g->stride[2];
	s->flat = X < NARROW;
	for (int i = 1; i < Y + Z; i++) {
		int planes = i < Y ? 1 : i - Y + 1, rows = i < Y ? i : Y;
		double tasks = ceil_div(Z, planes) * (double)ceil_div(Y, rows), staged, cost;
		set_rows(s, planes, rows);
		staged = (double)cost_staged(s);
		cost = tasks * staged / pixel * COST_STAGE + tasks * weights * distance(weights * lanes);
		cost += (double)Z * (s->flat ? Y * (s->width / (double)X) : Y) * panels(s) * (s->flat ? 0 : COST_PRODUCT);
		cost += tasks * staged / lanes * panels(s) * (distance(staged) > COST_NEAR ? COST_FAR : 0);
		if (i > 1 && (staged > SCRATCH_FLOATS || tasks < least))
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

/* Plans the convolution as Winograd's F(edge x edge, 3x3), or directly with edge = 0.  Returns the cost. */
static double try(struct step *s, const struct kernels *k, int edge)
{
	const struct gather *g = &s->input;

	s->k = k;
	s->method = edge ? METHOD_WINOGRAD : METHOD_DIRECT;
	s->n_segments = s->depth = 0;
	if (!edge) {
		segment(s);
		return choose_rows(s);
	}
	for (int kz = 0; kz < g->kernel[0]; kz++)
		for (int i = 0; i < g->n_blocks; i++)
			add_run(s, g->block[i].channels);
	return choose_chunk(s, edge);
}

/* F(4x4) keeps its kernels: its transforms would make the rounding of bf16 many times as large. */
void cost_convolution(struct step *s, const struct kernels *k)
{
	const struct kernels *exact = s->k;
	const struct gather *g = &s->input;
	bool can = g->kernel[1] == 3 && g->kernel[2] == 3 && taps(g->stride) == 1;
	double direct = try(s, k, 0), half, quarter;

	for (int i = 0; i < g->n_blocks; i++)
		can &= g->block[i].lanes == s->k->lanes;
	if (!can)
		return;
	half = try(s, k, 2);
	quarter = try(s, exact, 4);
	if (direct < half && direct < quarter)
		try(s, k, 0);
	else if (half < quarter)
		try(s, k, 2);
}

void cost_upsample(struct step *s, const struct kernels *k)
{
	enum { PIXELS = 128 };

	s->k = k;
	s->method = METHOD_UPSAMPLE;
	s->rows = ceil_div(PIXELS, s->input.in[2]);
	segment(s);
}
