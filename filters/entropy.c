/* entropy: entropy of the mean probabilities over all classes, voxel by voxel. */
#include <string.h>
#include "common/as_coded.h"
#include "common/die.h"
#include "common/labels.h"
#include "common/maps.h"
#include "common/opt.h"

static const char *base = "2";
static bool as_coded, per_region;
static const struct opt opts[] = {
	OPT_CHOICE('b', "base", &base, "BASE", "2|e|C", "base of the logarithm; C is the number of classes, so that the largest entropy is 1"),
	OPT_FLAG(0, "per-region", &per_region, "maps of networks with regions get a channel for each region"),
	OPT_FLAG(0, "as-coded", &as_coded, "compute what UnnUNet's code does, see qualm-unnunet(7)"),
	OPT_KEEP_GOING,
	OPT_END
};

/* Outside the crop to nonzero values nnU-Net writes background 1 and all else 0, or all regions 0 (contract 5.8). */
static bool has_cropped(const float *probs, int64_t channels, bool sigmoid, size_t voxels)
{
	for (size_t v = 0; v < voxels; v++) {
		bool zero = true;
		for (int64_t c = !sigmoid; c < channels && zero; c++)
			zero = probs[(size_t)c * voxels + v] == 0;
		if (zero && (sigmoid || probs[v] == 1))
			return true;
	}
	return false;
}

static void one_case(struct sink *out, struct source *in, struct frame *f)
{
	struct layer *probs, *old = frame_layer(f, "class_entropy"), *map;
	bool ok = labels_probs(&probs, f), sigmoid = probs && mpk_is_str(mpk_get(&probs->map, "activation"), "sigmoid"), cropped = false, begun = false;
	double per_bit;

	if (ok && !probs) {                             /* not for us */
		sink_pass(out, in, f);
		return;
	}
	if (ok && as_coded && (sigmoid || probs->channels < 2))
		ok = fail(XDATA, "UnnUNet's code (--as-coded) needs probabilities of two or more classes, not of regions");
	if (!ok) {
		case_failed(out, in, f);
		return;
	}
	if (old)
		old->dropped = true;
	map = frame_add(f, "class_entropy", DT_F4, sigmoid && per_region ? probs->channels : 1);
	if (sigmoid && per_region)
		layer_put(f, map, "per_region", mpk_bool(true));
	layer_put(f, map, "base", mpk_str(f->zone, base));
	per_bit = map_units_per_bit(base, probs->channels, sigmoid);
	while (source_slab(in, f)) {
		size_t n = frame_voxels(f);
		cropped = cropped || has_cropped(probs->data, probs->channels, sigmoid, n);
		if (as_coded) {
			coded_class_entropy(map->data, probs->data, n);
		} else if (!class_entropy(map->data, probs->data, probs->channels, sigmoid, per_region, per_bit, n)) {
			case_failed(out, in, f);
			return;
		}
		if (!begun)
			sink_begin(out, f);
		begun = true;
		sink_slab(out, f);
	}
	if (cropped)
		frame_flag(f, "cropped");
	sink_end(out, f);
}

int main(int argc, char **argv)
{
	struct frame f = {0};

	opt_parse(&argc, &argv, opts, "", "entropy of the mean probabilities over all classes, voxel by voxel");
	if (as_coded && strcmp(base, "2"))
		opt_usage("UnnUNet's code (--as-coded) computes in bits only");
	struct source *in = source_open(NULL);
	struct sink *out = sink_open(in);
	while (source_next(in, &f)) {
		if (f.failed)
			sink_pass(out, in, &f);
		else
			one_case(out, in, &f);
	}
	frame_free(&f);
	return filter_end(in, out);
}
