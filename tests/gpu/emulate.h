/* emulate: what kernels.cu needs of CUDA, on the processor (compiled with -DEMULATED -include this).  Blocks run one after
 * another; threads of a block too, and change at barriers, for which each has a stack of its own.  It shows errors of arithmetic,
 * of indexing (AddressSanitizer sees shared memory's end) and of barriers that are missing where one thread reads what another
 * has not yet written; it says nothing about speed or about what memory shows to threads that run at the same time. */
#ifndef EMULATE_H
#define EMULATE_H
#undef _FORTIFY_SOURCE          /* whose longjmp() refuses to change stacks */
#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif
extern "C" {
#include "common/dtype.h"
}

#define __global__ static
#define __device__
#define __launch_bounds__(...)
#define __restrict__

struct dim3 {
	unsigned x, y, z;
	dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};
struct uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(16) double2 { double x, y; };
static inline float2 make_float2(float x, float y) { return { x, y }; }
static inline float4 make_float4(float x, float y, float z, float w) { return { x, y, z, w }; }
static inline double2 make_double2(double x, double y) { return { x, y }; }

struct __half { uint16_t bits; };
struct __half2 { uint16_t lo, hi; };
struct __nv_bfloat162 { uint16_t lo, hi; };

static inline float emulate_half(uint16_t h)
{
	static float table[1 << 16];

	if (table[1] == 0)
		for (int i = 0; i < 1 << 16; i++)
			table[i] = half_to_float((uint16_t)i);
	return table[h];
}

