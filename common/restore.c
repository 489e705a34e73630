#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/opt.h"
#include "common/parallel.h"
#include "common/preprocess.h"
#include "common/resample.h"

static size_t voxels_of(const int64_t s[3]) { return (size_t)s[0] * (size_t)s[1] * (size_t)s[2]; }

/* The crop box on the image's own axes. */
struct box { int64_t lo[3], hi[3]; };

static struct box box_in_file(const struct grids *g)
{
	struct box b;

	for (int i = 0; i < 3; i++) {
		b.lo[g->transpose_forward[i]] = g->flip[i] ? g->before_crop[i] - g->crop_hi[i] : g->crop_lo[i];
		b.hi[g->transpose_forward[i]] = g->flip[i] ? g->before_crop[i] - g->crop_lo[i] : g->crop_hi[i];
	}
	return b;
}

/* One channel [after_crop] to its place in the image's grid [original]. */
static void place(float *out, const float *in, const struct grids *g)
{
	const int64_t *lo = g->crop_lo, *n = g->after_crop;
	int64_t stride[3], first = grids_strides(stride, g);

	for (int64_t i = 0; i < n[0]; i++)
		for (int64_t j = 0; j < n[1]; j++) {
			float *to = out + first + (lo[0] + i) * stride[0] + (lo[1] + j) * stride[1] + lo[2] * stride[2];
			for (int64_t k = 0; k < n[2]; k++)
				to[k * stride[2]] = *in++;
		}
}

/* p: [channels] rows of n values, `step` apart: logits become probabilities, as torch.softmax does it in single precision.
 * work: [2][n]. */
static void softmax(float *p, size_t step, int64_t channels, size_t n, float *work)
{
	float *max = work, *sum = work + n;

	for (size_t i = 0; i < n; i++) {
		max[i] = p[i];
		sum[i] = 0;
	}
	for (int64_t c = 1; c < channels; c++)
		for (size_t i = 0; i < n; i++)
			max[i] = p[(size_t)c * step + i] > max[i] ? p[(size_t)c * step + i] : max[i];
	for (int64_t c = 0; c < channels; c++)
		for (size_t i = 0; i < n; i++)
			sum[i] += p[(size_t)c * step + i] = expf(p[(size_t)c * step + i] - max[i]);
	for (int64_t c = 0; c < channels; c++)
		for (size_t i = 0; i < n; i++)
			p[(size_t)c * step + i] /= sum[i];
}

static void sigmoid(float *p, size_t step, int64_t channels, size_t n)
{
	for (int64_t c = 0; c < channels; c++)
		for (size_t i = 0; i < n; i++)
			p[(size_t)c * step + i] = 1 / (1 + expf(-p[(size_t)c * step + i]));
}

static void activate(float *out, int64_t channels, const struct grids *g, bool regions)
{
	struct box b = box_in_file(g);
	size_t step = voxels_of(g->original), n = (size_t)(b.hi[2] - b.lo[2]);
	float *work = xmalloc(n, 2 * sizeof *work);

	for (int64_t z = b.lo[0]; z < b.hi[0]; z++)
		for (int64_t y = b.lo[1]; y < b.hi[1]; y++) {
			float *row = out + (z * g->original[1] + y) * g->original[2] + b.lo[2];
			if (regions)
				sigmoid(row, step, channels, n);
			else
				softmax(row, step, channels, n, work);
		}
	free(work);
}

int restore_axis(const struct restore *r) { return r->grids->transpose_backward[0]; }

bool restore_possible(const struct restore *r)
{
	const struct grids *g = r->grids;

	if (r->channels != r->labels->n_outputs || (r->head && r->head->n_out != r->channels))
		return fail(XDATA, "the network has %lld outputs, the labels stand for %d", (long long)r->channels, r->labels->n_outputs);
	if (r->plan->probabilities.kind == RESAMPLE_IDENTITY && memcmp(g->network, g->after_crop, sizeof g->network))
		return fail(XDATA, "the plan resamples images but not probabilities (no_resampling_hack)");
	return true;
}

bool restore_whole(const struct restore *r)
{
	const struct grids *g = r->grids;

	return memcmp(g->network, g->after_crop, sizeof g->network) &&
	       resample_whole(&r->plan->probabilities, restore_axis(r), g->network_spacing, g->spacing);
}

