/* cpu_cost: the algorithm of a step of the CPU engine, and the size of its pieces: what is expected to cost least. */
#ifndef CPU_COST_H
#define CPU_COST_H
#include "filters/infer-checkpoint/cpu_plan.h"

enum { CACHE_FLOATS = 160 << 10 };              /* what one loop should fill: a good part of a second-level cache */

/* Of a step whose input, output and kernels are known: its method, segments of gemm, and tasks.  k: kernels to have instead
 * where they are exact enough, of as many lanes. */
void cost_convolution(struct step *s, const struct kernels *k);
void cost_upsample(struct step *s, const struct kernels *k);

/* Floats that the staged inputs of a task of METHOD_DIRECT take. */
size_t cost_staged(const struct step *s);
#endif
