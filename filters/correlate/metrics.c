#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "common/die.h"
#include "filters/correlate/correlate.h"

struct task { struct rated rated; const struct metric *const *list; };

static void compute(const void *arg, const unsigned *w, double *out)
{
	const struct task *k = arg;

	for (int i = 0; k->list[i]; i++)
		out[i] = k->list[i]->of(&k->rated, w);
}

static void line(const struct study *s, const struct group *g, int score, const struct metric *m, double value, struct interval v,
                 size_t n, unsigned n_clusters)
{
	put_group(s, g);
	printf("%s\t%s", s->t->name[s->score[score]], m->name);
	if (m->at == AT_NOTHING)
		fputs("\t-", stdout);
	else
		tsv_put(stdout, metric_parameter(s, m));
	tsv_put(stdout, value);
	tsv_put_digits(stdout, v.low, 5);
	tsv_put_digits(stdout, v.high, 5);
	printf("\t%zu\t%zu\t%u\t%s", n, g->n - n, n_clusters, s->confident[score] ? "confidence" : "uncertainty");
	put_note(stdout, n_clusters, v.undefined);
}

/* The metrics of a list, all of which need finite scores or none. */
static void some(const struct study *s, const struct group *g, int score, const struct metric *const *list, int n_metrics)
{
	double *x = xmalloc(2 * g->n + 1, sizeof *x), *y = x + g->n;
	size_t *row = xmalloc(g->n + 1, sizeof *row), n = study_rows(x, y, row, s, g, &s->score[score], 1, list[0]->correlation);
	unsigned *cluster = xmalloc(g->n + 1, sizeof *cluster), n_clusters = clusters_among(cluster, &s->clusters, row, n);
	struct resampling how = study_resampling(s, cluster, n, n_clusters);
	struct reading reading = s->reading;
	struct task task = { .list = list };
	struct figures f = {0};

	reading.confident = s->confident[score];
	rated_make(&task.rated, x, y, n, reading);
	if (n)
		figures_make(&f, n_metrics, &how, compute, &task);
	for (int i = 0; i < n_metrics; i++)
		line(s, g, score, list[i], n ? f.value[i] : NAN, n ? figures_interval(&f, i, -1, s->level) : (struct interval){ NAN, NAN, 0 },
		     n, n_clusters);
	figures_free(&f);
	rated_free(&task.rated);
	free(x);
	free(row);
	free(cluster);
}

void table_of_metrics(const struct study *s, const struct group *g, const struct metric *const *list)
{
	if (!g)
		puts("score\tmetric\tat\tvalue\tlow\thigh\tn\tdropped\tclusters\torientation\tnote");
	for (int score = 0; g && score < s->n_scores; score++)
		for (int i = 0, j; list[i]; i = j) {
			const struct metric *part[N_METRICS + 1] = {0};
			for (j = i; list[j] && list[j]->correlation == list[i]->correlation; j++)
				part[j - i] = list[j];
			some(s, g, score, part, j - i);
		}
}
