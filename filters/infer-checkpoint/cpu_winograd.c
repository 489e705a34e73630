/* Convolutions in Winograd's transform domain: chunks of tiles of one or more planes are transformed, multiplied point by
 * point, where the taps in z are summed as well, and transformed back. */
#include <string.h>
#include "filters/infer-checkpoint/cpu_run.h"

/* Planes z .. z + planes - 1, tiles first .. first + tiles - 1 of each. */
struct chunk {
	const struct run *r;
	int piece, first, tiles;
	float *v;                               /* transformed input [point][block][slot][tile][lanes / pair] */
	float *m;                               /* products [point][block][plane][tile][lanes] */
	int z, planes;
	int ready, until;                       /* planes of the input to be transformed */
};

static int slot(const struct step *s, const struct chunk *c, int z)
{
	int i = z + s->input.kernel[0] / 2;

	return s->planes > 1 ? i - c->z : i % s->slots;
}

/* Planes ready .. until - 1 of block i of the input; those outside the image are 0. */
static void forth(void *arg, int i, int worker)
{
	const struct chunk *c = arg;
	const struct run *r = c->r;
	const struct step *s = r->s;
	const struct gather *g = &s->input;
	const struct block *b = &g->block[i];
	size_t size = (size_t)c->tiles * staged_pixel(s);

	(void)worker;
	for (int z = c->ready; z < c->until; z++) {
		float *to = c->v + (size_t)(i * s->slots + slot(s, c, z)) * size;
		if (z >= 0 && z < g->in[0]) {
			const float *plane = r->w->memory + b->offset + (size_t)z * b->plane;
			struct norm norm = norm_of(r, b, 0, z);
			s->k->winograd_in(s->edge, to, s->point_in, plane, g->in[1], g->in[2], c->first, c->tiles, &norm);
		} else {
			for (int point = 0; point < points(s); point++)
				memset(to + (size_t)point * s->point_in, 0, size * sizeof *to);
		}
	}
}

/* The planes that the last chunk and this one share move to the first slots. */
static void shift(const struct chunk *c)
{
	const struct step *s = c->r->s;
	size_t size = (size_t)c->tiles * staged_pixel(s);

	for (int point = 0; point < points(s); point++)
		for (int i = 0; i < s->input.n_blocks; i++) {
			float *v = c->v + (size_t)point * s->point_in + (size_t)(i * s->slots) * size;
			memmove(v, v + (size_t)s->planes * size, (size_t)(s->input.kernel[0] - 1) * size * sizeof *v);
		}
}

/* All panels of one point. */
static void multiply(void *arg, int point, int worker)
{
	const struct chunk *c = arg;
	const struct step *s = c->r->s;
	const struct gather *g = &s->input;
	const struct hand *h = &c->r->w->hand[worker];
	size_t lanes = (size_t)s->k->lanes, size = (size_t)c->tiles * staged_pixel(s), depth = (size_t)s->depth * lanes;
	const float *v = c->v + (size_t)point * s->point_in, *w = c->r->packed + s->weights + (size_t)(point * s->blocks) * depth;
	int n = 0;

	for (int kz = 0; kz < g->kernel[0]; kz++)
		for (int b = 0; b < g->n_blocks; b++)
			h->x[n++] = v + (size_t)(b * s->slots + slot(s, c, c->z + kz - g->kernel[0] / 2)) * size;
	for (int panel = 0; panel < panels(s); panel++) {
		struct product p = panel_product(c->r, panel);
		p.block_step = (size_t)(s->planes * c->tiles) * lanes;
		p.out = c->m + (size_t)point * s->point_out + (size_t)(2 * panel) * p.block_step;
		p.pixels = c->planes * c->tiles;
		p.bias = NULL;
		p.x = h->x;
		p.w = w;
		w += (size_t)p.blocks * depth;
		p.next = s->far ? w : NULL;
		s->k->gemm(&p);
	}
}

/* The products of block b of the output back to pixels. */
static void back(void *arg, int b, int worker)
{
	const struct chunk *c = arg;
	const struct run *r = c->r;
	const struct step *s = r->s;
	int Y = s->input.out[1], X = s->input.out[2];
	size_t lanes = (size_t)s->k->lanes;
	const float *bias = r->bias ? r->bias + (size_t)b * lanes : NULL;

	(void)worker;
	for (int i = 0; i < c->planes; i++) {
		float *plane = plane_out(r, b, c->z + i);
		const float *m = c->m + (size_t)((b * s->planes + i) * c->tiles) * lanes;
		double *moments = s->measured ? r->w->statistics + moments_at(s, b, c->z + i, c->piece) : NULL;
		int n = s->k->winograd_out(s->edge, plane, m, s->point_out, Y, X, c->first, c->tiles, bias, moments);
		if (moments && b == 0)
			r->w->counts[count_at(s, c->z + i, c->piece)] = (double)n;
	}
}

/* A task: one chunk of tiles through run_planes planes, by one hand or by all of them. */
static void go(const struct run *r, int task, int worker, bool together)
{
	const struct step *s = r->s;
	int pad = s->input.kernel[0] / 2, begin = r->first + task / s->pieces * s->run_planes;
	int end = begin + s->run_planes < r->end ? begin + s->run_planes : r->end;
	float *scratch = r->w->hand[worker].scratch;
	struct chunk c = { .r = r, .piece = task % s->pieces, .v = scratch, .m = scratch + (size_t)points(s) * s->point_in };

	c.first = part(&c.tiles, plane_tiles(s, s->edge), s->pieces, c.piece);
	c.until = begin - pad;
	for (c.z = begin; c.z < end; c.z += s->planes) {
		c.planes = end - c.z < s->planes ? end - c.z : s->planes;
		if (s->planes > 1 && c.z > begin)
			shift(&c);
		c.ready = c.until;
		c.until = c.z + c.planes + pad;
		if (together) {
			each(r, s->input.n_blocks, forth, &c);
			each(r, points(s), multiply, &c);
			each(r, s->blocks, back, &c);
			continue;
		}
		for (int i = 0; i < s->input.n_blocks; i++)
			forth(&c, i, worker);
		for (int i = 0; i < points(s); i++)
			multiply(&c, i, worker);
		for (int i = 0; i < s->blocks; i++)
			back(&c, i, worker);
	}
}

static void alone(void *arg, int task, int worker) { go(arg, task, worker, false); }

void cpu_winograd(const struct run *r)
{
	int tasks = r->s->pieces * ceil_div(r->end - r->first, r->s->run_planes);

	if (!shared(r, tasks, r->s->blocks))
		each(r, tasks, alone, (void *)r);
	else
		for (int task = 0; task < tasks; task++)
			go(r, task, 0, true);
}
