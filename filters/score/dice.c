#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/as_coded.h"
#include "common/die.h"
#include "common/reference.h"
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

bool dice_begin(struct dice *d, const struct frame *f, const char *path, bool as_coded)
{
	*d = (struct dice){ .as_coded = as_coded };
	if (!find_segmentation(d, f) || !labels_from_frame(&d->labels, f, d->probs ? d->probs->channels : 0) ||
	    !reference_read(&d->reference, path, f, &d->labels))
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
