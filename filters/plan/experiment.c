#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "filters/plan/plan.h"

static const double anisotropy = 3, lowres_share = 0.25, spacing_step = 1.03, least_gain = 2;

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* numpy.percentile of sorted numbers, linear between ranks; share: 0 to 1. */
static double percentile(const double *x, int n, double share)
{
	double place = (n - 1) * share, t = place - floor(place), a = x[(int)place], b = x[(int)place + (t > 0)];

	return t < 0.5 ? a + (b - a) * t : b - (b - a) * (1 - t);
}

/* numpy.median of sorted numbers. */
static double middle(const double *x, int n) { return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2; }

/* One axis of all cases, sorted. */
static void column(double *x, const struct experiment *e, int axis, bool of_shapes)
{
	for (int i = 0; i < e->n; i++)
		x[i] = of_shapes ? (double)e->shapes[i][axis] : e->spacings[i][axis];
	qsort(x, (size_t)e->n, sizeof *x, by_value);
}

/* Contract 7.2: the median, but finer along an axis that is much coarser and shorter than the others. */
static void target_spacing(double target[3], const struct experiment *e)
{
	double *x = xmalloc((size_t)e->n, sizeof *x), size[3], coarsest = 0, shortest = INFINITY, finer;
	int worst = 0;

	for (int d = 0; d < 3; d++) {
		column(x, e, d, true);
		size[d] = percentile(x, e->n, 0.5);
		column(x, e, d, false);
		target[d] = percentile(x, e->n, 0.5);
		worst = target[d] > target[worst] ? d : worst;
	}
	for (int d = 0; d < 3; d++)
		if (d != worst) {
			coarsest = fmax(coarsest, target[d]);
			shortest = fmin(shortest, size[d]);
		}
	if (target[worst] > anisotropy * coarsest && size[worst] * anisotropy < shortest) {
		column(x, e, worst, false);
		finer = percentile(x, e->n, 0.1);
		target[worst] = finer < coarsest ? coarsest + 1e-5 : finer;
	}
	free(x);
}

/* The coarsest axis first. */
static void transpose(struct experiment *e, const double target[3])
{
	int worst = 0, n = 1;

	for (int d = 1; d < 3; d++)
		worst = target[d] > target[worst] ? d : worst;
	e->transpose_forward[0] = worst;
	for (int d = 0; d < 3; d++)
		if (d != worst)
			e->transpose_forward[n++] = d;
	for (int d = 0; d < 3; d++)
		e->transpose_backward[e->transpose_forward[d]] = d;
}

/* Median size of the images at the target spacing; the medians of what they are go into e.  All transposed. */
static void medians(double shape[3], struct experiment *e, const double target[3])
{
	double *x = xmalloc((size_t)e->n, sizeof *x);

	for (int d = 0; d < 3; d++) {
		int axis = e->transpose_forward[d];
		for (int i = 0; i < e->n; i++)
			x[i] = rint(e->spacings[i][axis] / target[axis] * (double)e->shapes[i][axis]);
		qsort(x, (size_t)e->n, sizeof *x, by_value);
		shape[d] = middle(x, e->n);
		column(x, e, axis, false);
		e->median_spacing[d] = middle(x, e->n);
		column(x, e, axis, true);
		e->median_shape[d] = (int64_t)rint(middle(x, e->n));
	}
	free(x);
}

static double product(const double x[3]) { return x[0] * x[1] * x[2]; }

static double patch_voxels(const struct configuration *c)
{
	return (double)c->net.patch[0] * (double)c->net.patch[1] * (double)c->net.patch[2];
}

/* Axes more than twice finer than the coarsest are made coarser; all of them, once there are none. */
static void coarsen(double spacing[3])
{
	double most = fmax(spacing[0], fmax(spacing[1], spacing[2]));
	bool some = most / spacing[0] > 2 || most / spacing[1] > 2 || most / spacing[2] > 2;

	for (int d = 0; d < 3; d++)
		if (!some || most / spacing[d] > 2)
			spacing[d] *= spacing_step;
}

/* A configuration so coarse that its patch sees a quarter of the median image; none when full resolution nearly does. */
static bool find_lowres(struct configuration *low, const struct experiment *e, const struct configuration *full)
{
	double spacing[3], shape[3], rounded[3], share = patch_voxels(full) / product(full->median_shape);

	memcpy(spacing, full->spacing, sizeof spacing);
	memcpy(shape, full->median_shape, sizeof shape);
	while (share < lowres_share) {
		coarsen(spacing);
		for (int d = 0; d < 3; d++) {
			shape[d] = full->spacing[d] / spacing[d] * full->median_shape[d];
			rounded[d] = rint(shape[d]);
		}
		if (!configuration_find(low, e, 3, spacing, rounded, product(shape) * e->set->n_training))
			return false;
		low->whole_shape = true;
		share = patch_voxels(low) / product(shape);
	}
	if (low->made && product(full->median_shape) / product(shape) < least_gain)
		low->made = false;
	return true;
}

bool experiment_plan(struct configuration c[N_PLANS], struct experiment *e, const double *asked)
{
	double target[3], spacing[3], shape[3], voxels;

	memset(c, 0, N_PLANS * sizeof *c);
	if (asked)
		memcpy(target, asked, sizeof target);
	else
		target_spacing(target, e);
	transpose(e, target);
	medians(shape, e, target);
	for (int d = 0; d < 3; d++) {
		spacing[d] = target[e->transpose_forward[d]];
		if (shape[d] < 1)
			return fail(XDATA, "at a target spacing of %g mm the median image has less than one voxel along an axis",
			            spacing[d]);
	}
	voxels = product(shape) * e->set->n_training;
	if (shape[0] != 1) {
		if (!configuration_find(&c[PLAN_3D_FULLRES], e, 3, spacing, shape, voxels) ||
		    !find_lowres(&c[PLAN_3D_LOWRES], e, &c[PLAN_3D_FULLRES]))
			return false;
		c[PLAN_3D_FULLRES].batch_dice = c[PLAN_3D_LOWRES].made;
	}
	if (!configuration_find(&c[PLAN_2D], e, 2, spacing + 1, shape + 1, voxels))
		return false;
	c[PLAN_2D].batch_dice = true;
	return true;
}
