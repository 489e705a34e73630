/* The fast engine: values in blocks of channels (cpu_kernels.h), an algorithm for each layer (cpu_plan.h), kernels of the
 * best instruction set at hand.  A worker's memory is one block; nothing is allocated while a patch is computed. */
#define _GNU_SOURCE             /* madvise */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "common/die.h"
#include "filters/infer-checkpoint/cpu_plan.h"
#include "filters/infer-checkpoint/engine.h"

enum { HUGE_PAGE = 2 << 20 };

struct worker {
	float *memory;                          /* [schedule.memory]: values, then scratch */
	const float **x;                        /* [max_segments] */
};

struct cpu {
	struct schedule schedule;
	int workers, members;
	struct worker *worker;
	float **packed;                         /* [members][schedule.packed] */
};

/* What the functions of one step share. */
struct run {
	const struct step *s;
	const struct worker *w;
	const float *packed;
	float *out;                             /* [blocks][pixels][lanes] */
	const float *bias;                      /* [blocks * lanes] or NULL */
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

/* Points w->x at the segments of output pixels first .. first + pixels - 1. */
static void gather(const struct run *r, int first, int pixels)
{
	const struct step *s = r->s;
	size_t lanes = (size_t)s->k->lanes;
	float *scratch = r->w->memory + s->scratch;

	if (s->in_place) {
		for (int i = 0; i < s->n_segments; i++)
			r->w->x[i] = r->w->memory + s->input.block[i].offset + (size_t)first * lanes;
		return;
	}
	s->k->pack(scratch, r->w->memory, &s->input, first, pixels);
	for (int i = 0; i < s->n_segments; i++)
		r->w->x[i] = scratch + (size_t)i * (size_t)pixels * lanes;
}

/* The n pixels of the next group: all groups nearly equal. */
static int group_size(int left, int group)
{
	int groups = (left + group - 1) / group;

	return (left + groups - 1) / groups;
}

static void conv_matrix(const struct run *r)
{
	const struct step *s = r->s;
	size_t lanes = (size_t)s->k->lanes, block = (size_t)s->pixels * lanes;

	for (int first = 0, n; first < s->pixels; first += n) {
		n = group_size(s->pixels - first, s->group);
		gather(r, first, n);
		for (int panel = 0; panel < panels(s); panel++) {
			size_t at = (size_t)panel * 2 * lanes;
			s->k->gemm(r->out + (size_t)panel * 2 * block + (size_t)first * lanes, block, r->w->x, s->run, s->n_segments,
			           r->packed + s->weights + (size_t)s->depth * at, r->bias ? r->bias + at : NULL, n, panel_blocks(s, panel));
		}
	}
}

/* Offsets in the output of tap (kz, ky, kx) of input pixels first .. first + n - 1. */
static void tap_places(size_t *at, const struct step *s, int first, int n, int tap)
{
	const int *in = s->input.in, *stride = s->node->stride;
	int kx = tap % stride[2], ky = tap / stride[2] % stride[1], kz = tap / stride[2] / stride[1];

	for (int p = 0; p < n; p++) {
		int x = (first + p) % in[2], y = (first + p) / in[2] % in[1], z = (first + p) / in[2] / in[1];
		int row = (z * stride[0] + kz) * in[1] * stride[1] + y * stride[1] + ky;
		at[p] = ((size_t)row * (size_t)(in[2] * stride[2]) + (size_t)(x * stride[2] + kx)) * (size_t)s->k->lanes;
	}
}

/* out[o][stride * i + k] = bias[o] + sum over c of in[c][i] w[c][o][k]: no two taps meet. */
static void upsample(const struct run *r)
{
	const struct step *s = r->s;
	int in_pixels = taps(s->input.in);
	size_t lanes = (size_t)s->k->lanes, block = (size_t)s->pixels * lanes;
	float *tile = r->w->memory + s->scratch + (size_t)s->n_segments * (size_t)s->group * lanes;
	size_t at[MAX_GROUP], tap_size = (size_t)s->depth * (size_t)s->blocks * lanes;

	for (int first = 0, n; first < in_pixels; first += n) {
		n = group_size(in_pixels - first, s->group);
		gather(r, first, n);
		for (int tap = 0; tap < taps(s->node->stride); tap++) {
			tap_places(at, s, first, n, tap);
			for (int panel = 0; panel < panels(s); panel++) {
				size_t column = (size_t)panel * 2 * lanes;
				const float *w = r->packed + s->weights + (size_t)tap * tap_size + (size_t)s->depth * column;
				s->k->gemm(tile, (size_t)n * lanes, r->w->x, s->run, s->n_segments, w, r->bias ? r->bias + column : NULL,
				           n, panel_blocks(s, panel));
				for (int b = 0; b < panel_blocks(s, panel); b++)
					s->k->scatter(r->out + (size_t)(panel * 2 + b) * block, at, tile + (size_t)(b * n) * lanes, n);
			}
		}
	}
}

/* Transforms rows of tiles of plane z of all input blocks into slot z mod slots; planes outside the image are 0.
 * v: [point][block][slot][tile][lanes] */
static void winograd_plane(const struct run *r, float *v, int tiles, int ty, int rows, int z)
{
	const struct step *s = r->s;
	const struct gather *g = &s->input;
	size_t lanes = (size_t)s->k->lanes, slot_size = (size_t)tiles * lanes, block_size = (size_t)s->slots * slot_size;
	int slot = (z + g->kernel[0] / 2) % s->slots;

	for (int i = 0; i < g->n_blocks; i++) {
		float *to = v + (size_t)i * block_size + (size_t)slot * slot_size;
		const float *plane = r->w->memory + g->block[i].offset + (size_t)(z * g->in[1] * g->in[2]) * lanes;
		if (z >= 0 && z < g->in[0])
			s->k->winograd_in(to, (size_t)g->n_blocks * block_size, plane, g->in[1], g->in[2], ty, rows);
		else
			for (int point = 0; point < WINOGRAD; point++)
				memset(to + (size_t)(point * g->n_blocks) * block_size, 0, slot_size * sizeof *to);
	}
}

/* Products of output planes z .. z + planes - 1 of a strip; m: [point][block][plane][tile][lanes]. */
static void winograd_products(const struct run *r, float *m, const float *v, int tiles, int z)
{
	const struct step *s = r->s;
	const struct gather *g = &s->input;
	size_t lanes = (size_t)s->k->lanes, slot_size = (size_t)tiles * lanes, block_size = (size_t)s->slots * slot_size;
	size_t m_block = (size_t)s->planes * slot_size;
	const float *w = r->packed + s->weights;

	for (int point = 0; point < WINOGRAD; point++)
		for (int panel = 0; panel < panels(s); panel++) {
			int blocks = panel_blocks(s, panel);
			for (int kz = 0; kz < g->kernel[0]; kz++)
				for (int i = 0; i < g->n_blocks; i++)
					r->w->x[kz * g->n_blocks + i] = v + (size_t)(point * g->n_blocks + i) * block_size + (size_t)((z + kz) % s->slots) * slot_size;
			s->k->gemm(m + (size_t)(point * s->blocks + panel * 2) * m_block, m_block, r->w->x, s->run, s->n_segments, w, NULL, s->planes * tiles, blocks);
			w += (size_t)s->depth * (size_t)blocks * lanes;
		}
}

static void conv_winograd(const struct run *r)
{
	const struct step *s = r->s;
	const struct gather *g = &s->input;
	int tiles_x = (g->out[2] + 3) / 4, tiles_y = (g->out[1] + 3) / 4, pad = g->kernel[0] / 2;
	size_t lanes = (size_t)s->k->lanes, block = (size_t)s->pixels * lanes, plane = (size_t)(g->out[1] * g->out[2]) * lanes;
	float *v = r->w->memory + s->scratch;
	float *m = v + WINOGRAD * (size_t)(g->n_blocks * s->slots * s->rows * tiles_x) * lanes;

	for (int ty = 0, rows; ty < tiles_y; ty += rows) {
		rows = tiles_y - ty < s->rows ? tiles_y - ty : s->rows;
		int tiles = rows * tiles_x, ready = -pad;
		for (int z = 0; z < g->out[0]; z += s->planes) {
			for (; ready < z + s->planes + pad; ready++)
				winograd_plane(r, v, tiles, ty, rows, ready);
			winograd_products(r, m, v, tiles, z);
			for (int b = 0; b < s->blocks; b++)
				for (int i = 0; i < s->planes; i++)
					s->k->winograd_out(r->out + (size_t)b * block + (size_t)(z + i) * plane,
					                   m + (size_t)(b * s->planes + i) * (size_t)tiles * lanes,
					                   (size_t)(s->blocks * s->planes * tiles) * lanes, g->out[1], g->out[2], ty, rows,
					                   r->bias ? r->bias + (size_t)b * lanes : NULL);
		}
	}
}

/* Norm, residual and leaky ReLU of the blocks just computed. */
static void finish(const struct run *r)
{
	const struct node *n = r->s->node;
	const struct kernels *k = r->s->k;
	size_t pixels = (size_t)r->s->pixels, lanes = (size_t)k->lanes;
	float before = n->leaky && n->nonlin_first ? n->slope : 1, after = n->leaky && !n->nonlin_first ? n->slope : 1;

	if (!n->norm && !n->leaky && n->residual < 0)
		return;
	for (size_t b = 0; b < (size_t)r->s->blocks; b++) {
		float scale[MAX_LANES] __attribute__((aligned(64))), shift[MAX_LANES] __attribute__((aligned(64)));
		float *x = r->out + b * pixels * lanes;
		memcpy(scale, r->packed + r->s->scale + b * lanes, lanes * sizeof *scale);
		memcpy(shift, r->packed + r->s->shift + b * lanes, lanes * sizeof *shift);
		if (n->norm && n->norm_op == NORM_INSTANCE) {
			double mean[MAX_LANES], variance[MAX_LANES];
			k->moments(mean, variance, x, pixels, before);
			for (size_t o = 0; o < lanes; o++) {
				double a = (double)scale[o] / sqrt(variance[o] + (double)n->eps);
				scale[o] = (float)a;
				shift[o] = (float)((double)shift[o] - mean[o] * a);
			}
		}
		k->apply(x, pixels, scale, shift, n->residual < 0 ? NULL : r->w->memory + r->s->residual + b * pixels * lanes, before, after);
	}
}

static void run_step(const struct step *s, const struct worker *w, const float *packed)
{
	struct run r = { s, w, packed, w->memory + s->out, s->has_bias ? packed + s->bias : NULL };
	size_t block_in = (size_t)taps(s->input.in) * (size_t)s->k->lanes, block_out = (size_t)s->pixels * (size_t)s->k->lanes;

	switch (s->method) {
	case METHOD_MATRIX: conv_matrix(&r); break;
	case METHOD_WINOGRAD: conv_winograd(&r); break;
	case METHOD_UPSAMPLE: upsample(&r); break;
	case METHOD_POOL:
		for (int b = 0; b < s->blocks; b++) {
			const int *in = s->input.in, *stride = s->node->stride;
			int size[3] = { in[0] / stride[0], in[1] / stride[1], in[2] / stride[2] };
			s->k->pool(r.out + (size_t)b * block_out, size, w->memory + s->input.block[0].offset + (size_t)b * block_in, in, stride);
		}
	}
	finish(&r);
}

/* Blocks to planes: out [channels][pixels]. */
static void unblock(float *out, const float *x, int channels, size_t pixels, size_t lanes)
{
	for (size_t c = 0; c < (size_t)channels; c++)
		for (size_t p = 0; p < pixels; p++)
			out[c * pixels + p] = x[(c / lanes * pixels + p) * lanes + c % lanes];
}

static void cpu_forward(void *engine, int member, int worker, float *out, const float *in)
{
	const struct cpu *e = engine;
	const struct network *n = e->schedule.network;
	const struct worker *w = &e->worker[worker];
	const struct step *last = &e->schedule.step[e->schedule.n_steps - 1];
	size_t pixels = (size_t)n->patch[0] * (size_t)n->patch[1] * (size_t)n->patch[2];

	memcpy(w->memory + e->schedule.input, in, (size_t)n->n_inputs * pixels * sizeof *in);
	for (int i = 0; i < e->schedule.n_steps; i++)
		run_step(&e->schedule.step[i], w, e->packed[member]);
	unblock(out, w->memory + last->out, n->n_outputs, (size_t)last->pixels, (size_t)last->k->lanes);
}

void *cpu_open(const struct network *n, int workers, int members, enum isa level)
{
	struct cpu *e = xcalloc(1, sizeof *e);

	schedule_make(&e->schedule, n, level);
	e->workers = workers;
	e->members = members;
	e->worker = xcalloc((size_t)workers, sizeof *e->worker);
	e->packed = xcalloc((size_t)members, sizeof *e->packed);
	for (int i = 0; i < workers; i++) {
		e->worker[i].memory = large(e->schedule.memory);
		e->worker[i].x = xmalloc((size_t)e->schedule.max_segments, sizeof *e->worker[i].x);
	}
	return e;
}

static void *cpu_open_best(const struct network *n, int workers, int members) { return cpu_open(n, workers, members, cpu_isa()); }

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
		free(e->worker[i].memory);
		free(e->worker[i].x);
	}
	for (int i = 0; i < e->members; i++)
		free(e->packed[i]);
	schedule_free(&e->schedule);
	free(e->worker);
	free(e->packed);
	free(e);
}

const struct engine engine_cpu = { "cpu", cpu_open_best, cpu_load, cpu_forward, cpu_close };
