#include <math.h>
#include "common/die.h"
#include "filters/plan/plan.h"

enum { BATCH_2D = 12, BATCH_3D = 2, MIN_BATCH = 2 };     /* the reference's, and the smallest */

/* The axis along which the patch covers most of the median image; of equal ones the last. */
static int axis_to_reduce(const struct topology *t, int dims, const double *median_shape)
{
	int axis = 0;

	for (int d = 1; d < dims; d++)
		if ((double)t->patch[d] / median_shape[d] >= (double)t->patch[axis] / median_shape[axis])
			axis = d;
	return axis;
}

/* The next smaller patch.  The divisor is that of the network for the patch after the step, which may be smaller: a step of the
 * larger one would skip sizes that fit (contract 7.3). */
static bool reduce(struct topology *t, int dims, const double *spacing, const double *median_shape)
{
	int axis = axis_to_reduce(t, dims, median_shape);
	struct topology smaller;
	double patch[3];

	for (int d = 0; d < dims; d++)
		patch[d] = (double)t->patch[d];
	patch[axis] -= (double)t->divisor[axis];
	if (!topology_find(&smaller, dims, spacing, patch))
		return false;
	patch[axis] = (double)(t->patch[axis] - smaller.divisor[axis]);
	if (patch[axis] < 1)
		return fail(XDATA, "no patch is small enough for the memory target");
	return topology_find(t, dims, spacing, patch);
}

/* As large as the volume of the largest sensible patch, of the shape of a cube in mm, but no larger than the median image. */
static void first_patch(double *patch, int dims, const double *spacing, const double *median_shape)
{
	double product = 1, scale;

	for (int d = 0; d < dims; d++)
		product *= 1 / spacing[d];
	scale = dims == 3 ? pow(256.0 * 256 * 256 / product, 1.0 / 3) : pow(2048.0 * 2048 / product, 1.0 / 2);
	for (int d = 0; d < dims; d++)
		patch[d] = fmin(rint(1 / spacing[d] * scale), median_shape[d]);
}

bool configuration_find(struct configuration *c, const struct experiment *e, int dims, const double *spacing,
                        const double *median_shape, double voxels)
{
	const struct planner *p = e->planner;
	double batch = dims == 2 ? BATCH_2D : BATCH_3D, patch[3], values, size = 1, by_memory, by_voxels;
	double reference = p->reference[dims - 2] * (e->memory_gb / p->memory_gb);
	double share = p->net == UNET_PLAIN ? batch / MIN_BATCH : 1;     /* the residual planners compare with all of the reference */

	*c = (struct configuration){ .made = true, .dims = dims };
	for (int d = 0; d < dims; d++) {
		c->spacing[d] = spacing[d];
		c->median_shape[d] = median_shape[d];
		if (!(spacing[d] > 0))
			return fail(XDATA, "a spacing of %g mm is not positive", spacing[d]);
	}
	first_patch(patch, dims, spacing, median_shape);
	if (!topology_find(&c->net, dims, spacing, patch))
		return false;
	while (values = topology_values(&c->net, dims, p->net, e->set->n_labels), values / share > reference)
		if (!reduce(&c->net, dims, spacing, median_shape))
			return false;
	for (int d = 0; d < dims; d++)
		size *= (double)c->net.patch[d];
	by_memory = rint(reference / values * batch);
	by_voxels = rint(voxels * p->covered / size);
	c->batch_size = (int64_t)fmin(fmax(fmin(by_memory, by_voxels), MIN_BATCH), 1e15);
	return true;
}
