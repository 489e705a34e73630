#include <math.h>
#include <string.h>
#include "common/augment-loops.h"
#include "common/random.h"

#define JOIN(name, isa) name##_##isa
#define JOINED(name, isa) JOIN(name, isa)
#define INLINE static inline __attribute__((always_inline))

enum { BLOCK = 64, PARTS = 16 };

INLINE uint32_t bits_of(float x) { uint32_t b; memcpy(&b, &x, sizeof b); return b; }
INLINE float of_bits(uint32_t b) { float x; memcpy(&x, &b, sizeof x); return x; }

/* log2 x for normal x > 0: 2^k m with m in [sqrt(1/2), sqrt 2), and log2 m = (m - 1) P(m - 1), P of degree 8 with the least
 * largest error, 4e-8. */
INLINE float log2_of(float x)
{
	const uint32_t root = 0x3f3504f3;                               /* bits of sqrt(1/2) */
	int32_t k = ((int32_t)(bits_of(x) - root)) >> 23;
	float f = of_bits(bits_of(x) - ((uint32_t)k << 23)) - 1, p = 0x1.08bbb8p-3f;

	p = p * f - 0x1.abe57ep-3f;
	p = p * f + 0x1.b8c134p-3f;
	p = p * f - 0x1.e8ceccp-3f;
	p = p * f + 0x1.26d982p-2f;
	p = p * f - 0x1.715f9ap-2f;
	p = p * f + 0x1.ec73bep-2f;
	p = p * f - 0x1.71546cp-1f;
	p = p * f + 0x1.715476p+0f;
	return (float)k + p * f;
}

/* 2^x for x in [-126, 127]: of the nearest whole number, and of the rest by a polynomial of degree 6, error 2e-9. */
INLINE float exp2_of(float x)
{
	const float magic = 0x1.8p23f;                                  /* moves whole numbers to the last bits */
	float k = x + magic, f = x - (k - magic), p = 0x1.4499p-13f;

	p = p * f + 0x1.5f48c6p-10f;
	p = p * f + 0x1.3b2996p-7f;
	p = p * f + 0x1.c6aeccp-5f;
	p = p * f + 0x1.ebfbe2p-3f;
	p = p * f + 0x1.62e430p-1f;
	p = p * f + 1;
	return of_bits(bits_of(p) + ((bits_of(k) - bits_of(magic)) << 23));
}

/* Where n voxels from i on come from: the first voxel of each group of neighbours, and how far behind it. */
INLINE void locate(int32_t *restrict at, float (*restrict w)[BLOCK], const struct augment_row *r, int i, int n, bool three)
{
	const float bz = r->base[0], by = r->base[1], bx = r->base[2], sz = r->step[0], sy = r->step[1], sx = r->step[2];
	const int32_t Y = (int32_t)r->size[1], X = (int32_t)r->size[2];

	for (int k = 0; k < n; k++) {
		float t = (float)(i + k), z = bz + t * sz, y = by + t * sy, x = bx + t * sx;
		int32_t iz = three ? (int32_t)z : 0, iy = (int32_t)y, ix = (int32_t)x;
		at[k] = (iz * Y + iy) * X + ix;
		w[0][k] = three ? z - (float)iz : 0;
		w[1][k] = y - (float)iy;
		w[2][k] = x - (float)ix;
	}
}

INLINE float between(float a, float b, float w) { return a + w * (b - a); }

INLINE void sample_as(float *restrict out, const float *restrict volume, const struct augment_row *r, int first, int end,
                      bool three)
{
	const int64_t row = r->size[2], plane = three ? r->size[1] * row : 0;

	for (int i = first; i < end; i += BLOCK) {
		int n = end - i < BLOCK ? end - i : BLOCK;
		int32_t at[BLOCK];
		float w[3][BLOCK], q[4][BLOCK][2];      /* neighbours along x in pairs: one load each */
		locate(at, w, r, i, n, three);
		for (int k = 0; k < n; k++) {
			const float *p = volume + at[k];
			memcpy(q[0][k], p, sizeof q[0][k]);
			memcpy(q[1][k], p + row, sizeof q[1][k]);
			if (three) {
				memcpy(q[2][k], p + plane, sizeof q[2][k]);
				memcpy(q[3][k], p + plane + row, sizeof q[3][k]);
			}
		}
		for (int k = 0; k < n; k++) {
			float a = between(q[0][k][0], q[0][k][1], w[2][k]), b = between(q[1][k][0], q[1][k][1], w[2][k]);
			a = between(a, b, w[1][k]);
			if (three) {
				float c = between(q[2][k][0], q[2][k][1], w[2][k]), d = between(q[3][k][0], q[3][k][1], w[2][k]);
				a = between(a, between(c, d, w[1][k]), w[0][k]);
			}
			out[i + k] = a;
		}
	}
}

