/* element: what kernels share: tensors in pieces of 16 bytes, places in volumes, launches. */
#ifndef CUDA_ELEMENT_H
#define CUDA_ELEMENT_H
#ifndef EMULATED                /* else tests/gpu/emulate.h takes CUDA's place */
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#define LAUNCH(kernel, grid, threads, bytes, stream, ...) (kernel)<<<grid, threads, bytes, (cudaStream_t)(stream)>>>(__VA_ARGS__)
#define SHARED_MEMORY extern __shared__ uint4 shared[]
#endif
#include <limits.h>
#include <math.h>
#include <string.h>
#define _Noreturn
extern "C" {
#include "common/die.h"
}
#include "filters/infer-checkpoint/cuda/kernels.h"

namespace {

enum { THREADS = 256 };

/* ---- 16 bytes of a tensor as fp32 ---- */

template <class To, class From> __device__ inline To bits(From from)
{
	To to;

	static_assert(sizeof to == sizeof from, "of one size");
	memcpy(&to, &from, sizeof to);
	return to;
}

struct half_type {
	enum { N = 8 };
	static __device__ inline float2 widen(unsigned u) { return __half22float2(bits<__half2>(u)); }
	static __device__ inline unsigned narrow(float a, float b) { return bits<unsigned>(__floats2half2_rn(a, b)); }
};

struct bfloat_type {
	enum { N = 8 };
	static __device__ inline float2 widen(unsigned u) { return __bfloat1622float2(bits<__nv_bfloat162>(u)); }
	static __device__ inline unsigned narrow(float a, float b) { return bits<unsigned>(__floats2bfloat162_rn(a, b)); }
};

struct float_type { enum { N = 4 }; };

template <class S> __device__ inline void unpack(float *f, const uint4 &q)
{
	const unsigned u[4] = { q.x, q.y, q.z, q.w };

#pragma unroll
	for (int i = 0; i < 4; i++) {
		const float2 v = S::widen(u[i]);
		f[2 * i] = v.x;
		f[2 * i + 1] = v.y;
	}
}

template <> __device__ inline void unpack<float_type>(float *f, const uint4 &q)
{
	f[0] = bits<float>(q.x);
	f[1] = bits<float>(q.y);
	f[2] = bits<float>(q.z);
	f[3] = bits<float>(q.w);
}

template <class S> __device__ inline uint4 pack(const float *f)
{
	return uint4{ S::narrow(f[0], f[1]), S::narrow(f[2], f[3]), S::narrow(f[4], f[5]), S::narrow(f[6], f[7]) };
}

template <> __device__ inline uint4 pack<float_type>(const float *f)
{
	return uint4{ bits<unsigned>(f[0]), bits<unsigned>(f[1]), bits<unsigned>(f[2]), bits<unsigned>(f[3]) };
}

__device__ inline float leaky(float x, float slope) { return x < 0 ? x * slope : x; }

__device__ inline float round_half(float x) { return __half2float(__float2half_rn(x)); }

/* ---- where things are ---- */

struct place { int z, y, x; };

__device__ inline place place_of(unsigned i, place size)
{
	const unsigned row = i / (unsigned)size.x;

	return place{ (int)(row / (unsigned)size.y), (int)(row % (unsigned)size.y), (int)(i % (unsigned)size.x) };
}

__device__ inline place mirrored(place at, place size, unsigned mirror)
{
	return place{ mirror & 1 ? size.z - 1 - at.z : at.z, mirror & 2 ? size.y - 1 - at.y : at.y,
	              mirror & 4 ? size.x - 1 - at.x : at.x };
}

__device__ inline unsigned index_of(place at, place size) { return (unsigned)((at.z * size.y + at.y) * size.x + at.x); }

__device__ inline bool inside(int64_t z, int64_t y, int64_t x, int64_t depth, int64_t height, int64_t width)
{
	return z >= 0 && y >= 0 && x >= 0 && z < depth && y < height && x < width;
}

/* N pairs of scale and shift, of the channels of a vector. */
template <int N> __device__ inline void get_affine(float *scale, float *shift, const float *affine)
{
#pragma unroll
	for (int j = 0; j < N; j += 2) {
		const float4 v = affine ? __ldg((const float4 *)affine + j / 2) : make_float4(1, 0, 1, 0);
		scale[j] = v.x;
		shift[j] = v.y;
		scale[j + 1] = v.z;
		shift[j + 1] = v.w;
	}
}

/* ---- launches ---- */

int processors()
{
	static int n;
	int device = 0;

	if (!n && (cudaGetDevice(&device) != cudaSuccess ||
	           cudaDeviceGetAttribute(&n, cudaDevAttrMultiProcessorCount, device) != cudaSuccess))
		n = 64;
	return n;
}

/* Blocks for each of n images (or windows) such that the device is filled, at most `most`. */
unsigned blocks_of(int64_t most, int64_t n)
{
	const int64_t some = ((int64_t)processors() * 8 + n - 1) / n;

	return (unsigned)(most < some ? most : some);
}

bool launched(const char *what)
{
	const cudaError_t e = cudaGetLastError();

	return e == cudaSuccess || fail(XDEVICE, "the GPU does not take %s: %s", what, cudaGetErrorString(e));
}

/* What kernels take for granted: 32 bits count the voxels of an image, 16 the images. */
bool sized(const char *what, int64_t n, int64_t voxels, int c)
{
	return (n >= 1 && n <= 65535 && voxels >= 1 && voxels <= INT_MAX && c >= 1 && (c % 8 == 0 || c == 4)) ||
	       fail(XDEVICE, "%s: %lld images of %lld voxels and %d channels are not what the GPU's kernels are made for", what, (long long)n,
	            (long long)voxels, c);
}

int64_t volume(const int64_t size[3]) { return size[0] * size[1] * size[2]; }

place small(const int64_t size[3]) { return place{ (int)size[0], (int)size[1], (int)size[2] }; }

int vectors_of(enum precision p, int c) { return c / (p == PRECISION_FP16 || p == PRECISION_BF16 ? 8 : 4); }

/* CALL with S, the type of precision p. */
#define WITH_TYPE(p, CALL) do { \
	if ((p) == PRECISION_FP16) { typedef half_type S; CALL; } \
	else if ((p) == PRECISION_BF16) { typedef bfloat_type S; CALL; } \
	else { typedef float_type S; CALL; } \
} while (0)

}
#endif
