#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/crop.h"
#include "common/die.h"
#include "common/intensity.h"
#include "common/opt.h"
#include "common/preprocess.h"
#include "common/resample.h"

static size_t voxels_of(const int64_t s[3]) { return (size_t)s[0] * (size_t)s[1] * (size_t)s[2]; }

int64_t grids_strides(int64_t stride[3], const struct grids *g)
{
	const int64_t own[3] = { g->original[1] * g->original[2], g->original[2], 1 };
	int64_t at = 0;

	for (int i = 0; i < 3; i++) {
		stride[i] = own[g->transpose_forward[i]] * (g->flip[i] ? -1 : 1);
		at += g->flip[i] ? -stride[i] * (g->before_crop[i] - 1) : 0;
	}
	return at;
}

/* ---- grids in a frame's header ---- */

void grids_to_frame(struct frame *f, const struct grids *g)
{
	msgpack_object *old = mpk_get_map(&f->header, "geometry"), geometry = old ? *old : mpk_map(), network = mpk_map();
	const int64_t axes[3] = { g->transpose_forward[0], g->transpose_forward[1], g->transpose_forward[2] };

	mpk_put(f->zone, &network, "original", mpk_ints(f->zone, g->original, 3));
	mpk_put(f->zone, &network, "spacing_mm", mpk_reals(f->zone, g->spacing_mm, 3));
	mpk_put(f->zone, &network, "transpose_forward", mpk_ints(f->zone, axes, 3));
	if (g->flip[0] || g->flip[1] || g->flip[2])
		mpk_put(f->zone, &network, "flip", mpk_ints(f->zone, (int64_t[]){ g->flip[0], g->flip[1], g->flip[2] }, 3));
	for (int i = 0; i < 3; i++)
		if (g->spacing[i] != g->spacing_mm[g->transpose_forward[i]])
			mpk_put(f->zone, &network, "reader_spacing", mpk_reals(f->zone, g->spacing, 3));
	mpk_put(f->zone, &network, "crop_lo", mpk_ints(f->zone, g->crop_lo, 3));
	mpk_put(f->zone, &network, "crop_hi", mpk_ints(f->zone, g->crop_hi, 3));
	mpk_put(f->zone, &network, "shape", mpk_ints(f->zone, g->network, 3));
	mpk_put(f->zone, &network, "network_spacing_mm", mpk_reals(f->zone, g->network_spacing, 3));
	mpk_put(f->zone, &geometry, "network", network);
	frame_put(f, "geometry", geometry);
}

/* What follows from the image's grid, the transpose and the crop. */
static void derive(struct grids *g)
{
	for (int i = 0; i < 3; i++) {
		g->transpose_backward[g->transpose_forward[i]] = i;
		g->before_crop[i] = g->original[g->transpose_forward[i]];
		g->after_crop[i] = g->crop_hi[i] - g->crop_lo[i];
	}
}

bool grids_from_frame(struct grids *g, const struct frame *f)
{
	const msgpack_object *m = mpk_get_map(mpk_get_map(&f->header, "geometry"), "network");
	int64_t axes[3], flip[3] = {0};
	int seen = 0;
	size_t n;

	*g = (struct grids){0};
	if (!m)
		return fail(XDATA, "its header has no geometry.network; it has not come through normalize");
	if (!mpk_get_ints(m, "original", g->original, 3) || !mpk_get_reals(m, "spacing_mm", g->spacing_mm, 3) ||
	    !mpk_get_ints(m, "transpose_forward", axes, 3) || !mpk_get_ints(m, "crop_lo", g->crop_lo, 3) ||
	    !mpk_get_ints(m, "crop_hi", g->crop_hi, 3) || !mpk_get_ints(m, "shape", g->network, 3) ||
	    !mpk_get_reals(m, "network_spacing_mm", g->network_spacing, 3))
		return fail(XDATA, "geometry.network of its header lacks a key, or one is of a wrong type");
	if ((mpk_get(m, "flip") && !mpk_get_ints(m, "flip", flip, 3)) ||
	    (mpk_get(m, "reader_spacing") && !mpk_get_reals(m, "reader_spacing", g->spacing, 3)))
		return fail(XDATA, "flip or reader_spacing in geometry.network of its header is not of three numbers");
	for (int i = 0; i < 3; i++) {
		if (axes[i] < 0 || axes[i] > 2)
			return fail(XDATA, "geometry.network.transpose_forward of its header is no order of axes");
		seen |= 1 << axes[i];
		g->transpose_forward[i] = (int)axes[i];
		g->flip[i] = flip[i];
		if (!mpk_get(m, "reader_spacing"))
			g->spacing[i] = g->spacing_mm[axes[i]];
		if (g->original[i] < 1 || g->network[i] < 1 || !(g->spacing_mm[i] > 0) || !isfinite(g->spacing_mm[i]) ||
		    !(g->spacing[i] > 0) || !isfinite(g->spacing[i]) ||
		    !(g->network_spacing[i] > 0) || !isfinite(g->network_spacing[i]))
			return fail(XDATA, "a length or spacing in geometry.network of its header is not positive");
	}
	if (seen != 7)
		return fail(XDATA, "geometry.network.transpose_forward of its header is no order of axes");
	derive(g);
	for (int i = 0; i < 3; i++)
		if (g->crop_lo[i] < 0 || g->crop_lo[i] >= g->crop_hi[i] || g->crop_hi[i] > g->before_crop[i])
			return fail(XDATA, "the crop box in geometry.network of its header is outside the image");
	if (!size_of_block(&n, DT_F4, 1, g->original[0], g->original[1], g->original[2]) ||
	    !size_of_block(&n, DT_F4, 1, g->network[0], g->network[1], g->network[2]))
		return fail(XDATA, "the size of a grid in geometry.network of its header overflows");
	return true;
}

