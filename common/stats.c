#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/stats.h"

/* A row counts as often as its weight says; all once without weights. */
static double weight(const unsigned *w, size_t i)
{
	return w ? w[i] : 1;
}

struct moments { double mx, my, xx, yy, xy; };   /* means, and sums of products of deviations */

static struct moments moments(const double *x, const double *y, const unsigned *w, size_t n)
{
	struct moments m = {0};
	double total = 0;

	for (size_t i = 0; i < n; i++) {
		total += weight(w, i);
		m.mx += weight(w, i) * x[i];
		m.my += weight(w, i) * y[i];
	}
	m.mx /= total;
	m.my /= total;
	for (size_t i = 0; i < n; i++) {
		double a = x[i] - m.mx, b = y[i] - m.my;
		m.xx += weight(w, i) * a * a;
		m.yy += weight(w, i) * b * b;
		m.xy += weight(w, i) * a * b;
	}
	return m;
}

/* The mean of equal numbers may be off by a rounding, so sums of squares cannot tell a constant. */
static bool constant(const double *x, const unsigned *w, size_t n)
{
	size_t first = 0;

	while (first < n && w && !w[first])
		first++;
	for (size_t i = first; i < n; i++)
		if (x[i] != x[first] && (!w || w[i]))
			return false;
	return true;
}

double stats_pearson(const double *x, const double *y, const unsigned *w, size_t n)
{
	struct moments m;

	if (constant(x, w, n) || constant(y, w, n))
		return NAN;
	m = moments(x, y, w, n);
	return m.xy / (sqrt(m.xx) * sqrt(m.yy));
}

struct fit stats_fit(const double *x, const double *y, size_t n)
{
	struct moments m;
	double slope, r;

	if (constant(x, NULL, n))
		return (struct fit){ NAN, NAN, NAN };
	if (constant(y, NULL, n))
		return (struct fit){ 0, y[0], NAN };
	m = moments(x, y, NULL, n);
	slope = m.xy / m.xx;
	r = stats_pearson(x, y, NULL, n);
	return (struct fit){ slope, m.my - slope * m.mx, r * r };
}

struct item { double x, y; size_t i; };

static int by_x_then_y(const void *a, const void *b)
{
	const struct item *p = a, *q = b;

	if (p->x != q->x)
		return p->x < q->x ? -1 : 1;
	if (p->y != q->y)
		return p->y < q->y ? -1 : 1;
	return p->i < q->i ? -1 : p->i > q->i;
}

void stats_order(size_t *order, const double *x, const double *y, size_t n)
{
	struct item *s = xmalloc(n, sizeof *s);

	for (size_t i = 0; i < n; i++)
		s[i] = (struct item){ x[i], y ? y[i] : 0, i };
	qsort(s, n, sizeof *s, by_x_then_y);
	for (size_t i = 0; i < n; i++)
		order[i] = s[i].i;
	free(s);
}

void stats_ranks(double *rank, const double *x, const size_t *order, const unsigned *w, size_t n)
{
	double before = 0;

	for (size_t i = 0, j; i < n; i = j) {
		double here = 0;
		for (j = i; j < n && x[order[j]] == x[order[i]]; j++)
			here += weight(w, order[j]);
		for (size_t k = i; k < j; k++)
			rank[order[k]] = before + (here + 1) / 2;
		before += here;
	}
}

double stats_spearman(const double *x, const double *y, const size_t *by_x, const size_t *by_y, const unsigned *w, size_t n)
{
	double *r = xmalloc(2 * n, sizeof *r), rho;

	stats_ranks(r, x, by_x, w, n);
	stats_ranks(r + n, y, by_y, w, n);
	rho = stats_pearson(r, r + n, w, n);
	free(r);
	return rho;
}

struct point { double x, y, w; };

/* Sorts s by y and returns the weight of the exchanges that neighbours would need (bottom-up merge sort). */
static double exchanges(struct point *s, struct point *scratch, size_t n)
{
	double count = 0;

	for (size_t width = 1; width < n; width *= 2) {
		for (size_t lo = 0; lo < n; lo += 2 * width) {
			size_t mid = lo + width < n ? lo + width : n, hi = lo + 2 * width < n ? lo + 2 * width : n;
			size_t i = lo, j = mid;
			double left = 0;
			for (size_t k = lo; k < mid; k++)
				left += s[k].w;
			for (size_t k = lo; k < hi; k++) {
				if (i < mid && (j >= hi || s[i].y <= s[j].y)) {
					left -= s[i].w;
					scratch[k] = s[i++];
				} else {
					count += left * s[j].w;
					scratch[k] = s[j++];
				}
			}
		}
		memcpy(s, scratch, n * sizeof *s);
	}
	return count;
}

