/* Images of windows, instance norm and what follows it.  All kernels are bound by memory: each tensor is read and written once, in
 * pieces of 16 bytes; sums have an order that shapes alone decide. */
#include "filters/infer-checkpoint/cuda/element.cuh"

namespace {

enum { WIDTH = 8, PARTS = 8, SHALLOW = 8, DEEP = 128, TICKETS = 16384 };

/* ---- images of windows ---- */

/* A thread is a voxel of the patch and writes all its channels. */
template <class S> __global__ void __launch_bounds__(THREADS, 4)
gather(char *out, const tile *tiles, int n_inputs, int c, place patch)
{
	const tile t = tiles[blockIdx.y];
	const unsigned voxels = (unsigned)(patch.z * patch.y * patch.x);
	const int64_t volume = t.shape[0] * t.shape[1] * t.shape[2];

	for (unsigned i = blockIdx.x * THREADS + threadIdx.x; i < voxels; i += gridDim.x * THREADS) {
		const place p = mirrored(place_of(i, patch), patch, t.mirror);
		const int64_t z = t.origin[0] + p.z, y = t.origin[1] + p.y, x = t.origin[2] + p.x;
		const bool in = t.volume && inside(z, y, x, t.shape[0], t.shape[1], t.shape[2]);
		const float *from = t.volume + (in ? (z * t.shape[1] + y) * t.shape[2] + x : 0);
		char *to = out + ((size_t)blockIdx.y * voxels + i) * (size_t)c * (16 / S::N);

		for (int first = 0; first < c; first += S::N, to += 16) {
			float f[S::N];
#pragma unroll
			for (int j = 0; j < S::N; j++)
				f[j] = in && first + j < n_inputs ? __ldg(from + (first + j) * volume) : 0;
			const uint4 q = pack<S>(f);
			if (c % S::N)           /* 4 channels of 2 bytes */
				*(uint2 *)to = uint2{ q.x, q.y };
			else
				*(uint4 *)to = q;
		}
	}
}

/* ---- instance norm ---- */

/* How a tensor of one image, [voxels][c], is shared out: a block's threads stand `width` vectors of 16 bytes wide and `lanes`
 * voxels deep; `chunks` such blocks cover all channels. */
struct tiling { int vectors, width, lanes, chunks; };

tiling tile_channels(int vectors)
{
	tiling t = { vectors, 1, 0, 0 };

	while (t.width < WIDTH && t.width < vectors)
		t.width *= 2;
	t.lanes = THREADS / t.width;
	t.chunks = (vectors + t.width - 1) / t.width;
	return t;
}

/* Voxels of a part, of which one block makes the statistics: few enough that fp32 sums stay exact to a few units in the last place,
 * and that there are parts for all multiprocessors.  Shapes alone decide, lest results differ from device to device. */
int64_t part_of(const tiling &t, int64_t voxels)
{
	int64_t depth = (voxels + PARTS * t.lanes - 1) / (PARTS * t.lanes);

	if (depth < SHALLOW)
		depth = SHALLOW;
	if (depth > DEEP)
		depth = DEEP;
	return t.lanes * depth;
}

int64_t parts_of(const tiling &t, int64_t voxels) { return (voxels + part_of(t, voxels) - 1) / part_of(t, voxels); }

/* Mean and sum of squared deviations of some values. */
struct moments { float mean, square; };

/* Each thread sums deviations from its first value; threads are joined by Chan, Golub and LeVeque (1979), their means counted from
 * the image's first voxel: so neither a large mean nor an odd first voxel costs accuracy.  The last block of an image to end joins
 * the parts, in their order. */
template <class S> __global__ void __launch_bounds__(THREADS, 4)
stats(float2 *affine, const uint4 *x, unsigned voxels, tiling tl, unsigned part, const float *gamma, const float *beta, float eps,
      float2 *parts, unsigned *tickets)
{
	SHARED_MEMORY;
	enum { N = S::N };
	moments *joined = (moments *)shared;                    /* [N][THREADS] */
	float *counts = (float *)(joined + N * THREADS);        /* [THREADS] */
	const unsigned chunk = blockIdx.x % tl.chunks, n_parts = gridDim.x / tl.chunks, c = (unsigned)tl.vectors * N;
	const unsigned lane = threadIdx.x / tl.width, vector = chunk * tl.width + threadIdx.x % tl.width;
	const unsigned lo = blockIdx.x / tl.chunks * part, hi = voxels - lo < part ? voxels : lo + part;
	const bool mine = vector < (unsigned)tl.vectors;
	const uint4 *image = x + (size_t)blockIdx.y * voxels * tl.vectors + vector;
	float shift[N], sum[N], square[N];
	float count = 0;

	if (mine && lo + lane < hi) {
		unpack<S>(shift, __ldg(image + (size_t)(lo + lane) * tl.vectors));
#pragma unroll
		for (int j = 0; j < N; j++)
			sum[j] = square[j] = 0;
#pragma unroll 4
		for (unsigned v = lo + lane + tl.lanes; v < hi; v += tl.lanes) {
			float f[N];
			unpack<S>(f, __ldg(image + (size_t)v * tl.vectors));
#pragma unroll
			for (int j = 0; j < N; j++) {
				const float d = f[j] - shift[j];
				sum[j] += d;
				square[j] = fmaf(d, d, square[j]);
			}
		}
		count = (float)((hi - lo - lane + tl.lanes - 1) / tl.lanes);
		float first[N];
		unpack<S>(first, __ldg(image));
#pragma unroll
		for (int j = 0; j < N; j++) {
			square[j] -= sum[j] * sum[j] / count;
			sum[j] = shift[j] - first[j] + sum[j] / count;  /* from here on the mean */
		}
	}
	for (int half = tl.lanes / 2; half; half /= 2) {
		if ((int)lane >= half && (int)lane < 2 * half) {
#pragma unroll
			for (int j = 0; j < N; j++)
				joined[j * THREADS + threadIdx.x] = moments{ sum[j], square[j] };
			counts[threadIdx.x] = count;
		}
		__syncthreads();
		const unsigned other = threadIdx.x + half * tl.width;
		if ((int)lane < half && counts[other] > 0) {
			const float n = counts[other], share = n / (count + n), weight = count * share;
#pragma unroll
			for (int j = 0; j < N; j++) {
				const moments m = joined[j * THREADS + other];
				const float d = m.mean - sum[j];
				sum[j] = fmaf(d, share, sum[j]);
				square[j] += fmaf(d * d, weight, m.square);
			}
			count += n;
		}
	}
	parts += (size_t)blockIdx.y * n_parts * c;
	if (mine && lane == 0)
#pragma unroll
		for (int j = 0; j < N; j++)
			parts[(size_t)(blockIdx.x / tl.chunks) * c + vector * N + j] = make_float2(sum[j], square[j]);
	__threadfence();
	__syncthreads();
	unsigned *ticket = tickets + blockIdx.y * tl.chunks + chunk;
	if (!__syncthreads_or(threadIdx.x == 0 && atomicInc(ticket, n_parts - 1) == n_parts - 1))
		return;
	__threadfence();

	/* Of all parts the sum, and the sum of squares, of deviations from the first voxel. */
	const unsigned channels = tl.width * N, rows = THREADS / channels, row = threadIdx.x / channels;
	const unsigned channel = chunk * channels + threadIdx.x % channels;
	double2 *total = (double2 *)shared, t = make_double2(0, 0);

	if (channel < c)
#pragma unroll 4
		for (unsigned p = row; p < n_parts; p += rows) {
			const float2 m = __ldcg(parts + (size_t)p * c + channel);
			const double n = voxels - p * part < part ? voxels - p * part : part;
			t.x += n * m.x;
			t.y += m.y + n * m.x * m.x;
		}
	total[threadIdx.x] = t;
	__syncthreads();
	if (row || channel >= c)
		return;
	for (unsigned i = 1; i < rows; i++) {
		t.x += total[i * channels + threadIdx.x].x;
		t.y += total[i * channels + threadIdx.x].y;
	}
	const double mean = t.x / voxels, rest = t.y / voxels - mean * mean, variance = rest < 0 ? 0 : rest;
	/* Deviations whose squares no fp32 holds would end as a scale of 0, and nobody would see that. */
	const double scale = variance < INFINITY ? gamma[channel] / sqrt(variance + eps) : NAN;
	float first[N];
	unpack<S>(first, __ldg(x + (size_t)blockIdx.y * voxels * tl.vectors + channel / N));
	double origin = 0;
#pragma unroll
	for (int j = 0; j < N; j++)
		origin = (int)(channel % N) == j ? first[j] : origin;
	affine[(size_t)blockIdx.y * c + channel] = make_float2((float)scale, (float)(beta[channel] - (origin + mean) * scale));
}

/* What a thread multiplies by and adds stays in its registers: it has the same channels all the time. */
template <class S, bool RESIDUAL> __global__ void __launch_bounds__(THREADS, 4)
apply(applying a, unsigned voxels, tiling tl)
{
	enum { N = S::N };
	const unsigned chunk = blockIdx.x % tl.chunks, step = gridDim.x / tl.chunks * tl.lanes;
	const unsigned vector = chunk * tl.width + threadIdx.x % tl.width;
	const size_t image = blockIdx.y, c = (size_t)tl.vectors * N;
	float scale[N], shift[N], residual_scale[N], residual_shift[N];

	if (vector >= (unsigned)tl.vectors)
		return;
	get_affine<N>(scale, shift, a.affine ? a.affine + ((a.shared ? 0 : image * c) + vector * N) * 2 : NULL);
	if (RESIDUAL)
		get_affine<N>(residual_scale, residual_shift,
		              a.residual_affine ? a.residual_affine + ((a.residual_shared ? 0 : image * c) + vector * N) * 2 : NULL);
#pragma unroll 2
	for (unsigned v = blockIdx.x / tl.chunks * tl.lanes + threadIdx.x / tl.width; v < voxels; v += step) {
		const size_t voxel = image * voxels + v;
		float f[N], r[N];
		unpack<S>(f, __ldcs((const uint4 *)a.x + voxel * tl.vectors + vector));
		if (RESIDUAL)
			unpack<S>(r, __ldcs((const uint4 *)a.residual + voxel * tl.vectors + vector));
#pragma unroll
		for (int j = 0; j < N; j++) {
			f[j] = fmaf(f[j], scale[j], shift[j]);
			if (RESIDUAL)
				f[j] += fmaf(r[j], residual_scale[j], residual_shift[j]);
			f[j] = leaky(f[j], a.slope);
		}
		const uint4 q = pack<S>(f);
#pragma unroll
		for (int i = 0; i < 2; i++)
			if (a.to[i].y)
				((uint4 *)a.to[i].y)[voxel * (a.to[i].pitch / N) + a.to[i].offset / N + vector] = q;
	}
}

size_t tickets_bytes() { return TICKETS * sizeof(unsigned); }

}

