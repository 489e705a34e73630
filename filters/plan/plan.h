/* plan: nnU-Net's planners (contract 7.2, 7.3).  Axes are those of the transposed array; a 2d configuration has the last two. */
#ifndef FILTERS_PLAN_PLAN_H
#define FILTERS_PLAN_PLAN_H
#include <json-c/json.h>
#include "common/training-set.h"

enum { STAGES_LIMIT = 13 };              /* so many have blocks in every planner */

struct planner {
	const char *name, *plans_name;   /* nnU-Net's class, and what it calls its plans */
	enum unet_class net;
	double memory_gb;                /* of the reference */
	double reference[2];             /* values in feature maps that fit in there: 2d, 3d */
	double covered;                  /* the most of the data set that one batch may be */
};

/* The data set as plans see it. */
struct experiment {
	const struct planner *planner;
	const char *plans_name;
	double memory_gb;
	const struct training_set *set;
	int n;                           /* cases */
	double (*spacings)[3];           /* [n], of the array as read, z, y, x */
	int64_t (*shapes)[3];            /* [n], after cropping */
	double kept;                     /* median share of voxels that cropping leaves */
	/* derived by experiment_plan() */
	double median_spacing[3];        /* transposed */
	int64_t median_shape[3];
	int transpose_forward[3], transpose_backward[3];
};

struct topology {
	int n_stages;
	int kernel[STAGES_LIMIT][3], stride[STAGES_LIMIT][3];
	int64_t divisor[3];              /* the patch is a multiple of it */
	int64_t patch[3];
};

struct configuration {
	bool made;
	int dims;
	struct topology net;
	int64_t batch_size;
	double spacing[3], median_shape[3];
	bool whole_shape;                /* median_shape is of rounded numbers */
	bool batch_dice;
};

enum { PLAN_2D, PLAN_3D_LOWRES, PLAN_3D_FULLRES, N_PLANS };      /* in the order of the file */

/* Pooling and kernels for a patch (not necessarily of whole numbers) of that spacing, and the patch padded to fit.
 * fail()s XDATA when there would be more stages than a planner has blocks for. */
bool topology_find(struct topology *t, int dims, const double *spacing, const double *patch);
/* Values in the feature maps of the network for one patch, nnU-Net's stand-in for memory. */
double topology_values(const struct topology *t, int dims, enum unet_class net, int n_labels);
int topology_features(int stage, int dims);
int topology_blocks(int stage, enum unet_class net);             /* convolutions or blocks of an encoder stage */

/* Patch and batch size; voxels: of the whole data set at this spacing. */
bool configuration_find(struct configuration *c, const struct experiment *e, int dims, const double *spacing,
                        const double *median_shape, double voxels);

/* All configurations.  target: spacing asked for, z, y, x as read, or NULL.  fail()s XDATA. */
bool experiment_plan(struct configuration c[N_PLANS], struct experiment *e, const double *target);

/* The plans as JSON; properties: the fingerprint's foreground_intensity_properties_per_channel, not taken over. */
json_object *plans_json(const struct experiment *e, const struct configuration c[N_PLANS], json_object *properties,
                        const char *reader);
extern const char *const plan_names[N_PLANS];

/* What nnU-Net leaves beside the plans: dataset.json, and the splits that the raw data set has.  fail()s XDATA where other
 * splits are there already. */
bool beside_plans(const struct training_set *s);
#endif
