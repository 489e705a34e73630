/* Products of bf16 of the fast CPU engine: what is staged and transformed is to the bit what the set of fp32 gives, rounded, and
 * sums of products of pairs keep the bound of sums in fp32. */
#include <stdint.h>
#include <stdio.h>
#ifdef __x86_64__
#include "tests/network/kernels.h"
#include "tests/network/levels.h"

static const struct kernels *const full = &kernels_v4;

static float widened(uint16_t x)
{
	uint32_t bits = (uint32_t)x << 16;
	float v;

	memcpy(&v, &bits, sizeof v);
	return v;
}

/* Whether got is the bf16 nearest to x, of two as near the even one: in double; bf16 has 8 digits and 2^-133 is the last. */
static bool nearest(uint16_t got, float x)
{
	double v = (double)x, unit, below;
	int exponent;

	if (!isfinite(x))
		return isnan(x) ? isnan(widened(got)) : widened(got) == x;
	frexp(v, &exponent);
	unit = ldexp(1, exponent - 8 > -133 ? exponent - 8 : -133);
	below = floor(fabs(v) / unit);
	below += fabs(v) / unit - below > 0.5 || (fabs(v) / unit - below == 0.5 && fmod(below, 2) == 1);
	return widened(got) == (float)copysign(below * unit, v);        /* beyond the largest: infinite */
}

/* n channels of bf16 at got, of fp32 at x. */
static void check_rounded(const float *got, const float *x, int n, const char *where)
{
	for (int c = 0; c < n; c++) {
		uint16_t half;
		memcpy(&half, (const char *)got + 2 * c, sizeof half);
		if (!nearest(half, x[c]))
			wrong_value((double)widened(half), (double)x[c], 0, where);
	}
}

/* Finite values are mostly ties or beside them. */
static float *near_ties(size_t n, enum kind kind)
{
	float *p = values(n, kind);
	uint32_t bits;

	for (size_t i = 0; i < n; i++) {
		memcpy(&bits, p + i, sizeof bits);
		bits = pick(2) || !isfinite(p[i]) ? bits : (bits & 0xffff0000u) + 0x7fff + (uint32_t)pick(3);
		memcpy(p + i, &bits, sizeof bits);
	}
	return p;
}

static void test_stage(void)
{
	for (int round = 0; round < 3000; round++) {
		int L = k->lanes, lanes = pick(3) ? L : L / 2, X = 1 + pick(20), stride = 1 + pick(3), pad = pick(3);
		int width = 1 + pick(24);
		enum kind kind = (enum kind)pick(KINDS);
		size_t part = (size_t)((width + pick(2)) * L), all = part * (size_t)stride;
		float *row = near_ties((size_t)(X * lanes), kind);
		float *scale = values((size_t)L, factor(kind)), *shift = values((size_t)L, kind);
		float *to = values(all / 2, ORDINARY), *old = copied(to, all / 2), *exact = values(all, ORDINARY);
		struct norm n = { pick(2) ? NULL : scale, shift, pick(2) ? 0.01f : 1 };
		const float *from = pick(8) ? row : NULL;
		char where[80];
		snprintf(where, sizeof where, "X %d, stride %d, pad %d, width %d, lanes %d", X, stride, pad, width, lanes);
		k->stage(to, part / 2, from, lanes, X, stride, pad, width, &n);
		full->stage(exact, part, from, lanes, X, stride, pad, width, &n);
		for (int q = 0; q < stride; q++) {
			size_t at = (size_t)q * part, end = at + (size_t)(width * L);
			for (int i = 0; i < width; i++, at += (size_t)L)
				check_rounded(to + at / 2, exact + at, lanes, where);
			check_same(to + end / 2, old + end / 2, part / 2 - (size_t)(width * L) / 2, where);
		}
		free(exact);
		free(old);
		free(to);
		free(shift);
		free(scale);
		free(row);
	}
}

static void test_winograd_in(void)
{
	for (int round = 0; round < 400; round++) {
		int L = k->lanes, Y = 1 + pick(20), X = 1 + pick(20), M = pick(2) ? 4 : 2, points = (M + 2) * (M + 2);
		int all = (X + M - 1) / M * ((Y + M - 1) / M), first = pick(all), tiles = 1 + pick(all - first);
		enum kind kind = (enum kind)pick(KINDS);
		size_t step = (size_t)((tiles + pick(2)) * L), size = (size_t)points * step, used = (size_t)(tiles * L);
		float *plane = near_ties((size_t)(Y * X * L), kind);
		float *scale = values((size_t)L, ORDINARY), *shift = values((size_t)L, ORDINARY);
		float *v = values(size / 2, ORDINARY), *old = copied(v, size / 2), *exact = values(size, ORDINARY);
		struct norm n = { pick(2) ? scale : NULL, shift, 0.01f };
		char where[80];
		snprintf(where, sizeof where, "%d x %d, M %d, tiles %d to %d", Y, X, M, first, first + tiles - 1);
		k->winograd_in(M, v, step / 2, plane, Y, X, first, tiles, &n);
		full->winograd_in(M, exact, step, plane, Y, X, first, tiles, &n);
		for (size_t i = 0; i < (size_t)points; i++) {
			check_rounded(v + i * step / 2, exact + i * step, (int)used, where);
			check_same(v + (i * step + used) / 2, old + (i * step + used) / 2, (step - used) / 2, where);
		}
		free(exact);
		free(old);
		free(v);
		free(shift);
		free(scale);
		free(plane);
	}
}

