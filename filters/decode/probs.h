/* probs: nnU-Net's saved probabilities as members, a folder a member. */
#ifndef DECODE_PROBS_H
#define DECODE_PROBS_H
#include "common/frame.h"

/* Writes every case of the folders.  dataset_json: NULL for the one that nnU-Net leaves in the folders.
 * planes: of a slab, 0 for the usual.  Dies on what concerns more than one case. */
void decode_probs(struct sink *out, char *const *folders, int n, const char *dataset_json, int planes);
#endif
