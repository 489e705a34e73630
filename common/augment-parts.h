/* augment-parts: the steps of which augment() is made. */
#ifndef COMMON_AUGMENT_PARTS_H
#define COMMON_AUGMENT_PARTS_H
#include "common/augment-loops.h"
#include "common/augment.h"

/* How a patch lies in the larger one. */
struct augment_place {
	bool moves;              /* turned or scaled: interpolated; otherwise cut out of the middle */
	bool flat;
	double m[3][3];
	int64_t from[3], to[3];
};
void augment_place_begin(struct augment_place *p, const struct augmentation *d, const struct augmenter *a);

/* to: [p->to] and from: [p->from] of one channel.  Linear interpolation, 0 outside the volume. */
void augment_move_image(float *to, const float *from, const struct augment_place *p, const struct augment_loops *loops);
/* The label that takes most of the interpolation. */
void augment_move_labels(uint16_t *to, const uint16_t *from, const struct augment_place *p, const struct augment_loops *loops);

/* One channel x: [shape] in place. */
void augment_blur(float *x, const int64_t shape[3], const double sd[3], const struct augment_loops *loops);
void augment_coarsen(float *x, const int64_t shape[3], double zoom, bool flat, const struct augment_loops *loops);
void augment_contrast(float *x, size_t n, double factor, const struct augment_loops *loops);
void augment_gamma(float *x, size_t n, double gamma, bool inverted, const struct augment_loops *loops);

/* In place; size: bytes a voxel, 2 or 4. */
void augment_flip(void *x, size_t size, const int64_t shape[3], const bool mirror[3]);

/* hot: [classes][to], zeros and ones, the classes of the previous stage; changes them. */
void augment_previous(float *hot, const struct augmentation *d, const struct augmenter *a);
#endif
