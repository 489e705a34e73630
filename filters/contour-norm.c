/* contour-norm: sum of each uncertainty map, divided by the number of contour voxels of the segmentation. */
#include <stdlib.h>
#include <string.h>
#include "common/as_coded.h"
#include "common/die.h"
#include "common/opt.h"
#include "common/scoring.h"

static bool as_coded, per_slice;
static const struct opt opts[] = {
	OPT_EMPTY,
	OPT_FLAG(0, "per-slice", &per_slice, "also scores of each slice, for score --per-slice"),
	OPT_FLAG(0, "as-coded", &as_coded, "compute what UnnUNet's code does, see qualm-unnunet(7)"),
	OPT_KEEP_GOING,
	OPT_END
};

/* One case while its slabs go by. */
struct tally {
	struct scoring scoring;
	double *sum, *slice_sum;                /* [n_views], in the order of the file, so that no slab size changes it */
	float *plane[SCORING_MAPS];             /* --as-coded: plane 0 of each map, [y][x] */
	unsigned char *row;                     /* --as-coded: [x] */
};

static bool begin(struct tally *t, const struct frame *f)
{
	struct scoring *s = &t->scoring;

	if (!scoring_begin(s, f, as_coded, false))
		return false;
	t->sum = xrealloc(t->sum, (size_t)s->n_views, sizeof *t->sum);
	t->slice_sum = xrealloc(t->slice_sum, (size_t)s->n_views, sizeof *t->slice_sum);
	for (int k = 0; k < s->n_views; k++)
		t->sum[k] = t->slice_sum[k] = 0;
	for (int m = 0; as_coded && m < s->n_maps; m++)
		t->plane[m] = xrealloc(t->plane[m], (size_t)f->shape[1] * (size_t)f->shape[2], sizeof **t->plane);
	if (as_coded)
		t->row = xrealloc(t->row, (size_t)f->shape[2], 1);
	return true;
}

/* sum: of the case, or of its slice z if z is not negative; voxels: as many as it has. */
static void put_scores(struct tally *t, struct frame *f, int64_t z, const double *sum, size_t voxels)
{
	struct scoring *s = &t->scoring;
	const struct contour_counts *all = z < 0 ? &s->part[0].contour.all : &s->part[0].contour.slice;

	for (int i = 0; i < s->n_parts; i++) {
		const struct contour *c = &s->part[i].contour;
		const struct contour_counts *n = z < 0 ? &c->all : &c->slice;
		scoring_put(s, z, "mask_pixels", i, (double)n->mask);
		scoring_put(s, z, "contour_pixels", i, (double)n->ring);
		for (int m = 0; m < s->n_maps; m++) {
			double u = sum[scoring_view(s, m, i)];
			scoring_put(s, z, s->map[m]->kind, i, n->ring ? u / (double)n->ring : empty_score(u / (double)voxels));
		}
	}
	scoring_flag(s, f, z, "empty", all->mask == 0);
	scoring_flag(s, f, z, "full", (size_t)all->mask == voxels);
	scoring_flag(s, f, z, "no_contour", all->ring == 0);
	for (int i = 0; i < s->n_parts; i++)
		scoring_empty(s, f, z, i, (z < 0 ? s->part[i].contour.all.ring : s->part[i].contour.slice.ring) == 0);
}

static void take_slab(struct tally *t, struct frame *f)
{
	struct scoring *s = &t->scoring;
	size_t width = (size_t)f->shape[2], n = (size_t)f->dy * width;

	for (int64_t z = 0; z < f->dz; z++) {
		for (size_t v = 0; v < n; v += width)
			scoring_row(s, s->seg + (size_t)z * n + v, f->shape[2]);
		for (int k = 0; k < s->n_views; k++)
			for (size_t v = 0; v < n; v++) {
				t->sum[k] += (double)s->value[k][(size_t)z * n + v];
				t->slice_sum[k] += (double)s->value[k][(size_t)z * n + v];
			}
		if (f->y + f->dy < f->shape[1])
			continue;
		scoring_slice_end(s);
		if (per_slice)
			put_scores(t, f, f->z + z, t->slice_sum, (size_t)f->shape[1] * width);
		memset(t->slice_sum, 0, (size_t)s->n_views * sizeof *t->slice_sum);
	}
}

