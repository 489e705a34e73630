#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/risk.h"
#include "common/stats.h"

void rated_make(struct rated *r, const double *x, const double *y, size_t n, struct reading how)
{
	*r = (struct rated){ .n = n, .sign = how.confident != how.large_is_bad ? 1 : -1,
		.large_is_bad = how.large_is_bad };
	r->x = xmalloc(4 * n + 1, sizeof *r->x);
	r->y = r->x + n;
	r->doubt = r->x + 2 * n;
	r->risk = r->x + 3 * n;
	r->by_doubt = xmalloc(3 * n + 1, sizeof *r->by_doubt);
	r->by_risk = r->by_doubt + n;
	r->by_both = r->by_doubt + 2 * n;
	for (size_t i = 0; i < n; i++) {
		r->x[i] = x[i];
		r->y[i] = y[i];
		r->doubt[i] = how.confident ? -x[i] : x[i];
		r->risk[i] = how.large_is_bad ? y[i] : 1 - y[i];
	}
	stats_order(r->by_doubt, r->doubt, NULL, n);
	stats_order(r->by_risk, r->risk, NULL, n);
	stats_order(r->by_both, r->doubt, r->risk, n);
}

void rated_free(struct rated *r)
{
	free(r->x);
	free(r->by_doubt);
	*r = (struct rated){0};
}

/* ---- walking through groups of equal scores ---- */

bool risk_failed(const struct rated *r, size_t i, double failure)
{
	return r->large_is_bad ? r->y[i] > failure : r->y[i] < failure;
}

static double count(const unsigned *w, size_t i)
{
	return w ? w[i] : 1;
}

/* A walk through rows in the order of a key, a group of equal keys a step; begins with zeros but for the first line. */
struct walk {
	const struct rated *r; const unsigned *w; const size_t *order; const double *key; bool backwards;
	double failure;
	size_t at;                                             /* rows walked */
	double cases, risk, failed;                            /* of the group */
	double cases_before, risk_before, failed_before;
};

static struct walk surest_first(const struct rated *r, const unsigned *w)
{
	return (struct walk){ .r = r, .w = w, .order = r->by_doubt, .key = r->doubt, .failure = NAN };
}

static struct walk doubtful_first(const struct rated *r, const unsigned *w, double failure)
{
	return (struct walk){ .r = r, .w = w, .order = r->by_doubt, .key = r->doubt, .backwards = true, .failure = failure };
}

static bool step(struct walk *g)
{
	const struct rated *r = g->r;
	size_t n = r->n, first;

	while (g->w && g->at < n && !g->w[g->order[g->backwards ? n - 1 - g->at : g->at]])
		g->at++;
	if (g->at == n)
		return false;
	g->cases_before += g->cases;
	g->risk_before += g->risk;
	g->failed_before += g->failed;
	g->cases = g->risk = g->failed = 0;
	first = g->order[g->backwards ? n - 1 - g->at : g->at];
	for (; g->at < n; g->at++) {
		size_t k = g->order[g->backwards ? n - 1 - g->at : g->at];
		if (g->key[k] != g->key[first])
			break;
		g->cases += count(g->w, k);
		g->risk += count(g->w, k) * r->risk[k];
		g->failed += risk_failed(r, k, g->failure) ? count(g->w, k) : 0;
	}
	return true;
}

/* Cases, risk and failures of all; in the fields of a group. */
static struct walk totals(const struct rated *r, const unsigned *w, double failure)
{
	struct walk t = {0};

	for (size_t k = 0; k < r->n; k++) {
		t.cases += count(w, k);
		t.risk += count(w, k) * r->risk[k];
		t.failed += risk_failed(r, k, failure) ? count(w, k) : 0;
	}
	return t;
}

/* The share of n, in whole cases, upwards; a share that is a rounding above a whole number is that number. */
static double whole(double share, double n)
{
	double k = ceil(share * n * (1 - 1e-12));

	return k > n ? n : k;
}

/* ---- figures ---- */

static double mean(const struct rated *r, const unsigned *w)
{
	double sum = 0, n = 0;

	for (size_t k = 0; k < r->n; k++) {
		sum += count(w, k) * r->y[k];
		n += count(w, k);
	}
	return sum / n;
}

