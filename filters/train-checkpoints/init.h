/* init: the weights that training starts from (contract 3.4). */
#ifndef TRAIN_INIT_H
#define TRAIN_INIT_H
#include "common/network.h"

/* weights: [n->n_weights], a function of the network and the seed alone.  Kernels are normal with variance
 * 2 / (1 + 0.01^2) / fan_in (He et al., 2015), fan_in = second dimension times taps; biases 0; norms 1 and 0, but 0 and 0 for
 * the last one of a residual block, which starts as the identity. */
void init_weights(float *weights, const struct network *n, uint64_t seed);
#endif
