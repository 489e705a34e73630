/* fast_vector: what the fast_*.isa.c files share. */
#ifndef FAST_VECTOR_H
#define FAST_VECTOR_H
#ifdef __x86_64__
#include <immintrin.h>
#endif
#include "filters/infer-checkpoint/cpu_vector.h"
#include "filters/train-checkpoints/fast_kernels.h"

#ifdef __x86_64__
#define LARGER_base _mm_max_ps
#define LARGER_v3 _mm256_max_ps
#define LARGER_v4 _mm512_max_ps
#define LARGER_v4n _mm256_max_ps
INLINE vec larger(vec a, vec b) { return (vec)JOINED(LARGER, ISA)(a, b); }
#else
INLINE vec larger(vec a, vec b)
{
	mask first = a > b;

	return (vec)(((mask)a & first) | ((mask)b & ~first));
}
#endif

/* leaky(x * scale + shift, slope) for 0 <= slope <= 1 */
INLINE vec normed(vec x, vec scale, vec shift, vec slope)
{
	vec t = x * scale + shift;

	return larger(t, t * slope);
}

/* d where t > 0, else slope * d */
INLINE vec gated(vec d, vec t, vec slope)
{
	mask positive = t > 0;

	return (vec)(((mask)d & positive) | ((mask)(d * slope) & ~positive));
}

void FN(outer)(const struct outer *o);
void FN(winograd_add)(float *plane, const float *m, size_t step, int Y, int X, int first, int tiles, const float *bias, bool add);
void FN(winograd_back)(float *u, size_t step, const float *plane, int Y, int X, int first, int tiles);
void FN(winograd_weights)(float *u, size_t step, const float *g, bool flipped);
void FN(winograd_gradient)(float *g, const float *u, size_t step, int parts, size_t part_step);
#endif
