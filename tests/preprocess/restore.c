/* There and back: crop, transposes, resampling, activation, the previous stage's labels, and grids in a frame's header. */
#include "common/preprocess.h"
#include "common/resample.h"
#include "tests/preprocess/check.h"

static const int orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
static const double sizes[3] = { 2, 1, 1.5 };
static const int64_t shape[3] = { 5, 7, 9 };
enum { VOXELS = 5 * 7 * 9 };

static struct plan a_plan(const int *forward)
{
	struct plan p = { .n_channels = 2,
		          .scheme = { NORM_NONE, NORM_NONE },
		          .data = { .order = 3, .force_separate_z = -1 },
		          .seg = { .order = 1, .is_seg = true, .force_separate_z = -1 },
		          .probabilities = { .order = 1, .force_separate_z = -1 } };

	for (int i = 0; i < 3; i++) {
		p.transpose_forward[i] = forward[i];
		p.transpose_backward[forward[i]] = i;
		p.spacing[i] = sizes[forward[i]];
	}
	return p;
}

/* Labels 0, 1, 2, or regions {1, 2} and {2}. */
static struct labels some_labels(bool regions)
{
	static int zero[] = { 0 }, one[] = { 1 }, two[] = { 2 }, both[] = { 1, 2 }, order[] = { 1, 2 }, foreground[] = { 1, 2 };
	static struct label plain[] = { { "background", 1, zero, false }, { "a", 1, one, false }, { "b", 1, two, false } };
	static struct label nested[] = { { "background", 1, zero, false }, { "a", 2, both, true }, { "b", 1, two, false } };

	return (struct labels){ .n = 3,
		                .entry = regions ? nested : plain,
		                .ignore = -1,
		                .n_order = regions ? 2 : 0,
		                .regions_class_order = order,
		                .has_regions = regions,
		                .n_outputs = regions ? 2 : 3,
		                .n_foreground = 2,
		                .foreground = foreground,
		                .max_value = 2 };
}

/* Two channels, zero but in a box. */
static void an_image(float *image)
{
	for (int i = 0; i < 2 * VOXELS; i++) {
		int z = i % VOXELS / 63, y = i / 9 % 7, x = i % 9;
		image[i] = z >= 1 && z < 4 && y >= 2 && y < 7 && x >= 0 && x < 6 ? (float)(2 + uniform()) : 0;
	}
}

/* Planes lo..hi of one axis of [channels][shape]. */
static float *planes_of(const float *in, int64_t channels, const int64_t s[3], int axis, int64_t lo, int64_t hi)
{
	size_t inner = (size_t)(axis == 2 ? 1 : axis == 1 ? s[2] : s[1] * s[2]), n = (size_t)(hi - lo) * inner;
	size_t outer = (size_t)(channels * s[0] * s[1] * s[2]) / (size_t)s[axis] / inner;
	float *out = xmalloc(outer * n, sizeof *out);

	for (size_t o = 0; o < outer; o++)
		memcpy(out + o * n, in + (o * (size_t)s[axis] + (size_t)lo) * inner, n * sizeof *out);
	return out;
}

/* restore() of the whole volume, and slab by slab for slabs of any size, which has to give the same bytes. */
static bool back(float **out, const float *logits, int64_t channels, const struct grids *g, const struct plan *p,
                 const struct labels *labels, bool parity, bool logits_only)
{
	const struct restore r = { .grids = g, .plan = p, .labels = labels, .channels = channels, .parity = parity, .logits_only = logits_only };
	const int64_t *s = g->original, area = s[1] * s[2];

	*out = NULL;
	if (!restore_possible(&r))
		return false;
	for (int64_t dz = s[0]; dz > 0; dz--) {
		float *volume = xmalloc((size_t)(channels * s[0] * area), sizeof *volume);
		for (int64_t z = 0, n, lo, hi; z < s[0]; z += n) {
			n = s[0] - z < dz ? s[0] - z : dz;
			restore_reach(&lo, &hi, &r, z, n);
			float *in = planes_of(logits, channels, g->network, restore_axis(&r), lo, hi);
			float *slab = xmalloc((size_t)(channels * n * area), sizeof *slab);
			if (!restore(slab, in, &r, z, n))
				return false;
			for (int64_t c = 0; c < channels; c++)
				memcpy(volume + (c * s[0] + z) * area, slab + c * n * area, (size_t)(n * area) * sizeof *slab);
			free(in);
			free(slab);
		}
		if (!*out) {
			*out = volume;
			continue;
		}
		CHECK(!memcmp(volume, *out, (size_t)(channels * s[0] * area) * sizeof *volume), "slabs of %d planes differ", (int)dz);
		free(volume);
	}
	return true;
}

