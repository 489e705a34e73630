/* Tails of Student's t distribution: closed forms for 1 and 2 degrees of freedom, quantiles of printed tables, and values by
 * tanh-sinh quadrature of the density for others, with tails down to 1e-40. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include "common/stats.h"
#include "common/welch.h"

static int wrong;

static void expect(double t, double df, double want, double tolerance)
{
	double got = stats_student_two_sided(t, df);

	if (!(fabs(got - want) <= tolerance * want)) {
		printf("t = %g, df = %g: %.17g where %.17g is expected\n", t, df, got, want);
		wrong++;
	}
}

int main(void)
{
	static const struct { double t, df, p; } table[] = {
		{ 12.7062047361747, 1, 0.05 }, { 4.302652729749464, 2, 0.05 }, { 2.228138851986275, 10, 0.05 }, { 2.042272456301237, 30, 0.05 },
		{ 63.65674116287157, 1, 0.01 }, { 3.169272672616951, 10, 0.01 }, { 2.749995653567225, 30, 0.01 },
		{ 1.3, 2.5, 0.300486789270708 }, { 3.1, 21.7, 0.00528220023946533 }, { 2, 0.5, 0.445514890183131 }, { 100, 10, 2.44968955541983e-16 },
		{ 2.0739, 22, 0.0499972744412146 }, { 50, 22, 3.75830709598186e-24 }, { 8, 3.75, 0.00172845692147877 },
		{ 1000, 16, 8.43346363443712e-40 }, { 0.9, 22, 0.377866673985153 }, { 0.5, 4.2, 0.642142836796957 }, { 5, 300.5, 9.76093619931485e-07 },
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		expect(table[i].t, table[i].df, table[i].p, 1e-12);
		expect(-table[i].t, table[i].df, table[i].p, 1e-12);
	}
	for (double t = 1e-6; t < 1e12; t *= 7) {
		expect(t, 1, 2 * atan(1 / t) / acos(-1.0), 1e-13);
		expect(t, 2, 2 / ((2 + t * t) * (1 + t / sqrt(2 + t * t))), 1e-13);
	}
	expect(0, 3, 1, 0);
	if (stats_student_two_sided(INFINITY, 5) != 0 || !isnan(stats_student_two_sided(NAN, 5)) || !isnan(stats_student_two_sided(1, NAN)) ||
	    !isnan(stats_student_two_sided(1, 0)))
		wrong += printf("limits are wrong\n");
	/* Welch: unequal variances give df 1.47 for n = 2 by its formula; no variance at all. */
	double df = (1 + 0.25) * (1 + 0.25) / (1 + 0.0625), p = stats_student_two_sided(2 / sqrt(1.25), df);
	if (!(fabs(welch_p(2, 2, 0.5, 2) - p) < 1e-15) || welch_p(0.5, 0, 0, 3) != 0 || !isnan(welch_p(0, 0, 0, 3)) || !isnan(welch_p(1, NAN, NAN, 1)))
		wrong += printf("Welch's test is wrong\n");
	return wrong != 0;
}
