/* targets: label maps at the sizes of the network's heads, as batchgeneratorsv2's DownsampleSegForDSTransform makes them. */
#ifndef TRAIN_TARGETS_H
#define TRAIN_TARGETS_H
#include <stdint.h>

/* Nearest voxel ("nearest-exact"): place floor((i + 1/2) k) of every axis, where k = from / to is whole because the strides
 * divide the patch.  out: [n][to], in: [n][from]. */
void targets_shrink(uint16_t *out, const uint16_t *in, int n, const int64_t to[3], const int64_t from[3], int threads);
#endif
