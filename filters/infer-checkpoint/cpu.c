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

/* Points h->x at the segments of taps tap .. tap + n_taps - 1 of output pixels first .. first + pixels - 1. */
static void gather(const struct run *r, const struct hand *h, int first, int pixels, int tap, int n_taps)
{
	const struct step *s = r->s;
	size_t lanes = (size_t)s->k->lanes;
	int n = s->n_segments / taps(s->input.kernel) * n_taps;

	if (!s->in_place)
		s->k->pack(h->scratch, r->w->memory, &s->input, first, pixels, tap, n_taps);
	for (int i = 0; i < n; i++)
		h->x[i] = s->in_place ? r->w->memory + s->input.block[i].offset + (size_t)first * lanes
		                      : h->scratch + (size_t)(i * pixels) * (reads_planes(s) ? 1 : lanes);
}

/* Part i of n that are all nearly equal: where it begins and its size. */
static int part(int *size, int total, int n, int i)
{
	int q = total / n, r = total % n;

	*size = q + (i < r);
	return i * q + (i < r ? i : r);
}

/* One product with the weights at w; returns the place after them, where the next product's are. */
static const float *multiply(const struct step *s, struct product *p, const float *w)
{
	const float *end = w + (size_t)(p->depth * p->blocks * s->k->lanes);

	p->w = w;
	p->next = s->far ? end : NULL;
	s->k->gemm(p);
	return end;
}

static void conv_matrix(const struct run *r, const struct hand *h, int task)
{
	const struct step *s = r->s;
	size_t lanes = (size_t)s->k->lanes, block = (size_t)s->pixels * lanes;
	int n_taps = taps(s->input.kernel), per_tap = s->n_segments / n_taps, n, first = part(&n, s->pixels, step_tasks(s), task);
	const float *w = r->packed + s->weights;

	for (int tap = 0, m; tap < n_taps; tap += m) {
		m = n_taps - tap < s->tap_group ? n_taps - tap : s->tap_group;
		gather(r, h, first, n, tap, m);
		for (int panel = 0; panel < panels(s); panel++) {
			size_t column = (size_t)panel * 2 * lanes;
			struct product p = {
				.out = r->out + (size_t)panel * 2 * block + (size_t)first * lanes, .block_step = block,
				.pixels = n, .blocks = panel_blocks(s, panel), .x = h->x, .n = s->run + tap * per_tap,
				.n_segments = m * per_tap, .depth = m * s->node->c_in,
				.bias = r->bias ? r->bias + column : NULL, .add = tap > 0, .planes = reads_planes(s)
			};
			w = multiply(s, &p, w);
		}
	}
}

/* Offsets in the output of the first tap of input pixels first .. first + n - 1. */
static void places(size_t *at, const struct step *s, int first, int n)
{
	const int *in = s->input.in, *stride = s->node->stride;

	for (int p = 0; p < n; p++) {
		int x = (first + p) % in[2], y = (first + p) / in[2] % in[1], z = (first + p) / in[2] / in[1];
		at[p] = (size_t)((z * stride[0] * in[1] + y) * stride[1] * in[2] + x) * (size_t)(stride[2] * s->k->lanes);
	}
}

/* out[o][stride * i + k] = bias[o] + sum over c of in[c][i] w[c][o][k]: no two taps meet. */
static void upsample(const struct run *r, const struct hand *h, int task)
{
	const struct step *s = r->s;
	const int *stride = s->node->stride;
	int n, first = part(&n, taps(s->input.in), step_tasks(s), task);
	size_t lanes = (size_t)s->k->lanes, block = (size_t)s->pixels * lanes;
	float *tile = h->scratch + (size_t)s->n_segments * (size_t)s->group * lanes;
	const float *w = r->packed + s->weights;
	size_t at[MAX_GROUP];

	gather(r, h, first, n, 0, 1);
	places(at, s, first, n);
	for (int tap = 0; tap < taps(stride); tap++) {
		int kx = tap % stride[2], ky = tap / stride[2] % stride[1], kz = tap / stride[2] / stride[1];
		int row = kz * s->input.in[1] * stride[1] + ky;
		float *out = r->out + ((size_t)row * (size_t)(s->input.in[2] * stride[2]) + (size_t)kx) * lanes;
		for (int panel = 0; panel < panels(s); panel++) {
			struct product p = {
				.out = tile, .block_step = (size_t)n * lanes, .pixels = n, .blocks = panel_blocks(s, panel), .x = h->x,
				.n = s->run, .n_segments = s->n_segments, .depth = s->depth,
				.bias = r->bias ? r->bias + (size_t)panel * 2 * lanes : NULL
			};
			w = multiply(s, &p, w);
			for (int b = 0; b < p.blocks; b++, out += block)
				s->k->scatter(out, at, tile + (size_t)b * p.block_step, n);
		}
	}
}

/* A chunk of a Winograd step: planes z .. z + planes - 1, tiles first .. first + tiles - 1 of each. */
struct chunk {
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
			s->k->winograd_in(to, s->point_in, plane, g->in[1], g->in[2], c->first, c->tiles);
		} else {
			for (int point = 0; point < WINOGRAD; point++)
				memset(to + (size_t)point * s->point_in, 0, slot_size * sizeof *to);
		}
	}
}

/* The planes that the last chunk and this one share move to the first slots. */
static void winograd_shift(const struct run *r, const struct chunk *c)
{
	const struct step *s = r->s;
	size_t slot_size = (size_t)(c->tiles * s->k->lanes);

	for (int point = 0; point < WINOGRAD; point++)
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

	for (int point = 0; point < WINOGRAD; point++) {
		const float *v = c->v + (size_t)point * s->point_in;
		float *m = c->m + (size_t)point * s->point_out;
		for (int kz = 0, i = 0; kz < g->kernel[0]; kz++)
			for (int b = 0; b < g->n_blocks; b++)
				h->x[i++] = v + (size_t)(b * s->slots + slot(s, c, c->z + kz - g->kernel[0] / 2)) * slot_size;
		for (int panel = 0; panel < panels(s); panel++) {
			struct product p = {
				.out = m + (size_t)(panel * 2) * block, .block_step = block, .pixels = c->planes * c->tiles,
				.blocks = panel_blocks(s, panel), .x = h->x, .n = s->run, .n_segments = s->n_segments,
				.depth = s->depth
			};
			w = multiply(s, &p, w);
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
		s->k->winograd_out(plane, m, s->point_out, Y, X, c->first, c->tiles, bias);
	}
}

static void conv_winograd(const struct run *r, const struct hand *h, int task)
{
	const struct step *s = r->s;
	const struct gather *g = &s->input;
	int tiles = (g->out[2] + 3) / 4 * ((g->out[1] + 3) / 4), chunks = (tiles + s->tiles - 1) / s->tiles, pad = g->kernel[0] / 2;
	int begin = task / chunks * s->run_planes, end = begin + s->run_planes < g->out[0] ? begin + s->run_planes : g->out[0];
	struct chunk c = { .v = h->scratch, .m = h->scratch + WINOGRAD * s->point_in };

	c.first = part(&c.tiles, tiles, chunks, task % chunks);
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
	case METHOD_MATRIX: conv_matrix(r, h, i); break;
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
		w->statistics = xaligned(e->schedule.statistics, sizeof *w->statistics);
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
		free(e->worker[i].statistics);
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
