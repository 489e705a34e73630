/* as_coded: what the code of UnnUNet computes where that is not what it documents (contract 9.1, 9.2, 9.4 to 9.7).
 *
 * Only here, behind --as-coded of train-checkpoints, average-probs, entropy, contour-norm and score; qualm-unnunet(7) lists the
 * differences.
 * Two classes only (channels 0 and 1, in plane 0), sums in fp32 in the order of the members, nothing guarded: NaN and
 * infinities come out where they came out there. */
#ifndef COMMON_AS_CODED_H
#define COMMON_AS_CODED_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct coded {
	int64_t channels;        /* at least 2 */
	size_t voxels;
	int members, room;       /* room: members allocated in two */
	float *sum;              /* [channels][voxels] */
	float **two;             /* [members] of [2][voxels]: channels 0 and 1 of each */
};

/* fail()s XDATA for fewer than two channels or regions. */
bool coded_begin(struct coded *c, int64_t channels, bool sigmoid, size_t voxels);
void coded_add(struct coded *c, const float *probs);            /* probs: [channels][voxels] */
void coded_mean(float *out, const struct coded *c);             /* out: [channels][voxels] */
void coded_total_entropy(float *out, const struct coded *c);    /* out: [voxels]; -sum over members of p0 ln p0 */
void coded_t_test(float *out, const struct coded *c);           /* out: [voxels]; Welch's p, no threshold */
void coded_free(struct coded *c);

/* out: [voxels] of mean probabilities [channels >= 2][voxels]: -(p1 log2 p1 + p0 log2 p0); NaN where one is 0. */
void coded_class_entropy(float *out, const float *probs, size_t voxels);

/* The score of a map [voxels] of plane 0: its edge image is an 8-bit difference, 0 - 1 = 255 at every contour voxel, and
 * the ratio is multiplied by 100.  Without contour inf, or NaN when the sum is 0 or NaN. */
double coded_score(const float *map, size_t voxels, int64_t contour_voxels);
/* 2 sum(mask label) / (sum mask + sum label); mask: [voxels], 1 where the mean of channel 1 is above 0.5; the label's values
 * count as numbers. */
double coded_dice(const unsigned char *mask, const float *label, size_t voxels);

/* Learning rate of an epoch.  One cycle: restart (1 - t / T)^0.9.  Several: restart in the first epoch of each, then
 * rate (1 - min(t_c, floor(gamma T_c)) / T)^0.9, divided by the length T of all cycles, so that the rate hardly decays. */
double coded_rate(int epoch, int epochs, int cycles, double gamma, double rate, double restart);
/* Whether epoch leaves checkpoint_EPOCH.pth: (e + 1) mod T_c >= T_c - 10, which the last epoch of a cycle is not. */
bool coded_keeps_late(int epoch, int epochs, int cycles);
/* Whether it leaves e_checkpoint_EPOCH.pth: (e + 1) mod T_c is one of seven numbers from 0.7 (T_c - 10) to T + 1. */
bool coded_keeps_sparse(int epoch, int epochs, int cycles);
#endif
