/* augment: the random changes of a training patch, as nnU-Net v2 makes them (contract 8.4).
 *
 * augment_draw() decides what happens to a patch, a function of the seed and the patch's numbers alone; augment() does it.
 * Both may be called from many threads. */
#ifndef COMMON_AUGMENT_H
#define COMMON_AUGMENT_H
#include "common/plans.h"

/* What may happen, in the order in which it does.  Sets of them have a bit each: 1 << kind. */
enum augment_kind {
	AUGMENT_ROTATION, AUGMENT_SCALING, AUGMENT_NOISE, AUGMENT_BLUR, AUGMENT_BRIGHTNESS, AUGMENT_CONTRAST,
	AUGMENT_LOW_RESOLUTION, AUGMENT_INVERTED_GAMMA, AUGMENT_GAMMA,
	AUGMENT_MIRRORING, AUGMENT_MORPHOLOGY, AUGMENT_REMOVAL, AUGMENT_KINDS
};
extern const char *const augment_name[AUGMENT_KINDS];

enum augment_operator { AUGMENT_KEEP, AUGMENT_DILATE, AUGMENT_ERODE, AUGMENT_CLOSE, AUGMENT_OPEN };
extern const char *const augment_operator_name[];

enum { AUGMENT_OUTSIDE = 0xffff };      /* in a label map: outside the case */

/* What all patches of a network share. */
struct augmenter {
	int64_t from[3], to[3];         /* the patch that is cut out and the network's; 2D networks: to[0] is 1 */
	int channels;                   /* of the image: at most MAX_CHANNELS */
	int classes;                    /* of the previous stage of a cascade: one channel each behind the image's */
	bool masked[MAX_CHANNELS];      /* channels normalised within a mask: 0 outside */
	unsigned kinds;                 /* set of what may happen */
	bool always;                    /* all of them happen to every patch, channel and class */
	uint64_t seed;
};

/* What happens to a patch; the members of kinds that are not in the set are unset. */
struct augmentation {
	uint64_t stream;                /* of random numbers */
	unsigned kinds;
	double angle[3];                /* radians about z, y, x, in this order; of planes: [0] alone */
	double scale;                   /* above 1 things become smaller */
	double noise_sd;
	double blur_sd[MAX_CHANNELS][3];        /* voxels along z, y, x; 0: not that channel */
	double brightness[MAX_CHANNELS], contrast[MAX_CHANNELS];
	double zoom[MAX_CHANNELS];      /* 1: not that channel */
	double inverted_gamma[MAX_CHANNELS], gamma[MAX_CHANNELS];
	bool mirror[3];                 /* along z, y, x */
};

/* What happens to a class of the previous stage. */
struct augment_class {
	uint64_t turn[2];               /* classes are changed by operators, and then by removal, in the order of these numbers */
	enum augment_operator operator;
	double radius;                  /* voxels */
	bool removes;                   /* a component, the one at ... */
	double choice;                  /* 0..1 of those that are small enough */
};

/* Planes are turned and scaled within themselves: 2D networks, and 3D patches that are over three times as wide as deep. */
bool augment_flat(const int64_t patch[3]);
/* The largest angle, in degrees, of a patch of the network. */
double augment_degrees(const int64_t patch[3]);

void augment_draw(struct augmentation *d, const struct augmenter *a, int64_t epoch, int64_t iteration, int64_t index);
struct augment_class augment_draw_class(const struct augmentation *d, const struct augmenter *a, int k);

/* image: [channels + classes][to], label: [to] out of larger ones, [from].  In from_label AUGMENT_OUTSIDE is outside the case;
 * label has 0 there.  Nothing overlaps. */
void augment(float *image, uint16_t *label, const float *from_image, const uint16_t *from_label, const struct augmentation *d,
             const struct augmenter *a);
#endif
