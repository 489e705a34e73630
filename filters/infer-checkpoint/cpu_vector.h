/* cpu_vector: vectors of the instruction set that a *.isa.c file is being compiled for. */
#ifndef CPU_VECTOR_H
#define CPU_VECTOR_H
#include "filters/infer-checkpoint/cpu_kernels.h"

#define JOIN(name, isa) name##_##isa
#define JOINED(name, isa) JOIN(name, isa)
#define FN(name) JOINED(name, ISA)              /* each set has its own functions: gemm_v3, gemm_v4 */

enum { LANES_base = 4, LANES_v3 = 8, LANES_v4 = 16, LANES_v4n = 8 };
#define LANES ((int)JOINED(LANES, ISA))
typedef float vec __attribute__((vector_size(LANES * 4), may_alias));
typedef int mask __attribute__((vector_size(LANES * 4), may_alias));
typedef double wide __attribute__((vector_size(LANES * 8), may_alias));

#define INLINE static inline __attribute__((always_inline))

INLINE vec load(const float *p) { return *(const vec *)p; }
INLINE void store(float *p, vec v) { *(vec *)p = v; }
INLINE vec splat(float x) { return (vec){0} + x; }
/* max(v, 0) + slope * min(v, 0); NaN stays NaN */
INLINE vec leaky(vec v, float slope)
{
	mask positive = v > 0;

	return (vec)(((mask)v & positive) | ((mask)(v * slope) & ~positive));
}

/* What the files of one set give each other. */
void FN(gemm)(const struct product *m);
void FN(pack)(float *to, const float *memory, const struct gather *g, int first, int pixels, int tap, int n_taps);
void FN(winograd_in)(float *v, size_t step, const float *plane, int Y, int X, int first, int tiles);
void FN(winograd_out)(float *plane, const float *m, size_t step, int Y, int X, int first, int tiles, const float *bias);
#endif