static double pearson(const struct rated *r, const unsigned *w)
{
	return stats_pearson(r->x, r->y, w, r->n);
}

static double spearman(const struct rated *r, const unsigned *w)
{
	return r->sign * stats_spearman(r->doubt, r->risk, r->by_doubt, r->by_risk, w, r->n);
}

static double kendall(const struct rated *r, const unsigned *w)
{
	return r->sign * stats_kendall(r->doubt, r->risk, r->by_both, w, r->n);
}

/* (1/n) sum of R_k in the order of the walk.  In a group of W cases with mean risk m the expectation of R at its j-th
 * case is (S + j m) / (K + j), S and K being risk and cases before it. */
static double area(struct walk g)
{
	double sum = 0, n = 0;

	while (step(&g)) {
		double m = g.risk / g.cases;
		for (double j = 1; j <= g.cases; j++)
			sum += (g.risk_before + j * m) / (g.cases_before + j);
		n += g.cases;
	}
	return sum / n;
}

/* Geifman, Uziel, El-Yaniv: Bias-reduced uncertainty estimation for deep neural classifiers, ICLR 2019; as the plain mean
 * of R_k, not by the trapezoid rule. */
static double aurc(const struct rated *r, const unsigned *w)
{
	return area(surest_first(r, w));
}

static double aurc_best(const struct rated *r, const unsigned *w)
{
	return area((struct walk){ .r = r, .w = w, .order = r->by_risk, .key = r->risk, .failure = NAN });
}

static double e_aurc(const struct rated *r, const unsigned *w)
{
	double all = aurc(r, w), above = all - aurc_best(r, w);

	return above > 1e-12 * fabs(all) ? above : 0;            /* what is less is rounding */
}

/* 1: the best order, 0: as good as chance, whose expected R_k is the mean risk at every k. */
static double n_aurc(const struct rated *r, const unsigned *w)
{
	struct walk all = totals(r, w, NAN);
	double chance = all.risk / all.cases, best = aurc_best(r, w);

	return chance - best > 1e-12 * fabs(chance) ? (chance - aurc(r, w)) / (chance - best) : NAN;
}

/* Traub et al.: Overcoming common flaws in the evaluation of selective classification systems, NeurIPS 2024: the area
 * under G_k over coverage by the trapezoid rule from (0, 0): (1/n) sum of G_k, less G_n / 2n. */
static double augrc(const struct rated *r, const unsigned *w)
{
	struct walk g = surest_first(r, w);
	double sum = 0, n, total;

	while (step(&g))
		sum += g.cases * g.risk_before + g.risk * (g.cases + 1) / 2;
	n = g.cases_before + g.cases;
	total = g.risk_before + g.risk;
	return (sum - total / 2) / (n * n);
}

static double failure_auroc(const struct rated *r, const unsigned *w, double failure)
{
	struct walk all = totals(r, w, failure), g = doubtful_first(r, w, failure);
	double good = all.cases - all.failed, pairs = 0;

	while (step(&g)) {
		double good_here = g.cases - g.failed, good_after = good - (g.cases_before - g.failed_before) - good_here;
		pairs += g.failed * (good_after + good_here / 2);
	}
	return all.failed > 0 && good > 0 ? pairs / (all.failed * good) : NAN;
}

/* Mean over failed cases of the share of failures among the cases that are at least as doubtful.  The j-th of a group of t
 * cases, p of them failed, is a failure with probability p / t, and then (j - 1) (p - 1) / (t - 1) of those before it in
 * the group are expected to be. */
static double failure_ap(const struct rated *r, const unsigned *w, double failure)
{
	struct walk g = doubtful_first(r, w, failure);
	double sum = 0, failures;

	while (step(&g)) {
		double t = g.cases, p = g.failed, others = t > 1 ? (p - 1) / (t - 1) : 0;
		for (double j = 1; p > 0 && j <= t; j++)
			sum += p / t * (g.failed_before + 1 + (j - 1) * others) / (g.cases_before + j);
	}
	failures = g.failed_before + g.failed;
	return failures > 0 ? sum / failures : NAN;
}