/* All of the first 20 bits, with others at random. */
static void test_rounding(void)
{
	for (uint32_t i = 0; i < 1 << 20; i++) {
		uint32_t bits = i << 12 | (uint32_t)pick(1 << 12);
		float x;
		memcpy(&x, &bits, sizeof x);
		if (!nearest(bf16_of(x), x))
			wrong_value((double)widened(bf16_of(x)), (double)x, 0, "bf16_of");
	}
}

/* n places of pairs. */
static float *pairs(size_t n, enum kind kind)
{
	float *from = values(2 * n, kind), *to = values(n, ORDINARY);

	for (size_t i = 0; i < 2 * n; i++)
		memcpy((char *)to + 2 * i, (const char *)(from + i) + 2, 2);
	free(from);
	return to;
}

static double element(const float *p, size_t i)
{
	uint16_t half;

	memcpy(&half, (const char *)p + 2 * i, sizeof half);
	return (double)widened(half);
}

static void gemm(int pixels, int blocks)
{
	enum { SEGMENTS = 5 };
	static const enum kind kinds[] = { ORDINARY, LARGE, MIXED, BROKEN };
	enum kind kind = kinds[pick(4)];
	int L = k->lanes, width = blocks * L, n[SEGMENTS];
	float *x[SEGMENTS], *bias = values((size_t)width, kind), *out, *old, *w;
	struct product m = { .pixels = pixels, .blocks = blocks, .n = n, .n_segments = 1 + pick(SEGMENTS), .add = pick(2),
	                     .out_step = (size_t)(L * (1 + pick(2))), .offset = (size_t)(pick(3) * L / 2) };
	char where[80];

	m.block_step = (size_t)(pixels + pick(3)) * m.out_step;
	out = values(m.block_step * (size_t)blocks, kind);
	old = copied(out, m.block_step * (size_t)blocks);
	for (int s = 0; s < m.n_segments; s++) {
		n[s] = 1 + pick(L / 2);
		m.depth += n[s];
		x[s] = pairs(m.offset + (size_t)(pixels * L / 2), kind);
	}
	w = pairs((size_t)(m.depth * width), factor(kind));
	m.out = out;
	m.x = (const float *const *)x;
	m.w = w;
	m.next = pick(2) ? w : NULL;
	m.bias = pick(2) ? bias : NULL;
	k->gemm(&m);
	snprintf(where, sizeof where, "%d pixels, %d blocks, depth %d, kind %d", pixels, blocks, m.depth, kind);
	for (int i = 0; i < pixels * width; i++) {
		int b = i / L % blocks, p = i / width, o = i % L, row = 0;
		size_t at = (size_t)b * m.block_step + (size_t)p * m.out_step + (size_t)o;
		struct sum sum = {0};
		add(&sum, m.add ? (double)old[at] : m.bias ? (double)bias[b * L + o] : 0);
		for (int s = 0; s < m.n_segments; s++)
			for (int c = 0; c < n[s]; c++, row++)
				for (size_t h = 0; h < 2; h++)
					add(&sum, element(x[s], 2 * (m.offset + (size_t)(p * L / 2 + c)) + h) *
					          element(w, 2 * (size_t)(row * width + b * L + o) + h));
		check_sum(out[at], &sum, where);
		memcpy(old + at, out + at, sizeof *out);
	}
	check_same(out, old, m.block_step * (size_t)blocks, where);     /* nothing else was written */
	for (int s = 0; s < m.n_segments; s++)
		free(x[s]);
	free(w);
	free(bias);
	free(old);
	free(out);
}

static void test_gemm(void)
{
	for (int pixels = 1; pixels <= 64; pixels++)
		for (int blocks = 1; blocks <= 2; blocks++)
			gemm(pixels, blocks);
}

int main(void)
{
	static const struct kernel_test test[] = {
		{ "bf16_of", test_rounding }, { "gemm", test_gemm }, { "stage", test_stage }, { "winograd_in", test_winograd_in },
	};

	if (last_level() < ISA_BF16) {
		puts("this processor lacks what the emulation needs (x86-64-v4)");
		return 77;
	}
	k = &kernels_v4b;
	set_name = "v4b";
	for (size_t i = 0; i < sizeof test / sizeof *test; i++) {
		kernel_name = test[i].name;
		state = i + 1;
		worst = 0;
		test[i].run();
		printf("note: %s: largest error as a share of its bound: %.2f\n", kernel_name, worst);
	}
	return wrong > 0;
}
#else
int main(void)
{
	puts("there are no kernels of bf16 on this machine");
	return 77;
}
#endif