/* The grids of planes z..z+dz alone, and which part of the resampled volume they are. */
static struct grids cut(struct resample_part *part, const struct restore *r, int64_t z, int64_t dz)
{
	struct grids g = *r->grids;
	int a = restore_axis(r);
	int64_t base = g.flip[a] ? g.before_crop[a] - z - dz : z;
	int64_t lo = g.crop_lo[a] > base ? g.crop_lo[a] : base, hi = g.crop_hi[a] < base + dz ? g.crop_hi[a] : base + dz;

	if (hi <= lo)
		lo = hi = base;
	*part = (struct resample_part){ .axis = a, .out_lo = lo - g.crop_lo[a], .out_hi = hi - g.crop_lo[a] };
	if (lo < hi)
		resample_reach(part, g.after_crop, g.network, &r->plan->probabilities, g.network_spacing, g.spacing);
	g.original[0] = g.before_crop[a] = dz;
	g.crop_lo[a] = lo - base;
	g.crop_hi[a] = hi - base;
	g.after_crop[a] = hi - lo;
	return g;
}

void restore_reach(int64_t *lo, int64_t *hi, const struct restore *r, int64_t z, int64_t dz)
{
	struct resample_part part;

	cut(&part, r, z, dz);
	*lo = part.in_lo;
	*hi = part.in_hi;
}

int64_t restore_channels_in(const struct restore *r) { return r->head ? r->head->n_in : r->channels; }
int64_t restore_channels(const struct restore *r) { return r->segment ? 1 : r->channels; }

/* ---- voxel by voxel: head, activation, segmentation ---- */

enum { CHUNK = 512 };           /* voxels that go through together: their logits stay in a cache */

struct voxels {
	const struct restore *r;
	const float *in;         /* [restore_channels_in()][n] */
	float *out;              /* [restore_channels()][out_step] */
	size_t n, out_step;
	const struct grids *cut; /* of planes: voxels [after_crop] go to their places in [original]; NULL: they stay in line */
	char *work;              /* of each worker: work_bytes() */
	bool *bad;               /* of each worker: a head has made what is not finite */
};

static size_t work_bytes(const struct restore *r)
{
	return CHUNK * ((size_t)(r->channels + 2) * sizeof(float) + sizeof(size_t) + sizeof(uint16_t));
}

/* at[i]: where voxel first + i goes. */
static void places(size_t *at, const struct voxels *v, size_t first, size_t n)
{
	const struct grids *g = v->cut;
	int64_t stride[3], begin;

	if (!g) {
		for (size_t i = 0; i < n; i++)
			at[i] = first + i;
		return;
	}
	begin = grids_strides(stride, g);
	for (size_t i = 0; i < n; i++) {
		int64_t p = (int64_t)(first + i), x = p % g->after_crop[2], y = p / g->after_crop[2] % g->after_crop[1];
		int64_t z = p / g->after_crop[2] / g->after_crop[1];
		at[i] = (size_t)(begin + (g->crop_lo[0] + z) * stride[0] + (g->crop_lo[1] + y) * stride[1] +
		                 (g->crop_lo[2] + x) * stride[2]);
	}
}

static void one_chunk(void *arg, int i, int worker)
{
	const struct voxels *v = arg;
	const struct restore *r = v->r;
	size_t first = (size_t)i * CHUNK, n = v->n - first < CHUNK ? v->n - first : CHUNK;
	size_t *at = (size_t *)(void *)(v->work + (size_t)worker * work_bytes(r));
	float *p = (float *)(at + CHUNK), *scratch = p + (size_t)r->channels * CHUNK;
	uint16_t *labels = (uint16_t *)(scratch + 2 * CHUNK);

	if (r->head)
		v->bad[worker] |= !head_apply(p, n, v->in + first, v->n, n, r->head);
	for (int64_t c = 0; !r->head && c < r->channels; c++)
		memcpy(p + (size_t)c * n, v->in + (size_t)c * v->n + first, n * sizeof *p);
	if (!r->logits_only && r->labels->has_regions)
		sigmoid(p, n, r->channels, n);
	else if (!r->logits_only)
		softmax(p, n, r->channels, n, scratch);
	places(at, v, first, n);
	if (r->segment) {
		labels_segment(labels, p, r->labels, n);
		for (size_t k = 0; k < n; k++)
			v->out[at[k]] = labels[k];
		return;
	}
	for (int64_t c = 0; c < r->channels; c++)
		for (size_t k = 0; k < n; k++)
			v->out[(size_t)c * v->out_step + at[k]] = p[(size_t)c * n + k];
}

