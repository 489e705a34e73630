/* labels: what the channels of a network mean: classes or regions (nnU-Net's label manager, contract 1.2, 5.8).
 *
 * Three carriers: dataset.json (plans.c reads it), a frame's header (here), and this struct. */
#ifndef COMMON_LABELS_H
#define COMMON_LABELS_H
#include "common/frame.h"

struct label {
	char *name;
	int n;                   /* values: 1 for a plain label */
	int *value;
	bool is_list;            /* dataset.json has a list: nnU-Net's name of the region is then "(1,)", not "1" */
};

struct labels {
	int n;                   /* entries in file order, background first where the file has it so; without "ignore" */
	struct label *entry;
	int ignore;              /* label value to leave out, -1 if none */
	int n_order;
	int *regions_class_order;   /* values written for the regions, in order; n_order is 0 without regions */
	/* derived by labels_finish() */
	bool has_regions;        /* some entry has more than one value */
	int n_outputs;           /* channels of the network: foreground regions, or all labels with background */
	int n_foreground;
	int *foreground;         /* label values but 0 and ignore, ascending */
	int max_value;           /* largest value that a segmentation can hold */
};

/* Fills in the derived members and checks them: background is 0, values consecutive, regions_class_order of one entry a
 * region.  fail()s XDATA with the reason. */
bool labels_finish(struct labels *l);
void labels_free(struct labels *l);

/* The frame header's keys labels, regions_class_order, ignore.  A frame without "labels" but with probs of C channels
 * gets C classes named 0..C-1.  fail()s XDATA. */
bool labels_from_frame(struct labels *l, const struct frame *f, int64_t channels);
void labels_to_frame(struct frame *f, const struct labels *l);

/* *probs: a frame's mean probabilities, or those of the only member that its case has; NULL without any.
 * fail()s XDATA when they are of one of several members, or not <f4. */
bool labels_probs(struct layer **probs, const struct frame *f);

/* Channels that are scored one by one: foreground classes, or regions.  Their names are those of the entries. */
int labels_n_structures(const struct labels *l);
const struct label *labels_structure(const struct labels *l, int i);
int labels_structure_channel(const struct labels *l, int i);     /* its channel in probs */
bool label_has(const struct label *l, int value);

/* The segmentation (contract 5.8), the one rule for segment, contour-norm and score.
 * probs: [n_outputs][voxels]; out: [voxels].  Classes: argmax, lowest class wins ties, value = the class's label.
 * Regions: 0, then for each region i in order: where p_i > 0.5 write regions_class_order[i]. */
void labels_segment(uint16_t *out, const float *probs, const struct labels *l, size_t voxels);
enum dtype labels_dtype(const struct labels *l);                  /* |u1 if every value < 256, else <u2 */
/* A label layer's values as 16-bit, whatever integer type it has; false (fail XDATA) on a negative or too large one. */
bool labels_widen(uint16_t *out, const struct layer *label, size_t voxels);
#endif
