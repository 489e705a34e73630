/* count: goes through the voxels of a case and counts, slab by slab. */
#ifndef CALIBRATE_COUNT_H
#define CALIBRATE_COUNT_H
#include "filters/calibrate/counts.h"

struct counter {
	struct labels labels;
	struct layer *probs;
	uint16_t *reference;     /* [z][y][x] of the case */
	uint16_t *seg;           /* [voxels of a slab], only with foreground */
	unsigned char *has;      /* regions: [n_regions][65536], whether a label is in the region */
	double *scratch;         /* [2 classes] */
	struct part part;        /* kept from case to case */
};

/* A frame's header has come; path: the file with its labels.  fail()s XDATA or XIO. */
bool count_begin(struct counter *c, struct counts *s, const struct frame *f, const char *path);
/* fail()s XDATA on values that are no probabilities. */
bool count_slab(struct counter *c, const struct counts *s, const struct frame *f);
void count_end(struct counter *c);                             /* after each case, also one that failed */
void count_free(struct counter *c, const struct counts *s);
#endif