static void sample(float *out, const float *volume, const struct augment_row *r, int first, int end)
{
	if (r->size[0] > 1)
		sample_as(out, volume, r, first, end, true);
	else
		sample_as(out, volume, r, first, end, false);
}

INLINE void look_up_as(uint16_t *restrict out, uint8_t *restrict mixed, const uint16_t *restrict volume,
                       const struct augment_row *r, int first, int end, bool three)
{
	const int64_t row = r->size[2], plane = three ? r->size[1] * row : 0;

	for (int i = first; i < end; i += BLOCK) {
		int n = end - i < BLOCK ? end - i : BLOCK;
		int32_t at[BLOCK];
		float w[3][BLOCK];
		uint32_t q[4][BLOCK];
		locate(at, w, r, i, n, three);
		for (int k = 0; k < n; k++) {
			const uint16_t *p = volume + at[k];
			memcpy(&q[0][k], p, sizeof q[0][k]);
			memcpy(&q[1][k], p + row, sizeof q[1][k]);
			if (three) {
				memcpy(&q[2][k], p + plane, sizeof q[2][k]);
				memcpy(&q[3][k], p + plane + row, sizeof q[3][k]);
			}
		}
		for (int k = 0; k < n; k++) {
			uint32_t differ = (q[0][k] ^ q[1][k]) | (q[0][k] ^ (q[0][k] << 16 | q[0][k] >> 16));
			if (three)
				differ |= (q[0][k] ^ q[2][k]) | (q[0][k] ^ q[3][k]);
			out[i + k] = (uint16_t)q[0][k];
			mixed[i + k] = differ != 0;
		}
	}
}

static void look_up(uint16_t *out, uint8_t *mixed, const uint16_t *volume, const struct augment_row *r, int first, int end)
{
	if (r->size[0] > 1)
		look_up_as(out, mixed, volume, r, first, end, true);
	else
		look_up_as(out, mixed, volume, r, first, end, false);
}

/* random_philox() of PARTS counters in a row. */
INLINE void philox(uint32_t w[4][PARTS], uint64_t seed, uint64_t stream, uint64_t first)
{
	uint32_t k = (uint32_t)seed, l = (uint32_t)(seed >> 32);

	for (int j = 0; j < PARTS; j++) {
		w[0][j] = (uint32_t)(first + (uint64_t)j);
		w[1][j] = (uint32_t)((first + (uint64_t)j) >> 32);
		w[2][j] = (uint32_t)stream;
		w[3][j] = (uint32_t)(stream >> 32);
	}
	for (int round = 0; round < 10; round++, k += 0x9E3779B9, l += 0xBB67AE85)
		for (int j = 0; j < PARTS; j++) {
			uint64_t p = (uint64_t)0xD2511F53 * w[0][j], q = (uint64_t)0xCD9E8D57 * w[2][j];
			w[0][j] = (uint32_t)(q >> 32) ^ w[1][j] ^ k;
			w[1][j] = (uint32_t)q;
			w[2][j] = (uint32_t)(p >> 32) ^ w[3][j] ^ l;
			w[3][j] = (uint32_t)p;
		}
}

/* Box and Muller: two standard normal numbers from two words.  sin and cos of up to an eighth turn by polynomials, error 3e-8. */
INLINE void normal(float *restrict a, float *restrict b, uint32_t u, uint32_t v)
{
	float r = sqrtf(-0x1.62e430p+0f * log2_of(((float)u + 0.5f) * 0x1p-32f));        /* sqrt(-2 ln 2 log2 u) */
	uint32_t quarter = (v + 0x20000000) >> 30;
	float t = (float)(int32_t)(v - (quarter << 30)) * 0x1p-32f, s = t * t;
	float sine = ((-0x1.2d9bb8p+6f * s + 0x1.465ec6p+6f) * s - 0x1.4abbbap+5f) * s + 0x1.921fb6p+2f;
	float cosine = ((-0x1.4e5ed6p+6f * s + 0x1.03af5cp+6f) * s - 0x1.3bd392p+4f) * s + 1;
	float x, y;

	sine *= t;
	x = quarter & 1 ? -sine : cosine;
	y = quarter & 1 ? cosine : sine;
	*a = r * (quarter & 2 ? -x : x);
	*b = r * (quarter & 2 ? -y : y);
}

static void noise(float *x, size_t n, float sd, uint64_t seed, uint64_t stream, uint64_t first)
{
	for (size_t i = 0; i < n; i += 4 * PARTS) {
		uint32_t w[4][PARTS];
		float z[4][PARTS], *p = &z[0][0];
		philox(w, seed, stream, first + i / 4);
		for (int j = 0; j < PARTS; j++) {
			normal(&z[0][j], &z[1][j], w[0][j], w[1][j]);
			normal(&z[2][j], &z[3][j], w[2][j], w[3][j]);
		}
		for (size_t j = 0; j < 4 * PARTS && i + j < n; j++)
			x[i + j] += sd * p[j];
	}
}

