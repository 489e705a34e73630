/* The fast engine: values in blocks of channels (cpu_kernels.h), an algorithm for each layer (cpu_plan.h), kernels of the
 * best instruction set at hand.  A worker's memory is one block; nothing is allocated while a patch is computed.  Where patches
 * are so large that a worker for each thread would take much memory, there is one worker whose hands share each layer. */
#define _GNU_SOURCE             /* madvise */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include "common/die.h"
#include "common/opt.h"
#include "filters/infer-checkpoint/cpu_run.h"
#include "filters/infer-checkpoint/engine.h"

enum { HUGE_PAGE = 2 << 20 };

struct cpu {
	struct schedule schedule;
	int workers, hands, members;            /* workers are for callers' threads, hands for our own: one of the two is 1 */
	struct worker *worker;
	float **packed;                         /* [members][schedule.packed] */
};

/* Weights and values are read end to end: large pages save most of the address translation. */
static float *large(size_t floats)
{
	size_t bytes;
	void *p;

	if (__builtin_mul_overflow(floats, sizeof(float), &bytes) || __builtin_add_overflow(bytes, HUGE_PAGE - 1, &bytes))
		die(XIO, "an allocation of %zu floats overflows", floats);
	if (bytes < 2 * HUGE_PAGE)
		return xaligned(floats, sizeof(float));
	bytes = bytes / HUGE_PAGE * HUGE_PAGE;
	p = aligned_alloc(HUGE_PAGE, bytes);
	if (!p)
		die_sys("cannot allocate %zu bytes", bytes);
	madvise(p, bytes, MADV_HUGEPAGE);
	return p;
}

static bool reads_planes(const struct step *s) { return s->input.block[0].lanes == 1; }

/* The norm of channels c and on of block b, for reading it. */
static struct norm norm_of(const struct run *r, const struct block *b, int c)
{
	const float *scale = b->norm == NO_NORM ? NULL : r->w->norms + b->norm + c;

	return (struct norm){ scale, scale ? scale + b->shift : NULL, b->slope };
}

/* One product with the weights at w; returns the place after them, where the next product's are. */
static const float *multiply(const struct step *s, struct product *p, const float *w, bool fetch)
{
	const float *end = w + (size_t)(p->depth * p->blocks * s->k->lanes);

	p->w = w;
	p->next = s->far && fetch ? end : NULL;
	s->k->gemm(p);
	return end;
}

static struct product panel_product(const struct run *r, const struct hand *h, int panel)
{
	const struct step *s = r->s;
	size_t lanes = (size_t)s->k->lanes, block = (size_t)s->pixels * lanes;

	return (struct product){
		.out = r->out + (size_t)(2 * panel) * block, .block_step = block, .out_step = lanes, .blocks = panel_blocks(s, panel),
		.x = h->x, .n = s->run, .n_segments = s->n_segments, .depth = s->depth,
		.bias = r->bias ? r->bias + (size_t)(2 * panel) * lanes : NULL, .planes = reads_planes(s)
	};
}

/* ---- direct: rows y .. y + rows - 1 of planes z .. z + planes - 1 of the output ---- */

struct band { int z, planes, y, rows, piece; };

/* Floats of the staged inputs: one row as one residue of x, one y residue's, one plane's. */
struct staging { size_t part, lines, plane; };

static struct staging staging(const struct step *s)
{
	size_t part = (size_t)(s->lines * s->width) * (size_t)(reads_planes(s) ? 1 : s->k->lanes);
	size_t lines = part * (size_t)s->node->stride[2];

	return (struct staging){ part, lines, lines * (size_t)s->node->stride[1] };
}

static int staged_planes(const struct step *s, int planes) { return (planes - 1) * s->node->stride[0] + s->node->kernel[0]; }

/* What the band reads of channels c and on of block b. */
static void stage_block(const struct run *r, float *to, const struct band *a, const struct block *b, int c)
{
	const struct step *s = r->s;
	const int *in = s->input.in, *k = s->node->kernel, *stride = s->node->stride;
	struct staging size = staging(s);
	struct norm norm = norm_of(r, b, c);
	size_t pixel = reads_planes(s) ? 1 : (size_t)s->k->lanes;

	for (int i = 0; i < staged_planes(s, a->planes); i++, to += size.plane)
		for (int j = 0; j < (a->rows - 1) * stride[1] + k[1]; j++) {
			int z = a->z * stride[0] - k[0] / 2 + i, y = a->y * stride[1] - k[1] / 2 + j;
			bool inside = z >= 0 && z < in[0] && y >= 0 && y < in[1];
			size_t row = inside ? (size_t)(z * in[1] + y) * (size_t)in[2] : 0;
			float *place = to + (size_t)(j % stride[1]) * size.lines + (size_t)(j / stride[1] * s->width) * pixel;
			s->k->stage(place, size.part, inside ? r->w->memory + b->offset + row * (size_t)b->lanes + c : NULL, b->lanes,
			            in[2], stride[2], k[2] / 2, s->width, &norm);
		}
}

