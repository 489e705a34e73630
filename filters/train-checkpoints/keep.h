/* keep: which epochs leave a checkpoint of their own, to be members of an ensemble (contract 9.2). */
#ifndef TRAIN_KEEP_H
#define TRAIN_KEEP_H
#include <stdbool.h>

enum keep_rule { KEEP_NONE, KEEP_LATE, KEEP_SPARSE, KEEP_BOTH };

struct keep {
	enum keep_rule rule;
	int epochs, cycles;
	int late;                /* epochs at the end of each cycle */
	int sparse;              /* epochs of each cycle, from 0.7 of it to its last one */
	bool as_coded;
};

enum { KEPT = 1, KEPT_APART = 2 };       /* checkpoint_EPOCH.pth, e_checkpoint_EPOCH.pth: the second only as coded */

/* What to write at the end of an epoch: 0, or one of these, or both. */
int keep_epoch(const struct keep *k, int epoch);
#endif
