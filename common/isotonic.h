/* isotonic: the monotone curve nearest to points, and a margin below it that new patients keep to. */
#ifndef COMMON_ISOTONIC_H
#define COMMON_ISOTONIC_H
#include <stdbool.h>
#include <stddef.h>

/* A curve through n knots, x growing (its ends may be infinite): straight between two, level beyond the ends; between a
 * finite knot and an infinite one as at the finite one. */
struct curve { size_t n; double *x, *y; };       /* x, y: [n], owned */

/* The falling (or rising) function with the least sum of squares, by pool-adjacent-violators; equal x are one point with the
 * mean of their y.  x without NaN, y finite, n >= 1. */
void curve_fit(struct curve *c, const double *x, const double *y, size_t n, bool falling);
double curve_at(const struct curve *c, double x);        /* NaN for NaN */
void curve_free(struct curve *c);

/* What to subtract from a curve so that new patients stay above, from residuals (curve less truth, [n]) of patients that the
 * curve was not fitted on: cluster [n] in 0..n_clusters-1, each of which has a case.
 *
 * whole false: P(truth >= curve - margin) >= 1 - alpha for a case of a new patient, patients being exchangeable and the case
 * drawn as those of the others are.  Each patient weighs 1 / (K + 1), spread evenly over the cases, the new one's share lying
 * at infinity (Lee, Barber, Willett: Distribution-free inference with hierarchical data, 2023, HCP).
 * whole true: the same for all cases of a new patient at once, from the largest residual of each.
 * INFINITY where alpha < 1 / (K + 1): no margin can promise that. */
double conformal_margin(const double *residual, const unsigned *cluster, size_t n, unsigned n_clusters, double alpha, bool whole);
#endif
