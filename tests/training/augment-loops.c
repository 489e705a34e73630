/* Every instruction set gives the bytes of the base; the power, the sums and the normal numbers are right. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "common/augment-loops.h"
#include "common/random.h"

enum { N = 1000, VOLUME = 12 * 14 * 40 };

static int wrong;
static float volume[VOLUME];
static uint16_t labels[VOLUME];

static float number(uint64_t i) { return (float)(4 * random_unit(1, 2, i) - 2); }

/* All results of a set on runs of n numbers, one after the other. */
struct results { float sample[2][64], noise[N], blur[4][N], mix[N], stretch[N], scale[N], contrast[N], power[N], shift[N], clear[N];
	uint16_t label[2][64]; uint8_t mixed[2][64]; struct augment_figures figures[2]; };

static void run(struct results *r, const struct augment_loops *l, size_t n)
{
	float x[N];
	const float *before[AUGMENT_TAPS], *after[AUGMENT_TAPS], k[] = { 0.4f, 0.2f, 0.07f, 0.03f };
	float *in_place[] = { r->noise, r->scale, r->contrast, r->power, r->shift, r->clear };
	int32_t a[N], b[N];

	memset(r, 0, sizeof *r);
	for (size_t i = 0; i < N; i++) {
		x[i] = number(i);
		a[i] = (int32_t)(random_bits(3, 4, i) % n);
		b[i] = (int32_t)(random_bits(3, 5, i) % n);
	}
	for (size_t j = 0; j < sizeof in_place / sizeof *in_place; j++)
		memcpy(in_place[j], x, sizeof x);
	for (int d = 0; d < 2; d++) {
		struct augment_row row = { { 3.2f, 9.9f, 1.5f }, { 0.07f, -0.11f, 0.53f }, { d ? 12 : 1, 14, 40 } };
		l->sample(r->sample[d], volume, &row, 1, 64);
		l->look_up(r->label[d], r->mixed[d], labels, &row, 1, 64);
	}
	for (int t = 0; t < AUGMENT_TAPS; t++) {
		before[t] = x + AUGMENT_TAPS - t;
		after[t] = x + AUGMENT_TAPS + t;
	}
	for (int taps = 1; taps <= AUGMENT_TAPS; taps++)
		l->blur(r->blur[taps - 1], before, after, k, taps, n - 2 * AUGMENT_TAPS);
	l->noise(r->noise, n, 0.5f, 7, 8, 9);
	l->mix(r->mix, x, x + 3, 0.3f, n - 3);
	l->stretch(r->stretch, x, a, b, x, n);
	l->scale(r->scale, 1.1f, n);
	l->figures(&r->figures[0], x, n);
	l->contrast(r->contrast, 0.1f, 1.2f, -1.9f, 1.9f, n);
	l->power(&r->figures[1], r->power, -1, -2, 4, 0.83f, n);
	l->shift(r->shift, 0.1f, 1.3f, 0.2f, -1, n);
	l->clear(r->clear, labels, 2, n);
}

static void powers(const struct augment_loops *l)
{
	for (double gamma = 0.7; gamma <= 1.5; gamma += 0.1) {
		struct augment_figures f;
		double sum = 0, squares = 0, least = INFINITY, most = -INFINITY;
		float x[N];
		for (int i = 0; i < N; i++)
			x[i] = i < 40 ? ldexpf(1, -i) : (float)i / (N - 1);
		x[N - 2] = 0;
		l->power(&f, x, 1, 0, 1, (float)gamma, N);
		for (int i = 0; i < N; i++) {
			double in = i == N - 2 ? 0 : i < 40 ? ldexp(1, -i) : (double)((float)i / (N - 1)), want = pow(in, (double)(float)gamma);
			sum += (double)x[i];
			squares += (double)x[i] * (double)x[i];
			least = fmin(least, (double)x[i]);
			most = fmax(most, (double)x[i]);
			if (fabs((double)x[i] - want) > 3e-6 * want)            /* 40 bits of exponent leave 18 of the logarithm's 24 */
				wrong += printf("%g to the %g is %g, not %g\n", in, gamma, (double)x[i], want);
		}
		if (fabs(f.sum - sum) > 1e-9 || fabs(f.squares - squares) > 1e-9 || (double)f.least != least || (double)f.most != most)
			wrong += printf("figures of powers: %g %g %g %g\n", f.sum, f.squares, (double)f.least, (double)f.most);
	}
}

