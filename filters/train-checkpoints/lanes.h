/* lanes: what loss and optimiser do to runs of numbers, compiled for several instruction sets.
 *
 * A run is at most LANES_RUN voxels of a head and a sample.  Sums over a run are of 16 partial ones, in one order. */
#ifndef TRAIN_LANES_H
#define TRAIN_LANES_H
#include "common/labels.h"

enum { LANES_RUN = 512 };

struct lanes_run {
	int n, n_outputs;
	const struct label *const *region;      /* [n_outputs], NULL for classes */
	int ignore;                             /* label to leave out, -1 if none */
	const uint16_t *target;                 /* [n] */
	const float *logits;                    /* [n_outputs], stride apart, of [n] */
	float *p;                               /* [n_outputs], p_stride apart, of [n] */
	size_t stride, p_stride;
};

/* Sums that a loss is made of, and that Dice's derivative by a probability is made of: (a target + b). */
struct lanes_sums { double tp, p, target; };    /* of p * target, p, target, over voxels that are not ignored */
struct lanes_slope { float a, b; };

struct lanes {
	/* p = softmax of the logits; adds to sums[n_outputs] and returns the sum of -log p of the target. */
	double (*classes)(const struct lanes_run *r, struct lanes_sums *sums);
	/* p = sigmoid of the logits; the sum of -log p where the voxel is in the region, -log (1 - p) where not. */
	double (*regions)(const struct lanes_run *r, struct lanes_sums *sums);
	/* p becomes the derivative of  entropy * (the sum returned above) + Dice  by the logits; dice: [n_outputs]. */
	void (*classes_back)(const struct lanes_run *r, const struct lanes_slope *dice, float entropy);
	void (*regions_back)(const struct lanes_run *r, const struct lanes_slope *dice, float entropy);
	/* Voxels (that are not ignored) where the prediction and the target are output c, or one of them: [n_outputs], added to.
	 * tp: both, p: the prediction, target: the target. */
	void (*count)(const struct lanes_run *r, struct lanes_sums *counts);

	double (*squares)(const float *x, size_t n);                            /* sum of x^2 */
	/* x = factor x + decay w;  v = momentum v + x;  w -= rate (x + momentum v), the gradient x is not changed */
	void (*step)(float *w, float *v, const float *x, size_t n, float factor, float decay, float momentum, float rate);
};

/* The best that this processor has. */
const struct lanes *lanes_best(void);
/* All that it has, the best first; NULL ends it. */
const struct lanes *const *lanes_all(void);
extern const struct lanes lanes_base, lanes_v3, lanes_v4;
#endif
