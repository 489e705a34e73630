#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "common/die.h"
#include "common/stats.h"
#include "filters/correlate/correlate.h"

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
	const char *name = t->name[s->score[i]], *against = t->name[s->cy];

	if (n < 2) {
		warn("%s: %zu of %zu rows have a finite value of it and of %s; two are needed", name, n, g->n, against);
	} else {
		if (constant(x, n) || constant(y, n))
			warn("%s: %s is the same in all %zu rows, so nothing can be said", name, constant(x, n) ? name : against, n);
		rated_make(&r, x, y, n, (struct reading){ .large_is_bad = s->large_is_bad });
		fit = stats_fit(x, y, n);
	}
	put_group(s, g);
	printf("%s\t%zu\t%zu", name, n, g->n - n);
	for (const struct metric *m = metrics; m->name; m++)
		if (m->correlation)
			tsv_put(stdout, n < 2 ? NAN : metric_value(m, &r, NULL, NAN));
	tsv_put(stdout, fit.slope);
	tsv_put(stdout, fit.intercept);
	tsv_put(stdout, fit.r2);
	putchar('\n');
	rated_free(&r);
	free(x);
	free(row);
}

void table_of_correlations(const struct study *s, const struct group *g)
{
	if (!g)
		puts("score\tn\tdropped\tpearson\tspearman\tkendall\tslope\tintercept\tr2");
	for (int i = 0; g && i < s->n_scores; i++)
		one_score(s, g, i);
}