/* ---- to the network ---- */

static void set_grids(struct grids *g, const float *image, int64_t channels, const int64_t shape[3], const double spacing_mm[3],
                      const struct orientation *o, const struct plan *p)
{
	static const struct orientation as_it_is = { .axis = { 0, 1, 2 } };
	int64_t lo[3], hi[3];

	*g = (struct grids){0};
	crop_box(lo, hi, image, channels, shape);
	for (int i = 0; i < 3; i++) {
		const struct orientation *turn = o ? o : &as_it_is;
		int turned = p->transpose_forward[i], axis = turn->axis[turned];
		g->original[i] = shape[i];
		g->spacing_mm[i] = spacing_mm[i];
		g->transpose_forward[i] = axis;
		g->flip[i] = turn->flip[turned];
		g->spacing[i] = o ? o->spacing_mm[axis] : spacing_mm[axis];
		g->crop_lo[i] = g->flip[i] ? shape[axis] - hi[axis] : lo[axis];
		g->crop_hi[i] = g->flip[i] ? shape[axis] - lo[axis] : hi[axis];
	}
	derive(g);
	for (int i = 0; i < 3; i++)
		g->network_spacing[i] = i == 0 && p->is_2d ? g->spacing[0] : p->spacing[i];
	resample_shape(g->network, g->after_crop, g->spacing, g->network_spacing);
	if (p->data.kind == RESAMPLE_IDENTITY)
		memcpy(g->network, g->after_crop, sizeof g->network);
}

static bool check_grids(const struct grids *g, int64_t channels, bool segmented, const struct plan *p)
{
	size_t bytes;

	for (int i = 0; i < 3; i++)
		if (g->network[i] < 1)
			return fail(XDATA, "%lld voxels at %g mm would become %lld at the %g mm of the plan",
			            (long long)g->after_crop[i], g->spacing[i], (long long)g->network[i], g->network_spacing[i]);
	if (!size_of_block(&bytes, DT_F4, channels, g->network[0], g->network[1], g->network[2]) || bytes > memory_limit)
		return fail(XDATA,
		            "the plan's grid for it, %lld x %lld x %lld, is over the limit of %zu MiB (--memory raises it)",
		            (long long)g->network[0], (long long)g->network[1], (long long)g->network[2], memory_limit >> 20);
	if (segmented && p->seg.kind == RESAMPLE_IDENTITY && memcmp(g->network, g->after_crop, sizeof g->network))
		return fail(XDATA, "the plan resamples images but not segmentations (no_resampling_hack)");
	return true;
}

/* The rows of the crop box, from {0} on: where one begins in the cropped array and in the file's, and the step there. */
struct rows { int64_t i, j; size_t at, file; int64_t step; };

static bool next_row(struct rows *r, const struct grids *g)
{
	int64_t stride[3], first = grids_strides(stride, g);

	if (r->step && ++r->j == g->after_crop[1]) {
		r->j = 0;
		r->i++;
	}
	r->step = stride[2];
	r->at = (size_t)((r->i * g->after_crop[1] + r->j) * g->after_crop[2]);
	r->file = (size_t)(first + (r->i + g->crop_lo[0]) * stride[0] + (r->j + g->crop_lo[1]) * stride[1] + g->crop_lo[2] * stride[2]);
	return r->i < g->after_crop[0];
}

/* Where the crop is not zero in some channel, holes filled: [after_crop]. */
static unsigned char *nonzero_mask(const float *image, int64_t channels, const struct grids *g)
{
	unsigned char *mask = xcalloc(voxels_of(g->after_crop), 1);

	for (int64_t c = 0; c < channels; c++, image += voxels_of(g->original)) {
		struct rows r = {0};
		while (next_row(&r, g))
			for (int64_t k = 0; k < g->after_crop[2]; k++)
				mask[r.at + (size_t)k] |= image[r.file + (size_t)(k * r.step)] != 0;
	}
	crop_fill_holes(mask, g->after_crop);
	return mask;
}

