#include <math.h>
#include <stdlib.h>
#include "common/die.h"
#include "filters/aggregate/volume.h"

const char *const aggregation_names[AGGREGATIONS] = {
	"mean", "sum", "foreground", "background", "contour", "contour_mm", "volume_weighted",
	"threshold_mean", "threshold_sum", "threshold_share",
	"quantile_mean", "quantile_sum", "patch",
	"ring", "non_boundary", "foreground_core", "background_core", "distance_weighted",
};

bool wants_bands(const struct settings *w)
{
	for (int a = A_RING; a <= A_DISTANCE_WEIGHTED; a++)
		if (w->wanted[a])
			return true;
	return false;
}

bool wants_volume(const struct settings *w)
{
	return wants_bands(w) || w->wanted[A_PATCH] || w->wanted[A_QUANTILE_MEAN] || w->wanted[A_QUANTILE_SUM];
}

/* What one part of a case or slice is given scores with. */
struct job {
	struct scoring *s;
	struct frame *f;
	int64_t z;
	const struct settings *w;
	const struct tally *t;
	const struct grid *g;
	int part, map, view;
	int64_t voxels, size;            /* of the image, of the part */
	double mean;                     /* of the map over the image */
	bool *ruled;                     /* [n_parts] the rule for what is empty was applied */
};

static void put(const struct job *j, enum aggregation a, double value)
{
	char *name;

	if (!j->w->wanted[a])
		return;
	name = xasprintf("%s.%s", j->s->map[j->map]->kind, aggregation_names[a]);
	scoring_put(j->s, j->z, name, j->part, value);
	free(name);
}

/* sum / n over voxels that the segmentation chose; by the rule where there are none, or nothing is segmented. */
static void put_chosen(const struct job *j, enum aggregation a, double sum, double n)
{
	bool empty = j->size == 0 || !(n > 0);

	j->ruled[j->part] |= empty && j->w->wanted[a];
	put(j, a, empty ? empty_score(j->mean) : sum / n);
}

/* Sum of the map over the part's voxels, or over the others. */
static double sum_of(const struct job *j, bool inside)
{
	const double *sum = j->t->sum + (size_t)j->view * (size_t)j->t->n_slots;
	double total = 0;

	for (int k = 0; k < j->t->n_slots; k++)
		total += j->s->part[j->part].has[k] == inside ? sum[k] : 0;
	return total;
}

/* How many of n voxels are the tail above quantile q; a product that rounding left just below a whole number is that. */
static int64_t tail_voxels(int64_t n, double q)
{
	int64_t tail = n - (int64_t)floor(q * (double)n + 1e-6);

	return tail > 0 ? tail : 1;
}

static void put_tail(const struct job *j)
{
	const struct settings *w = j->w;
	bool by_foreground = isnan(w->quantile);
	int64_t n = by_foreground ? j->size : tail_voxels(j->voxels, w->quantile);
	double sum = 0;

	if (!w->wanted[A_QUANTILE_MEAN] && !w->wanted[A_QUANTILE_SUM])
		return;
	if (n)
		sum = tail_sum(j->g->value + (size_t)j->view * j->g->stride, (size_t)j->voxels, (size_t)n);
	if (by_foreground) {
		put_chosen(j, A_QUANTILE_MEAN, sum, (double)n);
		put_chosen(j, A_QUANTILE_SUM, sum, n > 0);
	} else {
		put(j, A_QUANTILE_MEAN, sum / (double)n);
		put(j, A_QUANTILE_SUM, sum);
	}
}

static void put_patch(const struct job *j)
{
	int64_t window[3];

	if (!j->w->wanted[A_PATCH])
		return;
	for (int d = 0; d < 3; d++) {
		double n = j->w->patch.mm ? fmax(round(j->w->patch.n / j->g->spacing_mm[d]), 1) : j->w->patch.n;
		window[d] = n < (double)j->g->shape[d] ? (int64_t)n : j->g->shape[d];
	}
	if (j->w->in_slice)
		window[0] = 1;
	put(j, A_PATCH, patch_mean(j->g->value + (size_t)j->view * j->g->stride, j->g->shape, window));
}

