/* Gradients by weights.  Sums over the voxels of a batch are cut into parts that follow from the shape alone, each part adds its
 * voxels in order, and the parts are added in order at the end (fast_weights.c): the same bytes for any number of threads. */
#include <string.h>
#include "common/parallel.h"
#include "filters/train-checkpoints/fast.h"

static size_t part_size(const struct wgrad *w) { return (w->sums + MAX_LANES - 1) / MAX_LANES * MAX_LANES; }

/* ---- gathered ---- */

/* Voxels first .. first + n - 1 of the coarse side: blocks `*step` apart, as they lie or with norm and leaky ReLU applied. */
static const float *coarse(size_t *step, struct hand *h, float *to, const struct wgrad_job *j, int first, int n)
{
	const struct source *s = &j->coarse;
	size_t lanes = (size_t)s->lanes;

	*step = s->block;
	if (!s->scale)
		return s->x + (size_t)first * lanes;
	*step = (size_t)n * lanes;
	for (int b = 0; b < s->blocks; b++)
		for (int i = 0; i < h->n_rows; i++) {
			const struct row *r = &h->row[i];
			size_t vector = (size_t)(r->sample * s->blocks + b) * lanes;
			struct norm a = { s->scale + vector, s->shift + vector, s->slope };
			j->w->k->copy(to + (size_t)b * *step + (size_t)r->at * lanes, s->x + (size_t)b * s->block + (size_t)(first + r->at) * lanes,
			              r->n, lanes, s->lanes, &a);
		}
	return to;
}

/* One tap (planes: all of them) of one part. */
static void matrix_task(void *arg, int i, int worker)
{
	const struct wgrad_job *j = arg;
	const struct wgrad *w = j->w;
	const struct map *m = &w->taps;
	struct hand *h = &j->hand[worker];
	struct job fine = { .m = m, .source = { j->fine[0], j->fine[1] } };
	int taps = m->planes ? 1 : m->n_taps, tap = i % taps, total = product3(m->out) * j->samples;
	int groups = (total + m->group - 1) / m->group, part = i / taps, from = groups * part / w->parts, to = groups * (part + 1) / w->parts;
	float *sums = j->sums + (size_t)part * part_size(w) + (size_t)tap * (size_t)(m->c_in * m->width);
	int depth = m->planes ? m->n_taps * m->c_in : m->c_in;

	if (from == to)
		memset(sums, 0, (size_t)(depth * m->width) * sizeof *sums);
	for (int g = from; g < to; g++) {
		int first = g * m->group, n = total - first < m->group ? total - first : m->group, segments;
		size_t step, lanes = (size_t)w->k->lanes;
		rows_of(h, m->out, first, n);
		segments = gather(h, h->scratch, &fine, &m->phase[0], n, tap, 1);
		const float *u = coarse(&step, h, h->scratch + (size_t)(segments * n) * lanes, j, first, n);
		for (int p = 0; p < m->n_panels; p++) {
			struct outer o = {
				.m = sums + (size_t)(depth * m->panel[p].column), .x = h->x, .n = h->n, .n_segments = segments, .n_pixels = n,
				.u = u + (size_t)m->panel[p].block * step, .block_step = step, .blocks = m->panel[p].blocks, .add = g > from
			};
			w->k->outer(&o);
		}
	}
}

/* ---- in Winograd's domain ---- */

/* Planes z .. z + planes - 1 of a sample (3x3 kernels: of all samples' planes), tiles first .. first + tiles - 1 of each. */
struct chunk { float *fine, *coarse; int sample, z, planes, first, tiles; };

static int depth_of(const struct map *m) { return m->n_taps / 9; }
static int n_tiles(const struct map *m) { return (m->out[1] + 3) / 4 * ((m->out[2] + 3) / 4); }
static int tile_chunks(const struct wgrad *w) { return (n_tiles(&w->taps) + w->tiles - 1) / w->tiles; }
static int n_planes(const struct wgrad_job *j)
{
	const struct map *m = &j->w->taps;

	return depth_of(m) == 1 ? j->samples * m->out[0] : m->out[0];
}
static int plane_chunks(const struct wgrad_job *j) { return (n_planes(j) + j->w->planes_at_once - 1) / j->w->planes_at_once; }
static int n_chunks(const struct wgrad_job *j)
{
	return tile_chunks(j->w) * plane_chunks(j) * (depth_of(&j->w->taps) == 1 ? 1 : j->samples);
}

static void set_chunk(struct chunk *c, const struct wgrad_job *j, float *scratch, int i)
{
	const struct wgrad *w = j->w;
	int z = i / tile_chunks(w) % plane_chunks(j) * w->planes_at_once;

	c->fine = scratch;
	c->coarse = scratch + WINOGRAD * w->point_fine;
	c->sample = i / tile_chunks(w) / plane_chunks(j);
	c->first = part_of(&c->tiles, n_tiles(&w->taps), tile_chunks(w), i % tile_chunks(w));
	c->z = z;
	c->planes = n_planes(j) - z < w->planes_at_once ? n_planes(j) - z : w->planes_at_once;
}

/* Transforms `tiles` tiles of slot i of the chunk: of a plane of the fine side and, where it is one of the chunk's own, of the
 * coarse. */
