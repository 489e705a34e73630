/* planes: one member's prediction of a case as a flow of planes: windows advance along the network's axis that is z of what
 * is written, and only the planes that some window still touches, or that the next slab is made of, are in memory. */
#ifndef PLANES_H
#define PLANES_H
#include "common/preprocess.h"
#include "filters/infer-checkpoint/ensemble.h"
#include "filters/infer-checkpoint/windows.h"

struct planes {
	const struct ensemble *e;
	const struct restore *way;
	const int64_t *shape;    /* the network's grid */
	int member;
	int axis;                /* of advance */
	bool down;               /* z runs against it: from its end to its beginning */
	bool unsorted;           /* windows have to keep nnU-Net's order, which is not that of z: all run before the first plane */
	struct windows w;
	int next;                /* window */
	int64_t final, taken;    /* planes below (down: from there on) that no later window touches, that the backend gave */
	float *kept;             /* planes lo..hi of that axis: [n_outputs][shape, of that axis lo..hi] */
	int64_t lo, hi;
	float *held;             /* mean of all members on the whole grid, or NULL */
};

/* member: -1 for the mean of all members' logits, in their order (contract 5.6), which is held on the whole of the network's
 * grid; with parity sums and quotient are rounded to half precision.
 * image: [n_inputs][way->grids->network], stays the caller's, as all else.  step: of the sliding window.  Close what is open. */
bool planes_open(struct planes *p, const struct ensemble *e, int member, const float *image, const struct restore *way, double step);
/* Planes z..z+dz of the file to out [n_outputs][dz][y][x]; z ascends from call to call.  false after fail(). */
bool planes_read(struct planes *p, float *out, int64_t z, int64_t dz);
void planes_close(struct planes *p);

/* What a case takes: windows, and bytes for windows and planes while slabs of dz planes are made. */
bool planes_cost(int *windows, size_t *bytes, const struct ensemble *e, const struct restore *way, double step, int64_t dz, bool mean);
#endif
