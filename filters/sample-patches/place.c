#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/augment.h"
#include "common/die.h"
#include "common/mt19937.h"
#include "common/random.h"
#include "filters/sample-patches/sample.h"

enum { KEPT = 10000, PER_CENT = 100 };

/* Whether list k holds the voxels of this value. */
static bool belongs(const struct labels *l, int k, int value)
{
	if (k == labels_n_structures(l))
		return value != l->ignore;      /* -1, background and all classes */
	return value > 0 && label_has(labels_structure(l, k), value);
}

/* The first n of a random order, one sequence of random numbers for all lists of a case (contract 2.6). */
static void choose(struct places *p, struct mt19937 *r)
{
	uint32_t *order = xmalloc((size_t)p->n + 1, sizeof *order), *kept;
	uint32_t n = p->n / PER_CENT + (p->n % PER_CENT > 0);

	n = n > KEPT ? n : p->n < KEPT ? p->n : KEPT;
	mt_permutation(r, order, p->n);
	kept = xmalloc((size_t)n + 1, sizeof *kept);
	for (uint32_t i = 0; i < n; i++)
		kept[i] = p->at[order[i]];
	free(order);
	free(p->at);
	*p = (struct places){ n, kept };
}

void places_find(struct prepared *p, const struct labels *l)
{
	size_t voxels = (size_t)(p->g.network[0] * p->g.network[1] * p->g.network[2]);
	int top = l->ignore >= 0 ? l->ignore : l->n_foreground;
	struct mt19937 r;

	p->n_places = labels_n_structures(l) + (l->ignore >= 0);
	p->of = xcalloc((size_t)p->n_places, sizeof *p->of);
	mt_seed(&r, 1234);
	for (int k = 0; k < p->n_places; k++) {
		size_t room = 0;
		for (int value = -1; value <= top; value++)         /* label after label, each in scan order */
			for (size_t i = 0; belongs(l, k, value) && i < voxels; i++) {
				if (p->label[i] != value)
					continue;
				if (p->of[k].n == room)
					p->of[k].at = xrealloc(p->of[k].at, room = room ? 2 * room : 1024, sizeof *p->of[k].at);
				p->of[k].at[p->of[k].n++] = (uint32_t)i;
			}
		choose(&p->of[k], &r);
	}
}

/* nnU-Net's get_patch_size: the patch's corner turned about one axis after the other, at most by a quarter. */
void sampler_patch(int64_t patch[3], const int64_t final[3], bool is_2d)
{
	double size[3], turned[3], angle = fmin(augment_degrees(final), 90) / 180 * acos(-1);

	for (int d = 0; d < 3; d++)
		size[d] = (double)final[d];
	for (int axis = 0; axis < (is_2d ? 1 : 3); axis++) {
		/* the corner as a row vector times the matrix of that axis, whose sine has the other sign for the middle one */
		double c = cos(angle), s = sin(angle);
		int a = axis == 0 ? 1 : 0, b = axis == 2 ? 1 : 2;
		double x = (double)final[a], y = (double)final[b];
		s = axis == 1 ? -s : s;
		turned[a] = fabs(x * c + y * s);
		turned[b] = fabs(y * c - x * s);
		size[a] = fmax(size[a], turned[a]);
		size[b] = fmax(size[b], turned[b]);
	}
	for (int d = 0; d < 3; d++)
		patch[d] = (int64_t)(size[d] / 0.85);
	if (augment_flat(final))
		patch[0] = final[0];
}

/* The k-th number of a sample, 0..most. */
static int64_t draw(const struct sampler *s, uint64_t sample, int k, int64_t most)
{
	return (int64_t)((unsigned __int128)random_bits(s->seed, sample, (uint64_t)k) * ((uint64_t)most + 1) >> 64);
}

/* The list by which a sample is placed, or -1; forced: by foreground, unless there is none. */
static int choose_structure(const struct sampler *s, const struct prepared *p, bool forced, uint64_t sample)
{
	int n = labels_n_structures(s->labels), there = 0, annotated = s->labels->ignore >= 0 && p->of[n].n ? n : -1;
	int64_t wanted;

	if (!forced)
		return annotated;
	for (int k = 0; k < n; k++)
		there += p->of[k].n > 0;
	if (!there)
		return annotated;
	wanted = draw(s, sample, 1, there - 1);
	for (int k = 0; ; k++)
		if (p->of[k].n && wanted-- == 0)
			return k;
}

struct sample sample_place(const struct sampler *s, const struct prepared *cases, int n_cases, int epoch, int iteration, int index)
{
	uint64_t sample = (uint64_t)epoch << 40 | (uint64_t)iteration << 16 | (uint64_t)index;
	struct sample at = { .c = (int)draw(s, sample, 0, n_cases - 1) };
	const struct prepared *p = &cases[at.c];
	bool forced = index >= rint(s->batch * (1 - s->oversample));
	int64_t voxel[3] = {0};

	at.structure = choose_structure(s, p, forced, sample);
	if (at.structure >= 0) {
		const struct places *of = &p->of[at.structure];
		int64_t v = of->at[draw(s, sample, 2, of->n - 1)];
		voxel[2] = v % p->g.network[2];
		voxel[1] = v / p->g.network[2] % p->g.network[1];
		voxel[0] = v / p->g.network[2] / p->g.network[1];
	}
	for (int d = 0; d < 3; d++) {
		int64_t shape = p->g.network[d], pad = s->patch[d] - s->final[d], lo, hi;
		pad = shape + pad < s->patch[d] ? s->patch[d] - shape : pad;
		lo = -(pad / 2 + pad % 2);
		hi = shape + pad / 2 + pad % 2 - s->patch[d];
		at.begin[d] = at.structure < 0 ? lo + draw(s, sample, 3 + d, hi - lo)
		                               : voxel[d] - s->patch[d] / 2 > lo ? voxel[d] - s->patch[d] / 2 : lo;
	}
	return at;
}

void sample_cut(float *image, uint16_t *label, uint8_t *outside, const struct prepared *p, const int64_t begin[3],
                const int64_t patch[3])
{
	size_t area = (size_t)(p->g.network[1] * p->g.network[2]), all = area * (size_t)p->g.network[0];
	size_t n = (size_t)(patch[0] * patch[1] * patch[2]);
	int64_t lo = begin[2] > 0 ? begin[2] : 0, end = begin[2] + patch[2], hi = end < p->g.network[2] ? end : p->g.network[2];

	memset(image, 0, (size_t)p->channels * n * sizeof *image);
	memset(label, 0, n * sizeof *label);
	memset(outside, 1, n);
	for (int64_t z = 0; z < patch[0]; z++)
		for (int64_t y = 0; y < patch[1] && lo < hi; y++) {
			int64_t from_z = begin[0] + z, from_y = begin[1] + y;
			if (from_z < 0 || from_z >= p->g.network[0] || from_y < 0 || from_y >= p->g.network[1])
				continue;
			size_t from = (size_t)from_z * area + (size_t)(from_y * p->g.network[2] + lo);
			size_t to = (size_t)((z * patch[1] + y) * patch[2] + lo - begin[2]);
			for (int64_t c = 0; c < p->channels; c++)
				memcpy(image + (size_t)c * n + to, p->image + (size_t)c * all + from, (size_t)(hi - lo) * sizeof *image);
			for (size_t k = 0; k < (size_t)(hi - lo); k++) {
				int16_t v = p->label[from + k];
				label[to + k] = v < 0 ? 0 : (uint16_t)v;
				outside[to + k] = v < 0;
			}
		}
}
