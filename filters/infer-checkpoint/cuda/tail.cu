/* The end of the network: its head, the mean over mirrors, the sums of windows, and what is taken from them. */
#include "filters/infer-checkpoint/cuda/element.cuh"

namespace {

enum { AT_ONCE = 2, MOST_LANES = 128, WEIGHTS_ROOM = 20 << 10, MOST_SHARED = 48 << 10 };

/* ---- the end of the network ---- */

struct ending {
	tail t;
	const tile *tiles;
	const target *targets;
	int windows, mirrors;
	place patch;
	int vectors, width, lanes;      /* of a voxel; and how a block's threads read them: width <= THREADS vectors, lanes voxels */
	int chunk;                      /* outputs whose weights are in shared memory at a time */
};

/* A voxel of the tile: where it is in the window's patch, and in the target; at < 0: not to be added to. */
struct spot { place p; int64_t at; };

__device__ inline bool overlap(const target &a, const target &b, place patch)
{
	const int64_t z = a.origin[0] - b.origin[0], y = a.origin[1] - b.origin[1], x = a.origin[2] - b.origin[2];

	return a.sum == b.sum && z < patch.z && -z < patch.z && y < patch.y && -y < patch.y && x < patch.x && -x < patch.x;
}

/* Voxel i of window `own`, as a voxel of window `other`, if the target has it, both windows cover it, and no window before `own`
 * does: so all windows on a voxel are added by one thread, in their order. */
__device__ inline spot find_spot(const ending &e, const unsigned char *meets, int own, int other, unsigned i)
{
	const target &t = e.targets[own];
	const place p = place_of(i, e.patch);
	const int64_t z = t.origin[0] + p.z, y = t.origin[1] + p.y, x = t.origin[2] + p.x;
	spot s = { { 0, 0, 0 }, -1 };

	if (!inside(z, y, x, t.shape[0], t.shape[1], t.shape[2]))
		return s;
	for (int w = 0; w < own; w++) {
		const int64_t *o = e.targets[w].origin;
		if (meets[w] && inside(z - o[0], y - o[1], x - o[2], e.patch.z, e.patch.y, e.patch.x))
			return s;
	}
	const int64_t *o = e.targets[other].origin;
	if (!inside(z - o[0], y - o[1], x - o[2], e.patch.z, e.patch.y, e.patch.x))
		return s;
	s.p = place{ (int)(z - o[0]), (int)(y - o[1]), (int)(x - o[2]) };
	s.at = ((int64_t)((unsigned)z % (unsigned)t.ring[0]) * t.ring[1] + (unsigned)y % (unsigned)t.ring[1]) * t.ring[2] +
	       (unsigned)x % (unsigned)t.ring[2];
	return s;
}

/* to [voxels of the tile][c, and 4 more]: the sum over mirrors of the activation. */
template <class S> __device__ inline void sum_mirrors(float *to, const ending &e, const spot *spots, int window)
{
	enum { N = S::N };
	const unsigned lane = threadIdx.x / e.width, pitch = e.vectors * N + 4;
	const unsigned voxels = (unsigned)(e.patch.z * e.patch.y * e.patch.x);
	const size_t c = (size_t)e.vectors * N;

	for (unsigned vector = threadIdx.x % e.width; vector < (unsigned)e.vectors && lane < (unsigned)e.lanes; vector += e.width) {
		float sum[AT_ONCE][N];
#pragma unroll
		for (int i = 0; i < AT_ONCE; i++)
#pragma unroll
			for (int j = 0; j < N; j++)
				sum[i][j] = 0;
		for (int m = 0; m < e.mirrors; m++) {
			const size_t image = (size_t)window * e.mirrors + m;
			const unsigned mirror = e.tiles[image].mirror;
			const uint4 *x = (const uint4 *)e.t.x + image * voxels * e.vectors + vector;
			float scale[N], shift[N];
			get_affine<N>(scale, shift, e.t.affine ? e.t.affine + ((e.t.shared ? 0 : image * c) + vector * N) * 2 : NULL);
#pragma unroll
			for (int i = 0; i < AT_ONCE; i++) {
				const spot &s = spots[lane + i * e.lanes];
				if (s.at < 0)
					continue;
				float f[N];
				unpack<S>(f, __ldcs(x + (size_t)index_of(mirrored(s.p, e.patch, mirror), e.patch) * e.vectors));
#pragma unroll
				for (int j = 0; j < N; j++)
					sum[i][j] += leaky(fmaf(f[j], scale[j], shift[j]), e.t.slope);
			}
		}
#pragma unroll
		for (int i = 0; i < AT_ONCE; i++)
#pragma unroll
			for (int j = 0; j < N; j += 4)
				*(float4 *)(to + (lane + i * e.lanes) * pitch + vector * N + j) =
				        make_float4(sum[i][j], sum[i][j + 1], sum[i][j + 2], sum[i][j + 3]);
	}
}

/* OUTPUTS of them, the first of `row`, before the bias: weights [][c]. */
template <int OUTPUTS> __device__ inline void multiply(float *z, const float *weights, const float *row, int c)
{
#pragma unroll
	for (int k = 0; k < OUTPUTS; k++)
		z[k] = 0;
#pragma unroll 1
	for (int i = 0; i < c; i += 4) {
		const float4 a = *(const float4 *)(row + i);
#pragma unroll
		for (int k = 0; k < OUTPUTS; k++) {
			const float4 w = *(const float4 *)(weights + (size_t)k * c + i);
			z[k] = fmaf(a.x, w.x, fmaf(a.y, w.y, fmaf(a.z, w.z, fmaf(a.w, w.w, z[k]))));
		}
	}
}

/* Returns whether the sum is finite. */
__device__ inline bool add(float *sum, float v, bool parity)
{
	const float s = *sum + v;

	*sum = parity ? round_half(s) : s;
	return isfinite(*sum);
}

/* Outputs first .. first + n of a tile to the target; weights: of these, [][c].  A thread has one voxel, and OUTPUTS outputs at a
 * time: neighbours share weights and write side by side. */
template <int OUTPUTS> __device__ inline void add_outputs(const ending &e, const target &t, const float *weights, const float *rows,
                                                          const spot *spots, int c, int first, int n)
{
	const int tile = e.lanes * AT_ONCE, lanes = THREADS / tile, lane = (int)threadIdx.x / tile, voxel = (int)threadIdx.x % tile;
	const spot s = spots[voxel];
	const float *row = rows + voxel * (c + 4);
	const int64_t ring = t.ring[0] * t.ring[1] * t.ring[2];
	const float share = 1 / (float)e.mirrors;
	bool finite = true;

	if (lane >= lanes || s.at < 0)
		return;
	const float weight = __ldg(e.t.weight + index_of(s.p, e.patch));
#pragma unroll 1
	for (int k = lane * OUTPUTS; k < n; k += lanes * OUTPUTS) {
		float z[OUTPUTS];
		if (e.t.head)
			multiply<OUTPUTS>(z, weights + k * c, row, c);
#pragma unroll
		for (int i = 0; i < OUTPUTS; i++)
			if (k + i < n) {
				const int output = first + k + i;
				const float mean = e.t.head ? z[i] * share + __ldg(e.t.bias + output) : row[output] * share;
				finite &= add(t.sum + output * ring + s.at, mean * weight, e.t.parity);
			}
	}
	if (lane == 0 && first == 0 && t.weights)
		add(t.weights + s.at, weight, e.t.parity);
	if (!finite && t.bad)
		*t.bad = 1;
}

/* Weights of n outputs from `first` on to shared memory, 0 where there are no more of them. */
__device__ inline void get_weights(float *to, const ending &e, int c, int first, int n)
{
	const int valid = e.t.outputs - first < n ? e.t.outputs - first : n;

	for (int i = (int)threadIdx.x; i < n * c; i += THREADS)
		to[i] = i < valid * c ? __ldg(e.t.head + (size_t)first * c + i) : 0;
}

/* A block takes tiles of consecutive voxels of one window: the mean over mirrors of the activation of all their channels, which
 * the head, being linear, multiplies but once, goes through shared memory. */
template <class S, int OUTPUTS> __global__ void __launch_bounds__(THREADS, 4) end(ending e)
{
	SHARED_MEMORY;
	const int own = (int)blockIdx.y, c = e.vectors * S::N, n_tile = e.lanes * AT_ONCE;
	const unsigned voxels = (unsigned)(e.patch.z * e.patch.y * e.patch.x);
	float *weights = (float *)shared, *rows = weights + (e.t.head ? e.chunk * c : 0);
	spot *spots = (spot *)(rows + n_tile * (c + 4));
	unsigned char *meets = (unsigned char *)(spots + n_tile);

	if (!e.targets[own].sum)
		return;
	for (int i = (int)threadIdx.x; i < e.windows; i += THREADS)
		meets[i] = overlap(e.targets[i], e.targets[own], e.patch);
	if (e.t.head && e.chunk >= e.t.outputs)
		get_weights(weights, e, c, 0, e.chunk);
	__syncthreads();
	for (unsigned first = blockIdx.x * n_tile; first < voxels; first += gridDim.x * n_tile)
		for (int other = own; other < e.windows; other++) {
			bool any = false;
			if (!meets[other])
				continue;
			for (int i = (int)threadIdx.x; i < n_tile; i += THREADS) {
				spots[i] = first + i < voxels ? find_spot(e, meets, own, other, first + i) : spot{ { 0, 0, 0 }, -1 };
				any |= spots[i].at >= 0;
			}
			if (!__syncthreads_or(any))
				continue;
			sum_mirrors<S>(rows, e, spots, other);
			for (int k = 0; k < e.t.outputs; k += e.chunk) {
				if (e.t.head && e.chunk < e.t.outputs)
					get_weights(weights, e, c, k, e.chunk);
				__syncthreads();
				add_outputs<OUTPUTS>(e, e.targets[other], weights, rows, spots, c, k,
				                     e.t.outputs - k < e.chunk ? e.t.outputs - k : e.chunk);
				__syncthreads();
			}
		}
}

/* ---- what is taken from the sums ---- */

struct box { int64_t lo[3], size[3], ring[3]; };

__global__ void __launch_bounds__(THREADS)
take(float *out, float *sum, float *weights, int outputs, box b, float terms, bool parity)
{
	const int64_t ring = b.ring[0] * b.ring[1] * b.ring[2], voxels = b.size[0] * b.size[1] * b.size[2];
	const unsigned plane = (unsigned)(b.size[1] * b.size[2]);

	for (int64_t z = blockIdx.y; z < b.size[0]; z += gridDim.y)
		for (unsigned i = blockIdx.x * THREADS + threadIdx.x; i < plane; i += gridDim.x * THREADS) {
			const unsigned y = i / (unsigned)b.size[2], x = i % (unsigned)b.size[2];
			const int64_t at = ((int64_t)((unsigned)(b.lo[0] + z) % (unsigned)b.ring[0]) * b.ring[1] +
			                    (unsigned)(b.lo[1] + y) % (unsigned)b.ring[1]) * b.ring[2] + (unsigned)(b.lo[2] + x) % (unsigned)b.ring[2];
			const float all = weights[at] * terms;
			for (int k = 0; k < outputs; k++) {
				const float v = sum[k * ring + at] / all;
				sum[k * ring + at] = 0;
				out[k * voxels + z * plane + i] = parity ? round_half(v) : v;
			}
			weights[at] = 0;
		}
}

}

