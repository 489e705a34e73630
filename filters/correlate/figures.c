#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "common/die.h"
#include "filters/correlate/correlate.h"

struct task { struct rated rated; const struct figure *list; int n; };

static void compute(const void *arg, const unsigned *w, double *out)
{
	const struct task *k = arg;

	for (int i = 0; i < k->n; i++)
		out[i] = metric_value(k->list[i].metric, &k->rated, w, k->list[i].at);
}

static void line(const struct study *s, const struct group *g, int score, const struct figure *k, double value, struct interval v,
                 size_t n, unsigned n_clusters)
{
	put_group(s, g);
	printf("%s\t%s", s->t->name[s->score[score]], k->metric->name);
	if (k->metric->limit == AT_NOTHING)
		fputs("\t-", stdout);
	else
		tsv_put(stdout, k->at);
	tsv_put(stdout, value);
	tsv_put_digits(stdout, v.low, 5);
	tsv_put_digits(stdout, v.high, 5);
	printf("\t%zu\t%zu\t%u\t%s", n, g->n - n, n_clusters, s->confident[score] ? "confidence" : "uncertainty");
	put_note(stdout, n_clusters, v.undefined);
}

/* Figures of a list, all of which need finite scores or none. */
static void some(const struct study *s, const struct group *g, int score, const struct figure *list, int n_figures)
{
	double *x = xmalloc(2 * g->n + 1, sizeof *x), *y = x + g->n;
	size_t *row = xmalloc(g->n + 1, sizeof *row);
	size_t n = study_rows(x, y, row, s, g, &s->score[score], 1, list[0].metric->correlation);
	unsigned *cluster = xmalloc(g->n + 1, sizeof *cluster), n_clusters = clusters_among(cluster, &s->clusters, row, n);
	struct resampling how = study_resampling(s, cluster, n, n_clusters);
	struct task task = { .list = list, .n = n_figures };
	struct figures f = {0};

	rated_make(&task.rated, x, y, n, (struct reading){ s->confident[score], s->large_is_bad });
	if (n)
		figures_make(&f, n_figures, &how, compute, &task);
	for (int i = 0; i < n_figures; i++)
		line(s, g, score, &list[i], n ? f.value[i] : NAN, n ? figures_interval(&f, i, -1, s->level) : (struct interval){ NAN, NAN, 0 },
		     n, n_clusters);
	figures_free(&f);
	rated_free(&task.rated);
	free(x);
	free(row);
	free(cluster);
}

void table_of_figures(const struct study *s, const struct group *g, const struct figure *list, int n)
{
	if (!g)
		puts("score\tmetric\tat\tvalue\tlow\thigh\tn\tdropped\tclusters\torientation\tnote");
	for (int score = 0; g && score < s->n_scores; score++)
		for (int i = 0, j; i < n; i = j) {
			for (j = i; j < n && list[j].metric->correlation == list[i].metric->correlation; j++)
				;
			some(s, g, score, list + i, j - i);
		}
}