/* What goes to the network at the image's own spacing comes back as it was, for every order of axes. */
static void there_and_back(void)
{
	static float image[2 * VOXELS];
	const struct labels l = some_labels(true);              /* two outputs */
	struct grids g, h;
	struct frame f = {0};
	float *in, *out;

	an_image(image);
	for (int o = 0; o < 6; o++) {
		struct plan p = a_plan(orders[o]);
		CHECK(preprocess(&in, &g, image, 2, shape, sizes, NULL, NULL, NULL, &p), "%s", failed_text());
		CHECK(g.after_crop[0] * g.after_crop[1] * g.after_crop[2] == 3 * 5 * 6, "the crop box of order %d", o);
		for (int64_t i = 0, n = 0; i < g.network[0]; i++) /* axis a of the network is axis forward[a] of the image */
			for (int64_t j = 0; j < g.network[1]; j++)
				for (int64_t k = 0; k < g.network[2]; k++, n++) {
					int64_t at[3];
					at[orders[o][0]] = i + g.crop_lo[0];
					at[orders[o][1]] = j + g.crop_lo[1];
					at[orders[o][2]] = k + g.crop_lo[2];
					CHECK(in[n] == image[(at[0] * 7 + at[1]) * 9 + at[2]], "order %d, voxel %d", o, (int)n);
				}
		frame_reset(&f, "case");
		grids_to_frame(&f, &g);
		CHECK(grids_from_frame(&h, &f) && !memcmp(&g, &h, sizeof g), "grids in a header: %s", failed_text());
		CHECK(back(&out, in, 2, &h, &p, &l, false, true), "%s", failed_text());
		CHECK(!memcmp(out, image, sizeof image), "order %d does not come back", o);
		free(in);
		free(out);
	}
	frame_free(&f);
}

/* The same for every way in which a reader can turn a volume first, with a spacing of its own. */
static void turned(void)
{
	static float image[2 * VOXELS], plain[2 * VOXELS];
	const struct labels l = some_labels(true);
	struct grids g, h;
	struct frame f = {0};
	float *in, *out;

	an_image(image);
	for (int i = 0; i < 2 * VOXELS; i++)
		plain[i] = image[i] > 0 ? 1 / (1 + expf(-image[i])) : 0;
	for (int way = 0; way < 6 * 8; way++) {
		struct orientation o = { .flip = { way & 1, way & 2, way & 4 }, .spacing_mm = { 3, 1, 2.5 } };
		struct plan p = a_plan(orders[way % 5]);
		memcpy(o.axis, orders[way / 8], sizeof o.axis);
		for (int i = 0; i < 3; i++)
			p.spacing[i] = o.spacing_mm[o.axis[p.transpose_forward[i]]];
		CHECK(preprocess(&in, &g, image, 2, shape, sizes, &o, NULL, &l, &p), "%s", failed_text());
		for (int64_t i = 0, n = 0; i < g.network[0]; i++)
			for (int64_t j = 0; j < g.network[1]; j++)
				for (int64_t k = 0; k < g.network[2]; k++, n++) {
					int64_t v[3], at[3];            /* in the turned volume, in the file's */
					v[p.transpose_forward[0]] = i + g.crop_lo[0];
					v[p.transpose_forward[1]] = j + g.crop_lo[1];
					v[p.transpose_forward[2]] = k + g.crop_lo[2];
					for (int a = 0; a < 3; a++)
						at[o.axis[a]] = o.flip[a] ? shape[o.axis[a]] - 1 - v[a] : v[a];
					CHECK(in[n] == image[(at[0] * 7 + at[1]) * 9 + at[2]], "way %d, voxel %d", way, (int)n);
				}
		CHECK(!memcmp(g.spacing, p.spacing, sizeof g.spacing) && !memcmp(g.spacing_mm, sizes, sizeof sizes), "spacings of way %d", way);
		frame_reset(&f, "case");
		grids_to_frame(&f, &g);
		CHECK(grids_from_frame(&h, &f) && !memcmp(&g, &h, sizeof g), "way %d in a header: %s", way, failed_text());
		CHECK(back(&out, in, 2, &h, &p, &l, false, true) && !memcmp(out, image, sizeof image), "way %d does not come back", way);
		free(out);
		CHECK(back(&out, in, 2, &h, &p, &l, false, false) && !memcmp(out, plain, sizeof plain), "probabilities of way %d", way);
		free(in);
		free(out);
	}
	frame_free(&f);
}

