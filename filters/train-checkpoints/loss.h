/* loss: what nnU-Net minimises (contract 8.2): cross entropy and Dice of classes, binary cross entropy and Dice of regions, for
 * each head of the network against targets of its size, and the counts behind the pseudo-Dice of validation (contract 8.5).
 *
 * Sums are cut into pieces of a fixed length and added in one order: the same bytes for any number of threads. */
#ifndef TRAIN_LOSS_H
#define TRAIN_LOSS_H
#include "common/network.h"

struct loss;

/* Weight of head i of n, the finest is 0: 2^-i, but 0 for the deepest, divided by their sum; 1 for an only head (nnU-Net divides
 * 0 by 0 there). */
double loss_weight(int n, int i);

/* n: network_build_training()'s, stays valid; l, too.  batch_dice: Dice of a batch's sums, not of each sample (plan's). */
struct loss *loss_open(const struct network *n, const struct labels *l, int batch, bool batch_dice, int threads);

/* What the next calls compare with.  labels: [batch][patch], values of dataset.json with the ignore label, 0 outside the image;
 * copied, and for each head cut down to every k-th voxel (targets.h).  fail()s XDATA on a value that is no label. */
bool loss_targets(struct loss *s, const uint16_t *labels);

/* Weighted sum of the heads' losses.  logits[i]: [batch][n_outputs][size of head i]; not read where loss_weight() is 0 and may
 * be NULL there.  d_logits[i]: receives the derivative, same shape; d_logits NULL for the value alone.  A logit that is not
 * finite makes the value NaN or infinite. */
double loss_value(struct loss *s, const float *const *logits, float *const *d_logits);

/* Hard predictions of the finest head against its target, over the batch's voxels that are not ignored; tp, fp, fn:
 * [labels_n_structures()], added to.  Pseudo-Dice of a class or region is 2 tp / (2 tp + fp + fn) of an epoch's sums. */
void loss_count(struct loss *s, const float *logits, double *tp, double *fp, double *fn);

void loss_close(struct loss *s);
#endif
