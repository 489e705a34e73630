/* contour-norm: sum of each uncertainty map, divided by the number of contour voxels of the segmentation. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/as_coded.h"
#include "common/contour.h"
#include "common/die.h"
#include "common/labels.h"
#include "common/maps.h"
#include "common/opt.h"

static bool as_coded;
static const struct opt opts[] = {
	OPT_FLAG(0, "as-coded", &as_coded, "compute what UnnUNet's code does, see qualm-unnunet(7)"),
	OPT_KEEP_GOING,
	OPT_END
};

enum { MAPS_MAX = 8, VALUES = 65536 };

/* One structure of a case: the foreground, a class or a region. */
struct part {
	const char *name;                /* NULL for the foreground */
	unsigned char *has;              /* [VALUES]: 1 for the values of a segmentation that belong to it */
	struct contour contour;
};

/* One case while its slabs go by. */
struct tally {
	struct layer *label, *probs;            /* the segmentation: label if there is one, else made from probs */
	struct labels labels;
	int n_maps, n_parts, parts_made;
	const struct layer *map[MAPS_MAX];
	double sum[MAPS_MAX];                   /* in the order of the file, so that no slab size changes it */
	struct part *part;                      /* [n_parts], the foreground first */
	uint16_t *seg;                          /* [voxels of the slab] */
	unsigned char *row;                     /* [x] */
	float *plane[MAPS_MAX];                 /* --as-coded: plane 0 of each map, [y][x] */
};

static bool find_layers(struct tally *t, const struct frame *f)
{
	t->n_maps = 0;
	for (int i = 0; map_kinds[i] && t->n_maps < MAPS_MAX; i++) {
		const struct layer *l = frame_layer(f, map_kinds[i]);
		if (l && (l->type != DT_F4 || l->channels != 1))
			return fail(XDATA, "its map %s is not one channel of <f4", l->kind);
		if (l)
			t->map[t->n_maps++] = l;
	}
	t->label = as_coded ? NULL : frame_layer(f, "label");
	if (t->label && t->label->channels != 1)
		return fail(XDATA, "its label layer has %lld channels", (long long)t->label->channels);
	if (!labels_probs(&t->probs, f))
		return false;
	if (as_coded && t->probs && (t->probs->channels < 2 || mpk_is_str(mpk_get(&t->probs->map, "activation"), "sigmoid")))
		return fail(XDATA, "UnnUNet's code (--as-coded) needs probabilities of two or more classes, not of regions");
	if (t->n_maps && !t->label && !t->probs)
		return fail(XDATA, "it holds maps but no probabilities%s to take a segmentation from", as_coded ? "" : " and no labels");
	return true;
}

/* The foreground, every value but 0, and each class or region. */
static void name_parts(struct tally *t, int64_t width)
{
	t->n_parts = as_coded ? 1 : 1 + labels_n_structures(&t->labels);
	if (t->n_parts > t->parts_made) {
		t->part = xrealloc(t->part, (size_t)t->n_parts, sizeof *t->part);
		for (; t->parts_made < t->n_parts; t->parts_made++)
			t->part[t->parts_made] = (struct part){ .has = xmalloc(VALUES, 1) };
	}
	for (int i = 0; i < t->n_parts; i++) {
		struct part *p = &t->part[i];
		const struct label *l = i ? labels_structure(&t->labels, i - 1) : NULL;
		p->name = l ? l->name : NULL;
		memset(p->has, l ? 0 : 1, VALUES);
		p->has[0] = 0;
		for (int k = 0; l && k < l->n; k++)
			p->has[l->value[k]] = 1;
		contour_begin(&p->contour, width);
	}
}

static bool begin(struct tally *t, const struct frame *f)
{
	size_t slab = (size_t)f->slab[0] * (size_t)f->slab[1] * (size_t)f->shape[2];

	if (!labels_from_frame(&t->labels, f, t->probs ? t->probs->channels : 0))
		return false;
	name_parts(t, f->shape[2]);
	t->seg = xrealloc(t->seg, slab, sizeof *t->seg);
	t->row = xrealloc(t->row, (size_t)f->shape[2], 1);
	for (int m = 0; m < t->n_maps; m++) {
		t->sum[m] = 0;
		if (as_coded)
			t->plane[m] = xrealloc(t->plane[m], (size_t)f->shape[1] * (size_t)f->shape[2], sizeof **t->plane);
	}
	return true;
}

static bool segmentation(struct tally *t, size_t voxels)
{
	if (t->label)
		return labels_widen(t->seg, t->label, voxels);
	labels_segment(t->seg, t->probs->data, &t->labels, voxels);
	return true;
}

