/* segment: label map of the most probable classes, or of the regions in their order. */
#include <stdlib.h>
#include "common/die.h"
#include "common/labels.h"
#include "common/opt.h"

static bool drop_probs;
static const struct opt opts[] = {
	OPT_FLAG('d', "drop-probs", &drop_probs, "leave the probabilities out of the output"),
	OPT_KEEP_GOING,
	OPT_END
};

/* labels of one slab from its probabilities; wide: scratch of frame_voxels() values. */
static void segment(struct layer *out, const struct layer *probs, const struct labels *l, uint16_t *wide, size_t voxels)
{
	labels_segment(wide, probs->data, l, voxels);
	for (size_t i = 0; i < voxels; i++) {
		if (out->type == DT_U1)
			((uint8_t *)out->data)[i] = (uint8_t)wide[i];
		else
			((uint16_t *)out->data)[i] = wide[i];
	}
}

static void one_case(struct sink *out, struct source *in, struct frame *f, uint16_t **wide, size_t *room)
{
	struct layer *probs, *old = frame_layer(f, "label"), *label;
	struct labels l;
	bool ok = labels_probs(&probs, f);

	if (ok && !probs) {                             /* not for us */
		sink_pass(out, in, f);
		return;
	}
	if (!ok || !labels_from_frame(&l, f, probs->channels)) {
		case_failed(out, in, f);
		return;
	}
	if (old)
		old->dropped = true;                    /* one label map a case: the one just made */
	probs->dropped = drop_probs;
	label = frame_add(f, "label", labels_dtype(&l), 1);
	sink_begin(out, f);
	while (source_slab(in, f)) {
		if (frame_voxels(f) > *room)
			*wide = xrealloc(*wide, *room = frame_voxels(f), sizeof **wide);
		segment(label, probs, &l, *wide, frame_voxels(f));
		sink_slab(out, f);
	}
	sink_end(out, f);
	labels_free(&l);
}

int main(int argc, char **argv)
{
	struct frame f = {0};
	uint16_t *wide = NULL;
	size_t room = 0;

	opt_parse(&argc, &argv, opts, "", "label map of the most probable classes, or of the regions in their order");
	struct source *in = source_open(NULL);
	struct sink *out = sink_open(in);
	while (source_next(in, &f)) {
		if (f.failed)
			sink_pass(out, in, &f);
		else
			one_case(out, in, &f, &wide, &room);
	}
	free(wide);
	frame_free(&f);
	return filter_end(in, out);
}