static void stage(const struct run *r, const struct hand *h, const struct band *a)
{
	const struct step *s = r->s;
	const struct gather *g = &s->input;
	const int *k = s->node->kernel, *stride = s->node->stride;
	struct staging size = staging(s);
	size_t block = size.plane * (size_t)staged_planes(s, a->planes), pixel = reads_planes(s) ? 1 : (size_t)s->k->lanes;
	int n = 0, i = 0;

	for (int b = 0; b < g->n_blocks; b++)
		for (int c = 0; c < g->block[b].channels; c += s->k->lanes, n++)
			stage_block(r, h->scratch + (size_t)n * block, a, &g->block[b], c);
	for (int z = 0; z < k[0]; z++)
		for (int y = 0; y < k[1]; y++)
			for (int x = 0; x < k[2]; x++)
				for (int b = 0; b < n; b++)
					h->x[i++] = h->scratch + (size_t)b * block + (size_t)z * size.plane +
					            (size_t)(y % stride[1]) * size.lines + (size_t)(x % stride[2]) * size.part +
					            (size_t)(y / stride[1] * s->width + x / stride[2]) * pixel;
}

/* Rows with the gaps between them as one product, then each to its place. */
static void flat_rows(const struct step *s, struct product *p, const struct band *a, float *temporary)
{
	float *out = p->out;
	size_t lanes = (size_t)s->k->lanes, X = (size_t)s->input.out[2], block = (size_t)(s->rows * s->width) * lanes;
	size_t step = p->block_step;

	p->out = temporary;
	p->block_step = block;
	p->pixels = (a->rows - 1) * s->width + (int)X;
	s->k->gemm(p);
	for (int b = 0; b < p->blocks; b++)
		for (size_t y = 0; y < (size_t)a->rows; y++)
			memcpy(out + (size_t)b * step + y * X * lanes, temporary + (size_t)b * block + y * (size_t)s->width * lanes,
			       X * lanes * sizeof *out);
	p->out = out;
	p->block_step = step;
}

static void direct_panel(const struct run *r, const struct hand *h, const struct band *a, int panel)
{
	const struct step *s = r->s;
	const int *out = s->input.out;
	size_t lanes = (size_t)s->k->lanes, pixel = reads_planes(s) ? 1 : lanes, depth = (size_t)s->depth * lanes;
	struct product p = panel_product(r, h, panel);
	float *panel_out = p.out;

	p.w = r->packed + s->weights + (size_t)(2 * panel) * depth;
	p.next = s->far ? p.w + (size_t)p.blocks * depth : NULL;
	p.pixels = out[2];
	for (int z = 0; z < a->planes; z++) {
		size_t plane = (size_t)(z * s->node->stride[0]) * staging(s).plane, row = (size_t)((a->z + z) * out[1] + a->y);
		for (int y = 0; y < a->rows; y++, p.next = NULL) {
			p.out = panel_out + (row + (size_t)y) * (size_t)out[2] * lanes;
			p.offset = plane + (size_t)(y * s->width) * pixel;
			if (s->flat) {
				flat_rows(s, &p, a, h->scratch + s->temporary);
				break;
			}
			s->k->gemm(&p);
		}
	}
}

static void direct_moments(const struct run *r, const struct band *a)
{
	const struct step *s = r->s;
	const int *out = s->input.out;
	size_t lanes = (size_t)s->k->lanes, n = (size_t)(a->rows * out[2]);

	for (int z = a->z; z < a->z + a->planes; z++) {
		for (int b = 0; b < s->blocks; b++) {
			const float *x = r->out + ((size_t)b * (size_t)s->pixels + (size_t)((z * out[1] + a->y) * out[2])) * lanes;
			s->k->moments(r->w->statistics + moments_at(s, b, z, a->piece), x, n, 1);
		}
		r->w->counts[count_at(s, z, a->piece)] = (double)n;
	}
}

static void conv_direct(const struct run *r, const struct hand *h, int task)
{
	const struct step *s = r->s;
	struct band a = { .z = task / s->pieces * s->planes, .piece = task % s->pieces };

	a.planes = s->input.out[0] - a.z < s->planes ? s->input.out[0] - a.z : s->planes;
	a.y = part(&a.rows, s->input.out[1], s->pieces, a.piece);
	stage(r, h, &a);
	for (int panel = 0; panel < panels(s); panel++)
		direct_panel(r, h, &a, panel);
	if (s->measured)
		direct_moments(r, &a);
}

