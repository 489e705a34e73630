/* The five normalisations against their formulas (contract 2.4), and through preprocess() with masks. */
#include "common/intensity.h"
#include "common/preprocess.h"
#include "tests/preprocess/check.h"

enum { N = 999 };
static const struct intensities stats = { .mean = 40, .std = 25, .percentile_00_5 = -30, .percentile_99_5 = 120 };

static void fill(float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = (float)(1000 + 300 * uniform());
}

static void zscore(void)
{
	float x[N], y[N];
	unsigned char mask[N];
	double mean = 0, variance = 0, inside = 0;

	fill(x, N);
	for (int i = 0; i < N; i++)
		inside += mask[i] = pick(3) > 0;
	memcpy(y, x, sizeof x);
	CHECK(normalize_channel(y, N, NORM_ZSCORE, mask, NULL), "%s", failed_text());
	for (int i = 0; i < N; i++)
		mean += mask[i] ? x[i] / inside : 0;
	for (int i = 0; i < N; i++)
		variance += mask[i] ? (x[i] - mean) * (x[i] - mean) / inside : 0;
	for (int i = 0; i < N; i++)
		if (mask[i])
			CHECK(fabs(y[i] - (x[i] - mean) / sqrt(variance)) < 1e-5, "voxel %d: %g", i, y[i]);
		else
			CHECK(y[i] == x[i], "voxel %d outside the mask was changed", i);
	/* without a mask; a constant channel becomes 0, for the standard deviation is never less than 1e-8 */
	for (int i = 0; i < N; i++)
		y[i] = 7;
	CHECK(normalize_channel(y, N, NORM_ZSCORE, NULL, NULL) && y[0] == 0 && y[N - 1] == 0, "constant");
	memset(mask, 0, sizeof mask);
	memcpy(y, x, sizeof x);
	CHECK(normalize_channel(y, N, NORM_ZSCORE, mask, NULL) && !memcmp(x, y, sizeof x), "an empty mask changes nothing");
}

static void others(void)
{
	float x[N], y[N], min = INFINITY, max = -INFINITY;

	for (int i = 0; i < N; i++)
		x[i] = (float)(50 + 200 * uniform());
	memcpy(y, x, sizeof x);
	CHECK(normalize_channel(y, N, NORM_CT, NULL, &stats), "%s", failed_text());
	for (int i = 0; i < N; i++)
		CHECK(fabs(y[i] - (fmin(fmax(x[i], -30), 120) - 40) / 25) < 1e-6, "CT, voxel %d", i);
	memcpy(y, x, sizeof x);
	CHECK(normalize_channel(y, N, NORM_NONE, NULL, NULL) && !memcmp(x, y, sizeof x), "NoNormalization changes nothing");
	CHECK(normalize_channel(y, N, NORM_RESCALE_0_1, NULL, NULL), "%s", failed_text());
	for (int i = 0; i < N; i++) {
		min = fminf(min, x[i]);
		max = fmaxf(max, x[i]);
	}
	for (int i = 0; i < N; i++)
		CHECK(fabs(y[i] - ((double)x[i] - min) / ((double)max - min)) < 1e-6 && y[i] >= 0 && y[i] <= 1,
		      "to 0..1, voxel %d: %g", i, y[i]);
	y[0] = y[1] = 5;
	CHECK(normalize_channel(y, 2, NORM_RESCALE_0_1, NULL, NULL) && y[0] == 0 && y[1] == 0, "a constant channel");
	y[0] = 0, y[1] = 255, y[2] = 51;
	CHECK(normalize_channel(y, 3, NORM_RGB_0_1, NULL, NULL) && y[0] == 0 && y[1] == 1 && y[2] == 0.2f, "RGB");
	for (int i = 0; i < 3; i++) {
		y[1] = (float[]){ -1, 256, NAN }[i];
		CHECK(!normalize_channel(y, 2, NORM_RGB_0_1, NULL, NULL) && failed_code() == XDATA &&
		              strstr(failed_text(), "0 to 255"),
		      "RGB out of range");
	}
}

