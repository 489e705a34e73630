/* Kernels of the device (images of windows, instance norm, what follows it) against plain loops, in all precisions. */
#include "tests/gpu/tensors.h"

static const enum precision precisions[] = { PRECISION_FP16, PRECISION_BF16, PRECISION_FP32 };

/* ---- gather ---- */

static void gather(enum precision p, int n_inputs, int c, const int64_t patch[3], const int64_t shape[3], bool odd)
{
	enum { IMAGES = 10 };
	size_t volume = (size_t)(shape[0] * shape[1] * shape[2]), voxels = (size_t)(patch[0] * patch[1] * patch[2]);
	size_t n = (size_t)n_inputs * volume, n_out = IMAGES * voxels * (size_t)c;
	float *v = numbers(PRECISION_FP32, n, 0, 1), *out = constants(n_out, UNTOUCHED);
	struct tile tile[IMAGES];
	void *d_v, *d_tile, *d_out;
	bool equal = true;

	snprintf(about, sizeof about, "gather %s, %d inputs, patch %lldx%lldx%lld", precision_name[p], n_inputs, (long long)patch[0],
	         (long long)patch[1], (long long)patch[2]);
	if (odd) {
		v[any((uint32_t)n)] = NAN;
		v[any((uint32_t)n)] = -INFINITY;
	}
	d_v = up(v, n * sizeof *v);
	for (int i = 0; i < IMAGES; i++) {
		tile[i] = (struct tile){ .volume = i == 8 ? NULL : d_v, .mirror = (uint32_t)i % 8 };
		for (int a = 0; a < 3; a++) {
			tile[i].shape[a] = shape[a];
			tile[i].origin[a] = (int64_t)any((uint32_t)(shape[a] + patch[a])) - patch[a] + 1;
			if (i == 9)
				tile[i].origin[a] = 1000;
		}
	}
	d_tile = up(tile, sizeof tile);
	d_out = up_as(p, out, n_out);
	taken(kernel_gather(p, d_out, d_tile, IMAGES, n_inputs, c, patch, stream()));
	down_as(p, out, d_out, n_out);
	for (size_t i = 0; i < n_out; i++) {
		size_t image = i / (size_t)c / voxels, voxel = i / (size_t)c % voxels, channel = i % (size_t)c;
		int64_t at[3] = { (int64_t)voxel / patch[2] / patch[1], (int64_t)voxel / patch[2] % patch[1], (int64_t)voxel % patch[2] };
		const struct tile *t = &tile[image];
		bool in = t->volume && channel < (size_t)n_inputs;
		float want = 0;
		for (int a = 0; a < 3; a++) {
			at[a] = t->origin[a] + (t->mirror >> a & 1 ? patch[a] - 1 - at[a] : at[a]);
			in &= at[a] >= 0 && at[a] < shape[a];
		}
		if (in)
			want = stored(p, v[channel * volume + (size_t)((at[0] * shape[1] + at[1]) * shape[2] + at[2])]);
		equal &= out[i] == want || (isnan(out[i]) && isnan(want));
	}
	check(equal, "voxels differ");
	let_go(d_v);
	let_go(d_tile);
	let_go(d_out);
	free(v);
	free(out);
}

static void all_gather(void)
{
	static const int64_t patch[][3] = { { 3, 5, 7 }, { 1, 9, 6 }, { 8, 8, 8 }, { 1, 1, 1 } };
	static const int64_t shape[][3] = { { 7, 6, 5 }, { 2, 11, 13 }, { 3, 20, 4 }, { 2, 2, 2 } };
	static const int inputs[][2] = { { 1, 4 }, { 3, 4 }, { 4, 4 }, { 5, 8 }, { 9, 16 } };

	for (int i = 0; i < 3; i++)
		for (int k = 0; k < 5; k++)
			for (int s = 0; s < 4; s++)
				gather(precisions[i], inputs[k][0], inputs[k][1], patch[s], shape[s], k == s);
}

