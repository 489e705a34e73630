/* volume: the numbers that need a whole image: of bands along the boundary, of patches, of the tail of the values. */
#ifndef AGGREGATE_VOLUME_H
#define AGGREGATE_VOLUME_H
#include "filters/aggregate/aggregate.h"

enum band { FAR_OUT, NEAR_OUT, NEAR_IN, FAR_IN, BANDS };       /* from background to core */

struct bands {
	int64_t n[BANDS];
	double sum[SCORING_MAPS][BANDS];
	double weight, weighted[SCORING_MAPS];   /* sums of w and of w u, w: distance to the boundary, clipped */
};

/* Fills in g->extent, malloc'ed. */
void find_extents(struct grid *g, int n_slots);
/* Sums by band, for a part that has the slots that are 1 in has [n_slots] and at least one voxel, and the maps of which it
 * sees these views [n_maps].  whole: over the whole grid, with weights; else FAR_OUT and the weights are left out. */
void bands_of(struct bands *b, const struct grid *g, const unsigned char *has, const struct settings *w, const int *view,
              int n_maps, bool whole);
size_t bands_bytes(size_t voxels);                              /* what that needs, besides the grid */

/* The largest mean of u [shape] over all places of a window that lies within. */
double patch_mean(const float *u, const int64_t shape[3], const int64_t window[3]);
/* The sum of the n largest of so many voxels, n at least 1: exact which, so that ties do not matter. */
double tail_sum(const float *u, size_t voxels, size_t n);
#endif
