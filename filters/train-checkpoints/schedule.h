/* schedule: the learning rate of each epoch: cycles that end in a plateau, or nnU-Net's one decay (contract 8.1, 9.1). */
#ifndef TRAIN_SCHEDULE_H
#define TRAIN_SCHEDULE_H
#include <stdbool.h>

struct schedule {
	int epochs, cycles;      /* cycles divides epochs */
	double gamma;            /* share of a cycle after which the rate stays */
	double rate;             /* where the decay begins */
	double restart_rate;     /* of the first epoch of each of several cycles */
	bool as_coded;           /* UnnUNet's code instead of what it documents */
};

double schedule_rate(const struct schedule *s, int epoch);
#endif
