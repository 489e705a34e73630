#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "filters/correlate/correlate.h"

size_t study_rows(double *x, double *y, size_t *row, const struct study *s, const struct group *g, const int *score, int n, bool finite)
{
	size_t kept = 0;

	for (size_t i = 0; i < g->n; i++) {
		bool whole = isfinite(y[kept] = tsv_number(s->t, g->row[i], s->cy));
		for (int k = 0; whole && k < n; k++) {
			double v = x[(size_t)k * g->n + kept] = tsv_number(s->t, g->row[i], score[k]);
			whole = finite ? isfinite(v) : !isnan(v);
		}
		row[kept] = g->row[i];
		kept += whole;
	}
	return kept;
}

struct resampling study_resampling(const struct study *s, const unsigned *cluster, size_t n, unsigned n_clusters)
{
	return (struct resampling){ .cluster = cluster, .n = n, .n_clusters = n_clusters, .draws = s->draws, .threads = s->threads,
		.seed = (uint64_t)s->seed };
}

void put_group(const struct study *s, const struct group *g)
{
	if (s->by)
		printf("%s\t", g->name);
}

/* Of a column of numbers, stem is 0 and number the value; of others they are NAME_ and 2 of NAME_2. */
struct value { const char *text; size_t stem; double number; };

static struct value value_of(const struct tsv *t, size_t row, int c)
{
	struct value v = { c < 0 ? "" : t->cell[row * (size_t)t->n_columns + (size_t)c], 0, 0 };

	if (c >= 0 && !t->is_text[c]) {
		v.number = tsv_number(t, row, c);
		if (isnan(v.number))
			v.number = INFINITY;
		return v;
	}
	for (v.stem = strlen(v.text); v.stem && v.text[v.stem - 1] >= '0' && v.text[v.stem - 1] <= '9'; v.stem--)
		;
	v.number = strtod(v.text + v.stem, NULL);
	return v;
}

/* NAME_2 before NAME_10; "all" of the members at the end. */
static int by_value(const void *a, const void *b)
{
	const struct value *p = a, *q = b;
	int d = !strcmp(p->text, "all") - !strcmp(q->text, "all");

	if (!d)
		d = strncmp(p->text, q->text, p->stem < q->stem ? p->stem : q->stem);
	if (!d && p->stem != q->stem)
		d = p->stem < q->stem ? -1 : 1;
	if (!d && p->number != q->number)
		d = p->number < q->number ? -1 : 1;
	return d ? d : strcmp(p->text, q->text);
}

bool groups_make(struct group **groups, int *n_groups, const struct study *s, const char *file)
{
	const struct tsv *t = s->t;
	int c = s->by ? tsv_column(t, s->by) : -1, n = 0;
	struct value *v = xmalloc(t->n_rows, sizeof *v);
	size_t *order = cohort_order(t);

	if (s->by && c < 0) {
		free(v);
		free(order);
		return fail(XDATA, "%s has no column %s that --by names", file, s->by);
	}
	for (size_t r = 0; r < t->n_rows; r++)
		v[r] = value_of(t, r, c);
	qsort(v, t->n_rows, sizeof *v, by_value);
	for (size_t r = 0; r < t->n_rows; r++)
		if (!n || strcmp(v[n - 1].text, v[r].text))
			v[n++] = v[r];
	*groups = xcalloc((size_t)n, sizeof **groups);
	*n_groups = n;
	for (int i = 0; i < n; i++) {
		struct group *g = &(*groups)[i];
		g->name = v[i].text;
		g->row = xmalloc(t->n_rows, sizeof *g->row);
		for (size_t r = 0; r < t->n_rows; r++)
			if (!strcmp(value_of(t, order[r], c).text, g->name))
				g->row[g->n++] = order[r];
	}
	free(v);
	free(order);
	return true;
}

void groups_free(struct group *groups, int n_groups)
{
	for (int i = 0; i < n_groups; i++)
		free(groups[i].row);
	free(groups);
}
