/* aggregate: what the files of this program share: which scores are wanted, sums of a case or a slice, and its voxels. */
#ifndef AGGREGATE_H
#define AGGREGATE_H
#include "common/scoring.h"

/* In the order of the columns. */
enum aggregation {
	A_MEAN, A_SUM, A_FOREGROUND, A_BACKGROUND, A_CONTOUR, A_CONTOUR_MM, A_VOLUME_WEIGHTED,
	A_THRESHOLD_MEAN, A_THRESHOLD_SUM, A_THRESHOLD_SHARE,
	A_QUANTILE_MEAN, A_QUANTILE_SUM, A_PATCH,                                                       /* of the whole map */
	A_RING, A_NON_BOUNDARY, A_FOREGROUND_CORE, A_BACKGROUND_CORE, A_DISTANCE_WEIGHTED,              /* of distances */
	AGGREGATIONS
};
extern const char *const aggregation_names[AGGREGATIONS];

struct length { double n; bool mm; };            /* of voxels if not in mm */

struct settings {
	bool wanted[AGGREGATIONS];
	bool ring_in, ring_out;          /* which side of the boundary the ring has */
	bool in_slice;                   /* distances and patches stay within a slice */
	struct length width, patch;
	double threshold;                /* NaN: none given */
	double quantile;                 /* NaN: 1 - share of the foreground */
};

/* Whether one of the aggregations that see more than a row is wanted: of distances to the boundary, or of the whole map. */
bool wants_bands(const struct settings *w);
bool wants_volume(const struct settings *w);

/* Sums over a slice, or over the slices of a case one after the other: the same whatever the slabs. */
struct tally {
	int n_slots, n_views, n_parts;
	int64_t *n;                      /* [n_slots] voxels */
	double *sum;                     /* [n_views][n_slots] */
	int64_t *n_above;                /* [n_views] voxels of at least the threshold */
	double *above;                   /* [n_views] their sum */
	struct contour_counts *contour;  /* [n_parts] */
};

void tally_begin(struct tally *t, const struct scoring *s);
/* Part of a plane, n voxels at offset `at` of the slab; without contours. */
void tally_take(struct tally *t, const struct scoring *s, size_t at, size_t n, double threshold);
void tally_slice_end(struct tally *t, const struct scoring *s);       /* takes the contours of the slice that ended */
void tally_add(struct tally *t, const struct tally *slice);
void tally_free(struct tally *t);

/* Where voxels of a slot are: from the lowest to the highest z, y, x; low[0] is above high[0] if there are none. */
struct extent { int64_t low[3], high[3]; };

/* A case, or one of its slices, of which everything is at hand. */
struct grid {
	int64_t shape[3];
	double spacing_mm[3];
	const uint16_t *seg;             /* [z][y][x] slots */
	const float *value;              /* [n_views] of [z][y][x], each stride from the one before */
	size_t stride;
	int n_slots;
	struct extent *extent;           /* [n_slots]; only while scores are made */
};

/* Puts every wanted score of the case, or of its slice z if z is not negative; g: only used if wants_volume(). */
void put_scores(struct scoring *s, struct frame *f, int64_t z, const struct settings *w, const struct tally *t,
                const struct grid *g);
#endif
