#include <math.h>
#include <string.h>
#include "filters/train-checkpoints/lanes.h"

#define JOIN(name, isa) name##_##isa
#define JOINED(name, isa) JOIN(name, isa)
#define INLINE static inline __attribute__((always_inline))
enum { N = LANES_RUN, SUMS = 16 };

INLINE uint32_t bits_of(float x) { uint32_t b; memcpy(&b, &x, sizeof b); return b; }
INLINE float of_bits(uint32_t b) { float x; memcpy(&x, &b, sizeof x); return x; }

/* e^x for x <= 0, relative error below 2e-7; below -87 as of -87.  x = k log 2 + r, and e^r is its series up to r^7 / 7!
 * (|r| <= log 2 / 2: what is left out is below 1e-8). */
INLINE float exp_of(float x)
{
	const float magic = 0x1.8p23f;                  /* when it is added, the nearest whole number is in the last bits */
	float clamped = x < -87 ? -87 : x, shifted = clamped * 0x1.715476p+0f + magic, k = shifted - magic;
	float r = (clamped - k * 0x1.62e4p-1f) - k * 0x1.7f7d1cp-20f;    /* log 2 in two parts; k times the first is exact */
	float p = 1.0f / 5040;

	p = p * r + 1.0f / 720;
	p = p * r + 1.0f / 120;
	p = p * r + 1.0f / 24;
	p = p * r + 1.0f / 6;
	p = p * r + 0.5f;
	p = p * r + 1;
	p = p * r + 1;
	return p * of_bits((bits_of(shifted) - bits_of(magic) + 127) << 23);
}

/* log x for x >= 1, absolute error below 2e-7 of 1 + log x: x = 2^k m with m in [sqrt(1/2), sqrt 2), and with
 * s = (m - 1) / (m + 1), log m = 2 (s + s^3 / 3 + ... + s^9 / 9). */
INLINE float log_of(float x)
{
	const uint32_t one = 0x3f800000, root = 0x3f3504f3;     /* bits of 1 and of sqrt(1/2) */
	uint32_t b = bits_of(x), k = (b + (one - root)) >> 23;  /* exponent + 127 */
	float m = of_bits(b + one - (k << 23)), s = (m - 1) / (m + 1), q = s * s, p = 2.0f / 9;

	p = p * q + 2.0f / 7;
	p = p * q + 2.0f / 5;
	p = p * q + 2.0f / 3;
	p = p * q + 2;
	return p * s + (float)((int32_t)k - 127) * 0x1.62e43p-1f;
}

/* x: [N], whatever is behind n is overwritten. */
INLINE double sum(float *x, int n)
{
	float part[SUMS] = {0};
	double total = 0;

	for (int i = n; i < (n + SUMS - 1) / SUMS * SUMS; i++)
		x[i] = 0;
	for (int i = 0; i < n; i += SUMS)
		for (int j = 0; j < SUMS; j++)
			part[j] += x[i + j];
	for (int j = 0; j < SUMS; j++)
		total += (double)part[j];
	return total;
}

/* 1 where the loss is, 0 where the target is the ignore label. */
INLINE void read_mask(float *restrict mask, const struct lanes_run *r)
{
	for (int i = 0; i < r->n; i++)
		mask[i] = (int)r->target[i] != r->ignore ? 1.0f : 0.0f;
}

/* 1 where the target is output c, or in the region of output c. */
INLINE void read_target(float *restrict y, const struct lanes_run *r, int c)
{
	int n_values = r->region ? r->region[c]->n : 1;

	for (int k = 0; k < n_values; k++) {
		int value = r->region ? r->region[c]->value[k] : c;
		for (int i = 0; i < r->n; i++)
			y[i] = r->target[i] == value ? 1.0f : k ? y[i] : 0.0f;
	}
}

/* Adds the sums of one output; p: [n] of it. */
INLINE void add_sums(struct lanes_sums *to, const float *restrict p, const float *restrict y, const float *restrict mask, int n)
{
	float a[N], b[N], c[N];

	for (int i = 0; i < n; i++) {
		c[i] = y[i] * mask[i];
		b[i] = p[i] * mask[i];
		a[i] = b[i] * y[i];
	}
	to->tp += sum(a, n);
	to->p += sum(b, n);
	to->target += sum(c, n);
}

static double classes(const struct lanes_run *r, struct lanes_sums *sums)
{
	float mask[N], y[N], most[N], total[N], of_target[N], entropy[N];
	int n = r->n;

	read_mask(mask, r);
	memcpy(most, r->logits, (size_t)n * sizeof *most);
	for (int c = 1; c < r->n_outputs; c++) {
		const float *restrict l = r->logits + (size_t)c * r->stride;
		for (int i = 0; i < n; i++)
			most[i] = l[i] > most[i] ? l[i] : most[i];
	}
	for (int i = 0; i < n; i++)
		total[i] = of_target[i] = 0;
	for (int c = 0; c < r->n_outputs; c++) {
		const float *restrict l = r->logits + (size_t)c * r->stride;
		float *restrict p = r->p + (size_t)c * r->p_stride;
		for (int i = 0; i < n; i++) {
			p[i] = exp_of(l[i] - most[i]);
			total[i] += p[i];
			of_target[i] = r->target[i] == c ? l[i] : of_target[i];
		}
	}
	for (int i = 0; i < n; i++) {
		entropy[i] = mask[i] * (log_of(total[i]) + (most[i] - of_target[i]));
		total[i] = 1 / total[i];
	}
	for (int c = 0; c < r->n_outputs; c++) {
		float *restrict p = r->p + (size_t)c * r->p_stride;
		for (int i = 0; i < n; i++)
			p[i] *= total[i];
		read_target(y, r, c);
		add_sums(&sums[c], p, y, mask, n);
	}
	return sum(entropy, n);
}