static inline uint16_t emulate_bfloat(float x)
{
	uint32_t u;

	memcpy(&u, &x, sizeof u);
	if (x != x)
		return 0x7fff;
	return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static inline float emulate_widen(uint16_t b)
{
	uint32_t u = (uint32_t)b << 16;
	float x;

	memcpy(&x, &u, sizeof x);
	return x;
}

static inline __half __float2half_rn(float x) { return { half_from_float(x) }; }
static inline float __half2float(__half h) { return emulate_half(h.bits); }
static inline float2 __half22float2(__half2 h) { return { emulate_half(h.lo), emulate_half(h.hi) }; }
static inline __half2 __floats2half2_rn(float a, float b) { return { half_from_float(a), half_from_float(b) }; }
static inline float2 __bfloat1622float2(__nv_bfloat162 h) { return { emulate_widen(h.lo), emulate_widen(h.hi) }; }
static inline __nv_bfloat162 __floats2bfloat162_rn(float a, float b) { return { emulate_bfloat(a), emulate_bfloat(b) }; }

template <class T> static inline T __ldg(const T *p) { return *p; }
template <class T> static inline T __ldcs(const T *p) { return *p; }
template <class T> static inline T __ldcg(const T *p) { return *p; }
static inline void __threadfence(void) {}
static inline unsigned atomicInc(unsigned *p, unsigned most)
{
	unsigned old = *p;

	*p = old >= most ? 0 : old + 1;
	return old;
}

typedef int cudaError_t;
typedef void *cudaStream_t;
enum { cudaSuccess = 0, cudaErrorInvalidConfiguration = 9, cudaDevAttrMultiProcessorCount = 16 };

/* Tests turn it round: no result may depend on the order of blocks, nor on that of threads between two barriers. */
extern "C" { inline int emulate_backwards; }

namespace emulate {

enum { MOST = 256, STACK = 256 << 10 };

struct fiber {
	jmp_buf here;
	char *stack;
	bool done;
};
static fiber fibers[MOST];
static jmp_buf home;
static ucontext_t ignored, start;
static dim3 thread, block, threads, grid;
static unsigned current;         /* fiber */
static bool alone;               /* threads run without fibers, since the first one met no barrier */
static int pending, result;      /* of __syncthreads_or() */
static void (*call)(void *);
static void *kernel;
static uint4 *shared;
static cudaError_t error;

static inline void stop(const char *why)
{
	fprintf(stderr, "emulate: %s\n", why);
	abort();
}

/* AddressSanitizer is told of each change of stacks. */
#ifdef __SANITIZE_ADDRESS__
static const void *main_stack;
static size_t main_size;
static void *main_fake, *fake[MOST];
static inline void leave(void **save, const void *stack, size_t size) { __sanitizer_start_switch_fiber(save, stack, size); }
static inline void enter(void *saved, bool first) { __sanitizer_finish_switch_fiber(saved, first ? &main_stack : NULL, first ? &main_size : NULL); }
static inline void leave_main(void) { leave(&main_fake, fibers[current].stack, STACK); }
static inline void enter_main(void) { enter(main_fake, false); }
static inline void leave_fiber(void) { leave(&fake[current], main_stack, main_size); }
static inline void enter_fiber(bool first) { enter(first ? NULL : fake[current], true); }
#else
static inline void leave_main(void) {}
static inline void enter_main(void) {}
static inline void leave_fiber(void) {}
static inline void enter_fiber(bool) {}
#endif

static inline void to_main(void)
{
	if (_setjmp(fibers[current].here))
		enter_fiber(false);
	else {
		leave_fiber();
		_longjmp(home, 1);
	}
}

static void body(void)
{
	enter_fiber(true);
	for (;;) {
		call(kernel);
		fibers[current].done = true;
		to_main();
	}
}

/* Runs thread i up to its next barrier, or its end. */
static inline void resume(unsigned i)
{
	fiber *f = &fibers[i];
	bool begun = f->stack != NULL;

	current = i;
	thread.x = i;
	if (!begun)
		f->stack = (char *)malloc(STACK);
	if (!f->stack)
		stop("no memory");
	if (_setjmp(home)) {
		enter_main();
		return;
	}
	leave_main();
	if (begun)
		_longjmp(f->here, 1);
	getcontext(&start);
	start.uc_stack.ss_sp = f->stack;
	start.uc_stack.ss_size = STACK;
	start.uc_link = &ignored;
	makecontext(&start, body, 0);
	setcontext(&start);
}

static inline unsigned nth(unsigned i, unsigned n) { return emulate_backwards ? n - 1 - i : i; }

static inline void run_block(void)
{
	unsigned n = threads.x, left = n;

	alone = false;
	for (unsigned i = 0; i < n; i++)
		fibers[i].done = false;
	resume(nth(0, n));
	if (fibers[nth(0, n)].done) {
		alone = true;
		for (unsigned i = 1; i < n; i++) {
			thread.x = nth(i, n);
			call(kernel);
		}
		return;
	}
	for (unsigned i = 1; i < n; i++)
		resume(nth(i, n));
	for (;;) {
		left = 0;
		for (unsigned i = 0; i < n; i++)
			left += !fibers[i].done;
		if (left && left < n)
			stop("some threads of a block wait at a barrier and others have ended");
		if (!left)
			return;
		result = pending;
		pending = 0;
		for (unsigned i = 0; i < n; i++)
			resume(nth(i, n));
	}
}

static inline void barrier(void)
{
	if (alone)
		stop("a thread waits at a barrier that others did not meet");
	to_main();
}

template <class F> static void launch(dim3 g, unsigned n, size_t bytes, F f)
{
	void *memory;

	if (!g.x || !g.y || !g.z || g.x > 0x7fffffff || g.y > 65535 || g.z > 65535 || !n || n > MOST || bytes > 48 << 10) {
		error = cudaErrorInvalidConfiguration;
		return;
	}
	memory = malloc(bytes ? bytes : 1);
	if (!memory)
		stop("no memory");
	shared = (uint4 *)memory;
	call = [](void *k) { (*(F *)k)(); };
	kernel = &f;
	grid = g;
	threads = dim3(n);
	for (unsigned z = 0; z < g.z; z++)
		for (unsigned y = 0; y < g.y; y++)
			for (unsigned x = 0; x < g.x; x++) {
				block = dim3(nth(x, g.x), nth(y, g.y), nth(z, g.z));
				memset(memory, 0xff, bytes);            /* NaN */
				run_block();
			}
	free(memory);
}

}

#define threadIdx emulate::thread
#define blockIdx emulate::block
#define blockDim emulate::threads
#define gridDim emulate::grid
static inline void __syncthreads(void) { emulate::barrier(); }
static inline int __syncthreads_or(int p)
{
	emulate::pending |= p;
	emulate::barrier();
	return emulate::result;
}

#define LAUNCH(kernel, grid, threads, bytes, stream, ...) \
	((void)(stream), emulate::launch(grid, threads, bytes, [=] { kernel(__VA_ARGS__); }))
#define SHARED_MEMORY uint4 *shared = emulate::shared

static inline cudaError_t cudaGetDevice(int *d) { *d = 0; return cudaSuccess; }
static inline cudaError_t cudaDeviceGetAttribute(int *v, int, int) { *v = 2; return cudaSuccess; }
static inline cudaError_t cudaGetLastError(void)
{
	cudaError_t e = emulate::error;

	emulate::error = cudaSuccess;
	return e;
}
static inline const char *cudaGetErrorString(cudaError_t) { return "invalid configuration argument"; }
#endif
