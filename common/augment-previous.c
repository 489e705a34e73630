#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/augment-parts.h"
#include "common/components.h"
#include "common/die.h"

/* A mask of one bit a voxel, rows of whole words, bit 0 of word 0 first; bits behind a row are 0. */
struct bits { int64_t shape[3]; size_t words; uint64_t *row; };

static struct bits bits_make(const int64_t shape[3])
{
	struct bits b = { .words = (size_t)(shape[2] + 63) / 64 };

	memcpy(b.shape, shape, sizeof b.shape);
	b.row = xcalloc((size_t)(shape[0] * shape[1]) * b.words, sizeof *b.row);
	return b;
}

static uint64_t *bits_row(const struct bits *b, int64_t z, int64_t y) { return b->row + (size_t)(z * b->shape[1] + y) * b->words; }

/* The bits of the last word that are within a row. */
static uint64_t last_word(const struct bits *b) { return b->shape[2] % 64 ? ((uint64_t)1 << b->shape[2] % 64) - 1 : ~(uint64_t)0; }

static void bits_not(struct bits *b)
{
	for (size_t i = 0, n = (size_t)(b->shape[0] * b->shape[1]) * b->words; i < n; i++)
		b->row[i] = ~b->row[i] & (i % b->words == b->words - 1 ? last_word(b) : ~(uint64_t)0);
}

/* to |= from with bit i at i + by.  to: [n_to], from: [n_from] words, not the same. */
static void or_shifted(uint64_t *to, size_t n_to, const uint64_t *from, size_t n_from, int by)
{
	size_t whole = (size_t)(abs(by) / 64);
	int part = abs(by) % 64;

	for (size_t i = 0; by >= 0 && i < n_from && i + whole < n_to; i++)
		to[i + whole] |= from[i] << part | (part && i ? from[i - 1] >> (64 - part) : 0);
	for (size_t i = 0; by < 0 && i < n_to && i + whole < n_from; i++)
		to[i] |= from[i + whole] >> part | (part && i + whole + 1 < n_from ? from[i + whole + 1] << (64 - part) : 0);
}

/* Bit i of to: whether one of from from i + least to i + most is set.  scratch: [2 (words + 1)]: a word more than a row, which
 * keeps what is moved out of it and back. */
static void spread_row(uint64_t *to, const uint64_t *from, size_t words, int least, int most, uint64_t *scratch)
{
	uint64_t *wide = scratch, *before = scratch + words + 1;
	int width = 1, wanted = most - least + 1;

	memcpy(wide, from, words * sizeof *wide);
	wide[words] = 0;
	while (width < wanted) {                        /* twice as wide each time */
		int by = width < wanted - width ? width : wanted - width;
		memcpy(before, wide, (words + 1) * sizeof *before);
		or_shifted(wide, words + 1, before, words + 1, by);
		width += by;
	}
	memset(to, 0, words * sizeof *to);
	or_shifted(to, words, wide, words + 1, -most);
}

/* Where the voxels of a structuring element lie along an axis, from its middle.  Radii are no whole numbers: a disk is of
 * steps of 1 from -radius on, a ball of equal steps from -radius to radius, as in scikit-image. */
enum { MOST_STEPS = 18 };
struct element { int n; double at[MOST_STEPS]; double radius; };

static struct element element_of(double radius, bool flat)
{
	struct element e = { .n = (int)(flat ? ceil(2 * radius + 1) : floor(2 * radius + 1)), .radius = radius };

	for (int i = 0; i < e.n; i++)
		e.at[i] = flat ? i - radius : -radius + i * (2 * radius / (e.n - 1));
	return e;
}

/* The steps of an element along x at (z, y), as shifts; false if there are none.  Its poles belong to it, however rounded. */
static bool element_row(int *least, int *most, const struct element *e, int z, int y, bool flat)
{
	double others = (flat ? 0 : e->at[z] * e->at[z]) + e->at[y] * e->at[y];

	*least = INT_MAX;
	for (int x = 0; x < e->n; x++)
		if (e->at[x] * e->at[x] + others <= e->radius * e->radius * (1 + 1e-9)) {
			*most = x - (e->n - 1) / 2;
			*least = *least < *most ? *least : *most;
		}
	return *least < INT_MAX;
}

static void or_rows(struct bits *to, const struct bits *from, int by_z, int by_y)
{
	for (int64_t z = by_z > 0 ? 0 : -by_z; z < to->shape[0] && z + by_z < to->shape[0]; z++)
		for (int64_t y = by_y > 0 ? 0 : -by_y; y < to->shape[1] && y + by_y < to->shape[1]; y++)
			for (size_t i = 0; i < to->words; i++)
				bits_row(to, z, y)[i] |= bits_row(from, z + by_z, y + by_y)[i];
}

/* Voxel i is set where one of from at i + k is, k of the element; nothing is set outside.  Rows of the element that are alike
 * are done together. */
