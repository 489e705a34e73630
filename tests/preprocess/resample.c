/* Resampling against restatements of contract 2.5 that share nothing with it: spline coefficients from the linear
 * system that defines them, 64 taps a voxel, one-hot volumes for labels. */
#include "common/resample.h"
#include "tests/preprocess/check.h"

enum { PAD = 12 };

static int64_t clamp(int64_t v, int64_t lo, int64_t hi) { return v < lo ? lo : v > hi ? hi : v; }

/* Coefficients c with (c[i-1] + 4 c[i] + c[i+1]) / 6 = f[i] on a line that is reflected at its ends. */
static void solve_spline(double *f, int64_t n, int64_t step)
{
	double upper[256], diagonal;

	for (int64_t i = 0; i < n; i++) {
		diagonal = (i == 0 || i == n - 1 ? 5 : 4) - (i ? upper[i - 1] : 0);
		upper[i] = 1 / diagonal;
		f[i * step] = (6 * f[i * step] - (i ? f[(i - 1) * step] : 0)) / diagonal;
	}
	for (int64_t i = n - 2; i >= 0; i--)
		f[i * step] -= upper[i] * f[(i + 1) * step];
}

static double beta(double t)
{
	t = fabs(t);
	return t < 1 ? 2.0 / 3 - t * t * (2 - t) / 2 : t < 2 ? (2 - t) * (2 - t) * (2 - t) / 6 : 0;
}

/* skimage's resize of one array: out [m], in [n]; without clip, scipy's map_coordinates. */
static void resize(double *out, const int64_t m[3], const double *in, const int64_t n[3], int order, bool clip)
{
	int64_t p[3], pad[3], total = 1;
	double *c, lo = INFINITY, hi = -INFINITY;

	for (int d = 0; d < 3; d++) {
		pad[d] = order == 3 && n[d] > 1 ? PAD : 0;
		p[d] = n[d] + 2 * pad[d];
		total *= p[d];
	}
	c = malloc((size_t)total * sizeof *c);
	for (int64_t z = 0, i = 0; z < p[0]; z++)
		for (int64_t y = 0; y < p[1]; y++)
			for (int64_t x = 0; x < p[2]; x++)
				c[i++] = in[(clamp(z - pad[0], 0, n[0] - 1) * n[1] + clamp(y - pad[1], 0, n[1] - 1)) * n[2] +
				            clamp(x - pad[2], 0, n[2] - 1)];
	for (int64_t i = 0; i < n[0] * n[1] * n[2]; i++) {
		lo = fmin(lo, in[i]);
		hi = fmax(hi, in[i]);
	}
	for (int d = 0; d < 3; d++) {
		int64_t step = d == 2 ? 1 : d == 1 ? p[2] : p[1] * p[2];
		for (int64_t i = 0; order == 3 && p[d] > 1 && i < total; i++)
			if (i / step % p[d] == 0)
				solve_spline(c + i, p[d], step);
	}
	for (int64_t z = 0, i = 0; z < m[0]; z++)
		for (int64_t y = 0; y < m[1]; y++)
			for (int64_t x = 0; x < m[2]; x++, i++) {
				const int64_t k[3] = { z, y, x };
				double cc[3], sum = 0;
				for (int d = 0; d < 3; d++) {
					cc[d] = ((double)k[d] + 0.5) * ((double)n[d] / (double)m[d]) - 0.5 + (double)pad[d];
					if (order != 3)
						cc[d] = fmin(fmax(cc[d], 0), (double)n[d] - 1);
					if (order == 0)
						cc[d] = floor(cc[d] + 0.5);
				}
				for (int64_t a = 0; a < p[0]; a++)
					for (int64_t b = 0; b < p[1]; b++)
						for (int64_t e = 0; e < p[2]; e++) {
							const int64_t at[3] = { a, b, e };
							double w = 1;
							for (int d = 0; d < 3 && w > 0; d++)
								w *= p[d] == 1    ? 1
								     : order == 3 ? beta((double)at[d] - cc[d])
								                  : fmax(0, 1 - fabs((double)at[d] - cc[d]));
							if (w > 0)
								sum += w * c[(a * p[1] + b) * p[2] + e];
						}
				out[i] = order == 3 && clip ? fmin(fmax(sum, lo), hi) : sum;
			}
	free(c);
}

