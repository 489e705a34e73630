/* weights: the parameters of a network as the device reads them, in one block. */
#ifndef CUDA_WEIGHTS_H
#define CUDA_WEIGHTS_H
#include "filters/infer-checkpoint/cuda/steps.h"

/* block: [s->block] bytes; weights: s->n->n_weights floats.  fail()s XDATA when a weight is larger than what the precision holds. */
bool weights_arrange(void *block, const struct steps *s, const float *const *parameter);
#endif