/* ---- statistics ---- */

struct norm {
	enum precision p;
	int n, c;
	int64_t voxels;
	float *x, *gamma, *beta, *affine;
	void *d_x, *d_gamma, *d_beta, *d_affine;
};

static void norm_make(struct norm *s, enum precision p, int n, int64_t voxels, int c, float mean, float spread)
{
	size_t size = (size_t)n * (size_t)voxels * (size_t)c, pairs = (size_t)n * (size_t)c * 2;

	snprintf(about, sizeof about, "norm %s, %d images of %lld voxels, %d channels, mean %g, spread %g", precision_name[p], n,
	         (long long)voxels, c, (double)mean, (double)spread);
	*s = (struct norm){ .p = p, .n = n, .c = c, .voxels = voxels, .x = numbers(p, size, mean, spread) };
	s->gamma = numbers(PRECISION_FP32, (size_t)c, 1, 0.3f);
	s->beta = numbers(PRECISION_FP32, (size_t)c, 0, 1);
	s->affine = constants(pairs, UNTOUCHED);
	s->d_gamma = up(s->gamma, (size_t)c * sizeof(float));
	s->d_beta = up(s->beta, (size_t)c * sizeof(float));
	s->d_affine = up(s->affine, pairs * sizeof(float));
}

static void norm_free(struct norm *s)
{
	let_go(s->d_x);
	let_go(s->d_gamma);
	let_go(s->d_beta);
	let_go(s->d_affine);
	free(s->x);
	free(s->gamma);
	free(s->beta);
	free(s->affine);
}

/* Each test takes the same scratch, as the program does. */
static void *scratch;
static size_t scratch_bytes;
static const float eps = 1e-5f;

static void norm_run(struct norm *s)
{
	size_t pairs = (size_t)s->n * (size_t)s->c * 2, bytes = pairs * sizeof(float);
	float *again = xmalloc(pairs, sizeof *again);

	if (kernel_stats_scratch(s->n, s->voxels, s->c) > scratch_bytes)
		die(XIO, "%s: %zu bytes of scratch", about, kernel_stats_scratch(s->n, s->voxels, s->c));
	if (!s->d_x)
		s->d_x = up_as(s->p, s->x, pairs / 2 * (size_t)s->voxels);
	for (int turn = 0; turn < 2; turn++) {
		turn_round(turn);
		taken(kernel_stats(s->p, s->d_affine, s->d_x, s->n, s->voxels, s->c, s->d_gamma, s->d_beta, eps, scratch, stream()));
		down(turn ? again : s->affine, s->d_affine, bytes);
	}
	turn_round(false);
	check(!memcmp(again, s->affine, bytes), "another order of blocks gives other bytes");
	free(again);
}

/* What statistics make of a channel: want[0] scale, want[1] shift. */
static void norm_want(double want[2], const struct norm *s, int image, int channel)
{
	const float *x = s->x + (size_t)image * (size_t)s->voxels * (size_t)s->c + channel;
	double mean = 0, variance = 0;

	for (int64_t v = 0; v < s->voxels; v++)
		mean += (double)x[v * s->c];
	mean /= (double)s->voxels;
	for (int64_t v = 0; v < s->voxels; v++)
		variance += ((double)x[v * s->c] - mean) * ((double)x[v * s->c] - mean);
	variance /= (double)s->voxels;
	want[0] = (double)s->gamma[channel] / sqrt(variance + (double)eps);
	want[1] = (double)s->beta[channel] - mean * want[0];
}

/* far: how far the first voxel is from the others. */
static void norm_check(const struct norm *s, double far)
{
	double scale = 0, shift = 0;

	for (int i = 0; i < s->n; i++)
		for (int c = 0; c < s->c; c++) {
			const float *got = s->affine + ((size_t)i * (size_t)s->c + (size_t)c) * 2;
			double want[2];
			norm_want(want, s, i, c);
			scale = fmax(scale, fabs((double)got[0] - want[0]) / fabs(want[0]));
			shift = fmax(shift, fabs((double)got[1] - want[1]) / (fabs(want[0]) * (1 + far / 10) + fabs(want[1])));
			if (isnan(got[0]) || isnan(got[1]))
				scale = INFINITY;
		}
	/* Sums of at most 128 values in fp32, each with an error of 6e-8 of it; means likewise of their distance from the first voxel. */
	check(scale < 2e-6, "scales are off");
	check(shift < 1e-6, "shifts are off");
}

