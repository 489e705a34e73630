/* tally: how far the members' segmentations of a case overlap, counted voxel by voxel, and the scores made of it.
 *
 * Structures are those of common/labels.h: foreground classes, or regions.  All counts are whole numbers and what is summed
 * of them is sorted first, so that the order of members and voxels does not matter. */
#ifndef AVERAGE_PROBS_TALLY_H
#define AVERAGE_PROBS_TALLY_H
#include "common/labels.h"
#include "common/loops.h"

/* Numbers of the scores, which are the bits of a set and the places in score_names. */
enum score { SCORE_PAIRWISE_DICE, SCORE_GENERALIZED_DICE, SCORE_SAMPLES_IOU, SCORE_VOLUME_MEAN, SCORE_VOLUME_CV, SCORE_SOFT_DICE, N_SCORES };
extern const char *const score_names[];          /* NULL ends it */

struct tally {
	int structures, members;
	size_t room;                    /* bytes allocated at counts */
	void *counts;                   /* all of the following */
	unsigned __int128 *mass;        /* [structures] sum over voxels of the members' probabilities, in quanta */
	unsigned __int128 *inside;      /* [structures] the same where the mean's segmentation has the structure */
	int64_t *predicted;             /* [structures] voxels there */
	int64_t *agreed;                /* [structures] voxels where all members agree on it */
	int64_t *any;                   /* [structures] voxels, of those where not all agree, where some member has it */
	int64_t *size;                  /* [members][structures] voxels of a member there */
	int64_t *both;                  /* [pairs][structures] voxels of two members there */
};

/* Starts at zero.  fail()s XDATA when the counts would need more than memory_limit. */
bool tally_begin(struct tally *t, int structures, int members);
/* label: [members] of [n], n at most LOOPS_RUN; value 1, 2, ... is structure first, first + 1, ... */
void tally_members(struct tally *t, const uint16_t *const *label, const struct loops *l, size_t n, int first);
/* Of one structure: sum: [n] of struct sums; label: [n] by the mean, `value` where it has the structure. */
void tally_mean(struct tally *t, const uint64_t *sum, const uint16_t *label, int value, size_t n, int structure);
void tally_join(struct tally *to, const struct tally *from);
/* Puts the scores of the set into the closing map, as NAME and NAME:STRUCTURE. */
void tally_scores(struct frame *f, const struct tally *t, unsigned scores, const struct labels *labels);
void tally_free(struct tally *t);
#endif
