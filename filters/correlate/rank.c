#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "common/die.h"
#include "filters/correlate/correlate.h"

/* All scores on the rows that all of them have, drawn together. */
struct contest { const struct study *s; struct figure by; struct rated *rated; };

/* Figures such that small is good: correlations as those of an uncertainty with a column whose small values are bad. */
static double sign_of(const struct study *s, const struct metric *m, int score)
{
	if (m->correlation)
		return s->confident[score] != s->large_is_bad ? -1 : 1;
	return m->large_is_good ? -1 : 1;
}

static void compute(const void *arg, const unsigned *w, double *out)
{
	const struct contest *c = arg;

	for (int i = 0; i < c->s->n_scores; i++)
		out[i] = sign_of(c->s, c->by.metric, i) * metric_value(c->by.metric, &c->rated[i], w, c->by.at);
}

/* Scores from best to worst, undefined ones last, equal ones in their order; order: [n]. */
static void rank(int *order, const double *value, int n)
{
	for (int i = 0; i < n; i++) {
		int j = i;
		for (; j > 0 && (isnan(value[order[j - 1]]) ? !isnan(value[i]) : value[i] < value[order[j - 1]]); j--)
			order[j] = order[j - 1];
		order[j] = i;
	}
}

/* The share of draws that each score wins; draws that do not define all are left out, equal winners share. */
static void wins(double *share, const struct figures *f)
{
	double counted = 0;

	for (int i = 0; i < f->n; i++)
		share[i] = 0;
	for (int b = 0; b < f->draws; b++) {
		double best = INFINITY;
		int winners = 0;
		bool all = true;
		for (int i = 0; i < f->n; i++) {
			double v = f->draw[(size_t)i * (size_t)f->draws + (size_t)b];
			all &= !isnan(v);
			winners = v < best ? 1 : winners + (v == best);
			best = fmin(best, v);
		}
		for (int i = 0; all && i < f->n; i++)
			if (f->draw[(size_t)i * (size_t)f->draws + (size_t)b] == best)
				share[i] += 1.0 / winners;
		counted += all;
	}
	for (int i = 0; i < f->n; i++)
		share[i] = counted > 0 ? share[i] / counted : NAN;
}

static void lines(const struct study *s, const struct group *g, const struct metric *m, const struct figures *f, size_t n, unsigned n_clusters)
{
	int *order = xmalloc((size_t)f->n, sizeof *order), best;
	double *share = xmalloc((size_t)f->n, sizeof *share);

	rank(order, f->value, f->n);
	wins(share, f);
	best = order[0];
	for (int k = 0; k < f->n; k++) {
		int i = order[k];
		bool itself = i == best;
		double sign = m->correlation ? (s->large_is_bad ? -1 : 1) : m->large_is_good ? -1 : 1;
		struct interval v = figures_interval(f, i, -1, s->level), d = figures_interval(f, i, best, s->level);
		put_group(s, g);
		printf("%d\t%s", k + 1, s->t->name[s->score[i]]);
		tsv_put_digits(stdout, sign * f->value[i] + 0.0, 5);
		tsv_put_digits(stdout, sign > 0 ? v.low : 0.0 - v.high, 5);
		tsv_put_digits(stdout, sign > 0 ? v.high : 0.0 - v.low, 5);
		tsv_put_digits(stdout, f->value[i] - f->value[best], 5);
		tsv_put_digits(stdout, itself ? 0 : d.low, 5);
		tsv_put_digits(stdout, itself ? 0 : d.high, 5);
		tsv_put_digits(stdout, share[i], 3);
		printf("\t%s\t%zu\t%zu\t%u\t%s", isnan(f->value[i]) ? "undefined" : itself ? "best" : d.low > 0 ? "worse" : "undecided",
		       n, g->n - n, n_clusters, s->confident[i] ? "confidence" : "uncertainty");
		put_note(stdout, n_clusters, v.undefined);
	}
	free(order);
	free(share);
}

/* Which scores cost rows, for -v. */
static void say_missing(const struct study *s, const struct group *g)
{
	for (int i = 0; i < s->n_scores; i++) {
		size_t missing = 0;
		for (size_t k = 0; k < g->n; k++)
			missing += isnan(tsv_number(s->t, g->row[k], s->score[i]));
		if (missing)
			say("%s is nan in %zu of %zu rows, which are left out for all", s->t->name[s->score[i]], missing, g->n);
	}
}

void table_of_ranks(const struct study *s, const struct group *g, struct figure by)
{
	const struct metric *m = by.metric;

	if (!g) {
		printf("rank\tscore\t%s", m->name);
		if (m->limit != AT_NOTHING)
			printf(":%.9g", by.at);
		puts("\tlow\thigh\tbehind\tbehind_low\tbehind_high\tfirst\tverdict\tn\tdropped\tclusters\torientation\tnote");
		return;
	}
	size_t *row = xmalloc(g->n + 1, sizeof *row), n;
	double *x = xmalloc(((size_t)s->n_scores + 1) * g->n + 1, sizeof *x), *y = x + (size_t)s->n_scores * g->n;
	unsigned *cluster = xmalloc(g->n + 1, sizeof *cluster), n_clusters;
	struct contest c = { s, by, xcalloc((size_t)s->n_scores, sizeof *c.rated) };
	struct figures f = {0};

	n = study_rows(x, y, row, s, g, s->score, s->n_scores, m->correlation);
	if (verbose)
		say_missing(s, g);
	n_clusters = clusters_among(cluster, &s->clusters, row, n);
	for (int i = 0; i < s->n_scores; i++)
		rated_make(&c.rated[i], x + (size_t)i * g->n, y, n, (struct reading){ s->confident[i], s->large_is_bad });
	if (n) {
		struct resampling how = study_resampling(s, cluster, n, n_clusters);
		figures_make(&f, s->n_scores, &how, compute, &c);
		lines(s, g, m, &f, n, n_clusters);
		figures_free(&f);
	} else {
		warn("no row of %zu has a number in every score, so they cannot be compared (-x names those to compare)", g->n);
	}
	for (int i = 0; i < s->n_scores; i++)
		rated_free(&c.rated[i]);
	free(c.rated);
	free(cluster);
	free(row);
	free(x);
}