static void norm(enum precision p, int n, int64_t voxels, int c, float mean, float spread)
{
	struct norm s;

	norm_make(&s, p, n, voxels, c, mean, spread);
	norm_run(&s);
	norm_check(&s, 0);
	norm_free(&s);
}

/* One channel that cannot be normalised; the others can.  first: the value is that of the first voxel. */
static void norm_odd(enum precision p, float value, bool first)
{
	struct norm s;
	bool others = true, seen;

	norm_make(&s, p, 2, 700, 24, 0, 1);
	snprintf(about, sizeof about, "norm %s of %g%s", precision_name[p], (double)value, first ? ", the first voxel" : "");
	s.x[(700 + (first ? 0 : 613)) * 24 + 5] = value;
	if (isfinite(value))            /* squares whose sum is too large, though none is */
		s.x[(700 + 614) * 24 + 5] = -value;
	norm_run(&s);
	for (int i = 0; i < 48; i++)
		others &= i == 29 || (isfinite(s.affine[2 * i]) && isfinite(s.affine[2 * i + 1]));
	seen = isnan(s.affine[2 * 29]) && isnan(s.affine[2 * 29 + 1]);
	check(others, "another channel is not finite");
	check(seen, "the channel looks as if all were well");
	norm_free(&s);
}

static void all_norms(void)
{
	struct norm s;

	for (int i = 0; i < 3; i++) {
		enum precision p = precisions[i];
		norm(p, 2, 1000, 32, 0, 1);
		norm(p, 3, 1, 8, 0, 1);
		norm(p, 1, 2, 16, 5, 1);
		norm(p, 1, 64, 320, 0, 1);
		norm(p, 2, 777, 40, 0, 1);
		norm(p, 2, 33, 264, 1, 1);
		norm(p, 1, 9, 2056, 0, 1);
		norm(p, 1, 40009, 8, 0, 1);
		norm(p, 1, 9000, 32, -3, 0.5f);
		norm_odd(p, NAN, false);
		norm_odd(p, INFINITY, false);
		norm_odd(p, -INFINITY, true);

		/* All alike: the variance is 0. */
		norm_make(&s, p, 1, 500, 8, 3, 0);
		norm_run(&s);
		norm_check(&s, 0);
		norm_free(&s);

		/* The first voxel, from which others are counted, is far away. */
		norm_make(&s, p, 1, 5000, 16, 0, 1);
		snprintf(about, sizeof about, "norm %s with an odd first voxel", precision_name[p]);
		for (int c = 0; c < 16; c++)
			s.x[c] = 1000;
		norm_run(&s);
		norm_check(&s, 1000);
		norm_free(&s);
	}
	norm(PRECISION_FP16, 1, 5000, 16, 1000, 2);
	norm(PRECISION_BF16, 1, 5000, 16, 1000, 10);
	norm(PRECISION_FP32, 1, 5000, 16, 1000, 0.02f);
	norm_odd(PRECISION_FP32, 1e25f, false);
	norm_odd(PRECISION_BF16, 1e25f, true);
	norm_odd(PRECISION_FP32, 1.5e19f, false);
}

/* ---- apply ---- */

enum { OWN = 1, SHARED = 2, RESIDUAL = 4, RESIDUAL_OWN = 8, RESIDUAL_SHARED = 16, FIRST = 32, SECOND = 64, IN_PLACE = 128 };

static double leaky(double x, double slope) { return x < 0 ? x * slope : x; }