/* A label map in the crop: 0 outside the mask becomes -1. */
static int16_t *crop_labels(const unsigned char *mask, const int16_t *label, const struct grids *g)
{
	int16_t *seg = xmalloc(voxels_of(g->after_crop), sizeof *seg);
	struct rows r = {0};

	while (next_row(&r, g))
		for (int64_t k = 0; k < g->after_crop[2]; k++) {
			int16_t v = label[r.file + (size_t)(k * r.step)];
			seg[r.at + (size_t)k] = v == 0 && !mask[r.at + (size_t)k] ? -1 : v;
		}
	return seg;
}

/* One-hot channels of the foreground labels, out [n_foreground][network]. */
static void add_labels(float *out, const int16_t *seg, const struct labels *labels, const struct grids *g, const struct plan *p)
{
	size_t n = voxels_of(g->network);
	int16_t *resampled = xmalloc(n, sizeof *resampled);

	resample_seg(resampled, g->network, seg, g->after_crop, &p->seg, g->spacing, g->network_spacing);
	for (int c = 0; c < labels->n_foreground; c++)
		for (size_t i = 0; i < n; i++)
			*out++ = resampled[i] == labels->foreground[c];
	free(resampled);
}

/* Crops, normalizes and resamples one channel into out [network]; on an unchanged grid the crop is made there. */
static bool one_channel(float *out, const float *image, int channel, const unsigned char *mask, const struct grids *g,
                        const struct plan *p)
{
	size_t n = voxels_of(g->after_crop);
	bool unchanged = !memcmp(g->network, g->after_crop, sizeof g->network), ok;
	float *crop = unchanged ? out : xaligned(n, sizeof *crop);
	struct rows r = {0};

	while (next_row(&r, g))
		for (int64_t k = 0; k < g->after_crop[2]; k++)
			crop[r.at + (size_t)k] = image[r.file + (size_t)(k * r.step)];
	ok = normalize_channel(crop, n, p->scheme[channel], p->use_mask[channel] ? mask : NULL, &p->intensities[channel]) &&
	     (unchanged || resample_float(out, g->network, crop, g->after_crop, 1, &p->data, g->spacing, g->network_spacing, false, NULL));
	if (!ok)
		fail_prefix("channel %d", channel);
	if (!unchanged)
		free(crop);
	return ok;
}

bool preprocess(float **out, struct grids *g, const float *image, int64_t channels, const int64_t shape[3],
                const double spacing_mm[3], const struct orientation *o, const int16_t *previous, const struct labels *labels, const struct plan *p)
{
	return preprocess_training(out, NULL, g, image, channels, shape, spacing_mm, o, previous, NULL, labels, p);
}

bool preprocess_training(float **out, int16_t **label_out, struct grids *g, const float *image, int64_t channels,
                         const int64_t shape[3], const double spacing_mm[3], const struct orientation *o, const int16_t *previous,
                         const int16_t *label, const struct labels *labels, const struct plan *p)
{
	int64_t all = channels + (previous ? labels->n_foreground : 0);
	bool masked = previous || label, ok = true;
	unsigned char *mask = NULL;
	int16_t *seg = NULL, *truth = NULL;

	if (channels != p->n_channels)
		return fail(XDATA, "the image has %lld channels, the plan %d", (long long)channels, p->n_channels);
	set_grids(g, image, channels, shape, spacing_mm, o, p);
	if (!check_grids(g, all, previous || label, p))
		return false;
	for (int c = 0; c < p->n_channels; c++)
		masked |= p->use_mask[c] && p->scheme[c] == NORM_ZSCORE;
	if (masked)
		mask = nonzero_mask(image, channels, g);
	if (label)
		truth = crop_labels(mask, label, g);
	if (previous)
		seg = crop_labels(mask, previous, g);
	/* Inside is then what has a label: in training the true one, by which all stages are normalised. */
	for (size_t i = 0, n = truth || seg ? voxels_of(g->after_crop) : 0; i < n; i++)
		mask[i] = (truth ? truth : seg)[i] >= 0;
	*out = xaligned((size_t)all * voxels_of(g->network), sizeof **out);
	for (int c = 0; c < p->n_channels && ok; c++)
		ok = one_channel(*out + (size_t)c * voxels_of(g->network), image + (size_t)c * voxels_of(shape), c, mask, g, p);
	if (ok && previous)
		add_labels(*out + (size_t)channels * voxels_of(g->network), seg, labels, g, p);
	if (ok && label) {
		*label_out = xmalloc(voxels_of(g->network), sizeof **label_out);
		resample_seg(*label_out, g->network, truth, g->after_crop, &p->seg, g->spacing, g->network_spacing);
	}
	free(truth);
	free(seg);
	free(mask);
	if (!ok) {
		free(*out);
		*out = NULL;
	}
	return ok;
}
