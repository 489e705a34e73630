/* engine: forward and backward through a network with all heads (network_build_training()); ref.c is the plain one and the
 * oracle.
 *
 * An iteration: forward, loss.h's gradient with respect to the heads' outputs, backward, sgd.h's step.  Validation: forward
 * alone.  Host memory in fp32.  Results are the same bytes for any number of threads: sums over voxels and samples are cut into
 * pieces that do not depend on it and are added in one order.  One thread calls. */
#ifndef TRAIN_ENGINE_H
#define TRAIN_ENGINE_H
#include "common/network.h"

struct train_engine {
	const char *name;
	/* NULL after fail() (XDATA over memory_limit, XDEVICE).  The network stays valid until close. */
	void *(*open)(const struct network *n, int batch, int threads);
	/* weights: [n->n_weights].  in: [batch][n_inputs][patch].  logits[i]: [batch][n_outputs][size of head i], i = 0 the
	 * finest (network_head_value()), NULL where nobody wants it.  weights and in stay as they are until backward is done. */
	void (*forward)(void *e, const float *weights, const float *in, float *const *logits);
	/* Of the last forward.  d_logits[i]: the loss's derivative by logits[i], same shape, NULL for zero (the deepest head's).
	 * gradients: [n->n_weights], overwritten: the derivatives by the weights, 0 for what has none. */
	void (*backward)(void *e, float *const *d_logits, float *gradients);
	void (*close)(void *e);
};

extern const struct train_engine train_ref, train_fast;
#endif
