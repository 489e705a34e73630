/* tensors: numbers on the device for tests of kernels: random, in the type of a precision, up and down.  Compiled with -DON_DEVICE
 * the device is one (device.h); else what the kernels call memory of the device is plain memory, each piece malloc'ed on its own, so
 * that AddressSanitizer sees its ends. */
#ifndef TESTS_TENSORS_H
#define TESTS_TENSORS_H
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/dtype.h"
#include "filters/infer-checkpoint/cuda/device.h"
#include "filters/infer-checkpoint/cuda/kernels.h"

static int failures, checks;
static char about[256];         /* what the next check is of */

static inline void check(bool ok, const char *what)
{
	checks++;
	failures += !ok;
	if (!ok)
		printf("%s: %s\n", about, what);
}

/* A kernel's return value. */
static inline void taken(bool ok)
{
	if (!ok) {
		fprintf(stderr, "%s: ", about);
		die_failed();
	}
}

/* ---- the device ---- */

#ifdef ON_DEVICE

static struct device *the_device;

static inline void *stream(void) { return device_stream(the_device, LANE_COMPUTE); }

static inline void open_device(void)
{
	if (!(the_device = device_open(0)))
		die_failed();
}

static inline void close_device(void) { device_close(the_device); }

static inline void *up(const void *from, size_t bytes)
{
	void *to = device_alloc(the_device, bytes), *host = device_alloc_host(the_device, bytes);

	if (!to || !host)
		die_failed();
	memcpy(host, from, bytes);
	if (!device_up(the_device, LANE_COMPUTE, to, host, bytes) || !device_wait(the_device, -1))
		die_failed();
	device_free_host(the_device, host);
	return to;
}

static inline void down(void *to, const void *from, size_t bytes)
{
	void *host = device_alloc_host(the_device, bytes);

	if (!host || !device_down(the_device, LANE_COMPUTE, host, from, bytes) || !device_wait(the_device, -1))
		die_failed();
	memcpy(to, host, bytes);
	device_free_host(the_device, host);
}

static inline void let_go(void *p) { device_free(the_device, p); }

/* The order of threads is the device's. */
static inline void turn_round(bool backwards) { (void)backwards; }
#else
extern int emulate_backwards;

static inline void *stream(void) { return NULL; }
static inline void open_device(void) {}
static inline void close_device(void) {}
static inline void *up(const void *from, size_t bytes) { return memcpy(xmalloc(bytes, 1), from, bytes); }
static inline void down(void *to, const void *from, size_t bytes) { memcpy(to, from, bytes); }
static inline void let_go(void *p) { free(p); }
static inline void turn_round(bool backwards) { emulate_backwards = backwards; }
#endif

/* ---- numbers ---- */

static uint64_t seed = 1;

static inline uint32_t any(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

/* Of mean 0 and variance 1: of twelve uniform ones. */
static inline float normal(void)
{
	double sum = -6;

	for (int i = 0; i < 12; i++)
		sum += (any(1 << 20) + 0.5) / (1 << 20);
	return (float)sum;
}

static inline size_t element(enum precision p) { return p == PRECISION_FP16 || p == PRECISION_BF16 ? 2 : 4; }

/* Half of the distance of neighbours near 1. */
static inline double rounding(enum precision p) { return p == PRECISION_FP16 ? ldexp(1, -11) : p == PRECISION_BF16 ? ldexp(1, -8) : ldexp(1, -24); }

static const char *const precision_name[] = {
	[PRECISION_FP16] = "fp16", [PRECISION_BF16] = "bf16", [PRECISION_TF32] = "tf32", [PRECISION_FP32] = "fp32"
};

static inline uint16_t bfloat_from_float(float x)
{
	uint32_t u, odd;

	memcpy(&u, &x, sizeof u);
	odd = u >> 16 & 1;
	return isnan(x) ? 0x7fc0 : (uint16_t)((u + 0x7fff + odd) >> 16);
}

static inline float bfloat_to_float(uint16_t h)
{
	uint32_t u = (uint32_t)h << 16;
	float x;

	memcpy(&x, &u, sizeof x);
	return x;
}

/* x as the precision stores it. */
static inline float stored(enum precision p, float x)
{
	return p == PRECISION_FP16 ? half_round(x) : p == PRECISION_BF16 ? bfloat_to_float(bfloat_from_float(x)) : x;
}

static inline void *up_as(enum precision p, const float *v, size_t n)
{
	uint16_t *small = xmalloc(n, sizeof *small);
	void *to;

	for (size_t i = 0; i < n && element(p) == 2; i++)
		small[i] = p == PRECISION_FP16 ? half_from_float(v[i]) : bfloat_from_float(v[i]);
	to = element(p) == 2 ? up(small, n * sizeof *small) : up(v, n * sizeof *v);
	free(small);
	return to;
}

static inline void down_as(enum precision p, float *v, const void *from, size_t n)
{
	uint16_t *small = xmalloc(n, sizeof *small);

	if (element(p) == 4)
		down(v, from, n * sizeof *v);
	else
		down(small, from, n * sizeof *small);
	for (size_t i = 0; i < n && element(p) == 2; i++)
		v[i] = p == PRECISION_FP16 ? half_to_float(small[i]) : bfloat_to_float(small[i]);
	free(small);
}

/* n numbers around `mean`, `spread` apart, as the precision stores them. */
static inline float *numbers(enum precision p, size_t n, float mean, float spread)
{
	float *v = xmalloc(n, sizeof *v);

	for (size_t i = 0; i < n; i++)
		v[i] = stored(p, mean + spread * normal());
	return v;
}

static inline float *constants(size_t n, float x)
{
	float *v = xmalloc(n, sizeof *v);

	for (size_t i = 0; i < n; i++)
		v[i] = x;
	return v;
}

/* What no kernel writes: a place that still holds it was not written. */
#define UNTOUCHED 12288.0f
#endif
