#include <math.h>
#include <string.h>
#include "common/loops.h"

#define JOIN(name, isa) name##_##isa
#define JOINED(name, isa) JOIN(name, isa)
#define INLINE static inline __attribute__((always_inline))

INLINE uint64_t bits_of(double x) { uint64_t b; memcpy(&b, &x, sizeof b); return b; }
INLINE double of_bits(uint64_t b) { double x; memcpy(&x, &b, sizeof x); return x; }

/* log2 d for d >= 2^-1022: 2^k m with m in [sqrt(1/2), sqrt 2), and log2 m = (m - 1) P(m - 1) with P of degree 10 through the
 * Chebyshev points; relative error below 8e-10.  Of 0 it is -1023, so that 0 log 0 comes out as 0. */
INLINE double log2_of(double d)
{
	const uint64_t one = 0x3ff0000000000000, root = 0x3fe6a09e667f3bcd;     /* bits of 1 and of sqrt(1/2) */
	uint64_t b = bits_of(d), k = (b + (one - root)) >> 52;                  /* exponent + 1023 */
	double f = of_bits(b + one - (k << 52)) - 1;
	double e = of_bits(k | 0x4330000000000000) - (0x1p52 + 1023);           /* 2^52 + k in its bits */
	double p = 0x1.84608c53495bap-4;

	p = fma(p, f, -0x1.575927a6433c3p-3);
	p = fma(p, f, 0x1.60f5273d78770p-3);
	p = fma(p, f, -0x1.6efd906076542p-3);
	p = fma(p, f, 0x1.a3ec05c6d0a22p-3);
	p = fma(p, f, -0x1.ec6fc6a720248p-3);
	p = fma(p, f, 0x1.27805c014f843p-2);
	p = fma(p, f, -0x1.7154b2b66b068p-2);
	p = fma(p, f, 0x1.ec708011658a9p-2);
	p = fma(p, f, -0x1.7154760a19c37p-1);
	p = fma(p, f, 0x1.71547656718f6p+0);
	return fma(p, f, e);
}

/* The nearest multiple of q, for |x| < 2^51 q, as their number: what is added moves it to the last bits. */
INLINE uint64_t quanta(double x, double q)
{
	double magic = 0x1.8p52 * q;

	return bits_of(x + magic) - bits_of(magic);
}

/* (double)q.  Not every instruction set has it: two halves, exact each, and one rounding. */
INLINE double real(uint64_t q)
{
#ifdef __AVX512DQ__
	return (double)q;
#endif
	double high = of_bits(q >> 32 | 0x4530000000000000), low = of_bits((q & 0xffffffff) | 0x4330000000000000);

	return (high - (0x1p84 + 0x1p52)) + low;
}

static bool widen(double *restrict d, const float *restrict p, size_t n)
{
	int wrong = 0;

	for (size_t i = 0; i < n; i++) {
		float least = p[i] > 0 ? p[i] : 0;
		wrong |= !((p[i] >= 0) & (p[i] <= 1.0001f));
		d[i] = (double)(least < 1 ? least : 1);
	}
	return !wrong;
}

static void complement(double *d, size_t n)
{
	for (size_t i = 0; i < n; i++)
		d[i] = 1 - d[i];
}

/* (uint64_t)(d 2^56).  Else the 53 bits of d, those of 1 in place for 2^-56, shifted as far as its exponent is below that of 1. */
INLINE uint64_t cut(double d)
{
#ifdef __AVX512DQ__
	return (uint64_t)(int64_t)(d * 0x1p56);
#endif
	uint64_t b = bits_of(d), below = 1023 - (b >> 52);
	uint64_t bits = ((b & 0xfffffffffffff) | 0x10000000000000) << 4;

	return bits >> (below < 63 ? below : 63);
}

static void add_quanta(uint64_t *restrict sum, const double *restrict d, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum[i] += cut(d[i]);
}

static void add_square(uint64_t *restrict sum, const double *restrict d, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum[i] += quanta(d[i] * d[i], 0x1p-50);
}

static void add_entropy(uint64_t *restrict sum, const double *restrict h, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum[i] += quanta(h[i] < 31 ? h[i] : 31, 0x1p-46);
}

static void plogp(double *restrict h, const double *restrict d, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h[i] = fma(-d[i], log2_of(d[i]), h[i]);
}

