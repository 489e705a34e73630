/* predict: one case through every member: windows, way back to the image's grid, member layers. */
#ifndef PREDICT_H
#define PREDICT_H
#include "filters/infer-checkpoint/ensemble.h"

struct predict_options {
	double step;             /* of the sliding window, as a share of the patch */
	bool parity;
	bool average;            /* the members are folds of one network: write the mean of their logits */
	bool logits;             /* write logits instead of probabilities */
	bool label;              /* write the segmentation instead of probabilities; of one member */
	int threads;
	bool network_grid;       /* write on the network's grid instead of the image's */
};

struct predict_cost {
	int windows;             /* of each member */
	size_t bytes;            /* most memory at a time, without what the ensemble holds between cases */
};

/* Of the case whose header is in f; checks all that can be told from it.  false after fail(). */
bool predict_cost(struct predict_cost *cost, const struct frame *f, const struct ensemble *e, const struct predict_options *o);

/* Reads the case whose header is in f from `in` and writes its members, or their average, to out: as layers of one frame where
 * the grid has one plane, else as consecutive frames.  made: the frame that is written, which the caller keeps for reuse.  False
 * after fail(); then it may be that some members have been written. */
bool predict_case(struct sink *out, struct source *in, struct frame *f, struct frame *made, const struct ensemble *e,
                  const struct predict_options *o);
#endif
