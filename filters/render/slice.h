/* slice: the plane of a case that is drawn, kept while slabs go by. */
#ifndef RENDER_SLICE_H
#define RENDER_SLICE_H
#include "common/frame.h"
#include "common/labels.h"

struct plane {
	float *map;              /* [y][x], NULL if the frame has no map */
	uint16_t *label;         /* [y][x] */
	float *image;            /* [y][x] of the image layer's first channel, NULL if there is none */
	int64_t z;               /* -1: none yet */
	double weight;           /* sum of the map; without one the number of voxels that are not background */
};

struct slice {
	struct plane best, next;
	int64_t y, x;            /* rows and columns */
	const char *kind;        /* of the map, NULL if the frame has none */
	double max;              /* of the map, in the whole case */
	const struct layer *map, *label, *probs, *image;   /* the frame's layers; NULL where missing */
};

/* Looks for the layers: the map of kind (NULL: class_entropy, else the first with one channel that is neither image nor
 * label), label or probs, image.  fail()s XDATA when there is nothing to take a segmentation from, or no such map. */
bool slice_begin(struct slice *s, const struct frame *f, const char *kind);
/* Takes the slab in; wanted: the only plane to keep, or -1 for the one of the largest weight (the lowest of equals).
 * fail()s XDATA on labels that are none. */
bool slice_take(struct slice *s, const struct frame *f, const struct labels *labels, int64_t wanted);
void slice_free(struct slice *s);
#endif