/* The value of affine (own: [n][c][2], shared: [c][2], NULL: 1 and 0) at x. */
static double at_affine(const float *affine, bool own, size_t image, size_t channel, size_t c, double x)
{
	const float *a = affine + ((own ? image * c : 0) + channel) * 2;

	return affine ? x * (double)a[0] + (double)a[1] : x;
}

static void apply(enum precision p, unsigned what, int n, int64_t voxels, int c, float slope)
{
	size_t C = (size_t)c, V = (size_t)voxels, size = (size_t)n * V * C, pairs = (size_t)n * C * 2;
	int pitch[2] = { c, 2 * c + 8 }, offset[2] = { 0, c };
	float *x = numbers(p, size, 0, 1), *r = numbers(p, size, 0, 1), *y;
	float *affine = numbers(PRECISION_FP32, pairs, 0.5f, 1), *residual_affine = numbers(PRECISION_FP32, pairs, 0.5f, 1);
	struct applying a = { .x = up_as(p, x, size), .slope = slope, .shared = what & SHARED, .residual_shared = what & RESIDUAL_SHARED };

	snprintf(about, sizeof about, "apply %s, %#x, %d images of %lld voxels, %d channels, slope %g", precision_name[p], what, n,
	         (long long)voxels, c, (double)slope);
	if (what & (OWN | SHARED))
		a.affine = up(affine, pairs * sizeof(float));
	if (what & RESIDUAL)
		a.residual = up_as(p, r, size);
	if (what & (RESIDUAL_OWN | RESIDUAL_SHARED))
		a.residual_affine = up(residual_affine, pairs * sizeof(float));
	for (int i = 0; i < 2; i++)
		if (what & (i ? SECOND : FIRST)) {
			y = constants((size_t)n * V * (size_t)pitch[i], UNTOUCHED);
			a.to[i] = (struct placing){ up_as(p, y, (size_t)n * V * (size_t)pitch[i]), pitch[i], offset[i] };
			free(y);
		}
	if (what & IN_PLACE)
		a.to[0] = (struct placing){ (void *)(uintptr_t)a.x, c, 0 };
	taken(kernel_apply(p, &a, n, voxels, c, stream()));
	for (int i = 0; i < 2; i++) {
		size_t wide = (size_t)pitch[i], from = (size_t)offset[i];
		bool right = true, outside = true;
		if (!a.to[i].y)
			continue;
		y = constants((size_t)n * V * wide, 0);
		down_as(p, y, a.to[i].y, (size_t)n * V * wide);
		for (size_t k = 0; k < (size_t)n * V * wide; k++) {
			size_t image = k / wide / V, voxel = k / wide % V, channel = k % wide - from, at = (image * V + voxel) * C + channel;
			double want;
			if (k % wide < from || channel >= C) {
				outside &= y[k] == UNTOUCHED;
				continue;
			}
			want = at_affine(a.affine ? affine : NULL, !a.shared, image, channel, C, (double)x[at]);
			if (a.residual)
				want += at_affine(a.residual_affine ? residual_affine : NULL, !a.residual_shared, image, channel, C, (double)r[at]);
			want = leaky(want, (double)slope);
			/* rounded once to the stored type; before that a few times to fp32, where terms of 10 may cancel */
			right &= fabs((double)y[k] - want) <= 1.01 * rounding(p) * fabs(want) + 2e-6;
		}
		check(right, i ? "the second copy differs" : "values differ");
		check(outside, "wrote beside its channels");
		free(y);
		if (!(what & IN_PLACE) || i)
			let_go(a.to[i].y);
	}
	let_go((void *)(uintptr_t)a.x);
	if (a.residual)
		let_go((void *)(uintptr_t)a.residual);
	if (a.affine)
		let_go((void *)(uintptr_t)a.affine);
	if (a.residual_affine)
		let_go((void *)(uintptr_t)a.residual_affine);
	free(x);
	free(r);
	free(affine);
	free(residual_affine);
}

