/* convolve: convolutions and transposed convolutions by cuDNN's graph API, with plans that were checked before they are used.
 * The tests put plain loops in its place. */
#ifndef CUDA_CONVOLVE_H
#define CUDA_CONVOLVE_H
#include <stdio.h>
#include "filters/infer-checkpoint/cuda/device.h"
#include "filters/infer-checkpoint/cuda/kernels.h"

/* Channels-last: x [n][in][c_in] to y [n][out][c_out].  No bias.  An axis has `padding` zeros before it and at least as many
 * behind: (kernel - 1) / 2, 0 where kernel = stride stands for pooling.
 * Weights: of a convolution [c_out][kernel][c_in]; of a transposed one (kernel = stride, padding 0) [c_in][kernel][c_out];
 * all in the type of the precision, sums in fp32.  c_out, and c_in unless 4, are multiples of 8. */
struct convolution {
	enum precision precision;
	bool transposed;
	int n, c_in, c_out;
	int64_t in[3], out[3];
	int kernel[3], stride[3], padding[3];
};

struct convolver;
struct convolver_options {
	bool deterministic;      /* the first plan that the heuristics name and that gives the same bytes every time; no timing, no cache */
	size_t workspace;        /* bytes that a plan may want at most */
	const char *cache;       /* folder of plans, made when missing; NULL: $XDG_CACHE_HOME/qualm/cudnn, else ~/.cache/qualm/cudnn */
};

/* NULL if cuDNN can be used for networks of this many dimensions (2 or 3), else why not: not there, or of a version whose results
 * are wrong. */
const char *convolver_probe(int dimensions);
/* The device is the one that is current in CUDA's run-time library.  fail()s XDEVICE. */
struct convolver *convolver_open(struct device *d, const struct convolver_options *o);
void convolver_close(struct convolver *v);
/* A plan, found in the cache or chosen by timing, and checked on random points of random input; NULL after fail() XDEVICE naming
 * the shape.  The convolver's own; equal convolutions get the same.  While it chooses it takes memory of the device for x, y, the
 * weights and the workspace: ask before the arena is taken. */
struct plan_of;
const struct plan_of *convolver_plan(struct convolver *v, const struct convolution *c);
size_t plan_workspace(const struct plan_of *p);
/* Launches on LANE_COMPUTE.  y, x, w are aligned to 256 bytes; workspace: plan_workspace() bytes. */
bool plan_run(const struct plan_of *p, void *y, const void *x, const void *w, void *workspace);

/* What was chosen for a shape, for -v and for measurements. */
struct plan_facts {
	const struct convolution *c;
	int engine;              /* cuDNN's number of it */
	bool tensor_cores, cached;
	size_t workspace;
	double seconds;          /* on the device, when it was chosen; 0 with deterministic */
	double flops, bytes;     /* 2 * multiply-adds, taps on padding counted; x, y and weights once each */
};
void plan_facts(struct plan_facts *f, const struct plan_of *p);
/* TSV with a header, a line for each plan in the order of first asking. */
void convolver_report(const struct convolver *v, FILE *out);
#endif
