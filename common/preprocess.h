/* preprocess: from an image as read to the network's input, and back (contract 2, 5.7, 5.8).
 *
 * Order: turn as the plans' reader does, transpose, crop to nonzero, normalise, resample.  What undoes it is kept in struct grids, which travels in the
 * frame's header as geometry.network. */
#ifndef COMMON_PREPROCESS_H
#define COMMON_PREPROCESS_H
#include "common/head.h"
#include "common/orient.h"
#include "common/plans.h"

struct grids {
	int64_t original[3];     /* grid of the image in file order z, y, x */
	double spacing_mm[3];    /* of the image in file order */
	int transpose_forward[3], transpose_backward[3];   /* the plan's, after those of the plans' reader (orient.h) */
	bool flip[3];            /* transposed axes from here on: runs against the file's */
	int64_t before_crop[3];
	int64_t crop_lo[3], crop_hi[3];   /* half-open box in before_crop */
	int64_t after_crop[3];
	double spacing[3];       /* of the image, as the plans' reader gives it */
	int64_t network[3];      /* after resampling */
	double network_spacing[3];
};

void grids_to_frame(struct frame *f, const struct grids *g);
bool grids_from_frame(struct grids *g, const struct frame *f);   /* fail()s XDATA when it is missing or contradicts itself */

/* Steps in an array of grid g->original for each axis of the transposed one, before the crop; returns where that one begins. */
int64_t grids_strides(int64_t stride[3], const struct grids *g);

/* image: [channels][shape] fp32 in file order.  *out (malloc'ed, caller frees): [channels][g->network].
 * o: what the plans' reader does to the image first, NULL for nothing; its spacing then counts.
 * previous: NULL, or the previous stage's labels [shape]; its one-hot foreground channels follow the image's
 * (labels gives their values and order).  fail()s XDATA (RGB out of range, more than memory_limit). */
bool preprocess(float **out, struct grids *g, const float *image, int64_t channels, const int64_t shape[3],
                const double spacing_mm[3], const struct orientation *o, const int16_t *previous, const struct labels *labels, const struct plan *p);

/* The same of a training case with its label map [shape].  *label_out (malloc'ed, caller frees): [g->network], -1 for background
 * where the image is zero; what is labelled there counts as inside, for z-scores too. */
bool preprocess_training(float **out, int16_t **label_out, struct grids *g, const float *image, int64_t channels,
                         const int64_t shape[3], const double spacing_mm[3], const struct orientation *o, const int16_t *previous,
                         const int16_t *label, const struct labels *labels, const struct plan *p);

/* Back: logits, or the features of which a head makes them, on the network's grid to probabilities on the image's in file
 * order: resample, head, softmax or sigmoid, undo crop (outside: background exactly 1 for classes, all 0 for regions), undo
 * transpose.  Planes of the file can be made one by one, of a few planes along one axis of the network's grid; they are the
 * same for any partition. */
struct restore {
	const struct grids *grids;
	const struct plan *plan;
	const struct labels *labels;
	int64_t channels;        /* of logits, or 1: any one volume to bring back, with logits_only */
	bool parity;             /* half-precision roundings where nnU-Net has them */
	bool logits_only;        /* no activation, outside the crop 0 */
	const struct head *head; /* NULL: what comes are logits */
	bool segment;            /* make the segmentation (labels_segment()), as one channel of whole numbers */
	int threads;             /* for head, activation and segmentation after a head; 0: one */
};

/* Channels of what comes and of what is made. */
int64_t restore_channels_in(const struct restore *r);
int64_t restore_channels(const struct restore *r);
bool restore_possible(const struct restore *r);                   /* fail()s XDATA: plan or labels do not fit */
int restore_axis(const struct restore *r);                        /* the network's axis that is z of the file (flipped if grids say so) */
bool restore_whole(const struct restore *r);                      /* every plane needs all planes of that axis */
/* Planes *lo..*hi of that axis are what planes z..z+dz of the file are made of; none where all of these lie outside the crop. */
void restore_reach(int64_t *lo, int64_t *hi, const struct restore *r, int64_t z, int64_t dz);
/* out: [restore_channels()][dz][y][x]; in: [restore_channels_in()][network's grid, of that axis lo..hi].  fail()s XDATA over
 * memory_limit, and when a head makes what is not finite. */
bool restore(float *out, const float *in, const struct restore *r, int64_t z, int64_t dz);
/* Head, activation and segmentation alone: out [restore_channels()][n], in [restore_channels_in()][n]. */
bool restore_voxels(float *out, const float *in, size_t n, const struct restore *r);
#endif
