/* The emulated kernels, called when their turn comes (the linker's --wrap puts these in their place). */
#include <string.h>
#include "common/die.h"
#include "filters/infer-checkpoint/cuda/kernels.h"
#include "tests/gpu/plugin/queue.h"

#define REAL(name) __typeof__(name) __real_##name
#define WRAP(name) __typeof__(name) __wrap_##name
REAL(kernel_gather); REAL(kernel_stats); REAL(kernel_apply); REAL(kernel_tail); REAL(kernel_take);
WRAP(kernel_gather); WRAP(kernel_stats); WRAP(kernel_apply); WRAP(kernel_tail); WRAP(kernel_take);

static void done(bool ok)
{
	if (!ok)
		die_failed();
}

static void *call(void *stream, void (*run)(const void *), const void *args, size_t bytes)
{
	queue_call(stream, run, args, bytes);
	return NULL;
}

struct gather { enum precision p; void *out; const struct tile *tiles; int n, n_inputs, c; int64_t patch[3]; };

static void run_gather(const void *args)
{
	const struct gather *a = args;

	done(__real_kernel_gather(a->p, a->out, a->tiles, a->n, a->n_inputs, a->c, a->patch, NULL));
}

bool __wrap_kernel_gather(enum precision p, void *out, const struct tile *tiles, int n, int n_inputs, int c, const int64_t patch[3],
                          void *stream)
{
	struct gather a = { p, out, tiles, n, n_inputs, c, { patch[0], patch[1], patch[2] } };

	return !call(stream, run_gather, &a, sizeof a);
}

struct stats { enum precision p; float *affine; const void *x; int n; int64_t voxels; int c; const float *gamma, *beta; float eps; void *scratch; };

static void run_stats(const void *args)
{
	const struct stats *a = args;

	done(__real_kernel_stats(a->p, a->affine, a->x, a->n, a->voxels, a->c, a->gamma, a->beta, a->eps, a->scratch, NULL));
}

bool __wrap_kernel_stats(enum precision p, float *affine, const void *x, int n, int64_t voxels, int c, const float *gamma,
                         const float *beta, float eps, void *scratch, void *stream)
{
	return !call(stream, run_stats, &(struct stats){ p, affine, x, n, voxels, c, gamma, beta, eps, scratch }, sizeof(struct stats));
}

struct apply { enum precision p; struct applying a; int n; int64_t voxels; int c; };

static void run_apply(const void *args)
{
	const struct apply *a = args;

	done(__real_kernel_apply(a->p, &a->a, a->n, a->voxels, a->c, NULL));
}

bool __wrap_kernel_apply(enum precision p, const struct applying *a, int n, int64_t voxels, int c, void *stream)
{
	return !call(stream, run_apply, &(struct apply){ p, *a, n, voxels, c }, sizeof(struct apply));
}

struct end { enum precision p; struct tail t; const struct tile *tiles; const struct target *targets; int windows, mirrors; int64_t patch[3]; int c; };

static void run_tail(const void *args)
{
	const struct end *a = args;

	done(__real_kernel_tail(a->p, &a->t, a->tiles, a->targets, a->windows, a->mirrors, a->patch, a->c, NULL));
}

bool __wrap_kernel_tail(enum precision p, const struct tail *t, const struct tile *tiles, const struct target *targets, int windows,
                        int mirrors, const int64_t patch[3], int c, void *stream)
{
	struct end a = { p, *t, tiles, targets, windows, mirrors, { patch[0], patch[1], patch[2] }, c };

	return !call(stream, run_tail, &a, sizeof a);
}

struct take { float *out, *sum, *weights; int outputs; int64_t ring[3], lo[3], hi[3]; int terms; bool parity; };

static void run_take(const void *args)
{
	const struct take *a = args;

	done(__real_kernel_take(a->out, a->sum, a->weights, a->outputs, a->ring, a->lo, a->hi, a->terms, a->parity, NULL));
}

bool __wrap_kernel_take(float *out, float *sum, float *weights, int outputs, const int64_t ring[3], const int64_t lo[3],
                        const int64_t hi[3], int terms, bool parity, void *stream)
{
	struct take a = { .out = out, .sum = sum, .weights = weights, .outputs = outputs, .terms = terms, .parity = parity };

	memcpy(a.ring, ring, sizeof a.ring);
	memcpy(a.lo, lo, sizeof a.lo);
	memcpy(a.hi, hi, sizeof a.hi);
	return !call(stream, run_take, &a, sizeof a);
}
