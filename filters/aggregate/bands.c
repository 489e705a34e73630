#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/die.h"
#include "common/surface.h"
#include "filters/aggregate/volume.h"

static const double clip_voxels = 4;    /* Jungo et al. 2020: weights grow for four spacings */

struct box { int64_t from[3], shape[3]; };

/* What distances are measured in, z y x: mm, or voxels as if they were cubes. */
struct metric { double spacing[3], width, clip; };

static struct metric metric_of(const struct grid *g, const struct settings *w)
{
	struct metric m = { { 1, 1, 1 }, w->width.n, clip_voxels };

	if (w->width.mm) {
		memcpy(m.spacing, g->spacing_mm, sizeof m.spacing);
		m.clip *= fmax(g->spacing_mm[1], g->spacing_mm[2]);
	}
	m.width *= 1 + 1e-6;                    /* spacings in files are single precision */
	return m;
}

void find_extents(struct grid *g, int n_slots)
{
	const uint16_t *seg = g->seg;

	g->n_slots = n_slots;
	g->extent = xmalloc((size_t)n_slots, sizeof *g->extent);
	for (int k = 0; k < n_slots; k++)
		g->extent[k] = (struct extent){ { g->shape[0], g->shape[1], g->shape[2] }, { -1, -1, -1 } };
	for (int64_t z = 0; z < g->shape[0]; z++)
		for (int64_t y = 0; y < g->shape[1]; y++, seg += g->shape[2])
			for (int64_t x = 0; x < g->shape[2]; x++) {
				struct extent *e = &g->extent[seg[x]];
				e->low[0] = z < e->low[0] ? z : e->low[0];
				e->low[1] = y < e->low[1] ? y : e->low[1];
				e->low[2] = x < e->low[2] ? x : e->low[2];
				e->high[0] = z;
				e->high[1] = y > e->high[1] ? y : e->high[1];
				e->high[2] = x > e->high[2] ? x : e->high[2];
			}
}

/* The box around a part, and around it as much as is nearer than reach. */
static struct box box_of(const struct grid *g, const unsigned char *has, const struct metric *m, double reach, bool in_slice)
{
	struct box b;

	for (int d = 0; d < 3; d++) {
		double steps = in_slice && !d ? 0 : ceil(reach / m->spacing[d]) + 1;
		int64_t margin = steps < (double)g->shape[d] ? (int64_t)steps : g->shape[d], low = g->shape[d], high = -1;
		for (int k = 0; k < g->n_slots; k++) {
			low = has[k] && g->extent[k].low[d] < low ? g->extent[k].low[d] : low;
			high = has[k] && g->extent[k].high[d] > high ? g->extent[k].high[d] : high;
		}
		low = low > margin ? low - margin : 0;
		high = high + margin < g->shape[d] ? high + margin : g->shape[d] - 1;
		b.from[d] = low;
		b.shape[d] = high - low + 1;
	}
	return b;
}

/* near: [shape], of each voxel the distance to the nearest one on the other side of the mask's boundary. */
static void distances(float *near, double *distance2, unsigned char *mask, const int64_t shape[3], const struct metric *m)
{
	size_t n = (size_t)(shape[0] * shape[1] * shape[2]);

	for (int inside = 0; inside < 2; inside++) {
		surface_distance2(distance2, mask, shape, m->spacing);
		for (size_t v = 0; v < n; v++) {
			if (!mask[v])
				near[v] = (float)sqrt(distance2[v]);
			mask[v] ^= 1;
		}
	}
}

static float *near_in_box(const struct grid *g, const struct box *b, const unsigned char *has, const struct metric *m,
                          bool in_slice)
{
	size_t plane = (size_t)b->shape[1] * (size_t)b->shape[2], n = (size_t)b->shape[0] * plane, at = 0;
	int64_t planes = in_slice ? 1 : b->shape[0], shape[3] = { planes, b->shape[1], b->shape[2] };
	unsigned char *mask = xmalloc(n, 1);
	float *near = xmalloc(n, sizeof *near);
	double *distance2 = xmalloc((size_t)planes * plane, sizeof *distance2);

	for (int64_t z = 0; z < b->shape[0]; z++)
		for (int64_t y = 0; y < b->shape[1]; y++) {
			int64_t row = (b->from[0] + z) * g->shape[1] + b->from[1] + y;
			for (int64_t x = 0; x < b->shape[2]; x++)
				mask[at++] = has[g->seg[row * g->shape[2] + b->from[2] + x]];
		}
	for (int64_t z = 0; z < b->shape[0]; z += planes)
		distances(near + (size_t)z * plane, distance2, mask + (size_t)z * plane, shape, m);
	free(mask);
	free(distance2);
	return near;
}

size_t bands_bytes(size_t voxels) { return voxels * (sizeof(float) + sizeof(double) + 1); }

/* One row: band and weight of each voxel, then the sums of each map. */
static void take_row(struct bands *b, const struct grid *g, size_t at, int64_t width, const int *view, int n_maps,
                     const unsigned char *band, const double *weight)
{
	for (int64_t x = 0; x < width; x++) {
		b->n[band[x]]++;
		b->weight += weight[x];
	}
	for (int m = 0; m < n_maps; m++) {
		const float *u = g->value + (size_t)view[m] * g->stride + at;
		for (int64_t x = 0; x < width; x++) {
			b->sum[m][band[x]] += (double)u[x];
			b->weighted[m] += weight[x] * (double)u[x];
		}
	}
}

void bands_of(struct bands *b, const struct grid *g, const unsigned char *has, const struct settings *w, const int *view,
              int n_maps, bool whole)
{
	struct metric m = metric_of(g, w);
	struct box box = box_of(g, has, &m, whole ? fmax(m.width, m.clip) : m.width, w->in_slice);
	float *near = near_in_box(g, &box, has, &m, w->in_slice);
	struct box over = whole ? (struct box){ { 0, 0, 0 }, { g->shape[0], g->shape[1], g->shape[2] } } : box;
	unsigned char *band = xmalloc((size_t)g->shape[2], 1);
	double *weight = xmalloc((size_t)g->shape[2], sizeof *weight);

	*b = (struct bands){0};
	for (int64_t z = over.from[0]; z < over.from[0] + over.shape[0]; z++)
		for (int64_t y = over.from[1]; y < over.from[1] + over.shape[1]; y++) {
			size_t at = (size_t)((z * g->shape[1] + y) * g->shape[2] + over.from[2]);
			int64_t bz = z - box.from[0], by = y - box.from[1], bx = over.from[2] - box.from[2];
			bool in_box = bz >= 0 && bz < box.shape[0] && by >= 0 && by < box.shape[1];
			const float *d = near + (in_box ? (bz * box.shape[1] + by) * box.shape[2] : 0);
			for (int64_t x = 0; x < over.shape[2]; x++, bx++) {
				double distance = in_box && bx >= 0 && bx < box.shape[2] ? (double)d[bx] : INFINITY;
				bool inside = has[g->seg[at + (size_t)x]], close = distance <= m.width;
				band[x] = inside ? (close ? NEAR_IN : FAR_IN) : (close ? NEAR_OUT : FAR_OUT);
				weight[x] = distance < m.clip ? distance : m.clip;
			}
			take_row(b, g, at, over.shape[2], view, n_maps, band, weight);
		}
	free(near);
	free(band);
	free(weight);
}
