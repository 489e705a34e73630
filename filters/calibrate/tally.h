/* tally: counts from which every measure of calibration of one binary problem follows: an event, and the probability that it
 * was given.  All are whole numbers, so sums do not depend on order and parts add up to the whole. */
#ifndef CALIBRATE_TALLY_H
#define CALIBRATE_TALLY_H
#include <stdbool.h>
#include <stdint.h>

enum { BINS_MAX = 1000 };

/* Fine cells: up to 1/2 an octave of p is cut into 1024, from 2^-40 on; above 1/2 an octave of 1 - p (exact in fp32), down to
 * 2^-24, its least value; 0, what is below 2^-40, and 1 have cells of their own. */
enum { CELLS = 63492, GROUP = 64, GROUPS = (CELLS + GROUP - 1) / GROUP };

struct bin { uint64_t n, events; unsigned __int128 p; };         /* p: sum of probabilities in quanta of 2^-56 */
struct cell {
	uint64_t n, events, offset;              /* offset: sum of the voxels' places within the cell, see cell_of() */
	uint32_t low, high;                      /* the least and largest place; equal where all voxels have one value */
};

struct tally {
	int n_bins;
	struct bin *bin;                         /* [n_bins] of equal width: [b, b + 1) / n_bins, the last one with its end */
	struct cell *cell;                       /* [CELLS] in ascending order of p */
	bool *used;                              /* [GROUPS]: whether one of so many cells is; most stay empty in a case */
	unsigned __int128 brier, nll;            /* in quanta of 2^-56 and of 2^-48 */
	uint64_t zeros;                          /* voxels where what happened had probability 0 */
};

enum measure { CONFIDENCE, FREQUENCY, ECE, ACE_AVERAGE, ACE_ADAPTIVE, ADAPTIVE_ERROR, MCE, BRIER, NLL, N_MEASURES };
extern const char *const measure_name[N_MEASURES];
struct measures { uint64_t n, zeros; double value[N_MEASURES]; };        /* NaN where n is 0 */

void tally_make(struct tally *t, int n_bins);
void tally_clear(struct tally *t);
void tally_free(struct tally *t);
/* p: 0 to 1.  brier: 0 to 2; nll in nats, of what happened; zero: that had probability 0. */
void tally_add(struct tally *t, float p, bool event, double brier, double nll, bool zero);
void tally_join(struct tally *t, const struct tally *part);      /* of as many bins */
int tally_next(const struct tally *t, int i);    /* the first cell from i on that is not empty, or CELLS */
void tally_join_cell(struct tally *t, int i, const struct cell *part);
bool tally_whole(const struct tally *t);         /* whether bins and cells hold as many */
void tally_measure(struct measures *m, const struct tally *t);

/* Shared with what keeps bins only. */
int bin_of(double p, int n_bins);
void bin_add(struct bin *b, double p, bool event);
double bin_sum(const struct bin *b);                             /* of probabilities */
double bins_ece(const struct bin *b, int n_bins);                /* NaN without voxels */

/* The loss -log p of an event of probability p, or of its absence.  A stored 0 or 1 is a rounded number: 0 counts as 2^-149, the
 * least number of fp32, and what is missing to 1 as 2^-25, half its last step. */
double log_loss(float p, bool event, bool *zero);
#endif
