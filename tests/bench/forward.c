/* Speed of one forward pass of the fast engine on one core, as a share of what the core can multiply and add.
 * usage: forward [SECONDS [NETWORK]]   SECONDS: time for each network and instruction set (default: next to none) */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "common/die.h"
#include "filters/infer-checkpoint/cpu_plan.h"
#include "filters/infer-checkpoint/engine.h"

struct subject { const char *name; int64_t patch[3]; int n_stages, feature[MAX_STAGES]; bool long_only; };

static const struct subject subjects[] = {
	{ "2d_192_8-32", { 1, 192, 192 }, 5, { 8, 16, 32, 32, 32 }, false },
	{ "2d_160_32-512", { 1, 160, 160 }, 6, { 32, 64, 128, 256, 512, 512 }, false },
	{ "3d_64_32-320", { 64, 64, 64 }, 5, { 32, 64, 128, 256, 320 }, true },
};

/* Time this thread has run: other programs on the same processors do not count. */
static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* nnU-Net's plain U-Net with two convolutions a stage and kernels of 3. */
static void unet(struct network *n, const struct subject *s)
{
	struct architecture a = { .class = UNET_PLAIN, .dims = s->patch[0] > 1 ? 3 : 2, .n_stages = s->n_stages,
	                          .conv_bias = true, .norm = NORM_INSTANCE, .eps = 1e-5, .slope = 0.01 };

	for (int i = 0; i < s->n_stages; i++) {
		a.features[i] = s->feature[i];
		a.n_conv_encoder[i] = a.n_conv_decoder[i] = 2;
		for (int k = 0; k < 3; k++) {
			bool flat = k == 0 && a.dims == 2;
			a.kernel[i][k] = flat ? 1 : 3;
			a.stride[i][k] = flat || i == 0 ? 1 : 2;
		}
	}
	if (!network_build(n, &a, 1, 2, s->patch))
		die_failed();
}

/* Multiply-adds in registers: enough independent sums to hide their latency.  NAME_peak: operations per second. */
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
			double begin = now(); \
			for (int r = 0; r < ROUNDS; r++) \
				_Pragma("GCC unroll 24") for (int i = 0; i < SUMS; i++) { \
					sum[i] = sum[i] * a + b; \
					__asm__ volatile("" : "+" REGISTER (sum[i])); \
				} \
			best = fmax(best, 2.0 * LANES * SUMS * ROUNDS / (now() - begin)); \
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

static void measure(const struct subject *s, enum isa level, double seconds, double peak_flops)
{
	enum { MOST = 1000 };
	static const char *const isa_name[] = { "base", "v3", "v4" };
	struct network n;
	double time[MOST], begin, load;
	int runs = 0;

	unet(&n, s);
	size_t voxels = (size_t)(s->patch[0] * s->patch[1] * s->patch[2]);
	float *weights = xmalloc(n.n_weights, sizeof *weights);
	float *in = xmalloc(voxels, sizeof *in);
	srand(1);
	for (size_t i = 0; i < n.n_weights; i++)
		weights[i] = (float)rand() / (float)RAND_MAX - 0.5f;
	for (size_t i = 0; i < voxels; i++)
		in[i] = (float)rand() / (float)RAND_MAX - 0.5f;
	void *e = cpu_open(&n, 1, 1, 1, level);
	begin = now();
	engine_cpu.load(e, 0, weights, 1);
	load = now() - begin;
	engine_cpu.forward(e, 0, 0, in);
	for (double end = now() + seconds; runs < MOST && (runs == 0 || now() < end); runs++) {
		begin = now();
		engine_cpu.forward(e, 0, 0, in);
		time[runs] = now() - begin;
	}
	qsort(time, (size_t)runs, sizeof *time, ascending);
	double median = time[runs / 2];
	printf("note: %s %s: %.2f ms (%.2f-%.2f, %d runs), %.3f GFLOP, %.1f GFLOP/s, %.0f %% of peak; load %.0f ms\n", s->name,
	       isa_name[level], median * 1e3, time[0] * 1e3, time[runs - 1] * 1e3, runs, n.flops * 1e-9, n.flops / median * 1e-9,
	       100 * n.flops / median / peak_flops, load * 1e3);
	engine_cpu.close(e);
	network_free(&n);
	free(weights);
	free(in);
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 0, best = peak();

	printf("note: peak of one core: %.1f GFLOP/s in fp32\n", best * 1e-9);
	for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
		const struct subject *s = &subjects[i];
		if ((s->long_only && argc < 2) || (argc > 2 && strcmp(argv[2], s->name)))
			continue;
		measure(s, cpu_isa(), seconds, best);
	}
	return 0;
}