static void logs(uint64_t *restrict sum, double *restrict cross, const double *restrict d, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t l = quanta(-log2_of(d[i] > 0x1p-24 ? d[i] : 0x1p-24), 0x1p-46);
		sum[i] += l;
		cross[i] += d[i] * (real(l) * 0x1p-46);
	}
}

static void argmax(float *restrict best, uint16_t *restrict at, const float *restrict p, int k, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		at[i] = p[i] > best[i] ? (uint16_t)k : at[i];
		best[i] = p[i] > best[i] ? p[i] : best[i];
	}
}

static void count(uint8_t *restrict votes, const uint16_t *restrict at, int k, size_t n)
{
	for (size_t i = 0; i < n; i++)
		votes[i] = (uint8_t)(votes[i] + (at[i] == k));
}

static void differ(uint16_t *restrict diff, const uint16_t *restrict a, const uint16_t *restrict b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		diff[i] |= a[i] ^ b[i];
}

static void mean(double *restrict mu, float *restrict rounded, const uint64_t *restrict sum, int members, size_t n)
{
	double whole = 0x1p56 * members;

	for (size_t i = 0; i < n; i++) {
		mu[i] = real(sum[i]) / whole;
		rounded[i] = (float)mu[i];
	}
}

static void top_two(double *restrict first, double *restrict second, const double *restrict mu, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		double less = mu[i] < first[i] ? mu[i] : first[i];
		first[i] = mu[i] > first[i] ? mu[i] : first[i];
		second[i] = less > second[i] ? less : second[i];
	}
}

static void product(double *restrict x, const double *a, const double *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] += a[i] * b[i];
}

static void cross_logs(double *restrict x, const double *restrict mu, const uint64_t *restrict sum, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] += mu[i] * (real(sum[i]) * 0x1p-46);
}

static void pick(uint8_t *restrict x, const uint8_t *restrict votes, const uint16_t *restrict at, int k, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = at[i] == k ? votes[i] : x[i];
}

static void look_up(double *restrict x, const uint8_t *restrict votes, const double *restrict table, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] += table[votes[i]];
}

static void average(double *restrict x, const uint64_t *restrict sum, double quantum, int members, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = real(sum[i]) * (quantum / members);
}

static void gain(double *restrict x, const double *restrict h, const uint64_t *restrict sum, int members, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int64_t more = (int64_t)(quanta(h[i] < 31 ? h[i] : 31, 0x1p-46) * (uint64_t)members - sum[i]);
		x[i] = real(more > 0 ? (uint64_t)more : 0) * (0x1p-46 / members);
	}
}

static void difference(double *restrict x, const double *a, const double *b, double least, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		double v = a[i] - b[i];
		x[i] = v >= least ? v : 0;
	}
}

static void store(float *restrict to, const double *restrict x, double scale, bool most, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float v = (float)(x[i] * scale);
		to[i] = most && to[i] > v ? to[i] : v;
	}
}

static void add_line(float *restrict sum, const float *restrict p, bool more, bool back, size_t n)
{
	if (back && more)
		for (size_t i = 0; i < n; i++)
			sum[i] += p[-(ptrdiff_t)i];
	else if (back)
		for (size_t i = 0; i < n; i++)
			sum[i] = p[-(ptrdiff_t)i];
	else if (more)
		for (size_t i = 0; i < n; i++)
			sum[i] += p[i];
	else
		memcpy(sum, p, n * sizeof *sum);
}

static bool add_weighted(float *restrict sum, const float *restrict v, float scale, const float *restrict w, size_t n)
{
	int wrong = 0;

	for (size_t i = 0; i < n; i++) {
		sum[i] += v[i] * scale * w[i];
		wrong |= !(fabsf(sum[i]) < INFINITY);
	}
	return !wrong;
}

static void divide(float *restrict x, const float *restrict sum, const float *restrict w, float scale, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = sum[i] / (w[i] * scale);
}

#define NAME_OF(isa) #isa
#define NAMED(isa) NAME_OF(isa)
const struct loops JOINED(loops, ISA) = {
	NAMED(ISA), widen, complement, add_quanta, add_square, add_entropy, plogp, logs, argmax, count, differ,
	mean, top_two, product, cross_logs, pick, look_up, average, gain, difference, store,
	add_line, add_weighted, divide,
};