/* NaN: what numpy makes of it, unless nothing else is left. */
static void nans(void)
{
	float y[4] = { 1, NAN, 3, 4 };
	const unsigned char mask[4] = { 1, 1, 1, 0 };

	CHECK(normalize_channel(y, 4, NORM_CT, NULL, &stats) && isnan(y[1]) && isfinite(y[0]), "CT leaves other voxels alone");
	CHECK(normalize_channel(y, 4, NORM_NONE, NULL, NULL) && isnan(y[1]), "none");
	y[3] = 5;
	CHECK(normalize_channel(y, 4, NORM_ZSCORE, mask, NULL) && isnan(y[0]) && y[3] == 5, "in the mask all is NaN");
	for (int i = 0; i < 2; i++) {
		float z[4] = { 1, i ? NAN : INFINITY, 3, 4 };
		CHECK(!normalize_channel(z, 4, i ? NORM_RESCALE_0_1 : NORM_ZSCORE, NULL, NULL) && failed_code() == XDATA &&
		              strstr(failed_text(), "NaN"),
		      "all NaN");
	}
}

/* A mask on anisotropic data: statistics of the nonzero voxels with holes filled, before resampling; zeros outside stay. */
static void masked(void)
{
	static float image[5 * 12 * 12];
	const int64_t shape[3] = { 5, 12, 12 };
	const double spacing[3] = { 8, 1, 1 };
	struct plan p = { .n_channels = 1, .patch_size = { 1, 8, 8 }, .spacing = { 8, 1, 1 }, .transpose_forward = { 0, 1, 2 },
	                  .scheme = { NORM_ZSCORE }, .use_mask = { true }, .data = { .order = 3, .force_separate_z = -1 } };
	struct grids g;
	float *out;
	double mean = 0, variance = 0;
	int inside = 0;

	for (int z = 0; z < 5; z++)
		for (int y = 0; y < 12; y++)
			for (int x = 0; x < 12; x++) {
				bool in = (y - 5) * (y - 5) + (x - 6) * (x - 6) < 18;
				image[(z * 12 + y) * 12 + x] = in ? (float)(100 + 20 * uniform()) : 0;
			}
	image[(2 * 12 + 5) * 12 + 6] = 0;               /* a hole, which belongs to the mask; one on the face, which does not */
	image[(0 * 12 + 5) * 12 + 6] = 0;
	for (int i = 0; i < 5 * 12 * 12; i++)
		inside += image[i] != 0 || i == (2 * 12 + 5) * 12 + 6;
	for (int i = 0; i < 5 * 12 * 12; i++)
		mean += image[i] / inside;
	for (int i = 0; i < 5 * 12 * 12; i++)
		variance += image[i] != 0 || i == (2 * 12 + 5) * 12 + 6 ? (image[i] - mean) * (image[i] - mean) / inside : 0;
	CHECK(preprocess(&out, &g, image, 1, shape, spacing, NULL, NULL, NULL, &p), "%s", failed_text());
	for (int64_t z = 0, i = 0; z < g.network[0]; z++)
		for (int64_t y = 0; y < g.network[1]; y++)
			for (int64_t x = 0; x < g.network[2]; x++, i++) {
				int64_t from = ((z + g.crop_lo[0]) * 12 + y + g.crop_lo[1]) * 12 + x + g.crop_lo[2];
				double want = image[from] != 0 || from == (2 * 12 + 5) * 12 + 6
				                      ? (image[from] - mean) / sqrt(variance)
				                      : 0;
				CHECK(fabs(out[i] - want) < 1e-5, "voxel %d: %g, should be %g", (int)from, out[i], want);
			}
	CHECK(g.network[1] < 12 && g.network[0] == 5, "nothing was cropped");
	free(out);
}

int main(void)
{
	zscore();
	others();
	nans();
	masked();
	DONE();
}
