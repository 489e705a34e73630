/* reduce: the members of a case become their mean, maps and scores, on several threads. */
#ifndef AVERAGE_PROBS_REDUCE_H
#define AVERAGE_PROBS_REDUCE_H
#include "common/frame.h"
#include "common/maps.h"
#include "filters/average-probs/tally.h"

struct worker;

struct reduce {
	/* settings */
	unsigned maps, scores;           /* sets of enum map, enum score */
	bool votes, per_region;
	const char *base;                /* of the logarithm: 2, e or C */
	int threads;
	/* private, of the case */
	int64_t channels;
	bool sigmoid;
	int members;
	struct labels labels;
	struct worker *worker;           /* [threads] */
	struct sums whole;               /* of the whole case, where it must be held */
	uint16_t **kept;                 /* [members] segmentations by members of the whole case, for the scores */
	int n_kept;
};

/* A case whose first member is a layer of f.  fail()s XDATA. */
bool reduce_begin(struct reduce *r, const struct frame *f, const struct layer *first);
/* Adds the layers of the results to f. */
void reduce_layers(const struct reduce *r, struct frame *f);

/* All members of a slab, or a volume, at hand: reduce_members() once, then each slab of f, whose added layers it fills.
 * False after fail(); *bad is then the member at fault. */
bool reduce_members(struct reduce *r, int members);
bool reduce_slab(struct reduce *r, struct frame *f, struct layer *const *layers, int *bad);

/* Members one after another: begin, add the volumes [channels][voxels], then put into f's added layers, which hold volumes. */
size_t reduce_bytes(const struct reduce *r, int members);        /* of one voxel: sums and segmentations of so many members */
size_t reduce_result_bytes(const struct reduce *r);             /* of one voxel: the layers of the results */
void reduce_whole(struct reduce *r, size_t voxels);
bool reduce_add(struct reduce *r, const float *probs, size_t voxels);
bool reduce_put(struct reduce *r, struct frame *f);

void reduce_scores(struct reduce *r, struct frame *f);          /* after all slabs */
void reduce_free(struct reduce *r);
#endif