static int64_t at3(const int64_t n[3], const int64_t k[3]) { return (k[0] * n[1] + k[1]) * n[2] + k[2]; }

/* The whole default resampler with a separate axis (or -1), of order_z. */
static void restated(double *out, const int64_t m[3], const double *in, const int64_t n[3], int order, int axis, int order_z)
{
	int64_t n2[3], m2[3], k[3];
	double *slice, *small, *slices;

	if (axis < 0) {
		resize(out, m, in, n, order, true);
		return;
	}
	memcpy(n2, n, sizeof n2);
	memcpy(m2, m, sizeof m2);
	n2[axis] = m2[axis] = 1;
	slice = malloc((size_t)(n2[0] * n2[1] * n2[2]) * sizeof *slice);
	small = malloc((size_t)(m2[0] * m2[1] * m2[2]) * sizeof *small);
	m2[axis] = n[axis];
	slices = malloc((size_t)(m2[0] * m2[1] * m2[2]) * sizeof *slices);
	m2[axis] = 1;
	for (int64_t s = 0; s < n[axis]; s++) {
		for (k[0] = 0; k[0] < n2[0]; k[0]++)
			for (k[1] = 0; k[1] < n2[1]; k[1]++)
				for (k[2] = 0; k[2] < n2[2]; k[2]++) {
					int64_t from[3] = { k[0], k[1], k[2] };
					from[axis] = s;
					slice[at3(n2, k)] = in[at3(n, from)];
				}
		resize(small, m2, slice, n2, order, true);
		for (k[0] = 0; k[0] < m2[0]; k[0]++)
			for (k[1] = 0; k[1] < m2[1]; k[1]++)
				for (k[2] = 0; k[2] < m2[2]; k[2]++) {
					int64_t to[3] = { k[0], k[1], k[2] }, shape[3] = { m2[0], m2[1], m2[2] };
					to[axis] = s;
					shape[axis] = n[axis];
					slices[at3(shape, to)] = small[at3(m2, k)];
				}
	}
	m2[axis] = n[axis];
	resize(out, m, slices, m2, order_z, false);
	free(slice);
	free(small);
	free(slices);
}

static const struct resampler cubic = { .kind = RESAMPLE_DEFAULT, .order = 3, .force_separate_z = -1 };
static const struct resampler linear = { .kind = RESAMPLE_DEFAULT, .order = 1, .force_separate_z = -1 };
static const double cube[3] = { 1, 1, 1 };

static void floats(void)
{
	static const double coarse[4][3] = { { 1, 1, 1 }, { 5, 1, 1 }, { 1, 5, 1 }, { 1, 1, 5 } };
	double worst = 0, in_d[600], out_d[2000];
	float in[600], out[2000];

	for (int round = 0; round < 200; round++) {
		int64_t n[3] = { 1 + pick(6), 1 + pick(8), 1 + pick(10) }, m[3] = { 1 + pick(8), 1 + pick(11), 1 + pick(13) };
		struct resampler r = round & 1 ? cubic : linear;
		int axis = round / 2 % 4 - 1;
		if (round % 5 == 4)
			r.order = 0;
		if (round % 3 == 0)
			r.order_z = round % 2 ? 3 : 1;
		if (pick(4) == 0)
			m[pick(3)] = n[pick(3)];
		for (int64_t i = 0; i < n[0] * n[1] * n[2]; i++)     /* steps: splines overshoot */
			in_d[i] = in[i] = (float)(pick(3) * 10 + uniform());
		CHECK(resample_separate_axis(&r, coarse[axis + 1], cube) == axis, "axis %d", axis);
		CHECK(resample_float(out, m, in, n, 1, &r, coarse[axis + 1], cube, false, NULL), "%s", failed_text());
		if (memcmp(n, m, sizeof n))
			restated(out_d, m, in_d, n, r.order, axis, r.order_z);
		else
			memcpy(out_d, in_d, sizeof in_d);
		for (int64_t i = 0; i < m[0] * m[1] * m[2]; i++) {
			worst = fmax(worst, fabs(out[i] - out_d[i]));
			CHECK(fabs(out[i] - out_d[i]) < 3e-6, "round %d, order %d, axis %d, voxel %d: %.9g, should be %.9g",
			      round, r.order, axis, (int)i, out[i], out_d[i]);
		}
	}
	printf("splines and lines: largest difference %.2g\n", worst);
}

