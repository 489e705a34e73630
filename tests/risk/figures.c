/* Every figure against a plain count over all orders that equal scores allow, on small vectors; weights against copies of
 * rows; a perfect order, one case, equal risks, equal and infinite scores. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/random.h"
#include "common/risk.h"

enum { MOST = 7 };
#define FAILURE 0.6
static int wrong;

static void expect(const char *what, double got, double want, double tolerance)
{
	if (isnan(want) ? isnan(got) : fabs(got - want) <= tolerance)
		return;
	if (wrong++ < 20)
		printf("%s: %.17g where %.17g is expected\n", what, got, want);
}

static double figure(const char *name, const struct rated *r, double at)
{
	return metric_value(metric_named(name, strlen(name)), r, NULL, at);
}

/* ---- the figures of one order of cases, surest first, from their definitions ---- */

enum { AURC, BEST, AUGRC, AUROC, AP, FPR95, CAUGHT, RISK, N_PLAIN };
struct plain { double v[N_PLAIN]; };

static double plain_aurc(const double *risk, int n)
{
	double sum = 0;

	for (int k = 1; k <= n; k++) {
		double s = 0;
		for (int i = 0; i < k; i++)
			s += risk[i];
		sum += s / k / n;
	}
	return sum;
}

/* Trapezoids between the points (k / n, G_k), from (0, 0). */
static double plain_augrc(const double *risk, int n)
{
	double sum = 0, before = 0;

	for (int k = 0; k < n; k++) {
		double now = before + risk[k] / n;
		sum += (before + now) / 2 / n;
		before = now;
	}
	return sum;
}

static double plain_auroc(const bool *failed, int n)
{
	double good = 0, pairs = 0, bad = 0;

	for (int i = 0; i < n; i++) {
		good += !failed[i];
		bad += failed[i];
		pairs += failed[i] ? good : 0;
	}
	return good > 0 && bad > 0 ? pairs / good / bad : NAN;
}

static double plain_ap(const bool *failed, int n)
{
	double hits = 0, sum = 0;

	for (int i = n - 1; i >= 0; i--)
		if (failed[i])
			sum += ++hits / (n - i);
	return sum / hits;
}

static double plain_fpr95(const bool *failed, int n)
{
	double bad = 0, good = 0, hits = 0, misses = 0;

	for (int i = 0; i < n; i++)
		*(failed[i] ? &bad : &good) += 1;
	for (int i = n - 1; i >= 0 && hits / bad < 0.95; i--)
		*(failed[i] ? &hits : &misses) += 1;
	return good > 0 && bad > 0 ? misses / good : NAN;
}

static int by_value(const void *a, const void *b)
{
	double p = *(const double *)a, q = *(const double *)b;

	return p < q ? -1 : p > q;
}

static struct plain plain(const struct rated *r, const int *order, double budget, double coverage)
{
	double risk[MOST], sorted[MOST], bad = 0, caught = 0, sum = 0;
	bool failed[MOST];
	int n = (int)r->n, k = (int)ceil(budget * n), kept = (int)ceil(coverage * n);
	struct plain p;

	for (int i = 0; i < n; i++) {
		risk[i] = sorted[i] = r->risk[order[i]];
		failed[i] = risk_failed(r, (size_t)order[i], FAILURE);
		bad += failed[i];
		caught += i >= n - k && failed[i];
		sum += i < kept ? risk[i] : 0;
	}
	qsort(sorted, (size_t)n, sizeof *sorted, by_value);
	p.v[AURC] = plain_aurc(risk, n);
	p.v[BEST] = plain_aurc(sorted, n);
	p.v[AUGRC] = plain_augrc(risk, n);
	p.v[AUROC] = plain_auroc(failed, n);
	p.v[AP] = plain_ap(failed, n);
	p.v[FPR95] = plain_fpr95(failed, n);
	p.v[CAUGHT] = caught / bad;
	p.v[RISK] = sum / kept;
	return p;
}

