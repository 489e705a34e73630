/* summary: how segmentations agree with their references, as nnU-Net's summary.json has it (contract 6.2). */
#ifndef COMMON_SUMMARY_H
#define COMMON_SUMMARY_H
#include <json-c/json.h>
#include "common/labelmap.h"
#include "common/labels.h"

/* In the order of their names; HD95 (mm) and SurfaceDice are left out unless asked for. */
enum metric { M_DICE, M_FN, M_FP, M_HD95, M_IOU, M_SURFACE_DICE, M_TN, M_TP, M_N_PRED, M_N_REF, N_METRICS };
extern const char *const metric_name[N_METRICS];

/* Of each structure (class or region, see labels_n_structures()): voxels that count, and ratios of them; Dice and IoU are NaN
 * where neither has the structure.  Voxels whose reference is the ignore label do not count.
 * out: [n_structures]; segmentation, reference: [voxels]. */
void metrics_count(double (*out)[N_METRICS], const uint16_t *segmentation, const uint16_t *reference, size_t voxels,
                   const struct labels *l);
/* HD95 and SurfaceDice of each structure (common/surface.h), with the spacing of the reference.  fail()s XDATA. */
bool metrics_surface(double (*out)[N_METRICS], const struct labelmap *segmentation, const struct labelmap *reference,
                     const struct labels *l, double tolerance_mm);

struct summary {
	const struct labels *labels;             /* the caller's */
	bool surface;
	int n_structures, n_cases, capacity;
	struct summary_case {
		char *prediction, *reference;    /* files */
		double (*metric)[N_METRICS];     /* [n_structures] */
	} *c;
	double (*mean)[N_METRICS];               /* [n_structures], made by summary_means(): over the cases that are not NaN */
	double foreground_mean[N_METRICS];       /* over the structures; NaN if one is */
};

void summary_begin(struct summary *s, const struct labels *l, bool surface);
/* metric: [n_structures], malloc'ed; it is the summary's from here on. */
void summary_add(struct summary *s, const char *prediction, const char *reference, double (*metric)[N_METRICS]);
void summary_means(struct summary *s);
/* {foreground_mean, mean} and with_cases metric_per_case; json_object_put() it. */
json_object *summary_json(const struct summary *s, bool with_cases);
void summary_free(struct summary *s);

/* nnU-Net's key of a structure, malloc'ed: "2", or Python's text of a tuple, "(1, 2)", "(1,)". */
char *structure_key(const struct labels *l, int structure);
#endif
