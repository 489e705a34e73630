/* encode: what its files share. */
#ifndef ENCODE_H
#define ENCODE_H
#include "common/frame.h"

/* FOLDER/CASE.pkl: the properties that nnU-Net keeps beside probabilities (contract 5.8), so that nnUNetv2_ensemble can write
 * its result with the case's geometry.  fail()s XIO. */
bool write_properties(const char *path, const struct frame *f);

/* dataset.json with the labels of the frame, so that decode --probs (and nnU-Net) know what the channels are; a file that is
 * there already is left alone, and so is a frame without labels.  fail()s XIO or XDATA. */
bool write_dataset(const char *folder, const struct frame *f, const char *file_ending);
#endif