static void transform(const struct wgrad_job *j, const struct chunk *c, int i, int first, int tiles)
{
	const struct wgrad *w = j->w;
	const struct map *m = &w->taps;
	int halo = depth_of(m) / 2, q = c->z + i - halo, sample = halo ? c->sample : q / m->out[0], z = halo ? q : q % m->out[0];
	size_t lanes = (size_t)w->k->lanes, plane = (size_t)(m->out[1] * m->out[2]) * lanes;

	winograd_plane(m, c->fine + (size_t)first * lanes, w->point_fine, w->slots, i, j->fine, m->n_sources, sample, z, c->first + first,
	               tiles, c->tiles);
	if (i < halo || i >= halo + c->planes)
		return;
	for (int b = 0; b < j->coarse.blocks; b++) {
		const float *x = j->coarse.x + (size_t)b * j->coarse.block + ((size_t)sample * (size_t)m->out[0] + (size_t)z) * plane;
		float *to = c->coarse + (size_t)((b * w->planes_at_once + i - halo) * c->tiles + first) * lanes;
		w->k->winograd_back(to, w->point_coarse, x, m->out[1], m->out[2], c->first + first, tiles);
	}
}

/* The products of one point, to sums [panel][kz][c_in][width]. */
static void products(float *sums, const struct wgrad_job *j, struct hand *h, const struct chunk *c, int point, bool add)
{
	const struct wgrad *w = j->w;
	const struct map *m = &w->taps;
	size_t lanes = (size_t)w->k->lanes, slot = (size_t)c->tiles * lanes, step = (size_t)w->planes_at_once * slot;
	int kz = depth_of(m), segments;

	for (int z = 0; z < kz; z++) {
		segments = 0;
		for (int i = 0, first = 0; i < m->n_sources; first += j->fine[i++].blocks)
			for (int b = 0; b < j->fine[i].blocks; b++) {
				int left = j->fine[i].channels - b * (int)lanes;
				h->x[segments] = c->fine + (size_t)point * w->point_fine + (size_t)((first + b) * w->slots + z) * slot;
				h->n[segments++] = left < (int)lanes ? left : (int)lanes;
			}
		for (int p = 0; p < m->n_panels; p++) {
			const struct panel *panel = &m->panel[p];
			size_t row = (size_t)(kz * m->c_in) * (size_t)panel->column + (size_t)(z * m->c_in * panel->blocks) * lanes;
			struct outer o = {
				.m = sums + (size_t)point * (size_t)(kz * m->c_in) * (size_t)m->width + row, .x = h->x, .n = h->n,
				.n_segments = segments, .n_pixels = c->planes * c->tiles,
				.u = c->coarse + (size_t)point * w->point_coarse + (size_t)panel->block * step, .block_step = step,
				.blocks = panel->blocks, .add = add
			};
			w->k->outer(&o);
		}
	}
}

/* All chunks of one part. */
static void part_task(void *arg, int part, int worker)
{
	const struct wgrad_job *j = arg;
	const struct wgrad *w = j->w;
	struct hand *h = &j->hand[worker];
	float *sums = j->sums + (size_t)part * part_size(w);
	int from = (int)((long)n_chunks(j) * part / w->parts), to = (int)((long)n_chunks(j) * (part + 1) / w->parts);
	struct chunk c;

	if (from == to)
		memset(sums, 0, w->sums * sizeof *sums);
	for (int i = from; i < to; i++) {
		set_chunk(&c, j, h->scratch, i);
		for (int slot = 0; slot < c.planes + depth_of(&w->taps) - 1; slot++)
			transform(j, &c, slot, 0, c.tiles);
		for (int point = 0; point < WINOGRAD; point++)
			products(sums, j, h, &c, point, i > from);
	}
}

enum { PIECES = 4 };                    /* of a plane that threads share */
struct shared { const struct wgrad_job *j; struct chunk c; bool add; };

static void transform_task(void *arg, int i, int worker)
{
	const struct shared *s = arg;
	int n, first = part_of(&n, s->c.tiles, PIECES, i % PIECES);

	(void)worker;
	transform(s->j, &s->c, i / PIECES, first, n);
}

static void product_task(void *arg, int point, int worker)
{
	const struct shared *s = arg;

	products(s->j->sums, s->j, &s->j->hand[worker], &s->c, point, s->add);
}

void run_wgrad(float *gradient, const struct wgrad_job *j, bool add)
{
	const struct wgrad *w = j->w;
	const struct map *m = &w->taps;

	if (!w->winograd)
		parallel_for(j->threads, w->parts * (m->planes ? 1 : m->n_taps), matrix_task, (void *)j);
	else if (!w->shared)
		parallel_for(j->threads, w->parts, part_task, (void *)j);
	else
		for (int i = 0; i < n_chunks(j); i++) {
			struct shared s = { .j = j, .add = i > 0 };
			set_chunk(&s.c, j, j->transformed, i);
			parallel_for(j->threads, PIECES * (s.c.planes + depth_of(m) - 1), transform_task, &s);
			parallel_for(j->threads, WINOGRAD, product_task, &s);
		}
	unpack_gradient(gradient, w, j->sums, add, j->threads);
}
