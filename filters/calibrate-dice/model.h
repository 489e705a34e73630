/* model: what a fit leaves for apply: a curve from a score to expected Dice, a margin, and what both came from. */
#ifndef CALIBRATE_DICE_MODEL_H
#define CALIBRATE_DICE_MODEL_H
#include <stdbool.h>
#include "common/isotonic.h"

struct part { int cases, patients; double mean; };               /* mean: of the column that is predicted */

struct model {
	char *score, *against;                   /* columns; owned */
	bool confident;
	struct curve curve;
	struct part fit, held_out;               /* held_out.cases is 0 where the model has no margin */
	int dropped;
	double alpha, margin;                    /* of the lower bound */
	bool whole;                              /* the bound holds for all cases of a patient at once */
	double error, bias;                      /* mean absolute and mean error (expected less true) of held-out cases */
};

bool model_write(const char *path, const struct model *m);       /* NULL: standard output; fail()s XIO */
bool model_read(struct model *m, const char *path);              /* fail()s XDATA, XIO; model_free() either way */
void model_free(struct model *m);
#endif
