/* Every instruction set gives the same bytes from each loop, for every length of a run; logarithms are as near as is said. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "common/loops.h"

enum { N = LOOPS_RUN };

static int wrong;
static float p[N], q[N];
static double d[N], e[N], table[256];
static uint64_t sums[N];
static uint16_t a[N], b[N];
static uint8_t votes[N];

static uint32_t next(void)
{
	static uint32_t x = 1;

	x ^= x << 13;
	x ^= x >> 17;
	return x ^= x << 5;
}

static void inputs(void)
{
	for (int i = 0; i < N; i++) {
		float u = (float)(next() >> 8) * 0x1p-24f;
		p[i] = i % 7 == 0 ? (float)(i % 2) : i % 5 == 0 ? ldexpf(u, -(int)(next() % 140)) : u;
		q[i] = (float)(next() >> 8) * 0x1p-24f;
		d[i] = (double)p[i];
		e[i] = (double)q[i];
		sums[i] = ((uint64_t)next() << 32 | next()) >> next() % 20;
		a[i] = (uint16_t)(next() % 4);
		b[i] = (uint16_t)(next() % 4);
		votes[i] = (uint8_t)next();
	}
	for (int i = 0; i < 256; i++)
		table[i] = i / 7.0;
}

/* All that the loops of a set make of the inputs. */
struct made {
	bool ok[2], finite[2];
	double wide[N], less[N], entropy[N], cross[N], mu[N], first[N], second[N], product[N], logs[N], found[N], average[N], gain[N], difference[N];
	uint64_t quanta[N], square[N], sum[N], log_sum[N];
	float best[N], rounded[N], stored[N], line[N], weighted[N], quotient[N];
	uint16_t at[N], diff[N];
	uint8_t counted[N], picked[N];
};

static void make(struct made *m, const struct loops *l, size_t n)
{
	float bad[N];

	memset(m, 0, sizeof *m);
	memcpy(bad, p, sizeof bad);
	bad[n - 1] = NAN;
	m->ok[0] = l->widen(m->wide, bad, n);
	m->ok[1] = l->widen(m->wide, p, n);
	memcpy(m->less, d, sizeof d);
	l->complement(m->less, n);
	l->add_quanta(m->quanta, d, n);
	l->add_square(m->square, d, n);
	l->plogp(m->entropy, d, n);
	l->add_entropy(m->sum, m->entropy, n);
	l->logs(m->log_sum, m->cross, d, n);
	memcpy(m->best, q, sizeof q);
	l->argmax(m->best, m->at, p, 3, n);
	l->count(m->counted, a, 2, n);
	l->differ(m->diff, a, b, n);
	l->mean(m->mu, m->rounded, sums, 7, n);
	l->top_two(m->first, m->second, d, n);
	l->top_two(m->first, m->second, e, n);
	l->product(m->product, d, e, n);
	l->cross_logs(m->logs, d, sums, n);
	l->pick(m->picked, votes, a, 1, n);
	l->look_up(m->found, votes, table, n);
	l->average(m->average, sums, 0x1p-46, 7, n);
	l->gain(m->gain, e, m->sum, 1, n);
	l->difference(m->difference, d, e, 0.1, n);
	l->store(m->stored, d, 3, false, n);
	l->store(m->stored, e, 2, true, n);
	l->add_line(m->line, p, false, false, n);
	l->add_line(m->line, q + n - 1, true, true, n);
	memcpy(m->weighted, q, n * sizeof *q);
	m->finite[0] = l->add_weighted(m->weighted, bad, 0.25f, q, n);
	memcpy(m->weighted, q, n * sizeof *q);
	m->finite[1] = l->add_weighted(m->weighted, m->line, 0.25f, p, n);
	l->divide(m->quotient, m->weighted, q, 3, n);
}

static void expect(bool right, const char *name, const char *what)
{
	if (!right) {
		printf("%s: %s\n", name, what);
		wrong++;
	}
}

/* h = -x log2 x against the library. */
static void logarithms(const struct loops *l)
{
	double worst = 0;

	for (int round = 0; round < 2000; round++) {
		double x[N], h[N] = {0};
		for (int i = 0; i < N; i++)
			x[i] = ldexp(1 - (double)next() * 0x1p-32 * (round % 2 ? 1 : ldexp(1, -(int)(next() % 50))), -(int)(next() % 3));
		l->plogp(h, x, N);
		for (int i = 0; i < N; i++) {
			double want = -x[i] * log2(x[i]);
			worst = fmax(worst, want > 0 ? fabs(h[i] / want - 1) : fabs(h[i]));
		}
	}
	printf("%s: largest relative error of x log x: %g\n", l->name, worst);
	expect(worst < 8e-10, l->name, "logarithms are off");
}

int main(void)
{
	static struct made want, got;
	double none[2] = { 0, 1 }, h[2] = { 0, 0 };

	inputs();
	for (const struct loops *const *l = loops_all(); *l; l++) {
		for (size_t n = 1; n <= N; n += n < 40 ? 1 : 59) {
			make(&want, &loops_base, n);
			make(&got, *l, n);
			expect(!memcmp(&want, &got, sizeof want), (*l)->name, "other bytes than base");
			expect(got.ok[1] && !got.ok[0], (*l)->name, "the wrong values are taken for probabilities");
			expect(got.finite[1] && !got.finite[0], (*l)->name, "the wrong sums are taken for finite");
			for (size_t i = 0; i < n; i++)
				expect(got.line[i] == p[i] + q[n - 1 - i] && got.quotient[i] == (q[i] + got.line[i] / 4 * p[i]) / (q[i] * 3),
				       (*l)->name, "a line is added wrongly");
		}
		logarithms(*l);
		(*l)->plogp(h, none, 2);
		expect(h[0] == 0 && h[1] == 0, (*l)->name, "0 log 0 or 1 log 1 is not 0");
	}
	for (int i = 0; i < N; i++)
		expect(want.quanta[i] == (uint64_t)(d[i] * 0x1p56) && want.mu[i] == (double)sums[i] / (7 * 0x1p56), "base", "sums are not exact");
	return wrong != 0;
}