INLINE void blur_with(float *restrict out, const float *const before[AUGMENT_TAPS], const float *const after[AUGMENT_TAPS],
                      const float k[AUGMENT_TAPS], int taps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float v = k[0] * before[0][i];
		for (int t = 1; t < taps; t++)
			v += k[t] * (before[t][i] + after[t][i]);
		out[i] = v;
	}
}

static void blur(float *out, const float *const before[AUGMENT_TAPS], const float *const after[AUGMENT_TAPS],
                 const float k[AUGMENT_TAPS], int taps, size_t n)
{
	if (taps == 1)
		blur_with(out, before, after, k, 1, n);
	else if (taps == 2)
		blur_with(out, before, after, k, 2, n);
	else if (taps == 3)
		blur_with(out, before, after, k, 3, n);
	else
		blur_with(out, before, after, k, 4, n);
}

static void mix(float *restrict out, const float *restrict a, const float *restrict b, float w, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = a[i] + w * (b[i] - a[i]);
}

static void stretch(float *restrict out, const float *restrict row, const int32_t *restrict a, const int32_t *restrict b,
                    const float *restrict w, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = row[a[i]] + w[i] * (row[b[i]] - row[a[i]]);
}

static void scale(float *x, float factor, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] *= factor;
}

/* The figures of n numbers in PARTS parts, and their totals. */
struct parts { double sum[PARTS], squares[PARTS]; float least[PARTS], most[PARTS]; };

INLINE void parts_begin(struct parts *p)
{
	for (int j = 0; j < PARTS; j++) {
		p->sum[j] = p->squares[j] = 0;
		p->least[j] = INFINITY;
		p->most[j] = -INFINITY;
	}
}

INLINE void parts_add(struct parts *restrict p, const float *restrict x, int n)
{
	for (int j = 0; j < n; j++) {
		p->sum[j] += (double)x[j];
		p->squares[j] += (double)x[j] * (double)x[j];
		p->least[j] = x[j] < p->least[j] ? x[j] : p->least[j];
		p->most[j] = x[j] > p->most[j] ? x[j] : p->most[j];
	}
}

INLINE void parts_total(struct augment_figures *f, const struct parts *p)
{
	*f = (struct augment_figures){ 0, 0, INFINITY, -INFINITY };
	for (int j = 0; j < PARTS; j++) {
		f->sum += p->sum[j];
		f->squares += p->squares[j];
		f->least = p->least[j] < f->least ? p->least[j] : f->least;
		f->most = p->most[j] > f->most ? p->most[j] : f->most;
	}
}

static void figures(struct augment_figures *f, const float *x, size_t n)
{
	struct parts p;
	size_t i = 0;

	parts_begin(&p);
	for (; i + PARTS <= n; i += PARTS)
		parts_add(&p, x + i, PARTS);
	parts_add(&p, x + i, (int)(n - i));
	parts_total(f, &p);
}

static void contrast(float *x, float mean, float factor, float least, float most, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float v = (x[i] - mean) * factor + mean;
		v = v < least ? least : v;
		x[i] = v > most ? most : v;
	}
}

INLINE float power_of(float x, float sign, float least, float range, float gamma)
{
	float t = (sign * x - least) / range, l = gamma * log2_of(t > 0x1p-126f ? t : 0x1p-126f), y = exp2_of(l > -126 ? l : -126);

	return (t > 0 ? y : 0) * range + least;
}

static void power(struct augment_figures *f, float *x, float sign, float least, float range, float gamma, size_t n)
{
	struct parts p;
	size_t i = 0;

	parts_begin(&p);
	for (; i + PARTS <= n; i += PARTS) {
		for (int j = 0; j < PARTS; j++)
			x[i + (size_t)j] = power_of(x[i + (size_t)j], sign, least, range, gamma);
		parts_add(&p, x + i, PARTS);
	}
	for (size_t j = i; j < n; j++)
		x[j] = power_of(x[j], sign, least, range, gamma);
	parts_add(&p, x + i, (int)(n - i));
	parts_total(f, &p);
}

static void shift(float *x, float mean, float factor, float to, float sign, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = sign * ((x[i] - mean) * factor + to);
}

static void clear(float *restrict x, const uint16_t *restrict label, uint16_t where, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = label[i] == where ? 0 : x[i];
}

#define NAME(isa) #isa
#define NAMED(isa) NAME(isa)
const struct augment_loops JOINED(augment, ISA) = {
	NAMED(ISA), sample, look_up, noise, blur, mix, stretch, scale, figures, contrast, power, shift, clear,
};