static void count_contours(struct tally *t, const struct frame *f)
{
	int64_t width = f->shape[2];

	for (int i = 0; i < t->n_parts; i++) {
		struct part *p = &t->part[i];
		const uint16_t *seg = t->seg;
		for (int64_t z = 0; z < f->dz; z++) {
			for (int64_t y = 0; y < f->dy; y++, seg += width) {
				for (int64_t x = 0; x < width; x++)
					t->row[x] = p->has[seg[x]];
				contour_row(&p->contour, t->row);
			}
			if (f->y + f->dy == f->shape[1])
				contour_slice_end(&p->contour);
		}
	}
}

static void add_maps(struct tally *t, size_t voxels)
{
	for (int m = 0; m < t->n_maps; m++) {
		const float *u = t->map[m]->data;
		for (size_t v = 0; v < voxels; v++)
			t->sum[m] += (double)u[v];
	}
}

/* UnnUNet's code sees plane 0 only, and takes the foreground to be where channel 1 is above a half. */
static void take_coded(struct tally *t, const struct frame *f)
{
	size_t width = (size_t)f->shape[2], at = (size_t)f->y * width, n = (size_t)f->dy * width, voxels = frame_voxels(f);
	const float *p1 = (const float *)t->probs->data + voxels;

	if (f->z > 0)
		return;
	for (int m = 0; m < t->n_maps; m++)
		memcpy(t->plane[m] + at, t->map[m]->data, n * sizeof **t->plane);
	for (size_t v = 0; v < n; v += width) {
		for (size_t x = 0; x < width; x++)
			t->row[x] = p1[v + x] > 0.5f;
		contour_row(&t->part[0].contour, t->row);
	}
	if (f->y + f->dy == f->shape[1])
		contour_slice_end(&t->part[0].contour);
}

static bool take_slab(struct tally *t, const struct frame *f)
{
	if (as_coded) {
		take_coded(t, f);
		return true;
	}
	if (!segmentation(t, frame_voxels(f)))
		return false;
	count_contours(t, f);
	add_maps(t, frame_voxels(f));
	return true;
}

/* kind, or kind:NAME for a class or region. */
static void put_score(struct frame *f, const char *kind, const struct part *p, double value)
{
	char *name = p->name ? xasprintf("%s:%s", kind, p->name) : xstrdup(kind);

	frame_put_score(f, name, value);
	free(name);
}

static void put_scores(struct frame *f, const struct tally *t)
{
	const struct contour *all = &t->part[0].contour;
	size_t plane = (size_t)f->shape[1] * (size_t)f->shape[2];

	for (int i = 0; i < t->n_parts; i++) {
		const struct part *p = &t->part[i];
		put_score(f, "mask_pixels", p, (double)p->contour.mask);
		put_score(f, "contour_pixels", p, (double)p->contour.ring);
		for (int m = 0; m < t->n_maps; m++) {
			double ring = (double)p->contour.ring, score = ring > 0 ? t->sum[m] / ring : INFINITY;
			if (as_coded)
				score = coded_score(t->plane[m], plane, p->contour.ring);
			put_score(f, t->map[m]->kind, p, score);
		}
	}
	if (all->mask == 0)
		frame_flag(f, "empty");
	if ((size_t)all->mask == (as_coded ? plane : frame_grid_voxels(f)))
		frame_flag(f, "full");
	if (all->ring == 0)
		frame_flag(f, "no_contour");
	if (as_coded)
		frame_flag(f, "as_coded");
}

static void one_case(struct sink *out, struct source *in, struct frame *f, struct tally *t)
{
	bool begun = false, ok = find_layers(t, f);

	if (ok && !t->label && !t->probs) {             /* not for us */
		sink_pass(out, in, f);
		return;
	}
	if (!ok || !begin(t, f)) {
		case_failed(out, in, f);
		return;
	}
	while (source_slab(in, f)) {
		if (!take_slab(t, f)) {
			labels_free(&t->labels);
			case_failed(out, in, f);
			return;
		}
		if (!begun)
			sink_begin(out, f);
		begun = true;
		sink_slab(out, f);
	}
	put_scores(f, t);
	sink_end(out, f);
	labels_free(&t->labels);
}

static void tally_free(struct tally *t)
{
	for (int i = 0; i < t->parts_made; i++) {
		contour_free(&t->part[i].contour);
		free(t->part[i].has);
	}
	for (int m = 0; m < MAPS_MAX; m++)
		free(t->plane[m]);
	free(t->part);
	free(t->seg);
	free(t->row);
}

int main(int argc, char **argv)
{
	struct frame f = {0};
	struct tally t = {0};

	opt_parse(&argc, &argv, opts, "", "sum of each uncertainty map, divided by the number of contour voxels of the segmentation");
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
