/* engine: one forward pass on the host.  host.c makes a backend of an engine (windows, mirrors, sums); ref.c is the plain
 * one and the oracle, cpu.c the fast one. */
#ifndef ENGINE_H
#define ENGINE_H
#include "common/network.h"

struct engine {
	const char *name;
	/* workers: how many threads may call forward at once, each with its own worker number.  The network stays valid. */
	void *(*open)(const struct network *n, int workers, int members);
	/* weights: n->n_weights floats, not needed after the call (the engine may transform them, on `threads` threads). */
	void (*load)(void *e, int member, const float *weights, int threads);
	/* in [n_inputs][patch], out [n_outputs][patch], fp32.  Results do not depend on the worker. */
	void (*forward)(void *e, int member, int worker, float *out, const float *in);
	void (*close)(void *e);
};

extern const struct engine engine_ref, engine_cpu;
#endif
