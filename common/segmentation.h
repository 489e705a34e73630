/* segmentation: the label map of a frame, slab by slab: the layer label if there is one, else made from probs.
 *
 * The one rule for what programs measure on a segmentation (contour-norm, aggregate, score). */
#ifndef COMMON_SEGMENTATION_H
#define COMMON_SEGMENTATION_H
#include "common/labels.h"

struct segmentation {            /* zeroed before its first use */
	struct layer *label, *probs;
	struct labels labels;
	uint16_t *value;         /* [dz][dy][x] of the slab */
};

/* Looks for the layers of a frame whose header has come; both are NULL where it has neither.  as_coded: labels do not count,
 * and probabilities must be those of classes.  fail()s XDATA on layers that cannot be used. */
bool segmentation_find(struct segmentation *s, const struct frame *f, bool as_coded);
/* Reads what the labels mean and makes room.  fail()s XDATA. */
bool segmentation_begin(struct segmentation *s, const struct frame *f);
bool segmentation_slab(struct segmentation *s, const struct frame *f);        /* fills in value; fail()s XDATA */
void segmentation_end(struct segmentation *s);                                /* after a case, also one that failed */
void segmentation_free(struct segmentation *s);
#endif
