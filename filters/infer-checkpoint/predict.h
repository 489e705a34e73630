/* predict: one case through its members, one after the other: windows, way back to the image's grid, member layers. */
#ifndef PREDICT_H
#define PREDICT_H
#include "filters/infer-checkpoint/planes.h"

struct predict_options {
	double step;             /* of the sliding window, as a share of the patch */
	bool parity;
	bool average;            /* the members are folds of one network: write the mean of their logits */
	bool logits;             /* write logits instead of probabilities */
	bool label;              /* write the segmentation instead of probabilities; of one member */
	int threads;
	bool network_grid;       /* write on the network's grid instead of the image's */
};

/* A case under way.  Its frames may be used for one case after the other. */
struct prediction {
	const struct ensemble *e;
	const struct predict_options *o;
	struct frame f, made;    /* as it comes, as it is written: layers of one frame where the grid has one plane, else consecutive frames */
	struct grids g;
	struct restore way;
	struct input image;
	struct layer *l;         /* the member's that was written last */
	int n;                   /* members to write, 0 when there is nothing to do */
	bool few;                /* the windows of a member are not more than run at a time, and the whole image is there */
};

/* Of the case whose header is in p->f; the rest is in p as its maker set it.  What is left of a case that fails is still in `in`. */
bool predict_begin(struct prediction *p, struct source *in);
/* The windows of member m, from 0; they may run before predict_member(). */
bool predict_planes(struct planes *planes, struct prediction *p, int m);
/* Writes member m, in their order, to out, and with the last one what there is to write when all are done; closes its planes.  False
 * after fail(); then it may be that some members have been written. */
bool predict_member(struct sink *out, struct prediction *p, int m, struct planes *planes);
/* Ends what predict_begin() has begun: where n is 0 by writing a frame that says that the case failed earlier. */
void predict_end(struct sink *out, struct prediction *p);

struct predict_cost {
	int windows;             /* of each member */
	size_t bytes, device;    /* most memory at a time, without what the ensemble holds between cases; of a device's own */
};

/* Of the case whose header is in f; checks all that can be told from it.  false after fail(). */
bool predict_cost(struct predict_cost *cost, const struct frame *f, const struct ensemble *e, const struct predict_options *o);
#endif
