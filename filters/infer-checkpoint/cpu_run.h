/* cpu_run: one step of the CPU engine under way; private to cpu.c and cpu_norm.c. */
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
	float *out;                             /* [blocks][pixels][lanes] */
	const float *bias;                      /* [blocks * lanes] or NULL */
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

/* Norm, residual and leaky ReLU of what the step has made, if it has any. */
void cpu_norm(struct run *r);
#endif
