#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/as_coded.h"
#include "common/die.h"
#include "common/image.h"
#include "filters/score/dice.h"

static bool find_segmentation(struct dice *d, const struct frame *f)
{
	d->label = d->as_coded ? NULL : frame_layer(f, "label");
	if (!labels_probs(&d->probs, f))
		return false;
	if (!d->label && !d->probs)
		return fail(XDATA, "it holds no probabilities%s to compare with the reference", d->as_coded ? "" : " and no labels");
	if (d->label && d->label->channels != 1)
		return fail(XDATA, "its label layer has %lld channels", (long long)d->label->channels);
	if (d->as_coded && (d->probs->channels < 2 || mpk_is_str(mpk_get(&d->probs->map, "activation"), "sigmoid")))
		return fail(XDATA, "UnnUNet's code (--as-coded) needs probabilities of two or more classes, not of regions");
	return true;
}

/* A file may hold 0 to the largest label, and the ignore label; any other value is a wrong file or a wrong network. */
static bool take_reference(struct dice *d, const struct image *im, const struct frame *f, const char *path)
{
	size_t n = frame_grid_voxels(f);
	int largest = d->labels.ignore > d->labels.n_foreground ? d->labels.ignore : d->labels.n_foreground;

	if (im->channels != 1)
		return fail(XDATA, "%s is a colour picture, not a label map", path);
	for (int i = 0; i < 3; i++)
		if (im->shape[i] != f->shape[i])
			return fail(XDATA, "%s has the shape %lldx%lldx%lld, the segmentation %lldx%lldx%lld", path,
			            (long long)im->shape[0], (long long)im->shape[1], (long long)im->shape[2],
			            (long long)f->shape[0], (long long)f->shape[1], (long long)f->shape[2]);
	d->reference = xmalloc(n, sizeof *d->reference);
	for (size_t i = 0; i < n; i++) {
		float v = im->data[i];
		if (!(v >= 0 && v <= (float)largest && v == floorf(v)))
			return fail(XDATA, "%s holds the value %g, which is none of the labels 0 to %d", path, (double)v, largest);
		d->reference[i] = (uint16_t)v;
	}
	return true;
}

static bool read_reference(struct dice *d, const struct frame *f, const char *path)
{
	struct image im = {0};
	bool ok = image_read(&im, f->zone, path);

	if (!ok)
		return false;
	ok = take_reference(d, &im, f, path);
	image_free(&im);
	return ok;
}

bool dice_begin(struct dice *d, const struct frame *f, const char *path, bool as_coded)
{
	*d = (struct dice){ .as_coded = as_coded };
	if (!find_segmentation(d, f) || !labels_from_frame(&d->labels, f, d->probs ? d->probs->channels : 0) || !read_reference(d, f, path))
		return false;
	d->seg = xmalloc((size_t)f->slab[0] * (size_t)f->slab[1] * (size_t)f->shape[2], sizeof *d->seg);
	d->overlap = xcalloc((size_t)labels_n_structures(&d->labels), sizeof *d->overlap);
	if (as_coded)
		d->mask = xmalloc((size_t)f->shape[1] * (size_t)f->shape[2], 1);
	return true;
}

static void take_coded(struct dice *d, const struct frame *f)
{
	size_t n = (size_t)f->dy * (size_t)f->shape[2];
	const float *p1 = (const float *)d->probs->data + frame_voxels(f);

	for (size_t v = 0; f->z == 0 && v < n; v++)
		d->mask[(size_t)f->y * (size_t)f->shape[2] + v] = p1[v] > 0.5f;
}

bool dice_slab(struct dice *d, const struct frame *f)
{
	size_t n = frame_voxels(f);
	const uint16_t *ref = d->reference + ((size_t)f->z * (size_t)f->shape[1] + (size_t)f->y) * (size_t)f->shape[2];
	unsigned char *pred_has = NULL;

	if (d->as_coded) {
		take_coded(d, f);
		return true;
	}
	if (!d->label)
		labels_segment(d->seg, d->probs->data, &d->labels, n);
	else if (!labels_widen(d->seg, d->label, n))
		return false;
	pred_has = xmalloc(65536, 1);
	for (int s = 0; s < labels_n_structures(&d->labels); s++) {
		const struct label *l = labels_structure(&d->labels, s);
		struct overlap o = {0};
		memset(pred_has, 0, 65536);
		for (int k = 0; k < l->n; k++)
			pred_has[l->value[k]] = 1;
		for (size_t v = 0; v < n; v++) {
			bool counts = ref[v] != d->labels.ignore, p = counts && pred_has[d->seg[v]], r = counts && pred_has[ref[v]];
			o.both += p && r;
			o.predicted += p;
			o.reference += r;
		}
		d->overlap[s].both += o.both;
		d->overlap[s].predicted += o.predicted;
		d->overlap[s].reference += o.reference;
	}
	free(pred_has);
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

void dice_end(struct dice *d, struct frame *f)
{
	double sum = 0;
	int n = 0;

	if (d->as_coded) {
		end_coded(d, f);
		return;
	}
	for (int s = 0; s < labels_n_structures(&d->labels); s++) {
		const struct overlap *o = &d->overlap[s];
		int64_t size = o->predicted + o->reference;
		double value = size ? 2 * (double)o->both / (double)size : NAN;
		char *name = xasprintf("dice:%s", labels_structure(&d->labels, s)->name);

		frame_put_score(f, name, value);
		free(name);
		if (size) {
			sum += value;
			n++;
		}
	}
	frame_put_score(f, "dice", n ? sum / n : NAN);
}

void dice_free(struct dice *d)
{
	labels_free(&d->labels);
	free(d->reference);
	free(d->seg);
	free(d->overlap);
	free(d->mask);
	*d = (struct dice){0};
}
