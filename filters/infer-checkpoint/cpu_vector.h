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
#define LANES_v4b 16
#define LANES JOINED(LANES, ISA)
#define PAIR_base 1
#define PAIR_v3 1
#define PAIR_v4 1
#define PAIR_v4n 1
#define PAIR_v4b 2
#define PAIR JOINED(PAIR, ISA)
typedef float vec __attribute__((vector_size(LANES * 4), may_alias));
typedef int mask __attribute__((vector_size(LANES * 4), may_alias));
typedef float half_vec __attribute__((vector_size(LANES * 2), may_alias));
typedef int half_mask __attribute__((vector_size(LANES * 2), may_alias));
typedef double wide __attribute__((vector_size(LANES * 8), may_alias));

#define INLINE static inline __attribute__((always_inline))

INLINE vec load(const float *p) { return *(const vec *)p; }
INLINE void store(float *p, vec v) { *(vec *)p = v; }
INLINE vec splat(float x) { return (vec){0} + x; }

/* What gemm reads: PAIR channels in the place of a float, pixels of STAGED floats. */
enum { STAGED = LANES / PAIR };

#if PAIR == 2
/* As bf16_of() rounds. */
INLINE void stage_pixel(float *to, vec v)
{
	__m512i bits = (__m512i)v, odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
	__m512i nearest = _mm512_srli_epi32(_mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
	__m512i quiet = _mm512_or_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(0x40));
	__mmask16 nan = _mm512_cmp_ps_mask((__m512)v, (__m512)v, _CMP_UNORD_Q);

	_mm256_store_si256((__m256i *)to, _mm512_cvtepi32_epi16(_mm512_mask_mov_epi32(nearest, nan, quiet)));
}

/* The same of fewer channels. */
INLINE void stage_channel(float *pixel, int c, float x)
{
	uint16_t half = bf16_of(x);

	memcpy((char *)pixel + 2 * c, &half, sizeof half);
}

/* sum + w[1] * x[1] + w[0] * x[0] for the pairs of w and the one that x points at; without the instruction, what it does but
 * for denormals, which it takes for 0. */
INLINE vec multiply_add(vec sum, vec w, const float *x)
{
	int pair;

	memcpy(&pair, x, sizeof pair);
#ifdef __AVX512BF16__
	return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)w, (__m512bh)_mm512_set1_epi32(pair));
#else
	mask high = (mask)_mm512_set1_epi32((int)0xffff0000u), two = (mask)_mm512_set1_epi32(pair), weights = (mask)w;

	sum += (vec)(weights & high) * (vec)(two & high);
	return sum + (vec)(weights << 16) * (vec)(two << 16);
#endif
}
#else
INLINE void stage_pixel(float *to, vec v) { store(to, v); }
INLINE void stage_channel(float *pixel, int c, float x) { pixel[c] = x; }
INLINE vec multiply_add(vec sum, vec w, const float *x) { return sum + w * *x; }
#endif

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
