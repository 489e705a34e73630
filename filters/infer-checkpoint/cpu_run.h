/* cpu_run: one step of the CPU engine under way; private to the engine's files. */
#ifndef CPU_RUN_H
#define CPU_RUN_H
#include "common/parallel.h"
#include "filters/infer-checkpoint/cpu_plan.h"

/* What a thread needs of its own. */
struct hand {
	float *scratch;                         /* [schedule.scratch] */
	const float **x;                        /* [max_segments] */
};

struct worker {
	float *memory;                          /* [schedule.memory] */
	float *norms;                           /* [schedule.norms] */
	double *statistics, *counts;            /* [schedule.statistics], [schedule.counts] */
	struct hand *hand;                      /* [hands] */
};

/* What the functions of one step share. */
struct run {
	const struct step *s;
	const struct worker *w;
	const float *packed;
	float *out;                             /* the output: s->out */
	const float *bias;                      /* [blocks * lanes] or NULL */
	int first, end;                         /* planes of the output: all, or of the images that are wanted */
	int hands;
};

/* parallel_for() is not to be nested, and one hand may be one of many workers. */
static inline void each(const struct run *r, int n, void (*body)(void *arg, int i, int worker), void *arg)
{
	if (r->hands > 1)
		parallel_for(r->hands, n, body, arg);
	else
		for (int i = 0; i < n; i++)
			body(arg, i, 0);
}

/* Where there are so few tasks the hands share each of them, if that has more parts than there are tasks. */
static inline bool shared(const struct run *r, int tasks, int parts)
{
	return r->hands > 1 && tasks < 4 * r->hands && (tasks == 1 || parts > tasks);
}

/* The norm of channels c and on of block b, plane z, for reading it. */
static inline struct norm norm_of(const struct run *r, const struct block *b, int c, int z)
{
	const float *scale = b->norm == NO_NORM ? NULL : r->w->norms + b->norm + (size_t)z * b->image + c;

	return (struct norm){ scale, scale ? scale + b->shift : NULL, b->slope };
}

/* Plane z of a block of the output, [pixels][lanes]. */
static inline float *plane_out(const struct run *r, int block, int z)
{
	return r->out + (size_t)block * r->s->out.block + (size_t)z * r->s->out.plane;
}

/* A panel's part of the output; x, pixels and weights are to be filled in. */
static inline struct product panel_product(const struct run *r, int panel)
{
	const struct step *s = r->s;
	size_t lanes = (size_t)s->k->lanes;

	return (struct product){
		.out = r->out + (size_t)(2 * panel) * s->out.block, .block_step = s->out.block, .out_step = lanes,
		.blocks = panel_blocks(s, panel),
		.n = s->run, .n_segments = s->n_segments, .depth = s->depth,
		.bias = r->bias ? r->bias + (size_t)(2 * panel) * lanes : NULL, .planes = reads_planes(s)
	};
}

/* All of a step's arithmetic by each method. */
void cpu_direct(const struct run *r);
void cpu_upsample(const struct run *r);
void cpu_winograd(const struct run *r);

/* Norm, residual and leaky ReLU of what the step has made, if it has any. */
void cpu_norm(const struct run *r);
#endif
