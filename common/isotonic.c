#include <math.h>
#include <stdlib.h>
#include "common/die.h"
#include "common/isotonic.h"
#include "common/stats.h"

/* ---- the curve ---- */

struct block { double first, last, sum, n; };            /* of x; of y over n points */

/* Does b, which follows a, break the order? */
static bool violates(const struct block *a, const struct block *b, bool falling)
{
	double p = a->sum / a->n, q = b->sum / b->n;

	return falling ? p <= q : p >= q;                /* equal neighbours are one block, too */
}

void curve_fit(struct curve *c, const double *x, const double *y, size_t n, bool falling)
{
	struct block *b = xmalloc(n, sizeof *b);
	size_t *order = xmalloc(n, sizeof *order), n_blocks = 0, k = 0;

	stats_order(order, x, y, n);
	for (size_t i = 0, j; i < n; i = j) {
		struct block *now = &b[n_blocks++];
		*now = (struct block){ x[order[i]], x[order[i]], 0, 0 };
		for (j = i; j < n && x[order[j]] == x[order[i]]; j++) {
			now->sum += y[order[j]];
			now->n++;
		}
		for (; n_blocks > 1 && violates(&b[n_blocks - 2], &b[n_blocks - 1], falling); n_blocks--) {
			b[n_blocks - 2].last = b[n_blocks - 1].last;
			b[n_blocks - 2].sum += b[n_blocks - 1].sum;
			b[n_blocks - 2].n += b[n_blocks - 1].n;
		}
	}
	*c = (struct curve){ .x = xmalloc(2 * n_blocks, sizeof *c->x), .y = xmalloc(2 * n_blocks, sizeof *c->y) };
	for (size_t i = 0; i < n_blocks; i++) {
		double mean = b[i].sum / b[i].n;
		c->x[k] = b[i].first;
		c->y[k++] = mean;
		if (b[i].last != b[i].first) {
			c->x[k] = b[i].last;
			c->y[k++] = mean;
		}
	}
	c->n = k;
	free(order);
	free(b);
}

double curve_at(const struct curve *c, double x)
{
	size_t lo = 0, hi = c->n - 1;
	double share;

	if (isnan(x))
		return NAN;
	if (x <= c->x[0])
		return c->y[0];
	if (x >= c->x[hi])
		return c->y[hi];
	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;
		if (c->x[mid] <= x)
			lo = mid;
		else
			hi = mid;
	}
	if (isinf(c->x[lo]) || isinf(c->x[hi]))
		return isinf(c->x[lo]) ? c->y[hi] : c->y[lo];
	share = (x - c->x[lo]) / (c->x[hi] - c->x[lo]);
	return c->y[lo] + share * (c->y[hi] - c->y[lo]);
}

void curve_free(struct curve *c)
{
	free(c->x);
	free(c->y);
	*c = (struct curve){0};
}

/* ---- the margin ---- */

double conformal_margin(const double *residual, const unsigned *cluster, size_t n, unsigned n_clusters, double alpha, bool whole)
{
	size_t *order = xmalloc(n + 1, sizeof *order);
	double *left = xcalloc((size_t)n_clusters + 1, sizeof *left), *size = xcalloc((size_t)n_clusters + 1, sizeof *size);
	double needed = (1 - alpha) * (n_clusters + 1.0) * (1 - 1e-12), reached = 0, margin = INFINITY;

	for (size_t i = 0; i < n; i++)
		size[cluster[i]]++;
	for (unsigned k = 0; k < n_clusters; k++)
		left[k] = size[k];
	stats_order(order, residual, NULL, n);
	for (size_t i = 0; i < n && isinf(margin); i++) {
		unsigned k = cluster[order[i]];
		left[k]--;
		reached += whole ? left[k] == 0 : 1 / size[k];          /* in units of patients */
		if (reached >= needed)
			margin = residual[order[i]];
	}
	free(order);
	free(left);
	free(size);
	return margin;
}