/* Pairs that are equal in x (and in y, if both) of neighbours in sorted order. */
static double tied(const struct point *s, size_t n, bool in_x, bool in_y)
{
	double pairs = 0;

	for (size_t i = 0, j; i < n; i = j) {
		double here = 0;
		for (j = i; j < n && (!in_x || s[j].x == s[i].x) && (!in_y || s[j].y == s[i].y); j++)
			here += s[j].w;
		pairs += here * (here - 1) / 2;
	}
	return pairs;
}

/* Knight, A computer method for calculating Kendall's tau with ungrouped data, JASA 61 (1966); a row of weight w is w
 * equal rows. */
double stats_kendall(const double *x, const double *y, const size_t *by_x_y, const unsigned *w, size_t n)
{
	struct point *s = xmalloc(2 * n, sizeof *s);
	double pairs, total = 0, tx, ty, txy, discordant;

	for (size_t i = 0; i < n; i++) {
		size_t k = by_x_y[i];
		s[i] = (struct point){ x[k], y[k], weight(w, k) };
		total += s[i].w;
	}
	pairs = total * (total - 1) / 2;
	tx = tied(s, n, true, false);
	txy = tied(s, n, true, true);
	discordant = exchanges(s, s + n, n);            /* s is sorted by y now */
	ty = tied(s, n, false, true);
	free(s);
	if (!(tx < pairs && ty < pairs))
		return NAN;
	return (pairs - tx - ty + txy - 2 * discordant) / (sqrt(pairs - tx) * sqrt(pairs - ty));
}

/* Continued fraction of the incomplete beta function (DLMF 8.17.22), by Lentz's method as Thompson and Barnett changed
 * it (J. Comput. Phys. 64, 1986).  Converges fast for x < (a + 1) / (a + b + 2). */
static double beta_fraction(double x, double a, double b)
{
	const double tiny = 1e-300;
	double c = 1, d = 1 - (a + b) * x / (a + 1), f;

	d = 1 / (fabs(d) < tiny ? tiny : d);
	f = d;
	for (int m = 1; m <= 10000; m++) {
		double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
		double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)), step;

		d = 1 + even * d;
		c = 1 + even / c;
		d = 1 / (fabs(d) < tiny ? tiny : d);
		c = fabs(c) < tiny ? tiny : c;
		f *= c * d;
		d = 1 + odd * d;
		c = 1 + odd / c;
		d = 1 / (fabs(d) < tiny ? tiny : d);
		c = fabs(c) < tiny ? tiny : c;
		step = c * d;
		f *= step;
		if (fabs(step - 1) < 1e-15)
			break;
	}
	return f;
}

/* I_x(a, b) with y = 1 - x given apart, so that neither end loses digits. */
static double beta_regularised(double x, double y, double a, double b)
{
	double front;

	if (x <= 0 || y <= 0)
		return x <= 0 ? 0 : 1;
	front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(y));
	if (x < (a + 1) / (a + b + 2))
		return front * beta_fraction(x, a, b) / a;
	return 1 - front * beta_fraction(y, b, a) / b;
}

/* DLMF 8.17: P(|T| >= t) = I_x(df / 2, 1 / 2) at x = df / (df + t^2). */
double stats_student_two_sided(double t, double df)
{
	double t2 = t * t;

	if (isnan(t) || !(df > 0))
		return NAN;
	if (isinf(t2))
		return 0;
	return beta_regularised(df / (df + t2), t2 / (df + t2), df / 2, 0.5);
}

double stats_normal_below(double z)
{
	return erfc(-z / sqrt(2)) / 2;
}

/* Where a falling function of x in lo..hi passes p, to the last bit that halving can tell. */
static double passes(double p, double lo, double hi, double (*tail)(double x, double df), double df)
{
	for (int i = 0; i < 200 && lo < hi; i++) {
		double x = lo + (hi - lo) / 2;
		if (x == lo || x == hi)
			break;
		if (tail(x, df) > p)
			lo = x;
		else
			hi = x;
	}
	return hi;
}

static double normal_above(double z, double unused)
{
	(void)unused;
	return erfc(z / sqrt(2)) / 2;
}

double stats_normal_quantile(double p)
{
	if (!(p > 0 && p < 1))
		return p == 0 ? -INFINITY : p == 1 ? INFINITY : NAN;
	return p < 0.5 ? -passes(p, 0, 40, normal_above, 0) : passes(1 - p, 0, 40, normal_above, 0);
}

double stats_student_quantile(double p, double df)
{
	double t = passes(p < 0.5 ? 2 * p : 2 * (1 - p), 0, 1e9, stats_student_two_sided, df);

	return p < 0.5 ? -t : t;
}