static void all_apply(void)
{
	static const unsigned what[] = {
		OWN | FIRST, SHARED | SECOND, FIRST | SECOND, OWN | RESIDUAL | FIRST, OWN | RESIDUAL | RESIDUAL_OWN | FIRST | SECOND,
		SHARED | RESIDUAL | RESIDUAL_SHARED | SECOND, RESIDUAL | RESIDUAL_OWN | FIRST, OWN | IN_PLACE, OWN | RESIDUAL | IN_PLACE | SECOND
	};

	for (int i = 0; i < 3; i++) {
		for (unsigned k = 0; k < sizeof what / sizeof *what; k++)
			apply(precisions[i], what[k], 2, 333, 32, k % 3 == 0 ? 1 : k % 3 == 1 ? 0 : 0.01f);
		apply(precisions[i], OWN | FIRST, 3, 1, 8, 0.01f);
		apply(precisions[i], OWN | RESIDUAL | RESIDUAL_OWN | SECOND, 1, 70, 264, 0.01f);
		apply(precisions[i], OWN | FIRST, 2, 7, 2056, 0.01f);
		apply(precisions[i], SHARED | FIRST | SECOND, 2, 5000, 40, 0.01f);
	}
}

/* What is not finite, or beyond what the type holds, stays so. */
static void apply_odd(void)
{
	float *x = constants(16, 1), y[16], affine[32];
	struct applying a = { .slope = 0.01f };

	snprintf(about, sizeof about, "apply on odd values");
	x[0] = NAN;
	x[1] = INFINITY;
	x[2] = -INFINITY;
	x[3] = 60000;
	for (int i = 0; i < 16; i++) {
		affine[2 * i] = 2;
		affine[2 * i + 1] = 0;
	}
	a.x = up_as(PRECISION_FP16, x, 16);
	a.affine = up(affine, sizeof affine);
	a.to[0] = (struct placing){ up_as(PRECISION_FP16, x, 16), 8, 0 };
	taken(kernel_apply(PRECISION_FP16, &a, 2, 1, 8, stream()));
	down_as(PRECISION_FP16, y, a.to[0].y, 16);
	check(isnan(y[0]) && y[1] == INFINITY && y[2] == -INFINITY && y[3] == INFINITY && y[4] == 2 && y[15] == 2, "values differ");
	let_go((void *)(uintptr_t)a.x);
	let_go((void *)(uintptr_t)a.affine);
	let_go(a.to[0].y);
	free(x);
}

/* ---- what is not taken ---- */

static void refused(void)
{
	static const int64_t patch[3] = { 2048, 2048, 2048 };

	snprintf(about, sizeof about, "sizes");
	check(!kernel_gather(PRECISION_FP16, NULL, NULL, 1, 1, 4, patch, NULL), "a patch of 2048^3 is taken");
	check(failed_code() == XDEVICE, "the reason is another one");
	check(!kernel_apply(PRECISION_FP16, &(struct applying){0}, 1, 100, 12, NULL), "12 channels are taken");
	check(!kernel_apply(PRECISION_FP16, &(struct applying){0}, 70000, 100, 8, NULL), "70000 images are taken");
	check(!kernel_stats(PRECISION_FP16, NULL, NULL, 2, (int64_t)1 << 31, 8, NULL, NULL, eps, NULL, NULL), "2^31 voxels are taken");
	check(!kernel_stats(PRECISION_FP16, NULL, NULL, 16385, 1, 8, NULL, NULL, eps, NULL, NULL), "16385 images of statistics are taken");
}

int main(void)
{
	void *zeros;

	open_device();
	scratch_bytes = kernel_stats_scratch(4, 50000, 512);
	zeros = xcalloc(scratch_bytes, 1);
	scratch = up(zeros, scratch_bytes);
	free(zeros);
	all_gather();
	all_norms();
	all_apply();
	apply_odd();
	refused();
	let_go(scratch);
	close_device();
	printf("%d checks, %d failed\n", checks, failures);
	return failures > 0;
}