/* Probabilities: softmax or sigmoid inside, exactly background outside; other spacing: resampled before. */
static void probabilities(bool regions, bool parity, bool resampled)
{
	static float image[2 * VOXELS], channel[VOXELS];
	const struct labels l = some_labels(regions);
	struct plan p = a_plan(orders[3]);
	int64_t channels = l.n_outputs, n;
	float *in, *logits, *out;
	double sum[VOXELS] = {0}, e[3][VOXELS];
	struct grids g;
	int outside = 0;

	for (int i = 0; i < 3 && resampled; i++)
		p.spacing[i] *= 0.7;
	an_image(image);
	CHECK(preprocess(&in, &g, image, 2, shape, sizes, NULL, NULL, NULL, &p), "%s", failed_text());
	n = g.network[0] * g.network[1] * g.network[2];
	logits = xmalloc((size_t)(channels * n), sizeof *logits);
	for (int64_t i = 0; i < channels * n; i++)
		logits[i] = half_round((float)(6 * uniform()));
	CHECK(back(&out, logits, channels, &g, &p, &l, parity, false), "%s", failed_text());
	for (int c = 0; c < channels; c++) {
		CHECK(resample_float(channel, g.after_crop, logits + c * n, g.network, 1, &p.probabilities, g.network_spacing,
		                     g.spacing, parity, NULL),
		      "%s", failed_text());
		for (int i = 0; i < 3 * 5 * 6; i++)
			sum[i] += e[c][i] = exp(channel[i]);
	}
	for (int z = 0; z < 5; z++)
		for (int y = 0; y < 7; y++)
			for (int x = 0; x < 9; x++) {
				const int at[3] = { z, y, x };
				int64_t k[3], i;
				bool inside = true;
				for (int a = 0; a < 3; a++) {
					k[a] = at[orders[3][a]] - g.crop_lo[a];
					inside &= k[a] >= 0 && k[a] < g.after_crop[a];
				}
				i = (k[0] * g.after_crop[1] + k[1]) * g.after_crop[2] + k[2];
				for (int c = 0; c < channels; c++) {
					double got = out[c * VOXELS + (z * 7 + y) * 9 + x];
					double want = !inside   ? !regions && c == 0
					              : regions ? e[c][i] / (1 + e[c][i])
					                        : e[c][i] / sum[i];
					CHECK(inside ? fabs(got - want) < 1e-6 : got == want,
					      "regions %d, channel %d: %.9g, should be %.9g", regions, c, got, want);
					outside += !inside;
				}
			}
	CHECK(outside > 0, "nothing outside the crop");
	free(in);
	free(logits);
	free(out);
}

/* Slabs of planes along any axis, flipped or not, by any resampler, to a coarser and to a finer grid. */
static void slabs(void)
{
	static const struct resampler ways[] = { { .kind = RESAMPLE_DEFAULT, .order = 1, .force_separate_z = 0 },
		{ .kind = RESAMPLE_DEFAULT, .order = 1, .force_separate_z = 1 }, { .kind = RESAMPLE_DEFAULT, .order = 3, .force_separate_z = -1 },
		{ .kind = RESAMPLE_DEFAULT, .order = 3, .force_separate_z = 1 }, { .kind = RESAMPLE_DEFAULT, .order_z = 1, .force_separate_z = 1 },
		{ .kind = RESAMPLE_TORCH, .force_separate_z = 1 }, { .kind = RESAMPLE_TORCH_SIMPLE } };
	static float image[2 * VOXELS];
	const struct labels l = some_labels(false);
	struct grids g;
	float *in, *logits, *out;

	an_image(image);
	for (int way = 0; way < 6 * 8 * 7; way++) {
		struct orientation o = { .axis = { 0, 1, 2 }, .flip = { way & 1, way & 2, way & 4 }, .spacing_mm = { 3, 1, 2.5 } };
		struct plan p = a_plan(orders[way / 8 % 6]);
		size_t n;
		p.probabilities = ways[way / 48];
		for (int i = 0; i < 3; i++)
			p.spacing[i] = o.spacing_mm[p.transpose_forward[i]] * (way % 2 ? 0.6 : 1.7);
		CHECK(preprocess(&in, &g, image, 2, shape, sizes, &o, NULL, &l, &p), "%s", failed_text());
		n = (size_t)(l.n_outputs * g.network[0] * g.network[1] * g.network[2]);
		logits = xmalloc(n, sizeof *logits);
		for (size_t i = 0; i < n; i++)
			logits[i] = (float)(6 * uniform());
		CHECK(back(&out, logits, l.n_outputs, &g, &p, &l, way & 8, false), "%s", failed_text());
		free(in);
		free(logits);
		free(out);
	}
}

