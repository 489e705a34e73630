#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/bootstrap.h"
#include "common/die.h"
#include "common/parallel.h"
#include "common/random.h"
#include "common/stats.h"

struct work {
	struct figures *f;
	const struct resampling *how;
	void (*compute)(const void *arg, const unsigned *w, double *out);
	const void *arg;
};

/* Round i: draw i, then the sample without cluster i - draws, at last the sample itself. */
static void one_round(void *arg, int i, int worker)
{
	const struct work *k = arg;
	const struct resampling *how = k->how;
	struct figures *f = k->f;
	unsigned *w = xmalloc(how->n + 2 * (size_t)how->n_clusters + 1, sizeof *w), *times = w + how->n, *drawn = times + how->n_clusters;
	double *out = xmalloc((size_t)f->n, sizeof *out);
	int left_out = i - f->draws;

	(void)worker;
	for (unsigned c = 0; c < how->n_clusters; c++)
		times[c] = left_out < 0 ? 0 : c != (unsigned)left_out;
	if (left_out < 0) {
		random_below(drawn, how->n_clusters, how->n_clusters, how->seed, (uint64_t)i);
		for (unsigned c = 0; c < how->n_clusters; c++)
			times[drawn[c]]++;
	}
	for (size_t r = 0; r < how->n; r++)
		w[r] = times[how->cluster[r]];
	k->compute(k->arg, w, out);
	for (int j = 0; j < f->n; j++) {
		size_t row = (size_t)j;
		if (left_out < 0)
			f->draw[row * (size_t)f->draws + (size_t)i] = out[j];
		else if (left_out < (int)f->n_clusters)
			f->without[row * f->n_clusters + (size_t)left_out] = out[j];
		else
			f->value[j] = out[j];
	}
	free(out);
	free(w);
}

void figures_make(struct figures *f, int n_figures, const struct resampling *how,
                  void (*compute)(const void *arg, const unsigned *w, double *out), const void *arg)
{
	size_t n = (size_t)n_figures;
	struct work work = { f, how, compute, arg };

	*f = (struct figures){ .n = n_figures, .draws = how->draws, .n_clusters = how->n_clusters };
	f->value = xmalloc(n, sizeof *f->value);
	f->draw = xmalloc(n * (size_t)how->draws + 1, sizeof *f->draw);
	f->without = xmalloc(n * how->n_clusters + 1, sizeof *f->without);
	parallel_for(how->threads, how->draws + (int)how->n_clusters + 1, one_round, &work);
}

void figures_free(struct figures *f)
{
	free(f->value);
	free(f->draw);
	free(f->without);
	*f = (struct figures){0};
}

static int ascending(const void *a, const void *b)
{
	const double *p = a, *q = b;

	return *p < *q ? -1 : *p > *q;
}

/* Of sorted x: [n], at p (n + 1) counted from 1, between neighbours in proportion. */
static double quantile(const double *x, int n, double p)
{
	double at = p * (n + 1) - 1, below = floor(at);

	if (!(at > 0))
		return x[0];
	if (at >= n - 1)
		return x[n - 1];
	return x[(int)below] + (at - below) * (x[(int)below + 1] - x[(int)below]);
}

/* Efron, Better bootstrap confidence intervals, JASA 82 (1987): the acceleration, from the figure without each cluster. */
static double acceleration(const double *without, int n)
{
	double mean = 0, squares = 0, cubes = 0;

	for (int i = 0; i < n; i++)
		mean += without[i] / n;
	for (int i = 0; i < n; i++) {
		double d = mean - without[i];
		squares += d * d;
		cubes += d * d * d;
	}
	return squares > 0 ? cubes / (6 * pow(squares, 1.5)) : 0;
}

/* Of n sorted draws.  BCa, its normal quantiles widened to sqrt(K / (K - 1)) times those of Student's t with K - 1 degrees of freedom: a
 * percentile interval of a mean of K clusters is too narrow by just that (Hesterberg, What teachers should know about the
 * bootstrap, The American Statistician 69, 2015). */
static void bca(struct interval *v, const double *draw, int n, double value, const double *without, int n_without, double level,
                unsigned n_clusters)
{
	double below = 0, k = n_clusters, z0, a, t, rounding = 1e-12 * fmax(fabs(value), fmax(fabs(draw[0]), fabs(draw[n - 1])));

	for (int b = 0; b < n; b++)             /* sums of equal numbers may differ by a rounding */
		below += draw[b] < value - rounding ? 1 : draw[b] <= value + rounding ? 0.5 : 0;
	z0 = stats_normal_quantile(fmin(fmax(below, 0.5), n - 0.5) / n);
	a = acceleration(without, n_without);
	t = sqrt(k / (k - 1)) * stats_student_quantile((1 - level) / 2, k - 1);
	for (int side = 0; side < 2; side++) {
		double z = z0 + (side ? -t : t), p = 1 - a * z > 0 ? stats_normal_below(z0 + z / (1 - a * z)) : side;
		*(side ? &v->high : &v->low) = quantile(draw, n, p);
	}
}

/* The numbers of a row of f (less those of another), without NaN; how many. */
static int defined(double *out, const double *x, const double *less, size_t n)
{
	int m = 0;

	for (size_t i = 0; i < n; i++) {
		out[m] = less ? x[i] - less[i] : x[i];
		m += !isnan(out[m]);
	}
	return m;
}

struct interval figures_interval(const struct figures *f, int i, int j, double level)
{
	struct interval v = { NAN, NAN, 0 };
	size_t draws = (size_t)f->draws, k = f->n_clusters, row = (size_t)i, less = j < 0 ? 0 : (size_t)j;
	double value = f->value[i] - (j < 0 ? 0 : f->value[j]);
	double *x = xmalloc(draws + k + 2, sizeof *x);
	int n = defined(x, f->draw + row * draws, j < 0 ? NULL : f->draw + less * draws, draws);
	int m = defined(x + n, f->without + row * k, j < 0 ? NULL : f->without + less * k, k);

	v.undefined = f->draws - n;
	if (k > 1 && n > 0 && 2 * n >= f->draws && !isnan(value)) {
		qsort(x, (size_t)n, sizeof *x, ascending);
		bca(&v, x, n, value, x + n, m, level, f->n_clusters);
	}
	free(x);
	return v;
}
