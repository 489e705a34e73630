/* maps: sums over the members of an ensemble that give their mean and the uncertainty maps, and the entropy of a mean.
 *
 * All sums are of integers (fixed point), so no order of members changes a bit of a result.  Entropies are in bits
 * with 0 log 0 = 0.  For networks with regions (sigmoid) each channel is an event of its own. */
#ifndef COMMON_MAPS_H
#define COMMON_MAPS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAP_TOTAL_ENTROPY = 1, MAP_T_TEST = 2, MAP_EXPECTED_ENTROPY = 4 };
enum { MEMBERS_MAX = 255 };      /* 255 probabilities of 2^56 quanta fit into 64 bits */

/* Kinds of layers that are uncertainty maps, in the order of score's columns; NULL ends it. */
extern const char *const map_kinds[];
/* The bit of a kind that is computed from members; 0 if it is none. */
unsigned map_of_members(const char *kind);

struct welch { uint64_t sum[2]; unsigned __int128 square[2]; };

struct sums {
	int64_t channels;
	bool sigmoid;
	unsigned maps;           /* wanted: MAP_ bits */
	size_t voxels, room;     /* room: voxels allocated */
	int members;             /* added so far */
	uint64_t *p;             /* [channels][voxels] in quanta of 2^-56 */
	uint64_t *total;         /* [voxels] in quanta of 2^-50, likewise expected */
	uint64_t *expected;
	struct welch *welch;     /* [voxels] of background and foreground */
};

size_t sums_bytes(int64_t channels, unsigned maps);       /* of one voxel */
/* Starts at zero; memory of an earlier use is kept where it suffices. */
void sums_begin(struct sums *s, int64_t channels, bool sigmoid, unsigned maps, size_t voxels);
/* Adds a member, probs: [channels][voxels].  fail()s XDATA on values that are no probabilities; s is then spoilt. */
bool sums_add(struct sums *s, const float *probs);
void sums_mean(float *out, const struct sums *s);         /* out: [channels][voxels] */
/* out: [voxels].
 * total_entropy      sum over members and foreground channels of -p log2 p
 * expected_entropy   mean over members of the entropy over all classes; regions: of the largest of their entropies
 * t_test             two-sided p of Welch's test of the members' background against their foreground probabilities, 0 where
 *                    it is at most 0.05 or undefined; background is channel 0, foreground the sum of the others;
 *                    regions: foreground is the largest channel, background 1 minus that */
void sums_map(float *out, const struct sums *s, unsigned map);
void sums_free(struct sums *s);

/* class_entropy of mean probabilities [channels][voxels] into out [voxels], in units of 1 / per_bit bits.
 * Classes: -sum p log p; regions: the largest of -p log p - (1-p) log (1-p). */
void class_entropy(float *out, const float *probs, int64_t channels, bool sigmoid, double per_bit, size_t voxels);

/* Welch's two-sided p from n values each of two groups: difference of means, variances (n - 1 in the denominator).
 * NaN when it is undefined, as scipy.stats.ttest_ind(equal_var=False) has it. */
double welch_p(double difference, double variance0, double variance1, int n);
#endif
