#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
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

	if (r->channels != r->labels->n_outputs)
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

bool restore(float *out, const float *logits, const struct restore *r, int64_t z, int64_t dz)
{
	struct resample_part part;
	struct grids g = cut(&part, r, z, dz);
	const struct grids *whole = r->grids;
	size_t n = voxels_of(g.original), inside = voxels_of(g.after_crop);
	size_t step = voxels_of(whole->network) / (size_t)whole->network[part.axis] * (size_t)(part.in_hi - part.in_lo);
	float *channel;
	bool ok = true;

	if (inside < n) {
		memset(out, 0, (size_t)r->channels * n * sizeof *out);
		for (size_t i = 0; !r->labels->has_regions && !r->logits_only && i < n; i++)
			out[i] = 1;             /* outside the crop all is background */
	}
	if (!inside)
		return true;
	channel = xaligned(inside, sizeof *channel);
	for (int64_t c = 0; c < r->channels && ok; c++) {
		ok = resample_float(channel, whole->after_crop, logits + (size_t)c * step, whole->network, 1, &r->plan->probabilities,
		                    whole->network_spacing, whole->spacing, r->parity, &part);
		if (ok)
			place(out + (size_t)c * n, channel, &g);
	}
	free(channel);
	if (ok && !r->logits_only)
		activate(out, r->channels, &g, r->labels->has_regions);
	return ok;
}
