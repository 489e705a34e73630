/* maps: sums over the members of an ensemble that give their mean and the uncertainty maps, and the entropy of a mean.
 *
 * What is summed over members is summed as integers (common/loops.h), so no order of members changes a bit of a result.
 * Entropies are in bits with 0 log 0 = 0.  A network with classes has one distribution over all channels in a voxel; with
 * regions (sigmoid) each channel is a distribution of its own over two outcomes, and a map is the largest over the regions. */
#ifndef COMMON_MAPS_H
#define COMMON_MAPS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/welch.h"

/* Numbers of the maps, which are the bits of a set and the places in map_kinds. */
enum map {
	MAP_CLASS_ENTROPY, MAP_TOTAL_ENTROPY, MAP_T_TEST, MAP_EXPECTED_ENTROPY, MAP_MUTUAL_INFORMATION, MAP_VARIANCE,
	MAP_VOTE_ENTROPY, MAP_VARIATION_RATIO, MAP_MARGIN, MAP_MAX_SOFTMAX, MAP_PAIRWISE_KL, N_MAPS,
};
enum { MEMBERS_MAX = 255, REGIONS_MAX = 512 };  /* within these no sum of integers overflows */

/* Kinds of layers that are uncertainty maps, in the order of score's columns; NULL ends it. */
extern const char *const map_kinds[];
bool map_has_base(enum map map);                /* an entropy, in units of a logarithm */
bool map_has_regions(enum map map);             /* with regions a map of each exists, and its map is the largest of them */
/* Units of base "2", "e" or "C" in a bit.  C is the number of outcomes: the channels, or two for a region. */
double map_units_per_bit(const char *base, int64_t channels, bool sigmoid);

struct loops;

struct sums {
	const struct loops *loops;       /* common/loops.h */
	int64_t channels;
	bool sigmoid, votes;     /* votes: wanted as such */
	unsigned maps;           /* wanted, 1 << enum map */
	int members;             /* added so far, for the caller to count */
	size_t room;             /* voxels allocated, the length of a row of the following; quanta as in common/loops.h */
	char *arena;             /* all of them */
	size_t arena_bytes;
	uint64_t *p;             /* [channels][room] */
	uint64_t *total;         /* [room] */
	uint64_t *expected;      /* [distributions][room], likewise square and cross */
	uint64_t *square;
	uint64_t *cross;         /* sum over outcomes of -p log2 p, p at least 2^-24 within the logarithm */
	uint64_t *logs;          /* [outcomes of all distributions][room] of -log2 p likewise */
	uint8_t *vote;           /* [channels][room] */
	struct welch *welch;     /* [room] */
};

/* The caller sets loops, channels, sigmoid, votes and maps in a zeroed struct, or anew in one that was used. */
size_t sums_bytes(struct sums s);                       /* of one voxel */
void sums_begin(struct sums *s, size_t voxels);         /* starts at zero; memory is kept where it suffices */
/* Adds n voxels of a member, which have their places from `at` on.  probs: [channels] rows, each `row` voxels after the
 * last.  label (may be NULL): [distributions] rows of label_row voxels get the member's segmentation there: the class, lowest
 * first in ties, or 1 where a region's probability is above 0.5.  fail()s XDATA on values that are no probabilities.
 * May be called for different voxels at the same time. */
bool sums_add(struct sums *s, size_t at, const float *probs, size_t row, size_t n, uint16_t *label, size_t label_row);
void sums_free(struct sums *s);
bool not_probabilities(void);   /* what sums_add() fail()s with, for a caller in another thread */

/* Where results go: rows of `row` voxels; NULL where not wanted. */
struct results {
	size_t row;
	bool per_region;         /* maps of regions have a row each, else the largest */
	double units_per_bit;
	float *mean;             /* [channels]; never NULL */
	float *map[N_MAPS];      /* [1], or [channels] where it is per region */
	uint8_t *votes;          /* [channels] members that vote for a class or region */
};

/* The results of n voxels from `at` on, of s->members members, into the rows of r from place `to` on.  label (may be NULL)
 * gets the segmentation by the mean, as sums_add() has it.
 * total_entropy       sum over members and foreground channels of -p log2 p
 * t_test              two-sided p of Welch's test of the members' background against their foreground probabilities, 0 where
 *                     it is at most 0.05 or undefined; background is channel 0, foreground the sum of the others;
 *                     regions: foreground is the largest channel, background 1 minus that
 * and for each distribution, m the mean of the members p, M their number :
 * expected_entropy    mean over members of H(p)
 * mutual_information  H(m) - expected_entropy, at least 0
 * variance            over members, of each outcome's probability, mean over outcomes; 0 below 2^-49, what rounding makes
 * vote_entropy        entropy of the shares of votes
 * variation_ratio     1 - share of members that vote as the mean does
 * margin, max_softmax 1 - (largest - second of m), 1 - largest of m
 * pairwise_kl         mean over ordered pairs of members of sum p log2 (p / p'), p and p' at least 2^-24 within the logarithm;
 *                     0 below 2^-44 and for one member */
void sums_results(const struct results *r, size_t to, const struct sums *s, size_t at, size_t n, uint16_t *label, size_t label_row);

/* class_entropy of mean probabilities [channels][voxels] into out [voxels] or, per region, [channels][voxels], in units of
 * 1 / per_bit bits.  Classes: -sum p log p; regions: the largest of -p log p - (1-p) log (1-p).  fail()s XDATA on values that
 * are no probabilities. */
bool class_entropy(float *out, const float *probs, int64_t channels, bool sigmoid, bool per_region, double per_bit, size_t voxels);
#endif
