#include <string.h>
#include "common/parallel.h"
#include "filters/train-checkpoints/fast.h"

/* Transforms plane z of a sample of all sources, tiles first .. first + tiles - 1, to v [point][block][slots][row][lanes];
 * planes outside are 0. */
void winograd_plane(const struct map *m, float *v, size_t point, int slots, int slot, const struct source *source, int n_sources,
                    int sample, int z, int first, int tiles, int row)
{
	size_t lanes = (size_t)m->k->lanes, slot_size = (size_t)row * lanes, plane = (size_t)(m->in[1] * m->in[2]) * lanes;
	float *to = v + (size_t)slot * slot_size;

	for (int i = 0; i < n_sources; i++)
		for (int b = 0; b < source[i].blocks; b++, to += (size_t)slots * slot_size) {
			const struct source *s = &source[i];
			const float *x = s->x + (size_t)b * s->block + ((size_t)sample * (size_t)m->in[0] + (size_t)z) * plane;
			size_t vector = (size_t)(sample * s->blocks + b) * lanes;
			struct norm norm = { s->scale ? s->scale + vector : NULL, s->shift ? s->shift + vector : NULL, s->slope };
			if (z >= 0 && z < m->in[0])
				m->k->infer->winograd_in(4, to, point, x, m->in[1], m->in[2], first, tiles, &norm);
			else
				for (int k = 0; k < WINOGRAD; k++)
					memset(to + (size_t)k * point, 0, (size_t)tiles * lanes * sizeof *to);
		}
}

/* Planes z .. z + planes - 1 of a sample (3x3 kernels: of all samples' planes), tiles first .. first + tiles - 1 of each. */
struct chunk {
	float *v, *m;                   /* transforms [point][block][slot][tile][lanes], products [point][block][plane][tile][lanes] */
	int sample, z, planes, first, tiles;
};

static int depth_of(const struct map *m) { return m->n_taps / 9; }

static int slot(const struct map *m, const struct chunk *c, int z)
{
	int i = z + depth_of(m) / 2;

	return m->planes_at_once > 1 ? i - c->z : i % m->slots;
}

/* The planes that the last chunk and this one share move to the first slots. */
static void shift(const struct map *m, const struct chunk *c)
{
	size_t slot_size = (size_t)(c->tiles * m->k->lanes);
	int blocks = m->segments / depth_of(m);

	for (int k = 0; k < WINOGRAD; k++)
		for (int b = 0; b < blocks; b++) {
			float *v = c->v + (size_t)k * m->point_in + (size_t)(b * m->slots) * slot_size;
			memmove(v, v + (size_t)m->planes_at_once * slot_size, (size_t)(depth_of(m) - 1) * slot_size * sizeof *v);
		}
}

static void products(const struct job *j, struct hand *h, const struct chunk *c)
{
	const struct map *m = j->m;
	size_t lanes = (size_t)m->k->lanes, slot_size = (size_t)c->tiles * lanes, block = (size_t)m->planes_at_once * slot_size;
	int kz = depth_of(m), segments = 0;
	const float *w = j->packed;

	for (int k = 0; k < WINOGRAD; k++) {
		segments = 0;
		for (int z = 0; z < kz; z++)
			for (int i = 0, first = 0; i < m->n_sources; first += j->source[i++].blocks)
				for (int b = 0; b < j->source[i].blocks; b++) {
					int at = (first + b) * m->slots + (kz == 1 ? 0 : slot(m, c, c->z + z - kz / 2));
					int left = j->source[i].channels - b * (int)lanes;
					h->x[segments] = c->v + (size_t)k * m->point_in + (size_t)at * slot_size;
					h->n[segments++] = left < (int)lanes ? left : (int)lanes;
				}
		for (int i = 0, done = 0; i < m->n_panels; done += m->panel[i++].blocks) {
			struct product product = {
				.out = c->m + (size_t)k * m->point_out + (size_t)done * block, .block_step = block, .out_step = lanes,
				.pixels = c->planes * c->tiles, .blocks = m->panel[i].blocks, .x = h->x, .n = h->n,
				.n_segments = segments, .depth = kz * m->c_in, .w = w
			};
			m->k->infer->gemm(&product);
			w += (size_t)(product.depth * product.blocks) * lanes;
		}
	}
}

/* Products back to voxels. */
static void write(const struct job *j, const struct chunk *c)
{
	const struct map *m = j->m;
	size_t lanes = (size_t)m->k->lanes, plane = (size_t)(m->out[1] * m->out[2]) * lanes;
	const float *from = c->m;

	for (int i = 0; i < m->n_panels; i++)
		for (int b = 0; b < m->panel[i].blocks; b++, from += (size_t)(m->planes_at_once * c->tiles) * lanes) {
			const struct target *t = &j->target[m->panel[i].target];
			const float *bias = j->bias ? j->bias + m->panel[i].column + (size_t)b * lanes : NULL;
			float *to = t->x + (size_t)(m->panel[i].block + b) * t->block;
			for (int p = 0; p < c->planes; p++)
				m->k->winograd_out(to + ((size_t)c->sample * (size_t)m->out[0] + (size_t)(c->z + p)) * plane,
				                   from + (size_t)(p * c->tiles) * lanes, m->point_out, m->out[1], m->out[2], c->first,
				                   c->tiles, bias, t->add);
		}
}

static int n_tiles(const struct map *m) { return (m->out[1] + 3) / 4 * ((m->out[2] + 3) / 4); }
static int n_chunks(const struct map *m) { return (n_tiles(m) + m->tiles - 1) / m->tiles; }
static int n_planes(const struct job *j) { return depth_of(j->m) == 1 ? j->samples * j->m->out[0] : j->m->out[0]; }
static int n_runs(const struct job *j) { return (n_planes(j) + j->m->run_planes - 1) / j->m->run_planes; }

static void winograd_task(void *arg, int i, int worker)
{
	const struct job *j = arg;
	const struct map *m = j->m;
	struct hand *h = &j->hand[worker];
	struct chunk c = { .v = h->scratch, .m = h->scratch + WINOGRAD * m->point_in, .sample = i / n_chunks(m) / n_runs(j) };
	int pad = depth_of(m) / 2, begin = i / n_chunks(m) % n_runs(j) * m->run_planes, end = begin + m->run_planes;

	end = end < n_planes(j) ? end : n_planes(j);
	c.first = part_of(&c.tiles, n_tiles(m), n_chunks(m), i % n_chunks(m));
	for (int z = begin, ready = begin - pad; z < end; z += m->planes_at_once) {
		c.z = z;
		c.planes = end - z < m->planes_at_once ? end - z : m->planes_at_once;
		if (pad && m->planes_at_once > 1 && z > begin)
			shift(m, &c);
		for (; ready < z + c.planes + pad; ready++) {
			int sample = pad ? c.sample : ready / m->in[0], at = pad ? ready : ready % m->in[0];
			winograd_plane(m, c.v, m->point_in, m->slots, pad ? slot(m, &c, ready) : ready - z, j->source, m->n_sources, sample, at,
			               c.first, c.tiles, c.tiles);
		}
		products(j, h, &c);
		write(j, &c);
	}
}

void run_winograd(const struct job *j)
{
	int samples = depth_of(j->m) == 1 ? 1 : j->samples;

	parallel_for(j->threads, samples * n_runs(j) * n_chunks(j->m), winograd_task, (void *)j);
}
