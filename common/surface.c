#include <math.h>
#include <stdlib.h>
#include "common/die.h"
#include "common/opt.h"
#include "common/surface.h"

int64_t surface_boundary(unsigned char *out, const unsigned char *mask, const int64_t shape[3], bool flat)
{
	const int64_t step[3] = { shape[1] * shape[2], shape[2], 1 };
	int64_t n = 0, i = 0;

	for (int64_t z = 0; z < shape[0]; z++)
		for (int64_t y = 0; y < shape[1]; y++)
			for (int64_t x = 0; x < shape[2]; x++, i++) {
				const int64_t at[3] = { z, y, x };
				bool edge = false;
				for (int d = flat; mask[i] && d < 3; d++)
					edge |= at[d] == 0 || at[d] == shape[d] - 1 || !mask[i - step[d]] || !mask[i + step[d]];
				out[i] = edge;
				n += edge;
			}
	return n;
}

/* What a pass along a line works in. */
struct line { double *f, *at; int64_t *v; };

/* f: [n] squares so far, w mm apart; they become min over q of f[q] + (w (p - q))^2.  at[k] is where parabola v[k] begins to be
 * the lowest. */
static void lower_envelope(struct line *l, int64_t n, double w, double *out, int64_t stride)
{
	int64_t k = -1;

	for (int64_t q = 0; q < n; q++) {
		double s = -INFINITY;
		if (isinf(l->f[q]))
			continue;
		for (; k >= 0; k--) {
			int64_t v = l->v[k];
			s = ((l->f[q] - l->f[v]) / (w * w * (double)(q - v)) + (double)(q + v)) / 2;
			if (s > l->at[k])
				break;
		}
		k++;
		l->v[k] = q;
		l->at[k] = k ? s : -INFINITY;
	}
	if (k < 0)
		return;                          /* infinite all along, as it was */
	for (int64_t p = 0, i = 0; p < n; p++) {
		while (i < k && l->at[i + 1] < (double)p)
			i++;
		double d = w * (double)(p - l->v[i]);
		out[p * stride] = l->f[l->v[i]] + d * d;
	}
}

/* Along x, where what has been found so far is 0 or infinity: to the last and to the next nonzero voxel. */
static void row_distance2(double *out, const unsigned char *mask, int64_t n, double w)
{
	int64_t last = -1;

	for (int64_t x = 0; x < n; x++) {
		last = mask[x] ? x : last;
		out[x] = last < 0 ? INFINITY : w * (double)(x - last) * (w * (double)(x - last));
	}
	last = -1;
	for (int64_t x = n - 1; x >= 0; x--) {
		double d = last < 0 ? INFINITY : w * (double)(last - x);
		last = mask[x] ? x : last;
		out[x] = !mask[x] && d * d < out[x] ? d * d : out[x];
	}
}

/* A line of n voxels that are stride apart.  One that is 0 throughout stays so. */
static void along(struct line *l, double *out, int64_t n, int64_t stride, double w)
{
	bool zero = true;

	for (int64_t p = 0; p < n; p++) {
		l->f[p] = out[p * stride];
		zero &= l->f[p] == 0;
	}
	if (!zero)
		lower_envelope(l, n, w, out, stride);
}

void surface_distance2(double *out, const unsigned char *mask, const int64_t shape[3], const double spacing_mm[3])
{
	const int64_t plane = shape[1] * shape[2], longest = shape[0] > shape[1] ? shape[0] : shape[1];
	struct line l = { xmalloc((size_t)longest, sizeof *l.f), xmalloc((size_t)longest, sizeof *l.at),
	                  xmalloc((size_t)longest, sizeof *l.v) };

	for (int64_t i = 0; i < shape[0] * plane; i += shape[2])
		row_distance2(out + i, mask + i, shape[2], spacing_mm[2]);
	for (int64_t z = 0; z < shape[0] && shape[1] > 1; z++)
		for (int64_t x = 0; x < shape[2]; x++)
			along(&l, out + z * plane + x, shape[1], shape[2], spacing_mm[1]);
	for (int64_t i = 0; i < plane && shape[0] > 1; i++)
		along(&l, out + i, shape[0], plane, spacing_mm[0]);
	free(l.f);
	free(l.at);
	free(l.v);
}

static int ascending(const void *a, const void *b)
{
	double p = *(const double *)a, q = *(const double *)b;

	return (p > q) - (p < q);
}

static double percentile95(double *d, size_t n)
{
	double rank = 0.95 * (double)(n - 1);
	size_t i = (size_t)rank;

	qsort(d, n, sizeof *d, ascending);
	return i + 1 < n ? d[i] + (rank - (double)i) * (d[i + 1] - d[i]) : d[n - 1];
}

bool surface_compare(double *hd95, double *dice, const unsigned char *a, const unsigned char *b, const int64_t shape[3],
                     bool flat, const double spacing_mm[3], double tolerance_mm)
{
	const size_t voxels = (size_t)(shape[0] * shape[1] * shape[2]);
	unsigned char *edge[2];
	double *distance2, *list;
	size_t n_edge[2], n = 0, within = 0;

	if (voxels > memory_limit / (sizeof *distance2 + 4))
		return fail(XDATA, "distances in a box of %lld x %lld x %lld voxels need more than %zu MiB (--memory raises it)",
		            (long long)shape[0], (long long)shape[1], (long long)shape[2], memory_limit >> 20);
	for (int k = 0; k < 2; k++) {
		edge[k] = xmalloc(voxels + 1, 1);
		n_edge[k] = (size_t)surface_boundary(edge[k], k ? b : a, shape, flat);
	}
	distance2 = xmalloc(voxels + 1, sizeof *distance2);
	list = xmalloc(n_edge[0] + n_edge[1] + 1, sizeof *list);
	for (int k = 0; k < 2; k++) {
		surface_distance2(distance2, edge[!k], shape, spacing_mm);
		for (size_t i = 0; i < voxels; i++)
			if (edge[k][i])
				list[n++] = sqrt(distance2[i]);
	}
	/* Spacings in files are single precision: a tolerance of two voxels of 0.36 mm is to include the second. */
	for (size_t i = 0; i < n; i++)
		within += list[i] <= tolerance_mm * (1 + 1e-6);
	*dice = n ? (double)within / (double)n : NAN;
	*hd95 = !n ? NAN : n_edge[0] && n_edge[1] ? percentile95(list, n) : INFINITY;
	for (int k = 0; k < 2; k++)
		free(edge[k]);
	free(distance2);
	free(list);
	return true;
}
