/* graph: a convolution as a graph of cuDNN's, the engines that offer to compute it, and their plans.
 *
 * Functions that return NULL, 0 or false have called fail() with XDEVICE. */
#ifndef CUDA_GRAPH_H
#define CUDA_GRAPH_H
#include "filters/infer-checkpoint/cuda/convolve.h"

/* cuDNN's version as it counts, 91900 is 9.19.0. */
size_t graph_version(void);

/* What plans are made for. */
struct graph_device;
struct graph_device *graph_device_here(void *stream);           /* the current device; plans run on this cudaStream_t */
struct graph_device *graph_device_described(const char *json);  /* one that need not be there: plans can be made, not run */
void graph_device_free(struct graph_device *d);

enum {
	ENGINE_TENSOR_CORES = 1,
	ENGINE_COMPILES = 2,             /* its kernel is compiled when a plan is made: seconds, and NVRTC is needed */
	ENGINE_VARIES = 4,               /* sums in an order that differs from run to run */
	ENGINE_ROUNDS = 8,               /* takes its inputs or keeps its sums in less than the precision asked for */
	ENGINE_TRANSFORMS = 16           /* Winograd's or a Fourier transform: not the same roundings as the plain sum */
};
struct engine { int number; unsigned notes; };

/* The operation and what cuDNN's heuristics offer for it in mode A, best first; maybe nothing. */
struct graph;
struct graph *graph_open(struct graph_device *d, const struct convolution *c);
void graph_free(struct graph *g);
int graph_offers(const struct graph *g);
/* Adds the general and slower ones of mode FALLBACK, which takes longer to ask than mode A. */
void graph_ask_general(struct graph *g);
bool graph_offer(struct engine *e, const struct graph *g, int i);

struct graph_plan;
/* What is offered may still be refused here.  Valid until the graph is freed. */
struct graph_plan *graph_plan_make(struct graph *g, int i);
/* A plan as text and back (with its kernel if that was compiled), which another device, driver or cuDNN refuses. */
char *graph_plan_text(const struct graph_plan *p);              /* malloc'ed */
struct graph_plan *graph_plan_read(struct graph_device *d, const char *text);
void graph_plan_free(struct graph_plan *p);
size_t graph_plan_workspace(const struct graph_plan *p);
/* y, x, w: as plan_run() takes them. */
bool graph_plan_run(const struct graph_plan *p, void *y, const void *x, const void *w, void *workspace);
#endif