/* Adds the figures of all orders that begin with order[0..at-1] and agree with the scores. */
static void all_orders(struct plain *sum, double *n_orders, const struct rated *r, int *order, int at, unsigned used, double budget,
                       double coverage)
{
	if (at == (int)r->n) {
		struct plain p = plain(r, order, budget, coverage);
		for (int i = 0; i < N_PLAIN; i++)
			sum->v[i] += p.v[i];
		*n_orders += 1;
		return;
	}
	for (int i = 0; i < (int)r->n; i++) {
		bool least = !(used >> i & 1);
		for (int j = 0; j < (int)r->n; j++)
			least &= used >> j & 1 || r->doubt[i] <= r->doubt[j];
		if (!least)
			continue;
		order[at] = i;
		all_orders(sum, n_orders, r, order, at + 1, used | 1u << i, budget, coverage);
	}
}

static void against_all_orders(uint64_t stream)
{
	double x[MOST], y[MOST], budget = 0.3, coverage = 0.6, n_orders = 0, mean_risk = 0, aurc;
	int n = 1 + (int)(random_bits(1, stream, 0) % MOST), levels = 1 + (int)(random_bits(1, stream, 1) % 5), order[MOST];
	struct plain sum = {0};
	struct rated r;

	for (int i = 0; i < n; i++) {
		x[i] = (double)(random_bits(2, stream, (uint64_t)i) % (unsigned)levels);
		y[i] = (double)(random_bits(3, stream, (uint64_t)i) % 5) / 4;
		if (x[i] == 4)
			x[i] = INFINITY;
	}
	rated_make(&r, x, y, (size_t)n, (struct reading){ .confident = stream % 2 });
	for (int i = 0; i < n; i++)
		mean_risk += r.risk[i] / n;
	all_orders(&sum, &n_orders, &r, order, 0, 0, budget, coverage);
	for (int i = 0; i < N_PLAIN; i++)
		sum.v[i] /= n_orders;
	aurc = sum.v[AURC];
	expect("aurc", figure("aurc", &r, NAN), aurc, 1e-12);
	expect("e_aurc", figure("e_aurc", &r, NAN), aurc - sum.v[BEST], 1e-12);
	expect("n_aurc", figure("n_aurc", &r, NAN), mean_risk - sum.v[BEST] > 1e-9 ? (mean_risk - aurc) / (mean_risk - sum.v[BEST]) : NAN, 1e-12);
	expect("augrc", figure("augrc", &r, NAN), sum.v[AUGRC], 1e-12);
	expect("failure_auroc", figure("failure_auroc", &r, FAILURE), sum.v[AUROC], 1e-12);
	expect("failure_ap", figure("failure_ap", &r, FAILURE), sum.v[AP], 1e-12);
	expect("failure_fpr95", figure("failure_fpr95", &r, FAILURE), sum.v[FPR95], 1e-12);
	expect("risk_at_coverage", figure("risk_at_coverage", &r, coverage), sum.v[RISK], 1e-12);
	expect("risk_caught", risk_caught(&r, NULL, FAILURE, budget), sum.v[CAUGHT], 1e-12);
	rated_free(&r);
}

static const double limits[N_LIMITS] = { [AT_FAILURE] = 0.5, [AT_RISK] = 0.2, [AT_COVERAGE] = 0.5 };

/* A case that counts w times is w cases. */
static void weights(uint64_t stream)
{
	double x[12], y[12], many_x[48], many_y[48];
	unsigned w[12];
	size_t n = 12, m = 0;
	struct reading how = { .confident = stream % 2, .large_is_bad = stream / 2 % 2 };
	struct rated one, many;

	for (size_t i = 0; i < n; i++) {
		x[i] = (double)(random_bits(4, stream, i) % 7);
		y[i] = (double)(random_bits(5, stream, i) % 6) / 5;
		w[i] = (unsigned)(random_bits(6, stream, i) % 4);
		for (unsigned k = 0; k < w[i]; k++, m++) {
			many_x[m] = x[i];
			many_y[m] = y[i];
		}
	}
	rated_make(&one, x, y, n, how);
	rated_make(&many, many_x, many_y, m, how);
	for (const struct metric *k = metrics; k->name; k++)
		expect(k->name, metric_value(k, &one, w, limits[k->limit]), metric_value(k, &many, NULL, limits[k->limit]), 1e-12);
	for (double share = 0.05; share <= 1; share += 0.05) {
		expect("risk_caught", risk_caught(&one, w, 0.5, share), risk_caught(&many, NULL, 0.5, share), 1e-12);
		expect("risk_budget", risk_budget(&one, w, 0.5, share), risk_budget(&many, NULL, 0.5, share), 1e-12);
	}
	rated_free(&one);
	rated_free(&many);
}