/* A logit of 6e-8 gives exactly a half, which is not more than a half. */
static void half(void)
{
	const struct labels l = some_labels(true);
	struct plan p = a_plan(orders[0]);
	struct grids g = { .original = { 1, 1, 1 },
		           .spacing_mm = { 1, 1, 1 },
		           .transpose_forward = { 0, 1, 2 },
		           .transpose_backward = { 0, 1, 2 },
		           .before_crop = { 1, 1, 1 },
		           .crop_hi = { 1, 1, 1 },
		           .after_crop = { 1, 1, 1 },
		           .spacing = { 1, 1, 1 },
		           .network = { 1, 1, 1 },
		           .network_spacing = { 1, 1, 1 } };
	float logits[2] = { 6e-8f, -200 }, *out;

	CHECK(back(&out, logits, 2, &g, &p, &l, false, false) && out[0] == 0.5f && out[1] == 0, "%.9g %.9g", out[0], out[1]);
	free(out);
	CHECK(!back(&out, logits, 1, &g, &p, &l, false, false) && strstr(failed_text(), "1 outputs"),
	      "one output for two regions");
}

/* Labels of the previous stage: channels after the image's; where the image is 0 and they are not, the mask is wider. */
static void cascade(void)
{
	static float image[VOXELS];
	int16_t previous[VOXELS];
	const struct labels l = some_labels(false);
	struct plan p = a_plan(orders[4]);
	struct grids g;
	float *out;
	int64_t n, wide = 0;

	p.n_channels = 1;
	p.scheme[0] = NORM_ZSCORE;
	p.use_mask[0] = true;
	for (int i = 0; i < VOXELS; i++) {
		image[i] = i % 9 < 5 || i % 9 == 7 ? 3 : 0;
		previous[i] = (int16_t)(i % 9 == 6 ? 2 : i % 9 == 1 ? 1 : i % 9 == 2 ? 5 : 0);
	}
	CHECK(preprocess(&out, &g, image, 1, shape, sizes, NULL, previous, &l, &p), "%s", failed_text());
	n = g.network[0] * g.network[1] * g.network[2];
	CHECK(n == 8 * 35, "%d voxels", (int)n);
	for (int64_t i = 0; i < n; i++) {
		int64_t x = i / (g.network[1] * g.network[2]);          /* the network's first axis is the image's last */
		CHECK(out[n + i] == (x == 1) && out[2 * n + i] == (x == 6), "label channels at column %d", (int)x);
		CHECK(x != 5 || out[i] == 0, "a voxel outside the mask was changed");
		wide += x == 6 && out[i] < -1;                          /* 0 among 3s: far below the mean */
	}
	CHECK(wide == 35, "the mask was not widened by labels: %d", (int)wide);
	free(out);
}

static void refusals(void)
{
	static float image[2 * VOXELS];
	struct plan p = a_plan(orders[0]);
	struct frame f = {0};
	struct grids g;
	float *out;
	int64_t bad[3] = { 0, 0, 99 };
	msgpack_object *network;

	an_image(image);
	CHECK(!preprocess(&out, &g, image, 1, shape, sizes, NULL, NULL, NULL, &p) && strstr(failed_text(), "1 channels"), "%s",
	      failed_text());
	p.spacing[2] = 1e9;
	CHECK(!preprocess(&out, &g, image, 2, shape, sizes, NULL, NULL, NULL, &p) && failed_code() == XDATA, "a grid of no voxels");
	p.spacing[2] = 1e-9;
	CHECK(!preprocess(&out, &g, image, 2, shape, sizes, NULL, NULL, NULL, &p) && strstr(failed_text(), "--memory"), "%s",
	      failed_text());
	p.spacing[2] = sizes[2];
	CHECK(preprocess(&out, &g, image, 2, shape, sizes, NULL, NULL, NULL, &p), "%s", failed_text());
	free(out);
	frame_reset(&f, "case");
	CHECK(!grids_from_frame(&g, &f) && strstr(failed_text(), "normalize"), "a frame without grids");
	CHECK(preprocess(&out, &g, image, 2, shape, sizes, NULL, NULL, NULL, &p), "%s", failed_text());
	free(out);
	for (int i = 0; i < 4; i++) {
		static const char *const keys[] = { "crop_hi", "transpose_forward", "original", "network_spacing_mm" };
		grids_to_frame(&f, &g);
		network = mpk_get(mpk_get(&f.header, "geometry"), "network");
		mpk_put(f.zone, network, keys[i], mpk_ints(f.zone, bad, 3));
		CHECK(!grids_from_frame(&g, &f) && failed_code() == XDATA, "%s", keys[i]);
		CHECK(preprocess(&out, &g, image, 2, shape, sizes, NULL, NULL, NULL, &p), "%s", failed_text());
		free(out);
	}
	frame_free(&f);
}

int main(void)
{
	there_and_back();
	turned();
	for (int i = 0; i < 8; i++)
		probabilities(i & 1, i & 2, i & 4);
	slabs();
	half();
	cascade();
	refusals();
	DONE();
}
