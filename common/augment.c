#include <stdlib.h>
#include "common/augment-parts.h"
#include "common/die.h"

static bool has(const struct augmentation *d, enum augment_kind kind) { return d->kinds >> kind & 1; }

static size_t voxels(const int64_t shape[3]) { return (size_t)(shape[0] * shape[1] * shape[2]); }

static void change_channel(float *x, int c, const struct augmentation *d, const struct augmenter *a,
                           const struct augment_loops *loops)
{
	const size_t n = voxels(a->to);

	if (has(d, AUGMENT_NOISE))
		loops->noise(x, n, (float)d->noise_sd, a->seed, d->stream, 1ULL << 62 | (uint64_t)c << 48);
	if (d->blur_sd[c][2] > 0)
		augment_blur(x, a->to, d->blur_sd[c], loops);
	if (has(d, AUGMENT_BRIGHTNESS))
		loops->scale(x, (float)d->brightness[c], n);
	if (has(d, AUGMENT_CONTRAST))
		augment_contrast(x, n, d->contrast[c], loops);
	if (d->zoom[c] < 1)
		augment_coarsen(x, a->to, d->zoom[c], augment_flat(a->to), loops);
	if (has(d, AUGMENT_INVERTED_GAMMA))
		augment_gamma(x, n, d->inverted_gamma[c], true, loops);
	if (has(d, AUGMENT_GAMMA))
		augment_gamma(x, n, d->gamma[c], false, loops);
}

/* A row and the one that it changes places with, both backwards where x is mirrored; they may be one. */
#define SWAP_ROWS(type) do { \
	type *restrict p = (type *)x + a, *restrict q = (type *)x + b; \
	for (int64_t i = 0; i < (a == b ? nx / 2 : nx); i++) { \
		int64_t j = mirror[2] ? nx - 1 - i : i; \
		type v = p[i]; \
		p[i] = q[j]; \
		q[j] = v; \
	} \
} while (0)

void augment_flip(void *x, size_t size, const int64_t shape[3], const bool mirror[3])
{
	const int64_t nx = shape[2];

	for (int64_t z = 0; z < shape[0]; z++)
		for (int64_t y = 0; y < shape[1]; y++) {
			int64_t to_z = mirror[0] ? shape[0] - 1 - z : z, to_y = mirror[1] ? shape[1] - 1 - y : y;
			int64_t a = (z * shape[1] + y) * nx, b = (to_z * shape[1] + to_y) * nx;
			if (a > b || (a == b && !mirror[2]))
				continue;
			if (size == sizeof(float))
				SWAP_ROWS(float);
			else
				SWAP_ROWS(uint16_t);
		}
}

/* A label map of the previous stage: 1 + class, 0, or outside where the case is and no class.  hot: [classes][n]. */
static void from_hot(uint16_t *to, const float *hot, const uint16_t *label, int classes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = label[i] == AUGMENT_OUTSIDE ? AUGMENT_OUTSIDE : 0;
	for (int k = 0; k < classes; k++)
		for (size_t i = 0; i < n; i++)
			to[i] = hot[(size_t)k * n + i] > 0.5f ? (uint16_t)(k + 1) : to[i];
}

static void to_hot(float *hot, const uint16_t *from, int classes, size_t n)
{
	for (int k = 0; k < classes; k++)
		for (size_t i = 0; i < n; i++)
			hot[(size_t)k * n + i] = from[i] == k + 1;
}

/* The channels of the previous stage are turned and mirrored as labels and not changed as images are. */
static void move_previous(float *hot, const float *from, const uint16_t *from_label, const struct augment_place *place,
                          const struct augmentation *d, const struct augmenter *a, const struct augment_loops *loops)
{
	uint16_t *all = xmalloc(voxels(a->from), sizeof *all), *moved = xmalloc(voxels(a->to), sizeof *moved);

	from_hot(all, from, from_label, a->classes, voxels(a->from));
	augment_move_labels(moved, all, place, loops);
	augment_flip(moved, sizeof *moved, a->to, d->mirror);
	to_hot(hot, moved, a->classes, voxels(a->to));
	free(all);
	free(moved);
	augment_previous(hot, d, a);
}

void augment(float *image, uint16_t *label, const float *from_image, const uint16_t *from_label, const struct augmentation *d,
             const struct augmenter *a)
{
	const struct augment_loops *loops = *augment_loops_all();
	const size_t n = voxels(a->to), n_from = voxels(a->from);
	struct augment_place place;

	augment_place_begin(&place, d, a);
	augment_move_labels(label, from_label, &place, loops);
	for (int c = 0; c < a->channels; c++) {
		float *x = image + (size_t)c * n;
		augment_move_image(x, from_image + (size_t)c * n_from, &place, loops);
		change_channel(x, c, d, a, loops);
		if (a->masked[c])
			loops->clear(x, label, AUGMENT_OUTSIDE, n);
		augment_flip(x, sizeof *x, a->to, d->mirror);
	}
	augment_flip(label, sizeof *label, a->to, d->mirror);
	for (size_t i = 0; i < n; i++)
		label[i] = label[i] == AUGMENT_OUTSIDE ? 0 : label[i];
	if (a->classes)
		move_previous(image + (size_t)a->channels * n, from_image + (size_t)a->channels * n_from, from_label, &place, d, a,
		              loops);
}
