/* The fast engine: values in blocks of channels (cpu_kernels.h), an algorithm for each layer (cpu_plan.h), kernels of the
 * best instruction set at hand.  A worker's memory is one block; nothing is allocated while a patch is computed.  Where patches
 * are so large that a worker for each thread would take much memory, there is one worker whose hands share each layer. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "common/die.h"
#include "common/opt.h"
#include "filters/infer-checkpoint/cpu_run.h"
#include "filters/infer-checkpoint/engine.h"

struct cpu {
	struct schedule schedule;
	int workers, hands, members;            /* workers are for callers' threads, hands for our own: one of the two is 1 */
	struct worker *worker;
	float **packed;                         /* [members][schedule.packed] */
};

/* Block i of the planes wanted. */
static void pool(void *arg, int i, int worker)
{
	const struct run *r = arg;
	const struct step *s = r->s;
	const int *in = s->input.in, *stride = s->node->stride;
	int size[3] = { r->end - r->first, in[1] / stride[1], in[2] / stride[2] };
	const struct block *b = &s->input.block[i];

	(void)worker;
	s->k->pool(plane_out(r, i, r->first), size, r->w->memory + b->offset + (size_t)(r->first * stride[0]) * b->plane, in, stride);
}

/* first, images: those that are wanted. */
static void run_step(const struct cpu *e, const struct step *s, const struct worker *w, const float *packed, int first, int images)
{
	struct run r = { s, w, packed, w->memory + s->out.offset, s->has_bias ? packed + s->bias : NULL, first, first + images, e->hands };

	if (e->schedule.images == 1)
		r.end = s->method == METHOD_POOL ? s->input.in[0] / s->node->stride[0] : s->input.out[0];
	switch (s->method) {
	case METHOD_DIRECT: cpu_direct(&r); break;
	case METHOD_WINOGRAD: cpu_winograd(&r); break;
	case METHOD_UPSAMPLE: cpu_upsample(&r); break;
	case METHOD_POOL: each(&r, s->blocks, pool, &r);
	}
	cpu_norm(&r);
}

/* n planes of `size` floats, `to_step` and `from_step` floats apart. */
static void copy_planes(float *to, size_t to_step, const float *from, size_t from_step, int n, size_t size)
{
	for (int i = 0; i < n; i++)
		memcpy(to + (size_t)i * to_step, from + (size_t)i * from_step, size * sizeof *to);
}

/* A channel of an image of the last step's blocks to its plane: out [images][channels][pixels]. */
static void unblock(void *arg, int i, int worker)
{
	const struct run *r = arg;
	size_t channels = (size_t)r->s->node->c_out, c = (size_t)i % channels, lanes = (size_t)r->s->k->lanes;
	size_t pixels = (size_t)(r->s->pixels / r->s->images);
	const struct place *at = &r->s->out;
	const float *x = r->w->memory + at->offset + c / lanes * at->block + (size_t)i / channels * at->plane + c % lanes;

	(void)worker;
	for (size_t p = 0; p < pixels; p++)
		r->out[(size_t)i * pixels + p] = x[p * lanes];
}

static double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* in [images][n_inputs][patch] to planes of their own [n_inputs][image][patch]. */
static void read_input(const struct cpu *e, const struct worker *w, const float *in, int images)
{
	const struct network *n = e->schedule.network;
	size_t voxels = (size_t)n->patch[0] * (size_t)n->patch[1] * (size_t)n->patch[2], inputs = (size_t)n->n_inputs;

	for (int i = 0; i < images; i++)
		copy_planes(w->memory + e->schedule.input + (size_t)i * voxels, (size_t)e->schedule.images * voxels,
		            in + (size_t)i * inputs * voxels, voxels, n->n_inputs, voxels);
}

void cpu_time_steps(double *seconds, void *engine, int member, const float *in, int images)
{
	const struct cpu *e = engine;

	read_input(e, e->worker, in, images);
	for (int i = 0; i < e->schedule.n_steps; i++) {
		double begin = seconds_now();
		run_step(e, &e->schedule.step[i], e->worker, e->packed[member], 0, images);
		seconds[i] = seconds_now() - begin;
	}
}

/* Steps whose values are larger than their weights go through the network image by image, while a value is near; those in the
 * middle, whose weights are larger, take all images at once. */
static float *cpu_forward(void *engine, int member, int worker, const float *in, int images)
{
	const struct cpu *e = engine;
	const struct schedule *s = &e->schedule;
	const struct worker *w = &e->worker[worker];
	struct run r = { .s = &s->step[s->n_steps - 1], .w = w, .out = w->memory + s->output, .hands = e->hands };

	read_input(e, w, in, images);
	for (int image = 0; image < images; image++)
		for (int i = 0; i < s->deep_first; i++)
			run_step(e, &s->step[i], w, e->packed[member], image, 1);
	for (int i = s->deep_first; i < s->deep_end; i++)
		run_step(e, &s->step[i], w, e->packed[member], 0, images);
	for (int image = 0; image < images; image++)
		for (int i = s->deep_end; i < s->n_steps; i++)
			run_step(e, &s->step[i], w, e->packed[member], image, 1);
	each(&r, s->network->n_outputs * images, unblock, &r);
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
		w->memory = xlarge(e->schedule.memory, sizeof(float));
		w->norms = xaligned(e->schedule.norms, sizeof *w->norms);
		w->statistics = xaligned(e->schedule.statistics, sizeof *w->statistics);
		w->counts = xaligned(e->schedule.counts, sizeof *w->counts);
		w->hand = xcalloc((size_t)hands, sizeof *w->hand);
		for (int k = 0; k < hands; k++)
			w->hand[k] = (struct hand){ xlarge(e->schedule.scratch, sizeof(float)),
			                            xmalloc((size_t)e->schedule.max_segments, sizeof *w->hand->x) };
	}
	return e;
}

/* One worker for each thread, or one with a hand for each where that would take more than an eighth of what may be allocated. */
static void *open_shared(const struct network *n, int threads, int members, enum isa level)
{
	struct schedule s;
	bool share;

	schedule_make(&s, n, level);
	share = (double)s.memory * sizeof(float) * threads > (double)memory_limit / 8;
	schedule_free(&s);
	return cpu_open(n, share ? 1 : threads, share ? threads : 1, members, level);
}

static void *cpu_open_best(const struct network *n, int threads, int members)
{
	return open_shared(n, threads, members, cpu_isa());
}

static void *cpu_open_bf16(const struct network *n, int threads, int members)
{
	return open_shared(n, threads, members, ISA_BF16);
}

static int cpu_images(const void *engine) { return ((const struct cpu *)engine)->schedule.images; }

static int cpu_workers(const void *engine) { return ((const struct cpu *)engine)->workers; }

static void cpu_load(void *engine, int member, const float *const *parameter, int threads)
{
	struct cpu *e = engine;

	if (!e->packed[member])
		e->packed[member] = xlarge(e->schedule.packed, sizeof(float));
	schedule_pack(e->packed[member], &e->schedule, parameter, threads);
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

const struct engine engine_cpu = { "cpu", cpu_open_best, cpu_workers, cpu_images, cpu_load, cpu_forward, cpu_close };
const struct engine engine_cpu_bf16 = { "cpu", cpu_open_bf16, cpu_workers, cpu_images, cpu_load, cpu_forward, cpu_close };
