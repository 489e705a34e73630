#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/as_coded.h"
#include "common/die.h"
#include "common/reference.h"
#include "filters/score/dice.h"

static bool find_segmentation(struct dice *d, const struct frame *f)
{
	if (!segmentation_find(&d->segmentation, f, d->as_coded))
		return false;
	return d->segmentation.label || d->segmentation.probs ||
	       fail(XDATA, "it holds no probabilities%s to compare with the reference", d->as_coded ? "" : " and no labels");
}

bool dice_begin(struct dice *d, const struct frame *f, const char *path, bool as_coded)
{
	*d = (struct dice){ .as_coded = as_coded, .planes = f->shape[0] };
	if (!find_segmentation(d, f) || !segmentation_begin(&d->segmentation, f) ||
	    !reference_read(&d->reference, path, f, &d->segmentation.labels))
		return false;
	d->n = labels_n_structures(&d->segmentation.labels);
	d->overlap = xcalloc((size_t)d->planes * (size_t)d->n, sizeof *d->overlap);
	d->has = xmalloc(65536, 1);
	if (as_coded)
		d->mask = xmalloc((size_t)f->shape[1] * (size_t)f->shape[2], 1);
	return true;
}

static void take_coded(struct dice *d, const struct frame *f)
{
	size_t n = (size_t)f->dy * (size_t)f->shape[2];
	const float *p1 = (const float *)d->segmentation.probs->data + frame_voxels(f);

	for (size_t v = 0; f->z == 0 && v < n; v++)
		d->mask[(size_t)f->y * (size_t)f->shape[2] + v] = p1[v] > 0.5f;
}

/* n voxels of one structure in one plane; d->has: 1 for its values. */
static void add_overlap(struct overlap *to, const struct dice *d, const uint16_t *seg, const uint16_t *ref, size_t n)
{
	int ignore = d->segmentation.labels.ignore;
	struct overlap o = {0};

	for (size_t v = 0; v < n; v++) {
		bool counts = ref[v] != ignore, p = counts && d->has[seg[v]], r = counts && d->has[ref[v]];
		o.both += p && r;
		o.predicted += p;
		o.reference += r;
	}
	to->both += o.both;
	to->predicted += o.predicted;
	to->reference += o.reference;
}

bool dice_slab(struct dice *d, const struct frame *f)
{
	size_t n = (size_t)f->dy * (size_t)f->shape[2];
	const uint16_t *ref = d->reference + ((size_t)f->z * (size_t)f->shape[1] + (size_t)f->y) * (size_t)f->shape[2];

	if (d->as_coded) {
		take_coded(d, f);
		return true;
	}
	if (!segmentation_slab(&d->segmentation, f))
		return false;
	for (int s = 0; s < d->n; s++) {
		const struct label *l = labels_structure(&d->segmentation.labels, s);
		memset(d->has, 0, 65536);
		for (int k = 0; k < l->n; k++)
			d->has[l->value[k]] = 1;
		for (int64_t z = 0; z < f->dz; z++)
			add_overlap(&d->overlap[(f->z + z) * d->n + s], d, d->segmentation.value + (size_t)z * n,
			            ref + (size_t)z * n, n);
	}
	return true;
}

static void end_coded(struct dice *d, struct frame *f)
{
	size_t n = (size_t)f->shape[1] * (size_t)f->shape[2];
	float *label = xmalloc(n, sizeof *label);

	for (size_t v = 0; v < n; v++)
		label[v] = (float)d->reference[v];
	frame_put_score(f, "dice", coded_dice(d->mask, label, n));
	free(label);
}

/* Of a structure in planes z to end. */
static double dice_of(const struct dice *d, int structure, int64_t z, int64_t end)
{
	struct overlap o = {0};

	for (; z < end; z++) {
		const struct overlap *p = &d->overlap[z * d->n + structure];
		o.both += p->both;
		o.predicted += p->predicted;
		o.reference += p->reference;
	}
	return o.predicted + o.reference ? 2 * (double)o.both / (double)(o.predicted + o.reference) : NAN;
}

/* The scores of the case, or into slices those of its plane z if z is not negative. */
static void put_all(const struct dice *d, struct frame *f, struct slices *slices, int64_t z)
{
	double sum = 0;
	int n = 0;

	for (int s = 0; s < d->n; s++) {
		double value = z < 0 ? dice_of(d, s, 0, d->planes) : dice_of(d, s, z, z + 1);
		char *name = xasprintf("dice:%s", labels_structure(&d->segmentation.labels, s)->name);
		if (z < 0)
			frame_put_score(f, name, value);
		else
			slices_put(slices, z, name, value);
		free(name);
		sum += isnan(value) ? 0 : value;
		n += !isnan(value);
	}
	if (z < 0)
		frame_put_score(f, "dice", n ? sum / n : NAN);
	else
		slices_put(slices, z, "dice", n ? sum / n : NAN);
}

void dice_end(struct dice *d, struct frame *f)
{
	if (d->as_coded)
		end_coded(d, f);
	else
		put_all(d, f, NULL, -1);
}

bool dice_slices(struct dice *d, struct frame *f)
{
	struct slices slices = {0};
	bool ok;

	slices_begin(&slices, d->planes);
	for (int64_t z = 0; z < d->planes; z++)
		put_all(d, f, &slices, z);
	ok = slices_to_frame(f, &slices);
	slices_free(&slices);
	return ok;
}

void dice_free(struct dice *d)
{
	segmentation_free(&d->segmentation);
	free(d->reference);
	free(d->overlap);
	free(d->has);
	free(d->mask);
	*d = (struct dice){0};
}