/* ---- transposed convolution: out[o][stride * i + k] = bias[o] + sum over c of in[c][i] w[c][o][k]: no two taps meet ---- */

static void upsample(const struct run *r, const struct hand *h, int task)
{
	const struct step *s = r->s;
	const struct gather *g = &s->input;
	const int *stride = s->node->stride;
	int rows, first = part(&rows, g->in[0] * g->in[1], step_tasks(s), task), n = 0;
	size_t lanes = (size_t)s->k->lanes, line = (size_t)g->in[2] * lanes;
	const float *w = r->packed + s->weights;

	for (int b = 0; b < g->n_blocks; b++)
		for (int c = 0; c < g->block[b].channels; c += s->k->lanes, n++) {
			const struct block *block = &g->block[b];
			const float *x = r->w->memory + block->offset + (size_t)(first * g->in[2] * block->lanes) + c;
			struct norm norm = norm_of(r, block, c);
			h->x[n] = h->scratch + (size_t)(n * rows) * line;
			s->k->stage(h->scratch + (size_t)(n * rows) * line, 0, x, block->lanes, rows * g->in[2], 1, 0, rows * g->in[2], &norm);
		}
	for (int tap = 0; tap < taps(stride); tap++) {
		int kx = tap % stride[2], ky = tap / stride[2] % stride[1], kz = tap / stride[2] / stride[1];
		for (int panel = 0; panel < panels(s); panel++) {
			struct product p = panel_product(r, h, panel);
			const float *end = w;
			float *out = p.out;
			p.pixels = g->in[2];
			p.out_step = (size_t)stride[2] * lanes;
			for (int i = 0; i < rows; i++) {
				int z = (first + i) / g->in[1] * stride[0] + kz, y = (first + i) % g->in[1] * stride[1] + ky;
				p.out = out + ((size_t)(z * g->in[1] * stride[1] + y) * (size_t)(g->in[2] * stride[2]) + (size_t)kx) * lanes;
				p.offset = (size_t)i * line;
				end = multiply(s, &p, w, i == 0);
			}
			w = end;
		}
	}
}

/* ---- Winograd ---- */

/* A chunk of a Winograd step: planes z .. z + planes - 1, tiles first .. first + tiles - 1 of each. */
struct chunk {
	int piece;
	float *v;                               /* transformed input [point][block][slot][tile][lanes] */
	float *m;                               /* products [point][block][plane][tile][lanes] */
	int z, planes, first, tiles;
};

static int slot(const struct step *s, const struct chunk *c, int z)
{
	int i = z + s->input.kernel[0] / 2;

	return s->planes > 1 ? i - c->z : i % s->slots;
}

/* Transforms plane z of all input blocks; planes outside the image are 0. */
static void winograd_plane(const struct run *r, const struct chunk *c, int z)
{
	const struct step *s = r->s;
	const struct gather *g = &s->input;
	size_t lanes = (size_t)s->k->lanes, slot_size = (size_t)c->tiles * lanes;

	for (int i = 0; i < g->n_blocks; i++) {
		float *to = c->v + (size_t)(i * s->slots + slot(s, c, z)) * slot_size;
		if (z >= 0 && z < g->in[0]) {
			const float *plane = r->w->memory + g->block[i].offset + (size_t)(z * g->in[1] * g->in[2]) * lanes;
			struct norm norm = norm_of(r, &g->block[i], 0);
			s->k->winograd_in(s->edge, to, s->point_in, plane, g->in[1], g->in[2], c->first, c->tiles, &norm);
		} else {
			for (int point = 0; point < points(s); point++)
				memset(to + (size_t)point * s->point_in, 0, slot_size * sizeof *to);
		}
	}
}

/* The planes that the last chunk and this one share move to the first slots. */
static void winograd_shift(const struct run *r, const struct chunk *c)
{
	const struct step *s = r->s;
	size_t slot_size = (size_t)(c->tiles * s->k->lanes);

	for (int point = 0; point < points(s); point++)
		for (int i = 0; i < s->input.n_blocks; i++) {
			float *v = c->v + (size_t)point * s->point_in + (size_t)(i * s->slots) * slot_size;
			memmove(v, v + (size_t)s->planes * slot_size, (size_t)(s->input.kernel[0] - 1) * slot_size * sizeof *v);
		}
}

