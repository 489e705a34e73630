/* cpu_vector: vectors of the instruction set that a *.isa.c file is being compiled for. */
#ifndef CPU_VECTOR_H
#define CPU_VECTOR_H
#ifdef __AVX512VL__
#include <immintrin.h>
#endif
#include "filters/infer-checkpoint/cpu_kernels.h"

#define JOIN(name, isa) name##_##isa
#define JOINED(name, isa) JOIN(name, isa)
#define FN(name) JOINED(name, ISA)              /* each set has its own functions: gemm_v3, gemm_v4 */

#define LANES_base 4
#define LANES_v3 8
#define LANES_v4 16
#define LANES_v4n 8
#define LANES JOINED(LANES, ISA)
typedef float vec __attribute__((vector_size(LANES * 4), may_alias));
typedef int mask __attribute__((vector_size(LANES * 4), may_alias));
typedef double wide __attribute__((vector_size(LANES * 8), may_alias));

#define INLINE static inline __attribute__((always_inline))

INLINE vec load(const float *p) { return *(const vec *)p; }
INLINE void store(float *p, vec v) { *(vec *)p = v; }
INLINE vec splat(float x) { return (vec){0} + x; }
/* v where v > 0, else slope * v; NaN stays NaN */
INLINE vec leaky(vec v, float slope)
{
#ifdef __AVX512VL__
#if LANES == 16
	return (vec)_mm512_mask_mul_ps((__m512)v, _mm512_cmp_ps_mask((__m512)v, _mm512_setzero_ps(), _CMP_NGT_UQ), (__m512)v,
	                               _mm512_set1_ps(slope));
#else
	return (vec)_mm256_mask_mul_ps((__m256)v, _mm256_cmp_ps_mask((__m256)v, _mm256_setzero_ps(), _CMP_NGT_UQ), (__m256)v,
	                               _mm256_set1_ps(slope));
#endif
#else
	mask positive = v > 0;

	return (vec)(((mask)v & positive) | ((mask)(v * slope) & ~positive));
#endif
}

/* What the files of one set give each other. */
void FN(gemm)(const struct product *m);
void FN(stage)(float *to, size_t part, const float *row, int lanes, int X, int stride, int pad, int width, const struct norm *n);
void FN(winograd_in)(int M, float *v, size_t step, const float *plane, int Y, int X, int first, int tiles, const struct norm *n);
int FN(winograd_out)(int M, float *plane, const float *m, size_t step, int Y, int X, int first, int tiles, const float *bias,
                     double *moments);
#endif
