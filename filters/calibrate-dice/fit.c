#include <math.h>
#include <stdlib.h>
#include "common/cohort.h"
#include "common/die.h"
#include "common/random.h"
#include "common/stats.h"
#include "filters/calibrate-dice/fit.h"

/* Cases of some patients; vectors are [n]. */
struct cases { size_t n; double *x, *y; unsigned *cluster, n_clusters; };

static void cases_free(struct cases *c)
{
	free(c->x);
	free(c->cluster);
}

/* The rows where the score is a number and the other column finite, in an order that does not depend on the file's. */
static struct cases read_cases(const struct tsv *t, int cx, int cy, const struct clusters *clusters)
{
	size_t *order = cohort_order(t);
	struct cases c = { .x = xmalloc(2 * t->n_rows + 1, sizeof *c.x), .cluster = xmalloc(t->n_rows + 1, sizeof *c.cluster) };

	c.y = c.x + t->n_rows;
	for (size_t i = 0; i < t->n_rows; i++) {
		c.x[c.n] = tsv_number(t, order[i], cx);
		c.y[c.n] = tsv_number(t, order[i], cy);
		if (isnan(c.x[c.n]) || !isfinite(c.y[c.n]))
			continue;
		order[c.n++] = order[i];
	}
	c.n_clusters = clusters_among(c.cluster, clusters, order, c.n);
	free(order);
	return c;
}

/* Which patients are held out: all but the share with the smallest random numbers.  out: [n_clusters]. */
static unsigned hold_out(bool *out, unsigned n_clusters, double share, uint64_t seed)
{
	double *key = xmalloc(n_clusters, sizeof *key);
	size_t *order = xmalloc(n_clusters, sizeof *order);
	unsigned n_fit = (unsigned)floor(share * n_clusters);

	for (unsigned k = 0; k < n_clusters; k++)
		key[k] = random_unit(seed, 0, k);
	stats_order(order, key, NULL, n_clusters);
	n_fit = n_fit ? n_fit : 1;
	for (unsigned k = 0; k < n_clusters; k++)
		out[order[k]] = k >= n_fit;
	free(key);
	free(order);
	return n_clusters - n_fit;
}

/* Those of c whose patients are held out, or are not. */
static struct cases chosen(const struct cases *c, const bool *out, bool want)
{
	struct cases s = { .x = xmalloc(2 * c->n + 1, sizeof *s.x), .cluster = xmalloc(c->n + 1, sizeof *s.cluster) };
	unsigned *number = xcalloc((size_t)c->n_clusters + 1, sizeof *number);

	s.y = s.x + c->n;
	for (unsigned k = 0; k < c->n_clusters; k++)
		if (out[k] == want)
			number[k] = s.n_clusters++;
	for (size_t i = 0; i < c->n; i++)
		if (out[c->cluster[i]] == want) {
			s.x[s.n] = c->x[i];
			s.y[s.n] = c->y[i];
			s.cluster[s.n++] = number[c->cluster[i]];
		}
	free(number);
	return s;
}

static struct part part_of(const struct cases *c)
{
	struct part p = { (int)c->n, (int)c->n_clusters, 0 };

	for (size_t i = 0; i < c->n; i++)
		p.mean += c->y[i] / (double)c->n;
	return p;
}

/* The margin from the cases that are held out, and how far off the curve is there. */
static void bound(struct model *m, const struct cases *c, const struct fitting *how)
{
	double *residual = xmalloc(c->n, sizeof *residual);

	for (size_t i = 0; i < c->n; i++) {
		residual[i] = curve_at(&m->curve, c->x[i]) - c->y[i];
		m->bias += residual[i] / (double)c->n;
		m->error += fabs(residual[i]) / (double)c->n;
	}
	m->held_out = part_of(c);
	m->alpha = how->alpha;
	m->whole = how->whole;
	m->margin = fmax(0, conformal_margin(residual, c->cluster, c->n, c->n_clusters, how->alpha, how->whole));
	free(residual);
}

bool model_fit(struct model *m, const struct tsv *t, int cx, int cy, const struct clusters *clusters, const struct fitting *how)
{
	struct cases all = read_cases(t, cx, cy, clusters), fitted, held;
	bool *out = xcalloc((size_t)all.n_clusters + 1, sizeof *out);
	unsigned n_held = 0;
	bool ok = true;

	*m = (struct model){ .score = xstrdup(t->name[cx]), .against = xstrdup(t->name[cy]), .confident = how->confident };
	m->dropped = (int)(t->n_rows - all.n);
	if (all.n == 0)
		ok = fail(XDATA, "no row has both %s and %s", m->score, m->against);
	else if (how->with_bound)
		n_held = hold_out(out, all.n_clusters, how->share, how->seed);
	if (ok && how->with_bound && how->alpha * (n_held + 1.0) < 1 - 1e-12)
		ok = fail(XDATA, "no bound can be promised with alpha %g from %u held-out patients of %u: the least alpha is 1/%u = %.3g "
		          "(--share holds out more, --no-bound does without)", how->alpha, n_held, all.n_clusters, n_held + 1, 1 / (n_held + 1.0));
	if (ok) {
		fitted = chosen(&all, out, false);
		curve_fit(&m->curve, fitted.x, fitted.y, fitted.n, !how->confident);
		m->fit = part_of(&fitted);
		cases_free(&fitted);
	}
	if (ok && how->with_bound) {
		held = chosen(&all, out, true);
		bound(m, &held, how);
		cases_free(&held);
	}
	free(out);
	cases_free(&all);
	return ok;
}