static void winograd_products(const struct run *r, const struct hand *h, const struct chunk *c)
{
	const struct step *s = r->s;
	const struct gather *g = &s->input;
	size_t lanes = (size_t)s->k->lanes, slot_size = (size_t)c->tiles * lanes, block = (size_t)s->planes * slot_size;
	const float *w = r->packed + s->weights;

	for (int point = 0; point < points(s); point++) {
		const float *v = c->v + (size_t)point * s->point_in;
		float *m = c->m + (size_t)point * s->point_out;
		for (int kz = 0, i = 0; kz < g->kernel[0]; kz++)
			for (int b = 0; b < g->n_blocks; b++)
				h->x[i++] = v + (size_t)(b * s->slots + slot(s, c, c->z + kz - g->kernel[0] / 2)) * slot_size;
		for (int panel = 0; panel < panels(s); panel++) {
			struct product p = {
				.out = m + (size_t)(panel * 2) * block, .block_step = block, .out_step = lanes, .pixels = c->planes * c->tiles,
				.blocks = panel_blocks(s, panel), .x = h->x, .n = s->run, .n_segments = s->n_segments,
				.depth = s->depth
			};
			w = multiply(s, &p, w, true);
		}
	}
}

/* The products of one output block back to pixels. */
static void winograd_block(const struct run *r, const struct chunk *c, int b)
{
	const struct step *s = r->s;
	int Y = s->input.out[1], X = s->input.out[2];
	size_t lanes = (size_t)s->k->lanes;
	const float *bias = r->bias ? r->bias + (size_t)b * lanes : NULL;

	for (int i = 0; i < c->planes; i++) {
		float *plane = r->out + ((size_t)b * (size_t)s->pixels + (size_t)((c->z + i) * Y * X)) * lanes;
		const float *m = c->m + (size_t)((b * s->planes + i) * c->tiles) * lanes;
		double *moments = s->measured ? r->w->statistics + moments_at(s, b, c->z + i, c->piece) : NULL;
		int n = s->k->winograd_out(s->edge, plane, m, s->point_out, Y, X, c->first, c->tiles, bias, moments);
		if (moments)
			r->w->counts[count_at(s, c->z + i, c->piece)] = (double)n;
	}
}

static void conv_winograd(const struct run *r, const struct hand *h, int task)
{
	const struct step *s = r->s;
	const struct gather *g = &s->input;
	int pad = g->kernel[0] / 2, begin = task / s->pieces * s->run_planes;
	int end = begin + s->run_planes < g->out[0] ? begin + s->run_planes : g->out[0];
	struct chunk c = { .piece = task % s->pieces, .v = h->scratch, .m = h->scratch + (size_t)points(s) * s->point_in };

	c.first = part(&c.tiles, plane_tiles(s, s->edge), s->pieces, c.piece);
	for (int ready = begin - pad, z = begin; z < end; z += s->planes) {
		c.z = z;
		c.planes = end - z < s->planes ? end - z : s->planes;
		if (s->planes > 1 && z > begin)
			winograd_shift(r, &c);
		for (; ready < z + c.planes + pad; ready++)
			winograd_plane(r, &c, ready);
		winograd_products(r, h, &c);
		for (int b = 0; b < s->blocks; b++)
			winograd_block(r, &c, b);
	}
}

static void pool(const struct run *r, int block)
{
	const struct step *s = r->s;
	const int *in = s->input.in, *stride = s->node->stride, size[3] = { in[0] / stride[0], in[1] / stride[1], in[2] / stride[2] };
	size_t lanes = (size_t)s->k->lanes;
	const float *x = r->w->memory + s->input.block[0].offset + (size_t)block * (size_t)taps(in) * lanes;

	s->k->pool(r->out + (size_t)block * (size_t)s->pixels * lanes, size, x, in, stride);
}

static void task(void *arg, int i, int worker)
{
	const struct run *r = arg;
	const struct hand *h = &r->w->hand[worker];

	switch (r->s->method) {
	case METHOD_DIRECT: conv_direct(r, h, i); break;
	case METHOD_WINOGRAD: conv_winograd(r, h, i); break;
	case METHOD_UPSAMPLE: upsample(r, h, i); break;
	case METHOD_POOL: pool(r, i);
	}
}

static void run_step(const struct cpu *e, const struct step *s, const struct worker *w, const float *packed)
{
	struct run r = { s, w, packed, w->memory + s->out, s->has_bias ? packed + s->bias : NULL, e->hands };

	each(&r, step_tasks(s), task, &r);
	cpu_norm(&r);
}

