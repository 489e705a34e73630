/* planes: one member's prediction of a case as a flow of planes: windows advance along the network's axis that is z of what
 * is written, and only what some window still touches, or what the next slab is made of, is in memory. */
#ifndef PLANES_H
#define PLANES_H
#include "common/preprocess.h"
#include "filters/infer-checkpoint/ensemble.h"
#include "filters/infer-checkpoint/input.h"
#include "filters/infer-checkpoint/windows.h"

struct planes {
	const struct ensemble *e;
	struct restore way;      /* back to the image's grid */
	const int64_t *shape;    /* the network's grid */
	struct input *image;
	void *stay;              /* at the backend */
	int member, culprit;     /* culprit: whose output was not finite */
	int axis, across, along; /* of advance, and the two others */
	bool down;               /* z runs against it: from its end to its beginning */
	bool unsorted;           /* windows have to keep nnU-Net's order, which is not that of z: all run before the first plane */
	bool at_once;            /* rows become labels as soon as they are final */
	struct windows w;
	int next, batch;         /* window; how many go together */
	/* From here on places on the axis are counted in the direction of advance. */
	int64_t taken;           /* planes that the backend gave */
	int group;               /* at_once: the windows' place whose planes come next */
	int64_t band;            /* at_once: rows of these that have been taken */
	void *kept;              /* planes lo..hi: float [restore_channels_in()], at_once uint16_t, [shape, of that axis lo..hi] */
	int64_t lo, hi;
	float *held;             /* mean of all members on the whole grid, or NULL */
};

/* member: -1 for the mean of all members' logits; with parity (contract 5.6) sums and quotient are rounded to half precision,
 * in the members' order, and held on the whole of the network's grid.  way: but for its head, which is the member's.
 * image: on way->grids->network, stays the caller's, as all else.  step: of the sliding window.  Close what is open. */
bool planes_open(struct planes *p, const struct ensemble *e, int member, struct input *image, const struct restore *way,
                 double step);
/* Planes z..z+dz of the file to out [restore_channels()][dz][y][x]; z ascends from call to call.  false after fail(). */
bool planes_read(struct planes *p, float *out, int64_t z, int64_t dz);
void planes_close(struct planes *p);

/* How many windows run at a time; whether a case has not more of them, so that they can all be listed before the first plane. */
int planes_batch(const struct ensemble *e, int member, const struct restore *way);
bool planes_few(const struct ensemble *e, int member, const struct restore *way, double step);
/* All windows to w, of which there is room for p->w.n: the caller runs them before the first plane is read.  Returns how many. */
int planes_list(struct backend_window *w, struct planes *p);

/* Whether every plane of the image is asked for once, in the order in which it comes. */
bool planes_stream(const struct restore *way, int n_passes);

struct planes_cost {
	int windows;
	size_t bytes, device;    /* for sums and planes while slabs of dz planes are made; of a device's own memory, with the image */
	int64_t input;           /* planes of the image that are in use at a time if it streams */
};

/* What a case takes; false after fail() where there is no room. */
bool planes_cost(struct planes_cost *cost, const struct ensemble *e, int member, const struct restore *way, double step, int64_t dz);
#endif
