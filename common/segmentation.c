#include <stdlib.h>
#include "common/die.h"
#include "common/segmentation.h"

bool segmentation_find(struct segmentation *s, const struct frame *f, bool as_coded)
{
	s->label = as_coded ? NULL : frame_layer(f, "label");
	if (s->label && s->label->channels != 1)
		return fail(XDATA, "its label layer has %lld channels", (long long)s->label->channels);
	if (!labels_probs(&s->probs, f))
		return false;
	if (as_coded && s->probs && (s->probs->channels < 2 || mpk_is_str(mpk_get(&s->probs->map, "activation"), "sigmoid")))
		return fail(XDATA, "UnnUNet's code (--as-coded) needs probabilities of two or more classes, not of regions");
	return true;
}

bool segmentation_begin(struct segmentation *s, const struct frame *f)
{
	if (!labels_from_frame(&s->labels, f, s->probs ? s->probs->channels : 0))
		return false;
	s->value = xrealloc(s->value, (size_t)f->slab[0] * (size_t)f->slab[1] * (size_t)f->shape[2], sizeof *s->value);
	return true;
}

/* A softmax in fp32 may round to a little over 1. */
static bool are_probabilities(const float *p, size_t n)
{
	bool ok = true;

	for (size_t i = 0; i < n; i++)
		ok &= p[i] >= 0 && p[i] <= 1.0001f;     /* false for NaN */
	return ok;
}

bool segmentation_slab(struct segmentation *s, const struct frame *f)
{
	if (s->label)
		return labels_widen(s->value, s->label, frame_voxels(f));
	if (!are_probabilities(s->probs->data, (size_t)s->probs->channels * frame_voxels(f)))
		return fail(XDATA, "its probabilities hold a value that is not in 0 to 1");
	labels_segment(s->value, s->probs->data, &s->labels, frame_voxels(f));
	return true;
}

void segmentation_end(struct segmentation *s)
{
	labels_free(&s->labels);
}

void segmentation_free(struct segmentation *s)
{
	labels_free(&s->labels);
	free(s->value);
	*s = (struct segmentation){0};
}