/* A channel of the last step's blocks to its plane: out [channels][pixels]. */
static void unblock(void *arg, int channel, int worker)
{
	const struct run *r = arg;
	size_t c = (size_t)channel, lanes = (size_t)r->s->k->lanes, pixels = (size_t)r->s->pixels;
	const float *x = r->w->memory + r->s->out + c / lanes * pixels * lanes + c % lanes;

	(void)worker;
	for (size_t i = 0; i < pixels; i++)
		r->out[c * pixels + i] = x[i * lanes];
}

static double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void cpu_time_steps(double *seconds, void *engine, int member, const float *in)
{
	const struct cpu *e = engine;
	const struct network *n = e->schedule.network;
	size_t pixels = (size_t)n->patch[0] * (size_t)n->patch[1] * (size_t)n->patch[2];

	memcpy(e->worker->memory + e->schedule.input, in, (size_t)n->n_inputs * pixels * sizeof *in);
	for (int i = 0; i < e->schedule.n_steps; i++) {
		double begin = seconds_now();
		run_step(e, &e->schedule.step[i], e->worker, e->packed[member]);
		seconds[i] = seconds_now() - begin;
	}
}

static float *cpu_forward(void *engine, int member, int worker, const float *in)
{
	const struct cpu *e = engine;
	const struct network *n = e->schedule.network;
	const struct worker *w = &e->worker[worker];
	const struct step *last = &e->schedule.step[e->schedule.n_steps - 1];
	size_t pixels = (size_t)n->patch[0] * (size_t)n->patch[1] * (size_t)n->patch[2];
	struct run r = { .s = last, .w = w, .out = w->memory + e->schedule.output, .hands = e->hands };

	memcpy(w->memory + e->schedule.input, in, (size_t)n->n_inputs * pixels * sizeof *in);
	for (int i = 0; i < e->schedule.n_steps; i++)
		run_step(e, &e->schedule.step[i], w, e->packed[member]);
	each(&r, n->n_outputs, unblock, &r);
	return r.out;
}

void *cpu_open(const struct network *n, int workers, int hands, int members, enum isa level)
{
	struct cpu *e = xcalloc(1, sizeof *e);

	schedule_make(&e->schedule, n, level);
	e->workers = workers;
	e->hands = hands;
	e->members = members;
	e->worker = xcalloc((size_t)workers, sizeof *e->worker);
	e->packed = xcalloc((size_t)members, sizeof *e->packed);
	for (int i = 0; i < workers; i++) {
		struct worker *w = &e->worker[i];
		w->memory = large(e->schedule.memory);
		w->norms = xaligned(e->schedule.norms, sizeof *w->norms);
		w->statistics = xaligned(e->schedule.statistics, sizeof *w->statistics);
		w->counts = xaligned(e->schedule.counts, sizeof *w->counts);
		w->hand = xcalloc((size_t)hands, sizeof *w->hand);
		for (int k = 0; k < hands; k++)
			w->hand[k] = (struct hand){ large(e->schedule.scratch), xmalloc((size_t)e->schedule.max_segments, sizeof *w->hand->x) };
	}
	return e;
}

/* One worker for each thread, or one with a hand for each where that would take more than an eighth of what may be allocated. */
static void *cpu_open_best(const struct network *n, int threads, int members)
{
	struct schedule s;
	bool share;

	schedule_make(&s, n, cpu_isa());
	share = (double)s.memory * sizeof(float) * threads > (double)memory_limit / 8;
	schedule_free(&s);
	return cpu_open(n, share ? 1 : threads, share ? threads : 1, members, cpu_isa());
}

static int cpu_workers(const void *engine) { return ((const struct cpu *)engine)->workers; }

static void cpu_load(void *engine, int member, const float *weights, int threads)
{
	struct cpu *e = engine;

	if (!e->packed[member])
		e->packed[member] = large(e->schedule.packed);
	schedule_pack(e->packed[member], &e->schedule, weights, threads);
}

static void cpu_close(void *engine)
{
	struct cpu *e = engine;

	for (int i = 0; i < e->workers; i++) {
		for (int k = 0; k < e->hands; k++) {
			free(e->worker[i].hand[k].scratch);
			free(e->worker[i].hand[k].x);
		}
		free(e->worker[i].hand);
		free(e->worker[i].norms);
		free(e->worker[i].statistics);
		free(e->worker[i].counts);
		free(e->worker[i].memory);
	}
	for (int i = 0; i < e->members; i++)
		free(e->packed[i]);
	schedule_free(&e->schedule);
	free(e->worker);
	free(e->packed);
	free(e);
}

const struct engine engine_cpu = { "cpu", cpu_open_best, cpu_workers, cpu_load, cpu_forward, cpu_close };
