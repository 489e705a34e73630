/* bootstrap: how far figures of a sample would move if other patients had been there.
 *
 * Whole clusters (patients) are drawn with replacement, as many as there are; draw b depends on the seed and b alone, so
 * results do not depend on threads, and figures that are computed together are paired.  */
#ifndef COMMON_BOOTSTRAP_H
#define COMMON_BOOTSTRAP_H
#include <stddef.h>
#include <stdint.h>

struct resampling {
	const unsigned *cluster;         /* [n] of each row: 0..n_clusters-1, in an order that does not depend on the rows' */
	size_t n;
	unsigned n_clusters;
	int draws, threads;
	uint64_t seed;
	double level;                    /* of intervals, such as 0.95 */
};

/* Figures of the rows, of each draw, and without each cluster; vectors are owned. */
struct figures {
	int n, draws;
	unsigned n_clusters;
	double *value;                   /* [n] */
	double *draw;                    /* [n][draws] */
	double *without;                 /* [n][n_clusters] */
};

/* low and high are NaN where there is no interval: fewer than two clusters, or fewer than half the draws define the
 * figure.  undefined: draws in which it was not. */
struct interval { double low, high; int undefined; };

/* Calls compute(arg, w, out) for all rows (each weight 1), for each draw and without each cluster, from several threads;
 * w: [n] weights of rows, out: [n_figures]. */
void figures_make(struct figures *f, int n_figures, const struct resampling *how,
                  void (*compute)(const void *arg, const unsigned *w, double *out), const void *arg);
/* Of figure i, or of figure i less figure j (j < 0: none). */
struct interval figures_interval(const struct figures *f, int i, int j, double level);
void figures_free(struct figures *f);
#endif
