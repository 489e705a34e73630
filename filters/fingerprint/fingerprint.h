/* fingerprint: what is measured of one training case, and of the intensities of all (contract 7.1). */
#ifndef FILTERS_FINGERPRINT_FINGERPRINT_H
#define FILTERS_FINGERPRINT_FINGERPRINT_H
#include "common/training-set.h"

/* How often each value was drawn: ascending elements of an order-preserving image of the value << 32 | count. */
struct run { size_t n; uint64_t *at; };
/* All values of a channel, in few runs: each is at least twice as long as the next.  Zeroed: empty. */
struct tally { int n; struct run run[64]; };

/* A run of n different or equal values, how often each was drawn; those drawn 0 times are left out. */
struct run run_of(const float *value, const uint32_t *count, size_t n);
void tally_add(struct tally *t, struct run r);           /* takes r over */
/* exact: nnU-Net's mean and deviation are in double precision, as they are when a case has no foreground; else in single. */
struct intensities tally_statistics(struct tally *t, bool exact);
void tally_free(struct tally *t);

struct measured {
	int64_t shape[3];        /* after cropping, in the reader's axes */
	double spacing[3];
	double kept;             /* share of the voxels that cropping leaves */
	bool empty;              /* no foreground */
	char *problems;          /* a line each, NULL: none; malloc'ed */
};

struct job {
	const struct training_set *set;
	const char *reader;
	uint32_t samples;        /* drawn from each case and channel; 0: only look for problems */
	struct tally *tally;     /* [channels] */
	struct measured *m;      /* [cases] */
};

/* Reads case i, looks for everything that nnU-Net's integrity check knows, and measures it.  For parallel_for(). */
void measure_case(void *job, int i, int worker);
#endif
