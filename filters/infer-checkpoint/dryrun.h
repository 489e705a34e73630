/* dryrun: what a run would do and need, without doing it. */
#ifndef DRYRUN_H
#define DRYRUN_H
#include "filters/infer-checkpoint/predict.h"

/* Prints to standard output, as lines of names and values between tabs, the network, its checkpoints, and for each case of
 * the stream (none when standard input is a terminal) windows, peak memory and an estimate of the time.  fail()s as a run
 * would; a case that fails is handled as -k says.  *status: XOK, or XDATA when a case failed. */
bool dry_run(int *status, const struct ensemble *e, const struct predict_options *o);
#endif