static void expect_all(const char *what, const double *x, const double *y, size_t n, const double *want)
{
	struct rated r;

	rated_make(&r, x, y, n, (struct reading){0});
	for (int i = 0; i < N_METRICS; i++) {
		char text[80];
		snprintf(text, sizeof text, "%s, %s", what, metrics[i].name);
		expect(text, metric_value(&metrics[i], &r, NULL, limits[metrics[i].limit]), want[i], 1e-15);
	}
	rated_free(&r);
}

/* 50 failed and 50 good cases by turns, the most doubtful one failed: 48 failures are 95 % of them, and 47 good cases come
 * before the 48th.  56 % of 100 cases are 56, though 0.56 * 100 is a little more. */
static void many(void)
{
	double x[100], y[100];
	struct rated r;

	for (int i = 0; i < 100; i++) {
		x[i] = 100 - i;
		y[i] = i % 2;
	}
	rated_make(&r, x, y, 100, (struct reading){0});
	expect("failure_fpr95 of many", figure("failure_fpr95", &r, 0.5), 47.0 / 50, 1e-15);
	expect("risk_caught of many", risk_caught(&r, NULL, 0.5, 0.56), 28.0 / 50, 1e-15);
	expect("risk_budget of many", risk_budget(&r, NULL, 0.5, 0.14), 13.0 / 100, 1e-15);
	rated_free(&r);
}

int main(void)
{
	static const double x[] = { 1, 2, 3, INFINITY }, equal[] = { 2, 2, 2, 2 }, y[] = { 1, 0.75, 0.5, 0 }, good[] = { 0.75, 0.75, 0.75, 0.75 };

	for (uint64_t s = 0; s < 600; s++)
		against_all_orders(s);
	for (uint64_t s = 0; s < 400; s++)
		weights(s);
	many();
	/* mean pearson spearman kendall aurc e_aurc n_aurc augrc auroc ap fpr95 coverage@0.2 risk@0.5 */
	expect_all("one good case", x, good, 1, (double[]){ 0.75, NAN, NAN, NAN, 0.25, 0, NAN, 0.125, NAN, NAN, NAN, 0, 0.25 });
	expect_all("one bad case", x, y + 3, 1, (double[]){ 0, NAN, NAN, NAN, 1, 0, NAN, 0.5, NAN, 1, NAN, 0, 1 });
	expect_all("two cases", x, y, 2, (double[]){ 0.875, -1, -1, -1, 0.0625, 0, 1, 0.03125, NAN, NAN, NAN, 1, 0 });
	expect_all("equal risks", x, good, 3, (double[]){ 0.75, NAN, NAN, NAN, 0.25, 0, NAN, 0.125, NAN, NAN, NAN, 0, 0.25 });
	expect_all("equal scores", equal, y, 4, (double[]){ 0.5625, NAN, NAN, NAN, 0.4375, 0.4375 - (0.125 + 0.25 + 0.4375) / 4,
		0, 0.21875, 0.5, 0.25 * (1 + 0.5 + 1 / 3.0 + 0.25), 0.5, 0, 0.4375 });
	expect_all("an infinite score", x, y, 4, (double[]){ 0.5625, NAN, -1, -1, (0.125 + 0.25 + 0.4375) / 4, 0, 1,
		(0 + 0.25 + 0.75 + 1.75) / 16 - 1.75 / 32, 1, 1, 0, 0.5, 0.125 });
	return wrong != 0;
}