static bool all_voxels(struct voxels *v)
{
	size_t threads = v->r->threads > 1 ? (size_t)v->r->threads : 1;
	bool bad = false;

	v->work = xaligned(threads, (work_bytes(v->r) + 63) / 64 * 64);
	v->bad = xcalloc(threads, sizeof *v->bad);
	parallel_for((int)threads, (int)((v->n + CHUNK - 1) / CHUNK), one_chunk, v);
	for (size_t i = 0; i < threads; i++)
		bad |= v->bad[i];
	free(v->work);
	free(v->bad);
	return !bad || fail(XDATA, "the network's head gives logits that are not finite numbers");
}

bool restore_voxels(float *out, const float *in, size_t n, const struct restore *r)
{
	struct voxels v = { .r = r, .in = in, .out = out, .n = n, .out_step = n };

	return all_voxels(&v);
}

/* ---- planes ---- */

/* All channels resampled, then voxel by voxel. */
static bool by_voxels(float *out, const float *in, const struct restore *r, const struct grids *g,
                      const struct resample_part *part)
{
	const struct grids *whole = r->grids;
	struct voxels v = { .r = r, .in = in, .out = out, .n = voxels_of(g->after_crop), .out_step = voxels_of(g->original),
	                    .cut = g };
	int64_t channels = restore_channels_in(r);
	float *resampled;
	size_t bytes;
	bool ok;

	if (!memcmp(whole->network, whole->after_crop, sizeof whole->network))
		return all_voxels(&v);
	if (!size_mul(&bytes, (int64_t)(v.n * sizeof *resampled), channels) || bytes > memory_limit)
		return fail(XDATA, "resampling %lld channels needs more than the limit of %zu MiB (--memory raises it)",
		            (long long)channels, memory_limit >> 20);
	v.in = resampled = xaligned(bytes, 1);
	ok = resample_float(resampled, whole->after_crop, in, whole->network, channels, &r->plan->probabilities,
	                    whole->network_spacing, whole->spacing, r->parity, part) &&
	     all_voxels(&v);
	free(resampled);
	return ok;
}

/* Channel by channel, which need not be in memory resampled; then the activation where the logits are. */
static bool by_channels(float *out, const float *in, const struct restore *r, const struct grids *g,
                        const struct resample_part *part)
{
	const struct grids *whole = r->grids;
	size_t step = voxels_of(whole->network) / (size_t)whole->network[part->axis] * (size_t)(part->in_hi - part->in_lo);
	float *channel = xaligned(voxels_of(g->after_crop), sizeof *channel);
	bool ok = true;

	for (int64_t c = 0; c < r->channels && ok; c++) {
		ok = resample_float(channel, whole->after_crop, in + (size_t)c * step, whole->network, 1, &r->plan->probabilities,
		                    whole->network_spacing, whole->spacing, r->parity, part);
		if (ok)
			place(out + (size_t)c * voxels_of(g->original), channel, g);
	}
	free(channel);
	if (ok && !r->logits_only)
		activate(out, r->channels, g, r->labels->has_regions);
	return ok;
}

bool restore(float *out, const float *in, const struct restore *r, int64_t z, int64_t dz)
{
	struct resample_part part;
	struct grids g = cut(&part, r, z, dz);
	size_t n = voxels_of(g.original), inside = voxels_of(g.after_crop);

	if (inside < n) {
		memset(out, 0, (size_t)restore_channels(r) * n * sizeof *out);
		for (size_t i = 0; !r->labels->has_regions && !r->logits_only && !r->segment && i < n; i++)
			out[i] = 1;             /* outside the crop all is background */
	}
	if (!inside)
		return true;
	return r->head || r->segment ? by_voxels(out, in, r, &g, &part) : by_channels(out, in, r, &g, &part);
}
