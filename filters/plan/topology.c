#include <math.h>
#include "common/die.h"
#include "filters/plan/plan.h"

enum { MIN_EDGE = 4, BASE_FEATURES = 32, MAX_FEATURES_2D = 512, MAX_FEATURES_3D = 320 };

static double least(const double *x, const bool *of, int dims)
{
	double min = INFINITY;

	for (int d = 0; d < dims; d++)
		if (!of || of[d])
			min = fmin(min, x[d]);
	return min;
}

/* Which axes the next stage halves: those long enough whose spacing is within twice the finest of these.  A single one must
 * be longer still.  Returns how many. */
static int axes_to_pool(bool pool[3], int dims, const double *spacing, const double *size)
{
	double finest;
	int n = 0, last = 0;

	for (int d = 0; d < dims; d++)
		pool[d] = size[d] >= 2 * MIN_EDGE;
	finest = least(spacing, pool, dims);
	for (int d = 0; d < dims; d++)
		if ((pool[d] = pool[d] && spacing[d] / finest < 2)) {
			n++;
			last = d;
		}
	return n == 1 && size[last] < 3 * MIN_EDGE ? 0 : n;
}

bool topology_find(struct topology *t, int dims, const double *spacing, const double *patch)
{
	double mm[3], size[3];
	int kernel[3] = { 1, 1, 1 }, n = 1;
	bool pool[3];

	for (int d = 0; d < dims; d++) {
		mm[d] = spacing[d];
		size[d] = patch[d];
		t->divisor[d] = t->stride[0][d] = 1;
	}
	while (axes_to_pool(pool, dims, mm, size)) {
		double finest = least(mm, NULL, dims);
		if (n == STAGES_LIMIT)
			return fail(XDATA, "a network for patches of this size would have more than %d stages", STAGES_LIMIT);
		for (int d = 0; d < dims; d++) {
			if (mm[d] / finest < 2)
				kernel[d] = 3;          /* and stays so */
			t->kernel[n - 1][d] = kernel[d];
			t->stride[n][d] = pool[d] ? 2 : 1;
			if (pool[d]) {
				t->divisor[d] *= 2;
				mm[d] *= 2;
				size[d] = ceil(size[d] / 2);
			}
		}
		n++;
	}
	t->n_stages = n;
	for (int d = 0; d < dims; d++) {
		double rest = fmod(patch[d], (double)t->divisor[d]);
		t->kernel[n - 1][d] = 3;
		t->patch[d] = (int64_t)(rest > 0 ? patch[d] + (double)t->divisor[d] - rest : patch[d]);
	}
	return true;
}

int topology_features(int stage, int dims)
{
	int most = dims == 2 ? MAX_FEATURES_2D : MAX_FEATURES_3D;

	return stage > 8 || BASE_FEATURES << stage > most ? most : BASE_FEATURES << stage;
}

int topology_blocks(int stage, enum unet_class net)
{
	static const int residual[] = { 1, 3, 4, 6 };

	return net == UNET_PLAIN ? 2 : residual[stage < 3 ? stage : 3];
}

double topology_values(const struct topology *t, int dims, enum unet_class net, int n_labels)
{
	int64_t size[3], values = 0;
	int decoder = net == UNET_PLAIN ? 2 : 1;

	for (int d = 0; d < dims; d++)
		size[d] = t->patch[d];
	for (int s = 0; s < t->n_stages; s++) {
		int64_t voxels = 1, maps = topology_blocks(s, net), features = topology_features(s, dims);
		bool changes = s && features != topology_features(s - 1, dims);
		for (int d = 0; d < dims; d++) {
			changes |= size[d] / t->stride[s][d] != size[d];
			voxels *= size[d] /= t->stride[s][d];
		}
		if (net == UNET_RESENC)
			maps = 2 * maps + changes + (s == 0);   /* two a block, the skip's projection, the stem */
		if (s < t->n_stages - 1)
			maps += decoder + 1;                    /* the transposed convolution comes first */
		values += maps * features * voxels + (s == 0 ? n_labels * voxels : 0);
	}
	return (double)values;
}
