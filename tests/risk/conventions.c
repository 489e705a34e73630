/* The areas under risk-coverage curves as four other code bases define them, written out as they compute them, and how each
 * follows from ours; on vectors without ties, since with ties three of the four depend on the order of the file.
 *
 * SFB (Zenk et al. 2025) and ValUES (Kahl et al. 2024): trapezoids over coverage 1/n ... 1; ValUES subtracts the plain mean
 * of R_k of the best order.  fd-shifts (Jaeger et al. 2023, Traub et al. 2024): trapezoids over 0 ... 1 with R(0) = R_1, and
 * for AUGRC with G(0) = 0.  torch-uncertainty: trapezoids over 1/n ... 1, divided by 1 - 1/n. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/random.h"
#include "common/risk.h"

enum { MOST = 300 };
static int wrong;

static void expect(const char *what, double got, double want)
{
	if (fabs(got - want) <= 1e-12)
		return;
	wrong++;
	printf("%s: %.17g where %.17g is expected\n", what, got, want);
}

static double figure(const char *name, const struct rated *r)
{
	return metric_value(metric_named(name, strlen(name)), r, NULL, 0.5);
}

/* Thresholds from the least confident case on, as these code bases walk: coverage and selective risk fall from (1, all).
 * confidence: large is sure.  Returns points in out_x, out_y: [n], from full coverage to the surest case. */
static void thresholds(double *out_x, double *out_y, const double *confidence, const double *risk, int n, bool generalized)
{
	int order[MOST], left = n;
	double sum = 0;

	for (int i = 0; i < n; i++) {
		int j = i;
		for (; j > 0 && confidence[order[j - 1]] > confidence[i]; j--)
			order[j] = order[j - 1];
		order[j] = i;
		sum += risk[i];
	}
	for (int i = 0; i < n; i++, left--) {
		out_x[i] = (double)left / n;
		out_y[i] = sum / (generalized ? n : left);
		sum -= risk[order[i]];
	}
}

static double trapezoids(const double *x, const double *y, int n)
{
	double area = 0;

	for (int i = 0; i + 1 < n; i++)
		area += (x[i] - x[i + 1]) * (y[i] + y[i + 1]) / 2;
	return area;
}

/* fd-shifts adds the point at coverage 0. */
static double to_zero(double *x, double *y, int n, bool generalized)
{
	x[n] = 0;
	y[n] = generalized ? 0 : y[n - 1];
	return trapezoids(x, y, n + 1);
}

static double plain_mean(const double *y, int n)
{
	double sum = 0;

	for (int i = 0; i < n; i++)
		sum += y[i] / n;
	return sum;
}

static void one(int n, uint64_t stream)
{
	double dice[MOST], doubt[MOST], sure[MOST], risk[MOST], better[MOST], x[MOST + 1], y[MOST + 1], gx[MOST + 1], gy[MOST + 1];
	double ox[MOST + 1], oy[MOST + 1], first, last, ours, best, mean, shrink = 1 - 1.0 / n, area, optimum;
	struct rated r;

	for (int i = 0; i < n; i++) {
		dice[i] = random_unit(9, stream, 2 * (uint64_t)i);
		doubt[i] = 1 - dice[i] + random_unit(9, stream, 2 * (uint64_t)i + 1);
		sure[i] = -doubt[i];
		risk[i] = 1 - dice[i];
		better[i] = -risk[i];
	}
	rated_make(&r, doubt, dice, (size_t)n, (struct reading){0});
	thresholds(x, y, sure, risk, n, false);
	thresholds(gx, gy, sure, risk, n, true);
	thresholds(ox, oy, better, risk, n, false);
	first = y[n - 1];                       /* R_1 */
	last = mean = y[0];                     /* R_n */
	ours = figure("aurc", &r);
	best = ours - figure("e_aurc", &r);

	area = trapezoids(x, y, n);
	optimum = trapezoids(ox, oy, n);
	expect("SFB and ValUES: AURC", ours - (first + last) / (2 * n), area);
	expect("SFB: e-AURC", figure("e_aurc", &r) - (first - oy[n - 1]) / (2 * n), area - optimum);
	expect("ValUES: e-AURC, a trapezoid less a mean", figure("e_aurc", &r) - (first + last) / (2 * n), area - plain_mean(oy, n));
	expect("torch-uncertainty: AURC", (ours - (first + last) / (2 * n)) / shrink, area / shrink);
	expect("torch-uncertainty: AUGRC", (figure("augrc", &r) - risk[r.by_doubt[0]] / n / (2 * n)) / shrink, trapezoids(gx, gy, n) / shrink);
	/* SFB takes the mean risk for the area of chance, although by its own rule that is (1 - 1/n) of it. */
	expect("SFB: n-AURC", (mean - ours + (first + last) / (2 * n)) / (mean - best + (oy[n - 1] + last) / (2 * n)), (mean - area) / (mean - optimum));
	expect("fd-shifts: AURC", ours + (first - last) / (2 * n), to_zero(x, y, n, false));
	expect("fd-shifts: e-AURC", figure("e_aurc", &r) + (first - oy[n - 1]) / (2 * n), to_zero(x, y, n, false) - to_zero(ox, oy, n, false));
	expect("fd-shifts: AUGRC", figure("augrc", &r), to_zero(gx, gy, n, true));
	rated_free(&r);
}

/* AUGRC of a risk that is 0 or 1: (1 - AUROC) accuracy error + error^2 / 2 (Traub et al., eq. 6). */
static void binary(uint64_t stream)
{
	double y[40], x[40], error = 0;
	struct rated r;

	for (uint64_t i = 0; i < 40; i++) {
		y[i] = random_unit(10, stream, i) > 0.3;
		x[i] = (double)(random_bits(11, stream, i) % 9) - 4 * y[i];
		error += (1 - y[i]) / 40;
	}
	rated_make(&r, x, y, 40, (struct reading){0});
	expect("AUGRC from AUROC", figure("augrc", &r), (1 - figure("failure_auroc", &r)) * (1 - error) * error + error * error / 2);
	rated_free(&r);
}

int main(void)
{
	for (uint64_t s = 0; s < 60; s++) {
		one(2 + (int)(s * 5), s);
		binary(s);
	}
	/* The values of the table of conventions for a constant risk of 0.2 and n = 20. */
	double x[20], y[20];
	struct rated r;
	for (int i = 0; i < 20; i++) {
		x[i] = i;
		y[i] = 0.8;
	}
	rated_make(&r, x, y, 20, (struct reading){0});
	expect("constant risk: ours", figure("aurc", &r), 0.2);
	expect("constant risk: SFB's", figure("aurc", &r) - 0.4 / 40, 0.19);
	expect("constant risk: AUGRC", figure("augrc", &r), 0.1);
	expect("constant risk: torch-uncertainty's AUGRC", (figure("augrc", &r) - 0.2 / 20 / 40) / 0.95, 0.105);
	rated_free(&r);
	return wrong != 0;
}