/* UnnUNet's code sees plane 0 only, and takes the foreground to be where channel 1 is above a half. */
static void take_coded(struct tally *t, const struct frame *f)
{
	struct contour *c = &t->scoring.part[0].contour;
	size_t width = (size_t)f->shape[2], at = (size_t)f->y * width, n = (size_t)f->dy * width;
	const float *p1 = (const float *)t->scoring.segmentation.probs->data + frame_voxels(f);

	if (f->z > 0)
		return;
	for (int m = 0; m < t->scoring.n_maps; m++)
		memcpy(t->plane[m] + at, t->scoring.map[m]->data, n * sizeof **t->plane);
	for (size_t v = 0; v < n; v += width) {
		for (size_t x = 0; x < width; x++)
			t->row[x] = p1[v + x] > 0.5f;
		contour_row(c, t->row);
	}
	if (f->y + f->dy == f->shape[1])
		contour_slice_end(c);
}

static void put_coded(struct tally *t, struct frame *f)
{
	struct scoring *s = &t->scoring;
	const struct contour_counts *n = &s->part[0].contour.all;
	size_t plane = (size_t)f->shape[1] * (size_t)f->shape[2];

	scoring_put(s, -1, "mask_pixels", 0, (double)n->mask);
	scoring_put(s, -1, "contour_pixels", 0, (double)n->ring);
	for (int m = 0; m < s->n_maps; m++)
		scoring_put(s, -1, s->map[m]->kind, 0, coded_score(t->plane[m], plane, n->ring));
	scoring_flag(s, f, -1, "empty", n->mask == 0);
	scoring_flag(s, f, -1, "full", (size_t)n->mask == plane);
	scoring_flag(s, f, -1, "no_contour", n->ring == 0);
	frame_flag(f, "as_coded");
}

static bool slabs(struct sink *out, struct source *in, struct frame *f, struct tally *t)
{
	bool begun = false;

	while (source_slab(in, f)) {
		if (as_coded)
			take_coded(t, f);
		else if (scoring_slab(&t->scoring, f))
			take_slab(t, f);
		else
			return false;
		if (!begun)
			sink_begin(out, f);
		begun = true;
		sink_slab(out, f);
	}
	if (f->failed)
		return true;
	if (as_coded)
		put_coded(t, f);
	else
		put_scores(t, f, -1, t->sum, frame_grid_voxels(f));
	return scoring_done(&t->scoring, f, per_slice);
}

static void one_case(struct sink *out, struct source *in, struct frame *f, struct tally *t)
{
	bool ok = scoring_find(&t->scoring, f, as_coded);

	if (ok && !scoring_any(&t->scoring)) {          /* not for us */
		sink_pass(out, in, f);
		return;
	}
	if (ok && begin(t, f) && slabs(out, in, f, t))
		sink_end(out, f);
	else
		case_failed(out, in, f);
	scoring_end(&t->scoring);
}

static void tally_free(struct tally *t)
{
	scoring_free(&t->scoring);
	free(t->sum);
	free(t->slice_sum);
	free(t->row);
	for (int m = 0; m < SCORING_MAPS; m++)
		free(t->plane[m]);
}

int main(int argc, char **argv)
{
	struct frame f = {0};
	struct tally t = {0};

	opt_parse(&argc, &argv, opts, "",
	          "sum of each uncertainty map, divided by the number of contour voxels of the segmentation");
	if (as_coded && (per_slice || *empty_rule != 'w'))
		opt_usage("UnnUNet's code (--as-coded) sees one slice and has no rule for what is empty");
	struct source *in = source_open(NULL);
	struct sink *out = sink_open(in);
	while (source_next(in, &f)) {
		if (f.failed)
			sink_pass(out, in, &f);
		else
			one_case(out, in, &f, &t);
	}
	tally_free(&t);
	frame_free(&f);
	return filter_end(in, out);
}
