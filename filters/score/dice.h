/* dice: the overlap of a case's segmentation with reference labels (contract 6.2), counted slab by slab. */
#ifndef SCORE_DICE_H
#define SCORE_DICE_H
#include "common/segmentation.h"
#include "common/slices.h"

struct overlap { int64_t both, predicted, reference; };   /* voxels, without those that the reference ignores */

struct dice {
	struct segmentation segmentation;
	bool as_coded;
	int64_t planes;
	int n;                               /* structures: classes or regions */
	uint16_t *reference;                 /* [z][y][x] of the case */
	struct overlap *overlap;             /* [planes][n] */
	unsigned char *has;                  /* [65536]: 1 for the values of the structure at hand */
	unsigned char *mask;                 /* as coded: of plane 0 */
};

/* A frame's header has come; path: the file with its labels.  fail()s XDATA or XIO. */
bool dice_begin(struct dice *d, const struct frame *f, const char *path, bool as_coded);
bool dice_slab(struct dice *d, const struct frame *f);
/* Dice of each class or region as dice:NAME, NaN where neither has a voxel, and as dice their mean without the NaN ones;
 * as coded: dice alone.  Becomes scores of the frame. */
void dice_end(struct dice *d, struct frame *f);
/* The same of each slice, into the closing map's slices; not as coded.  fail()s XDATA when that gets too long. */
bool dice_slices(struct dice *d, struct frame *f);
void dice_free(struct dice *d);              /* after each case, also one that failed */
#endif
