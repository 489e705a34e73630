/* engine: one forward pass on the host.  host.c makes a backend of an engine (windows, mirrors, sums); ref.c is the plain
 * one and the oracle, cpu.c the fast one. */
#ifndef ENGINE_H
#define ENGINE_H
#include "common/network.h"

struct engine {
	const char *name;
	/* The network stays valid. */
	void *(*open)(const struct network *n, int threads, int members);
	/* How many threads may call forward at once, each with its own worker number: as many as were given to open, or one, for
	 * which the engine uses them all. */
	int (*workers)(const void *e);
	/* How many patches forward takes at once at most. */
	int (*images)(const void *e);
	/* parameter: [n->n_parameters] the values of each, not needed after the call (the engine may transform them, on `threads`
	 * threads). */
	void (*load)(void *e, int member, const float *const *parameter, int threads);
	/* in [images][n_inputs][patch] to [images][n_outputs][patch], fp32, which is the engine's, the caller's to change, and
	 * valid until the worker's next call.  Results depend neither on the worker nor on the number of threads or images. */
	float *(*forward)(void *e, int member, int worker, const float *in, int images);
	void (*close)(void *e);
};

extern const struct engine engine_ref, engine_cpu;
extern const struct engine engine_cpu_bf16;            /* needs cpu_bf16() */
#endif
