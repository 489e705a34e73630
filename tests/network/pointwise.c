/* Moments, norm with activation and pooling of the fast CPU engine, each by itself against its formula in double,
 * at every instruction set of this machine: all remainders, means far from 0, constants, huge, tiny and denormal values,
 * infinities and NaN. */
#include "tests/network/kernels.h"

/* Values of one lane: around a mean, or of one of the kinds. */
static void lane_values(float *x, int pixels, int lane)
{
	static const float mean[] = { 0, 1000, 1e6f, 7.3f, -1e5f }, deviation[] = { 1, 0.01f, 1, 0, 1e-3f };
	enum kind kind = (enum kind)pick(KINDS);
	int m = pick(10);

	for (int i = 0; i < pixels; i++)
		x[i * k->lanes + lane] = m < 5 ? mean[m] + deviation[m] * uniform() : any(kind);
}

/* Sums of runs of up to 2^14 pixels in float, corrected by what the rounded mean of a run leaves (delta), in double. */
static void check_lane(double mean, double variance, const float *x, int pixels, float slope, int lane)
{
	double m = 0, v = 0, largest = 0, delta, rounded;
	char where[80];

	snprintf(where, sizeof where, "lane %d of %d pixels, slope %g", lane, pixels, (double)slope);
	for (int i = 0; i < pixels; i++) {
		double value = (double)x[i * k->lanes + lane];
		value = value < 0 ? value * (double)slope : value;
		m += value / pixels;
		largest = fmax(largest, fabs(value));
	}
	for (int i = 0; i < pixels; i++) {
		double value = (double)x[i * k->lanes + lane];
		value = value < 0 ? value * (double)slope : value;
		v += (value - m) * (value - m) / pixels;
	}
	if (!isfinite(m)) {
		if (isfinite(mean) || isfinite(variance))
			wrong_value(mean, m, 0, where);
		return;
	}
	delta = 0x1p-16 * largest;
	rounded = slope < 1 ? U * largest : 0;          /* the product with slope */
	check(mean, m, 0x1p-16 * (sqrt(v) + delta) + rounded + LEAST, where);
	check(variance, v, 0x1p-14 * (v + 4 * delta * delta) + 4 * rounded * (sqrt(v) + rounded) + LEAST, where);
}

static void test_moments(void)
{
	static const int many[] = { 255, 256, 257, 511, 512, 513, 1027, 2048, 2500 };
	static const float slope[] = { 1, 0.01f, 0 };

	for (int i = 0; i < 80; i++) {
		int pixels = i < 20 ? i + 1 : i < 60 ? 1 + pick(300) : many[i % 9];
		float *x = values((size_t)(pixels * k->lanes), ORDINARY);
		double moments[2 * MAX_LANES];
		for (int o = 0; o < k->lanes; o++)
			lane_values(x, pixels, o);
		k->moments(moments, x, (size_t)pixels, slope[i % 3]);
		for (int o = 0; o < k->lanes; o++)
			check_lane(moments[o], moments[k->lanes + o] / pixels, x, pixels, slope[i % 3], o);
		free(x);
	}
}

static double leaky(double x, float slope) { return x < 0 ? x * (double)slope : x; }

static void test_apply(void)
{
	static const float slope[] = { 1, 0.01f, 0, 0.25f };

	for (int round = 0; round < 200; round++) {
		int pixels = 1 + round % 40, n = pixels * k->lanes;
		enum kind kind = (enum kind)pick(KINDS);
		float before = slope[pick(3) ? 0 : pick(4)], after = slope[pick(4)];
		float *x = values((size_t)n, kind), *old = copied(x, (size_t)n), *residual = values((size_t)n, kind), *given;
		float *scale = values((size_t)k->lanes, factor(kind)), *shift = values((size_t)k->lanes, kind == BROKEN ? ORDINARY : kind);
		char where[80];
		given = pick(2) ? residual : NULL;
		k->apply(x, (size_t)pixels, scale, shift, given, before, after);
		snprintf(where, sizeof where, "%d pixels, kind %d, before %g, after %g%s", pixels, kind, (double)before, (double)after,
		         given ? ", residual" : "");
		for (int i = 0; i < n; i++) {
			int o = i % k->lanes;
			struct sum s = {0};
			add(&s, leaky((double)old[i], before) * (double)scale[o]);
			add(&s, (double)shift[o]);
			add(&s, given ? (double)given[i] : 0);
			s.exact = leaky(s.exact, after);
			check_sum(x[i], &s, where);
		}
		free(shift);
		free(scale);
		free(residual);
		free(old);
		free(x);
	}
}

static void test_pool(void)
{
	for (int round = 0; round < 200; round++) {
		int size[3], in_size[3], stride[3], L = k->lanes, n;
		enum kind kind = (enum kind)pick(KINDS);
		for (int i = 0; i < 3; i++) {
			size[i] = 1 + pick(6);
			stride[i] = 1 + pick(3);
			in_size[i] = size[i] * stride[i] + (pick(2) ? pick(stride[i]) : 0);
		}
		n = stride[0] * stride[1] * stride[2];
		float *x = values((size_t)(in_size[0] * in_size[1] * in_size[2] * L), kind);
		float *out = values((size_t)(size[0] * size[1] * size[2] * L), ORDINARY);
		k->pool(out, size, x, in_size, stride);
		for (int i = 0; i < size[0] * size[1] * size[2] * L; i++) {
			int at = i / L, ox = at % size[2], oy = at / size[2] % size[1], oz = at / size[2] / size[1];
			struct sum s = {0};
			for (int t = 0; t < n; t++) {
				int tx = t % stride[2], ty = t / stride[2] % stride[1], tz = t / stride[2] / stride[1];
				int row = (oz * stride[0] + tz) * in_size[1] + oy * stride[1] + ty;
				add(&s, (double)x[(row * in_size[2] + ox * stride[2] + tx) * L + i % L] / n);
			}
			s.n++;                          /* the share is rounded */
			check_sum(out[i], &s, "pool");
		}
		free(out);
		free(x);
	}
}

int main(void)
{
	static const struct kernel_test test[] = {
		{ "moments", test_moments }, { "apply", test_apply }, { "pool", test_pool },
	};

	return test_kernels(test, sizeof test / sizeof *test);
}
