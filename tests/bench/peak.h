/* peak: what one core can multiply and add in fp32, measured: enough independent sums in registers to hide their latency. */
#ifndef BENCH_PEAK_H
#define BENCH_PEAK_H
#include <math.h>
#include <time.h>
#include "filters/infer-checkpoint/cpu_kernels.h"

/* Time this thread has run: other programs on the same processors do not count. */
static double thread_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* NAME_peak: operations per second. */
#define PEAK(NAME, TARGET, REGISTER, LANES, SUMS) \
	typedef float NAME##_vec __attribute__((vector_size(LANES * 4))); \
	TARGET static double NAME##_peak(void) \
	{ \
		enum { ROUNDS = 200000 }; \
		NAME##_vec sum[SUMS], a = (NAME##_vec){0} + 0.999f, b = (NAME##_vec){0} + 1e-3f; \
		double best = 0; \
		_Pragma("GCC unroll 24") for (int i = 0; i < SUMS; i++) \
			sum[i] = b; \
		for (int repeat = 0; repeat < 20; repeat++) { \
			double begin = thread_seconds(); \
			for (int r = 0; r < ROUNDS; r++) \
				_Pragma("GCC unroll 24") for (int i = 0; i < SUMS; i++) { \
					sum[i] = sum[i] * a + b; \
					__asm__ volatile("" : "+" REGISTER (sum[i])); \
				} \
			best = fmax(best, 2.0 * LANES * SUMS * ROUNDS / (thread_seconds() - begin)); \
		} \
		return best; \
	}
PEAK(base, , "x", 4, 12)
#ifdef __x86_64__
PEAK(v3, __attribute__((target("avx2,fma"), optimize("fp-contract=fast"))), "x", 8, 12)
PEAK(v4, __attribute__((target("avx512f"), optimize("fp-contract=fast"))), "v", 16, 24)
#endif

static double peak(void)
{
	double best = base_peak();

#ifdef __x86_64__
	if (cpu_isa() >= ISA_V3)
		best = fmax(best, v3_peak());
	if (cpu_isa() == ISA_V4)
		best = fmax(best, v4_peak());
#endif
	return best;
}
#endif
