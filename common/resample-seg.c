#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/resample-axis.h"

/* A label map is resampled label by label: the share of every label is interpolated, and a rule picks one.  Only the
 * labels of a voxel's neighbours have a share there, so no one-hot volume is needed. */

enum { NEIGHBOURS = 8 };

/* How shares become a label. */
enum rule {
	LAST_HALF,              /* the largest label with at least a half; 0 if none has (nnU-Net's default) */
	LAST_OVER_HALF,         /* the same with more than a half (across a separate axis) */
	FIRST_LARGEST,          /* the smallest label with the largest share in thousandths, in half precision (torch) */
};

/* What surrounds a new voxel: two samples an axis, slowest first; the last two of an axis with one tap are equal. */
struct place { int16_t label[NEIGHBOURS]; double weight[3][2]; };

/* As scipy adds up a product of weights for every neighbour, so that shares of a half agree to the last bit. */
static double share(const struct place *p, int16_t u)
{
	double sum = 0;

	for (int i = 0; i < NEIGHBOURS; i++)
		if (p->label[i] == u)
			sum += p->weight[0][i >> 2] * p->weight[1][i >> 1 & 1] * p->weight[2][i & 1];
	return sum;
}

/* As torch interpolates 1000 times the label's mask: an axis after the other, fastest first, in single precision. */
static float share_torch(const struct place *p, int16_t u)
{
	float v[NEIGHBOURS];

	for (int i = 0; i < NEIGHBOURS; i++)
		v[i] = p->label[i] == u ? 1000 : 0;
	for (int axis = 2, n = NEIGHBOURS / 2; axis >= 0; axis--, n /= 2)
		for (int i = 0; i < n; i++)
			v[i] = v[2 * i] * (float)p->weight[axis][0] + v[2 * i + 1] * (float)p->weight[axis][1];
	return half_round(v[0]);
}

static int16_t pick(const struct place *p, enum rule rule)
{
	int16_t found = 0, u = p->label[0];
	float largest = -1;
	int other = 1;

	while (other < NEIGHBOURS && p->label[other] == u)
		other++;
	if (other == NEIGHBOURS)
		return u;
	/* every label among the neighbours, ascending */
	for (int last = INT16_MIN - 1;; last = u) {
		int next = INT16_MAX + 1;
		for (int i = 0; i < NEIGHBOURS; i++)
			if (p->label[i] > last && p->label[i] < next)
				next = p->label[i];
		if (next > INT16_MAX)
			return found;
		u = (int16_t)next;
		if (rule == FIRST_LARGEST) {
			float s = share_torch(p, u);
			if (s > largest) {
				largest = s;
				found = u;
			}
		} else {
			double s = share(p, u);
			if (s > 0.5 || (s == 0.5 && rule == LAST_HALF))
				found = u;
		}
	}
}

static void tap(int64_t at[2], double weight[2], const struct axis *a, int64_t k)
{
	const double *w = a->weight + k * a->taps;

	at[0] = a->first[k];
	at[1] = a->taps == 2 && at[0] + 1 < a->n ? at[0] + 1 : at[0];
	weight[0] = w[0];
	weight[1] = a->taps == 2 ? w[1] : 0;
}

/* One pass over all axes; out [m0][m1][m2], in [n0][n1][n2]. */
static void pass(int16_t *out, const int16_t *in, const struct axis axis[3], enum rule rule)
{
	int64_t z[2], y[2], x[2], width = axis[2].n, area = axis[1].n * width;
	struct place p;

	for (int64_t i = 0; i < axis[0].m; i++) {
		tap(z, p.weight[0], &axis[0], i);
		for (int64_t j = 0; j < axis[1].m; j++) {
			tap(y, p.weight[1], &axis[1], j);
			const int16_t *row[4] = { in + z[0] * area + y[0] * width, in + z[0] * area + y[1] * width,
			                          in + z[1] * area + y[0] * width, in + z[1] * area + y[1] * width };
			for (int64_t k = 0; k < axis[2].m; k++) {
				tap(x, p.weight[2], &axis[2], k);
				for (int n = 0; n < 4; n++) {
					p.label[2 * n] = row[n][x[0]];
					p.label[2 * n + 1] = row[n][x[1]];
				}
				*out++ = pick(&p, rule);
			}
		}
	}
}

static void resize(int16_t *out, const int64_t m[3], const int16_t *in, const int64_t n[3], enum taps kind, enum rule rule)
{
	struct axis axis[3];

	for (int i = 0; i < 3; i++)
		axis_make(&axis[i], n[i], m[i], kind);
	pass(out, in, axis, rule);
	for (int i = 0; i < 3; i++)
		axis_free(&axis[i]);
}

void resample_seg(int16_t *out, const int64_t out_shape[3], const int16_t *in, const int64_t in_shape[3],
                  const struct resampler *r, const double spacing[3], const double new_spacing[3])
{
	int separate = resample_separate_axis(r, spacing, new_spacing);
	enum taps kind = taps_in_slice(r);
	enum rule rule = kind == LINEAR_TORCH ? FIRST_LARGEST : LAST_HALF;
	int64_t slices[3] = { out_shape[0], out_shape[1], out_shape[2] };
	int16_t *between;

	if (separate < 0 || in_shape[separate] == out_shape[separate]) {
		resize(out, out_shape, in, in_shape, kind, rule);
		return;
	}
	slices[separate] = in_shape[separate];
	between = xmalloc((size_t)slices[0] * (size_t)slices[1], (size_t)slices[2] * sizeof *between);
	resize(between, slices, in, in_shape, kind, rule);
	resize(out, out_shape, between, slices, taps_across(r), LAST_OVER_HALF);
	free(between);
}