/* Moments and tails of 400,000 numbers, and that neighbours and channels have nothing to do with each other. */
static void normals(const struct augment_loops *l)
{
	enum { MANY = 400000 };
	static float z[MANY], other[MANY];
	double moment[5] = {0}, beyond[3] = {0}, with_next = 0, with_other = 0, sd = sqrt(MANY);

	l->noise(z, MANY, 1, 1, 2, 0);
	l->noise(other, MANY, 1, 1, 2, 1ULL << 48);
	for (int i = 0; i < MANY; i++) {
		for (int k = 1; k <= 4; k++)
			moment[k] += pow((double)z[i], k) / MANY;
		for (int k = 0; k < 3; k++)
			beyond[k] += fabs((double)z[i]) > k + 1;
		with_next += i ? (double)z[i] * (double)z[i - 1] / MANY : 0;
		with_other += (double)z[i] * (double)other[i] / MANY;
	}
	if (fabs(moment[1]) > 4.5 / sd || fabs(moment[2] - 1) > 4.5 * sqrt(2) / sd || fabs(moment[3]) > 4.5 * sqrt(15) / sd ||
	    fabs(moment[4] - 3) > 4.5 * sqrt(96) / sd || fabs(with_next) > 4.5 / sd || fabs(with_other) > 4.5 / sd)
		wrong += printf("moments %g %g %g %g, with the next %g, with another channel %g\n", moment[1], moment[2], moment[3], moment[4],
		                with_next, with_other);
	for (int k = 0; k < 3; k++) {
		double p = erfc((k + 1) / sqrt(2));
		if (fabs(beyond[k] - p * MANY) > 4.5 * sqrt(p * MANY))
			wrong += printf("%g numbers beyond %d, not %g\n", beyond[k], k + 1, p * MANY);
	}
}

/* The first words of a block of sixteen counters, by the formula. */
static void words(const struct augment_loops *l)
{
	float z[64] = {0};
	uint32_t w[4];

	l->noise(z, 64, 1, 5, 6, 1ULL << 62 | 3);
	for (uint32_t j = 0; j < 16; j++) {
		random_philox(w, (uint32_t[]){ 3 + j, 1U << 30, 6, 0 }, (uint32_t[]){ 5, 0 });
		for (int k = 0; k < 4; k++) {
			double r = sqrt(-2 * log((w[k & 2] + 0.5) / 0x1p32)), turn = 2 * acos(-1) * (w[(k & 2) + 1] / 0x1p32);
			double want = r * (k & 1 ? sin(turn) : cos(turn));
			if (fabs((double)z[16 * k + (int)j] - want) > 1e-5)
				wrong += printf("number %d of counter %u is %g, not %g\n", k, j, (double)z[16 * k + (int)j], want);
		}
	}
}

int main(void)
{
	static struct results base, r;

	for (int i = 0; i < VOLUME; i++) {
		volume[i] = number((uint64_t)i);
		labels[i] = (uint16_t)(random_bits(5, 6, (uint64_t)(i / 3)) % 4);
	}
	for (size_t n = 16; n <= N; n += n < 150 ? 1 : 97) {
		run(&base, &augment_base, n);
		for (const struct augment_loops *const *l = augment_loops_all(); *l; l++) {
			run(&r, *l, n);
			if (memcmp(&r, &base, sizeof r))
				wrong += printf("%s differs from base in runs of %zu\n", (*l)->name, n);
		}
	}
	powers(*augment_loops_all());
	normals(*augment_loops_all());
	words(*augment_loops_all());
	return wrong > 0;
}
