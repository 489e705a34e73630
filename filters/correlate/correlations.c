#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "common/die.h"
#include "common/stats.h"
#include "filters/correlate/correlate.h"

enum { CORRELATIONS = 3 };

/* Those of metrics[]: Pearson's, Spearman's, Kendall's. */
static void correlations(const void *arg, const unsigned *w, double *out)
{
	for (const struct metric *m = metrics; m->name; m++)
		if (m->correlation)
			*out++ = metric_value(m, arg, w, NAN);
}

/* Intervals, patients and note. */
static void put_intervals(const struct study *s, const struct rated *r, const size_t *row, size_t n)
{
	unsigned *cluster = xmalloc(n + 1, sizeof *cluster), n_clusters = clusters_among(cluster, &s->clusters, row, n);
	struct resampling how = study_resampling(s, cluster, n, n_clusters);
	struct figures f = {0};
	int undefined = 0;

	if (n > 1)
		figures_make(&f, CORRELATIONS, &how, correlations, r);
	for (int i = 0; i < CORRELATIONS; i++) {
		struct interval v = n > 1 ? figures_interval(&f, i, -1, s->level) : (struct interval){ NAN, NAN, 0 };
		tsv_put_digits(stdout, v.low, 5);
		tsv_put_digits(stdout, v.high, 5);
		undefined = v.undefined > undefined ? v.undefined : undefined;
	}
	printf("\t%u", n_clusters);
	put_note(stdout, n_clusters, undefined);
	figures_free(&f);
	free(cluster);
}

static bool constant(const double *x, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (x[i] != x[0])
			return false;
	return true;
}

static void one_score(const struct study *s, const struct group *g, int i)
{
	const struct tsv *t = s->t;
	double *x = xmalloc(2 * g->n + 1, sizeof *x), *y = x + g->n;
	size_t *row = xmalloc(g->n + 1, sizeof *row), n = study_rows(x, y, row, s, g, &s->score[i], 1, true);
	struct fit fit = { NAN, NAN, NAN };
	struct rated r = {0};
	double value[CORRELATIONS] = { NAN, NAN, NAN };
	const char *name = t->name[s->score[i]], *against = t->name[s->cy];

	if (n < 2) {
		warn("%s: %zu of %zu rows have a finite value of it and of %s; two are needed", name, n, g->n, against);
	} else {
		if (constant(x, n) || constant(y, n))
			warn("%s: %s is the same in all %zu rows, so nothing can be said", name, constant(x, n) ? name : against, n);
		rated_make(&r, x, y, n, (struct reading){ .large_is_bad = s->large_is_bad });
		correlations(&r, NULL, value);
		fit = stats_fit(x, y, n);
	}
	put_group(s, g);
	printf("%s\t%zu\t%zu", name, n, g->n - n);
	for (int k = 0; k < CORRELATIONS; k++)
		tsv_put(stdout, value[k]);
	tsv_put(stdout, fit.slope);
	tsv_put(stdout, fit.intercept);
	tsv_put(stdout, fit.r2);
	put_intervals(s, &r, row, n);
	rated_free(&r);
	free(x);
	free(row);
}

void table_of_correlations(const struct study *s, const struct group *g)
{
	if (!g)
		puts("score\tn\tdropped\tpearson\tspearman\tkendall\tslope\tintercept\tr2\tpearson_low\tpearson_high\t"
		     "spearman_low\tspearman_high\tkendall_low\tkendall_high\tclusters\tnote");
	for (int i = 0; g && i < s->n_scores; i++)
		one_score(s, g, i);
}
