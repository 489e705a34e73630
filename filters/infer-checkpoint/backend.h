/* backend: the seam between the program and what computes: a network on a volume.
 *
 * Order of calls: probe; open once per architecture and patch; load once per member (all of one architecture);
 * then per case: begin, windows (any number of times, origins in the order of axes), take as voxels become final, end.
 * Several cases may be under way at a time.  Host memory in fp32; everything else is the backend's own affair.  One thread
 * calls. */
#ifndef BACKEND_H
#define BACKEND_H
#include "common/network.h"
#include "filters/infer-checkpoint/precision.h"

struct backend_options {
	int threads;             /* -j */
	int n_mirror;            /* axes to mirror, subset of 0, 1, 2 of the network's grid; all combinations are averaged */
	int mirror_axis[3];
	bool gaussian;           /* weight windows (contract 5.4), else all 1 */
	bool parity;             /* nnU-Net's half-precision sums, in its order (contract 5.5) */
	int n_members;           /* how many will be loaded */
	int device;              /* which one, where there are several */
	enum precision precision;
	bool deterministic;      /* the same bytes on every run, where timing would choose among ways to compute */
};

struct backend_case {
	uint64_t image;          /* cases of the same number, but for 0, have the same image and planes */
	float *const *plane;     /* [n_inputs][shape[0]]: planes [shape[1]][shape[2]] of the image; those that a window touches are
	                            there while it runs */
	int64_t shape[3];        /* smaller than the patch: windows reach outside, where the image is 0 (contract 5.2) */
	int member, n_members;   /* every window goes through these, from member on */
	bool apart;              /* their outputs stand side by side, [n_members][n_outputs]; else they are averaged */
	int *culprit;            /* set to the member whose output is not finite */
	int only;                /* 0: the mean of all mirrored positions; K > 0: the K-th of windows_mirrors() alone */
	int axis;                /* windows come in the order of their place on this axis, ascending or descending */
	int64_t depth;           /* most planes of that axis in work at a time: from the first not yet taken to the last touched */
	int64_t rows;            /* most rows in work at a time: lines of the last axis but `axis`, touched and not yet taken */
};

/* Where a window stands. */
struct backend_window {
	void *stay;              /* the case, as begin() gave it */
	int64_t origin[3];       /* its corner in image voxels, negative where it is padded */
};

struct backend {
	const char *name;
	/* NULL if it can run here, else the reason. */
	const char *(*probe)(const struct backend_options *o);
	/* NULL after fail() (XDEVICE, XIO). The network stays valid until close. */
	void *(*open)(const struct network *n, const struct backend_options *o);
	/* parameter: [n->n_parameters] the values of each, not needed after the call.  member: 0..n_members-1. */
	bool (*load)(void *b, int member, const float *const *parameter);
	/* How many windows run at a time: with fewer in a call of windows() a part of the machine idles. */
	int (*batch)(const void *b, int n_members, bool one_mirror);
	/* Bytes that begin() will take for the case, without its image where that stays on the host: of the host's memory, and of a
	 * device's own.  False after fail() where there is no room.  No image or culprit need be there. */
	bool (*cost)(const void *b, const struct backend_case *c, size_t *host, size_t *device);
	/* What the following take for the case; NULL after fail(). */
	void *(*begin)(void *b, const struct backend_case *c);
	/* Runs windows, of each case in its order. */
	void (*windows)(void *b, const struct backend_window *w, int n);
	/* The box lo..hi, which holds whole rows, of the network's output, weighted mean over windows: out [channels][hi - lo].
	 * Each voxel is asked for once, when no later window touches it.  fail()s XDATA when an output of any window so far was
	 * NaN or infinite, naming the window. */
	bool (*take)(void *b, void *stay, float *out, const int64_t lo[3], const int64_t hi[3]);
	void (*end)(void *b, void *stay);
	void (*close)(void *b);
	/* One patch without mirroring, for tests and measurements: in [n_inputs][patch], out [n_outputs][patch]. */
	bool (*forward)(void *b, int member, float *out, const float *in);
};

extern const struct backend *const backends[];          /* those that were built, best first, NULL-terminated */
/* Whether there may be a backend of this name: one of these, auto, cuda or cuda:N. */
bool backend_known(const char *name);
/* Opens the backend of this name, or for auto the best that works; NULL after fail(), with XDEVICE naming the reasons. */
void *backend_open(const struct backend **b, const char *name, const struct network *n, const struct backend_options *o);
#endif
