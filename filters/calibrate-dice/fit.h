/* fit: a model from a table with Dice. */
#ifndef CALIBRATE_DICE_FIT_H
#define CALIBRATE_DICE_FIT_H
#include <stdint.h>
#include "common/cohort.h"
#include "filters/calibrate-dice/model.h"

struct fitting { bool confident, with_bound, whole; double alpha, share; uint64_t seed; };

/* cx: the score, cy: what is predicted.  With a bound the curve is fitted on a share of the patients and the margin found on
 * the others.  fail()s XDATA: no row, or an alpha that so few patients cannot promise. */
bool model_fit(struct model *m, const struct tsv *t, int cx, int cy, const struct clusters *clusters, const struct fitting *how);
#endif