/* Of the map over the image, whatever the segmentation. */
static void put_image(const struct job *j, double sum)
{
	put(j, A_MEAN, j->mean);
	put(j, A_SUM, sum);
	put(j, A_THRESHOLD_MEAN, j->t->n_above[j->view] ? j->t->above[j->view] / (double)j->t->n_above[j->view] : 0);
	put(j, A_THRESHOLD_SUM, j->t->above[j->view]);
	put(j, A_THRESHOLD_SHARE, (double)j->t->n_above[j->view] / (double)j->voxels);
	put_tail(j);
	put_patch(j);
}

static void put_part(struct job *j, int map, const struct bands *b, double spacing_y, double spacing_x)
{
	const struct contour_counts *c = &j->t->contour[j->part];
	double inside, sum;
	bool per_region = j->s->per_region[map];

	j->map = map;
	j->view = scoring_view(j->s, map, j->part);
	inside = sum_of(j, true);
	sum = inside + sum_of(j, false);
	j->mean = sum / (double)j->voxels;
	if (j->part == 0 || per_region)
		put_image(j, sum);
	put_chosen(j, A_FOREGROUND, inside, (double)j->size);
	if (j->part == 0)
		put_chosen(j, A_BACKGROUND, sum_of(j, false), (double)(j->voxels - j->size));
	put_chosen(j, A_CONTOUR, sum, (double)c->ring);
	put_chosen(j, A_CONTOUR_MM, sum * spacing_y * spacing_x, contour_mm(c, spacing_y, spacing_x));
	put_chosen(j, A_VOLUME_WEIGHTED, j->mean, (double)j->size);
	if (!b)
		return;
	const double *u = b->sum[map];
	put_chosen(j, A_RING, (j->w->ring_in ? u[NEAR_IN] : 0) + (j->w->ring_out ? u[NEAR_OUT] : 0),
	           (double)((j->w->ring_in ? b->n[NEAR_IN] : 0) + (j->w->ring_out ? b->n[NEAR_OUT] : 0)));
	put_chosen(j, A_FOREGROUND_CORE, u[FAR_IN], (double)b->n[FAR_IN]);
	if (j->part)
		return;
	put_chosen(j, A_NON_BOUNDARY, u[FAR_IN] + u[FAR_OUT], (double)(b->n[FAR_IN] + b->n[FAR_OUT]));
	put_chosen(j, A_BACKGROUND_CORE, u[FAR_OUT], (double)b->n[FAR_OUT]);
	put_chosen(j, A_DISTANCE_WEIGHTED, b->weighted[map], b->weight);
}

void put_scores(struct scoring *s, struct frame *f, int64_t z, const struct settings *w, const struct tally *t,
                const struct grid *g)
{
	bool *ruled = xcalloc((size_t)t->n_parts, sizeof *ruled);
	struct grid grid = *g;
	struct job j = { .s = s, .f = f, .z = z, .w = w, .t = t, .g = &grid, .ruled = ruled };
	int view[SCORING_MAPS];

	for (int k = 0; k < t->n_slots; k++)
		j.voxels += t->n[k];
	if (wants_bands(w))
		find_extents(&grid, t->n_slots);
	for (int i = 0; i < s->n_parts; i++) {
		struct bands b = {0};
		j.part = i;
		j.size = t->contour[i].mask;
		for (int m = 0; m < s->n_maps; m++)
			view[m] = scoring_view(s, m, i);
		if (wants_bands(w) && j.size)
			bands_of(&b, &grid, s->part[i].has, w, view, s->n_maps, i == 0);
		for (int m = 0; m < s->n_maps; m++)
			put_part(&j, m, wants_bands(w) ? &b : NULL, f->spacing_mm[1], f->spacing_mm[2]);
	}
	scoring_flag(s, f, z, "empty", t->contour[0].mask == 0);
	scoring_flag(s, f, z, "full", t->contour[0].mask == j.voxels);
	for (int i = 0; i < s->n_parts; i++)
		scoring_empty(s, f, z, i, ruled[i]);
	free(grid.extent);
	free(ruled);
}