extern "C" bool kernel_gather(enum precision p, void *out, const struct tile *tiles, int n, int n_inputs, int c, const int64_t patch[3],
                              void *stream)
{
	if (!sized("gather", n, volume(patch), c))
		return false;
	const dim3 grid(blocks_of((volume(patch) + THREADS - 1) / THREADS, n), (unsigned)n);
	WITH_TYPE(p, LAUNCH(gather<S>, grid, THREADS, 0, stream, (char *)out, tiles, n_inputs, c, small(patch)));
	return launched("gather");
}

extern "C" size_t kernel_stats_scratch(int n, int64_t voxels, int c)
{
	const int64_t two = parts_of(tile_channels(c / 8), voxels), four = parts_of(tile_channels(c / 4), voxels);

	return tickets_bytes() + (size_t)n * (size_t)(two > four ? two : four) * (size_t)c * sizeof(float2);
}

extern "C" bool kernel_stats(enum precision p, float *affine, const void *x, int n, int64_t voxels, int c, const float *gamma,
                             const float *beta, float eps, void *scratch, void *stream)
{
	const tiling t = tile_channels(vectors_of(p, c));
	const size_t shared = THREADS * ((size_t)(p == PRECISION_FP16 || p == PRECISION_BF16 ? 8 : 4) * sizeof(moments) + sizeof(float));
	float2 *parts = (float2 *)((char *)scratch + tickets_bytes());

	if (!sized("stats", n, voxels, c))
		return false;
	if ((int64_t)n * t.chunks > TICKETS)
		return fail(XDEVICE, "statistics of %d images of %d channels at once are more than the GPU's kernels are made for", n, c);
	const dim3 grid((unsigned)(parts_of(t, voxels) * t.chunks), (unsigned)n);
	WITH_TYPE(p, LAUNCH(stats<S>, grid, THREADS, shared, stream, (float2 *)affine, (const uint4 *)x, (unsigned)voxels, t,
	                    (unsigned)part_of(t, voxels), gamma, beta, eps, parts, (unsigned *)scratch));
	return launched("stats");
}

extern "C" bool kernel_apply(enum precision p, const struct applying *a, int n, int64_t voxels, int c, void *stream)
{
	const tiling t = tile_channels(vectors_of(p, c));

	if (!sized("apply", n, voxels, c))
		return false;
	const dim3 grid(blocks_of((voxels + t.lanes - 1) / t.lanes, (int64_t)n * t.chunks) * t.chunks, (unsigned)n);
	if (a->residual)
		WITH_TYPE(p, LAUNCH((apply<S, true>), grid, THREADS, 0, stream, *a, (unsigned)voxels, t));
	else
		WITH_TYPE(p, LAUNCH((apply<S, false>), grid, THREADS, 0, stream, *a, (unsigned)voxels, t));
	return launched("apply");
}
