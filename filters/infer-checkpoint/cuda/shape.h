/* shape: sizes of a convolution's tensors, and its name. */
#ifndef CUDA_SHAPE_H
#define CUDA_SHAPE_H
#include "filters/infer-checkpoint/cuda/convolve.h"

size_t shape_element(const struct convolution *c);       /* bytes */
size_t shape_x(const struct convolution *c);             /* elements */
size_t shape_w(const struct convolution *c);
size_t shape_y(const struct convolution *c);
bool shape_same(const struct convolution *a, const struct convolution *b);
/* One line, malloc'ed, equal for equal convolutions alone. */
char *shape_text(const struct convolution *c);
#endif
