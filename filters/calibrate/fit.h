/* fit: the temperature T at which probabilities p^(1/T), renormalised (regions: of logit(p) / T), lose least (Guo et al. 2017).
 *
 * log p differs from a network's logits by one number a voxel, so this equals softmax(logits / T).  The loss is summed at a
 * fixed ladder of temperatures, 1/4 to 8 by eighths of an octave, as whole numbers; what lies between comes from the quartic
 * through the five steps around the least. */
#ifndef CALIBRATE_FIT_H
#define CALIBRATE_FIT_H
#include <stddef.h>
#include "filters/calibrate/tally.h"

enum { FIT_STEPS = 41, FIT_ONE = 16 };           /* FIT_ONE: the step of T = 1 */

struct fit {
	int n_problems, n_bins;                  /* problems: 1 for classes, one a region */
	uint64_t n;                              /* voxels, counted once a problem */
	unsigned __int128 nll[FIT_STEPS];        /* in quanta of 2^-48 */
	struct bin *bin;                         /* [FIT_STEPS][n_problems][n_bins] of the most probable class, or of a region */
};

void fit_make(struct fit *f, int n_problems, int n_bins);
void fit_clear(struct fit *f);
void fit_free(struct fit *f);
size_t fit_n_bins(const struct fit *f);
void fit_join(struct fit *f, const struct fit *part);

/* A voxel; p: [classes] with steps of stride; truth: its class; best: the most probable one; scratch: [2 classes]. */
void fit_add_classes(struct fit *f, const float *p, int classes, size_t stride, int truth, int best, double *scratch);
/* A voxel of one region. */
void fit_add_region(struct fit *f, int region, float p, bool event);

struct temperature { double t, nll, ece; };      /* nll and ece: means over the problems, NaN without voxels */
enum fitted { FIT_INSIDE, FIT_AT_END, FIT_NOTHING };     /* FIT_AT_END: the best lies beyond t; FIT_NOTHING: all are as good */
enum fitted fit_solve(struct temperature *before, struct temperature *after, const struct fit *f);
double fit_step_temperature(double step);        /* 0 to FIT_STEPS - 1 */
#endif
