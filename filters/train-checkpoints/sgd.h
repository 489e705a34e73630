/* sgd: nnU-Net's optimiser (contract 8.1): torch's SGD with Nesterov momentum and weight decay on all parameters, biases and
 * norms too, after clipping the gradient. */
#ifndef TRAIN_SGD_H
#define TRAIN_SGD_H
#include "common/network.h"

struct sgd { double momentum, weight_decay, max_norm; };        /* 0.99, 3e-5, 12 */
extern const struct sgd sgd_nnunet;

/* Whether a parameter is trained.  Those of a head of weight 0 have no gradient in nnU-Net: they are neither stepped nor decayed,
 * and have no momentum in a checkpoint. */
bool sgd_trains(const struct network *n, int parameter);

/* One step: f = min(1, max_norm / (|g| + 1e-6)), |g| the norm of all gradients, then for each weight p that is trained
 *	g = f g + weight_decay p;  v = momentum v + g;  p = p - rate (g + momentum v)
 * v: the momentum buffer, 0 before the first step (torch's "v = g" then).  weights, momentum, gradients: [n->n_weights].
 * Returns |g| before clipping; when it is not finite, nothing is changed. */
double sgd_step(const struct sgd *s, const struct network *n, float *weights, float *momentum, const float *gradients,
                double rate, int threads);
#endif