static double regions(const struct lanes_run *r, struct lanes_sums *sums)
{
	float mask[N], y[N], e[N], entropy[N];
	double total = 0;
	int n = r->n;

	read_mask(mask, r);
	for (int c = 0; c < r->n_outputs; c++) {
		const float *restrict l = r->logits + (size_t)c * r->stride;
		float *restrict p = r->p + (size_t)c * r->p_stride;
		read_target(y, r, c);
		for (int i = 0; i < n; i++)
			e[i] = exp_of(-fabsf(l[i]));
		for (int i = 0; i < n; i++) {
			float likely = 1 / (1 + e[i]), unlikely = e[i] * likely, positive = l[i] > 0 ? 1.0f : 0.0f;
			p[i] = unlikely + positive * (likely - unlikely);       /* sigmoid of |l| or -|l| */
			entropy[i] = mask[i] * (0.5f * (l[i] + fabsf(l[i])) - l[i] * y[i] + log_of(1 + e[i]));
		}
		add_sums(&sums[c], p, y, mask, n);
		total += sum(entropy, n);
	}
	return total;
}

/* By the chain rule through softmax: p_c (g_c - sum of p_k g_k), g = a y + b; of cross entropy: p - y. */
static void classes_back(const struct lanes_run *r, const struct lanes_slope *dice, float entropy)
{
	float mask[N], y[N], mean[N];
	int n = r->n;

	read_mask(mask, r);
	for (int i = 0; i < n; i++)
		mean[i] = 0;
	for (int c = 0; c < r->n_outputs; c++) {
		const float *restrict p = r->p + (size_t)c * r->p_stride;
		read_target(y, r, c);
		for (int i = 0; i < n; i++)
			mean[i] += p[i] * (dice[c].a * y[i] + dice[c].b);
	}
	for (int c = 0; c < r->n_outputs; c++) {
		float *restrict p = r->p + (size_t)c * r->p_stride;
		read_target(y, r, c);
		for (int i = 0; i < n; i++)
			p[i] = mask[i] * (p[i] * ((dice[c].a * y[i] + dice[c].b) - mean[i]) + entropy * (p[i] - y[i]));
	}
}

static void regions_back(const struct lanes_run *r, const struct lanes_slope *dice, float entropy)
{
	float mask[N], y[N];
	int n = r->n;

	read_mask(mask, r);
	for (int c = 0; c < r->n_outputs; c++) {
		float *restrict p = r->p + (size_t)c * r->p_stride;
		read_target(y, r, c);
		for (int i = 0; i < n; i++)
			p[i] = mask[i] * (p[i] * (1 - p[i]) * (dice[c].a * y[i] + dice[c].b) + entropy * (p[i] - y[i]));
	}
}

/* Where logits are equal the first class is taken; a region is predicted where its sigmoid is over 1/2. */
static void count(const struct lanes_run *r, struct lanes_sums *counts)
{
	float mask[N], y[N], most[N], chosen[N];
	int n = r->n;

	read_mask(mask, r);
	memcpy(most, r->logits, (size_t)n * sizeof *most);
	for (int i = 0; i < n; i++)
		chosen[i] = 0;
	for (int c = 1; c < r->n_outputs && !r->region; c++) {
		const float *restrict l = r->logits + (size_t)c * r->stride;
		for (int i = 0; i < n; i++) {           /* a product, because compilers make a jump of a choice */
			float above = l[i] > most[i] ? 1.0f : 0.0f;
			chosen[i] += above * ((float)c - chosen[i]);
		}
		for (int i = 0; i < n; i++)
			most[i] = l[i] > most[i] ? l[i] : most[i];
	}
	for (int c = 0; c < r->n_outputs; c++) {
		const float *restrict l = r->logits + (size_t)c * r->stride;
		float predicted[N];
		for (int i = 0; i < n; i++)
			predicted[i] = (r->region ? l[i] > 0 : chosen[i] == (float)c) ? 1.0f : 0.0f;
		read_target(y, r, c);
		add_sums(&counts[c], predicted, y, mask, n);
	}
}

static double squares(const float *x, size_t n)
{
	double part[SUMS] = {0}, total = 0;
	size_t whole = n / SUMS * SUMS;

	for (size_t i = 0; i < whole; i += SUMS)
		for (int j = 0; j < SUMS; j++)
			part[j] += (double)x[i + (size_t)j] * (double)x[i + (size_t)j];
	for (size_t i = whole; i < n; i++)
		part[i - whole] += (double)x[i] * (double)x[i];
	for (int j = 0; j < SUMS; j++)
		total += part[j];
	return total;
}

static void step(float *restrict w, float *restrict v, const float *restrict x, size_t n, float factor, float decay,
                 float momentum, float rate)
{
	for (size_t i = 0; i < n; i++) {
		float g = factor * x[i] + decay * w[i];
		v[i] = momentum * v[i] + g;
		w[i] -= rate * (g + momentum * v[i]);
	}
}

extern const struct lanes JOINED(lanes, ISA);
const struct lanes JOINED(lanes, ISA) = {
	.classes = classes, .regions = regions, .classes_back = classes_back, .regions_back = regions_back, .count = count,
	.squares = squares, .step = step
};
