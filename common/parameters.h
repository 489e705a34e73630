/* parameters: the values of a network's parameters out of a checkpoint, checked one by one.
 *
 * fail()s XDATA naming the first missing, extra or misshapen weight (deep-supervision heads and the decoder.encoder.* and
 * all_modules.* duplicates are no extras). */
#ifndef COMMON_PARAMETERS_H
#define COMMON_PARAMETERS_H
#include "common/network.h"

struct parameters {
	const float **of;        /* [n]: the values of each, in C order */
	/* private */
	float **made;            /* those that do not stand so in the file; else NULL */
	int n;
};

/* Where they stand in the checkpoint, which has to stay open until parameters_free(). */
bool parameters_find(struct parameters *p, const struct network *n, const struct checkpoint *c);
void parameters_free(struct parameters *p);     /* harmless on a zeroed one */
/* Copies them to block [n->n_weights]. */
bool parameters_copy(float *block, const struct network *n, const struct checkpoint *c);
#endif