/* The share of good cases above the threshold that finds 95 % of the failed ones.  Before the j-th of p failures in a
 * group with q good cases j q / (p + 1) of these are expected. */
static double failure_fpr95(const struct rated *r, const unsigned *w, double failure)
{
	struct walk all = totals(r, w, failure), g = doubtful_first(r, w, failure);
	double good = all.cases - all.failed, needed = whole(0.95, all.failed);

	if (!(all.failed > 0 && good > 0))
		return NAN;
	while (step(&g) && g.failed_before + g.failed < needed)
		;
	return (g.cases_before - g.failed_before + (needed - g.failed_before) * (g.cases - g.failed) / (g.failed + 1)) / good;
}

/* The largest k / n with R_k <= at_risk; 0 if there is none. */
static double coverage_at_risk(const struct rated *r, const unsigned *w, double at)
{
	struct walk g = surest_first(r, w);
	double most = at + 1e-12 * fabs(at), best = 0;

	while (step(&g))
		for (double j = 1; j <= g.cases; j++)
			if (g.risk_before + j * g.risk / g.cases <= most * (g.cases_before + j))
				best = g.cases_before + j;
	return best / (g.cases_before + g.cases);
}

static double risk_of_surest(const struct rated *r, const unsigned *w, double k)
{
	struct walk g = surest_first(r, w);

	while (step(&g) && g.cases_before + g.cases < k)
		;
	return (g.risk_before + (k - g.cases_before) * g.risk / g.cases) / k;
}

static double risk_at_coverage(const struct rated *r, const unsigned *w, double at)
{
	return risk_of_surest(r, w, whole(at, totals(r, w, NAN).cases));
}

const struct metric metrics[N_METRICS + 1] = {
	{ "mean", false, false, AT_NOTHING, mean, NULL },
	{ "pearson", true, false, AT_NOTHING, pearson, NULL },
	{ "spearman", true, false, AT_NOTHING, spearman, NULL },
	{ "kendall", true, false, AT_NOTHING, kendall, NULL },
	{ "aurc", false, false, AT_NOTHING, aurc, NULL },
	{ "e_aurc", false, false, AT_NOTHING, e_aurc, NULL },
	{ "n_aurc", false, true, AT_NOTHING, n_aurc, NULL },
	{ "augrc", false, false, AT_NOTHING, augrc, NULL },
	{ "failure_auroc", false, true, AT_FAILURE, NULL, failure_auroc },
	{ "failure_ap", false, true, AT_FAILURE, NULL, failure_ap },
	{ "failure_fpr95", false, false, AT_FAILURE, NULL, failure_fpr95 },
	{ "coverage_at_risk", false, true, AT_RISK, NULL, coverage_at_risk },
	{ "risk_at_coverage", false, false, AT_COVERAGE, NULL, risk_at_coverage },
	{ NULL, false, false, AT_NOTHING, NULL, NULL }
};

double metric_value(const struct metric *m, const struct rated *r, const unsigned *w, double at)
{
	return m->of ? m->of(r, w) : m->of_at(r, w, at);
}

const struct metric *metric_named(const char *name, size_t length)
{
	for (const struct metric *m = metrics; m->name; m++)
		if (!strncmp(m->name, name, length) && !m->name[length])
			return m;
	return NULL;
}

/* ---- reviewing the most doubtful cases ---- */

double risk_caught(const struct rated *r, const unsigned *w, double failure, double budget)
{
	struct walk all = totals(r, w, failure), g = doubtful_first(r, w, failure);
	double k = whole(budget, all.cases);

	if (!(all.failed > 0))
		return NAN;
	if (k == 0)
		return 0;
	while (step(&g) && g.cases_before + g.cases < k)
		;
	return (g.failed_before + (k - g.cases_before) * g.failed / g.cases) / all.failed;
}

double risk_budget(const struct rated *r, const unsigned *w, double failure, double catch)
{
	struct walk all = totals(r, w, failure), g = doubtful_first(r, w, failure);
	double needed = catch * all.failed * (1 - 1e-12);

	if (!(all.failed > 0))
		return NAN;
	while (step(&g) && g.failed_before + g.failed < needed)
		;
	return (g.cases_before + ceil((needed - g.failed_before) * g.cases / g.failed)) / all.cases;
}