extern "C" bool kernel_tail(enum precision p, const struct tail *t, const struct tile *tiles, const struct target *targets, int windows,
                            int mirrors, const int64_t patch[3], int c, void *stream)
{
	const bool many = t->outputs >= 8 && c <= 256;
	struct ending e = { *t, tiles, targets, windows, mirrors, small(patch), vectors_of(p, c), 0, 0, 0 };

	if (!sized("tail", (int64_t)windows * mirrors, volume(patch), c))
		return false;
	e.width = e.vectors < THREADS ? e.vectors : THREADS;
	e.lanes = THREADS / e.width < MOST_LANES ? THREADS / e.width : MOST_LANES;
	const int step = many ? 4 : 1, room = WEIGHTS_ROOM / (int)sizeof(float) / c / step * step, all = (t->outputs + step - 1) / step * step;
	e.chunk = !t->head || room >= all ? all : room > step ? room : step;
	const size_t tile = (size_t)e.lanes * AT_ONCE;
	const size_t bytes = (t->head ? (size_t)e.chunk * c * sizeof(float) : 0) + tile * ((size_t)(c + 4) * sizeof(float) + sizeof(spot)) + (size_t)windows;
	if (bytes > MOST_SHARED)
		return fail(XDEVICE, "the end of a network with %d channels is more than the GPU's kernels are made for", c);
	const dim3 grid(blocks_of((volume(patch) + (int64_t)tile - 1) / (int64_t)tile, windows), (unsigned)windows);
	if (many)
		WITH_TYPE(p, LAUNCH((end<S, 4>), grid, THREADS, bytes, stream, e));
	else
		WITH_TYPE(p, LAUNCH((end<S, 1>), grid, THREADS, bytes, stream, e));
	return launched("tail");
}

extern "C" bool kernel_take(float *out, float *sum, float *weights, int outputs, const int64_t ring[3], const int64_t lo[3],
                            const int64_t hi[3], int terms, bool parity, void *stream)
{
	box b;

	for (int i = 0; i < 3; i++) {
		b.lo[i] = lo[i];
		b.size[i] = hi[i] - lo[i];
		b.ring[i] = ring[i];
	}
	if (volume(b.size) == 0)
		return true;
	if (!sized("take", 1, b.size[1] * b.size[2], 8))
		return false;
	const int64_t planes = b.size[0] < 65535 ? b.size[0] : 65535;
	const dim3 grid(blocks_of((b.size[1] * b.size[2] + THREADS - 1) / THREADS, planes), (unsigned)planes);
	LAUNCH(take, grid, THREADS, 0, stream, out, sum, weights, outputs, b, (float)terms, parity);
	return launched("take");
}
