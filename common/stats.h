/* stats: how two columns of numbers hang together, and the normal and Student's t distribution.
 *
 * Vectors hold finite numbers only (stats_order and stats_ranks take infinite ones, too); leaving out others is the
 * caller's work.  w: how often each row counts, or NULL: once.  Nothing fails: what is not defined (a constant column,
 * fewer than two rows) is NaN. */
#ifndef COMMON_STATS_H
#define COMMON_STATS_H
#include <stddef.h>

struct fit { double slope, intercept, r2; };

double stats_pearson(const double *x, const double *y, const unsigned *w, size_t n);
struct fit stats_fit(const double *x, const double *y, size_t n);     /* least squares y = slope x + intercept */

/* order: [n] rows by growing x, of equal ones by growing y (NULL: none), then by place. */
void stats_order(size_t *order, const double *x, const double *y, size_t n);
/* rank: [n] 1 to the sum of w; ties share the mean of theirs.  order: by x. */
void stats_ranks(double *rank, const double *x, const size_t *order, const unsigned *w, size_t n);
/* Pearson of average ranks: right with ties.  by_x, by_y: stats_order() of each. */
double stats_spearman(const double *x, const double *y, const size_t *by_x, const size_t *by_y, const unsigned *w, size_t n);
/* tau-b, in n log n steps.  by_x_y: stats_order() of both. */
double stats_kendall(const double *x, const double *y, const size_t *by_x_y, const unsigned *w, size_t n);

/* P(|T| >= |t|) for Student's t with df > 0 degrees of freedom, not necessarily whole; 12 digits up to df of
 * a thousand.  NaN for NaN. */
double stats_student_two_sided(double t, double df);
double stats_student_quantile(double p, double df);      /* 0 < p < 1 */
double stats_normal_below(double z);                     /* P(Z <= z) */
double stats_normal_quantile(double p);                  /* infinite at 0 and 1 */
#endif
