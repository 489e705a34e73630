/* One member of an ensemble on a volume of noisy waves: a case `waves` of softmax probabilities.
 * usage: members CLASSES Z Y X INDEX */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "common/die.h"
#include "common/frame.h"

static float noise(uint32_t x)
{
	x = (x ^ x >> 16) * 0x7feb352d;
	x = (x ^ x >> 15) * 0x846ca68b;
	return (float)(x ^ x >> 16) * 0x1p-32f - 0.5f;
}

/* Regions of some twenty voxels, in most of which the members agree. */
static void fill(float *p, const struct frame *f, int classes, int index)
{
	size_t n = frame_voxels(f), at = (size_t)f->z * (size_t)f->shape[1] * (size_t)f->shape[2];

	for (size_t v = 0; v < n; v++) {
		float sum = 0, x = (float)(v % (size_t)f->shape[2]), y = (float)(v / (size_t)f->shape[2] % (size_t)f->shape[1]);
		float z = (float)((at + v) / (size_t)f->shape[2] / (size_t)f->shape[1]);
		for (int c = 0; c < classes; c++) {
			float wave = sinf(0.05f * x + (float)c) + sinf(0.04f * y + 2 * (float)c) + sinf(0.06f * z + 3 * (float)c);
			float own = noise((uint32_t)(at + v) * 31 + (uint32_t)(c * 77 + index * 1313));
			p[(size_t)c * n + v] = expf(5 * wave + own);
			sum += p[(size_t)c * n + v];
		}
		for (int c = 0; c < classes; c++)
			p[(size_t)c * n + v] /= sum;
	}
}

int main(int argc, char **argv)
{
	static const double spacing_mm[3] = { 1, 1, 1 };
	int64_t shape[3];
	struct sink *out;
	struct frame f = {0};
	char name[16];

	if (argc != 6) {
		fputs("usage: members CLASSES Z Y X INDEX\n", stderr);
		return 2;
	}
	out = sink_open(NULL);
	for (int i = 0; i < 3; i++)
		shape[i] = atoll(argv[2 + i]);
	snprintf(name, sizeof name, "m%s", argv[5]);
	frame_reset(&f, "waves");
	struct layer *l = frame_add(&f, "probs", DT_F4, atoi(argv[1]));
	layer_put(&f, l, "activation", mpk_str(f.zone, "softmax"));
	layer_put_member(&f, l, &(struct member){ .name = name, .index = 1, .of = 1 });
	frame_grid(&f, shape, spacing_mm, 0);
	sink_begin(out, &f);
	for (f.z = 0; f.z < shape[0]; f.z += f.slab[0]) {
		f.dy = shape[1];
		f.dz = f.slab[0] < shape[0] - f.z ? f.slab[0] : shape[0] - f.z;
		if (!l->data)
			l->data = xaligned(frame_voxels(&f) * (size_t)l->channels, sizeof(float));
		fill(l->data, &f, atoi(argv[1]), atoi(argv[5]));
		sink_slab(out, &f);
	}
	sink_end(out, &f);
	frame_free(&f);
	return filter_end(NULL, out);
}
