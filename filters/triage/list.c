#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "common/die.h"
#include "common/stats.h"
#include "filters/triage/triage.h"

static void row(const struct tsv *t, size_t r)
{
	for (int c = 0; c < t->n_columns; c++)
		printf(c ? "\t%s" : "%s", t->cell[r * (size_t)t->n_columns + (size_t)c]);
	putchar('\n');
}

void print_list(const struct tsv *t, int cx, bool confident, const struct budget *budget, double threshold)
{
	size_t n = t->n_rows, *by_name = cohort_order(t), *order = xmalloc(n + 1, sizeof *order), unknown = 0;
	double *sure = xmalloc(2 * n + 1, sizeof *sure), *known = sure + n;       /* small is doubtful; by place in by_name */

	for (size_t i = 0; i < n; i++) {
		double x = tsv_number(t, by_name[i], cx);
		sure[i] = isnan(x) ? -INFINITY : confident ? x : -x;
		known[i] = !isnan(x);
		unknown += isnan(x);
	}
	stats_order(order, sure, known, n);
	for (int c = 0; c < t->n_columns; c++)
		printf(c ? "\t%s" : "%s", t->name[c]);
	putchar('\n');
	for (size_t i = 0; i < n; i++)
		if (budget ? i < budget_cases(*budget, n) : sure[order[i]] <= (confident ? threshold : -threshold))
			row(t, by_name[order[i]]);
	if (unknown)
		warn("%zu of %zu cases have no %s; they stand first", unknown, n, t->name[cx]);
	free(sure);
	free(order);
	free(by_name);
}
