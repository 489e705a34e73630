/* The monotone curve against the min-max formula, with ties and infinite scores; the margin of new patients by hand and in
 * simulated cohorts whose patients differ in size, where a margin over all cases alike would promise too much. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "common/isotonic.h"
#include "common/random.h"

static int wrong;

static void expect(const char *what, double got, double want, double tolerance)
{
	if (got == want || fabs(got - want) <= tolerance)
		return;
	wrong++;
	printf("%s: %.17g where %.17g is expected\n", what, got, want);
}

/* Barlow et al., Statistical inference under order restrictions, 1972: the rising fit at x is the largest, over a <= x, of
 * the smallest, over b >= x, of the mean of y over a..b. */
static double min_max(const double *x, const double *y, int n, double at, double turn)
{
	double best = -INFINITY;

	for (int a = 0; a < n; a++) {
		double least = INFINITY;
		for (int b = 0; b < n; b++) {
			double sum = 0, count = 0;
			for (int i = 0; i < n && x[a] <= at && x[b] >= at; i++)
				if (x[i] >= x[a] && x[i] <= x[b]) {
					sum += turn * y[i];
					count++;
				}
			least = count > 0 ? fmin(least, sum / count) : least;
		}
		best = x[a] <= at ? fmax(best, least) : best;
	}
	return turn * best;
}

static void fits(uint64_t s)
{
	double x[30], y[30];
	int n = 1 + (int)(random_bits(1, s, 0) % 30), levels = 1 + (int)(random_bits(1, s, 1) % 20);
	bool falling = s % 2;
	struct curve c;

	for (int i = 0; i < n; i++) {
		x[i] = (double)(random_bits(2, s, (uint64_t)i) % (unsigned)levels);
		x[i] = x[i] == 7 ? INFINITY : x[i] == 11 ? -INFINITY : x[i];
		y[i] = (double)(random_bits(3, s, (uint64_t)i) % 9) / 8 + (falling ? -0.03 : 0.03) * fmin(fmax(x[i], -20), 20);
	}
	curve_fit(&c, x, y, (size_t)n, falling);
	for (int i = 0; i < n; i++)
		expect("fit", curve_at(&c, x[i]), min_max(x, y, n, x[i], falling ? -1 : 1), 1e-13);
	for (double at = -3; at < 25; at += 0.4) {       /* between knots and beyond them it stays monotone */
		double step = curve_at(&c, at + 0.4) - curve_at(&c, at);
		if (falling ? step > 1e-12 : step < -1e-12)
			expect("monotone", step, 0, 0);
	}
	curve_free(&c);
}

static void by_hand(void)
{
	static const double x[] = { 1, 2, 3, 4, INFINITY }, y[] = { 0.9, 0.95, 0.7, 0.5, 0.1 }, r[] = { 0.1, 0.2, 0.3, 0.4, -0.1, 0.05 };
	static const unsigned k[] = { 0, 0, 1, 1, 2, 3 };
	struct curve c;

	curve_fit(&c, x, y, 5, true);
	expect("tied block", curve_at(&c, 1.5), 0.925, 1e-15);
	expect("between knots", curve_at(&c, 2.5), (0.925 + 0.7) / 2, 1e-15);
	expect("before the first", curve_at(&c, -INFINITY), 0.925, 1e-15);
	expect("beyond the last finite", curve_at(&c, 1e9), 0.5, 0);
	expect("infinite", curve_at(&c, INFINITY), 0.1, 0);
	if (!isnan(curve_at(&c, NAN)))
		wrong += printf("nan has a value\n");
	curve_free(&c);

	/* Four patients: sorted -0.1 (weight 1), 0.05 (1), 0.1, 0.2, 0.3, 0.4 (1/2 each), of 5. */
	expect("case, alpha 0.6", conformal_margin(r, k, 6, 4, 0.6, false), 0.05, 0);
	expect("case, alpha 0.5", conformal_margin(r, k, 6, 4, 0.5, false), 0.1, 0);
	expect("case, alpha 0.4", conformal_margin(r, k, 6, 4, 0.4, false), 0.2, 0);
	expect("case, alpha 0.2", conformal_margin(r, k, 6, 4, 0.2, false), 0.4, 0);
	expect("case, alpha 0.19", conformal_margin(r, k, 6, 4, 0.19, false), INFINITY, 0);
	expect("patient, alpha 0.6", conformal_margin(r, k, 6, 4, 0.6, true), 0.05, 0);
	expect("patient, alpha 0.4", conformal_margin(r, k, 6, 4, 0.4, true), 0.2, 0);
	expect("patient, alpha 0.2", conformal_margin(r, k, 6, 4, 0.2, true), 0.4, 0);
	expect("patient, alpha 0.19", conformal_margin(r, k, 6, 4, 0.19, true), INFINITY, 0);
	expect("nobody", conformal_margin(r, k, 0, 0, 0.5, false), INFINITY, 0);
}

enum { PATIENTS = 40, MOST = 12, TRIALS = 4000 };

/* Residuals of a patient: bad patients have few cases.  Returns how many. */
static size_t patient(double *r, uint64_t trial, uint64_t p)
{
	double level = random_unit(7, trial, 100 * p);
	size_t n = level > 0.7 ? 1 + random_bits(7, trial, 100 * p + 1) % 2 : MOST;

	for (size_t i = 0; i < n; i++)
		r[i] = level + 0.2 * random_unit(7, trial, 100 * p + 2 + i);
	return n;
}

static void cohorts(double alpha)
{
	double kept = 0, whole_kept = 0, naive = 0, sd = sqrt(alpha * (1 - alpha) / TRIALS);

	for (uint64_t t = 0; t < TRIALS; t++) {
		double r[PATIENTS * MOST], fresh[MOST], margin, whole;
		unsigned k[PATIENTS * MOST], each[PATIENTS * MOST];
		size_t n = 0, m;
		bool all = true;
		for (unsigned p = 0; p < PATIENTS; p++)
			for (size_t end = n + patient(r + n, t, p); n < end; n++) {
				k[n] = p;
				each[n] = (unsigned)n;
			}
		m = patient(fresh, t, PATIENTS);
		margin = conformal_margin(r, k, n, PATIENTS, alpha, false);
		whole = conformal_margin(r, k, n, PATIENTS, alpha, true);
		for (size_t i = 0; i < m; i++)
			all &= fresh[i] <= whole;
		whole_kept += all / (double)TRIALS;
		kept += (fresh[random_bits(8, t, 0) % m] <= margin) / (double)TRIALS;
		naive += (fresh[random_bits(8, t, 0) % m] <= conformal_margin(r, each, n, (unsigned)n, alpha, false)) / (double)TRIALS;
	}
	printf("note: alpha %g: %.3f of new cases and %.3f of new patients are kept; %.3f of cases, were patients ignored\n", alpha, kept,
	       whole_kept, naive);
	/* At least 1 - alpha, and no more than a patient's share above it. */
	for (int i = 0; i < 2; i++) {
		double share = i ? whole_kept : kept;
		if (share < 1 - alpha - 3 * sd || share > 1 - alpha + 1.0 / (PATIENTS + 1) + 3 * sd)
			expect(i ? "patients kept" : "cases kept", share, 1 - alpha, 0);
	}
	if (naive > 1 - alpha - 6 * sd)
		wrong += printf("the cohorts are too tame to tell: %.3f\n", naive);
}

int main(void)
{
	for (uint64_t s = 0; s < 500; s++)
		fits(s);
	by_hand();
	cohorts(0.1);
	cohorts(0.2);
	return wrong != 0;
}
