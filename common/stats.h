/* stats: how two columns of numbers hang together, and the tails of Student's t distribution.
 *
 * Vectors hold finite numbers only; leaving out others is the caller's work.  Nothing fails: what is not defined (a
 * constant column, fewer than two rows) is NaN. */
#ifndef COMMON_STATS_H
#define COMMON_STATS_H
#include <stddef.h>

struct fit { double slope, intercept, r2; };

double stats_pearson(const double *x, const double *y, size_t n);
double stats_spearman(const double *x, const double *y, size_t n);    /* Pearson of average ranks: right with ties */
double stats_kendall(const double *x, const double *y, size_t n);     /* tau-b, in n log n steps */
struct fit stats_fit(const double *x, const double *y, size_t n);     /* least squares y = slope x + intercept */
void stats_ranks(double *rank, const double *x, size_t n);            /* 1 to n; ties share the mean of theirs */

/* P(|T| >= |t|) for Student's t with df > 0 degrees of freedom, not necessarily whole; 12 digits up to df of
 * a thousand.  NaN for NaN. */
double stats_student_two_sided(double t, double df);
#endif
