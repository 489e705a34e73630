/* detection: how well an uncertainty map tells wrong voxels from right ones, from counts of voxels by the map's value. */
#ifndef ERROR_DETECTION_H
#define ERROR_DETECTION_H
#include <stdbool.h>
#include <stdint.h>

/* Values of 2^-40 to 2^24 fall into 1024 cells an octave; 0, and what is below, have cells of their own; what is above is in the
 * last.  Values of a cell are alike: they differ by less than a thousandth. */
enum { CELLS = 2 + 64 * 1024, THRESHOLDS = 101 };

/* Voxels.  wrong: the segmentation is not what the reference says; the others are of the part: in it in both, only in the
 * segmentation, only in the reference, in neither. */
struct cell { uint32_t wrong, tp, fp, fn, tn; };

int cell_of(float u);                            /* u >= 0 */

enum measure { AUROC, OVERLAP, AVU, AUSE, QU_BRATS, DICE_AUC, FTP_AUC, FTN_AUC, N_MEASURES };
extern const char *const measure_name[N_MEASURES];

/* What remains where u is at most a threshold, and what is above it; a step for each threshold. */
enum column {
	THRESHOLD, CERTAIN,      /* share of voxels at most the threshold */
	DICE,                    /* of the part among them; 1 where neither has it there */
	FTP, FTN,                /* filtered: share of the part's right voxels, and of the right others, that is above */
	STEP_AVU,                /* share of voxels that are right and certain, or wrong and uncertain */
	STEP_OVERLAP,            /* Dice of uncertain voxels and wrong ones; NaN without wrong ones */
	N_COLUMNS
};
extern const char *const column_name[N_COLUMNS];
struct curve { double column[N_COLUMNS][THRESHOLDS]; };

/* cell: [CELLS].  Thresholds are 0, 1, ... 100 hundredths of highest, or of the case's largest value if that is NaN.  All is NaN
 * without voxels; see error-detection(1) for what else is. */
void detection_curve(struct curve *curve, const struct cell *cell, float largest, double highest);
void detection_measures(double value[N_MEASURES], const struct cell *cell, const struct curve *curve);
#endif
