/* backend: the seam between the program and what computes: a network on a volume.
 *
 * Order of calls: probe; open once per architecture and patch; load once per member (all of one architecture);
 * then per case and member: begin, windows (any number of times, origins in the order of one axis), planes as they
 * become final, end.  Host memory in fp32; everything else is the backend's own affair.  One thread calls. */
#ifndef BACKEND_H
#define BACKEND_H
#include "common/network.h"

struct backend_options {
	int threads;             /* -j */
	int n_mirror;            /* axes to mirror, subset of 0, 1, 2 of the network's grid; all combinations are averaged */
	int mirror_axis[3];
	bool gaussian;           /* weight windows (contract 5.4), else all 1 */
	bool parity;             /* nnU-Net's half-precision sums, in its order (contract 5.5) */
	int n_members;           /* how many will be loaded */
};

struct backend_case {
	const float *image;      /* [n_inputs][shape], stays valid until end */
	int64_t shape[3];        /* smaller than the patch: windows reach outside, where the image is 0 (contract 5.2) */
	int axis;                /* windows arrive in order of their origin on this axis, ascending or descending, so its planes become
	                            final in that order */
	int only;                /* 0: the mean of all mirrored positions; K > 0: the K-th of windows_mirrors() alone */
	int64_t depth;           /* most planes of that axis in work at a time: from the first not yet taken to the last touched */
};

struct backend {
	const char *name;
	/* NULL if it can run here, else the reason. */
	const char *(*probe)(void);
	/* NULL after fail() (XDEVICE, XIO). The network stays valid until close. */
	void *(*open)(const struct network *n, const struct backend_options *o);
	/* weights: n->n_weights floats, not needed after the call.  member: 0..n_members-1. */
	bool (*load)(void *b, int member, const float *weights);
	bool (*begin)(void *b, int member, const struct backend_case *c);
	/* Runs windows; origin[i] is the corner of window i in image voxels, negative where it is padded.
	 * fail()s XDATA when a logit is NaN or infinite, naming the window. */
	bool (*windows)(void *b, const int64_t (*origin)[3], int n);
	/* Logits of planes lo..hi of c->axis, weighted mean over windows: out [n_outputs][..hi-lo at that axis..].
	 * Planes are asked for once, in the order of windows, when no later window touches them. */
	bool (*planes)(void *b, float *out, int64_t lo, int64_t hi);
	void (*end)(void *b);
	void (*close)(void *b);
	/* One patch without mirroring, for tests and measurements: in [n_inputs][patch], out [n_outputs][patch]. */
	bool (*forward)(void *b, int member, float *out, const float *in);
};

extern const struct backend *const backends[];          /* those that were built, best first, NULL-terminated */
/* By name, or the best that works for "auto"; NULL after fail() XDEVICE naming the reasons. */
const struct backend *backend_pick(const char *name);
#endif