static void dilate(struct bits *to, const struct bits *from, double radius)
{
	const bool flat = from->shape[0] == 1;
	const struct element e = element_of(radius, flat);
	const int middle = (e.n - 1) / 2;
	struct bits spread = bits_make(from->shape);
	uint64_t *scratch = xmalloc(2 * (from->words + 1), sizeof *scratch);
	bool done[MOST_STEPS * MOST_STEPS] = {0};

	memset(to->row, 0, (size_t)(to->shape[0] * to->shape[1]) * to->words * sizeof *to->row);
	for (int r = 0; r < (flat ? e.n : e.n * e.n); r++) {
		int least, most, low, high;
		if (done[r] || !element_row(&least, &most, &e, r / e.n, r % e.n, flat))
			continue;
		for (int64_t i = 0; i < to->shape[0] * to->shape[1]; i++)
			spread_row(bits_row(&spread, 0, i), bits_row(from, 0, i), from->words, least, most, scratch);
		for (int s = r; s < (flat ? e.n : e.n * e.n); s++)
			if (!done[s] && element_row(&low, &high, &e, s / e.n, s % e.n, flat) && low == least && high == most) {
				or_rows(to, &spread, flat ? 0 : s / e.n - middle, s % e.n - middle);
				done[s] = true;
			}
	}
	for (int64_t i = 0; i < to->shape[0] * to->shape[1]; i++)
		bits_row(to, 0, i)[to->words - 1] &= last_word(to);
	free(scratch);
	free(spread.row);
}

static void erode(struct bits *to, struct bits *from, double radius)
{
	bits_not(from);
	dilate(to, from, radius);
	bits_not(to);
	bits_not(from);
}

static void operate(struct bits *mask, enum augment_operator operator, double radius)
{
	struct bits once = bits_make(mask->shape), twice = bits_make(mask->shape);

	if (operator == AUGMENT_DILATE || operator == AUGMENT_CLOSE)
		dilate(&once, mask, radius);
	else
		erode(&once, mask, radius);
	if (operator == AUGMENT_CLOSE)
		erode(&twice, &once, radius);
	if (operator == AUGMENT_OPEN)
		dilate(&twice, &once, radius);
	memcpy(mask->row, operator == AUGMENT_CLOSE || operator == AUGMENT_OPEN ? twice.row : once.row,
	       (size_t)(mask->shape[0] * mask->shape[1]) * mask->words * sizeof *mask->row);
	free(once.row);
	free(twice.row);
}

/* Class k changed by its operator; what it gains leaves the other classes. */
static void change_class(float *hot, int k, const struct augment_class *c, const struct augmenter *a)
{
	struct bits mask = bits_make(a->to);
	const size_t n = (size_t)(a->to[0] * a->to[1] * a->to[2]), nx = (size_t)a->to[2];
	float *own = hot + (size_t)k * n;

	for (size_t i = 0; i < n; i++)
		mask.row[i / nx * mask.words + i % nx / 64] |= (uint64_t)(own[i] > 0) << i % nx % 64;
	operate(&mask, c->operator, c->radius);
	for (size_t i = 0; i < n; i++) {
		bool set = mask.row[i / nx * mask.words + i % nx / 64] >> i % nx % 64 & 1;
		for (int j = 0; set && own[i] == 0 && j < a->classes; j++)
			hot[(size_t)j * n + i] = 0;
		own[i] = set;
	}
	free(mask.row);
}

/* One component of fewer than 15 % of the voxels leaves class k. */
static void remove_component(float *own, double choice, const struct augmenter *a)
{
	const size_t n = (size_t)(a->to[0] * a->to[1] * a->to[2]);
	unsigned char *mask = xmalloc(n, 1);
	struct components found;
	size_t small = 0, wanted, at = 0;

	for (size_t i = 0; i < n; i++)
		mask[i] = own[i] > 0;
	components_find(&found, mask, a->to);
	for (size_t i = 0; i < found.n; i++)
		small += (double)found.size[i] < 0.15 * (double)n;
	wanted = (size_t)(choice * (double)small);
	for (size_t passed = 0; at < found.n && small; at++)
		if ((double)found.size[at] < 0.15 * (double)n && passed++ == wanted)
			break;
	for (size_t i = 0; small && i < found.n_runs; i++)
		if (found.run[i].component == at)
			memset(own + found.run[i].first, 0, (size_t)found.run[i].n * sizeof *own);
	components_free(&found);
	free(mask);
}

struct turn { uint64_t turn; int k; };

static int by_turn(const void *a, const void *b)
{
	const struct turn *p = a, *q = b;

	return p->turn < q->turn ? -1 : p->turn > q->turn;
}

void augment_previous(float *hot, const struct augmentation *d, const struct augmenter *a)
{
	struct turn *order = xmalloc((size_t)a->classes, sizeof *order);

	for (int step = 0; step < 2; step++) {
		if (!(d->kinds >> (step ? AUGMENT_REMOVAL : AUGMENT_MORPHOLOGY) & 1))
			continue;
		for (int k = 0; k < a->classes; k++)
			order[k] = (struct turn){ augment_draw_class(d, a, k).turn[step], k };
		qsort(order, (size_t)a->classes, sizeof *order, by_turn);
		for (int i = 0; i < a->classes; i++) {
			struct augment_class c = augment_draw_class(d, a, order[i].k);
			if (!step && c.operator != AUGMENT_KEEP)
				change_class(hot, order[i].k, &c, a);
			if (step && c.removes)
				remove_component(hot + (size_t)order[i].k * (size_t)(a->to[0] * a->to[1] * a->to[2]), c.choice, a);
		}
	}
	free(order);
}