/* What overshoots is clipped to the volume's range, or to the slice's when slices are resampled on their own. */
static void clips(void)
{
	const int64_t n[3] = { 2, 1, 4 }, m[3] = { 2, 1, 16 };
	const float in[8] = { 0, 0, 1, 1, 0, 0, 0, 9 };
	const double thick[3] = { 8, 1, 1 };
	float out[32], most[2];

	for (int separate = 0; separate < 2; separate++) {
		CHECK(resample_float(out, m, in, n, 1, &cubic, separate ? thick : cube, cube, false, NULL), "%s", failed_text());
		most[separate] = 0;
		for (int i = 0; i < 16; i++)
			most[separate] = fmaxf(most[separate], out[i]);
	}
	CHECK(most[0] > 1.05f, "clipped to the slice where the volume counts: %g", most[0]);
	CHECK(most[1] == 1, "not clipped to the slice: %g", most[1]);
}

static void decisions(void)
{
	static const struct { double from[3], to[3]; int force, axis; } table[] = {
		{ { 3, 1, 1 }, { 1, 1, 1 }, -1, -1 },            /* exactly 3: not more */
		{ { 3.0001, 1, 1 }, { 1, 1, 1 }, -1, 0 },
		{ { 1, 3.1, 1 }, { 1, 1, 1 }, -1, 1 },
		{ { 1, 1, 1 }, { 1, 1, 4 }, -1, 2 },             /* the new spacing counts when the old one does not */
		{ { 1, 1, 4 }, { 4, 1, 1 }, -1, 2 },             /* and not otherwise */
		{ { 0.24, 1.25, 1.25 }, { 1, 1, 9 }, -1, -1 },   /* two coarsest axes: none, and the new spacing is not asked */
		{ { 999, 1, 1 }, { 999, 1, 1 }, -1, 0 },
		{ { 5, 1, 1 }, { 5, 1, 1 }, 0, -1 },
		{ { 1.5, 1, 1 }, { 1, 1, 9 }, 1, 0 },
		{ { 1, 1, 1 }, { 1, 1, 9 }, 1, -1 },
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		for (enum resampler_kind k = RESAMPLE_DEFAULT; k <= RESAMPLE_TORCH; k++) {
			struct resampler r = { .kind = k, .force_separate_z = table[i].force };
			CHECK(resample_separate_axis(&r, table[i].from, table[i].to) == table[i].axis, "row %zu", i);
		}
	CHECK(resample_separate_axis(&(struct resampler){ .kind = RESAMPLE_TORCH_SIMPLE, .force_separate_z = -1 }, table[1].from,
	                             cube) == -1,
	      "simple");
}

/* Appendix B: which sample is nearest. */
static void nearest(void)
{
	static const struct { enum resampler_kind kind; int n, m, want[10]; } table[] = {
		{ RESAMPLE_DEFAULT, 6, 4, { 0, 2, 3, 5 } }, { RESAMPLE_DEFAULT, 6, 9, { 0, 1, 1, 2, 3, 3, 4, 5, 5 } },
		{ RESAMPLE_TORCH, 7, 10, { 0, 1, 1, 2, 3, 3, 4, 5, 5, 6 } },
	};
	const double thick[3] = { 9, 1, 1 };

	for (size_t t = 0; t < sizeof table / sizeof *table; t++)
		for (int seg = 0; seg < 2; seg++) {
			struct resampler r = { .kind = table[t].kind, .is_seg = seg, .order = 1, .force_separate_z = -1 };
			const int64_t n[3] = { table[t].n, 1, 1 }, m[3] = { table[t].m, 1, 1 };
			float in[10], out[10];
			int16_t labels[10], found[10];
			for (int i = 0; i < table[t].n; i++)
				labels[i] = (int16_t)(in[i] = (float)i);
			if (seg)
				resample_seg(found, m, labels, n, &r, thick, cube);
			else
				CHECK(resample_float(out, m, in, n, 1, &r, thick, cube, false, NULL), "%s", failed_text());
			for (int i = 0; i < table[t].m; i++)
				CHECK((seg ? found[i] : (int)out[i]) == table[t].want[i], "row %zu, sample %d", t, i);
		}
}

/* torch's trilinear interpolation, straight from its definition in single precision. */
static void torch_lerp(float *out, const int64_t m[3], const float *in, const int64_t n[3])
{
	for (int64_t i = 0; i < m[0] * m[1] * m[2]; i++) {
		const int64_t k[3] = { i / (m[1] * m[2]), i / m[2] % m[1], i % m[2] };
		int64_t lo[3], hi[3];
		float t[3], sum = 0;
		for (int d = 0; d < 3; d++) {
			float c = fmaxf((float)n[d] / (float)m[d] * ((float)k[d] + 0.5f) - 0.5f, 0);
			lo[d] = clamp((int64_t)c, 0, n[d] - 1);
			hi[d] = clamp(lo[d] + 1, 0, n[d] - 1);
			t[d] = c - (float)lo[d];
		}
		for (int corner = 0; corner < 8; corner++) {
			int64_t from[3];
			float w = 1;
			for (int d = 0; d < 3; d++) {
				from[d] = corner >> d & 1 ? hi[d] : lo[d];
				w *= corner >> d & 1 ? t[d] : 1 - t[d];
			}
			sum += w * in[at3(n, from)];
		}
		out[i] = sum;
	}
}

static void torch(void)
{
	const struct resampler r = { .kind = RESAMPLE_TORCH, .order = 3, .force_separate_z = 0 };
	float in[600], out[2000], want[2000];

	for (int round = 0; round < 60; round++) {
		const int64_t n[3] = { 1 + pick(6), 1 + pick(8), 1 + pick(10) },
			      m[3] = { 1 + pick(8), 1 + pick(11), 1 + pick(13) };
		for (int64_t i = 0; i < n[0] * n[1] * n[2]; i++)
			in[i] = (float)uniform();
		CHECK(resample_float(out, m, in, n, 1, &r, cube, cube, true, NULL), "%s", failed_text());
		torch_lerp(want, m, in, n);
		for (int64_t i = 0; i < m[0] * m[1] * m[2]; i++)
			CHECK(fabsf(out[i] - want[i]) < 2e-6f, "round %d: %.9g, should be %.9g", round, out[i], want[i]);
	}
}

/* Labels by one-hot volumes: default rule (at least a half, ascending, else 0) and torch's. */
static void labels(void)
{
	static double hot[600], share[2000];
	static float hot_f[600], share_f[2000];
	const double thick[3] = { 9, 1, 1 };
	int16_t in[600], out[2000], want[2000], between[2000];
	int ties = 0, empty = 0;

	for (int round = 0; round < 120; round++) {
		int64_t n[3] = { 1 + pick(5), 1 + pick(7), 1 + pick(8) }, m[3] = { 1 + pick(7), 1 + pick(9), 1 + pick(11) },
			mid[3];
		bool by_torch = round & 1, separate = round & 2;
		struct resampler r = { .kind = by_torch ? RESAMPLE_TORCH : RESAMPLE_DEFAULT,
			               .is_seg = true,
			               .order = 1,
			               .force_separate_z = separate ? -1 : 0 };
		float best[2000];
		if (round % 3 == 0)
			for (int d = 0; d < 3; d++)
				m[d] = 2 * n[d];                /* weights of 1/4: no ties; with n = 2 m: ties */
		if (round % 3 == 1)
			for (int d = 0; d < 3; d++)
				n[d] = 2 * (n[d] / 2 + 1), m[d] = n[d] / 2;
		for (int64_t i = 0; i < n[0] * n[1] * n[2]; i++)
			in[i] = (int16_t)(pick(5) - 1);
		memcpy(mid, m, sizeof mid);
		if (separate)
			mid[0] = n[0];
		for (int64_t i = 0; i < mid[0] * mid[1] * mid[2]; i++) {
			between[i] = 0;
			best[i] = -1;
		}
		for (int u = -1; u < 4; u++) {
			bool found = false;
			for (int64_t i = 0; i < n[0] * n[1] * n[2]; i++) {
				found |= in[i] == u;
				hot[i] = in[i] == u;
				hot_f[i] = in[i] == u ? 1000 : 0;
			}
			if (!found)
				continue;
			if (by_torch)
				torch_lerp(share_f, mid, hot_f, n);
			else
				resize(share, mid, hot, n, 1, true);
			for (int64_t i = 0; i < mid[0] * mid[1] * mid[2]; i++)
				if (by_torch ? half_round(share_f[i]) > best[i] : share[i] >= 0.5) {
					best[i] = half_round(share_f[i]);
					between[i] = (int16_t)u;
				}
			for (int64_t i = 0; !by_torch && i < mid[0] * mid[1] * mid[2]; i++)
				ties += share[i] == 0.5;
		}
		for (int64_t z = 0; z < m[0]; z++) {
			double c = (double)n[0] / (double)m[0] * ((double)z + 0.5);
			int64_t from = !separate ? z : clamp((int64_t)floor(by_torch ? c : c - 0.5 + 0.5), 0, n[0] - 1);
			memcpy(want + z * m[1] * m[2], between + from * m[1] * m[2], (size_t)(m[1] * m[2]) * sizeof *want);
		}
		resample_seg(out, m, in, n, &r, separate ? thick : cube, cube);
		for (int64_t i = 0; i < m[0] * m[1] * m[2]; i++) {
			empty += want[i] == 0;
			CHECK(out[i] == want[i], "round %d, voxel %d: %d, should be %d", round, (int)i, out[i], want[i]);
		}
	}
	CHECK(ties > 20 && empty > 100, "the cases are too easy: %d ties", ties);
}

/* Across a separate axis with order_z 1, a label needs more than a half; where none has it is 0. */
static void labels_across(void)
{
	const struct resampler r = { .is_seg = true, .order = 1, .order_z = 1, .force_separate_z = -1 };
	const int16_t in[2] = { 1, 2 };
	int16_t out[3];

	resample_seg(out, (int64_t[]){ 3, 1, 1 }, in, (int64_t[]){ 2, 1, 1 }, &r, (double[]){ 9, 1, 1 }, cube);
	CHECK(out[0] == 1 && out[1] == 0 && out[2] == 2, "%d %d %d", out[0], out[1], out[2]);
	resample_seg(out, (int64_t[]){ 3, 1, 1 }, in, (int64_t[]){ 2, 1, 1 }, &r, cube, cube);
	CHECK(out[0] == 1 && out[1] == 2 && out[2] == 2, "in slices a half is enough: %d %d %d", out[0], out[1], out[2]);
}

/* torch's shares are compared in half precision: 499.9 and 500.1 thousandths are equal, and the smaller label wins. */
static void labels_in_halves(void)
{
	const struct resampler r = { .kind = RESAMPLE_TORCH, .is_seg = true, .order = 1 };
	const int16_t in[2] = { 1, 2 };
	int16_t out[10000];

	resample_seg(out, (int64_t[]){ 1, 1, 10000 }, in, (int64_t[]){ 1, 1, 2 }, &r, cube, cube);
	CHECK(out[4999] == 1 && out[5000] == 1 && out[5002] == 2, "%d %d %d", out[4999], out[5000], out[5002]);
}

static void shapes(void)
{
	int64_t out[3];

	/* 2.5, 3.5 and 0.5 are rounded to even */
	resample_shape(out, (int64_t[]){ 5, 7, 1 }, (double[]){ 1, 1, 1 }, (double[]){ 2, 2, 2 });
	CHECK(out[0] == 2 && out[1] == 4 && out[2] == 0, "%d %d %d", (int)out[0], (int)out[1], (int)out[2]);
	/* the division comes first: 0.9 / 0.3 * 10 = 30.000000000000004 and 0.7 / 0.1 * 15 = 104.99999999999999 */
	resample_shape(out, (int64_t[]){ 10, 15, 256 }, (double[]){ 0.9, 0.7, 1.3672 }, (double[]){ 0.3, 0.1, 1.25 });
	CHECK(out[0] == 30 && out[1] == 105 && out[2] == 280, "%d %d %d", (int)out[0], (int)out[1], (int)out[2]);
	resample_shape(out, (int64_t[]){ 1 << 20, 1, 1 }, (double[]){ 1e300, NAN, 1 }, (double[]){ 1e-300, 1, INFINITY });
	CHECK(out[0] == -1 && out[1] == -1 && out[2] == 0, "lengths that are none");
}

/* Equal shapes: the same bits, whatever the spacings; else halves are rounded once, from double. */
static void stores(void)
{
	const int64_t n[3] = { 1, 1, 4 }, m[3] = { 1, 1, 3 };
	const float in[4] = { NAN, 1e-40f, -0.0f, 70000 };
	float out[4], halves[4] = { 1, 1.0009765625f, 1, 1 }, line[3000], fine[4500];
	int between = 0;

	CHECK(resample_float(out, n, in, n, 1, &cubic, (double[]){ 9, 1, 1 }, cube, true, NULL) && !memcmp(in, out, sizeof in),
	      "no copy");
	CHECK(resample_float(out, m, halves, n, 1, &linear, cube, cube, true, NULL), "%s", failed_text());
	for (int i = 0; i < 3; i++)
		CHECK(out[i] == half_round(out[i]), "no half: %.9g", out[i]);
	for (int i = 0; i < 3000; i++)
		line[i] = half_round((float)(uniform() * 8));
	CHECK(resample_float(fine, (int64_t[]){ 1, 1, 4500 }, line, (int64_t[]){ 1, 1, 3000 }, 1, &linear, cube, cube, true, NULL),
	      "%s", failed_text());
	for (int i = 0; i < 4500; i++) {
		double c = fmin(fmax((i + 0.5) * (3000.0 / 4500) - 0.5, 0), 2999), t = c - floor(c);
		int lo = (int)c, hi = lo < 2999 ? lo + 1 : lo;
		double v = (1 - t) * line[lo] + t * line[hi];
		uint16_t h = half_from_float(fine[i]);
		if (fabs(v) < 1e-3)
			continue;
		double below = half_to_float((uint16_t)(h - 1)), above = half_to_float((uint16_t)(h + 1));
		CHECK(fabs(fine[i] - v) <= fabs(below - v) + 1e-12 && fabs(fine[i] - v) <= fabs(above - v) + 1e-12,
		      "%.17g became %.9g", v, fine[i]);
		between += fine[i] != v;
	}
	CHECK(between > 1000, "nothing was rounded");
}

int main(void)
{
	floats();
	clips();
	decisions();
	nearest();
	torch();
	labels();
	labels_across();
	labels_in_halves();
	shapes();
	stores();
	DONE();
}
